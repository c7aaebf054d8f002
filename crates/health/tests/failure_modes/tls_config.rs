//! Settings of TLS that cannot be used.

use std::path::Path;

use locum_health::http::{HttpCheck, HttpConfig, HttpConfigError};
use locum_health::tcp::{TcpCheck, TcpConfig, TcpConfigError};
use locum_health::tls::{ClientCertificate, TlsConfig, TlsConfigError};

use crate::pki::Authority;

fn refused(tls: TlsConfig) -> TlsConfigError {
    let mut config = TcpConfig::default();
    config.tls = Some(tls.clone());
    let Err(TcpConfigError::Tls(error)) = TcpCheck::new(config) else {
        panic!("it should not have been usable");
    };
    let mut config = HttpConfig::default();
    config.tls = Some(tls);
    let Err(HttpConfigError::Tls(same)) = HttpCheck::new(config) else {
        panic!("it should not have been usable");
    };
    assert_eq!(same.to_string(), error.to_string());
    error
}

fn names(error: &TlsConfigError, path: &Path) {
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn the_file_of_authorities_must_have_some() {
    let authority = Authority::new();
    let missing = Path::new("/nonexistent/ca.pem").to_owned();
    let empty = authority.file("empty.pem", "nothing here\n");
    let torn = authority.file("torn.pem", "-----BEGIN CERTIFICATE-----\nMII\n");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbage = authority.file("garbage.pem", garbage);
    for path in [missing, empty, torn, garbage] {
        let mut tls = TlsConfig::default();
        tls.ca_file = Some(path.clone());
        let error = refused(tls);
        names(&error, &path);
        match (path.file_name().unwrap().to_str().unwrap(), error) {
            ("ca.pem", TlsConfigError::Read { .. })
            | ("empty.pem", TlsConfigError::NoCertificate(_))
            | ("torn.pem", TlsConfigError::Syntax { .. })
            | ("garbage.pem", TlsConfigError::Certificate { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_certificate_shown_must_have_its_key() {
    let authority = Authority::new();
    let (one, two) = (authority.good(), authority.good());
    let certificate = authority.file("one.pem", &one.certificate);
    let key = authority.file("two.key", &two.key);
    let with = |key: &Path| {
        let mut tls = authority.trusted();
        tls.client = Some(ClientCertificate {
            certificate: certificate.clone(),
            key: key.to_owned(),
        });
        refused(tls)
    };
    let error = with(&key);
    assert!(
        matches!(error, TlsConfigError::KeyMismatch { .. }),
        "{error:?}"
    );
    names(&error, &certificate);
    names(&error, &key);
    let error = with(&certificate);
    assert!(matches!(error, TlsConfigError::NoKey(_)), "{error:?}");
    names(&error, &certificate);
    let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let garbage = authority.file("garbage.key", garbage);
    let error = with(&garbage);
    assert!(matches!(error, TlsConfigError::Key { .. }), "{error:?}");
    names(&error, &garbage);
}

#[test]
fn names_must_be_names() {
    let authority = Authority::new();
    let mut tls = authority.trusted();
    tls.server_name = Some("no name".to_owned());
    assert!(matches!(refused(tls), TlsConfigError::ServerName(name) if &*name == "no name"));
    let mut tls = authority.trusted();
    tls.alpn = vec![String::new()];
    assert!(matches!(refused(tls), TlsConfigError::Alpn(_)));
}
