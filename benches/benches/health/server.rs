//! Servers to probe, on a thread of their own.
#![expect(
    clippy::expect_used,
    reason = "loopback, and certificates made just now"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

pub(crate) const NAME: &str = "server.test";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// What the servers do.
pub(crate) struct Servers {
    /// Accepts, and waits for the other side to close. On every address of 127/8.
    pub(crate) tcp: u16,
    /// Answers to HTTP, also on all of them.
    pub(crate) http: u16,
    /// Shakes hands with TLS 1.3, and waits.
    pub(crate) tls: u16,
    /// What the certificate is verified by.
    pub(crate) ca_file: PathBuf,
    _directory: TempDir,
}

#[derive(Clone)]
enum Protocol {
    Http,
    Tcp,
    Tls(TlsAcceptor),
}

impl Servers {
    /// Starts them; they run to the end of the process.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ca_file = directory.path().join("ca.pem");
        let acceptor = certificate(&ca_file);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_io().build();
            runtime.expect("a runtime").block_on(async {
                let [tcp, http, tls] = [Protocol::Tcp, Protocol::Http, Protocol::Tls(acceptor)]
                    .map(|protocol| listen(protocol).expect("a port"));
                tell.send((tcp, http, tls)).expect("somebody waits");
                std::future::pending::<()>().await;
            });
        });
        let (tcp, http, tls) = told.recv().expect("the servers have started");
        Self {
            tcp,
            http,
            tls,
            ca_file,
            _directory: directory,
        }
    }
}

fn certificate(ca_file: &std::path::Path) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([NAME.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    std::fs::write(ca_file, certificate.pem()).expect("a file");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("they match");
    TlsAcceptor::from(Arc::new(config))
}

fn listen(protocol: Protocol) -> std::io::Result<u16> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    let listener = socket.listen(4096)?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let protocol = protocol.clone();
            tokio::spawn(async move {
                match protocol {
                    Protocol::Http => serve(stream, ANSWER).await,
                    Protocol::Tcp => serve(stream, &[]).await,
                    Protocol::Tls(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, &[]).await;
                        }
                    }
                }
            });
        }
    });
    Ok(port)
}

/// Answers to what comes until the other side closes.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
