//! TLS under the checks by TCP and HTTP.

use std::time::Duration;

use locum_health::http::{BodyRule, HttpConfig, Page};
use locum_health::tcp::{TcpCheck, TcpConfig};
use locum_health::tls::{TlsConfig, Verify};
use locum_health::{CheckError, HealthCheck as _, Pass};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::pki::{Authority, NAME, Seen, TlsServer, expired, params};
use crate::server::{End, says};
use crate::{assert_fails, http, tcp, told};

fn over(tls: TlsConfig) -> TcpConfig {
    let mut config = TcpConfig::default();
    config.tls = Some(tls);
    config
}

fn https(tls: TlsConfig) -> HttpConfig {
    let mut page = Page::new("/");
    page.body = vec![BodyRule::Contains("hello".to_owned())];
    let mut config = HttpConfig::default();
    config.pages = vec![page];
    config.tls = Some(tls);
    config
}

fn unverified() -> TlsConfig {
    let mut config = TlsConfig::default();
    config.verify = Verify::None;
    config
}

#[tokio::test]
async fn a_good_certificate_passes_with_either_version() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let server = TlsServer::start_with(&authority.good(), &[version], None).await;
        for tls in [authority.trusted(), unverified()] {
            assert_eq!(
                tcp(over(tls.clone()), server.target).await.unwrap(),
                Pass::new()
            );
            assert_eq!(http(https(tls), server.target).await.unwrap(), Pass::new());
        }
    }
}

#[tokio::test]
async fn each_probe_sees_the_certificate_again() {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let server = TlsServer::start_with(&authority.good(), &[version], None).await;
        let mut tls = authority.trusted();
        tls.alpn = vec!["http/1.1".to_owned()];
        let check = locum_health::http::HttpCheck::new(https(tls)).unwrap();
        for _ in 0..2 {
            crate::bounded(check.check(server.target)).await.unwrap();
        }
        let full = Seen {
            kind: Some(HandshakeKind::Full),
            name: Some(NAME.to_owned()),
            alpn: Some(b"http/1.1".to_vec()),
            certificate: false,
        };
        assert_eq!(server.seen(), [full.clone(), full]);
    }
}

#[tokio::test]
async fn without_a_name_the_address_must_be_in_the_certificate() {
    let authority = Authority::new();
    let mut tls = authority.trusted();
    tls.server_name = None;
    let server = TlsServer::start(&authority.good()).await;
    assert_eq!(
        http(https(tls.clone()), server.target).await.unwrap(),
        Pass::new()
    );
    assert_eq!(server.seen()[0].name, None);
    let named = authority.issue(rcgen::CertificateParams::new([NAME.to_owned()]).unwrap());
    let server = TlsServer::start(&named).await;
    assert_fails!(tcp(over(tls), server.target).await, CheckError::Tls(_));
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told() {
    let authority = Authority::new();
    let stranger = Authority::named("stranger");
    let other = rcgen::CertificateParams::new(["other.test".to_owned()]).unwrap();
    let own_key = rcgen::KeyPair::generate().unwrap();
    let self_signed = crate::pki::Shown {
        certificate: params().self_signed(&own_key).unwrap().pem(),
        key: own_key.serialize_pem(),
    };
    for (shown, words) in [
        (authority.issue(expired()), "certificate expired"),
        (authority.issue(other), "certificate not valid for name"),
        (stranger.good(), "UnknownIssuer"),
        (self_signed, "UnknownIssuer"),
    ] {
        let server = TlsServer::start(&shown).await;
        for result in [
            tcp(over(authority.trusted()), server.target).await,
            http(https(authority.trusted()), server.target).await,
        ] {
            match result {
                Err(error @ CheckError::Tls(_)) => {
                    assert!(told(&error).contains(words), "{}", told(&error));
                }
                other => panic!("{words}: {other:?}"),
            }
        }
        assert!(tcp(over(unverified()), server.target).await.is_ok());
        assert!(http(https(unverified()), server.target).await.is_ok());
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it() {
    let authority = Authority::new();
    let shown = authority.good();
    for version in [&TLS12, &TLS13] {
        let server = TlsServer::start_with(&shown, &[version], Some(&authority)).await;
        let mut tls = authority.trusted();
        match http(https(tls.clone()), server.target).await {
            Err(error @ CheckError::Tls(_)) => {
                assert!(
                    told(&error).contains("CertificateRequired")
                        || told(&error).contains("HandshakeFailure"),
                    "{}",
                    told(&error)
                );
            }
            other => panic!("{other:?}"),
        }
        tls.client = Some(authority.client(&authority.good()));
        assert_eq!(http(https(tls), server.target).await.unwrap(), Pass::new());
        assert!(server.seen()[0].certificate);
    }
}

#[tokio::test]
async fn http_and_https_are_told_apart() {
    // What a server of HTTP makes of a handshake, and one of mail says before it.
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 ready\r\n"] {
        let target = says(text, End::Hold).await;
        assert_fails!(tcp(over(unverified()), target).await, CheckError::Tls(_));
        assert_fails!(http(https(unverified()), target).await, CheckError::Tls(_));
    }
    let authority = Authority::new();
    let server = TlsServer::start(&authority.good()).await;
    assert_fails!(
        http(HttpConfig::default(), server.target).await,
        CheckError::Malformed(_)
    );
}

#[tokio::test]
async fn a_handshake_cut_off_is_closed_or_reset() {
    let target = says("", End::Close).await;
    assert_fails!(tcp(over(unverified()), target).await, CheckError::Closed);
    let target = says("\u{16}\u{3}\u{3}", End::Reset).await;
    assert_fails!(tcp(over(unverified()), target).await, CheckError::Reset);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_without_answer_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let check = TcpCheck::new(over(unverified())).unwrap();
    let probe = timeout(Duration::from_secs(5), check.check(target)).await;
    assert!(probe.is_err(), "{probe:?}");
}
