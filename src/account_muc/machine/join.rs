//! Sessions ask to join, and the account asks the room (XEP-0045 §7.1, §7.2).
//!
//! However many sessions ask, one join leaves. It bears an id that nobody can
//! guess, since a room need not repeat it in the self-presence but does in an
//! error. Whoever asks meanwhile waits: until the account is in (`admit`), or
//! is not let in (`refuse`).

use std::time::Duration;

use jid::FullJid;

use crate::stanza::{Condition, Element, ErrorType, Stanza, StanzaError, Time, ns};

use super::super::muc;
use super::presence::read;
use super::{Machine, Phase, Turn, Wanted};

/// A session's wish to join.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) session: FullJid,
    /// The room, and the nick that it wants there.
    pub(crate) occupant: FullJid,
    pub(crate) password: Option<String>,
    pub(crate) history: Wanted,
    /// What it shows.
    pub(crate) presence: Stanza,
    pub(crate) priority: i8,
    pub(crate) reply: Reply,
}

/// How a session is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// As XEP-0045 has it, under the id of its presence.
    Presence(Option<String>),
    /// And this request of MUC2-PAM has a result.
    Request(Stanza),
}

/// A join that is under way.
#[derive(Debug)]
pub(super) struct Joining {
    /// The id of what the room is to answer.
    pub(super) id: String,
    pub(super) since: Time,
    /// Sessions that asked for it. None, if the account goes by itself.
    pub(super) waiting: Vec<Join>,
    /// The account was in the room before, and sessions may still be.
    pub(super) resync: bool,
    /// The room still had us, under another nick: it takes the join for a
    /// change of nick, and may not say who else is there.
    pub(super) moved: bool,
    pub(super) tries: u32,
    /// The room has let the account in by request, and shown it nobody so far.
    pub(super) answered: bool,
    /// The room has refused the nick, and was asked which one is registered.
    pub(super) refused: Option<StanzaError>,
}

impl Machine {
    /// A session asks to join: the account joins, or has joined already.
    ///
    /// Asking again is asking for everything again (§7.2.1).
    pub(crate) fn join(&mut self, turn: &mut Turn<'_>, join: Join) {
        let limit = turn.options.limits.sessions;
        if !self.concerns_session(&join.session) && self.crowd() >= limit {
            let full = StanzaError::from(Condition::ResourceConstraint)
                .with_type(ErrorType::Wait)
                .with_by(self.account.clone());
            return join.refuse(turn, &full);
        }
        self.wants_out = false;
        match &mut self.phase {
            Phase::Joined { .. } => {
                self.seat_session(turn, join, &[]);
                self.show(turn);
            }
            Phase::Joining(joining) => enqueue(turn, &mut joining.waiting, join),
            Phase::Leaving(leaving) => enqueue(turn, &mut leaving.then, join),
            Phase::Out => {
                self.seat = join.occupant.clone();
                self.password = join.password.clone().or(self.password.take());
                self.enter(turn, vec![join]);
            }
            // A session does not wait for its turn among the rooms.
            Phase::Lost { tries, waiting, .. } => {
                let (tries, mut waiting) = (*tries, std::mem::take(waiting));
                enqueue(turn, &mut waiting, join);
                self.ask_in(turn, waiting, true, tries);
            }
        }
    }

    /// The account joins for these sessions, under the nick and with the
    /// password that the machine has by now.
    pub(super) fn enter(&mut self, turn: &mut Turn<'_>, waiting: Vec<Join>) {
        let by_request = |join: &Join| matches!(join.reply, Reply::Request(_));
        if waiting.first().is_some_and(by_request) {
            return self.ask_whether_it_takes_requests(turn, waiting);
        }
        self.ask_in(turn, waiting, false, 0);
        self.write_first(turn);
    }

    /// The join that is about to leave is written down before: whatever
    /// happens, the account knows where it may be sitting.
    pub(super) fn write_first(&self, turn: &mut Turn<'_>) {
        let join = turn.commands.pop();
        turn.store();
        turn.commands.extend(join);
    }

    /// The account asks to be let in.
    pub(super) fn ask_in(
        &mut self,
        turn: &mut Turn<'_>,
        waiting: Vec<Join>,
        resync: bool,
        tries: u32,
    ) {
        let id = turn.new_id();
        let shown = match waiting.first() {
            Some(first) if self.sessions.is_empty() => turn.pool.keep(&first.presence),
            _ => self.aggregate(turn),
        };
        let mut x = Element::new("x", ns::MUC).with_child(self.history_wanted(turn));
        if let Some(password) = &self.password {
            x.push(Element::new("password", ns::MUC).with_text(password));
        }
        let join = read(&shown)
            .with_from(self.account.clone())
            .with_to(self.seat.clone())
            .with_id(id.clone())
            .with_child(x);
        self.begin_joining(turn, id, waiting, resync, tries);
        self.shown = Some(shown);
        turn.tell_room(join);
    }

    /// What the room is asked under `id` is to bring the account in.
    pub(super) fn begin_joining(
        &mut self,
        turn: &Turn<'_>,
        id: String,
        waiting: Vec<Join>,
        resync: bool,
        tries: u32,
    ) {
        self.unseen = self.occupants.clone();
        self.phase = Phase::Joining(Box::new(Joining {
            id,
            since: turn.at,
            waiting,
            resync,
            moved: false,
            answered: false,
            tries,
            refused: None,
        }));
    }

    /// What was said since the account was there, or as much as is kept.
    fn history_wanted(&self, turn: &Turn<'_>) -> Element {
        /// Clocks differ, and what is known already is not shown again.
        const SLACK: Duration = Duration::from_secs(60);
        let history = Element::new("history", ns::MUC);
        match self.heard {
            Some(heard) => history.with_attr("since", (heard - SLACK).to_string()),
            None => history.with_attr("maxstanzas", turn.options.limits.history.to_string()),
        }
    }

    /// Whether the account has not been in the room since it asked.
    ///
    /// Then somebody else may have the nick that we ask for, and a presence
    /// from it without 110 is theirs.
    pub(super) fn is_entering(&self) -> bool {
        matches!(&self.phase, Phase::Joining(joining) if !joining.resync)
    }

    /// Whether this session waits for the account to be in.
    pub(super) fn is_waiting(&self, session: &FullJid) -> bool {
        self.waiting().iter().any(|join| join.session == *session)
    }

    fn waiting(&self) -> &[Join] {
        match &self.phase {
            Phase::Joining(joining) => &joining.waiting,
            Phase::Leaving(leaving) => &leaving.then,
            Phase::Lost { waiting, .. } => waiting,
            Phase::Out | Phase::Joined { .. } => &[],
        }
    }

    fn waiting_mut(&mut self) -> Option<&mut Vec<Join>> {
        match &mut self.phase {
            Phase::Joining(joining) => Some(&mut joining.waiting),
            Phase::Leaving(leaving) => Some(&mut leaving.then),
            Phase::Lost { waiting, .. } => Some(waiting),
            Phase::Out | Phase::Joined { .. } => None,
        }
    }

    /// Who waits, and does not any more: each is to be told why.
    pub(super) fn take_waiting(&mut self) -> Vec<Join> {
        self.waiting_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// A session does not wait any more. Says whether it did. What it asked by
    /// a request is answered: it is not in.
    pub(super) fn stop_waiting(&mut self, turn: &mut Turn<'_>, session: &FullJid) -> bool {
        let Some(waiting) = self.waiting_mut() else {
            return false;
        };
        let before = waiting.len();
        waiting.retain(|join| {
            let stays = join.session != *session;
            if !stays && matches!(join.reply, Reply::Request(_)) {
                join.refuse(turn, &cancelled());
            }
            stays
        });
        waiting.len() < before
    }

    fn crowd(&self) -> usize {
        self.sessions.len() + self.waiting().len()
    }
}

impl Join {
    /// Tells the session that it is not in.
    pub(super) fn refuse(&self, turn: &mut Turn<'_>, error: &StanzaError) {
        let refusal = match &self.reply {
            Reply::Presence(id) => muc::refusal(&self.occupant, id.as_deref(), error),
            Reply::Request(request) => match request.error_reply(error) {
                Some(refusal) => refusal.with_from(self.session.to_bare()),
                None => return,
            },
        };
        turn.tell(&self.session, refusal);
    }

    /// Tells the session what the room says about the account that was not
    /// let in.
    pub(super) fn shut_out(&self, turn: &mut Turn<'_>, gone: &Stanza) {
        match &self.reply {
            Reply::Presence(_) => turn.tell(&self.session, gone.clone()),
            Reply::Request(_) => self.refuse(turn, &cancelled()),
        }
    }
}

/// Nothing comes of a join, and no room has refused it.
pub(super) fn cancelled() -> StanzaError {
    StanzaError::from(Condition::RecipientUnavailable)
}

/// A session waits once for each way in which it has asked; what it asked last
/// counts. A request is always answered (RFC 6120 §8.2.3), so that an earlier
/// one is refused.
fn enqueue(turn: &mut Turn<'_>, waiting: &mut Vec<Join>, join: Join) {
    let same = |w: &&mut Join| {
        let same_way = std::mem::discriminant(&w.reply) == std::mem::discriminant(&join.reply);
        w.session == join.session && same_way
    };
    match waiting.iter_mut().find(same) {
        Some(earlier) => {
            if let Reply::Request(_) = earlier.reply {
                earlier.refuse(turn, &cancelled());
            }
            *earlier = join;
        }
        None => waiting.push(join),
    }
}

pub(super) fn without_id(mut stanza: Stanza) -> Stanza {
    stanza.set_id(None);
    stanza
}
