//! Settings that cannot be used, of the checks by TCP and HTTP.

use locum_health::http::{BodyRule, HttpCheck, HttpConfig, HttpConfigError, Page};
use locum_health::tcp::{Pattern, Step, TcpCheck, TcpConfig, TcpConfigError};

use crate::told;

#[test]
fn conversations_must_make_sense() {
    for (step, words) in [
        (
            Step::Send(Vec::new()),
            "a step of the conversation is empty",
        ),
        (
            Step::Expect(Pattern::Contains(Vec::new())),
            "a step of the conversation is empty",
        ),
        (
            Step::Reply(99),
            "no reply has the code 99: it has three digits, the first from 1 to 5",
        ),
        (
            Step::Expect(Pattern::Regex("[".to_owned())),
            "\"[\" cannot be used as a regular expression: regex parse error",
        ),
    ] {
        let mut config = TcpConfig::default();
        config.steps = vec![step];
        let error: TcpConfigError = TcpCheck::new(config).unwrap_err();
        assert!(told(&error).starts_with(words), "{}", told(&error));
    }
}

fn refused(set: impl FnOnce(&mut HttpConfig)) -> String {
    let mut config = HttpConfig::default();
    set(&mut config);
    let error: HttpConfigError = HttpCheck::new(config).unwrap_err();
    told(&error)
}

#[test]
fn requests_must_be_possible() {
    assert_eq!(refused(|config| config.pages.clear()), "no pages");
    assert_eq!(
        refused(|config| config.method = "GET it".to_owned()),
        "\"GET it\" is not a method"
    );
    assert_eq!(
        refused(|config| config.host = Some("a\r\nX: y".to_owned())),
        "\"a\\r\\nX: y\" cannot be the header Host"
    );
    for path in ["", "index", "/a b", "/a#b", "http://a/"] {
        assert_eq!(
            refused(|config| config.pages = vec![Page::new(path)]),
            format!("{path:?} is not a path: it begins with /, and has no fragment and no blank")
        );
    }
    for (name, value, words) in [
        ("a b", "c", "the header \"a b\" is not well-formed"),
        ("a", "b\n", "the header \"a\" is not well-formed"),
        (
            "Content-Length",
            "5",
            "the header \"Content-Length\" is not for you to set: requests have no body",
        ),
    ] {
        let header = (name.to_owned(), value.to_owned());
        assert_eq!(refused(|config| config.headers = vec![header]), words);
    }
}

#[test]
fn answers_must_be_possible() {
    assert_eq!(
        refused(|config| config.pages[0].status.clear()),
        "no status passes for \"/\""
    );
    for (first, last) in [(300, 200), (0, 200), (200, 1000)] {
        assert_eq!(
            refused(|config| config.pages[0].status.push((first, last))),
            format!("no status is from {first} to {last}")
        );
    }
    assert_eq!(
        refused(|config| {
            config.method = "HEAD".to_owned();
            config.pages[0].body = vec![BodyRule::Contains("x".to_owned())];
        }),
        "rules for the body of an answer to HEAD, which has none"
    );
}
