//! What the router and the conductor have in common: a stanza that is placed
//! without passing any layer.

use jid::{BareJid, FullJid};

use crate::flow::{Drop, Fate, Original, Outcome, PassId, Reach};
use crate::stanza::{Condition, Kind, Stanza, Time};

use super::{Availability, Delivery, Host, Verdict, delivery};

/// A stanza to be placed, and what goes with it.
pub(super) struct Direct<'a> {
    pub at: Time,
    pub pass: PassId,
    pub by: Option<&'static str>,
    pub fate: Fate,
    pub reach: Reach,
    /// See [`Facts::stand_ins`](crate::flow::Facts::stand_ins).
    pub stand_ins: &'a [FullJid],
    pub stanza: &'a Stanza,
}

/// What placing came to, as far as it can be done at once.
pub(super) enum Placed {
    Done(Outcome),
    /// No session takes it: the host may keep it.
    Keep(BareJid),
    /// It ends at the host itself.
    Serve,
}

impl Direct<'_> {
    /// To an account of ours: RFC 6121 §8, and the reach.
    pub(super) fn place<H: Host>(mut self, host: &H, account: &BareJid) -> Placed {
        let mut sessions = host.sessions(account);
        self.settle_reach(&sessions);
        loop {
            let verdict = delivery(self.stanza, &sessions, host.bare_messages());
            let chosen = match (verdict, &self.reach) {
                (Verdict::Account, _) => return Placed::Serve,
                (Verdict::Sessions(chosen), Reach::Rfc) => chosen,
                (Verdict::Sessions(mut chosen), Reach::Besides(others)) => {
                    for other in others {
                        if !chosen.contains(other) {
                            chosen.push(other.clone());
                        }
                    }
                    chosen
                }
                (_, Reach::Only(reach) | Reach::Besides(reach)) => reach.clone(),
                (Verdict::Offline, Reach::Rfc) => return Placed::Keep(account.clone()),
                (Verdict::Refuse(condition), Reach::Rfc) => {
                    return Placed::Done(Outcome::refused(self.stanza, condition));
                }
                (Verdict::Ignore, Reach::Rfc) => {
                    return Placed::Done(Outcome::dropped(Drop::NobodyMeant));
                }
            };
            let (taken, vanished): (Vec<_>, Vec<_>) = chosen
                .into_iter()
                .partition(|session| self.hand_to(host, session));
            let is_final = matches!(self.reach, Reach::Only(_));
            if !taken.is_empty() || vanished.is_empty() || is_final {
                return Placed::Done(Outcome::of(Original::Delivered(taken)));
            }
            // Whoever ended between the choice and the delivery was never
            // there: choose again among the others.
            sessions.retain(|Availability { session, .. }| !vanished.contains(session));
            if let Reach::Besides(_) = self.reach {
                self.reach = Reach::Rfc;
            }
        }
    }

    /// A reach is about messages; an IQ has one recipient by its nature, and
    /// presence is not forked.
    fn settle_reach(&mut self, sessions: &[Availability]) {
        if self.stanza.kind() != Kind::Message {
            self.reach = Reach::Rfc;
            return;
        }
        let named = self.stanza.to().and_then(|to| to.try_as_full().ok());
        let is_absent = named.is_some_and(|named| {
            let mut sessions = sessions.iter();
            sessions.all(|known| known.session != *named)
        });
        if is_absent {
            self.reach.widen(self.stand_ins.iter().cloned());
        }
    }

    fn hand_to<H: Host>(&self, host: &H, session: &FullJid) -> bool {
        host.deliver(Delivery {
            session: session.clone(),
            stanza: self.stanza.clone(),
            fate: self.fate,
            by: self.by,
            pass: self.pass,
            at: self.at,
        })
        .is_ok()
    }
}

/// To the host's offline storage, or back.
pub(super) async fn keep<H: Host>(
    host: &H,
    account: &BareJid,
    at: Time,
    stanza: &Stanza,
) -> Result<Outcome, H::Error> {
    Ok(if host.keep_offline(account, at, stanza).await? {
        Outcome::of(Original::Stored)
    } else {
        Outcome::refused(stanza, Condition::ServiceUnavailable)
    })
}
