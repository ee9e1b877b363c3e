use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Drop, Emit, Entity, Envelope, Event, ImNg, Occupancy, Outcome, Route, Side};
use crate::middleware::{Fault, Feature, Next, Scope, Shell};
use crate::stanza::{Condition, Kind, MessageType, Stanza, Time, ns};

use super::live::{SharedAccounts, SharedRooms};
use super::request::{self, Request, is_request};
use super::rooms::Rooms;
use super::rules::{Pass, answers_copy};
use super::{Mode, to_bare};

/// The layer of this module: [`Fork`] in its shell.
///
/// `ForkLayer::new()` has the defaults; `ForkLayer::of(Fork::new()…)` takes options.
pub type ForkLayer = Shell<Fork>;

/// The feature of this module; its documentation has the rules.
pub struct Fork {
    pub(super) accounts: SharedAccounts,
    /// What passing presence tells, unless somebody else is asked.
    tracked: Option<Arc<SharedRooms>>,
    pub(super) occupancy: Arc<dyn Occupancy>,
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
    const SCOPE: Scope = Scope::of(
        &[Kind::Message, Kind::Presence, Kind::Iq],
        &[Side::Sender, Side::Receiver],
    );

    fn name(&self) -> &'static str {
        "fork"
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        let Some(stanza) = envelope.as_stanza() else {
            return false;
        };
        match (stanza.kind(), &envelope.route) {
            (Kind::Message, Route::FromSession(session)) => {
                may_be_shared(stanza)
                    && (self.accounts.take_part(session) || answers_copy(session, stanza))
            }
            (Kind::Message, Route::ToAccount(account)) => {
                may_be_shared(stanza) && self.accounts.take_part(account)
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
            (Kind::Message, Route::FromSession(session))
                if answers_copy(session, stanza) || self.answers_fork(session, stanza) =>
            {
                Ok(Outcome::dropped(Drop::AnswerToCopy))
            }
            (Kind::Message, Route::FromSession(session)) => {
                let session = session.clone();
                let (pass, account) = (Pass::Outward(&session), to_bare(&session));
                self.share(pass, &account, envelope, next).await
            }
            (Kind::Message, Route::ToAccount(account)) => {
                let account = account.clone();
                self.share(Pass::Inward, &account, envelope, next).await
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
                accounts.end(&session);
                for mode in enabled.iter().filter_map(|name| Mode::of_namespace(name)) {
                    accounts.enable(&session, mode)?;
                }
            }
            Event::SessionEnded { session, .. } => {
                self.accounts.of_mut(&session).end(&session);
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
            // MR2 and Goal are features of the stream: see `Negotiation`.
            Entity::Server(_) => vec![
                ns::CARBONS.into(),
                ns::CARBONS_RULES.into(),
                ns::IM_NG.into(),
            ],
            _ => Vec::new(),
        }
    }
}

impl Fork {
    /// XEP-0280 §4, §5; XEP-0409: from the account, however often it is asked.
    fn answer(&self, session: &FullJid, iq: &Stanza) -> Outcome {
        let iq = iq
            .clone()
            .with_from(session.clone())
            .with_to(session.to_bare());
        let mut accounts = self.accounts.of_mut(session);
        let done = request::read(&iq).and_then(|request| match request {
            Request::Enable(mode) => accounts
                .enable(session, mode)
                .map_err(|_| Condition::ResourceConstraint),
            Request::Disable(mode) => {
                accounts.disable(session, mode);
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

impl ImNg for Fork {
    fn is_spoken_by(&self, account: &BareJid) -> bool {
        self.accounts.of(account).take_part_in(account, Mode::ImNg)
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
fn may_be_shared(message: &Stanza) -> bool {
    message.message_type() != MessageType::Groupchat
}

/// No `to` and the own bare JID mean the same (RFC 6120 §10.3.3).
fn is_for_account(iq: &Stanza, account: &Jid) -> bool {
    iq.address_fault().is_none()
        && iq
            .to()
            .is_none_or(|to| to.is_bare() && to.as_str() == super::bare(account))
}
