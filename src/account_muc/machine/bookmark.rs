//! What a bookmark wants (XEP-0402 §4): the account's server does it once, so
//! that a client that acts on its own bookmark finds the account there already
//! and is told locally.

use crate::flow::Bookmark;

use super::{Machine, Phase, Turn};

impl Machine {
    /// A bookmark was set. Autojoin joins, and its nick and password hold from
    /// then on; without autojoin the account leaves.
    pub(crate) fn bookmarked(&mut self, turn: &mut Turn<'_>, bookmark: &Bookmark) {
        if !bookmark.autojoin {
            return self.unbookmarked(turn);
        }
        self.wants_out = false;
        let changed = !std::mem::replace(&mut self.autojoin, true);
        if bookmark.password.is_some() {
            self.password.clone_from(&bookmark.password);
        }
        let nick = bookmark.nick.as_deref();
        let wanted = nick.and_then(|nick| self.room().with_resource_str(nick).ok());
        match (&self.phase, wanted) {
            (Phase::Out, wanted) => {
                self.seat = wanted.unwrap_or_else(|| self.seat.clone());
                self.enter(turn, Vec::new());
            }
            (Phase::Joined { .. }, Some(wanted)) if wanted != self.seat => {
                self.ask_nick(turn, None, wanted, None);
                turn.store();
            }
            // What is under way goes on, and leaves a room only to be back.
            _ if changed => turn.store(),
            _ => {}
        }
    }

    /// A bookmark wants the account where it is, or where a session takes it now.
    pub(crate) fn is_wanted(&mut self, turn: &mut Turn<'_>) {
        let changed = !std::mem::replace(&mut self.autojoin, true);
        if changed && self.is_known() {
            self.wants_out = false;
            turn.store();
        }
    }

    /// A bookmark is gone, or does not want the account in the room any more.
    pub(crate) fn unbookmarked(&mut self, turn: &mut Turn<'_>) {
        self.autojoin = false;
        self.depart(turn);
    }
}
