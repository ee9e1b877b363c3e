//! Stanzas: a typed head over a shared body, and the bytes they came as.

pub mod adapters;
mod answer;
mod assemble;
mod children;
mod dom;
mod element;
mod error;
mod escape;
mod fragment;
mod head;
mod limits;
pub mod ns;
mod out;
mod plain;
mod raw;
mod reader;
mod scan;
mod scope;
#[cfg(test)]
mod tests;
mod time;
mod types;
mod write;

use std::fmt;
use std::sync::Arc;

use jid::Jid;

use self::children::Edits;
pub use self::fragment::NsSet;

use self::fragment::Fragment;
use self::head::{Address, Head, To};

pub use self::element::{Element, ElementRef, NodeRef};
pub use self::error::{Condition, ErrorType, ParseError, StanzaError, UnknownCondition};
pub use self::limits::{Limit, Limits, StreamError};
pub use self::raw::{Child, RawBuilder, RawXml};
pub use self::reader::{Frame, Reader, StreamHeader};
pub use self::time::{InvalidTime, Time};
pub use self::types::{AddressFault, Kind, MessageType, Type};
pub use self::write::{Form, Split};

/// A stanza: a typed head over a body that all its copies share, plus edits.
///
/// Cloning costs three reference counts, and a copy of a recipient that was set
/// rather than read. Children are bytes until somebody
/// looks into one; writing copies those bytes.
#[derive(Clone)]
pub struct Stanza {
    head: Arc<Head>,
    /// Apart from the head: a message to many is one head.
    to: Option<To>,
    body: Option<Arc<Fragment>>,
    edits: Option<Arc<Edits>>,
}

impl Stanza {
    /// An empty stanza.
    pub fn new(kind: Kind) -> Self {
        Stanza::from_head(Head::new(kind), None)
    }

    /// An empty message.
    pub fn message() -> Self {
        Stanza::new(Kind::Message)
    }

    /// An empty presence: available.
    pub fn presence() -> Self {
        Stanza::new(Kind::Presence)
    }

    /// An empty IQ.
    pub fn iq(type_: Type, id: &str) -> Self {
        Stanza::new(Kind::Iq).with_type(type_).with_id(id)
    }

    /// An empty stanza of this type, from one address to another: cheaper than
    /// setting one after the other.
    ///
    /// ```
    /// use tower_xmpp::stanza::{Kind, Stanza, Type};
    ///
    /// let (bob, alice): (jid::Jid, jid::Jid) = ("bob@b.example/x".parse()?, "alice@a.example".parse()?);
    /// let message = Stanza::between(Kind::Message, Some(Type::Chat), bob, alice);
    /// assert_eq!(
    ///     message.to_xml(),
    ///     "<message xmlns='jabber:client' from='bob@b.example/x' type='chat' to='alice@a.example'/>"
    /// );
    /// # Ok::<(), jid::Error>(())
    /// ```
    #[inline]
    pub fn between(
        kind: Kind,
        type_: Option<Type>,
        from: impl Into<Jid>,
        to: impl Into<Jid>,
    ) -> Self {
        let mut head = Head::new(kind);
        head.type_ = type_;
        head.from = Some(Address::Jid(from.into()));
        Stanza {
            head: Arc::new(head),
            to: Some(To::Own(Address::Jid(to.into()))),
            body: None,
            edits: None,
        }
    }

    /// Reads one stanza that stands alone. Without `xmlns` it stands in
    /// `jabber:client`; every prefix must be declared inside. The default
    /// [`Limits`] apply.
    ///
    /// # Errors
    /// The bytes are not exactly one stanza.
    pub fn parse(xml: &[u8]) -> Result<Self, ParseError> {
        Stanza::parse_within(xml, &Limits::default())
    }

    /// The same within these limits: for WebSocket frames (RFC 7395 §3.3.3),
    /// say.
    ///
    /// # Errors
    /// The bytes are not exactly one stanza, or more than allowed.
    pub fn parse_within(xml: &[u8], limits: &Limits) -> Result<Self, ParseError> {
        assemble::parse(xml, limits)
    }

    fn from_head(head: Head, to: Option<Address>) -> Self {
        Stanza {
            head: Arc::new(head),
            to: to.map(|to| To::Shared(Arc::new(to))),
            body: None,
            edits: None,
        }
    }

    /// The same with this type.
    pub fn with_type(mut self, type_: Type) -> Self {
        self.set_type(Some(type_));
        self
    }

    /// The same from this sender.
    pub fn with_from(mut self, from: impl Into<Jid>) -> Self {
        self.set_from(Some(from.into()));
        self
    }

    /// The same to this recipient.
    pub fn with_to(mut self, to: impl Into<Jid>) -> Self {
        self.set_to(Some(to.into()));
        self
    }

    /// The same with this id.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.set_id(Some(id.into()));
        self
    }

    /// The same with one more child at the end.
    pub fn with_child(mut self, child: impl Into<Child>) -> Self {
        self.push(child);
        self
    }

    /// Message, presence or IQ.
    pub fn kind(&self) -> Kind {
        self.head.kind
    }

    /// The `type` attribute; None if there is none.
    pub fn type_(&self) -> Option<&Type> {
        self.head.type_.as_ref()
    }

    /// Is the `type` attribute there and this?
    pub fn is_type(&self, type_: &Type) -> bool {
        self.type_() == Some(type_)
    }

    /// Does it report that an earlier stanza failed?
    pub fn is_error(&self) -> bool {
        self.is_type(&Type::Error)
    }

    /// An IQ of type get or set: it must be answered.
    pub fn is_request(&self) -> bool {
        self.kind() == Kind::Iq && matches!(self.type_(), Some(Type::Get | Type::Set))
    }

    /// An IQ of type result or error: it answers one of ours.
    pub fn is_response(&self) -> bool {
        self.kind() == Kind::Iq && matches!(self.type_(), Some(Type::Result | Type::Error))
    }

    /// The type as RFC 6121 §5.2.2 reads it for messages.
    pub fn message_type(&self) -> MessageType {
        self.type_().into()
    }

    /// The sender; None if the attribute is missing or no JID.
    pub fn from(&self) -> Option<&Jid> {
        self.head.from.as_ref().and_then(Address::jid)
    }

    /// The recipient; None if the attribute is missing or no JID.
    pub fn to(&self) -> Option<&Jid> {
        self.to.as_deref().and_then(Address::jid)
    }

    /// The `id` attribute.
    pub fn id(&self) -> Option<&str> {
        self.head.id.as_deref()
    }

    /// The `xml:lang` attribute.
    pub fn lang(&self) -> Option<&str> {
        self.head.lang.as_deref()
    }

    /// Sets or removes the `type` attribute.
    pub fn set_type(&mut self, type_: Option<Type>) {
        self.head_mut().type_ = type_;
    }

    /// Sets or removes the sender.
    pub fn set_from(&mut self, from: Option<Jid>) {
        self.head_mut().from = from.map(Address::Jid);
    }

    /// Sets or removes the recipient.
    pub fn set_to(&mut self, to: Option<Jid>) {
        self.to = to.map(|to| To::Own(Address::Jid(to)));
    }

    /// Sets or removes the `id` attribute.
    pub fn set_id(&mut self, id: Option<String>) {
        self.head_mut().id = id;
    }

    /// Sets or removes `xml:lang`.
    pub fn set_lang(&mut self, lang: Option<String>) {
        self.head_mut().lang = lang;
    }

    /// Which address holds text that is no JID, the recipient's first.
    pub fn address_fault(&self) -> Option<AddressFault> {
        match (self.to.as_deref(), &self.head.from) {
            (Some(Address::Faulty(_)), _) => Some(AddressFault::To),
            (_, Some(Address::Faulty(_))) => Some(AddressFault::From),
            _ => None,
        }
    }

    /// The attributes that RFC 6120 does not define: namespace, local name,
    /// value.
    pub fn attributes(&self) -> impl Iterator<Item = (Option<&str>, &str, &str)> {
        self.head
            .others
            .iter()
            .map(|other| (other.namespace.as_deref(), &*other.name, &*other.value))
    }

    fn head_mut(&mut self) -> &mut Head {
        Arc::make_mut(&mut self.head)
    }
}

/// The head and the names of the children, never what people wrote.
impl fmt::Debug for Stanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tag = String::new();
        self.head.write(self.to.as_deref(), None, &mut tag);
        f.write_str(&tag)?;
        f.write_str(">")?;
        f.debug_list().entries(self.child_names()).finish()
    }
}
