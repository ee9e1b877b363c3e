//! The room does not let the account in (XEP-0045 §7.2.5 to §7.2.11), or does
//! not answer, or the join cannot even leave.

use crate::stanza::{Condition, ErrorType, Stanza, StanzaError};

use super::{Join, Machine, Phase, Turn};

impl Machine {
    /// The room refuses. Says whether this answers our join.
    pub(super) fn join_refused(&mut self, turn: &mut Turn<'_>, answer: &Stanza) -> bool {
        let Phase::Joining(joining) = &self.phase else {
            return false;
        };
        if answer.id() != Some(&joining.id) {
            return false;
        }
        let error = reason(answer);
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
            let knows = |join: &Join| join.password.is_some() && join.password != wrong;
            let (others, refused) = joining.waiting.into_iter().partition(knows);
            joining.waiting = refused;
            refuse(turn, &joining.waiting, error);
            return match others {
                others if others.is_empty() => self.out_or_lost(turn, error, joining.resync, 0),
                others => self.try_password(turn, others, joining.resync),
            };
        }
        refuse(turn, &joining.waiting, error);
        if self.by_request && !joining.resync {
            // It let us in by one way, and not by the other.
            self.say_goodbye(turn);
        }
        self.out_or_lost(turn, error, joining.resync, joining.tries);
    }

    fn try_password(&mut self, turn: &mut Turn<'_>, others: Vec<Join>, resync: bool) {
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
        if !joining.resync && !self.by_request {
            // Should it let us in after all, we would be a ghost there.
            self.say_goodbye(turn);
        }
        self.join_failed(turn, &silent);
    }

    /// The store could not write down that the account joins: it does not
    /// (decision 17).
    pub(super) fn join_unwritten(&mut self, turn: &mut Turn<'_>) {
        let broken = StanzaError::from(Condition::ResourceConstraint)
            .with_type(ErrorType::Wait)
            .with_by(self.account.clone());
        self.by_request = false;
        self.join_failed(turn, &broken);
    }
}

/// Why something was refused, which an error may fail to say.
pub(super) fn reason(answer: &Stanza) -> StanzaError {
    let error = answer.error();
    error.unwrap_or_else(|| StanzaError::from(Condition::UndefinedCondition))
}

fn refuse(turn: &mut Turn<'_>, waiting: &[Join], error: &StanzaError) {
    for join in waiting {
        join.refuse(turn, error);
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
