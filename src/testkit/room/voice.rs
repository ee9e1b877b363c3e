//! Asking for the right to speak (XEP-0045 §7.13, §8.6).

use jid::Jid;

use crate::stanza::{ElementRef, Stanza};

use super::effect::Turn;
use super::form::{Filled, boolean, field, form};
use super::presence::Notice;
use super::privileges::{Standing, may_change_role};
use super::state::Room;
use super::{Refusal, Role};

/// The FORM_TYPE of both forms.
const REQUEST: &str = "http://jabber.org/protocol/muc#request";
const NICK: &str = "muc#roomnick";
const ALLOW: &str = "muc#request_allow";

impl Room {
    /// A form that a visitor sends to ask, or a moderator to grant.
    pub(super) fn voice(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        x: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        let filled = Filled::read(x)
            .filter(|filled| filled.is_of(REQUEST))
            .ok_or(Refusal::Malformed)?;
        if filled.cancelled {
            return Ok(());
        }
        match filled.value(NICK) {
            Some(nick) => self.grant_voice(turn, from, nick, &filled),
            None => self.ask_for_voice(turn, from),
        }
    }

    fn ask_for_voice(&mut self, turn: &mut Turn<'_>, from: &Jid) -> Result<(), Refusal> {
        let asker = self.sender(from)?;
        if asker.role > Role::Visitor {
            return Ok(());
        }
        let mut approval = form("form", REQUEST);
        for (var, type_, label, value) in [
            ("muc#role", "list-single", "Requested role", "participant"),
            ("muc#jid", "jid-single", "User", from.as_str()),
            (NICK, "text-single", "Nick", asker.nick()),
            (ALLOW, "boolean", "Grant voice?", "false"),
        ] {
            approval.push(field(var, type_, label, [value]));
        }
        let message = Stanza::message()
            .with_from(self.address.clone())
            .with_child(approval);
        let moderators: Vec<Jid> = self
            .occupants
            .iter()
            .filter(|occupant| occupant.role == Role::Moderator)
            .flat_map(|occupant| occupant.sessions.iter().map(|session| session.jid.clone()))
            .collect();
        for moderator in moderators {
            turn.send(&self.address, &moderator, message.clone());
        }
        Ok(())
    }

    fn grant_voice(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        nick: &str,
        filled: &Filled,
    ) -> Result<(), Refusal> {
        let target = self
            .occupants
            .by_nick(nick)
            .ok_or(Refusal::NoSuchOccupant)?;
        let standing = Standing {
            role: target.role,
            affiliation: self.affiliation(&target.user),
        };
        may_change_role(self.standing(from), standing, Role::Participant)?;
        let allowed = filled.value(ALLOW).and_then(boolean) == Some(true);
        if !allowed || target.role != Role::Visitor {
            return Ok(());
        }
        self.occupants.set_role(nick, Role::Participant);
        self.changed();
        if let Some(occupant) = self.occupants.by_nick(nick).cloned() {
            self.tell_all(turn, &occupant, &Notice::default());
        }
        Ok(())
    }
}
