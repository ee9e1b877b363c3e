//! What is worth forwarding, and what a bounce means. Pure.

use jid::Jid;

use crate::stanza::{Condition, ErrorType, MessageType, Stanza, StanzaError, ns};

/// Whether a room's message is for members who are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It is.
    Forward(Why),
    /// It is not.
    Skip(Skip),
}

/// Why a message is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// Its sender asks that it be stored (XEP-0334 §4.4).
    StoreHint,
    /// It has a body.
    Body,
    /// Its body is encrypted (XEP-0380, XEP-0384).
    Encrypted,
    /// It takes an earlier message back (XEP-0424, XEP-0425): who got that one
    /// has to learn it.
    Retraction,
    /// It says what somebody has read (XEP-0333).
    Marker,
    /// It sets the subject ([`Settings::subjects`]).
    Subject,
    /// The room says that it is logged now or shows JIDs
    /// ([`Settings::notices`]).
    Notice,
}

/// Why a message is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// It is not of type groupchat.
    NotGroupchat,
    /// It says `<no-store/>` (XEP-0334 §4.2: also for "users not currently
    /// present in a chatroom").
    NoStore,
    /// It says `<no-permanent-store/>` (XEP-0334 §4.1).
    NoPermanentStore,
    /// It sets the subject, and the settings leave that out.
    Subject,
    /// Nobody would look for it later: chat states, or nothing known at all.
    Passing,
}

/// What is forwarded beyond what must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Changes of the subject. Off by default: whoever comes back is told it.
    pub subjects: bool,
    /// Status codes 170 to 174 of the room itself (XEP-0045 §10.2.1): it is
    /// logged from now on, or shows JIDs, or not any more. Off by default.
    pub notices: bool,
}

/// What an error about a forwarded message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bounce {
    /// The account's server does not take such messages: the same a few times
    /// in a row ends the registration.
    Refused,
    /// There is no such account, or it forbids it: the registration ends.
    Gone,
    /// It may be better tomorrow: nothing changes.
    Transient,
}

/// Whether a message that a room broadcasts is forwarded.
///
/// 1. Groupchat only. Private messages are between two occupants.
/// 2. `no-store` and `no-permanent-store` win over everything that follows.
/// 3. Then a `store` hint, a body, encryption, retractions and markers of
///    displayed messages make it worth keeping.
/// 4. Subjects and notices by the settings.
pub fn decide(stanza: &Stanza, settings: &Settings) -> Decision {
    let has = |name, namespace| stanza.has_child(name, namespace);
    if stanza.message_type() != MessageType::Groupchat {
        return Decision::Skip(Skip::NotGroupchat);
    }
    if has("no-store", ns::HINTS) {
        return Decision::Skip(Skip::NoStore);
    }
    if has("no-permanent-store", ns::HINTS) {
        return Decision::Skip(Skip::NoPermanentStore);
    }
    let why = if has("store", ns::HINTS) {
        Why::StoreHint
    } else if stanza.has_body() {
        Why::Body
    } else if has("encryption", ns::EME)
        || has("encrypted", ns::OMEMO)
        || has("encrypted", ns::OMEMO2)
    {
        Why::Encrypted
    } else if has("retract", ns::RETRACT) || has("apply-to", ns::FASTEN) {
        Why::Retraction
    } else if ["displayed", "received", "acknowledged"]
        .iter()
        .any(|name| has(name, ns::CHAT_MARKERS))
    {
        Why::Marker
    } else if has("subject", ns::CLIENT) {
        if !settings.subjects {
            return Decision::Skip(Skip::Subject);
        }
        Why::Subject
    } else if settings.notices && is_notice(stanza) {
        Why::Notice
    } else {
        return Decision::Skip(Skip::Passing);
    };
    Decision::Forward(why)
}

/// What an error about a forwarded message means.
///
/// | Condition | Means |
/// |---|---|
/// | `remote-server-timeout`, `remote-server-not-found`, or of type wait | [`Bounce::Transient`] |
/// | `service-unavailable`, as RFC 6121 §8.5.2.1.1 has plain servers answer, and what is not named here | [`Bounce::Refused`] |
/// | `item-not-found`, `gone`, `forbidden`, `jid-malformed` | [`Bounce::Gone`] |
pub fn bounce(error: &StanzaError) -> Bounce {
    match error.condition {
        // A server that cannot be reached says nothing about the account.
        Condition::RemoteServerTimeout | Condition::RemoteServerNotFound => Bounce::Transient,
        _ if error.type_ == ErrorType::Wait => Bounce::Transient,
        Condition::ItemNotFound
        | Condition::Gone
        | Condition::Forbidden
        | Condition::JidMalformed => Bounce::Gone,
        _ => Bounce::Refused,
    }
}

fn is_notice(stanza: &Stanza) -> bool {
    // From an occupant it would be forged; rooms take it out, but who knows.
    stanza.from().is_some_and(Jid::is_bare) && (170..=174).any(|code| stanza.has_muc_status(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "room@muc.example/Bob";

    fn decided(from: &str, type_: &str, inside: &str, settings: Settings) -> Decision {
        let xml = format!("<message from='{from}' type='{type_}'>{inside}</message>");
        decide(&Stanza::parse(xml.as_bytes()).unwrap(), &settings)
    }

    #[test]
    fn the_table_of_what_is_forwarded() {
        use Decision::{Forward, Skip as No};
        let body = "<body>hi</body>";
        let no_store = "<no-store xmlns='urn:xmpp:hints'/>";
        let store = "<store xmlns='urn:xmpp:hints'/>";
        let composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
        for (type_, inside, decision) in [
            ("groupchat", body.to_owned(), Forward(Why::Body)),
            ("chat", body.to_owned(), No(Skip::NotGroupchat)),
            ("error", body.to_owned(), No(Skip::NotGroupchat)),
            ("groupchat", format!("{body}{no_store}"), No(Skip::NoStore)),
            ("groupchat", format!("{store}{no_store}"), No(Skip::NoStore)),
            (
                "groupchat",
                format!("{body}<no-permanent-store xmlns='urn:xmpp:hints'/>"),
                No(Skip::NoPermanentStore),
            ),
            ("groupchat", store.to_owned(), Forward(Why::StoreHint)),
            ("groupchat", composing.to_owned(), No(Skip::Passing)),
            ("groupchat", String::new(), No(Skip::Passing)),
            (
                "groupchat",
                "<encrypted xmlns='eu.siacs.conversations.axolotl'/>".to_owned(),
                Forward(Why::Encrypted),
            ),
            (
                "groupchat",
                "<retract xmlns='urn:xmpp:message-retract:1' id='m'/>".to_owned(),
                Forward(Why::Retraction),
            ),
            (
                "groupchat",
                "<displayed xmlns='urn:xmpp:chat-markers:0' id='m'/>".to_owned(),
                Forward(Why::Marker),
            ),
            (
                "groupchat",
                "<subject>tea</subject>".to_owned(),
                No(Skip::Subject),
            ),
        ] {
            let got = decided(FROM, type_, &inside, Settings::default());
            assert_eq!(got, decision, "{type_} {inside}");
        }
    }

    #[test]
    fn subjects_and_notices_are_forwarded_where_the_settings_say_so() {
        let settings = Settings {
            subjects: true,
            notices: true,
        };
        let subject = decided(FROM, "groupchat", "<subject>tea</subject>", settings);
        assert_eq!(subject, Decision::Forward(Why::Subject));
        let logged = "<x xmlns='http://jabber.org/protocol/muc#user'><status code='170'/></x>";
        for (from, decision) in [
            ("room@muc.example", Decision::Forward(Why::Notice)),
            (FROM, Decision::Skip(Skip::Passing)),
        ] {
            assert_eq!(decided(from, "groupchat", logged, settings), decision);
        }
    }

    #[test]
    fn the_table_of_bounces() {
        for condition in Condition::ALL {
            let meant = match condition {
                Condition::ItemNotFound
                | Condition::Gone
                | Condition::Forbidden
                | Condition::JidMalformed => Bounce::Gone,
                Condition::RemoteServerTimeout | Condition::RemoteServerNotFound => {
                    Bounce::Transient
                }
                _ if condition.default_type() == ErrorType::Wait => Bounce::Transient,
                _ => Bounce::Refused,
            };
            assert_eq!(
                bounce(&StanzaError::new(*condition)),
                meant,
                "{condition:?}"
            );
            let later = StanzaError::new(*condition).with_type(ErrorType::Wait);
            assert_eq!(bounce(&later), Bounce::Transient, "{condition:?}");
        }
    }
}
