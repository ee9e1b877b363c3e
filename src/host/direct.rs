//! What the router and the conductor have in common: a stanza that is placed
//! without passing any layer.

use jid::BareJid;

use crate::flow::{Drop, Fate, Original, Outcome, PassId, Reach};
use crate::stanza::{Condition, Kind, Stanza, Time};

use super::{Availability, Delivery, Host, Verdict, delivery};

/// A stanza to be placed, and what goes with it.
pub(super) struct Direct<'a> {
    pub at: Time,
    pub pass: PassId,
    pub by: Option<&'static str>,
    pub fate: Fate,
    pub reach: &'a Reach,
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
    pub(super) fn to_account<H: Host>(&self, host: &H, account: &BareJid) -> Placed {
        let mut sessions = host.sessions(account);
        loop {
            let verdict = delivery(self.stanza, &sessions, host.bare_messages());
            let chosen = match (verdict, self.reach()) {
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
            // Whoever ended between the choice and the delivery was never
            // there; choose again among the others, unless somebody has it.
            if !taken.is_empty() || vanished.is_empty() || *self.reach() != Reach::Rfc {
                return Placed::Done(Outcome::of(Original::Delivered(taken)));
            }
            sessions.retain(|Availability { session, .. }| !vanished.contains(session));
        }
    }

    /// To the host's offline storage, or back.
    pub(super) async fn keep<H: Host>(
        &self,
        host: &H,
        account: &BareJid,
    ) -> Result<Outcome, H::Error> {
        Ok(if host.keep_offline(account, self.at, self.stanza).await? {
            Outcome::of(Original::Stored)
        } else {
            Outcome::refused(self.stanza, Condition::ServiceUnavailable)
        })
    }

    fn hand_to<H: Host>(&self, host: &H, session: &jid::FullJid) -> bool {
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

    /// A reach is about messages; an IQ has one recipient by its nature, and
    /// presence is not forked.
    fn reach(&self) -> &Reach {
        match self.stanza.kind() {
            Kind::Message => self.reach,
            _ => &Reach::Rfc,
        }
    }
}
