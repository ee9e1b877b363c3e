use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Drop, Emit, Entity, Envelope, Event, Occupancy, Outcome, Route};
use crate::middleware::{Fault, Feature, Next, Shell, decided};
use crate::stanza::{Condition, Kind, MessageType, Stanza, Time, ns};

use super::copies::copies;
use super::live::{SharedAccounts, SharedRooms};
use super::request::{self, Request};
use super::rooms::Rooms;
use super::rules::{Audience, Case, Decision, Direction, Pass, answers_copy, decide, reached};

/// The layer of this module: [`Fork`] in its shell.
///
/// `ForkLayer::new()` has the defaults; `ForkLayer::of(Fork::new()…)` takes options.
pub type ForkLayer = Shell<Fork>;

/// The feature of this module; its documentation has the rules.
pub struct Fork {
    accounts: SharedAccounts,
    /// What passing presence tells, unless somebody else is asked.
    tracked: Option<Arc<SharedRooms>>,
    occupancy: Arc<dyn Occupancy>,
}

impl ForkLayer {
    /// The layer with its defaults.
    #[must_use]
    pub fn new() -> Self {
        Shell::of(Fork::new())
    }
}

impl Fork {
    /// The feature with its defaults.
    #[must_use]
    pub fn new() -> Self {
        let rooms = Arc::new(SharedRooms::default());
        Self {
            accounts: SharedAccounts::default(),
            tracked: Some(rooms.clone()),
            occupancy: rooms,
        }
    }

    /// Whom to ask which sessions are in which room. By default the layer
    /// tells from the presence that passes; where a layer outside takes that
    /// presence in, or the host knows better, give the one who knows.
    #[must_use]
    pub fn occupancy(mut self, occupancy: Arc<dyn Occupancy>) -> Self {
        self.tracked = None;
        self.occupancy = occupancy;
        self
    }
}

impl Feature for Fork {
    fn name(&self) -> &'static str {
        "fork"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        let Some(stanza) = envelope.as_stanza() else {
            return false;
        };
        match (stanza.kind(), &envelope.route) {
            (Kind::Message, Route::FromSession(session)) => {
                may_be_copied(stanza)
                    && (self.accounts.of(session).has_enabled(session)
                        || answers_copy(session, stanza))
            }
            (Kind::Message, Route::ToAccount(account)) => {
                may_be_copied(stanza) && self.accounts.of(account).has_enabled(account)
            }
            (Kind::Iq, Route::FromSession(session)) => {
                is_request(stanza) && is_for_account(stanza, session)
            }
            (Kind::Iq, Route::ToAccount(account)) => {
                is_request(stanza) && is_for_account(stanza, account)
            }
            (Kind::Presence, Route::FromSession(_)) => self.tracks(stanza),
            (Kind::Presence, Route::ToAccount(account)) => {
                self.tracks(stanza) && self.has_seats(account)
            }
            _ => false,
        }
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let Some(stanza) = envelope.as_stanza() else {
            return next.run(envelope).await;
        };
        match (stanza.kind(), &envelope.route) {
            (Kind::Message, Route::FromSession(session)) if answers_copy(session, stanza) => {
                Ok(Outcome::dropped(Drop::AnswerToCopy))
            }
            (Kind::Message, Route::FromSession(session)) => {
                let session = session.clone();
                let (pass, account) = (Pass::Outward(&session), session.to_bare());
                self.fork(pass, &account, envelope, next).await
            }
            (Kind::Message, Route::ToAccount(account)) => {
                let account = account.clone();
                self.fork(Pass::Inward, &account, envelope, next).await
            }
            (Kind::Iq, Route::FromSession(session)) => Ok(self.answer(session, stanza)),
            // XEP-0280 §4.1: it is not the asker's account.
            (Kind::Iq, _) => Ok(Outcome::refused(stanza, Condition::NotAllowed)),
            _ => {
                self.track(&envelope.route, stanza);
                next.run(envelope).await
            }
        }
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        match event {
            Event::SessionBound { session, enabled } => {
                let mut accounts = self.accounts.of_mut(&session);
                // Whoever had the address before is gone, and so is what it
                // had switched on.
                accounts.disable(&session);
                if enabled.iter().any(|feature| feature == ns::CARBONS) {
                    accounts.enable(&session)?;
                }
            }
            Event::SessionEnded { session, .. } => {
                self.accounts.of_mut(&session).disable(&session);
                if let Some(rooms) = &self.tracked {
                    rooms.lock().ended(&session);
                }
            }
            Event::AccountRemoved { account } => {
                self.accounts.of_mut(&account).remove(&account);
                if let Some(rooms) = &self.tracked {
                    rooms.lock().removed(&account);
                }
            }
            // Hibernating and resuming leave everything as it is: what is
            // switched on belongs to the session (XEP-0198 §5).
            _ => {}
        }
        Ok(Vec::new())
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::Server(_) => vec![ns::CARBONS.into(), ns::CARBONS_RULES.into()],
            _ => Vec::new(),
        }
    }
}

impl Fork {
    /// Lets a message go on, and copies it.
    async fn fork(
        &self,
        pass: Pass<'_>,
        account: &BareJid,
        envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let Some(stanza) = envelope.as_stanza().cloned() else {
            return next.run(envelope).await;
        };
        let case = self.case(pass, account, &stanza);
        let decision = decide(&case);
        decided(self.name(), &decision);
        let Decision::Copy(_, audience) = decision else {
            return next.run(envelope).await;
        };
        // Before it goes on: an error may be back before this pass is over.
        self.remember(&case);
        let archived = envelope.facts.archived.clone();
        let mut outcome = next.run(envelope).await?;

        let Some(reached) = reached(&case, &outcome.original) else {
            return Ok(outcome);
        };
        let mut sessions = self.accounts.of(account).enabled(account);
        sessions.retain(|session| case.own_sender() != Some(session) && !reached.contains(session));
        if let (Audience::InRoom, Some(peer)) = (audience, case.peer()) {
            let in_room = self.occupancy.sessions(account, &peer.to_bare());
            sessions.retain(|session| in_room.contains(session));
        }
        if sessions.is_empty() {
            return Ok(outcome);
        }
        match pass {
            Pass::Outward(_) => {
                // Its stamp must not leave the account (XEP-0313 §3.5), so the
                // original has none.
                let mut original = stanza.clone();
                if let Some(archived) = archived.filter(|archived| archived.by == *account) {
                    original.push(archived.stamp());
                }
                let copies = copies(case.direction(), account, &original, sessions);
                // In front of what the router sends on: a session must not get
                // the answer to a message before it gets the message.
                outcome.emits.splice(0..0, copies);
            }
            // The original has been delivered by now, with its stamp.
            Pass::Inward => {
                let copies = copies(case.direction(), account, &stanza, sessions);
                outcome.emits.extend(copies);
            }
        }
        Ok(outcome)
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

    fn remember(&self, case: &Case<'_>) {
        let peer = match case.direction() {
            Direction::Sent => case.stanza.to(),
            Direction::Received => case.stanza.from(),
        };
        if let (Some(peer), Some(id), false) = (peer, case.stanza.id(), case.stanza.is_error()) {
            let mut accounts = self.accounts.of_mut(case.account);
            accounts.remember(case.account, case.direction(), peer, id);
        }
    }

    /// XEP-0280 §4, §5: from the account, however often it is asked.
    fn answer(&self, session: &FullJid, iq: &Stanza) -> Outcome {
        let iq = iq
            .clone()
            .with_from(session.clone())
            .with_to(session.to_bare());
        let mut accounts = self.accounts.of_mut(session);
        let done = request::read(&iq).and_then(|request| match request {
            Request::Enable => accounts
                .enable(session)
                .map_err(|_| Condition::ResourceConstraint),
            Request::Disable => {
                accounts.disable(session);
                Ok(())
            }
        });
        match done {
            Ok(()) => Outcome::answered(iq.reply()),
            Err(condition) => Outcome::refused(&iq, condition),
        }
    }

    fn tracks(&self, presence: &Stanza) -> bool {
        self.tracked.is_some() && Rooms::may_move(presence)
    }

    fn has_seats(&self, account: &Jid) -> bool {
        self.tracked
            .as_ref()
            .is_some_and(|rooms| rooms.lock().has_seats(account))
    }

    fn track(&self, route: &Route, presence: &Stanza) {
        let Some(rooms) = &self.tracked else {
            return;
        };
        match route {
            Route::FromSession(session) => rooms.lock().sent(session, presence),
            _ => rooms.lock().received(presence),
        }
    }
}

impl Default for Fork {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for ForkLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fork")
            .field("tracks_rooms", &self.tracked.is_some())
            .finish_non_exhaustive()
    }
}

/// Told by the head alone.
fn may_be_copied(message: &Stanza) -> bool {
    !matches!(
        message.message_type(),
        MessageType::Groupchat | MessageType::Headline
    )
}

fn is_request(iq: &Stanza) -> bool {
    iq.is_request() && iq.mentions(ns::CARBONS)
}

/// No `to` and the own bare JID mean the same (RFC 6120 §10.3.3).
fn is_for_account(iq: &Stanza, account: &Jid) -> bool {
    iq.address_fault().is_none()
        && iq
            .to()
            .is_none_or(|to| to.is_bare() && to.as_str() == super::bare(account))
}
