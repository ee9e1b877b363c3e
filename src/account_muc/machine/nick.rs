//! Nicks change (XEP-0045 §7.6). The account has one for all its sessions:
//! whichever session changes it changes it for all, and a join never does.

use jid::FullJid;

use crate::stanza::{Condition, ErrorType, Stanza, StanzaError, Time};

use super::super::muc::{self, Said};
use super::presence::read;
use super::{Machine, Phase, Turn};

/// A change that the room has been asked for.
#[derive(Debug)]
pub(super) struct NickChange {
    /// The id under which the room was asked.
    id: String,
    pub(super) since: Time,
    /// Who wants to; nobody in particular, if a bookmark says so.
    pub(super) session: Option<FullJid>,
    /// The id that the session gave.
    theirs: Option<String>,
    wanted: FullJid,
}

impl Machine {
    /// A session in the room, or a bookmark, asks for another nick.
    pub(super) fn ask_nick(
        &mut self,
        turn: &mut Turn<'_>,
        session: Option<&FullJid>,
        wanted: FullJid,
        theirs: Option<&str>,
    ) {
        let id = turn.new_id();
        let best = self.aggregate(turn);
        let ask = read(&best)
            .with_from(self.account.clone())
            .with_to(wanted.clone())
            .with_id(id.clone());
        self.shown = Some(best);
        self.nick_change = Some(NickChange {
            id,
            since: turn.at,
            session: session.cloned(),
            theirs: theirs.map(str::to_owned),
            wanted,
        });
        turn.tell_room(ask);
    }

    /// The room refuses another nick: only who asked is told. Says whether
    /// this answers that.
    pub(super) fn nick_refused(&mut self, turn: &mut Turn<'_>, answer: &Stanza) -> bool {
        let answers = |change: &mut NickChange| answer.id() == Some(&change.id);
        let Some(change) = self.nick_change.take_if(answers) else {
            return false;
        };
        let error = answer
            .error()
            .unwrap_or_else(|| StanzaError::from(Condition::UndefinedCondition));
        change.refuse(turn, &error);
        true
    }

    /// The room has not answered: there is reason to doubt that it knows us.
    pub(super) fn nick_overdue(&mut self, turn: &mut Turn<'_>) {
        let is_over =
            |change: &mut NickChange| turn.at.since(change.since) >= turn.options.patience;
        if let Some(change) = self.nick_change.take_if(is_over) {
            let silent =
                StanzaError::from(Condition::RemoteServerTimeout).with_type(ErrorType::Wait);
            change.refuse(turn, &silent);
            self.doubt_it(turn);
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
                self.seat = new;
                turn.store();
            }
            if let Phase::Joining(joining) = &mut self.phase {
                joining.moved = true;
            }
            self.nick_change = None;
        } else if let Some(old) = presence.from().and_then(|from| from.resource()) {
            self.forget_occupant(old.as_str());
        }
        let to_all = super::join::without_id(presence.clone());
        turn.tell_all(self.sessions(), to_all);
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
