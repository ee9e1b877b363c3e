//! What happens to one message: who gets it as it is is said before it goes
//! on, who gets a copy after.

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Emit, Envelope, Holders, Original, Outcome, Reach};
use crate::middleware::{Fault, Feature, Next, decided};
use crate::stanza::{Condition, Stanza};

use super::copies::copies;
use super::rules::{
    Audience, Case, Decision, Direction, Named, Pass, decide, is_for_named_only, reached,
};
use super::{Fork, Mode};

/// The account's sessions that take part, each in its mode.
type Sessions = [(FullJid, Mode)];

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
        // Before it goes on: an error may be back before this pass is over.
        self.remember(&case, &sessions);
        let named_only = is_for_named_only(&case) && sessions.iter().any(speaks_im_ng);
        if pass == Pass::Inward {
            self.extend_reach(&case, &sessions, named_only, &mut envelope);
        }
        let holders = self.holders(&case, &sessions, &mut envelope);
        let archived = envelope.facts.archived.clone();
        let mut outcome = next.run(envelope).await?;

        if named_only && nobody_got_it(&outcome.original) {
            return Ok(Outcome::refused(&stanza, Condition::ServiceUnavailable));
        }
        let Some(reached) = reached(&case, &outcome.original) else {
            return Ok(outcome);
        };
        if reached.len() == 1 {
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
                let emits = self.emits(&case, &original, &sessions, reached);
                // In front of what the router sends on: a session must not get
                // the answer to a message before it gets the message.
                outcome.emits.splice(0..0, emits);
            }
            // The original has been delivered by now, with its stamp.
            Pass::Inward => {
                let mut emits = self.emits(&case, &stanza, &sessions, reached);
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
        case.with_occupant = peer.is_full() && self.occupancy.known(account, &peer.to_bare());
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

    /// What errors may answer.
    fn remember(&self, case: &Case<'_>, sessions: &Sessions) {
        let (Some((peer, id)), false) = (author_and_id(case), case.stanza.is_error()) else {
            return;
        };
        let shares = |mode, form: fn(Decision) -> bool| {
            sessions.iter().any(|(_, of)| *of == mode) && form(decide(case, mode, Named::There))
        };
        let mut accounts = self.accounts.of_mut(case.account);
        if shares(Mode::Carbons, is_wrapped) {
            accounts.remember(case.account, case.direction(), peer, id);
        }
        let forks = [Mode::Mr2, Mode::Goal, Mode::ImNg];
        if case.pass == Pass::Inward && forks.into_iter().any(|mode| shares(mode, is_raw)) {
            accounts.forked(case.account, peer, id, case.named());
        }
    }

    fn is_no_fork(&self, case: &Case<'_>) {
        if let (Pass::Inward, Some((peer, id))) = (case.pass, author_and_id(case)) {
            let mut accounts = self.accounts.of_mut(case.account);
            accounts.not_forked(case.account, peer, id, case.named());
        }
    }

    /// Names who gets an inward message as it is.
    fn extend_reach(
        &self,
        case: &Case<'_>,
        sessions: &Sessions,
        named_only: bool,
        envelope: &mut Envelope,
    ) {
        let facts = &mut envelope.facts;
        if let (true, Some(named)) = (named_only, case.named()) {
            facts.reach = Reach::Only([named.clone()].into());
            return;
        }
        let raw = |named| {
            let in_raw = sessions.iter().filter(move |(session, mode)| {
                is_raw(decide(case, *mode, named)) && is_recipient(case, session, *mode)
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
        sessions: &Sessions,
        envelope: &mut Envelope,
    ) -> Option<Holders> {
        let is_copied = case.pass == Pass::Inward
            && Mode::ALL.into_iter().any(|mode| {
                sessions.iter().any(|(_, of)| *of == mode)
                    && is_wrapped(decide(case, mode, Named::There))
            });
        is_copied.then(|| envelope.facts.holders.get_or_insert_default().clone())
    }

    /// What is sent besides to sessions that have not got the original.
    fn emits(
        &self,
        case: &Case<'_>,
        original: &Stanza,
        sessions: &Sessions,
        reached: &[FullJid],
    ) -> Vec<Emit> {
        let named = match case.named() {
            Some(named) if !reached.contains(named) => Named::Absent,
            _ => Named::There,
        };
        let mut emits = Vec::new();
        for mode in Mode::ALL {
            let mut recipients: Vec<_> = sessions
                .iter()
                .filter(|(session, of)| {
                    *of == mode && !reached.contains(session) && is_recipient(case, session, mode)
                })
                .map(|(session, _)| session.clone())
                .collect();
            if recipients.is_empty() {
                continue;
            }
            let decision = decide(case, mode, named);
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
            let in_room = self.occupancy.sessions(case.account, &peer.to_bare());
            sessions.retain(|session| in_room.contains(session));
        }
    }
}

/// The sender gets nothing back, unless it speaks IM-NG: that reflects what a
/// session sends to it as well, so that all have one and the same list.
fn is_recipient(case: &Case<'_>, session: &FullJid, mode: Mode) -> bool {
    mode == Mode::ImNg || case.own_sender() != Some(session)
}

fn speaks_im_ng((_, mode): &(FullJid, Mode)) -> bool {
    *mode == Mode::ImNg
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
