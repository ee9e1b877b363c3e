//! Sessions and the account go, or are made to (XEP-0045 §7.14, §8.2, §9.1,
//! §10.9, §11).
//!
//! A session that leaves is told so here; the room hears of it only if the
//! account leaves, too. What ends a session (a broadcast unavailable, a lost
//! connection, an expired hibernation) ends its part here, never the account's:
//! that is what the account is for. Deliberately, since §7.14 lets servers
//! tell rooms in the session's name.

use jid::FullJid;

use crate::stanza::{Stanza, Time};

use super::super::muc::{self, Said};
use super::super::options::LeavePolicy;
use super::join::{cancelled, without_id};
use super::{Join, Machine, Phase, Turn};

/// The account is leaving.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) since: Time,
    /// The room has been told. Not yet, where a restart begins with it.
    pub(super) told: bool,
    /// Sessions that asked to join meanwhile.
    pub(super) then: Vec<Join>,
}

/// How a session leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit<'a> {
    /// By unavailable presence to the room, with this id.
    Explicit(Option<&'a str>),
    /// It is over, or unavailable to everybody.
    Ended,
}

/// Why the room took the seat away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    /// Somebody or some rule wants us out: kicked, banned, not a member,
    /// destroyed; or we left, as far as the room knows.
    Meant,
    /// The service shuts down (332) or has technical trouble (333, often with
    /// 307, which does not count then, §11.1).
    Technical,
}

impl Machine {
    /// A session leaves.
    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>, session: &FullJid, exit: Exit<'_>) {
        let was_here = self.sessions.remove(session);
        let waited = self.stop_waiting(turn, session);
        self.forget_session(session);
        if !was_here && !waited {
            return;
        }
        if let Exit::Explicit(id) = exit {
            let mut gone = muc::gone(&self.seat, self.affiliation(), &[muc::SELF]);
            gone.set_id(id.map(str::to_owned));
            turn.tell(session, gone);
            self.wants_out = self.sessions.is_empty();
        }
        self.mark_deserted(turn);
        if self.wants_out {
            self.leave_if_done(turn);
        }
        self.show(turn);
    }

    /// The last session left of its own will: so does the account, unless
    /// somebody wants it there (decision 1).
    pub(super) fn leave_if_done(&mut self, turn: &mut Turn<'_>) {
        let wanted = self.autojoin || turn.options.leave == LeavePolicy::Explicit;
        if wanted || !self.sessions.is_empty() {
            self.wants_out = false;
            return;
        }
        match &self.phase {
            // Once it is in, or has been let down, this is asked again.
            Phase::Joining(_) => {}
            Phase::Joined { .. } | Phase::Lost { .. } => self.depart(turn),
            Phase::Out | Phase::Leaving(_) => self.wants_out = false,
        }
    }

    /// The account leaves, and with it every session. A bookmark that wanted it
    /// there does so no more, until it says so again.
    pub(crate) fn depart(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Out | Phase::Leaving(_)) {
            return;
        }
        // Nothing was promised to those who wait but an answer.
        for join in self.take_waiting() {
            join.refuse(turn, &cancelled());
        }
        self.autojoin = false;
        turn.store();
        self.say_goodbye(turn);
        let gone = muc::gone(&self.seat, self.affiliation(), &[muc::SELF]);
        turn.tell_all(self.sessions(), gone);
        self.sessions.clear();
        self.answer_pings(turn, false);
        self.deserted = None;
        self.wants_out = false;
        self.phase = Phase::Leaving(Box::new(Leaving {
            since: turn.at,
            told: true,
            then: Vec::new(),
        }));
    }

    /// The account's own unavailable presence, whatever its codes (110 may be
    /// missing, so the nick tells as well).
    ///
    /// While the account enters, one that only says goodbye answers what we said
    /// when we left before: a room may answer `<part/>` first, or late. Should it
    /// have meant the join after all, that is not answered in time.
    pub(super) fn own_gone(&mut self, turn: &mut Turn<'_>, presence: &Stanza, said: &Said) {
        if matches!(self.phase, Phase::Leaving(_)) {
            return self.left(turn);
        }
        if self.is_entering() && is_farewell(said) {
            return;
        }
        match removal(said) {
            Removal::Technical if !self.is_entering() => self.lose(turn, 0),
            _ => {
                let gone = without_id(presence.clone());
                turn.tell_all(self.sessions(), gone.clone());
                for join in self.take_waiting() {
                    join.shut_out(turn, &gone);
                }
                self.sessions.clear();
                self.cast_out(turn);
            }
        }
    }

    /// The account is out of the room and has been told to leave: that is all.
    pub(super) fn left(&mut self, turn: &mut Turn<'_>) {
        let Phase::Leaving(leaving) = std::mem::replace(&mut self.phase, Phase::Out) else {
            return;
        };
        self.forget_room(turn);
        match leaving.then.first() {
            // A bookmark wants it back.
            None if self.autojoin => self.enter(turn, Vec::new()),
            None => turn.store(),
            Some(first) => {
                self.seat = first.occupant.clone();
                self.password.clone_from(&first.password);
                self.enter(turn, leaving.then);
            }
        }
    }

    /// The room has not said that we are gone: after this much time we are.
    pub(super) fn leave_overdue(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Leaving(leaving) = &self.phase
            && turn.at.since(leaving.since) >= turn.options.patience
        {
            self.left(turn);
        }
    }

    /// The account is not in the room and means to stay away. Sessions that
    /// still believe to be there are told (333: nobody wanted it).
    pub(super) fn cast_out(&mut self, turn: &mut Turn<'_>) {
        let codes = [muc::SELF, muc::TECHNICAL];
        let gone = muc::gone(&self.seat, self.affiliation(), &codes);
        turn.tell_all(self.sessions(), gone);
        self.sessions.clear();
        self.answer_pings(turn, false);
        self.forget_room(turn);
        self.phase = Phase::Out;
        turn.store();
    }

    /// The store could not write down that the account leaves: it stays, and
    /// tries again at the next tick.
    pub(super) fn leave_unwritten(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Leaving(leaving) = std::mem::replace(&mut self.phase, Phase::Out) {
            self.phase = Phase::Joined { settling: None };
            self.wants_out = true;
            for join in leaving.then {
                self.join(turn, join);
            }
        }
    }

    pub(super) fn mark_deserted(&mut self, turn: &Turn<'_>) {
        if self.sessions.is_empty() {
            self.deserted.get_or_insert(turn.at);
        } else {
            self.deserted = None;
        }
    }

    /// Nothing that was heard in the room holds any longer.
    ///
    /// The machine itself stays for a while: a session may still send presence
    /// in the belief that it is in the room, and many rooms would take that for
    /// a join of its own.
    fn forget_room(&mut self, turn: &Turn<'_>) {
        self.handed = (self.handed.0.max(1), turn.at);
        self.occupants.clear();
        self.unseen.clear();
        self.by_request = false;
        self.history.clear();
        self.own = None;
        self.subject = None;
        self.subject_awaited = None;
        self.shown_again = None;
        self.heard = None;
        self.sent.clear();
        self.nick_changes.clear();
        self.wants_out = false;
        self.deserted = None;
        self.doubt.clear();
    }

    /// Nothing is to be sent to a session that has gone.
    fn forget_session(&mut self, session: &FullJid) {
        self.sent.retain(|(_, sender)| sender != session);
        self.doubt.forget(session);
        self.forget_who_asked(session);
    }
}

/// Whether this is what a room says to who has left of its own will (§7.14).
fn is_farewell(said: &Said) -> bool {
    !said.destroyed && said.codes().iter().all(|code| *code == muc::SELF)
}

fn removal(said: &Said) -> Removal {
    let meant = [muc::BANNED, muc::AFFILIATION_LOST, muc::MEMBERS_ONLY];
    if said.destroyed || meant.iter().any(|code| said.has(*code)) {
        Removal::Meant
    } else if said.has(muc::SHUTDOWN) || said.has(muc::TECHNICAL) {
        Removal::Technical
    } else {
        Removal::Meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_of_the_service_is_no_removal_but_everything_else_is() {
        let read = |inside: &str| {
            let xml = format!(
                "<presence type='unavailable'>\
                 <x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x></presence>"
            );
            removal(&Said::read(&Stanza::parse(xml.as_bytes()).unwrap()))
        };
        let codes = |codes: &[u16]| {
            let codes = codes.iter().map(|code| format!("<status code='{code}'/>"));
            read(&codes.collect::<String>())
        };
        for technical in [&[332][..], &[333], &[110, 307, 333]] {
            assert_eq!(codes(technical), Removal::Technical, "{technical:?}");
        }
        for meant in [&[][..], &[110], &[307], &[301], &[321], &[322], &[301, 333]] {
            assert_eq!(codes(meant), Removal::Meant, "{meant:?}");
        }
        assert_eq!(read("<destroy/><status code='332'/>"), Removal::Meant);
    }
}
