//! Certificates and keys in files.

use std::fs;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsConfigError;

/// The certificates in the file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let text = read(path)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| syntax(path, error))?;
    if found.is_empty() {
        return Err(TlsConfigError::NoCertificate(path.to_owned()));
    }
    Ok(found)
}

/// The authorities in the file; at least one.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsConfigError::Certificate {
                path: path.to_owned(),
                source: error.into(),
            })?;
    }
    Ok(roots)
}

/// The first private key in the file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            TlsConfigError::NoKey(path.to_owned())
        } else {
            syntax(path, error)
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    fs::read(path).map_err(|source| TlsConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

fn syntax(path: &Path, error: pem::Error) -> TlsConfigError {
    TlsConfigError::Syntax {
        path: path.to_owned(),
        source: error.into(),
    }
}
