//! What ends a stream, and how that is written (RFC 6120 §4.9).

use std::borrow::Cow;

use tower_xmpp::stanza::{StreamError, ns};

/// Why the server ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("another client has bound this resource")]
    Conflict,
    #[error("nothing was heard for too long")]
    Silence,
    #[error("the login took too long")]
    SlowLogin,
    #[error("the stream is not for clients")]
    InvalidNamespace,
    #[error("this domain is not served here")]
    HostUnknown,
    #[error("a stanza claims to be from somebody else")]
    InvalidFrom,
    #[error("something was sent that needs a login first")]
    NotAuthorized,
    #[error("too many failed logins")]
    TooManyTries,
    #[error("too much waits for a client that does not read")]
    QueueFull,
    #[error("too many connections")]
    TooManyStreams,
    #[error("the server is shutting down")]
    Shutdown,
    #[error("this is no stanza")]
    UnsupportedStanzaType,
    #[error("this is not version 1.0")]
    UnsupportedVersion,
    #[error("the account has too many sessions")]
    TooManySessions,
    #[error("too many connections from one address")]
    TooManyFromThere,
    /// More stanzas are said to have arrived than were sent (XEP-0198 §4).
    #[error("{handled} stanzas are acknowledged, {sent} were sent")]
    HandledTooMany { handled: u32, sent: u32 },
    #[error("an acknowledgement without a number")]
    NoCount,
    #[error("the stream has not been opened")]
    NotOpen,
    #[error("a message does not hold exactly one element")]
    NotOneElement,
    #[error("nothing but text belongs here")]
    NotText,
    /// The reader cannot go on.
    #[error("{0}")]
    Xml(StreamError),
}

impl Fault {
    /// The condition that RFC 6120 §4.9.3 defines for it.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Silence | Self::SlowLogin => "connection-timeout",
            Self::HostUnknown => "host-unknown",
            Self::InvalidNamespace => "invalid-namespace",
            Self::InvalidFrom => "invalid-from",
            Self::NotAuthorized => "not-authorized",
            Self::TooManyTries | Self::QueueFull | Self::TooManyFromThere => "policy-violation",
            Self::HandledTooMany { .. } => "undefined-condition",
            Self::NoCount | Self::NotOpen | Self::NotOneElement | Self::NotText => "bad-format",
            Self::TooManyStreams | Self::TooManySessions => "resource-constraint",
            Self::Shutdown => "system-shutdown",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
            Self::Xml(error) => error.condition(),
        }
    }

    /// What stands in the stream error: the condition, words for people, and
    /// what an extension has to add.
    pub fn to_xml(self) -> String {
        const NS: &str = ns::STREAM_ERRORS;
        let condition = self.condition();
        let special = match self {
            Self::HandledTooMany { handled, sent } => format!(
                "<handled-count-too-high xmlns='{}' h='{handled}' send-count='{sent}'/>",
                ns::SM
            ),
            _ => String::new(),
        };
        format!(
            "<{condition} xmlns='{NS}'/><text xmlns='{NS}' xml:lang='en'>{self}</text>{special}"
        )
    }
}

/// Text for an attribute in single quotes.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '\'']) {
        return text.into();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('\'', "&apos;").into()
}
