//! Rule 10: accounts register with the rooms in which they sit.

use jid::BareJid;

use crate::flow::{Emit, Original, Outcome, Route};
use crate::middleware::report;
use crate::stanza::{Element, ErrorType, Stanza, Time, Type, ns};

use super::account::{MucPushAccount, incident};
use super::enrolled::{self, Turn};
use super::rules;

/// What a room was asked in an account's name.
#[derive(Debug)]
pub(super) struct Asked {
    turn: Turn,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Whether it offers notifications.
    Offer,
    /// To notify the account.
    Enable,
}

impl MucPushAccount {
    /// Rooms that have not answered for too long are asked at the next occasion.
    pub(super) fn give_up(&self, at: Time) {
        for (_, asked) in self.asked.expired(at) {
            self.enrolled().turn_back(&asked.turn);
        }
    }

    /// Those whose turn it is are asked, or told again if they have been told before.
    pub(super) fn ask_those_due(&self, at: Time) -> Vec<Emit> {
        let due = self.enrolled().take_due().into_iter();
        let requests = due.filter_map(|(turn, node)| match node {
            Some(node) => self.enable(at, turn, &node),
            None => self.ask(at, turn),
        });
        requests.collect()
    }

    /// Does it offer notifications?
    fn ask(&self, at: Time, turn: Turn) -> Option<Emit> {
        let query = Stanza::iq(Type::Get, &self.entropy.token(16))
            .with_child(Element::new("query", ns::DISCO_INFO));
        let what = What::Offer;
        self.send(at, query, Asked { turn, what })
    }

    fn enable(&self, at: Time, turn: Turn, node: &str) -> Option<Emit> {
        let request = rules::enable(&self.entropy.token(16), &turn.account, node);
        let what = What::Enable;
        self.send(at, request, Asked { turn, what })
    }

    /// A request in the account's name. If too many are open, its turn comes
    /// another time.
    fn send(&self, at: Time, request: Stanza, asked: Asked) -> Option<Emit> {
        let turn = asked.turn.clone();
        let request = request
            .with_from(turn.account.clone())
            .with_to(turn.room.clone());
        let id = request.id().unwrap_or_default();
        let recorded = self
            .asked
            .ask(at, &turn.account, turn.room.clone().into(), id, asked);
        if recorded.is_err() {
            self.enrolled().turn_back(&turn);
            return None;
        }
        Some(Emit::new_at(Route::FromAccount(turn.account), request))
    }

    /// A room answers. What it answers to a question that has been asked again
    /// since is taken in, and counts for nothing: two yeses would be two nodes.
    pub(super) async fn answered(
        &self,
        at: Time,
        account: &BareJid,
        answer: &Stanza,
    ) -> Option<Outcome> {
        let Asked { turn, what } = self.asked.answered(account, answer)?;
        let mut outcome = Outcome::of(Original::Consumed);
        if !self.enrolled().awaits(&turn) {
            return Some(outcome);
        }
        let error = answer.error();
        let is_wait = error
            .as_ref()
            .is_some_and(|error| error.type_ == ErrorType::Wait);
        match what {
            What::Offer | What::Enable if is_wait => self.enrolled().turn_back(&turn),
            What::Offer if rules::offers(answer) => {
                let node = self.entropy.token(26);
                let kept = enrolled::target(account, &turn.room, Some(node.clone()));
                match self.store.put(kept.clone()).await {
                    Ok(()) if self.enrolled().told(&turn, &node) => {
                        outcome.emits.extend(self.enable(at, turn, &node));
                    }
                    // The account has left meanwhile, or joined again.
                    Ok(()) => {
                        if let Err(error) = self.store.remove(&kept).await {
                            report(&mut outcome, incident(&error));
                        }
                    }
                    Err(error) => {
                        self.enrolled().turn_back(&turn);
                        report(&mut outcome, incident(&error));
                    }
                }
            }
            What::Enable if error.is_none() => self.enrolled().settle(&turn),
            What::Offer | What::Enable => {
                let refused = self.enrolled().refused(&turn);
                if let Some(kept) = refused
                    && let Err(error) = self.store.remove(&kept).await
                {
                    report(&mut outcome, incident(&error));
                }
            }
        }
        Some(outcome)
    }
}
