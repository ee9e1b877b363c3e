//! What kind of stanza it is and of which type.

/// The three kinds of stanza (RFC 6120 §8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `<message/>`: one entity pushes information to another.
    Message,
    /// `<presence/>`: an entity publishes its availability.
    Presence,
    /// `<iq/>`: a request and its answer.
    Iq,
}

impl Kind {
    /// The element name.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Presence => "presence",
            Kind::Iq => "iq",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Kind::Message),
            "presence" => Some(Kind::Presence),
            "iq" => Some(Kind::Iq),
            _ => None,
        }
    }
}

/// The value of the `type` attribute. An absent attribute is no `Type` at
/// all, and a value that no specification knows is kept as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Type {
    /// Message of a one-to-one conversation.
    Chat,
    /// Message of, or to, a room.
    Groupchat,
    /// Message that expects no reply and is not stored.
    Headline,
    /// Single message outside of a conversation.
    Normal,
    /// An earlier stanza failed.
    Error,
    /// IQ that asks.
    Get,
    /// IQ that changes.
    Set,
    /// IQ that answers.
    Result,
    /// Presence: no longer available.
    Unavailable,
    /// Presence: a server asks for somebody's presence.
    Probe,
    /// Presence: asks for a subscription.
    Subscribe,
    /// Presence: grants one.
    Subscribed,
    /// Presence: gives a subscription up.
    Unsubscribe,
    /// Presence: refuses or withdraws one.
    Unsubscribed,
    /// Something else, kept verbatim.
    Other(Box<str>),
}

impl Type {
    /// The attribute's value.
    pub fn as_str(&self) -> &str {
        match self {
            Type::Chat => "chat",
            Type::Groupchat => "groupchat",
            Type::Headline => "headline",
            Type::Normal => "normal",
            Type::Error => "error",
            Type::Get => "get",
            Type::Set => "set",
            Type::Result => "result",
            Type::Unavailable => "unavailable",
            Type::Probe => "probe",
            Type::Subscribe => "subscribe",
            Type::Subscribed => "subscribed",
            Type::Unsubscribe => "unsubscribe",
            Type::Unsubscribed => "unsubscribed",
            Type::Other(text) => text,
        }
    }
}

impl From<&str> for Type {
    fn from(text: &str) -> Self {
        match text {
            "chat" => Type::Chat,
            "groupchat" => Type::Groupchat,
            "headline" => Type::Headline,
            "normal" => Type::Normal,
            "error" => Type::Error,
            "get" => Type::Get,
            "set" => Type::Set,
            "result" => Type::Result,
            "unavailable" => Type::Unavailable,
            "probe" => Type::Probe,
            "subscribe" => Type::Subscribe,
            "subscribed" => Type::Subscribed,
            "unsubscribe" => Type::Unsubscribe,
            "unsubscribed" => Type::Unsubscribed,
            other => Type::Other(other.into()),
        }
    }
}

/// The type of a message as RFC 6121 §5.2.2 reads it: an absent or unknown
/// `type` counts as `normal`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MessageType {
    /// One-to-one conversation.
    Chat,
    /// An earlier message failed.
    Error,
    /// A room's conversation.
    Groupchat,
    /// News that expects no reply.
    Headline,
    /// Anything else.
    Normal,
}

impl From<Option<&Type>> for MessageType {
    fn from(type_: Option<&Type>) -> Self {
        match type_ {
            Some(Type::Chat) => MessageType::Chat,
            Some(Type::Error) => MessageType::Error,
            Some(Type::Groupchat) => MessageType::Groupchat,
            Some(Type::Headline) => MessageType::Headline,
            _ => MessageType::Normal,
        }
    }
}

/// Which address of a stanza holds text that is no JID. The text is kept and
/// written as it came, so that the stanza can be bounced as `jid-malformed`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AddressFault {
    /// The sender's.
    From,
    /// The recipient's.
    To,
}
