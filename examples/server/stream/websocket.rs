//! Streams over WebSocket (RFC 7395), at the path `/xmpp-websocket`.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};
use tower_xmpp::stanza::{Frame, Limit, StreamError};
use tracing::info;

use super::super::census::Counted;
use super::super::entrance::Entrance;
use super::super::options::Limits;
use super::documents::Documents;
use super::framing::Framing;
use super::negotiation::Tls;
use super::queue::Sink;
use super::throttle::Throttle;
use super::transport::{NoFrame, Transport};
use super::words::Fault;
use super::{Terms, serve};

/// Where streams are, and nothing else is anywhere.
const PATH: &str = "/xmpp-websocket";

/// The name of what is spoken (RFC 7395 §3.1).
const PROTOCOL: &str = "xmpp";

/// How much is read and written at once.
const CHUNK: usize = 4 * 1024;

/// How clients are served that come over WebSocket.
#[derive(Clone)]
pub struct Entry {
    pub entrance: Arc<Entrance>,
    /// For addresses that others can reach: `wss://`.
    pub tls: Option<TlsAcceptor>,
}

impl Entry {
    /// Serves one connection to its end; so long it counts.
    pub async fn serve(self, socket: TcpStream, counted: Counted) {
        let refused = counted.refused;
        let _ = socket.set_nodelay(true);
        match self.tls.clone() {
            None => self.greet(socket, refused).await,
            Some(tls) => {
                let limit = self.entrance.limits().login_timeout;
                match timeout(limit, tls.accept(socket)).await {
                    Ok(Ok(socket)) => self.greet(socket, refused).await,
                    Ok(Err(error)) => info!(%error, "TLS handshake failed"),
                    Err(_) => info!("TLS handshake timed out"),
                }
            }
        }
    }

    async fn greet<S>(self, socket: S, refused: Option<Fault>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = *self.entrance.limits();
        let config = WebSocketConfig::default()
            .read_buffer_size(CHUNK)
            .write_buffer_size(CHUNK)
            .max_message_size(Some(limits.max_stanza))
            .max_frame_size(Some(limits.max_stanza));
        let greeting = accept_hdr_async_with_config(socket, answer, Some(config));
        let greeted = tokio::select! {
            greeted = timeout(limits.login_timeout, greeting) => greeted,
            () = self.entrance.shutting_down() => return,
        };
        let (sink, stream) = match greeted {
            Ok(Ok(socket)) => socket.split(),
            Ok(Err(error)) => return info!(%error, "WebSocket handshake failed"),
            Err(_) => return info!("WebSocket handshake timed out"),
        };
        let terms = Terms {
            entrance: self.entrance,
            framing: Framing::WebSocket,
            tls: Tls::Done,
            refused,
        };
        let mut messages = Box::new(Messages::new(stream, limits));
        serve(&terms, &mut *messages, Outlet(sink)).await;
    }
}

/// Answers the request that begins every WebSocket.
#[expect(clippy::result_large_err, reason = "the library's type")]
fn answer(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status| {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        Err(refusal)
    };
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND);
    }
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offers = offers.iter().filter_map(|offer| offer.to_str().ok());
    if !offers.any(|offer| offer.split(',').any(|one| one.trim() == PROTOCOL)) {
        return refuse(StatusCode::BAD_REQUEST);
    }
    let chosen = HeaderValue::from_static(PROTOCOL);
    let headers = response.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, chosen);
    Ok(response)
}

/// The reading half: messages in, frames out, no faster than allowed.
struct Messages<S> {
    stream: SplitStream<WebSocketStream<S>>,
    documents: Documents,
    throttle: Throttle,
    /// Not before this is more read from the client.
    resume: Instant,
}

impl<S> Messages<S> {
    fn new(stream: SplitStream<WebSocketStream<S>>, limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            stream,
            documents: Documents::new(limits),
            throttle: Throttle::new(limits.rate, now),
            resume: now,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for Messages<S> {
    async fn next(&mut self) -> Result<Frame, NoFrame> {
        loop {
            if self.resume > Instant::now() {
                tokio::time::sleep_until(self.resume.into()).await;
            }
            let message = match self.stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(fault(&error)),
                None => return Err(NoFrame::Lost),
            };
            let now = Instant::now();
            self.resume = now + self.throttle.read(message.len(), now);
            match message {
                Message::Text(text) => {
                    return self.documents.take(&text).map_err(NoFrame::Fault);
                }
                Message::Binary(_) => return Err(NoFrame::Fault(Fault::NotText)),
                Message::Close(_) => return Err(NoFrame::Lost),
                // The library answers pings.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn restart(&mut self) {
        self.documents.restart();
    }

    fn trust(&mut self) {
        self.documents.trust();
    }

    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}

fn fault(error: &WsError) -> NoFrame {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
            let too_long = StreamError::PolicyViolation(Limit::StanzaBytes);
            NoFrame::Fault(Fault::Xml(too_long))
        }
        WsError::Utf8(_) => NoFrame::Fault(Fault::Xml(StreamError::UnsupportedEncoding)),
        _ => NoFrame::Lost,
    }
}

/// The writing half. What has gathered leaves in one go, here too.
struct Outlet<S>(SplitSink<WebSocketStream<S>, Message>);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink for Outlet<S> {
    async fn write(&mut self, bytes: &[u8], ends: &[usize]) -> io::Result<()> {
        let mut start = 0;
        for end in ends {
            let text = Bytes::copy_from_slice(&bytes[start..*end]);
            let text = Utf8Bytes::try_from(text).map_err(io::Error::other)?;
            let fed = self.0.feed(Message::Text(text)).await;
            fed.map_err(io::Error::other)?;
            start = *end;
        }
        self.0.flush().await.map_err(io::Error::other)
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.close().await.map_err(io::Error::other)
    }
}
