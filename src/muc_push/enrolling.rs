//! Rule 10: accounts register with the rooms in which they sit.

use jid::BareJid;

use crate::flow::{Emit, Original, Outcome, Route};
use crate::middleware::report;
use crate::stanza::{Element, ErrorType, Stanza, Time, Type, ns};

use super::account::{MucPushAccount, incident};
use super::{enrolled, rules};

/// What a room was asked in an account's name.
#[derive(Debug)]
pub(super) enum Asked {
    /// Whether it offers notifications.
    Offer(BareJid),
    /// To notify the account.
    Enable(BareJid),
}

impl MucPushAccount {
    /// Rooms that have not answered for too long are asked at the next occasion.
    pub(super) fn give_up(&self, at: Time) {
        for (account, Asked::Offer(room) | Asked::Enable(room)) in self.asked.expired(at) {
            self.enrolled().turn_back(&account, &room);
        }
    }

    /// Those whose turn it is are asked, or told again if they have been told before.
    pub(super) fn ask_those_due(&self, at: Time) -> Vec<Emit> {
        let due = self.enrolled().take_due().into_iter();
        let requests = due.filter_map(|(account, room, node)| match node {
            Some(node) => self.enable(at, &account, &room, &node),
            None => self.ask(at, &account, &room),
        });
        requests.collect()
    }

    /// Does it offer notifications?
    fn ask(&self, at: Time, account: &BareJid, room: &BareJid) -> Option<Emit> {
        let query = Stanza::iq(Type::Get, &self.entropy.token(16))
            .with_child(Element::new("query", ns::DISCO_INFO));
        self.send(at, account, room, query, Asked::Offer(room.clone()))
    }

    fn enable(&self, at: Time, account: &BareJid, room: &BareJid, node: &str) -> Option<Emit> {
        let request = rules::enable(&self.entropy.token(16), account, node);
        self.send(at, account, room, request, Asked::Enable(room.clone()))
    }

    /// A request in the account's name. If too many are open, its turn comes
    /// another time.
    fn send(
        &self,
        at: Time,
        account: &BareJid,
        room: &BareJid,
        request: Stanza,
        asked: Asked,
    ) -> Option<Emit> {
        let request = request.with_from(account.clone()).with_to(room.clone());
        let id = request.id().unwrap_or_default();
        let recorded = self.asked.ask(at, account, room.clone().into(), id, asked);
        if recorded.is_err() {
            self.enrolled().turn_back(account, room);
            return None;
        }
        let route = Route::FromAccount(account.clone());
        Some(Emit::new_at(route, request))
    }

    /// A room answers.
    pub(super) async fn answered(
        &self,
        at: Time,
        account: &BareJid,
        answer: &Stanza,
    ) -> Option<Outcome> {
        let asked = self.asked.answered(account, answer)?;
        let mut outcome = Outcome::of(Original::Consumed);
        let error = answer.error();
        let is_wait = error
            .as_ref()
            .is_some_and(|error| error.type_ == ErrorType::Wait);
        match asked {
            Asked::Offer(room) | Asked::Enable(room) if is_wait => {
                self.enrolled().turn_back(account, &room);
            }
            Asked::Offer(room) if rules::offers(answer) => {
                let node = self.entropy.token(26);
                let kept = enrolled::target(account, &room, Some(node.clone()));
                match self.store.put(kept).await {
                    Ok(()) if self.enrolled().told(account, &room, &node) => {
                        outcome.emits.extend(self.enable(at, account, &room, &node));
                    }
                    // The account has left meanwhile.
                    Ok(()) => {
                        let kept = enrolled::target(account, &room, Some(node));
                        if let Err(error) = self.store.remove(&kept).await {
                            report(&mut outcome, incident(&error));
                        }
                    }
                    Err(error) => {
                        self.enrolled().turn_back(account, &room);
                        report(&mut outcome, incident(&error));
                    }
                }
            }
            Asked::Enable(room) if error.is_none() => {
                self.enrolled().settle(account, &room);
            }
            Asked::Offer(room) | Asked::Enable(room) => {
                let refused = self.enrolled().refused(account, &room);
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
