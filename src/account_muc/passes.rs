//! A stanza's way through the layer, in each direction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jid::{BareJid, FullJid};

use crate::flow::{
    Drop, Emit, Envelope, Facts, Incident, Occupancy, Original, Outcome, Reach, Route, Stage, What,
};
use crate::middleware::{Fault, Glance, Next, panic_text, report};
use crate::stanza::{Condition, ErrorType, Kind, Stanza, StanzaError, Time};

use super::desk::Seated;
use super::layer::{AccountMuc, NAME};
use super::machine::{self, Asked, Command, Exit, Machine, Turn};
use super::muc;
use super::outward::{self, Sent};
use super::table::TooManyRooms;

impl AccountMuc {
    /// What a session sends goes on in the account's lane: there stands what
    /// the room sends, and a replay must not cross it.
    pub(super) async fn hand_over(
        &self,
        session: &FullJid,
        envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let Some(mut stanza) = envelope.as_stanza().cloned() else {
            return next.run(envelope).await;
        };
        let account = session.to_bare();
        if outward::is_pam(session, &stanza) {
            // To nobody is to the own account (RFC 6120 §10.3.3).
            stanza.set_to(Some(account.clone().into()));
        }
        let handed = match outward::read(session, &stanza, envelope.at) {
            Sent::Join(join) => self.desk.expect(envelope.at, &account, &join.occupant),
            Sent::LeavesAll => {
                // It goes its own way as well: contacts are to hear of it.
                let outcome = next.run(envelope).await?;
                return Ok(outcome.with(handed_over(session, stanza)));
            }
            Sent::Faulty(condition) => {
                let request = stanza.with_from(session.clone());
                return Ok(Outcome::refused(&request, condition));
            }
            _ => {
                let to = stanza.to().cloned();
                if let Some(room) = to.filter(|room| *room != account) {
                    self.desk.table.visit(&account, &room, |machine| {
                        machine.hand_over(envelope.at);
                    });
                }
                Ok(())
            }
        };
        Ok(match handed {
            Ok(()) => Outcome::of(Original::Routed).with(handed_over(session, stanza)),
            Err(TooManyRooms(_)) => {
                let error = StanzaError::from(Condition::ResourceConstraint)
                    .with_type(ErrorType::Wait)
                    .with_by(account);
                Outcome::refused(&stanza.with_from(session.clone()), error)
            }
        })
    }

    /// What a session has sent, in the account's lane.
    pub(super) async fn outward(
        &self,
        account: &BareJid,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let at = envelope.at;
        let sent = envelope.as_stanza().cloned().and_then(|stanza| {
            let session = stanza.from()?.try_as_full().ok()?.clone();
            Some((session, stanza))
        });
        let Some((session, stanza)) = sent else {
            return next.run(envelope).await;
        };
        let mut bookmarked = Ok(());
        let seated = match outward::read(&session, &stanza, at) {
            Sent::LeavesAll => {
                let done = self.desk.leave_all(at, account, &session).await;
                return Ok(done.into_outcome());
            }
            Sent::Parts(room) => return Ok(self.part(at, account, &room, &stanza).await),
            Sent::Faulty(condition) => return Ok(Outcome::refused(&stanza, condition)),
            Sent::Nothing => Seated::default(),
            Sent::Join(join) => {
                let room = join.occupant.clone();
                // If a bookmark wants the account there, it does not leave with
                // the session that takes it there.
                let looked_up = match self.desk.table.known(account, &room.to_bare()) {
                    true => Ok(None),
                    false => self.autojoin(account, &room.to_bare()).await,
                };
                let is_wanted = matches!(looked_up, Ok(Some(_)));
                bookmarked = looked_up.map(drop);
                self.desk
                    .take_over(at, account, &room, |machine, turn| {
                        if is_wanted {
                            machine.is_wanted(turn);
                        }
                        machine.join(turn, *join);
                    })
                    .await
            }
            sent => {
                let Some(to) = stanza.to() else {
                    return next.run(envelope).await;
                };
                self.desk
                    .take_over(at, account, to, |machine, turn| match sent {
                        Sent::Shows(seat) => machine.session_shows(turn, &session, &seat, &stanza),
                        Sent::Leaves => {
                            machine.leave(turn, &session, Exit::Explicit(stanza.id()));
                        }
                        Sent::Says => machine.session_says(turn, &session, &stanza),
                        _ => machine.session_asks(turn, &session, &stanza),
                    })
                    .await
            }
        };
        let mut done = seated.done;
        // What goes to the room takes the original's way, so that it keeps
        // its place among what the session sends.
        let goes = match seated.original {
            machine::Original::TakenIn => done.first_to_room().map(|stanza| (stanza, None)),
            machine::Original::Becomes(stanza) => Some((stanza, Some(session))),
            _ => Some((stanza, Some(session))),
        };
        let Some((stanza, session)) = goes else {
            let mut outcome = done.into_outcome();
            tell_if_broken(&mut outcome, bookmarked);
            return Ok(outcome);
        };
        if let Some(session) = session {
            // Further in it is a session's, as carbons and archive have it.
            envelope.route = Route::FromSession(session);
        }
        envelope.what = What::Stanza(stanza);
        let mut outcome = next.run(envelope).await?;
        tell_if_broken(&mut outcome, bookmarked);
        Ok(done.besides(outcome))
    }

    /// MUC2-PAM `<part/>`: the account leaves, for all its sessions.
    async fn part(&self, at: Time, account: &BareJid, room: &BareJid, request: &Stanza) -> Outcome {
        if !self.desk.table.known(account, room) {
            return Outcome::refused(request, Condition::ItemNotFound);
        }
        let seated = self.desk.visit(at, account, room, Machine::depart).await;
        let outcome = Outcome::answered(request.reply().with_from(account.clone()));
        seated.done.besides(outcome)
    }

    /// What a room says, which is most of what it sends: nothing is to be written
    /// or sent besides, so that takes one look. Whatever takes more is left to
    /// [`inward`](Self::inward), untouched.
    pub(super) fn listen(&self, envelope: &Envelope) -> Glance {
        let (Route::ToAccount(account), Some(message)) = (&envelope.route, envelope.as_stanza())
        else {
            return Glance::Handle;
        };
        let room = match message.from() {
            Some(room) if message.kind() == Kind::Message && !muc::may_readmit(message) => room,
            _ => return Glance::Handle,
        };
        let visited = self.desk.look(envelope.at, account, room, |machine, turn| {
            let listens = machine.only_listens(message);
            listens.then(|| tell(machine, turn, message))
        });
        let Some(visited) = visited else {
            // It comes from no room, or from none that the account knows.
            return Glance::Unconcerned;
        };
        // `only_listens` promises that: there is nobody here to carry them out.
        debug_assert!(visited.commands.is_empty());
        match (visited.result, visited.original) {
            (None, _) => Glance::Handle,
            (Some(Err(what)), _) => Glance::Ends(broken(what)),
            (_, machine::Original::GoesOn) => Glance::GoesOn(envelope.facts.clone()),
            (_, machine::Original::Reaches(sessions)) => {
                let mut facts = envelope.facts.clone();
                reach(&mut facts, sessions);
                Glance::GoesOn(facts)
            }
            _ => Glance::Ends(Outcome::of(Original::Consumed)),
        }
    }

    /// What a room sends to the account.
    ///
    /// Whatever breaks here is reported and ends here: an error that went back
    /// would expel the account (decision 16), and sessions that are not in the
    /// room must not get what is not for them.
    ///
    /// What takes more than a look has a future of that size, in a box.
    pub(super) async fn inward(
        &self,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        match self.look_at(&mut envelope) {
            Looked::GoesOn => next.run(envelope).await,
            more => Box::pin(self.inward_with(more, envelope, next)).await,
        }
    }

    /// Lets the account's seat in the room hear of it, and names its sessions.
    fn look_at(&self, envelope: &mut Envelope) -> Looked {
        let at = envelope.at;
        let (Route::ToAccount(account), Some(stanza)) = (&envelope.route, envelope.as_stanza())
        else {
            return Looked::GoesOn;
        };
        let Some(room) = stanza.from() else {
            return Looked::GoesOn;
        };
        if stanza.is_response() {
            return Looked::Answers;
        }
        if muc::may_readmit(stanza)
            && muc::readmits(stanza)
            && !self.desk.table.known(account, &room.to_bare())
        {
            return Looked::Readmits;
        }
        let visited = self.desk.look(at, account, room, |machine, turn| {
            tell(machine, turn, stanza)
        });
        let Some(visited) = visited else {
            // Forgotten between two looks, or never known.
            return match stanza.kind() {
                Kind::Presence => Looked::Haunts,
                _ => Looked::GoesOn,
            };
        };
        if let Err(what) = visited.result {
            return Looked::Broke(what);
        }
        let goes_on = match visited.original {
            machine::Original::TakenIn | machine::Original::Becomes(_) => false,
            machine::Original::GoesOn => true,
            machine::Original::Reaches(sessions) => {
                reach(&mut envelope.facts, sessions);
                true
            }
        };
        if goes_on && visited.commands.is_empty() {
            return Looked::GoesOn;
        }
        Looked::Wants {
            goes_on,
            commands: visited.commands,
        }
    }

    /// The rest of it, where there is more to do than to let it go on.
    async fn inward_with(
        &self,
        looked: Looked,
        envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let at = envelope.at;
        let (Route::ToAccount(account), Some(stanza)) = (&envelope.route, envelope.as_stanza())
        else {
            return next.run(envelope).await;
        };
        let Some(room) = stanza.from() else {
            return next.run(envelope).await;
        };
        match looked {
            Looked::GoesOn => next.run(envelope).await,
            Looked::Answers => Ok(self.answered(at, account, stanza).await),
            Looked::Haunts => Ok(self.desk.stranger(at, account, stanza).into_outcome()),
            Looked::Readmits => {
                // It goes on as it came, for the user to see.
                let wanted = self.readmitted(account, &room.to_bare()).await;
                let mut outcome = next.run(envelope).await?;
                tell_if_broken(&mut outcome, wanted);
                Ok(outcome)
            }
            Looked::Broke(what) => Ok(broken(what)),
            Looked::Wants { goes_on, commands } => {
                let done = self.desk.carry_out(at, account, room, commands).await;
                if !goes_on {
                    return Ok(done.into_outcome());
                }
                let outcome = next.run(envelope).await?;
                Ok(done.besides(outcome))
            }
        }
    }

    /// The answer to a request that was sent in the account's name.
    async fn answered(&self, at: Time, account: &BareJid, answer: &Stanza) -> Outcome {
        match self.desk.answered(account, answer) {
            Some(Asked::Session { session, id }) => {
                let answer = machine::answer_for(&session, &id, answer);
                Outcome::of(Original::Consumed).with(Emit::copy(session, answer))
            }
            Some(Asked::Room { room, question }) => {
                let answers = |machine: &mut Machine, turn: &mut Turn<'_>| {
                    machine.room_answers(turn, question, Some(answer));
                };
                let seated = self.desk.visit(at, account, &room, answers).await;
                seated.done.into_outcome()
            }
            // To a request that nobody sent, or too late.
            None => Outcome::dropped(Drop::NobodyMeant),
        }
    }
}

/// Lets a machine hear what the room sends. If it panics, this is what it said.
fn tell(machine: &mut Machine, turn: &mut Turn<'_>, stanza: &Stanza) -> Result<(), String> {
    let told = catch_unwind(AssertUnwindSafe(|| match stanza.kind() {
        Kind::Presence => machine.room_shows(turn, stanza),
        Kind::Message => machine.room_says(turn, stanza),
        Kind::Iq => machine.occupant_asks(turn, stanza),
    }));
    told.map_err(|panic| panic_text(&*panic))
}

/// Names the sessions that sit in the room.
fn reach(facts: &mut Facts, sessions: Arc<[FullJid]>) {
    facts.reach = Reach::Only(sessions);
    facts.from_room = true;
}

/// The machine panicked: what the room sent ends here.
fn broken(what: String) -> Outcome {
    let mut incident = Incident::new(NAME, Stage::Before, what);
    incident.panicked = true;
    let mut outcome = Outcome::dropped(Drop::Filtered);
    report(&mut outcome, incident);
    outcome
}

/// Bookmarks that cannot be read stop nothing: the next login reads them.
fn tell_if_broken(outcome: &mut Outcome, read: Result<(), Fault>) {
    if let Err(Fault::Own(error)) = read {
        let incident = Incident::new(NAME, Stage::Before, error.to_string());
        report(outcome, incident);
    }
}

/// What a room's stanza takes besides what a look at it has done.
enum Looked {
    /// Nothing: it goes on, for whom it reaches.
    GoesOn,
    /// It answers a request that was sent in the account's name.
    Answers,
    /// The account may come into the room again.
    Readmits,
    /// It is presence of a room that the account has not joined.
    Haunts,
    /// The machine panicked, and this is what it said.
    Broke(String),
    /// The machine wants this done, and then it goes on or ends.
    Wants {
        goes_on: bool,
        commands: Vec<Command>,
    },
}

/// The same stanza in the account's lane, where [`AccountMuc::outward`] takes
/// it. It does not count as this layer's work, since it has done none yet.
pub(super) fn handed_over(session: &FullJid, stanza: Stanza) -> Emit {
    let stanza = stanza.with_from(session.clone());
    let mut emit = Emit::new_at(Route::FromAccount(session.to_bare()), stanza);
    emit.by = Some(NAME);
    emit
}
