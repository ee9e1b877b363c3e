//! The way in: a stream of bytes cut into frames.

use minidom::tree_builder::TreeBuilder;
use rxml::error::EndOrError;
use rxml::{Options, Parse, RawEvent, RawParser, WithOptions};

use super::element::Element;
use super::error::ParseError;
use super::fragment::{self, Fragment};
use super::head::Head;
use super::types::Kind;
use super::{Stanza, dom, ns};

/// How much one peer may demand of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one stanza, or of any other top-level element.
    pub stanza_bytes: usize,
    /// Elements inside one another, the stanza being the first.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes: usize,
    /// Direct children of one stanza.
    pub children: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stanza_bytes: 256 * 1024,
            depth: 64,
            attributes: 64,
            children: 1_000,
        }
    }
}

/// One of the [`Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::stanza_bytes`].
    StanzaBytes,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::attributes`].
    Attributes,
    /// [`Limits::children`].
    Children,
}

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
    /// The namespace of the stanzas on it.
    pub content: String,
}

/// Why a stream must be closed, as RFC 6120 §4.9.3 names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// XML that cannot be processed here, such as text between stanzas.
    #[error("the stream holds what does not belong there")]
    BadFormat,
    /// The stream's own prefix is wrong or missing.
    #[error("the stream element has no or a wrong prefix")]
    BadNamespacePrefix,
    /// The stream's or the content namespace is not supported.
    #[error("the stream's namespace is not supported")]
    InvalidNamespace,
    /// Well-formed, but not what may come here.
    #[error("an element that is not valid here")]
    InvalidXml,
    /// Not well-formed XML, or an undeclared prefix.
    #[error("not well-formed")]
    NotWellFormed,
    /// Larger than we allow.
    #[error("a limit was exceeded: {0:?}")]
    PolicyViolation(Limit),
    /// Comments, processing instructions, document types, entities.
    #[error("XML that XMPP forbids")]
    RestrictedXml,
    /// Not UTF-8.
    #[error("not UTF-8")]
    UnsupportedEncoding,
}

impl StreamError {
    /// The condition's element name (RFC 6120 §4.9.3).
    pub fn condition(self) -> &'static str {
        match self {
            StreamError::BadFormat => "bad-format",
            StreamError::BadNamespacePrefix => "bad-namespace-prefix",
            StreamError::InvalidNamespace => "invalid-namespace",
            StreamError::InvalidXml => "invalid-xml",
            StreamError::NotWellFormed => "not-well-formed",
            StreamError::PolicyViolation(_) => "policy-violation",
            StreamError::RestrictedXml => "restricted-xml",
            StreamError::UnsupportedEncoding => "unsupported-encoding",
        }
    }
}

/// Cuts the bytes of a stream into frames. Push what came, then ask for
/// frames until there is none.
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
    parser: RawParser,
    tree: TreeBuilder,
    content: String,
    depth: usize,
    used: usize,
    buffer: Vec<u8>,
    header: Option<StreamHeader>,
}

impl Reader {
    /// A reader that waits for a stream header.
    pub fn new(limits: Limits) -> Self {
        Reader {
            parser: parser(&limits),
            limits,
            tree: TreeBuilder::new(),
            content: String::new(),
            depth: 0,
            used: 0,
            buffer: Vec::new(),
            header: None,
        }
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, if the bytes so far hold one.
    ///
    /// # Errors
    /// The stream must be closed with the error's condition; nothing more is
    /// to be expected from this reader.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            let mut rest = &self.buffer[..];
            let event = self.parser.parse(&mut rest, false);
            let eaten = self.buffer.len() - rest.len();
            self.buffer.drain(..eaten);
            self.used += eaten;
            let event = match event {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(None),
                Err(EndOrError::NeedMoreData) if self.used > self.limits.stanza_bytes => {
                    return Err(StreamError::PolicyViolation(Limit::StanzaBytes));
                }
                Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(error.into()),
            };
            if let Some(frame) = self.take(event)? {
                return Ok(Some(frame));
            }
        }
    }

    fn take(&mut self, event: RawEvent) -> Result<Option<Frame>, StreamError> {
        match &event {
            RawEvent::ElementHeadOpen(..) => {
                self.depth += 1;
                if self.depth > self.limits.depth + 1 {
                    return Err(StreamError::PolicyViolation(Limit::Depth));
                }
                if self.depth == 1 {
                    self.header = Some(StreamHeader::default());
                }
            }
            RawEvent::Attribute(_, (prefix, name), value) if self.depth == 1 => {
                if let Some(header) = &mut self.header {
                    let value = value.clone();
                    match (prefix.as_ref().map(|prefix| prefix.as_str()), name.as_str()) {
                        (None, "to") => header.to = Some(value),
                        (None, "from") => header.from = Some(value),
                        (None, "id") => header.id = Some(value),
                        (None, "version") => header.version = Some(value),
                        (Some("xml"), "lang") => header.lang = Some(value),
                        (None, "xmlns") => header.content = value,
                        _ => {}
                    }
                }
            }
            RawEvent::Text(_, text) if self.depth == 1 => {
                self.used = 0;
                return match text.trim().is_empty() {
                    true => Ok(None),
                    false => Err(StreamError::BadFormat),
                };
            }
            _ => {}
        }
        let closes_head = matches!(event, RawEvent::ElementHeadClose(_));
        let closes = matches!(event, RawEvent::ElementFoot(_));
        self.tree
            .process_event(event)
            .map_err(|_| StreamError::NotWellFormed)?;
        if closes_head && self.depth == 1 {
            let header = self.header.take().unwrap_or_default();
            self.used = 0;
            self.content = header.content.clone();
            let is_stream = self
                .tree
                .top()
                .is_some_and(|top| top.is("stream", ns::STREAMS));
            if !is_stream {
                return Err(StreamError::InvalidNamespace);
            }
            return Ok(Some(Frame::Open(header)));
        }
        if !closes {
            return Ok(None);
        }
        self.depth -= 1;
        match self.depth {
            0 => Ok(Some(Frame::Close)),
            1 => {
                self.used = 0;
                Ok(self
                    .tree
                    .unshift_child()
                    .map(|child| match from_dom(&child, &self.content) {
                        Ok(stanza) => Frame::Stanza(stanza),
                        Err(_) => Frame::Nonza(Element(child)),
                    }))
            }
            _ => Ok(None),
        }
    }

    /// Begins anew, as after SASL or STARTTLS: the next thing must be a stream
    /// header. Bytes not read yet are kept.
    pub fn restart(&mut self) {
        self.parser = parser(&self.limits);
        self.tree = TreeBuilder::new();
        self.depth = 0;
        self.used = 0;
    }

    /// How many bytes it holds.
    pub fn buffered(&self) -> usize {
        self.buffer.len() + self.used
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("limits", &self.limits)
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}

impl From<rxml::Error> for StreamError {
    fn from(error: rxml::Error) -> Self {
        match ParseError::from(error) {
            ParseError::RestrictedXml => StreamError::RestrictedXml,
            ParseError::NotUtf8 => StreamError::UnsupportedEncoding,
            _ => StreamError::NotWellFormed,
        }
    }
}

fn parser(limits: &Limits) -> RawParser {
    let options = Options {
        max_token_length: limits.stanza_bytes,
        ..Options::default()
    };
    let mut parser = RawParser::with_options(options);
    parser.set_text_buffering(false);
    parser
}

pub(super) fn parse(xml: &[u8]) -> Result<Stanza, ParseError> {
    let tree = dom::parse(xml)?;
    let content = tree.ns();
    from_dom(&tree, &content)
}

pub(super) fn from_dom(tree: &minidom::Element, content: &str) -> Result<Stanza, ParseError> {
    let kind = Kind::from_name(tree.name()).ok_or(ParseError::NotAStanza)?;
    if !tree.has_ns(content) || !ns::is_content(content) {
        return Err(ParseError::NotAStanza);
    }
    let mut head = Head::new(kind);
    for ((namespace, name), value) in tree.attrs() {
        head.read_attribute(namespace.as_namespace_name(), name, value.clone());
    }
    let mut text = String::new();
    let mut nodes = Vec::new();
    for node in tree.nodes() {
        match node {
            minidom::Node::Element(child) => {
                nodes.push(fragment::relative(child, content, &mut text));
            }
            minidom::Node::Text(plain) => super::escape::text(plain, &mut text),
        }
    }
    let mut stanza = Stanza::from_head(head);
    if !text.is_empty() {
        stanza.body = Some(Fragment::new(text, nodes).into());
    }
    Ok(stanza)
}
