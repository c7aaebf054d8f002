//! As much of HTTP/1.1 as the laboratory's servers and clients speak (RFC 9112). Pure.

/// The page whose status can be switched.
pub(super) const HEALTH: &str = "/health";
/// From this request on, a connection echoes.
pub(super) const ECHO: &str = "/echo";

/// No head of a message is longer.
const HEAD: usize = 8192;

/// How much of a message is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parsed<T> {
    /// All of it, and so many bytes long.
    Complete(T, usize),
    /// A part.
    Incomplete,
    /// It will never be one.
    Malformed,
}

/// A request without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: String,
    /// HTTP/1.0, or it says so.
    pub(super) last: bool,
}

/// A response, with its body as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: String,
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n")
}

pub(super) fn response(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        if status < 400 { "OK" } else { "Not OK" },
        body.len()
    )
}

/// What precedes the echo: the server's name is its body.
pub(super) fn switching(name: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nContent-Length: {}\r\n\r\n{name}",
        name.len()
    )
}

pub(super) fn parse_request(bytes: &[u8]) -> Parsed<Request> {
    let (head, length) = match head(bytes) {
        Parsed::Complete(head, length) => (head, length),
        Parsed::Incomplete => return Parsed::Incomplete,
        Parsed::Malformed => return Parsed::Malformed,
    };
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some("GET" | "HEAD"), Some(path), Some(version)) =
        (words.next(), words.next(), words.next())
    else {
        return Parsed::Malformed;
    };
    let close = lines.any(|line| line.to_ascii_lowercase().replace(' ', "") == "connection:close");
    let request = Request {
        path: path.to_owned(),
        last: close || version == "HTTP/1.0",
    };
    Parsed::Complete(request, length)
}

pub(super) fn parse_response(bytes: &[u8]) -> Parsed<Response> {
    let (head, length) = match head(bytes) {
        Parsed::Complete(head, length) => (head, length),
        Parsed::Incomplete => return Parsed::Incomplete,
        Parsed::Malformed => return Parsed::Malformed,
    };
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok());
    let body = lines.find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let (Some(status), Some(body)) = (status, body) else {
        return Parsed::Malformed;
    };
    let end = length.saturating_add(body);
    bytes.get(length..end).map_or(Parsed::Incomplete, |body| {
        Parsed::Complete(
            Response {
                status,
                body: String::from_utf8_lossy(body).into_owned(),
            },
            end,
        )
    })
}

/// The head, and its length with the empty line.
fn head(bytes: &[u8]) -> Parsed<&str> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    match end.and_then(|end| Some((bytes.get(..end)?, end.saturating_add(4)))) {
        Some((head, length)) => std::str::from_utf8(head)
            .map_or(Parsed::Malformed, |head| Parsed::Complete(head, length)),
        None if bytes.len() > HEAD => Parsed::Malformed,
        None => Parsed::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_when_it_is_whole() {
        let text = get("/a");
        for part in 0..text.len() {
            assert_eq!(parse_request(&text.as_bytes()[..part]), Parsed::Incomplete);
        }
        let request = Request {
            path: "/a".to_owned(),
            last: false,
        };
        assert_eq!(
            parse_request(text.as_bytes()),
            Parsed::Complete(request, text.len())
        );
    }

    #[test]
    fn the_last_request_says_so() {
        for text in [
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nconnection: Close\r\n\r\n",
        ] {
            assert!(matches!(
                parse_request(text.as_bytes()),
                Parsed::Complete(Request { last: true, .. }, _)
            ));
        }
        assert_eq!(parse_request(b"what?\r\n\r\n"), Parsed::Malformed);
        assert_eq!(parse_request(&[b'x'; HEAD + 1]), Parsed::Malformed);
    }

    #[test]
    fn a_response_comes_back() {
        let text = response(503, "web1");
        for part in 0..text.len() {
            assert_eq!(parse_response(&text.as_bytes()[..part]), Parsed::Incomplete);
        }
        let parsed = Response {
            status: 503,
            body: "web1".to_owned(),
        };
        assert_eq!(
            parse_response(text.as_bytes()),
            Parsed::Complete(parsed, text.len())
        );
        assert!(matches!(
            parse_response((switching("web1") + "more").as_bytes()),
            Parsed::Complete(Response { status: 101, .. }, length) if length == switching("web1").len()
        ));
        assert_eq!(
            parse_response(b"HTTP/1.1 200 OK\r\n\r\n"),
            Parsed::Malformed
        );
    }
}
