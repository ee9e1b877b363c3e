//! A client that does its duties.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid, Jid};

use crate::muc_push::{notified_node, offers};
use crate::stanza::{Condition, Element, Stanza, StanzaError, Type, ns};

use super::PushClient;

/// A client that lets rooms wake it, as Conversations did in 2019. Pure: give
/// it what comes for its session, and send what it says.
#[derive(Clone, Debug)]
pub struct SimulatedClient {
    jid: FullJid,
    rooms: BTreeMap<BareJid, Open>,
    /// How many ids it has given.
    ids: u64,
}

/// A room that the user has open.
#[derive(Clone, Debug)]
struct Open {
    seat: FullJid,
    node: String,
    state: State,
}

/// What the client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It has asked to join.
    Joining,
    /// It is in the room, for all it knows.
    Quiet,
    /// It has pinged itself, under this id.
    Looking(String),
}

impl SimulatedClient {
    /// A client with this session, and without rooms.
    pub fn new(jid: &FullJid) -> Self {
        Self {
            jid: jid.clone(),
            rooms: BTreeMap::new(),
            ids: 0,
        }
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("client-{}", self.ids)
    }

    fn asks(&mut self, type_: Type, to: impl Into<Jid>, payload: Element) -> Stanza {
        let id = self.new_id();
        let request = Stanza::iq(type_, &id).with_from(self.jid.clone());
        request.with_to(to.into()).with_child(payload)
    }

    fn joins(&mut self, seat: &FullJid) -> Vec<Stanza> {
        let join = Stanza::presence()
            .with_from(self.jid.clone())
            .with_to(seat.clone())
            .with_child(Element::new("x", ns::MUC));
        let query = Element::new("query", ns::DISCO_INFO);
        vec![self.asks(Type::Get, seat.to_bare(), query), join]
    }

    /// XEP-0357 §5 and §6.
    fn registers(&mut self, name: &str, room: &BareJid) -> Vec<Stanza> {
        let Some(open) = self.rooms.get(room) else {
            return Vec::new();
        };
        let element = Element::new(name, ns::PUSH)
            .with_attr("jid", self.jid.as_str())
            .with_attr("node", &open.node);
        vec![self.asks(Type::Set, room.clone(), element)]
    }

    /// A notification: answered first, and then looked at.
    fn is_woken(&mut self, notification: &Stanza, node: &str) -> Vec<Stanza> {
        let room = notification.from().map(Jid::to_bare);
        let room = room.filter(|room| self.rooms.get(room).is_some_and(|open| open.node == node));
        let Some(room) = room else {
            let error = StanzaError::new(Condition::ItemNotFound);
            return notification.error_reply(&error).into_iter().collect();
        };
        let mut said = vec![notification.reply()];
        let seat = self.rooms.get(&room).map(|open| open.seat.clone());
        let is_quiet = |open: &Open| open.state == State::Quiet;
        if let (Some(seat), true) = (seat, self.rooms.get(&room).is_some_and(is_quiet)) {
            let ping = self.asks(Type::Get, seat, Element::new("ping", ns::PING));
            if let Some(open) = self.rooms.get_mut(&room) {
                open.state = State::Looking(ping.id().unwrap_or_default().to_owned());
            }
            said.push(ping);
        }
        said
    }

    /// An answer: about what a room offers, or to a self-ping.
    fn is_answered(&mut self, answer: &Stanza) -> Vec<Stanza> {
        let Some(room) = answer.from().map(Jid::to_bare) else {
            return Vec::new();
        };
        if offers(answer) {
            return self.registers("enable", &room);
        }
        let Some(open) = self.rooms.get_mut(&room) else {
            return Vec::new();
        };
        let is_ping = matches!(&open.state, State::Looking(id) if Some(id.as_str()) == answer.id());
        if !is_ping {
            return Vec::new();
        }
        // XEP-0410 §3.2.
        let is_in = answer.error().is_none_or(|error| {
            matches!(
                error.condition,
                Condition::ServiceUnavailable
                    | Condition::FeatureNotImplemented
                    | Condition::ItemNotFound
            )
        });
        open.state = if is_in { State::Quiet } else { State::Joining };
        let seat = open.seat.clone();
        match is_in {
            true => Vec::new(),
            false => self.joins(&seat),
        }
    }
}

impl PushClient for SimulatedClient {
    fn opens(&mut self, seat: &FullJid) -> Vec<Stanza> {
        let open = Open {
            seat: seat.clone(),
            node: format!("room-{}", self.new_id()),
            state: State::Joining,
        };
        self.rooms.insert(seat.to_bare(), open);
        self.joins(seat)
    }

    fn closes(&mut self, room: &BareJid) -> Vec<Stanza> {
        let mut said = self.registers("disable", room);
        said.extend(self.rooms.remove(room).map(|open| {
            Stanza::presence()
                .with_type(Type::Unavailable)
                .with_from(self.jid.clone())
                .with_to(open.seat)
        }));
        said
    }

    fn gets(&mut self, stanza: &Stanza) -> Vec<Stanza> {
        if let Some(node) = notified_node(stanza) {
            return self.is_woken(stanza, &node);
        }
        if stanza.is_response() {
            return self.is_answered(stanza);
        }
        if stanza.type_().is_none()
            && stanza.has_muc_status(110)
            && let Some(from) = stanza.from()
            && let Some(open) = self.rooms.get_mut(&from.to_bare())
        {
            open.state = State::Quiet;
        }
        Vec::new()
    }
}
