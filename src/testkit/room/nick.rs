//! Nicks: whose they are, and changing them (XEP-0045 §7.2.8, §7.6, §7.10).

use jid::{FullJid, Jid};

use crate::flow::Affiliation;
use crate::stanza::Stanza;

use super::effect::Turn;
use super::occupants::Occupant;
use super::presence::{Notice, cleaned, unavailable};
use super::state::Room;
use super::{Refusal, RegisteredNick};

impl Room {
    /// The nick that a newcomer gets, and whether it is another than the one
    /// it asked for (§7.2.8, §7.10).
    pub(super) fn nick_for(
        &self,
        turn: &Turn<'_>,
        from: &Jid,
        wanted: FullJid,
    ) -> Result<(FullJid, bool), Refusal> {
        let registered = self.lasting.affiliations.nick_of(&from.to_bare());
        let (nick, assigned) = match (self.lasting.config.registered_nick, registered) {
            (RegisteredNick::Assigned, Some(nick)) if nick != wanted.resource().as_str() => {
                let nick = self.address.with_resource_str(nick);
                (nick.map_err(|_| Refusal::NickMissing)?, true)
            }
            _ => (wanted, false),
        };
        self.may_bear(turn, from, nick.resource().as_str())?;
        Ok((nick, assigned))
    }

    /// Is the nick one that this user may take? A nick in the room belongs to
    /// one user, whose other sessions may share it (§7.2.8).
    fn may_bear(&self, turn: &Turn<'_>, from: &Jid, nick: &str) -> Result<(), Refusal> {
        let user = from.to_bare();
        if nick.trim().is_empty() {
            return Err(Refusal::NickMissing);
        }
        if nick.len() > turn.settings.limits.nick {
            return Err(Refusal::NickTooLong);
        }
        if let Some(occupant) = self.occupants.by_nick(nick)
            && occupant.user != user
        {
            return Err(Refusal::NickTaken);
        }
        let affiliations = &self.lasting.affiliations;
        if affiliations
            .owner_of_nick(nick)
            .is_some_and(|owner| *owner != user)
        {
            return Err(Refusal::NickTaken);
        }
        if self.lasting.config.registered_nick == RegisteredNick::Demanded
            && affiliations.nick_of(&user).is_some_and(|own| own != nick)
        {
            return Err(Refusal::RegisteredNickDemanded);
        }
        Ok(())
    }

    /// A new nick (§7.6): the old one leaves with 303, the new one appears.
    /// Of several sessions under one nick only the asking one moves.
    pub(super) fn rename(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        nick: FullJid,
    ) -> Result<(), Refusal> {
        self.may_bear(turn, from, nick.resource().as_str())?;
        let user = from.to_bare();
        let own = self.lasting.affiliations.nick_of(&user);
        if self.lasting.config.registered_nick == RegisteredNick::Assigned
            && own.is_some_and(|own| own != nick.resource().as_str())
        {
            return Err(Refusal::RegisteredNickDemanded);
        }
        self.has_space(turn, Affiliation::Owner, nick.resource().as_str())?;
        let notice = Notice {
            nick: Some(nick.resource().as_str().to_owned()),
            ..Notice::codes([303])
        };
        let Some(before) = self.occupants.move_to(nick, from) else {
            return Ok(());
        };
        self.occupants.update(from, cleaned(stanza));
        self.changed();
        let rest = self.occupants.by_nick(before.nick()).cloned();
        if rest.is_none() {
            self.tell_others(turn, &before, &unavailable(), &notice);
        }
        self.tell_own(turn, &before, from, &unavailable(), &notice);
        if let Some(rest) = rest {
            // For the one that moved, the old nick has just left.
            self.tell_one(turn, from, &rest);
            self.tell_if_shown(turn, &before, &rest);
        }
        self.announce_to_all(turn, from);
        Ok(())
    }

    /// Where a session stood that the others saw, they see the next one.
    pub(super) fn tell_if_shown(
        &mut self,
        turn: &mut Turn<'_>,
        before: &Occupant,
        rest: &Occupant,
    ) {
        let number = |occupant: &Occupant| occupant.primary().map(|session| session.number);
        if number(before) != number(rest) {
            self.tell_all(turn, rest, &Notice::default());
        }
    }
}
