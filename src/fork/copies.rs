//! How a copy looks (XEP-0280 §7, §8; MR2 §4.2, §4.3; XEP-0297 §3).

use jid::{BareJid, FullJid};

use crate::flow::Emit;
use crate::stanza::{Stanza, ns};

use super::Mode;
use super::rules::Direction;

/// One copy in the wrapper of this mode for each of these sessions.
///
/// The message is written once: all copies share those bytes, and differ in
/// `to` alone.
pub(super) fn copies(
    mode: Mode,
    direction: Direction,
    account: &BareJid,
    original: &Stanza,
    sessions: Vec<FullJid>,
) -> impl Iterator<Item = Emit> + use<> {
    let around = [
        (direction.element(), mode.namespace()),
        ("forwarded", ns::FORWARD),
    ];
    let wrapped = original.as_raw_in(&around);
    let mut copy = Stanza::message()
        .with_from(account.clone())
        .with_child(wrapped);
    copy.set_type(original.type_().cloned());
    sessions.into_iter().map(move |session| {
        let copy = copy.clone().with_to(session.clone());
        Emit::copy(session, copy)
    })
}

impl Direction {
    fn element(self) -> &'static str {
        match self {
            Direction::Sent => "sent",
            Direction::Received => "received",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{EmitKind, Fate, Target};

    fn alice() -> BareJid {
        "alice@a.example".parse().unwrap()
    }

    fn to(resources: &[&str]) -> Vec<FullJid> {
        resources
            .iter()
            .map(|resource| format!("alice@a.example/{resource}").parse().unwrap())
            .collect()
    }

    #[test]
    fn a_copy_is_from_the_account_to_the_session_and_of_the_same_type() {
        let original = Stanza::parse(
            b"<message from='bob@b.example/x' to='alice@a.example/phone' type='chat' id='m1' \
              xml:lang='en'><body>hi</body></message>",
        )
        .unwrap();
        let made: Vec<_> = copies(
            Mode::Carbons,
            Direction::Received,
            &alice(),
            &original,
            to(&["desk", "tablet"]),
        )
        .collect();
        assert_eq!(
            made[0].stanza.to_xml(),
            "<message xmlns='jabber:client' from='alice@a.example' type='chat' \
             to='alice@a.example/desk'><received xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' \
             from='bob@b.example/x' id='m1' type='chat' xml:lang='en' \
             to='alice@a.example/phone'><body>hi</body></message></forwarded></received></message>"
        );
        assert_eq!(
            made[1].stanza.to().unwrap().as_str(),
            "alice@a.example/tablet"
        );
        for emit in made {
            assert!(matches!(emit.kind, EmitKind::Copy));
            assert!(matches!(emit.target, Target::Session(_)));
            assert_eq!(emit.fate, Fate::Drop);
        }
    }

    #[test]
    fn a_message_without_a_type_is_copied_without_one() {
        let original = Stanza::message().with_text_child("body", "hi");
        let made: Vec<_> = copies(
            Mode::Mr2,
            Direction::Sent,
            &alice(),
            &original,
            to(&["desk"]),
        )
        .collect();
        assert_eq!(made[0].stanza.type_(), None);
        assert!(made[0].stanza.has_child("sent", ns::MR2));
    }
}
