//! What happens because time passes, and what a restart begins with.

use crate::stanza::Time;

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
        machine.heard = seat.heard;
        machine.phase = match seat.state {
            SeatState::Joining | SeatState::Joined => Phase::Lost {
                due: Time::EPOCH,
                tries: 0,
            },
            SeatState::Leaving => Phase::Leaving(Box::new(Leaving {
                since: Time::EPOCH,
                then: Vec::new(),
            })),
        };
        // The room is told again when there is a time to tell it at.
        machine.wants_out = seat.state == SeatState::Leaving;
        machine
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
            Phase::Joining(_) => self.join_overdue(turn),
            Phase::Leaving(leaving) if std::mem::take(&mut self.wants_out) => {
                leaving.since = turn.at;
                let leave = self.unavailable(turn.new_id());
                turn.tell_room(leave);
            }
            Phase::Leaving(_) => self.leave_overdue(turn),
            Phase::Lost { due, tries } => {
                let tries = *tries;
                if *due <= turn.at && take(probes) {
                    self.mark_deserted(turn);
                    self.ask_in(turn, Vec::new(), true, tries);
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
        } else if self.ping_is_due(turn) && take(probes) {
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
