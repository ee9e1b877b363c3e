//! Where machines, store and time meet: lets things happen to machines, writes
//! down what must be written first, and makes emits of what they want.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::lock as asynchronous;
use jid::{BareJid, DomainPart, FullJid, Jid};

use crate::flow::{Emit, EmitKind, Entropy, Incident, Original as Outcomes, Outcome, Route, Stage};
use crate::middleware::{Pending, PendingLimits, panic_text, report};
use crate::stanza::{Stanza, Time};

use super::layer::NAME;
use super::lock;
use super::machine::{self, Asked, Command, Exit, Machine, Original, Turn};
use super::pool::Pool;
use super::port::{SeatError, SeatStore};
use super::table::{SHARDS, Table, TooManyRooms};

/// All of the layer's state, and its store.
pub(super) struct Desk {
    pub(super) table: Table,
    pool: Pool,
    pending: [Mutex<Pending<Asked>>; SHARDS],
    store: Arc<dyn SeatStore>,
    entropy: Arc<dyn Entropy>,
    /// One writer at a time per account: what is written is what is the case
    /// when its turn comes, so the last write is never an older one.
    writing: [asynchronous::Mutex<()>; SHARDS],
    /// Seats of which the store could not be told. It is tried again.
    unwritten: Mutex<BTreeSet<(BareJid, BareJid)>>,
}

/// What a machine made of a visit.
#[derive(Debug)]
pub(super) struct Visited<R> {
    /// What becomes of the stanza.
    pub(super) original: Original,
    /// What the machine wants done: [`Desk::carry_out`] does it.
    pub(super) commands: Vec<Command>,
    /// What the visit returned.
    pub(super) result: R,
}

/// What came of a visit to a machine.
#[derive(Debug)]
pub(super) struct Seated<R = ()> {
    /// What becomes of the stanza.
    pub(super) original: Original,
    /// What else was to be done.
    pub(super) done: Done,
    /// What the visit returned; `None` if there is no such machine.
    pub(super) result: Option<R>,
}

/// What is to be sent, and what broke.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) emits: Vec<Emit>,
    pub(super) incidents: Vec<Incident>,
}

impl Desk {
    pub(super) fn new(store: Arc<dyn SeatStore>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            table: Table::default(),
            pool: Pool::default(),
            pending: pending(PendingLimits::default()),
            store,
            entropy,
            writing: Default::default(),
            unwritten: Mutex::default(),
        }
    }

    pub(super) fn limit_requests(&mut self, limits: PendingLimits) {
        self.pending = pending(limits);
    }

    /// Takes up the seats that were kept.
    pub(super) async fn restore(&self) -> Result<usize, SeatError> {
        let seats = self.store.list().await?;
        let many = seats.len();
        for seat in seats {
            self.table.restore(seat);
        }
        Ok(many)
    }

    /// A stanza of a session, or a bookmark, is about to come for this seat.
    pub(super) fn expect(
        &self,
        at: Time,
        account: &BareJid,
        seat: &FullJid,
    ) -> Result<(), TooManyRooms> {
        self.table.hand_over(account, seat, at)
    }

    /// Lets something happen to a machine, and what it wants wait.
    pub(super) fn look<R>(
        &self,
        at: Time,
        account: &Jid,
        room: &Jid,
        visit: impl FnOnce(&mut Machine, &mut Turn<'_>) -> R,
    ) -> Option<Visited<R>> {
        self.table.visit(account, room, |machine| {
            let mut turn = self.turn(at, account);
            let result = visit(machine, &mut turn);
            Visited {
                original: turn.original,
                commands: turn.commands,
                result,
            }
        })
    }

    /// Lets something happen to a machine, and does what it wants.
    pub(super) async fn visit<R>(
        &self,
        at: Time,
        account: &BareJid,
        room: &Jid,
        visit: impl FnOnce(&mut Machine, &mut Turn<'_>) -> R,
    ) -> Seated<R> {
        let Some(visited) = self.look(at, account, room, visit) else {
            return Seated::default();
        };
        Seated {
            original: visited.original,
            done: self.carry_out(at, account, room, visited.commands).await,
            result: Some(visited.result),
        }
    }

    /// The same for what has been handed over.
    pub(super) async fn take_over(
        &self,
        at: Time,
        account: &BareJid,
        room: &Jid,
        visit: impl FnOnce(&mut Machine, &mut Turn<'_>),
    ) -> Seated {
        let visited = self.visit(at, account, room, |machine, turn| {
            machine.taken_over();
            visit(machine, turn);
        });
        let mut seated = visited.await;
        if seated.result.is_none() {
            // The account is not there any more: as if it had never been.
            seated.original = Original::GoesOn;
        }
        seated
    }

    /// A session is over, or unavailable to everybody.
    pub(super) async fn leave_all(&self, at: Time, account: &BareJid, session: &FullJid) -> Done {
        let mut all = Vec::new();
        self.table.visit_rooms(account, |machine| {
            let mut turn = self.turn(at, account);
            machine.leave(&mut turn, session, Exit::Ended);
            all.push((account.clone(), machine.room(), turn.commands));
        });
        self.carry_out_all(at, all).await
    }

    /// An account is gone: it leaves its rooms, and nothing is kept of it.
    pub(super) async fn remove(&self, at: Time, account: &BareJid) -> Result<Done, SeatError> {
        let mut done = Done::default();
        for machine in self.table.remove(account).values_mut() {
            let mut turn = self.turn(at, account);
            machine.depart(&mut turn);
            let commands = turn.commands;
            done.emit(account, commands);
        }
        self.store.remove_account(account).await?;
        Ok(done)
    }

    /// Presence that only a room would send, from one that nobody joined.
    pub(super) fn stranger(&self, at: Time, account: &BareJid, presence: &Stanza) -> Done {
        let mut turn = self.turn(at, account);
        machine::ghost(account, &mut turn, presence);
        let mut done = Done::default();
        done.emit(account, turn.commands);
        done
    }

    /// Who awaits this answer.
    pub(super) fn answered(&self, account: &BareJid, answer: &Stanza) -> Option<Asked> {
        lock(&self.pending[Table::shard(account)]).answered(account, answer)
    }

    /// The rooms of a domain have come out of reach, or back into it.
    pub(super) fn link_changed(&self, at: Time, domain: &DomainPart, is_back: bool) {
        self.table.visit_all(|account, machine| {
            if machine.room().domain() == &**domain {
                let mut turn = self.turn(at, account);
                match is_back {
                    true => machine.link_back(&mut turn),
                    false => machine.link_lost(&turn),
                }
            }
        });
    }

    /// Time has passed.
    pub(super) async fn tick(&self, at: Time) -> Done {
        let mut done = self.write_again().await;
        done.extend(self.give_up(at).await);
        let mut probes = self.table.options.probes_per_tick;
        let mut all = Vec::new();
        self.table.visit_due(at, |account, machine| {
            let mut turn = self.turn(at, account);
            machine.tick(&mut turn, &mut probes);
            if !turn.commands.is_empty() {
                all.push((account.clone(), machine.room(), turn.commands));
            }
        });
        done.extend(self.carry_out_all(at, all).await);
        self.pool.sweep();
        done
    }

    /// Requests that nobody has answered in time.
    async fn give_up(&self, at: Time) -> Done {
        let mut done = Done::default();
        for shard in &self.pending {
            let expired = lock(shard).expired(at);
            for (account, asked) in expired {
                match asked {
                    Asked::Session { session, id } => {
                        let late = machine::unanswered(&session, &id);
                        done.emits.push(Emit::copy(session, late));
                    }
                    Asked::Room { room, question } => {
                        let late = |machine: &mut Machine, turn: &mut Turn<'_>| {
                            machine.room_answers(turn, question, None);
                        };
                        done.extend(self.visit(at, &account, &room, late).await.done);
                    }
                }
            }
        }
        done
    }

    async fn carry_out_all(&self, at: Time, all: Vec<(BareJid, BareJid, Vec<Command>)>) -> Done {
        let mut done = Done::default();
        for (account, room, commands) in all {
            done.extend(self.carry_out(at, &account, &room, commands).await);
        }
        done
    }

    /// Does what a machine wants: first it is written down, then it is sent.
    pub(super) async fn carry_out(
        &self,
        at: Time,
        account: &BareJid,
        room: &Jid,
        mut commands: Vec<Command>,
    ) -> Done {
        let mut done = Done::default();
        let is_store = |command: &Command| matches!(command, Command::Store);
        if commands.iter().any(is_store)
            && let Err(incident) = self.write(account, &room.to_bare()).await
        {
            done.incidents.push(incident);
            let failed = self.table.visit(account, room, |machine| {
                let mut turn = self.turn(at, account);
                let stands = machine.store_failed(&mut turn);
                (stands, turn.commands)
            });
            if let Some((stands, instead)) = failed {
                commands.retain(|command| stands || !matches!(command, Command::ToRoom(_)));
                commands.extend(instead);
            }
        }
        done.emit(account, commands);
        done
    }

    /// Writes down what is the case with a seat by now.
    async fn write(&self, account: &BareJid, room: &BareJid) -> Result<(), Incident> {
        let _turn = self.writing[Table::shard(account)].lock().await;
        let written = AssertUnwindSafe(async {
            match self.table.record(account, room) {
                Some(seat) => self.store.put(seat).await,
                None => self.store.remove(account, room).await,
            }
        });
        let what = match written.catch_unwind().await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        lock(&self.unwritten).insert((account.clone(), room.clone()));
        Err(Incident::new(NAME, Stage::Event, what))
    }

    /// Tries again what could not be written.
    async fn write_again(&self) -> Done {
        let mut done = Done::default();
        let unwritten = std::mem::take(&mut *lock(&self.unwritten));
        for (account, room) in unwritten {
            if let Err(incident) = self.write(&account, &room).await {
                done.incidents.push(incident);
            }
        }
        done
    }

    fn turn(&self, at: Time, account: &Jid) -> Turn<'_> {
        Turn {
            at,
            options: &self.table.options,
            entropy: &*self.entropy,
            pool: &self.pool,
            pending: &self.pending[Table::shard(account)],
            original: Original::TakenIn,
            commands: Vec::new(),
        }
    }
}

impl<R> Default for Seated<R> {
    fn default() -> Self {
        Self {
            original: Original::TakenIn,
            done: Done::default(),
            result: None,
        }
    }
}

impl Done {
    /// Makes emits of what a machine wants sent.
    fn emit(&mut self, account: &BareJid, commands: Vec<Command>) {
        self.emits
            .extend(commands.into_iter().filter_map(|command| match command {
                Command::Store => None,
                Command::ToRoom(stanza) => {
                    Some(Emit::new_at(Route::FromAccount(account.clone()), stanza))
                }
                Command::ToSession(session, stanza) => Some(Emit::copy(session, stanza)),
                Command::ToSessions(sessions, stanza) => Some(Emit::broadcast(sessions, stanza)),
            }));
    }

    /// Takes out the first stanza for a room.
    pub(super) fn first_to_room(&mut self) -> Option<Stanza> {
        let is_new = |emit: &Emit| matches!(emit.kind, EmitKind::New(_));
        let first = self.emits.iter().position(is_new)?;
        Some(self.emits.remove(first).stanza)
    }

    pub(super) fn extend(&mut self, other: Done) {
        self.emits.extend(other.emits);
        self.incidents.extend(other.incidents);
    }

    /// An outcome that is this and nothing else.
    pub(super) fn into_outcome(self) -> Outcome {
        self.besides(Outcome::of(Outcomes::Consumed))
    }

    /// This, besides what became of the original.
    pub(super) fn besides(self, mut outcome: Outcome) -> Outcome {
        outcome.emits.extend(self.emits);
        for incident in self.incidents {
            report(&mut outcome, incident);
        }
        outcome
    }
}

fn pending(mut limits: PendingLimits) -> [Mutex<Pending<Asked>>; SHARDS] {
    limits.total = limits.total.div_ceil(SHARDS);
    std::array::from_fn(|_| Mutex::new(Pending::new(limits)))
}
