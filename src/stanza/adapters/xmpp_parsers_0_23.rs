//! xmpp-parsers 0.23: its message, presence and IQ in and out.
//!
//! What its types cannot hold is gone on the way out ([`LOSSES`]); a stanza
//! that they refuse is an error. Anything not listed there comes back as it
//! went, in the order that its writer prefers. Nothing is lost on the way in.
//!
//! ```
//! use tower_xmpp::stanza::Stanza;
//! use xmpp_parsers::message::Message;
//!
//! let stanza = Stanza::parse(b"<message type='chat'><body>hi</body></message>")?;
//! let typed = Message::try_from(&stanza)?;
//! assert_eq!(typed.get_best_body(vec![]).unwrap().1, "hi");
//! assert!(Stanza::try_from(typed)?.has_body());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use minidom::Element as Tree;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::Message;
use xmpp_parsers::presence::Presence;
use xmpp_parsers::{FromElementError, ns};

use crate::stanza::error::ParseError;
use crate::stanza::{Form, Kind, Stanza, dom};

macro_rules! adapt {
    ($($typed:ident),*) => {$(
        impl TryFrom<$typed> for Stanza {
            type Error = ParseError;

            fn try_from(typed: $typed) -> Result<Self, ParseError> {
                Stanza::try_from(&Tree::from(typed))
            }
        }

        impl TryFrom<&Stanza> for $typed {
            type Error = FromElementError;

            fn try_from(stanza: &Stanza) -> Result<Self, FromElementError> {
                $typed::try_from(tree(stanza)?)
            }
        }
    )*};
}

adapt!(Message, Presence, Iq);

/// The stanza where xmpp-parsers expects it: its feature `component` moves
/// its whole build to another content namespace.
fn tree(stanza: &Stanza) -> Result<Tree, FromElementError> {
    let mut xml = Vec::new();
    stanza.write(&mut xml, Form::Stream);
    dom::parse(&xml, ns::DEFAULT_NS)
        .map_err(|error| FromElementError::Invalid(xmpp_parsers::Error::Other(error.condition())))
}

/// What a typed stanza makes of something that it does not hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It comes back changed, or not at all.
    Lost,
    /// The whole stanza is refused.
    Refused,
}

/// One thing that one of the types does not keep. A test sends a corpus
/// through all of them and compares the outcome with [`LOSSES`] exactly, so
/// that a new loss, or one that was cured, shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Loss {
    /// Which type.
    pub kind: Kind,
    /// What the stanza had.
    pub what: &'static str,
    /// What became of it.
    pub fate: Fate,
}

const fn lost(kind: Kind, what: &'static str) -> Loss {
    let fate = Fate::Lost;
    Loss { kind, what, fate }
}

const fn refused(kind: Kind, what: &'static str) -> Loss {
    let fate = Fate::Refused;
    Loss { kind, what, fate }
}

/// All that is lost or refused. A type in brackets means that the others keep
/// it. The default of something counts as lost when it was said and is not
/// said any more, or the other way round.
pub const LOSSES: &[Loss] = &[
    lost(Kind::Message, "xml:lang of the stanza"),
    lost(Kind::Message, "an unknown attribute"),
    lost(Kind::Message, "a namespaced attribute"),
    refused(Kind::Message, "an unknown type"),
    refused(Kind::Message, "a sender that is no JID"),
    refused(Kind::Message, "a recipient that is no JID"),
    refused(Kind::Message, "text between children"),
    lost(Kind::Message, "white space between children"),
    lost(Kind::Message, "type normal"),
    lost(Kind::Message, "two bodies in one language"),
    lost(Kind::Message, "an unknown attribute of the body"),
    lost(Kind::Message, "a child of the body"),
    lost(Kind::Message, "two subjects in one language"),
    refused(Kind::Message, "two threads"),
    lost(Kind::Presence, "xml:lang of the stanza"),
    lost(Kind::Presence, "an unknown attribute"),
    lost(Kind::Presence, "a namespaced attribute"),
    refused(Kind::Presence, "an unknown type"),
    refused(Kind::Presence, "a sender that is no JID"),
    refused(Kind::Presence, "a recipient that is no JID"),
    refused(Kind::Presence, "text between children"),
    lost(Kind::Presence, "white space between children"),
    lost(Kind::Presence, "no priority"),
    refused(Kind::Presence, "a priority that is no number"),
    refused(Kind::Presence, "a priority out of range"),
    refused(Kind::Presence, "two priorities"),
    refused(Kind::Presence, "an unknown show"),
    refused(Kind::Presence, "an empty show"),
    lost(Kind::Presence, "two statuses in one language"),
    lost(Kind::Iq, "xml:lang of the stanza"),
    lost(Kind::Iq, "an unknown attribute"),
    lost(Kind::Iq, "a namespaced attribute"),
    refused(Kind::Iq, "an unknown type"),
    refused(Kind::Iq, "no type"),
    refused(Kind::Iq, "no id"),
    refused(Kind::Iq, "a sender that is no JID"),
    refused(Kind::Iq, "a recipient that is no JID"),
    refused(Kind::Iq, "text between children"),
    lost(Kind::Iq, "white space between children"),
    refused(Kind::Iq, "no payload (type get)"),
    refused(Kind::Iq, "no payload (type set)"),
    refused(Kind::Iq, "no payload (type error)"),
    refused(Kind::Iq, "a payload of every shape (type error)"),
    lost(Kind::Iq, "a payload besides the one (type get)"),
    lost(Kind::Iq, "a payload besides the one (type set)"),
    lost(Kind::Iq, "a payload besides the one (type result)"),
];

#[cfg(test)]
mod tests;
