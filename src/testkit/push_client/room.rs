//! The room's part: it offers what it is told to, and notes what it hears.

use std::collections::VecDeque;

use jid::{BareJid, FullJid};

use crate::stanza::{Condition, Stanza, StanzaError, Type, ns};

use super::PushClient;

/// A room with one client.
pub(super) struct Room {
    client: FullJid,
    seat: FullJid,
    offers: bool,
    pings: Ping,
    holds_joins: bool,
    node: Option<String>,
    heard: Vec<Heard>,
    /// Pings that are not answered yet.
    waiting: Vec<Stanza>,
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Asked,
    Joined,
    Left,
    Enabled { own: bool },
    Disabled,
    Pinged,
    Answered(String),
    Refused(String, Condition),
    Other(String),
}

/// What becomes of a self-ping.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ping {
    Answered,
    Refused(Condition),
    Later,
}

const SEAT: &str = "tea@rooms.example/Alice";

impl Room {
    #[track_caller]
    pub(super) fn new(client: &FullJid, offers: bool) -> Self {
        let seat = match SEAT.parse() {
            Ok(seat) => seat,
            Err(error) => panic!("{SEAT}: {error}"),
        };
        Self {
            client: client.clone(),
            seat,
            offers,
            pings: Ping::Answered,
            holds_joins: false,
            node: None,
            heard: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn opened_by(&mut self, client: &mut impl PushClient) {
        let said = client.opens(&self.seat);
        self.talk(client, said);
    }

    pub(super) fn closed_by(&mut self, client: &mut impl PushClient) {
        let said = client.closes(&self.seat.to_bare());
        self.talk(client, said);
    }

    /// Under the node that the client has told it last.
    pub(super) fn notifies(&mut self, client: &mut impl PushClient, id: &str) {
        let (room, node) = (self.room(), self.node.clone().unwrap_or_default());
        self.notifies_as(client, room.as_str(), &node, id);
    }

    #[track_caller]
    pub(super) fn notifies_as(
        &mut self,
        client: &mut impl PushClient,
        from: &str,
        node: &str,
        id: &str,
    ) {
        let xml = format!(
            "<iq type='set' id='{id}' from='{from}' to='{to}'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item>\
             <notification xmlns='urn:xmpp:push:0'/></item></publish></pubsub></iq>",
            to = self.client
        );
        let said = match Stanza::parse(xml.as_bytes()) {
            Ok(notification) => client.gets(&notification),
            Err(error) => panic!("{xml}: {error}"),
        };
        self.talk(client, said);
    }

    pub(super) fn pings(&mut self, pings: Ping) {
        self.pings = pings;
    }

    /// From now on joins are not answered.
    pub(super) fn holds_joins(&mut self) {
        self.holds_joins = true;
    }

    /// The pings that waited are answered now.
    pub(super) fn answers_pings(&mut self, client: &mut impl PushClient) {
        for ping in std::mem::take(&mut self.waiting) {
            let answer = self.answer_to_ping(&ping);
            let said = answer.map_or_else(Vec::new, |answer| client.gets(&answer));
            self.talk(client, said);
        }
    }

    pub(super) fn node(&self) -> Option<String> {
        self.node.clone()
    }

    pub(super) fn heard(&self) -> &[Heard] {
        &self.heard
    }

    pub(super) fn count(&self, wanted: impl Fn(&Heard) -> bool) -> usize {
        self.heard.iter().filter(|heard| wanted(heard)).count()
    }

    pub(super) fn forget(&mut self) {
        self.heard.clear();
    }

    #[track_caller]
    pub(super) fn demand(&self, duty: u8, fulfilled: bool, what: &str) {
        assert!(
            fulfilled,
            "duty {duty} of a client that rooms wake: {what}\nit did: {:?}",
            self.heard
        );
    }

    /// Until nobody has anything to say.
    fn talk(&mut self, client: &mut impl PushClient, said: Vec<Stanza>) {
        let mut said = VecDeque::from(said);
        while let Some(stanza) = said.pop_front() {
            let stanza = stanza.with_from(self.client.clone());
            for answer in self.hears(&stanza) {
                said.extend(client.gets(&answer));
            }
        }
    }

    fn hears(&mut self, stanza: &Stanza) -> Vec<Stanza> {
        let is = |name, namespace| stanza.has_child(name, namespace);
        let id = stanza.id().unwrap_or_default().to_owned();
        if stanza.is_response() {
            self.heard.push(match stanza.error() {
                Some(error) => Heard::Refused(id, error.condition),
                None => Heard::Answered(id),
            });
        } else if is("x", ns::MUC) {
            self.heard.push(Heard::Joined);
            return self.lets_in();
        } else if stanza.is_type(&Type::Unavailable) {
            self.heard.push(Heard::Left);
        } else if is("query", ns::DISCO_INFO) {
            self.heard.push(Heard::Asked);
            return vec![self.info(stanza)];
        } else if let Some(enable) = stanza.child("enable", ns::PUSH) {
            let own = enable.attr("jid") == Some(self.client.as_str());
            self.heard.push(Heard::Enabled { own });
            self.node = enable.attr("node").filter(|_| own).map(str::to_owned);
            return vec![stanza.reply()];
        } else if is("disable", ns::PUSH) {
            self.heard.push(Heard::Disabled);
            return vec![stanza.reply()];
        } else if is("ping", ns::PING) {
            self.heard.push(Heard::Pinged);
            let answer = self.answer_to_ping(stanza);
            if answer.is_none() {
                self.waiting.push(stanza.clone());
            }
            return answer.into_iter().collect();
        } else {
            self.heard.push(Heard::Other(stanza.to_xml()));
        }
        Vec::new()
    }

    fn answer_to_ping(&self, ping: &Stanza) -> Option<Stanza> {
        match self.pings {
            Ping::Answered => Some(ping.reply()),
            Ping::Refused(condition) => ping.error_reply(&StanzaError::new(condition)),
            Ping::Later => None,
        }
    }

    fn lets_in(&self) -> Vec<Stanza> {
        if self.holds_joins {
            return Vec::new();
        }
        let (seat, room, to) = (&self.seat, self.room(), &self.client);
        let own = format!(
            "<presence from='{seat}' to='{to}'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='none' role='participant'/><status code='110'/></x></presence>"
        );
        let subject =
            format!("<message from='{room}' to='{to}' type='groupchat'><subject/></message>");
        let both = [own, subject];
        both.iter()
            .filter_map(|xml| Stanza::parse(xml.as_bytes()).ok())
            .collect()
    }

    fn info(&self, asked: &Stanza) -> Stanza {
        use crate::stanza::Element;
        let feature = |var: &str| Element::new("feature", ns::DISCO_INFO).with_attr("var", var);
        let mut query = Element::new("query", ns::DISCO_INFO).with_child(feature(ns::MUC));
        if self.offers {
            query.push(feature(ns::PUSH));
        }
        asked.reply().with_child(query)
    }

    fn room(&self) -> BareJid {
        self.seat.to_bare()
    }
}
