//! Sessions ask to join; the room lets the account in, or refuses
//! (XEP-0045 §7.1, §7.2).
//!
//! However many sessions ask, one join leaves. It bears an id that nobody can
//! guess, since a room need not repeat it in the self-presence but does in an
//! error. The account is in the room when its own presence comes, which
//! stands after everybody else's (§7.2.2).

use std::time::Duration;

use jid::FullJid;

use crate::stanza::{Condition, Element, ErrorType, Stanza, StanzaError, Time, Type, ns};

use super::super::muc::{self, Said};
use super::occupants::Occupants;
use super::presence::read;
use super::{Here, Machine, Own, Phase, Turn, Wanted};

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

pub(super) type Waiting = Join;

/// A join that is under way.
#[derive(Debug)]
pub(super) struct Joining {
    id: String,
    pub(super) since: Time,
    /// Sessions that asked for it. None, if the account goes by itself.
    pub(super) waiting: Vec<Waiting>,
    /// Who is there, as far as the room has told.
    pub(super) arriving: Occupants,
    /// The account was in the room before, and sessions may still be.
    pub(super) resync: bool,
    /// The room still had us, under another nick: it takes the join for a
    /// change of nick, and may not say who else is there.
    pub(super) moved: bool,
    pub(super) tries: u32,
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
            Phase::Joining(joining) => enqueue(&mut joining.waiting, join),
            Phase::Leaving(leaving) => enqueue(&mut leaving.then, join),
            Phase::Out => {
                self.seat = join.occupant.clone();
                self.password = join.password.clone().or(self.password.take());
                self.enter(turn, vec![join]);
            }
            Phase::Lost { tries, .. } => {
                let tries = *tries;
                self.ask_in(turn, vec![join], true, tries);
            }
        }
    }

    /// The account joins for these sessions, under the nick and with the
    /// password that the machine has by now.
    pub(super) fn enter(&mut self, turn: &mut Turn<'_>, waiting: Vec<Waiting>) {
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
        waiting: Vec<Waiting>,
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
        self.phase = Phase::Joining(Box::new(Joining {
            id,
            since: turn.at,
            waiting,
            arriving: Occupants::default(),
            resync,
            moved: false,
            tries,
            refused: None,
        }));
        self.shown = Some(shown);
        turn.tell_room(join);
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

    /// The account's own presence while it joins: it is in.
    pub(super) fn let_in(&mut self, turn: &mut Turn<'_>, seat: FullJid, own: &Stanza, said: &Said) {
        let Phase::Joining(joining) = std::mem::replace(
            &mut self.phase,
            Phase::Joined {
                settling: Some(turn.at),
            },
        ) else {
            return;
        };
        let news = self.take_own(turn, seat, own, said, true);
        self.doubt.heard(turn.at);
        // Sessions that were here before learn who has gone meanwhile (a
        // silent rejoin must say so); who came and who changed they have heard.
        let before = std::mem::replace(&mut self.occupants, joining.arriving);
        let here = self.sessions();
        for vanished in before.iter() {
            if self.occupants.get(vanished.nick()).is_none()
                && let Ok(occupant) = self.room().with_resource_str(vanished.nick())
            {
                let gone = muc::gone(&occupant, "none", &[]);
                turn.tell_all(here.clone(), gone);
            }
        }
        if news {
            let to_all = own.clone();
            turn.tell_all(here, without_id(to_all));
        }
        turn.store();
        if said.has(muc::CREATED) && joining.waiting.is_empty() {
            // Its creator is to say what it is (§10.1), and no client of the
            // account knows: without this nobody else ever gets in.
            turn.tell_room(muc::instant(&self.account, &self.room(), &turn.new_id()));
        }
        let codes: Vec<u16> = [muc::CREATED, muc::NICK_ASSIGNED]
            .into_iter()
            .filter(|code| said.has(*code))
            .collect();
        if said.has(muc::CREATED) && joining.waiting.is_empty() {
            turn.tell_room(self.instant_room(turn.new_id()));
        }
        for (position, waiting) in joining.waiting.into_iter().enumerate() {
            // The room was created by the one whose join left (201).
            let keep = |code: &u16| *code != muc::CREATED || position == 0;
            let codes: Vec<u16> = codes.iter().copied().filter(keep).collect();
            self.seat_session(turn, waiting, &codes);
        }
        self.answer_pings(turn, true);
        self.mark_deserted(turn);
        if joining.moved {
            self.lose(turn, 0);
        }
        if self.wants_out {
            self.leave_if_done(turn);
        }
        self.show(turn);
    }

    /// Opens a room that was created by nobody who could be asked how it is to
    /// be: by a bookmark, or because the account came back into one that had
    /// vanished. It would stay locked (§10.1.2). Whoever creates a room by a
    /// session is told 201, and configures it.
    fn instant_room(&self, id: String) -> Stanza {
        let form = Element::new("x", ns::DATA_FORMS).with_attr("type", "submit");
        let query = Element::new("query", ns::MUC_OWNER).with_child(form);
        Stanza::iq(Type::Set, &id)
            .with_from(self.account.clone())
            .with_to(self.room())
            .with_child(query)
    }

    /// A session is in the room from now on, and told all that it must know.
    fn seat_session(&mut self, turn: &mut Turn<'_>, join: Join, codes: &[u16]) {
        let Phase::Joined { settling } = self.phase else {
            return;
        };
        self.clock += 1;
        self.deserted = None;
        let here = Here {
            presence: turn.pool.keep(&join.presence),
            priority: join.priority,
            latest: self.clock,
            settling: settling.map(|_| join.history),
        };
        self.sessions.put(join.session.clone(), here);
        self.replay(turn, &join, codes);
        if settling.is_none() {
            self.replay_talk(turn, &join.session, join.history);
        }
    }

    /// The room refuses (§7.2.5 to §7.2.11). Says whether this answers our join.
    pub(super) fn join_refused(&mut self, turn: &mut Turn<'_>, answer: &Stanza) -> bool {
        let Phase::Joining(joining) = &self.phase else {
            return false;
        };
        if answer.id() != Some(&joining.id) {
            return false;
        }
        let error = answer
            .error()
            .unwrap_or_else(|| StanzaError::from(Condition::UndefinedCondition));
        if !self.ask_reserved_nick(turn, &error) {
            self.join_failed(turn, &error);
        }
        true
    }

    /// The join came to nothing. Each session that waits for it is told in
    /// its own words; what the account was before decides what it is now.
    pub(super) fn join_failed(&mut self, turn: &mut Turn<'_>, error: &StanzaError) {
        let Phase::Joining(mut joining) = std::mem::replace(&mut self.phase, Phase::Out) else {
            return;
        };
        // §7.2.6: another session may know the password.
        if error.condition == Condition::NotAuthorized {
            let wrong = self.password.take();
            let knows = |join: &Waiting| join.password.is_some() && join.password != wrong;
            let (others, refused) = joining.waiting.into_iter().partition(knows);
            joining.waiting = refused;
            self.refuse(turn, joining.waiting, error);
            return match others {
                others if others.is_empty() => self.out_or_lost(turn, error, joining.resync, 0),
                others => self.try_password(turn, others, joining.resync),
            };
        }
        self.refuse(turn, joining.waiting, error);
        self.out_or_lost(turn, error, joining.resync, joining.tries);
    }

    fn try_password(&mut self, turn: &mut Turn<'_>, others: Vec<Waiting>, resync: bool) {
        if let Some(first) = others.first() {
            self.password.clone_from(&first.password);
            if !resync {
                self.seat = first.occupant.clone();
            }
        }
        self.ask_in(turn, others, resync, 0);
    }

    /// Who was never in is out. Who was in keeps the seat if there is hope.
    fn out_or_lost(&mut self, turn: &mut Turn<'_>, error: &StanzaError, resync: bool, tries: u32) {
        if resync && may_pass(error) {
            self.lose(turn, tries + 1);
        } else {
            self.cast_out(turn);
        }
    }

    fn refuse(&self, turn: &mut Turn<'_>, waiting: Vec<Waiting>, error: &StanzaError) {
        for join in waiting {
            join.refuse(turn, error);
        }
    }

    /// The room has not answered: after this much time, it does not.
    pub(super) fn join_overdue(&mut self, turn: &mut Turn<'_>) {
        let Phase::Joining(joining) = &self.phase else {
            return;
        };
        if turn.at.since(joining.since) < turn.options.patience {
            return;
        }
        let silent = StanzaError::from(Condition::RemoteServerTimeout)
            .with_type(ErrorType::Wait)
            .with_by(self.account.clone());
        if !joining.resync {
            // Should it let us in after all, we would be a ghost there.
            let leave = self.unavailable(turn.new_id());
            turn.tell_room(leave);
        }
        self.join_failed(turn, &silent);
    }

    /// The store could not write down that the account joins: it does not
    /// (decision 17).
    pub(super) fn join_unwritten(&mut self, turn: &mut Turn<'_>) {
        let broken = StanzaError::from(Condition::ResourceConstraint)
            .with_type(ErrorType::Wait)
            .with_by(self.account.clone());
        self.join_failed(turn, &broken);
    }

    /// Whether this session waits for the account to be in.
    pub(super) fn is_waiting(&self, session: &FullJid) -> bool {
        self.waiting().iter().any(|join| join.session == *session)
    }

    fn waiting(&self) -> &[Waiting] {
        match &self.phase {
            Phase::Joining(joining) => &joining.waiting,
            Phase::Leaving(leaving) => &leaving.then,
            _ => &[],
        }
    }

    /// A session does not wait any more. Says whether it did.
    pub(super) fn stop_waiting(&mut self, session: &FullJid) -> bool {
        let waiting = match &mut self.phase {
            Phase::Joining(joining) => &mut joining.waiting,
            Phase::Leaving(leaving) => &mut leaving.then,
            _ => return false,
        };
        let before = waiting.len();
        waiting.retain(|join| join.session != *session);
        waiting.len() < before
    }

    fn crowd(&self) -> usize {
        self.sessions.len() + self.waiting().len()
    }

    /// Takes in what the room says about us. Says whether it is news.
    pub(super) fn take_own(
        &mut self,
        turn: &Turn<'_>,
        seat: FullJid,
        own: &Stanza,
        said: &Said,
        joins: bool,
    ) -> bool {
        // Whoever had the nick before has it no more.
        self.forget_occupant(seat.resource().as_str());
        let presence = turn.pool.keep(own);
        let known = self.own.as_ref();
        let news = self.seat != seat || known.is_none_or(|known| known.presence != presence);
        // The flags come with the self-presence of a join, and change by
        // messages afterwards (§10.2.1).
        let flag = |code, known: Option<bool>| match known {
            Some(known) if !joins => known || said.has(code),
            _ => said.has(code),
        };
        self.own = Some(Own {
            presence,
            affiliation: said.affiliation.as_deref().unwrap_or("none").into(),
            real_jids: flag(muc::REAL_JIDS_VISIBLE, known.map(|own| own.real_jids)),
            logged: flag(muc::LOGGED, known.map(|own| own.logged)),
        });
        self.seat = seat;
        news
    }
}

impl Join {
    /// Tells the session that it is not in.
    fn refuse(&self, turn: &mut Turn<'_>, error: &StanzaError) {
        let refusal = match &self.reply {
            Reply::Presence(id) => muc::refusal(&self.occupant, id.as_deref(), error),
            Reply::Request(request) => match request.error_reply(error) {
                Some(refusal) => refusal.with_from(self.session.to_bare()),
                None => return,
            },
        };
        turn.tell(&self.session, refusal);
    }
}

/// A session waits once; what it asked last counts.
fn enqueue(waiting: &mut Vec<Waiting>, join: Join) {
    match waiting.iter_mut().find(|w| w.session == join.session) {
        Some(earlier) => *earlier = join,
        None => waiting.push(join),
    }
}

/// Whether it may go better later: what the sender may try again (RFC 6120
/// §8.3.2), and what is said when servers do not reach each other.
fn may_pass(error: &StanzaError) -> bool {
    error.type_ == ErrorType::Wait
        || matches!(
            error.condition,
            Condition::RemoteServerNotFound
                | Condition::RemoteServerTimeout
                | Condition::InternalServerError
                | Condition::ResourceConstraint
        )
}

pub(super) fn without_id(mut stanza: Stanza) -> Stanza {
    stanza.set_id(None);
    stanza
}
