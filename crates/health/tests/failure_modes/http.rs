//! The check by HTTP.

use std::time::Duration;

use locum_health::http::{BodyRule, HttpCheck, HttpConfig, Page};
use locum_health::{BodyFault, CheckError, HealthCheck as _, Pass};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::server::{End, answers, head, refusing, says, serve, serve_on};
use crate::{assert_fails, http};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn page(rules: impl Into<Vec<BodyRule>>) -> HttpConfig {
    let mut page = Page::new("/");
    page.body = rules.into();
    pages([page])
}

fn pages(pages: impl Into<Vec<Page>>) -> HttpConfig {
    let mut config = HttpConfig::default();
    config.pages = pages.into();
    config
}

fn contains(text: &str) -> HttpConfig {
    page([BodyRule::Contains(text.to_owned())])
}

#[tokio::test]
async fn the_request_is_complete() {
    let (target, requests) = answers(FINE, End::Hold).await;
    assert_eq!(
        http(HttpConfig::default(), target).await.unwrap(),
        Pass::new()
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        requests.all(),
        [format!(
            "GET / HTTP/1.1\r\nUser-Agent: locum-health/{version}\r\nHost: {target}\r\n\r\n"
        )]
    );
}

#[tokio::test]
async fn the_request_is_as_set() {
    let (target, requests) = answers(FINE, End::Hold).await;
    let mut config = pages([Page::new("/a?b=c"), Page::new("/d")]);
    config.method = "OPTIONS".to_owned();
    config.host = Some("www.test".to_owned());
    config.headers = [("X-Probe", "1"), ("user-agent", "me")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(http(config, target).await.unwrap(), Pass::new());
    let headers = "X-Probe: 1\r\nUser-Agent: me\r\nHost: www.test\r\n\r\n";
    assert_eq!(
        requests.all(),
        [
            format!("OPTIONS /a?b=c HTTP/1.1\r\n{headers}"),
            format!("OPTIONS /d HTTP/1.1\r\n{headers}"),
        ]
    );
}

#[tokio::test]
async fn the_answer_may_come_by_ipv6() {
    let target = serve_on("[::1]:0", |mut stream| async move {
        let head = head(&mut stream).await;
        assert!(head.contains("\r\nHost: [::1]:"), "{head}");
        stream.write_all(FINE.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(http(contains("hello"), target).await.unwrap(), Pass::new());
}

#[tokio::test]
async fn the_status_must_be_in_a_range() {
    for (status, config, passes) in [
        (204, pages([Page::new("/")]), true),
        (302, pages([Page::new("/")]), false),
        (503, pages([Page::new("/")]), false),
        (503, pages([ranges(&[(200, 200), (500, 599)])]), true),
        (201, pages([ranges(&[(200, 200), (500, 599)])]), false),
    ] {
        let answer = format!("HTTP/1.1 {status} x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
        let (target, requests) = answers(answer, End::Hold).await;
        match http(config, target).await {
            Ok(_) if passes => {}
            Err(CheckError::Status(told)) if told == status && !passes => {}
            other => panic!("{status}: {other:?}"),
        }
        assert_eq!(requests.all().len(), 1);
    }
}

fn ranges(status: &[(u16, u16)]) -> Page {
    let mut page = Page::new("/");
    page.status = status.to_vec();
    page
}

#[tokio::test]
async fn all_pages_must_pass() {
    let target = serve(|mut stream| async move {
        let head = head(&mut stream).await;
        let answer = match head.starts_with("GET /good ") {
            true => FINE,
            false => "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n",
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let good = Page::new("/good");
    assert!(
        http(pages([good.clone(), good.clone()]), target)
            .await
            .is_ok()
    );
    assert_fails!(
        http(pages([good, Page::new("/bad")]), target).await,
        CheckError::Status(404)
    );
}

#[tokio::test]
async fn the_body_is_judged_however_it_comes() {
    for answer in [
        FINE,
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let (target, _) = answers(answer, End::Close).await;
        let rules = [
            BodyRule::Contains("ell".to_owned()),
            BodyRule::Matches("^h.*o$".to_owned()),
            BodyRule::MatchesNot("error|fail".to_owned()),
        ];
        assert_eq!(
            http(page(rules), target).await.unwrap(),
            Pass::new(),
            "{answer}"
        );
        assert_fails!(
            http(contains("bye"), target).await,
            CheckError::Body(BodyFault::NoMatch)
        );
    }
}

#[tokio::test]
async fn a_body_too_long_fails_where_it_matters() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nhello";
    let (announcing, _) = answers(announced, End::Hold).await;
    let endless = serve(|mut stream| async move {
        head(&mut stream).await;
        let mut part = &b"HTTP/1.1 200 OK\r\n\r\nhello"[..];
        while stream.write_all(part).await.is_ok() {
            part = &[b'x'; 4096];
        }
    })
    .await;
    for target in [announcing, endless] {
        assert_fails!(
            http(contains("hello"), target).await,
            CheckError::Body(BodyFault::TooLong)
        );
        assert!(http(HttpConfig::default(), target).await.is_ok());
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_fails() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello";
    for text in [cut, chunked] {
        let (target, _) = answers(text, End::Close).await;
        assert_fails!(http(contains("hello"), target).await, CheckError::Closed);
        let (target, _) = answers(text, End::Reset).await;
        assert_fails!(http(contains("hello"), target).await, CheckError::Reset);
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_fails() {
    let (_socket, target) = refusing();
    assert_fails!(
        http(HttpConfig::default(), target).await,
        CheckError::Refused
    );
    for text in ["", "HTTP/1.1 200 OK\r\nConte"] {
        let (target, _) = answers(text, End::Close).await;
        assert_fails!(
            http(HttpConfig::default(), target).await,
            CheckError::Closed
        );
        let (target, _) = answers(text, End::Reset).await;
        assert_fails!(http(HttpConfig::default(), target).await, CheckError::Reset);
    }
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let (target, _) = answers(garbage, End::Hold).await;
        assert_fails!(
            http(contains("hello"), target).await,
            CheckError::Malformed(_)
        );
        // Nor does it help to speak before being asked.
        let target = says(garbage, End::Hold).await;
        let early = http(contains("hello"), target).await;
        assert!(early.is_err(), "{early:?}");
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_malformed() {
    let target = serve(|mut stream| async move {
        head(&mut stream).await;
        let mut part = &b"HTTP/1.1 200 OK\r\n"[..];
        while stream.write_all(part).await.is_ok() {
            part = b"X-Flood: water\r\n";
        }
    })
    .await;
    assert_fails!(
        http(HttpConfig::default(), target).await,
        CheckError::Malformed(_)
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let check = HttpCheck::new(HttpConfig::default()).unwrap();
    let probe = timeout(Duration::from_secs(5), check.check(target)).await;
    assert!(probe.is_err(), "{probe:?}");
}
