//! An authority, the certificates that it issues, and servers that show them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use locum_health::tls::{ClientCertificate, TlsConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use crate::server::{head, serve};

pub(crate) const NAME: &str = "server.test";

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Shown {
        let key = KeyPair::generate().unwrap();
        Shown {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate for the name and for the address.
    pub(crate) fn good(&self) -> Shown {
        self.issue(params())
    }

    /// The path of a new file.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn client(&self, shown: &Shown) -> ClientCertificate {
        ClientCertificate {
            certificate: self.file("client.pem", &shown.certificate),
            key: self.file("client.key", &shown.key),
        }
    }

    /// Trusts this authority, and expects the name.
    pub(crate) fn trusted(&self) -> TlsConfig {
        let mut config = TlsConfig::default();
        config.ca_file = Some(self.file("ca.pem", &self.issuer.pem()));
        config.server_name = Some(NAME.to_owned());
        config
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

pub(crate) fn params() -> CertificateParams {
    CertificateParams::new([NAME, "127.0.0.1"].map(str::to_owned)).unwrap()
}

pub(crate) fn expired() -> CertificateParams {
    let mut params = params();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    params
}

/// What the server saw of a handshake.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) kind: Option<HandshakeKind>,
    pub(crate) name: Option<String>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) certificate: bool,
}

/// A server of HTTP with TLS.
pub(crate) struct TlsServer {
    pub(crate) target: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl TlsServer {
    pub(crate) async fn start(shown: &Shown) -> Self {
        Self::start_with(shown, rustls::ALL_VERSIONS, None).await
    }

    /// With these versions; certificates of clients must be of `clients`.
    pub(crate) async fn start_with(
        shown: &Shown,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let roots = Arc::new(authority.roots());
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(roots, provider)
                        .build()
                        .unwrap(),
                )
            }
            None => builder.with_no_client_auth(),
        };
        let certificate = CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let target = serve(move |stream| {
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let connection = stream.get_ref().1;
                noted.lock().unwrap().push(Seen {
                    kind: connection.handshake_kind(),
                    name: connection.server_name().map(str::to_owned),
                    alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
                    certificate: connection.peer_certificates().is_some(),
                });
                head(&mut stream).await;
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.flush().await;
                head(&mut stream).await;
            }
        })
        .await;
        Self { target, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}
