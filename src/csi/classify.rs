//! What can wait.

use crate::stanza::{ElementRef, Kind, MessageType, Stanza, Type, ns};

/// Whether a stanza may wait while its client is not looked at, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// It goes out at once, and all that waits goes out before it.
    Now(Urgent),
    /// It waits.
    Later(Idle),
    /// It waits, and of its sender only the newest: it replaces an earlier one.
    Newest,
}

/// Why a stanza does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Urgent {
    /// Somebody waits for the answer, or for this one.
    Iq,
    /// It is about a subscription (RFC 6121 §3): the user is asked something.
    Subscription,
    /// Something went wrong.
    Error,
    /// It is about the client's own seat in a room (XEP-0045 §5.1, status 110).
    OwnSeat,
    /// It says something, or what it says is not known here.
    Content,
    /// Another client of the account said or read something: a notification
    /// may be taken back.
    OwnWord,
}

/// Why a stanza may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Idle {
    /// Somebody types, has read, has received.
    Marker,
    /// A node that the client follows has changed (XEP-0060, XEP-0163).
    Event,
}

/// The default classification.
///
/// | Stanza | Class |
/// |---|---|
/// | IQ | now |
/// | presence about a subscription, of type error, or about the own seat in a room | now |
/// | other presence, of a contact or an occupant | the newest |
/// | message of type error | now |
/// | message with nothing but chat states, receipts, chat markers | later |
/// | message with nothing but events of a node | later |
/// | copy of what somebody wrote (`<received/>`) | as what it copies |
/// | copy of what another own client wrote (`<sent/>`) | now, unless it is a chat state alone |
/// | any other message | now |
///
/// What is not known here is not low in value: encrypted messages without a
/// body, invitations and calls go out at once. Hints, ids, threads and delays
/// decide nothing.
pub fn classify(stanza: &Stanza) -> Class {
    match stanza.kind() {
        Kind::Iq => Class::Now(Urgent::Iq),
        Kind::Presence => presence(stanza),
        Kind::Message => match stanza.message_type() {
            MessageType::Error => Class::Now(Urgent::Error),
            _ => message(stanza),
        },
    }
}

fn presence(stanza: &Stanza) -> Class {
    match stanza.type_() {
        None | Some(Type::Unavailable) if stanza.has_muc_status(110) => Class::Now(Urgent::OwnSeat),
        None | Some(Type::Unavailable) => Class::Newest,
        Some(Type::Error) => Class::Now(Urgent::Error),
        Some(_) => Class::Now(Urgent::Subscription),
    }
}

fn message(stanza: &Stanza) -> Class {
    match copied(stanza) {
        Some((copy, direction)) => copied_message(copy, direction),
        None => contents(stanza.children()),
    }
}

fn copied_message(message: ElementRef<'_>, direction: &str) -> Class {
    if message.attr("type") == Some("error") {
        return Class::Now(Urgent::Error);
    }
    let only_chat_states = || {
        let mut telling = message.children().filter(|child| !is_decoration(*child));
        telling.all(|child| child.has_ns(ns::CHAT_STATES))
    };
    match direction {
        "sent" if only_chat_states() => Class::Later(Idle::Marker),
        "sent" => Class::Now(Urgent::OwnWord),
        _ => contents(message.children()),
    }
}

/// The message in a copy from the own account (XEP-0280 §7, §8), and which way
/// it went. That it is from the own account, the client checks.
fn copied(stanza: &Stanza) -> Option<(ElementRef<'_>, &'static str)> {
    let wrappers = [ns::CARBONS, ns::MR2, ns::GOAL].into_iter();
    let mut wrappers = wrappers.flat_map(|namespace| {
        ["received", "sent"].map(|direction| (stanza.child(direction, namespace), direction))
    });
    wrappers.find_map(|(wrapper, direction)| {
        let message = wrapper?.child("forwarded", ns::FORWARD)?;
        Some((message.child("message", ns::CLIENT)?, direction))
    })
}

fn contents<'a>(children: impl Iterator<Item = ElementRef<'a>>) -> Class {
    let mut class = Class::Now(Urgent::Content);
    for child in children.filter(|child| !is_decoration(*child)) {
        class = if is_marker(child) {
            Class::Later(Idle::Marker)
        } else if child.is("event", ns::PUBSUB_EVENT) {
            Class::Later(Idle::Event)
        } else {
            return Class::Now(Urgent::Content);
        };
    }
    class
}

fn is_marker(child: ElementRef<'_>) -> bool {
    // That a receipt or marker is asked for is no reason to wait or not.
    [ns::CHAT_STATES, ns::RECEIPTS, ns::CHAT_MARKERS]
        .iter()
        .any(|namespace| child.has_ns(namespace))
}

/// What says something about a message, and is none.
fn is_decoration(child: ElementRef<'_>) -> bool {
    child.is("thread", ns::CLIENT)
        || [ns::HINTS, ns::SID, ns::DELAY, ns::OCCUPANT_ID]
            .iter()
            .any(|namespace| child.has_ns(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(stanza: &str) -> Class {
        classify(&Stanza::parse(stanza.as_bytes()).unwrap())
    }

    fn copy(direction: &str, namespace: &str, contents: &str) -> Class {
        class(&format!(
            "<message><{direction} xmlns='{namespace}'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' type='chat'>{contents}</message>\
             </forwarded></{direction}></message>"
        ))
    }

    const COMPOSING: &str = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    const RECEIPT: &str = "<received xmlns='urn:xmpp:receipts' id='m1'/>";
    const DISPLAYED: &str = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>";
    const EVENT: &str = "<event xmlns='http://jabber.org/protocol/pubsub#event'/>";
    const HINT: &str = "<no-store xmlns='urn:xmpp:hints'/>";

    #[test]
    fn what_asks_answers_or_fails_does_not_wait() {
        assert_eq!(class("<iq type='get' id='1'/>"), Class::Now(Urgent::Iq));
        let error = Class::Now(Urgent::Error);
        assert_eq!(class("<message type='error'/>"), error);
        assert_eq!(class("<presence type='error'/>"), error);
        assert_eq!(
            class("<presence type='subscribe'/>"),
            Class::Now(Urgent::Subscription)
        );
    }

    #[test]
    fn of_presence_the_newest_waits_unless_it_is_about_the_own_seat() {
        assert_eq!(class("<presence/>"), Class::Newest);
        assert_eq!(class("<presence type='unavailable'/>"), Class::Newest);
        let occupant = |codes: &str| {
            class(&format!(
                "<presence><x xmlns='http://jabber.org/protocol/muc#user'>{codes}</x></presence>"
            ))
        };
        assert_eq!(occupant("<status code='307'/>"), Class::Newest);
        assert_eq!(
            occupant("<status code='307'/><status code='110'/>"),
            Class::Now(Urgent::OwnSeat)
        );
    }

    #[test]
    fn markers_and_events_alone_wait() {
        for marker in [COMPOSING, RECEIPT, DISPLAYED] {
            let waits = Class::Later(Idle::Marker);
            assert_eq!(class(&format!("<message>{marker}{HINT}</message>")), waits);
            assert_eq!(copy("received", ns::CARBONS, marker), waits);
        }
        assert_eq!(
            class(&format!("<message type='headline'>{EVENT}</message>")),
            Class::Later(Idle::Event)
        );
    }

    #[test]
    fn what_says_something_does_not_wait_and_neither_does_what_is_not_known() {
        let content = Class::Now(Urgent::Content);
        let typing = |contents: &str| format!("{COMPOSING}{contents}");
        for contents in [
            typing("<body>hi</body>"),
            typing("<encrypted xmlns='urn:xmpp:omemo:2'/>"),
            typing("<subject>hi</subject>"),
            typing("<x xmlns='jabber:x:conference' jid='room@muc.example'/>"),
            typing("<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>"),
            HINT.to_owned(),
            String::new(),
        ] {
            let stanza = format!("<message>{contents}</message>");
            assert_eq!(class(&stanza), content, "{contents}");
            for namespace in [ns::CARBONS, ns::MR2, ns::GOAL] {
                assert_eq!(
                    copy("received", namespace, &contents),
                    content,
                    "{contents}"
                );
            }
        }
    }

    #[test]
    fn what_another_own_client_said_or_read_does_not_wait_but_its_typing_does() {
        let own = Class::Now(Urgent::OwnWord);
        assert_eq!(copy("sent", ns::CARBONS, "<body>hi</body>"), own);
        assert_eq!(copy("sent", ns::MR2, DISPLAYED), own);
        assert_eq!(
            copy("sent", ns::GOAL, COMPOSING),
            Class::Later(Idle::Marker)
        );
        // A receipt has a child of the same name as a copy's wrapper.
        assert_eq!(
            class(&format!("<message>{RECEIPT}</message>")),
            Class::Later(Idle::Marker)
        );
    }
}
