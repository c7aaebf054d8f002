use std::io;
use std::ops::Range;
use std::path::Path;

use locum_director::config::{self, Style};

/// Configuration text, however broken, is read or refused, and each diagnostic is about a place in it.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Err(diagnostics) = config::load("fuzz.toml", text, read) else {
        return;
    };
    assert!(!diagnostics.is_empty(), "refused for no reason");
    for diagnostic in diagnostics.iter() {
        assert!(!diagnostic.message.is_empty());
        for span in diagnostic
            .span
            .iter()
            .chain(diagnostic.related.iter().map(|(span, _)| span))
        {
            assert!(is_in(text, span), "{span:?} of {diagnostic:?}");
        }
    }
    for style in [Style::Plain, Style::Terminal] {
        assert!(diagnostics.render(style).contains("fuzz.toml"));
    }
    let json = diagnostics.to_json();
    assert_eq!(
        json["errors"].as_array().map(Vec::len),
        Some(diagnostics.len())
    );
}

fn is_in(text: &str, span: &Range<usize>) -> bool {
    text.get(span.clone()).is_some()
}

/// The only files there are beside the configuration; one is unlike what any section wants.
fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("old.password") => Ok("8 bytes!\n".to_owned()),
        Some("odd") => Ok("\u{0}\n\n\u{fffd}".repeat(40)),
        Some(_) | None => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}
