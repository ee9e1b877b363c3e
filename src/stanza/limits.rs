//! What one peer may demand of us, and how a stream fails.

/// How much one peer may demand of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of one stanza, or of any other top-level element; also of what a
    /// stanza becomes when each child declares the prefixes it uses.
    pub stanza_bytes: usize,
    /// Elements inside one another, the stanza being the first. Trees are
    /// walked by recursion: more than some hundreds may exhaust a stack.
    pub depth: usize,
    /// Attributes of one element, namespace declarations included. Of those,
    /// as many and [`Limits::depth`] more may be in force at once.
    pub attributes: usize,
    /// Direct children of one stanza.
    pub children: usize,
    /// Bytes of one namespace: a long one, declared once and used a thousand
    /// times by its prefix, would be written out a thousand times.
    pub namespace_bytes: usize,
}

impl Default for Limits {
    /// 256 KiB, 64 levels, 64 attributes, 1,000 children, 256 bytes of a
    /// namespace. RFC 6120 §13.12 asks for at least 10,000 bytes of a stanza.
    fn default() -> Self {
        Limits {
            stanza_bytes: 256 * 1024,
            depth: 64,
            attributes: 64,
            children: 1_000,
            namespace_bytes: 256,
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
    /// [`Limits::namespace_bytes`].
    NamespaceBytes,
}

/// Why a stream must be closed, as RFC 6120 §4.9.3 names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// XML that cannot be processed here: text between stanzas, or a root
    /// that is no stream (§4.9.3.1).
    #[error("the stream holds what does not belong there")]
    BadFormat,
    /// The stream element came without its prefix (§4.9.3.2).
    #[error("the stream element has no prefix of its own")]
    BadNamespacePrefix,
    /// The namespace of the stream or of its contents is not supported, or a
    /// stanza stands in another than its stream (§4.9.3.10).
    #[error("a namespace of the stream is not supported")]
    InvalidNamespace,
    /// Not well-formed XML: also a prefix that nobody declared, or an
    /// attribute given twice (§4.9.3.13).
    #[error("not well-formed")]
    NotWellFormed,
    /// More than we allow (§4.9.3.14).
    #[error("more than allowed: {0:?}")]
    PolicyViolation(Limit),
    /// A comment, a processing instruction, a document type, or an entity
    /// besides the five of XML itself (§4.9.3.18, §11.1).
    #[error("XML that XMPP forbids")]
    RestrictedXml,
    /// Not UTF-8 (§4.9.3.22, §11.6).
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
            StreamError::NotWellFormed => "not-well-formed",
            StreamError::PolicyViolation(_) => "policy-violation",
            StreamError::RestrictedXml => "restricted-xml",
            StreamError::UnsupportedEncoding => "unsupported-encoding",
        }
    }
}

impl StreamError {
    /// What the tokeniser refused. Not a `From`, which would show its type.
    pub(super) fn of_tokeniser(error: rxml::Error) -> Self {
        match error {
            rxml::Error::RestrictedXml(_) | rxml::Error::UndeclaredEntity => {
                StreamError::RestrictedXml
            }
            // rxml does not tell `<!DOCTYPE` from a broken `<![CDATA[` or
            // `<!--` by kind, only by these words; a test would notice if
            // they changed.
            rxml::Error::InvalidSyntax("malformed cdata or comment section start") => {
                StreamError::RestrictedXml
            }
            rxml::Error::InvalidUtf8Byte(_) => StreamError::UnsupportedEncoding,
            _ => StreamError::NotWellFormed,
        }
    }
}
