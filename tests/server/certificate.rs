//! A certificate for example.org, and TLS for who believes it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, RootCertStore};

/// A directory with a certificate and its key, gone in the end.
pub struct Files {
    pub folder: PathBuf,
    pub certificate: CertificateDer<'static>,
}

impl Files {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["example.org".to_owned()]).unwrap();
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("tower-xmpp-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self {
            folder,
            certificate: made.cert.der().clone(),
        }
    }

    /// What makes a server use them.
    pub fn options(&self) -> String {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        format!(
            "--tls-cert {} --tls-key {}",
            path("cert.pem"),
            path("key.pem")
        )
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Speaks TLS from now on, as a client that believes this certificate alone.
pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    certificate: CertificateDer<'static>,
) -> std::io::Result<TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("example.org").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}
