//! Stanza errors (RFC 6120 §8.3), and why bytes are no stanza.

use std::fmt;
use std::str::FromStr;

use jid::Jid;

use super::element::{Element, ElementRef};
use super::limits::StreamError;
use super::ns;

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $type_:ident;)*) => {
        /// What went wrong (RFC 6120 §8.3.3).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum Condition { $($(#[$doc])* $name,)* }

        impl Condition {
            /// Every condition, in the RFC's order.
            pub const ALL: &[Condition] = &[$(Condition::$name),*];

            /// The condition's element name.
            pub fn as_str(self) -> &'static str {
                match self { $(Condition::$name => $text,)* }
            }

            /// The error type that RFC 6120 §8.3.3 recommends for it. Where
            /// the RFC leaves a choice, the first one it names.
            pub fn default_type(self) -> ErrorType {
                match self { $(Condition::$name => ErrorType::$type_,)* }
            }
        }

        impl FromStr for Condition {
            type Err = UnknownCondition;

            fn from_str(text: &str) -> Result<Self, UnknownCondition> {
                match text {
                    $($text => Ok(Condition::$name),)*
                    _ => Err(UnknownCondition),
                }
            }
        }
    };
}

conditions! {
    /// The stanza breaks the schema or misuses a value.
    BadRequest = "bad-request", Modify;
    /// Something by that name or address exists already.
    Conflict = "conflict", Cancel;
    /// The recipient knows the feature but does not implement it.
    FeatureNotImplemented = "feature-not-implemented", Cancel;
    /// The sender may not do that.
    Forbidden = "forbidden", Auth;
    /// The recipient has left for good.
    Gone = "gone", Cancel;
    /// The server failed for a reason of its own.
    InternalServerError = "internal-server-error", Cancel;
    /// There is no such address or item.
    ItemNotFound = "item-not-found", Cancel;
    /// An address is no JID.
    JidMalformed = "jid-malformed", Modify;
    /// The recipient understands but refuses these contents.
    NotAcceptable = "not-acceptable", Modify;
    /// Nobody may do that.
    NotAllowed = "not-allowed", Cancel;
    /// The sender must authenticate first.
    NotAuthorized = "not-authorized", Auth;
    /// A local rule forbids it.
    PolicyViolation = "policy-violation", Modify;
    /// The recipient is away for now.
    RecipientUnavailable = "recipient-unavailable", Wait;
    /// The recipient is to be reached elsewhere.
    Redirect = "redirect", Modify;
    /// The sender must register first.
    RegistrationRequired = "registration-required", Auth;
    /// The recipient's domain cannot be found.
    RemoteServerNotFound = "remote-server-not-found", Cancel;
    /// The recipient's domain does not answer.
    RemoteServerTimeout = "remote-server-timeout", Wait;
    /// The server is out of something.
    ResourceConstraint = "resource-constraint", Wait;
    /// The recipient does not offer that service.
    ServiceUnavailable = "service-unavailable", Cancel;
    /// The sender must subscribe first.
    SubscriptionRequired = "subscription-required", Auth;
    /// None of these; an application condition says more.
    UndefinedCondition = "undefined-condition", Cancel;
    /// The recipient did not expect this now.
    UnexpectedRequest = "unexpected-request", Wait;
}

/// The text names none of the conditions of RFC 6120 §8.3.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no stanza error condition of RFC 6120")]
pub struct UnknownCondition;

/// What the sender may do about an error (RFC 6120 §8.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Proceed: it was only a warning.
    Continue,
    /// Retry after changing the data.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorType::Auth => "auth",
            ErrorType::Cancel => "cancel",
            ErrorType::Continue => "continue",
            ErrorType::Modify => "modify",
            ErrorType::Wait => "wait",
        }
    }

    fn from_attribute(text: &str) -> Option<Self> {
        match text {
            "auth" => Some(ErrorType::Auth),
            "cancel" => Some(ErrorType::Cancel),
            "continue" => Some(ErrorType::Continue),
            "modify" => Some(ErrorType::Modify),
            "wait" => Some(ErrorType::Wait),
            _ => None,
        }
    }
}

/// The payload of a stanza of type `error` (RFC 6120 §8.3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct StanzaError {
    /// What the sender may do about it.
    pub type_: ErrorType,
    /// What went wrong.
    pub condition: Condition,
    /// The condition's own character data: where to go, for
    /// [`Condition::Gone`] and [`Condition::Redirect`].
    pub target: Option<String>,
    /// An explanation for people. Never a secret: it goes to the sender.
    pub text: Option<String>,
    /// The entity that noticed the error, if it is not the recipient.
    pub by: Option<Jid>,
    /// An application-specific condition (RFC 6120 §8.3.4).
    pub application: Option<Element>,
}

impl StanzaError {
    /// An error of the condition's recommended type.
    pub fn new(condition: Condition) -> Self {
        StanzaError {
            type_: condition.default_type(),
            condition,
            target: None,
            text: None,
            by: None,
            application: None,
        }
    }

    /// The same with another type.
    pub fn with_type(mut self, type_: ErrorType) -> Self {
        self.type_ = type_;
        self
    }

    /// The same with an explanation for people.
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The same, noticed by `by`.
    pub fn with_by(mut self, by: impl Into<Jid>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// The same with an application-specific condition.
    pub fn with_application(mut self, application: Element) -> Self {
        self.application = Some(application);
        self
    }

    /// The `<error/>` element.
    pub fn to_element(&self) -> Element {
        let mut condition = Element::new(self.condition.as_str(), ns::STANZAS);
        if let Some(target) = &self.target {
            condition = condition.with_text(target);
        }
        let mut error = Element::new("error", ns::CLIENT)
            .with_attr("type", self.type_.as_str())
            .with_child(condition);
        if let Some(by) = &self.by {
            error = error.with_attr("by", by.as_str());
        }
        if let Some(text) = &self.text {
            error = error.with_child(Element::new("text", ns::STANZAS).with_text(text));
        }
        if let Some(application) = &self.application {
            error = error.with_child(application.clone());
        }
        error
    }

    /// Reads an `<error/>` element. What is missing or unknown becomes
    /// [`Condition::UndefinedCondition`] (RFC 6120 §8.3.2) and that
    /// condition's type.
    pub fn read(error: ElementRef<'_>) -> Self {
        let named = error.children().find_map(|child| {
            let condition = child.name().parse::<Condition>().ok()?;
            child.has_ns(ns::STANZAS).then_some((condition, child))
        });
        let condition = named.map_or(Condition::UndefinedCondition, |(condition, _)| condition);
        StanzaError {
            type_: error
                .attr("type")
                .and_then(ErrorType::from_attribute)
                .unwrap_or(condition.default_type()),
            condition,
            target: named
                .map(|(_, child)| child.text())
                .filter(|text| !text.is_empty()),
            text: error.child("text", ns::STANZAS).map(ElementRef::text),
            by: error.attr("by").and_then(|by| Jid::new(by).ok()),
            application: error
                .children()
                .find(|child| !child.has_ns(ns::STANZAS))
                .map(ElementRef::to_element),
        }
    }
}

impl From<Condition> for StanzaError {
    fn from(condition: Condition) -> Self {
        StanzaError::new(condition)
    }
}

impl fmt::Display for StanzaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.condition.as_str(), self.type_.as_str())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StanzaError {}

/// Why bytes are no stanza, or no element.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The XML is not acceptable, or not complete.
    #[error(transparent)]
    Xml(#[from] StreamError),
    /// The root is no message, presence or IQ of a content namespace.
    #[error("not a message, presence or iq")]
    NotAStanza,
}
