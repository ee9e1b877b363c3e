//! Going, and being made to go (XEP-0045 §7.14, §8.2, §9.1, §11).

use jid::Jid;

use crate::stanza::{Condition, Stanza};

use super::effect::Turn;
use super::occupants::Occupant;
use super::presence::{Notice, cleaned, unavailable};
use super::state::Room;

impl Room {
    /// A session goes of its own will. Which nick it writes to is of no
    /// interest: it has one.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza) {
        let mut shown = unavailable();
        if stanza.wire_len() <= turn.settings.limits.presence {
            shown = cleaned(stanza);
        }
        self.drop_session(turn, from, &shown, stanza.id(), &Notice::default());
    }

    /// A delivery came back. What says that nobody is there any more ends the
    /// session with 333 (§11.1); anything else is the client's affair.
    pub(super) fn bounced(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza) {
        if means_gone(stanza) {
            self.lose(turn, from);
        }
    }

    /// A session is not there any more, for technical reasons.
    pub(super) fn lose(&mut self, turn: &mut Turn<'_>, session: &Jid) {
        self.drop_session(turn, session, &unavailable(), None, &Notice::codes([333]));
    }

    /// Takes an occupant with all its sessions out of the room and tells it.
    /// Whoever does this tells the others afterwards, so that a moderator is
    /// answered in between (§8.2).
    pub(super) fn expel(
        &mut self,
        turn: &mut Turn<'_>,
        nick: &str,
        notice: &Notice,
    ) -> Option<Occupant> {
        let gone = self.occupants.remove(nick)?;
        self.changed();
        for session in &gone.sessions {
            self.tell_own(turn, &gone, &session.jid, &unavailable(), notice);
        }
        Some(gone)
    }

    /// Ends the room for everybody at once: each is told of itself alone
    /// (§10.9, §11.2).
    pub(super) fn expel_all(&mut self, turn: &mut Turn<'_>, notice: &Notice) {
        let nicks: Vec<String> = self
            .occupants
            .iter()
            .map(|occupant| occupant.nick().to_owned())
            .collect();
        for nick in nicks {
            self.expel(turn, &nick, notice);
        }
    }

    fn drop_session(
        &mut self,
        turn: &mut Turn<'_>,
        session: &Jid,
        shown: &Stanza,
        id: Option<&str>,
        notice: &Notice,
    ) {
        let Some(before) = self.occupants.unseat(session) else {
            return;
        };
        self.changed();
        let mut own = shown.clone();
        own.set_id(id.map(str::to_owned));
        self.tell_own(turn, &before, session, &own, notice);
        match self.occupants.by_nick(before.nick()).cloned() {
            None => self.tell_others(turn, &before, shown, notice),
            Some(rest) => self.tell_if_shown(turn, &before, &rest),
        }
    }
}

/// Does this error say that the recipient is gone? XEP-0045 §18.1.2 lists
/// some of these; deployed rooms agree on all of them.
pub(super) fn means_gone(stanza: &Stanza) -> bool {
    stanza.error().is_some_and(|error| {
        matches!(
            error.condition,
            Condition::Gone
                | Condition::InternalServerError
                | Condition::ItemNotFound
                | Condition::JidMalformed
                | Condition::RecipientUnavailable
                | Condition::Redirect
                | Condition::RemoteServerNotFound
                | Condition::RemoteServerTimeout
                | Condition::ServiceUnavailable
        )
    })
}
