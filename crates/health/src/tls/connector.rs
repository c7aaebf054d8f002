//! Settings made ready, and the handshake.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error, InconsistentKeys};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::trust::{self, Anything};
use super::{ClientCertificate, TlsConfig, TlsConfigError, Verify, files, from_io};
use crate::check::CheckError;

/// Settings of TLS, checked and made ready.
#[derive(Clone)]
pub(crate) struct Connector {
    connector: TlsConnector,
    server_name: Option<ServerName<'static>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Reads the files that `config` names.
    pub(crate) fn new(config: &TlsConfig) -> Result<Self, TlsConfigError> {
        // Named, so that what the program around us chose as its default does not matter, nor that it chose none.
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsConfigError::Library(error.into()))?;
        let builder = match config.verify {
            Verify::Full => builder.with_root_certificates(match &config.ca_file {
                Some(path) => Arc::new(files::authorities(path)?),
                None => trust::machine()?,
            }),
            Verify::None => builder
                .dangerous()
                .with_custom_certificate_verifier(anything(&provider)),
        };
        let mut client = match &config.client {
            Some(shown) => builder
                .with_client_auth_cert(
                    files::certificates(&shown.certificate)?,
                    files::key(&shown.key)?,
                )
                .map_err(|error| unusable(shown, error))?,
            None => builder.with_no_client_auth(),
        };
        client.resumption = Resumption::disabled();
        client.alpn_protocols = alpn(&config.alpn)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            server_name: config.server_name.as_deref().map(server_name).transpose()?,
        })
    }

    /// Shakes hands over `stream`, which leads to `target`.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        target: SocketAddr,
    ) -> Result<TlsStream<TcpStream>, CheckError> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::from(target.ip()),
        };
        self.connector.connect(name, stream).await.map_err(from_io)
    }
}

fn anything(provider: &CryptoProvider) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Anything::new(provider))
}

/// Why what this machine would show cannot be.
fn unusable(shown: &ClientCertificate, error: Error) -> TlsConfigError {
    if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
        TlsConfigError::KeyMismatch {
            certificate: shown.certificate.clone(),
            key: shown.key.clone(),
        }
    } else if matches!(error, Error::InvalidCertificate(_)) {
        TlsConfigError::Certificate {
            path: shown.certificate.clone(),
            source: error.into(),
        }
    } else {
        TlsConfigError::Key {
            path: shown.key.clone(),
            source: error.into(),
        }
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, TlsConfigError> {
    ServerName::try_from(text.to_owned()).map_err(|_| TlsConfigError::ServerName(text.into()))
}

fn alpn(protocols: &[String]) -> Result<Vec<Vec<u8>>, TlsConfigError> {
    protocols
        .iter()
        .map(|name| match name.len() {
            1..=255 => Ok(name.as_bytes().to_vec()),
            _ => Err(TlsConfigError::Alpn(name.as_str().into())),
        })
        .collect()
}
