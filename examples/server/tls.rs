//! TLS, as far as it is the same for all entrances.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("cannot read {0}: {1}")]
    File(PathBuf, pem::Error),
    #[error("there is no certificate in {0}")]
    Empty(PathBuf),
    #[error("certificate and key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// What speaks TLS with this certificate (its chain after it, as PEM) and its
/// key.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Unusable> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| Unusable::File(path, error)
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(Unusable::Empty(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    // Named here, so that no other part of a build can choose another one.
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
