//! Streams over TCP (RFC 6120 §3), which a client may secure (§5).

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::info;

use super::super::census::Counted;
use super::super::entrance::Entrance;
use super::framing::Framing;
use super::inlet::Inlet;
use super::negotiation::Tls;
use super::queue::Sink;
use super::{Terms, serve};

/// How clients are served that come over TCP.
#[derive(Clone)]
pub struct Entry {
    pub entrance: Arc<Entrance>,
    pub tls: Option<TlsAcceptor>,
    /// Whether TLS must come first, or is the client's choice: only where
    /// nobody can listen in.
    pub is_tls_required: bool,
}

impl Entry {
    /// Serves one connection to its end; so long it counts.
    pub async fn serve(self, socket: TcpStream, counted: Counted) {
        // Nothing is gained by waiting: the queue has coalesced what it could.
        let _ = socket.set_nodelay(true);
        let terms = Terms {
            tls: match (&self.tls, self.is_tls_required) {
                (None, _) => Tls::Done,
                (Some(_), false) => Tls::Offered,
                (Some(_), true) => Tls::Required,
            },
            entrance: self.entrance,
            framing: Framing::Tcp,
            refused: counted.refused,
        };
        let (read, write) = socket.into_split();
        let mut inlet = Box::new(Inlet::new(read, terms.entrance.limits()));
        // Boxed, here and below: a stream has room for what it is now, neither for
        // what it was before it was secured nor for what it may become.
        let before = Box::pin(serve(&terms, &mut *inlet, Outlet(write))).await;
        let (Some(outlet), Some(tls)) = (before, self.tls) else {
            return;
        };
        // RFC 6120 §5.4.3.3: what the client said too early is not taken for
        // something that it said in secret.
        if let Ok(socket) = inlet.into_inner().reunite(outlet.0) {
            Box::pin(serve_secured(terms, tls, socket)).await;
        }
    }
}

/// The same connection, once its client begins to speak TLS.
async fn serve_secured(mut terms: Terms, tls: TlsAcceptor, socket: TcpStream) {
    let limit = terms.entrance.limits().login_timeout;
    let secured = tokio::select! {
        secured = Box::pin(timeout(limit, tls.accept(socket))) => secured,
        () = terms.entrance.shutting_down() => return,
    };
    let socket = match secured {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return info!(%error, "TLS handshake failed"),
        Err(_) => return info!("TLS handshake timed out"),
    };
    terms.tls = Tls::Done;
    let (read, write) = tokio::io::split(socket);
    let mut inlet = Box::new(Inlet::new(read, terms.entrance.limits()));
    Box::pin(serve(&terms, &mut *inlet, Outlet(write))).await;
}

/// The writing half of a connection that carries bytes.
struct Outlet<W>(W);

impl<W: AsyncWrite + Unpin + Send> Sink for Outlet<W> {
    async fn write(&mut self, bytes: &[u8], _: &[usize]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
