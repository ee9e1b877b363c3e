//! What the router and the conductor have in common: a stanza that is placed
//! without passing any layer.

use std::sync::Arc;

use jid::{BareJid, FullJid};

use crate::flow::{Drop, Fate, Holders, Original, Outcome, PassId, Reach};
use crate::stanza::{Condition, Kind, MessageType, Stanza, Time};

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
    pub holders: Option<Holders>,
    /// It lies in the account's archive already.
    pub archived: bool,
    /// A room says it to an account that sits there for its sessions.
    pub from_room: bool,
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
                (Verdict::Sessions(chosen), Reach::Besides(others)) => {
                    let others = others.iter().filter(|other| !chosen.contains(other));
                    chosen.iter().chain(others).cloned().collect()
                }
                (_, Reach::Only(reach) | Reach::Besides(reach)) => reach.clone(),
                (Verdict::Offline, Reach::Rfc) => return Placed::Keep(account.clone()),
                // Whoever is told that nobody has it sends it again. RFC 6121
                // §8.5.3.2.1 allows silence.
                (Verdict::Refuse(_), Reach::Rfc) if self.archived => {
                    return Placed::Done(Outcome::of(Original::Stored));
                }
                (Verdict::Refuse(condition), Reach::Rfc) => {
                    return Placed::Done(Outcome::refused(self.stanza, condition));
                }
                (Verdict::Ignore, Reach::Rfc) => {
                    return Placed::Done(Outcome::dropped(Drop::NobodyMeant));
                }
            };
            let holders = self.hold(&chosen);
            let vanished: Vec<_> = chosen
                .iter()
                .filter(|session| !self.hand_to(host, session, holders.as_ref()))
                .collect();
            if vanished.is_empty() {
                return Placed::Done(Outcome::of(Original::Delivered(chosen)));
            }
            let taken: Arc<[_]> = chosen
                .iter()
                .filter(|session| !vanished.contains(session))
                .cloned()
                .collect();
            // Whoever ended between the choice and the delivery was never
            // there. It may have been the last, if the others ended since.
            let mut lost = vanished
                .iter()
                .filter_map(|gone| holders.as_ref()?.lost(gone));
            let has_to_go_on = lost.next().is_some();
            let is_final = matches!(self.reach, Reach::Only(_));
            let is_delivered = !taken.is_empty() && !has_to_go_on;
            if is_delivered || (taken.is_empty() && is_final) {
                return Placed::Done(Outcome::of(Original::Delivered(taken)));
            }
            // Choose again among the others.
            sessions.retain(|Availability { session, .. }| !chosen.contains(session));
            self.reach = Reach::Rfc;
        }
    }

    /// Notes who is about to get it, if it can matter: where one session has
    /// it and nobody gets a copy, its fate says all.
    fn hold(&mut self, chosen: &[FullJid]) -> Option<Holders> {
        if self.fate != Fate::Reroute {
            return None;
        }
        if chosen.len() > 1 {
            self.holders.get_or_insert_default();
        }
        let holders = self.holders.as_ref()?;
        holders.begin(self.stanza, chosen);
        Some(holders.clone())
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

    /// What a room, or somebody in it, says to an account reaches each session
    /// as if it had joined by itself: under its own address (XEP-0045 §7.4,
    /// §7.5). Everything else is for whom it says.
    fn addressed(&self, session: &FullJid) -> Stanza {
        let stanza = self.stanza.clone();
        let is_talk = self.from_room || stanza.message_type() == MessageType::Groupchat;
        match self.reach {
            Reach::Only(_) if is_talk => stanza.with_to(session.clone()),
            _ => stanza,
        }
    }

    fn hand_to<H: Host>(&self, host: &H, session: &FullJid, holders: Option<&Holders>) -> bool {
        host.deliver(Delivery {
            session: session.clone(),
            stanza: self.addressed(session),
            fate: self.fate,
            holders: holders.cloned(),
            by: self.by,
            pass: self.pass,
            at: self.at,
        })
        .is_ok()
    }
}

/// To the host's offline storage, or back unless it is in the archive.
pub(super) async fn keep<H: Host>(
    host: &H,
    account: &BareJid,
    at: Time,
    archived: bool,
    stanza: &Stanza,
) -> Result<Outcome, H::Error> {
    Ok(
        if host.keep_offline(account, at, stanza).await? || archived {
            Outcome::of(Original::Stored)
        } else {
            Outcome::refused(stanza, Condition::ServiceUnavailable)
        },
    )
}
