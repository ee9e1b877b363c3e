//! Nicks change (XEP-0045 §7.6). The account has one for all its sessions:
//! whichever session changes it changes it for all, and a join never does.

use jid::FullJid;

use crate::stanza::{Condition, ErrorType, Stanza, StanzaError, Time};

use super::super::muc::{self, Said};
use super::join::without_id;
use super::presence::read;
use super::refuse::reason;
use super::{Machine, Turn};

/// A change that the room has been asked for.
#[derive(Debug)]
pub(super) struct NickChange {
    /// The id under which the room was asked.
    id: String,
    pub(super) since: Time,
    /// Who wants to; nobody in particular, if a bookmark says so.
    session: Option<FullJid>,
    /// The id that the session gave.
    theirs: Option<String>,
    wanted: FullJid,
}

impl Machine {
    /// A session in the room, or a bookmark, asks for another nick. What it
    /// asked before is answered to nobody any more.
    pub(super) fn ask_nick(
        &mut self,
        turn: &mut Turn<'_>,
        session: Option<&FullJid>,
        wanted: FullJid,
        theirs: Option<&str>,
    ) {
        let change = NickChange {
            id: turn.new_id(),
            since: turn.at,
            session: session.cloned(),
            theirs: theirs.map(str::to_owned),
            wanted,
        };
        if !self.is_joined() {
            // There is no room to ask, and who has a nick there may change
            // until there is one.
            return change.refuse(turn, &out_of_reach());
        }
        let best = self.aggregate(turn);
        let ask = read(&best)
            .with_from(self.account.clone())
            .with_to(change.wanted.clone())
            .with_id(change.id.clone());
        self.shown = Some(best);
        self.nick_changes.retain(|it| it.session != change.session);
        self.nick_changes.push(change);
        turn.tell_room(ask);
    }

    /// The room refuses another nick: only who asked is told. Says whether
    /// this answers that.
    pub(super) fn nick_refused(&mut self, turn: &mut Turn<'_>, answer: &Stanza) -> bool {
        let asked = |change: &NickChange| answer.id() == Some(&change.id);
        let Some(asked) = self.nick_changes.iter().position(asked) else {
            return false;
        };
        let asked = self.nick_changes.remove(asked);
        asked.refuse(turn, &reason(answer));
        true
    }

    /// The room has not answered: there is reason to doubt that it knows us.
    pub(super) fn nick_overdue(&mut self, turn: &mut Turn<'_>) {
        let patience = turn.options.patience;
        let is_over = |change: &NickChange| turn.at.since(change.since) >= patience;
        if self.nick_changes.iter().any(is_over) {
            self.give_up_nicks(turn);
            self.doubt_it(turn);
        }
    }

    /// Nothing comes of what sessions have asked for.
    pub(super) fn give_up_nicks(&mut self, turn: &mut Turn<'_>) {
        for change in std::mem::take(&mut self.nick_changes) {
            change.refuse(turn, &out_of_reach());
        }
    }

    /// An occupant, or we, give up a nick for another (303): nobody leaves.
    /// The presence under the new nick follows.
    pub(super) fn renamed(
        &mut self,
        turn: &mut Turn<'_>,
        presence: &Stanza,
        is_own: bool,
        said: &Said,
    ) {
        let new = said.nick.as_deref();
        let new = new.and_then(|nick| self.room().with_resource_str(nick).ok());
        if is_own {
            if let Some(new) = new {
                self.nick_changes.retain(|change| change.wanted != new);
                self.seat = new;
                turn.store();
            }
            self.has_moved();
        } else if let Some(old) = presence.from().and_then(|from| from.resource()) {
            self.forget_occupant(old.as_str());
        }
        turn.tell_all(self.sessions(), without_id(presence.clone()));
    }

    /// A session has gone: the room may still do what it asked for, and nobody
    /// is told if it does not. One such change is enough to remember.
    pub(super) fn forget_who_asked(&mut self, session: &FullJid) {
        let is_theirs = |change: &NickChange| change.session.as_ref() == Some(session);
        if self.nick_changes.iter().any(is_theirs) {
            self.nick_changes.retain(|change| change.session.is_some());
        }
        for change in &mut self.nick_changes {
            change.session.take_if(|asker| asker == session);
        }
    }
}

impl NickChange {
    fn refuse(&self, turn: &mut Turn<'_>, error: &StanzaError) {
        let refusal = muc::refusal(&self.wanted, self.theirs.as_deref(), error);
        if let Some(session) = &self.session {
            turn.tell(session, refusal);
        }
    }
}

fn out_of_reach() -> StanzaError {
    StanzaError::from(Condition::RemoteServerTimeout).with_type(ErrorType::Wait)
}
