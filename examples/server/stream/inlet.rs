//! The reading half of a client's connection: bytes in, frames out, no
//! faster than the client may send.

use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};
use tower_xmpp::stanza::{Frame, Limits as ReaderLimits, Reader};

use super::super::options::Limits;
use super::throttle::Throttle;
use super::words::Fault;

/// Largest stanza of a client that has not logged in, in bytes: the least
/// that RFC 6120 §13.12 allows.
const STRANGER: usize = 10_000;

pub struct Inlet<R> {
    socket: R,
    reader: Reader,
    throttle: Throttle,
    /// Not before this is more read from the client.
    resume: Instant,
    buffer: Box<[u8; 4096]>,
}

/// Why there is no other frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFrame {
    /// The connection broke, or was closed without closing the stream.
    Lost,
    /// What came must end the stream.
    Fault(Fault),
}

impl<R: AsyncRead + Unpin> Inlet<R> {
    pub fn new(socket: R, limits: &Limits) -> Self {
        let now = Instant::now();
        let mut reader = Reader::new(ReaderLimits {
            stanza_bytes: limits.max_stanza,
            depth: limits.max_depth,
            ..ReaderLimits::default()
        });
        reader.set_stanza_bytes(STRANGER);
        Self {
            socket,
            reader,
            throttle: Throttle::new(limits.rate, now),
            resume: now,
            buffer: Box::new([0; 4096]),
        }
    }

    /// The next frame. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Frame, NoFrame> {
        loop {
            match self.reader.next() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(NoFrame::Fault(Fault::Xml(error))),
            }
            tokio::time::sleep_until(self.resume.into()).await;
            match self.socket.read(&mut self.buffer[..]).await {
                Ok(0) | Err(_) => return Err(NoFrame::Lost),
                Ok(count) => {
                    self.reader.push(&self.buffer[..count]);
                    let now = Instant::now();
                    self.resume = now + self.throttle.read(count, now);
                }
            }
        }
    }

    /// The client has logged in, and may send as much as any.
    pub fn trust(&mut self, limits: &Limits) {
        self.reader.set_stanza_bytes(limits.max_stanza);
    }

    /// The client begins a new stream on the same connection.
    pub fn restart(&mut self) {
        self.reader.restart();
    }
}
