//! Registering a nick, and membership with it (XEP-0045 §7.10).
//!
//! Who has registered finds, besides `<registered/>`, the form with what it
//! says now: clients change a field of it and send all back.

use jid::{BareJid, Jid};

use crate::flow::Affiliation;
use crate::stanza::{Element, ElementRef, Stanza, Type, ns};

use super::Refusal;
use super::effect::Turn;
use super::form::{Filled, field, form};
use super::presence::Notice;
use super::state::Room;

const NICK: &str = "muc#register_roomnick";

impl Room {
    pub(super) fn register(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        query: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        let user = from.to_bare();
        self.may_register(&user)?;
        if stanza.is_type(&Type::Get) {
            let query = self.registration(&user);
            return self.answer(turn, stanza, stanza.reply().with_child(query));
        }
        if query.has_child("remove", ns::REGISTER) {
            return self.unregister(turn, stanza, &user);
        }
        let filled = Filled::inside(query)
            .filter(|filled| !filled.cancelled && filled.is_of(ns::MUC_REGISTER))
            .ok_or(Refusal::Malformed)?;
        let nick = self.nick_to_register(turn, &user, filled.value(NICK))?;
        let news = if self.affiliation(&user) == Affiliation::None {
            if self.lasting.affiliations.len() >= turn.settings.limits.affiliations {
                return Err(Refusal::TooMuch);
            }
            self.affiliate(turn, &user, Affiliation::Member, &Notice::default())
        } else {
            Vec::new()
        };
        self.lasting.affiliations.set_nick(&user, Some(nick));
        self.unsaved = true;
        self.changed();
        self.answer(turn, stanza, stanza.reply())?;
        // Who registers knows; only who is in the room is told of it there.
        self.spread(
            turn,
            news.into_iter().filter(|news| !news.is_absent()).collect(),
        );
        Ok(())
    }

    /// Outcasts never, and strangers not where only members enter: they would
    /// make themselves members.
    fn may_register(&self, user: &BareJid) -> Result<(), Refusal> {
        let config = &self.lasting.config;
        if !config.registration {
            return Err(Refusal::Unknown);
        }
        match self.affiliation(user) {
            Affiliation::Outcast => Err(Refusal::RegistrationNotAllowed),
            Affiliation::None if config.members_only => Err(Refusal::MembersOnly),
            _ => Ok(()),
        }
    }

    fn registration(&self, user: &BareJid) -> Element {
        let mut query = Element::new("query", ns::REGISTER);
        let nick = self.lasting.affiliations.nick_of(user);
        if let Some(nick) = nick {
            query.push(Element::new("registered", ns::REGISTER));
            query.push(Element::new("username", ns::REGISTER).with_text(nick));
        }
        let mut nick = field(NICK, "text-single", "Nick", nick);
        nick.push(Element::new("required", ns::DATA_FORMS));
        query.with_child(form("form", ns::MUC_REGISTER).with_child(nick))
    }

    /// A nick that is one, and that nobody else bears or has registered. It
    /// is kept as addresses have it, so that it can be compared.
    fn nick_to_register(
        &self,
        turn: &Turn<'_>,
        user: &BareJid,
        nick: Option<&str>,
    ) -> Result<String, Refusal> {
        let wanted = nick.filter(|nick| !nick.trim().is_empty());
        let nick = wanted
            .and_then(|nick| self.address.with_resource_str(nick).ok())
            .ok_or(Refusal::Malformed)?;
        let nick = nick.resource().as_str();
        if nick.len() > turn.settings.limits.nick {
            return Err(Refusal::NickTooLong);
        }
        let bearer = self.occupants.by_nick(nick).map(|occupant| &occupant.user);
        let owner = self.lasting.affiliations.owner_of_nick(nick);
        if bearer.into_iter().chain(owner).any(|other| other != user) {
            return Err(Refusal::NickTaken);
        }
        Ok(nick.to_owned())
    }

    /// The nick is free again; who was a member by it is none any more, and
    /// admins and owners stay what they are.
    fn unregister(
        &mut self,
        turn: &mut Turn<'_>,
        stanza: &Stanza,
        user: &BareJid,
    ) -> Result<(), Refusal> {
        self.lasting.affiliations.set_nick(user, None);
        self.unsaved = true;
        self.changed();
        let news = if self.affiliation(user) == Affiliation::Member {
            self.affiliate(turn, user, Affiliation::None, &Notice::default())
        } else {
            Vec::new()
        };
        self.answer(turn, stanza, stanza.reply())?;
        self.spread(
            turn,
            news.into_iter().filter(|news| !news.is_absent()).collect(),
        );
        Ok(())
    }
}
