//! What a client makes of what it is told.

use std::collections::BTreeSet;

use jid::Jid;
use tower_xmpp::stanza::{Kind, MessageType, Stanza, Type, ns};
use tower_xmpp::testkit::Session;

use super::super::house::ROOM;

/// What a client that believes what it is told knows of the room.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// It has asked to join since it was bound.
    pub asked: bool,
    /// It is in, under this nick.
    pub own: Option<String>,
    pub others: BTreeSet<String>,
    pub alive: bool,
    pub hibernates: bool,
}

impl Client {
    /// It asks to join, if it can.
    pub fn asks(&mut self) {
        self.asked |= self.alive && !self.hibernates;
    }

    pub fn hears(&mut self, session: &Session, stanza: &Stanza) {
        let Some(from) = stanza.from().filter(|from| from.to_bare().as_str() == ROOM) else {
            return;
        };
        match stanza.kind() {
            Kind::Presence => self.is_shown(session, from, stanza),
            Kind::Message if stanza.message_type() == MessageType::Groupchat => {
                assert!(
                    self.own.is_some(),
                    "{session} hears a room that it is not in: {}",
                    stanza.to_xml()
                );
            }
            _ => {}
        }
    }

    fn is_shown(&mut self, session: &Session, from: &Jid, presence: &Stanza) {
        let nick = from.resource().map(ToString::to_string).unwrap_or_default();
        let says = |code: &str| {
            presence
                .child("x", ns::MUC_USER)
                .is_some_and(|x| x.children().any(|status| status.attr("code") == Some(code)))
        };
        let is_own = says("110") || self.own.as_ref() == Some(&nick);
        match presence.type_() {
            Some(Type::Error) => {}
            Some(Type::Unavailable) if is_own && says("303") => self.own = Some(String::new()),
            Some(Type::Unavailable) if is_own => {
                self.own = None;
                self.others.clear();
            }
            Some(Type::Unavailable) => {
                self.others.remove(&nick);
            }
            _ => {
                assert!(
                    self.asked || self.own.is_some(),
                    "{session} is shown a room that it has not joined: {}",
                    presence.to_xml()
                );
                if is_own {
                    self.others.remove(&nick);
                    self.own = Some(nick);
                } else {
                    self.others.insert(nick);
                }
            }
        }
    }
}
