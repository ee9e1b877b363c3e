//! What happens to one message: who gets it as it is is said before it goes
//! on, who gets a copy after.

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Emit, Envelope, Holders, Original, Outcome, Reach};
use crate::middleware::{Fault, Feature, Next, decided};
use crate::stanza::{Condition, Stanza};

use super::copies::copies;
use super::mode::Modes;
use super::rules::{
    Audience, Case, Decision, Direction, Named, Pass, decide, is_for_named_only, reached,
};
use super::state::Sessions;
use super::{Fork, Mode, to_bare};

/// What the sessions of each mode get, where there are any and the session
/// that the message names is there.
struct Decisions([Option<Decision>; Mode::ALL.len()]);

impl Fork {
    /// Lets a message go on, and shares it with the account's sessions.
    pub(super) async fn share(
        &self,
        pass: Pass<'_>,
        account: &BareJid,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let Some(stanza) = envelope.as_stanza().cloned() else {
            return next.run(envelope).await;
        };
        let sessions = self.accounts.of(account).sessions(account);
        let case = self.case(pass, account, &stanza);
        let decisions = Decisions::about(&case, &sessions);
        // Before it goes on: an error may be back before this pass is over.
        let is_fork = self.remember(&case, &decisions);
        let named_only = is_for_named_only(&case) && sessions.iter().any(speaks_im_ng);
        if pass == Pass::Inward {
            self.extend_reach(&case, &sessions, &decisions, named_only, &mut envelope);
        }
        let holders = self.holders(&case, &decisions, &mut envelope);
        let archived = envelope.facts.archived.clone();
        let mut outcome = next.run(envelope).await?;

        if named_only && nobody_got_it(&outcome.original) {
            return Ok(Outcome::refused(&stanza, Condition::ServiceUnavailable));
        }
        let Some(reached) = reached(&case, &outcome.original) else {
            return Ok(outcome);
        };
        if is_fork && reached.len() == 1 {
            self.is_no_fork(&case);
        }
        match pass {
            Pass::Outward(_) => {
                // Its stamp must not leave the account (XEP-0313 §3.5), so the
                // original has none.
                let mut original = stanza.clone();
                if let Some(archived) = archived.filter(|archived| archived.by == *account) {
                    original.push(archived.stamp());
                }
                let emits = self.emits(&case, &original, &sessions, &decisions, reached);
                // In front of what the router sends on: a session must not get
                // the answer to a message before it gets the message.
                outcome.emits.splice(0..0, emits);
            }
            // The original has been delivered by now, with its stamp.
            Pass::Inward => {
                let mut emits = self.emits(&case, &stanza, &sessions, &decisions, reached);
                for emit in &mut emits {
                    emit.holders.clone_from(&holders);
                }
                outcome.emits.extend(emits);
            }
        }
        Ok(outcome)
    }

    /// Whether a message of one of the account's sessions is an error that
    /// answers what others got as well: its sender, who thinks of one
    /// recipient, would be told that nobody has it.
    pub(super) fn answers_fork(&self, session: &FullJid, stanza: &Stanza) -> bool {
        let (true, Some(to), Some(id)) = (stanza.is_error(), stanza.to(), stanza.id()) else {
            return false;
        };
        let accounts = self.accounts.of(session);
        // A session in no mode or with carbons got what RFC 6121 gave it.
        accounts
            .mode(session)
            .is_some_and(|mode| mode > Mode::Carbons)
            && accounts.answers_fork(session, to, id)
    }

    fn case<'a>(&self, pass: Pass<'a>, account: &'a BareJid, stanza: &'a Stanza) -> Case<'a> {
        let mut case = Case {
            account,
            pass,
            stanza,
            with_occupant: false,
            answers_eligible: false,
        };
        let Some(peer) = case.peer() else {
            return case;
        };
        case.with_occupant = peer.is_full() && self.occupancy.known(account, &to_bare(peer));
        // An error answers what went the other way.
        let answered = match pass {
            Pass::Outward(_) => Direction::Received,
            Pass::Inward => Direction::Sent,
        };
        case.answers_eligible = stanza.is_error()
            && stanza.id().is_some_and(|id| {
                let accounts = self.accounts.of(account);
                accounts.remembers(account, answered, peer, id)
            });
        case
    }

    /// What errors may answer; whether it is a message that several sessions
    /// get as it is.
    fn remember(&self, case: &Case<'_>, decisions: &Decisions) -> bool {
        let (Some((peer, id)), false) = (author_and_id(case), case.stanza.is_error()) else {
            return false;
        };
        let forks = [Mode::Mr2, Mode::Goal, Mode::ImNg];
        let is_fork = case.pass == Pass::Inward
            && forks
                .into_iter()
                .any(|mode| decisions.there(mode).is_some_and(is_raw));
        let is_eligible = decisions.there(Mode::Carbons).is_some_and(is_wrapped);
        if is_eligible || is_fork {
            let mut accounts = self.accounts.of_noting(case.account);
            if is_eligible {
                accounts.remember(case.account, case.direction(), peer, id);
            }
            if is_fork {
                accounts.forked(case.account, peer, id, case.named());
            }
        }
        is_fork
    }

    fn is_no_fork(&self, case: &Case<'_>) {
        if let Some((peer, id)) = author_and_id(case) {
            let mut accounts = self.accounts.of_noting(case.account);
            accounts.not_forked(case.account, peer, id, case.named());
        }
    }

    /// Names who gets an inward message as it is.
    fn extend_reach(
        &self,
        case: &Case<'_>,
        sessions: &Sessions,
        decisions: &Decisions,
        named_only: bool,
        envelope: &mut Envelope,
    ) {
        let facts = &mut envelope.facts;
        if let (true, Some(named)) = (named_only, case.named()) {
            facts.reach = Reach::Only([named.clone()].into());
            return;
        }
        let raw = |named| {
            let in_raw = sessions.iter().filter(move |(session, modes)| {
                modes.greatest().is_some_and(|mode| {
                    let decision = decisions.when(named, case, mode);
                    decision.is_some_and(is_raw) && is_recipient(case, session, mode)
                })
            });
            in_raw.map(|(session, _)| session.clone())
        };
        facts.reach.widen(raw(Named::There));
        if case.named().is_some() && !matches!(facts.reach, Reach::Only(_)) {
            facts.stand_ins.extend(raw(Named::Absent));
        }
    }

    /// Who gets an inward message and who gets a copy of it are to know of each
    /// other: if one dies, the other has it.
    fn holders(
        &self,
        case: &Case<'_>,
        decisions: &Decisions,
        envelope: &mut Envelope,
    ) -> Option<Holders> {
        let is_copied = case.pass == Pass::Inward
            && Mode::ALL
                .into_iter()
                .any(|mode| decisions.there(mode).is_some_and(is_wrapped));
        is_copied.then(|| envelope.facts.holders.get_or_insert_default().clone())
    }

    /// What is sent besides to sessions that have not got the original.
    fn emits(
        &self,
        case: &Case<'_>,
        original: &Stanza,
        sessions: &Sessions,
        decisions: &Decisions,
        reached: &[FullJid],
    ) -> Vec<Emit> {
        let named = match case.named() {
            Some(named) if !reached.contains(named) => Named::Absent,
            _ => Named::There,
        };
        let mut emits = Vec::new();
        for mode in Mode::ALL {
            let Some(decision) = decisions.when(named, case, mode) else {
                continue;
            };
            let of_mode = sessions.iter().filter(|(session, of)| {
                of.greatest() == Some(mode)
                    && !reached.contains(session)
                    && is_recipient(case, session, mode)
            });
            let mut recipients: Vec<_> = of_mode.map(|(session, _)| session.clone()).collect();
            if recipients.is_empty() {
                continue;
            }
            decided(self.name(), &decision);
            if let Decision::Raw(_, audience) | Decision::Wrap(_, audience) = decision {
                self.narrow(case, audience, &mut recipients);
            }
            match decision {
                // Inward, the reach has seen to it.
                Decision::Raw(..) if case.pass != Pass::Inward => {
                    let raw = |session| Emit::copy(session, original.clone());
                    emits.extend(recipients.into_iter().map(raw));
                }
                Decision::Wrap(..) if !recipients.is_empty() => {
                    let direction = case.direction();
                    emits.extend(copies(mode, direction, case.account, original, recipients));
                }
                _ => {}
            }
        }
        emits
    }

    fn narrow(&self, case: &Case<'_>, audience: Audience, sessions: &mut Vec<FullJid>) {
        if let (Audience::InRoom, Some(peer)) = (audience, case.peer()) {
            let in_room = self.occupancy.sessions(case.account, &to_bare(peer));
            sessions.retain(|session| in_room.contains(session));
        }
    }
}

impl Decisions {
    fn about(case: &Case<'_>, sessions: &Sessions) -> Self {
        Self(Mode::ALL.map(|mode| {
            let is_wanted = sessions.iter().any(|(_, of)| of.greatest() == Some(mode));
            is_wanted.then(|| decide(case, mode, Named::There))
        }))
    }

    fn there(&self, mode: Mode) -> Option<Decision> {
        self.0[mode as usize]
    }

    fn when(&self, named: Named, case: &Case<'_>, mode: Mode) -> Option<Decision> {
        let there = self.there(mode)?;
        Some(match named {
            Named::There => there,
            Named::Absent => decide(case, mode, Named::Absent),
        })
    }
}

/// The sender gets nothing back, unless it speaks IM-NG: that reflects what a
/// session sends to it as well, so that all have one and the same list.
fn is_recipient(case: &Case<'_>, session: &FullJid, mode: Mode) -> bool {
    mode == Mode::ImNg || case.own_sender() != Some(session)
}

fn speaks_im_ng((_, modes): &(FullJid, Modes)) -> bool {
    modes.greatest() == Some(Mode::ImNg)
}

fn nobody_got_it(original: &Original) -> bool {
    matches!(original, Original::Delivered(sessions) if sessions.is_empty())
}

fn is_raw(decision: Decision) -> bool {
    matches!(decision, Decision::Raw(..))
}

fn is_wrapped(decision: Decision) -> bool {
    matches!(decision, Decision::Wrap(..))
}

/// Whom an error would come from, or go to, and what it would refer to.
fn author_and_id<'a>(case: &Case<'a>) -> Option<(&'a Jid, &'a str)> {
    let peer = match case.direction() {
        Direction::Sent => case.stanza.to(),
        Direction::Received => case.stanza.from(),
    };
    Some((peer?, case.stanza.id()?))
}
