//! What a room says to who has come, until it has said all: others, history,
//! subject (XEP-0045 §7.1).
//!
//! Two kinds of sessions listen. A **newcomer** waits for history and subject,
//! and has them before anything live. Who **was here before**, while the
//! account had lost its seat, is told differences only: an occupant who is shown
//! again as before is no news, and one who is not shown again has gone. That is
//! certain when the subject comes, not before: a room may show us first and the
//! others afterwards, though §7.2.2 forbids it.

use std::sync::Arc;

use jid::FullJid;

use crate::stanza::Stanza;

use super::super::muc;
use super::super::pool::Kept;
use super::{Machine, Phase, Turn};

impl Machine {
    /// Whether the room is still expected to say more.
    pub(super) fn is_settling(&self) -> bool {
        matches!(self.phase, Phase::Joined { settling: Some(_) })
    }

    /// The room shows an occupant. Who knows that already is not told.
    pub(super) fn occupant_shown(&mut self, turn: &mut Turn<'_>, presence: &Stanza, kept: Kept) {
        let limit = turn.options.limits.occupants;
        let was_unseen = self.unseen.remove(kept.nick());
        let is_news = self.occupants.put(kept, limit);
        let to = match was_unseen && !is_news {
            true => self.newcomers(),
            false => self.sessions(),
        };
        turn.tell_all(to, presence.clone());
    }

    /// Nothing more comes of what the room tells a newcomer: it is certain who
    /// has gone, and sessions that have waited for it get history and subject.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        if !self.is_settling() {
            return;
        }
        self.phase = Phase::Joined { settling: None };
        for vanished in std::mem::take(&mut self.unseen).iter() {
            self.occupants.remove(vanished.nick());
            if let Ok(occupant) = self.room().with_resource_str(vanished.nick()) {
                let gone = muc::gone(&occupant, "none", &[]);
                turn.tell_all(self.sessions(), gone);
            }
        }
        let newcomers: Vec<_> = self
            .sessions
            .iter_mut()
            .filter_map(|(session, here)| Some((session.clone(), here.settling.take()?)))
            .collect();
        for (session, wanted) in newcomers {
            self.replay_talk(turn, &session, wanted);
        }
    }

    /// The sessions that were here before the account came, this time.
    pub(super) fn settled(&self) -> Arc<[FullJid]> {
        self.sessions_that(|is_newcomer| !is_newcomer)
    }

    /// The sessions that await history and subject.
    pub(super) fn newcomers(&self) -> Arc<[FullJid]> {
        self.sessions_that(|is_newcomer| is_newcomer)
    }

    fn sessions_that(&self, counts: impl Fn(bool) -> bool) -> Arc<[FullJid]> {
        self.sessions
            .iter()
            .filter(|(_, here)| counts(here.settling.is_some()))
            .map(|(session, _)| session.clone())
            .collect()
    }
}
