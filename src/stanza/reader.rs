//! The way in: a stream of bytes cut into frames.

use std::fmt;

use super::assemble::{self, Assembly, declare};
use super::element::Element;
use super::limits::{Limit, Limits, StreamError};
use super::scan::Scan;
use super::scope::{Outer, Piece, Start};
use super::{Stanza, dom, ns};

/// What a stream consists of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Frame {
    /// The stream was opened.
    Open(StreamHeader),
    /// A stanza.
    Stanza(Stanza),
    /// Any other top-level element: features, SASL, stream management.
    Nonza(Element),
    /// The peer closed the stream.
    Close,
}

/// The start tag of a stream (RFC 6120 §4.7). Addresses are as they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct StreamHeader {
    /// The address that the peer wants to reach.
    pub to: Option<String>,
    /// The peer's own address.
    pub from: Option<String>,
    /// The stream's id, given by the receiving side.
    pub id: Option<String>,
    /// The protocol version; absent before RFC 3920.
    pub version: Option<String>,
    /// The default language of the stream.
    pub lang: Option<String>,
    /// The default namespace, in which the stanzas stand; empty if they come
    /// with a prefix.
    pub content: String,
}

/// Cuts the bytes of a stream into frames. Push what came, then ask for
/// frames until there is none.
///
/// A stanza's bytes are kept as they came. It holds at most
/// [`Limits::stanza_bytes`] of an unfinished stanza besides what was pushed
/// and not asked for yet; whitespace between stanzas (RFC 6120 §4.6.1) is not
/// kept at all.
///
/// ```
/// use tower_xmpp::stanza::{Frame, Limits, Reader, ns};
///
/// let mut reader = Reader::new(Limits::default());
/// reader.push(b"<stream:stream xmlns='jabber:client' version='1.0'
///               xmlns:stream='http://etherx.jabber.org/streams'><presence/><mess");
/// assert!(matches!(reader.next()?, Some(Frame::Open(header)) if header.content == ns::CLIENT));
/// assert!(matches!(reader.next()?, Some(Frame::Stanza(_))));
/// assert!(reader.next()?.is_none());
/// # Ok::<(), tower_xmpp::stanza::StreamError>(())
/// ```
pub struct Reader {
    limits: Limits,
    /// What `limits.stanza_bytes` was at first.
    most_bytes: usize,
    scan: Scan,
    /// What was pushed lately.
    buffer: Vec<u8>,
    /// What of it became frames already.
    done: usize,
    /// How far the scan has looked.
    seen: usize,
    /// What `done` is, counted from the (re)start.
    origin: usize,
    content: Option<String>,
    state: State,
}

enum State {
    /// The next thing must be a stream header.
    Header,
    /// The header was the end of the stream, too, which the scan says next.
    Ending,
    /// Between two top-level elements.
    Idle,
    InStanza(Box<Assembly>),
    InNonza(Nonza),
    Closed,
    Failed(StreamError),
}

/// A top-level element that is no stanza. Offsets count from its `<`.
struct Nonza {
    name_end: usize,
    outer: Vec<Outer>,
}

impl Reader {
    /// A reader that waits for a stream header.
    pub fn new(limits: Limits) -> Self {
        Reader {
            limits,
            most_bytes: limits.stanza_bytes,
            scan: stream_scan(&limits),
            buffer: Vec::new(),
            done: 0,
            seen: 0,
            origin: 0,
            content: None,
            state: State::Header,
        }
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Closed | State::Failed(_)) {
            return;
        }
        // Once a push, however many frames the last one held.
        self.buffer.drain(..self.done);
        self.seen -= self.done;
        self.done = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, if the bytes so far hold one. After the stream was
    /// closed there is none.
    ///
    /// # Errors
    /// The stream must be closed with the error's condition. From then on the
    /// reader says the same error again.
    // An iterator would end where this one only waits.
    #[expect(clippy::should_implement_trait, reason = "no iterator: it resumes")]
    pub fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        let result = self.advance();
        if let Err(error) = result {
            self.fail(State::Failed(error));
        }
        result
    }

    /// Begins anew, as after SASL: the next thing must be a stream header. What
    /// came after the last frame is kept. To be called before [`Reader::next`]
    /// is asked for what belongs to the new stream.
    ///
    /// Not after STARTTLS: what came in the clear behind `<starttls/>` may be
    /// anybody's and must not be read as if it had come through TLS (RFC 6120
    /// §5.4.3.3). Make a new reader there.
    pub fn restart(&mut self) {
        self.seen = self.done;
        self.origin = 0;
        self.scan = stream_scan(&Limits {
            stanza_bytes: self.most_bytes,
            ..self.limits
        });
        self.content = None;
        self.state = State::Header;
    }

    /// Lets a stanza have this many bytes from now on, but never more than
    /// the limits it was made with: a peer that has not said who it is needs
    /// little.
    pub fn set_stanza_bytes(&mut self, bytes: usize) {
        self.limits.stanza_bytes = bytes.min(self.most_bytes);
    }

    /// How many bytes it holds.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.done
    }

    fn advance(&mut self) -> Result<Option<Frame>, StreamError> {
        match self.state {
            State::Closed => return Ok(None),
            State::Failed(error) => return Err(error),
            _ => {}
        }
        loop {
            if self.seen == self.done {
                // Whitespace keeps a stream alive (RFC 6120 §4.6.1). It may still
                // arrive where a new header is awaited, though XML allows none
                // before a declaration.
                if matches!(self.state, State::Header | State::Idle) {
                    self.pass(blanks(&self.buffer[self.done..]));
                }
                if matches!(self.state, State::Idle)
                    && let Some(stanza) = self.at_once()
                {
                    return Ok(Some(Frame::Stanza(stanza)));
                }
            }
            // One byte more than allowed shows that it is too much.
            let allowed = self.limits.stanza_bytes.saturating_add(1);
            let stop = self.buffer.len().min(self.done.saturating_add(allowed));
            let mut rest = &self.buffer[self.seen..stop];
            let piece = self.scan.next(&mut rest, false);
            self.seen = stop - rest.len();
            let piece = piece?;
            if self.seen - self.done > self.limits.stanza_bytes {
                return Err(StreamError::PolicyViolation(Limit::StanzaBytes));
            }
            let Some(piece) = piece else {
                if self.buffered() == 0 {
                    self.buffer = Vec::new();
                    (self.done, self.seen) = (0, 0);
                    self.scan.release();
                }
                return Ok(None);
            };
            if let Some(frame) = self.take(piece)? {
                return Ok(Some(frame));
            }
        }
    }

    /// The next stanza, if all of it is there already and the scan has seen nothing of it.
    fn at_once(&mut self) -> Option<Stanza> {
        let rest = &self.buffer[self.done..];
        let allowed = rest.len().min(self.limits.stanza_bytes);
        let (stanza, length) = assemble::at_once(
            &rest[..allowed],
            &mut self.scan.scope,
            self.content.as_deref(),
            &self.limits,
        )?;
        self.pass(length);
        Some(stanza)
    }

    /// Lets go of bytes that the scan was not shown.
    fn pass(&mut self, bytes: usize) {
        self.scan.skip(bytes);
        self.done += bytes;
        self.origin += bytes;
        self.seen = self.done;
    }

    fn take(&mut self, piece: Piece<'_>) -> Result<Option<Frame>, StreamError> {
        let depth = self.scan.scope.depth();
        match (piece, &mut self.state) {
            (Piece::Start(start), State::Header) => {
                let header = header(&start)?;
                self.content = Some(header.content.clone()).filter(|content| !content.is_empty());
                self.state = match self.buffer[..self.seen].ends_with(b"/>") {
                    true => State::Ending,
                    false => State::Idle,
                };
                self.forget(start.end);
                Ok(Some(Frame::Open(header)))
            }
            (Piece::Start(start), State::Idle) => {
                self.forget(start.start);
                self.open(start)?;
                Ok(None)
            }
            (Piece::Start(start), State::InStanza(assembly)) => {
                assembly.start(start)?;
                Ok(None)
            }
            (Piece::Start(start), State::InNonza(nonza)) => {
                nonza.uses(start.outer);
                Ok(None)
            }
            (Piece::End { end }, State::InStanza(assembly)) if depth > 1 => {
                assembly.end(end);
                Ok(None)
            }
            (Piece::End { end }, _) if depth == 1 => self.close(end).map(Some),
            (Piece::End { .. }, _) if depth == 0 => {
                self.fail(State::Closed);
                Ok(Some(Frame::Close))
            }
            (Piece::Text { blank: false }, State::Idle) => Err(StreamError::BadFormat),
            _ => Ok(None),
        }
    }

    /// A top-level element begins.
    fn open(&mut self, start: Start<'_>) -> Result<(), StreamError> {
        self.state = match assemble::kind(&start, self.content.as_deref())? {
            Some(kind) => {
                self.scan.scope.set_edge(3);
                State::InStanza(Box::new(Assembly::open(kind, start, &self.limits)))
            }
            None => State::InNonza(Nonza {
                name_end: start.name_end - start.start,
                outer: start.outer,
            }),
        };
        Ok(())
    }

    /// A top-level element ends.
    fn close(&mut self, end: usize) -> Result<Frame, StreamError> {
        self.scan.scope.set_edge(2);
        let xml = &self.buffer[self.done..][..end - self.origin];
        let frame = match std::mem::replace(&mut self.state, State::Idle) {
            State::InStanza(assembly) => Frame::Stanza(assembly.finish(xml)?),
            State::InNonza(nonza) => Frame::Nonza(nonza.finish(xml)?),
            // No other state is inside a top-level element.
            _ => return Err(StreamError::NotWellFormed),
        };
        self.forget(end);
        Ok(frame)
    }

    /// Lets go of everything before the byte `at`.
    fn forget(&mut self, at: usize) {
        self.done += at - self.origin;
        self.origin = at;
    }

    fn fail(&mut self, state: State) {
        self.state = state;
        self.buffer = Vec::new();
        (self.done, self.seen) = (0, 0);
    }
}

impl Nonza {
    fn uses(&mut self, outer: Vec<Outer>) {
        for outer in outer {
            if !self.outer.contains(&outer) {
                self.outer.push(outer);
            }
        }
    }

    fn finish(self, bytes: &[u8]) -> Result<Element, StreamError> {
        let xml = std::str::from_utf8(bytes).map_err(|_| StreamError::UnsupportedEncoding)?;
        let mut whole = String::with_capacity(xml.len() + 64);
        declare(xml, self.name_end, &self.outer, &mut whole);
        dom::parse(whole.as_bytes(), ns::CLIENT).map(Element)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("limits", &self.limits)
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}

/// How many bytes of whitespace come first.
fn blanks(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .count()
}

/// The stream element itself is one level more.
fn stream_scan(limits: &Limits) -> Scan {
    let limits = Limits {
        depth: limits.depth.saturating_add(1),
        ..*limits
    };
    let mut scan = Scan::new(limits, "");
    scan.scope.set_edge(2);
    scan
}

fn header(start: &Start<'_>) -> Result<StreamHeader, StreamError> {
    if start.name != "stream" {
        return Err(StreamError::BadFormat);
    }
    if start.namespace != ns::STREAMS {
        let unprefixed = !start.prefixed && ns::is_content(&start.namespace);
        return Err(match unprefixed {
            true => StreamError::BadNamespacePrefix,
            false => StreamError::InvalidNamespace,
        });
    }
    let content = start.own_default.as_deref().unwrap_or_default();
    let mut header = StreamHeader {
        content: content.to_owned(),
        ..StreamHeader::default()
    };
    if start.prefixed && !content.is_empty() && !ns::is_content(content) {
        return Err(StreamError::InvalidNamespace);
    }
    if !start.prefixed {
        // The default namespace is the stream's, so stanzas have a prefix.
        header.content.clear();
    }
    for attribute in &start.attributes {
        let value = Some(attribute.value.clone().into_owned());
        match (attribute.namespace.as_deref(), attribute.name.as_ref()) {
            (None, "to") => header.to = value,
            (None, "from") => header.from = value,
            (None, "id") => header.id = value,
            (None, "version") => header.version = value,
            (Some(ns::XML), "lang") => header.lang = value,
            _ => {}
        }
    }
    Ok(header)
}
