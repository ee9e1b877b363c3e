//! The reading half of a connection that carries bytes: bytes in, frames
//! out, no faster than the client may send.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::ready;
use std::time::Instant;

use tokio::io::{AsyncRead, ReadBuf};
use tower_xmpp::stanza::{Frame, Limits as ReaderLimits, Reader};

use super::super::options::Limits;
use super::throttle::Throttle;
use super::transport::{NoFrame, Transport};
use super::words::Fault;

/// Largest stanza of a client that has not logged in, in bytes: the least
/// that RFC 6120 §13.12 allows.
const STRANGER: usize = 10_000;

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

thread_local! {
    /// Bytes go from here into the reader at once, so one buffer a thread
    /// will do, however many clients are silent.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

pub struct Inlet<R> {
    socket: R,
    reader: Reader,
    throttle: Throttle,
    /// Not before this is more read from the client.
    resume: Instant,
    most: usize,
}

impl<R: AsyncRead + Unpin + Send> Inlet<R> {
    pub fn new(socket: R, limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            socket,
            reader: reader(limits),
            throttle: Throttle::new(limits.rate, now),
            resume: now,
            most: limits.max_stanza,
        }
    }

    /// Back to the socket. What was read and not asked for is forgotten.
    pub fn into_inner(self) -> R {
        self.socket
    }

    async fn read(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
                self.reader.push(buffer.filled());
                Ok(buffer.filled().len()).into()
            })
        })
        .await
    }
}

impl<R: AsyncRead + Unpin + Send> Transport for Inlet<R> {
    async fn next(&mut self) -> Result<Frame, NoFrame> {
        loop {
            match self.reader.next() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(NoFrame::Fault(Fault::Xml(error))),
            }
            if self.resume > Instant::now() {
                tokio::time::sleep_until(self.resume.into()).await;
            }
            match self.read().await {
                Ok(0) | Err(_) => return Err(NoFrame::Lost),
                Ok(count) => {
                    let now = Instant::now();
                    self.resume = now + self.throttle.read(count, now);
                }
            }
        }
    }

    fn restart(&mut self) {
        self.reader.restart();
    }

    fn trust(&mut self) {
        self.reader.set_stanza_bytes(self.most);
    }

    async fn drain(&mut self) {
        // A reader that has failed or is closed keeps nothing.
        self.reader = Reader::new(ReaderLimits::default());
        while let Ok(1..) = self.read().await {
            self.reader = Reader::new(ReaderLimits::default());
        }
    }
}

/// A reader for a client that nobody knows yet.
pub fn reader(limits: &Limits) -> Reader {
    let mut reader = Reader::new(ReaderLimits {
        stanza_bytes: limits.max_stanza,
        depth: limits.max_depth,
        ..ReaderLimits::default()
    });
    reader.set_stanza_bytes(STRANGER);
    reader
}
