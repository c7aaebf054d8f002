//! nginx with TLS.

use locum_health::CheckError;
use locum_health::http::{HttpCheck, HttpConfig};
use locum_health::tcp::{TcpCheck, TcpConfig};
use locum_health::tls::{ClientCertificate, TlsConfig, Verify};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use crate::http::nginx;
use crate::server::{Place, Server};

const NAME: &str = "www.example.org";

/// A good certificate, one that has expired, one that nobody signed, and one that wants to see the client's.
const GOOD: u16 = 443;
const EXPIRED: u16 = 444;
const SELF_SIGNED: u16 = 445;
const MUTUAL: u16 = 446;

fn named(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

/// Makes an authority, what it issues, and a server for each; returns the settings that trust the authority.
fn start() -> (Server, TlsConfig) {
    let place = Place::new();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority
        .distinguished_name
        .push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let ca_file = place.file("ca.pem", &authority.pem());

    let mut expired = named(NAME);
    expired.not_before = date_time_ymd(2001, 1, 1);
    expired.not_after = date_time_ymd(2002, 1, 1);
    for (file, params) in [
        ("good", named(NAME)),
        ("expired", expired),
        ("client", named("lb.example.org")),
    ] {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        place.file(&format!("{file}.pem"), &certificate.pem());
        place.file(&format!("{file}.key"), &key.serialize_pem());
    }
    let key = KeyPair::generate().unwrap();
    let own = named(NAME).self_signed(&key).unwrap();
    place.file("own.pem", &own.pem());
    place.file("own.key", &key.serialize_pem());

    let mutual = "ssl_client_certificate {here}/ca.pem; ssl_verify_client on;";
    let servers: String = [
        (GOOD, "good", ""),
        (EXPIRED, "expired", ""),
        (SELF_SIGNED, "own", ""),
        (MUTUAL, "good", mutual),
    ]
    .map(|(port, file, more)| {
        format!(
            "server {{
                listen {port} ssl;
                ssl_certificate {{here}}/{file}.pem;
                ssl_certificate_key {{here}}/{file}.key;
                {more}
                location / {{ return 200 hello; }}
            }}\n"
        )
    })
    .concat();

    let mut tls = TlsConfig::default();
    tls.server_name = Some(NAME.to_owned());
    tls.client = None;
    tls.ca_file = Some(ca_file);
    let server = nginx(place, &servers, &[GOOD, EXPIRED, SELF_SIGNED, MUTUAL]);
    (server, tls)
}

fn https(tls: &TlsConfig) -> HttpCheck {
    let mut config = HttpConfig::default();
    config.tls = Some(tls.clone());
    HttpCheck::new(config).unwrap()
}

#[test]
fn a_good_certificate_passes() {
    let (server, tls) = start();
    server.check(GOOD, https(&tls)).unwrap();

    let mut plain = TcpConfig::default();
    plain.tls = Some(tls.clone());
    server.check(GOOD, TcpCheck::new(plain).unwrap()).unwrap();

    server.stop(GOOD, https(&tls));
}

#[test]
fn bad_certificates_fail_unless_anything_will_do() {
    let (server, tls) = start();
    let mut other = tls.clone();
    other.server_name = Some("www.example.net".to_owned());
    let mut unknown = tls.clone();
    unknown.ca_file = None;
    for (port, tls) in [
        (EXPIRED, &tls),
        (SELF_SIGNED, &tls),
        (GOOD, &other),
        (GOOD, &unknown),
    ] {
        let result = server.check(port, https(tls));
        assert!(
            matches!(result, Err(CheckError::Tls(_))),
            "{port} {tls:?}: {result:?}"
        );
        let mut any = tls.clone();
        any.verify = Verify::None;
        any.ca_file = None;
        server.check(port, https(&any)).unwrap();
    }
}

#[test]
fn a_server_can_ask_for_our_certificate() {
    let (server, mut tls) = start();
    // nginx says so in HTTP, not in TLS.
    let result = server.check(MUTUAL, https(&tls));
    assert!(matches!(result, Err(CheckError::Status(400))), "{result:?}");
    let file = |name| tls.ca_file.as_ref().unwrap().with_file_name(name);
    tls.client = Some(ClientCertificate {
        certificate: file("client.pem"),
        key: file("client.key"),
    });
    server.check(MUTUAL, https(&tls)).unwrap();
}

#[test]
fn a_server_without_tls_fails() {
    let (_, tls) = start();
    let servers = "server { listen 443; location / { return 200 hello; } }";
    let server = nginx(Place::new(), servers, &[GOOD]);
    let mut any = TlsConfig::default();
    any.verify = Verify::None;
    any.server_name = tls.server_name;
    let result = server.check(GOOD, https(&any));
    assert!(matches!(result, Err(CheckError::Tls(_))), "{result:?}");
}
