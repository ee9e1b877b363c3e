//! What a service and its rooms say about themselves (XEP-0045 §6).

use std::collections::BTreeMap;

use jid::{BareJid, Jid};

use crate::flow::Affiliation;
use crate::stanza::{Element, ElementRef, Kind, Stanza, Type, ns};

use super::effect::Turn;
use super::form::{field, form};
use super::state::Room;
use super::{Refusal, Settings};

/// Announces that a reflected message keeps its id (§7.4).
const STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
/// Where a room says which nick a user registered (§7.12).
const REGISTERED_NICK: &str = "x-roomuser-item";

/// What the service itself is asked (§6.1 to §6.3).
pub(super) fn asked_the_service(
    address: &BareJid,
    rooms: &BTreeMap<BareJid, Room>,
    turn: &mut Turn<'_>,
    stanza: &Stanza,
) {
    // Presence to the service means nothing.
    let Some(from) = stanza.from().filter(|_| stanza.kind() != Kind::Presence) else {
        return;
    };
    let payload = stanza.payload().filter(|_| stanza.is_type(&Type::Get));
    let answer = match payload {
        Some(payload) if payload.is("ping", ns::PING) => stanza.reply(),
        Some(payload) if payload.is("query", ns::DISCO_INFO) && no_node(payload) => {
            stanza.reply().with_child(service_info(turn.settings))
        }
        Some(payload) if payload.is("query", ns::DISCO_ITEMS) && no_node(payload) => {
            stanza.reply().with_child(room_list(rooms))
        }
        _ => return turn.refuse(address, stanza, Refusal::Unknown),
    };
    turn.send(address, from, answer);
}

fn service_info(settings: &Settings) -> Element {
    let mut query = Element::new("query", ns::DISCO_INFO).with_child(identity(&settings.name));
    for var in [
        ns::DISCO_INFO,
        ns::DISCO_ITEMS,
        ns::MUC,
        ns::MUC_SELF_PING,
        ns::PING,
        STABLE_ID,
    ] {
        query.push(feature(var));
    }
    if settings.occupant_ids.is_some() {
        query.push(feature(ns::OCCUPANT_ID));
    }
    query
}

/// Public rooms that are open by now (§6.3).
fn room_list(rooms: &BTreeMap<BareJid, Room>) -> Element {
    let mut query = Element::new("query", ns::DISCO_ITEMS);
    let listed = rooms
        .values()
        .filter(|room| room.lasting.config.public && !room.locked);
    for room in listed {
        query.push(
            Element::new("item", ns::DISCO_ITEMS)
                .with_attr("jid", room.address.as_str())
                .with_attr("name", room.name()),
        );
    }
    query
}

impl Room {
    /// What people call it.
    fn name(&self) -> &str {
        let node = self.address.node().map_or("", |node| node.as_str());
        match self.lasting.config.name.as_str() {
            "" => node,
            name => name,
        }
    }

    /// §6.4; and the nick that a user registered (§7.12).
    pub(super) fn info(
        &self,
        turn: &Turn<'_>,
        from: &Jid,
        query: ElementRef<'_>,
    ) -> Result<Element, Refusal> {
        match query.attr("node") {
            None | Some("") => Ok(self.describe_itself(turn.settings)),
            Some(REGISTERED_NICK) => {
                let mut answer =
                    Element::new("query", ns::DISCO_INFO).with_attr("node", REGISTERED_NICK);
                if let Some(nick) = self.lasting.affiliations.nick_of(&from.to_bare()) {
                    answer.push(identity(nick));
                }
                Ok(answer)
            }
            Some(_) => Err(Refusal::NoSuchOccupant),
        }
    }

    fn describe_itself(&self, settings: &Settings) -> Element {
        let config = &self.lasting.config;
        let one_of = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
        let mut query = Element::new("query", ns::DISCO_INFO).with_child(identity(self.name()));
        for var in [
            ns::DISCO_INFO,
            ns::DISCO_ITEMS,
            ns::MUC,
            ns::MUC_SELF_PING,
            ns::PING,
            STABLE_ID,
            one_of(config.public, "muc_public", "muc_hidden"),
            one_of(config.persistent, "muc_persistent", "muc_temporary"),
            one_of(config.members_only, "muc_membersonly", "muc_open"),
            one_of(config.moderated, "muc_moderated", "muc_unmoderated"),
            one_of(
                config.non_anonymous,
                "muc_nonanonymous",
                "muc_semianonymous",
            ),
            one_of(
                config.password.is_some(),
                "muc_passwordprotected",
                "muc_unsecured",
            ),
        ] {
            query.push(feature(var));
        }
        if settings.muc2 {
            query.push(feature(ns::MUC2));
        }
        if config.registration {
            query.push(feature(ns::REGISTER));
        }
        if settings.occupant_ids.is_some() {
            query.push(feature(ns::OCCUPANT_ID));
        }
        let mut info = form("result", ns::MUC_ROOMINFO);
        let occupants = self.occupants.len().to_string();
        let subject = self.lasting.subject.as_ref();
        let subject = subject.and_then(|subject| subject.stanza.child("subject", ns::CLIENT));
        let subject = subject.map(ElementRef::text).unwrap_or_default();
        for (var, value) in [
            ("muc#roominfo_description", config.description.as_str()),
            ("muc#roominfo_lang", config.language.as_str()),
            ("muc#roominfo_occupants", occupants.as_str()),
            ("muc#roominfo_subject", subject.as_str()),
        ] {
            info.push(field(var, "text-single", "", [value]));
        }
        query.with_child(info)
    }

    /// Who is in the room (§6.5): for those who could see it by joining.
    pub(super) fn items(&self, from: &Jid) -> Element {
        let mut query = Element::new("query", ns::DISCO_ITEMS);
        let config = &self.lasting.config;
        let belongs = self.affiliation_of(from) >= Affiliation::Member
            || self.occupants.by_jid(from).is_some();
        let open = config.public && !config.members_only && config.password.is_none();
        if belongs || (open && self.affiliation_of(from) != Affiliation::Outcast) {
            for occupant in self.occupants.iter() {
                query.push(
                    Element::new("item", ns::DISCO_ITEMS)
                        .with_attr("jid", occupant.jid.as_str())
                        .with_attr("name", occupant.nick()),
                );
            }
        }
        query
    }
}

fn identity(name: &str) -> Element {
    Element::new("identity", ns::DISCO_INFO)
        .with_attr("category", "conference")
        .with_attr("type", "text")
        .with_attr("name", name)
}

fn feature(var: &str) -> Element {
    Element::new("feature", ns::DISCO_INFO).with_attr("var", var)
}

fn no_node(query: ElementRef<'_>) -> bool {
    query.attr("node").is_none_or(str::is_empty)
}
