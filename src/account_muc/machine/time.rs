//! What happens because time passes, and what a restart begins with.

use crate::stanza::Time;

use super::super::options::Options;
use super::super::port::{Seat, SeatState};
use super::leave::Leaving;
use super::{Machine, Phase, Turn};

impl Machine {
    /// The seat that was kept when the process ended. The room may still
    /// believe that the account is there: it joins again, which makes the room
    /// tell everything (XEP-0045 §17.3), or finishes leaving.
    pub(crate) fn restored(seat: Seat) -> Self {
        let mut machine = Machine::new(seat.account, seat.occupant);
        machine.password = seat.password;
        machine.autojoin = seat.autojoin;
        machine.by_request = seat.by_request;
        machine.heard = seat.heard;
        machine.phase = match seat.state {
            SeatState::Joining | SeatState::Joined => Phase::Lost {
                due: Time::EPOCH,
                tries: 0,
                waiting: Vec::new(),
            },
            SeatState::Leaving => Phase::Leaving(Box::new(Leaving {
                since: Time::EPOCH,
                told: false,
                then: Vec::new(),
            })),
        };
        machine
    }

    /// When there is something to do, as far as is known by now: before that,
    /// [`tick`](Self::tick) does nothing.
    pub(crate) fn due(&self, options: &Options) -> Option<Time> {
        let overdue = |since: Time| Some(since + options.patience);
        match &self.phase {
            Phase::Out => overdue(self.handed.1),
            Phase::Joining(joining) if joining.answered => Some(Time::EPOCH),
            Phase::Joining(joining) => overdue(joining.since),
            Phase::Leaving(leaving) if !leaving.told => Some(Time::EPOCH),
            Phase::Leaving(leaving) => overdue(leaving.since),
            Phase::Lost { due, .. } => Some(*due),
            Phase::Joined { .. } if self.wants_out => Some(Time::EPOCH),
            Phase::Joined { settling } => {
                let lingered = self.deserted.filter(|_| !self.autojoin);
                let times = [
                    settling.and_then(overdue),
                    self.nick_changes.first().and_then(|it| overdue(it.since)),
                    lingered.map(|since| since + options.linger),
                    self.ping_due(options),
                ];
                times.into_iter().flatten().min()
            }
        }
    }

    /// Time has passed. `probes` is how many rooms may still be asked or
    /// rejoined at this tick.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>, probes: &mut usize) {
        match &mut self.phase {
            // What was handed over and has not come in all that time was refused
            // on its way: the lane was full.
            Phase::Out => {
                if turn.at.since(self.handed.1) >= turn.options.patience {
                    self.handed.0 = 0;
                }
            }
            Phase::Joining(joining) if joining.answered => self.ask_by_presence(turn),
            Phase::Joining(_) => self.join_overdue(turn),
            Phase::Leaving(leaving) if !leaving.told => {
                (leaving.since, leaving.told) = (turn.at, true);
                self.say_goodbye(turn);
            }
            Phase::Leaving(_) => self.leave_overdue(turn),
            Phase::Lost { due, tries, .. } => {
                let tries = *tries;
                if *due <= turn.at && take(probes) {
                    let waiting = self.take_waiting();
                    self.mark_deserted(turn);
                    self.ask_in(turn, waiting, true, tries);
                }
            }
            Phase::Joined { settling } => {
                let settling = *settling;
                if settling.is_some_and(|since| turn.at.since(since) >= turn.options.patience) {
                    self.settle(turn);
                }
                self.joined_tick(turn, probes);
            }
        }
    }

    fn joined_tick(&mut self, turn: &mut Turn<'_>, probes: &mut usize) {
        self.nick_overdue(turn);
        let lingered = self
            .deserted
            .is_some_and(|since| turn.at.since(since) >= turn.options.linger);
        if self.wants_out || (lingered && !self.autojoin) {
            self.wants_out = false;
            self.depart(turn);
        } else if self
            .ping_due(turn.options)
            .is_some_and(|due| due <= turn.at)
            && take(probes)
        {
            self.ping(turn);
        }
    }

    /// The store failed. What had not been done yet is not done; what has
    /// happened has, and is written down later. Says whether the
    /// room may still be told what it was to be told.
    pub(crate) fn store_failed(&mut self, turn: &mut Turn<'_>) -> bool {
        match &self.phase {
            Phase::Joining(joining) if !joining.resync => {
                self.join_unwritten(turn);
                false
            }
            Phase::Leaving(_) => {
                self.leave_unwritten(turn);
                false
            }
            _ => true,
        }
    }
}

/// Takes one of what is left.
fn take(left: &mut usize) -> bool {
    match left.checked_sub(1) {
        Some(fewer) => {
            *left = fewer;
            true
        }
        None => false,
    }
}
