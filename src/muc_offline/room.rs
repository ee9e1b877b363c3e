//! The room's side, wired.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};

use crate::flow::{
    Affiliation, Emit, Entity, Envelope, Event, Fate, Incident, Original, Outcome, Route, Side,
    Snapshot, Stage, bare,
};
use crate::middleware::{Fault, Feature, Next, Questions, Scope, Shell, Sieve, decided, report};
use crate::stanza::{Kind, Stanza, Time, ns};

use super::form;
use super::registering::Asked;
use super::rules::{self, Decision};
use super::state::{Bounced, Rooms};
use super::{Limits, Registration, RegistrationError, Registrations, Settings};

/// The layer of the room's side: [`MucOfflineRoom`] in its shell.
pub type MucOfflineRoomLayer = Shell<MucOfflineRoom>;

/// The room's side of [`muc_offline`](super); its documentation has the rules.
pub struct MucOfflineRoom {
    store: Arc<dyn Registrations>,
    settings: Settings,
    rooms: Mutex<Rooms>,
    /// The rooms that anybody registered with, and the accounts that did.
    known: Sieve,
    /// Requests about registration that the rooms answer later.
    pub(super) asked: Questions<Asked>,
}

impl MucOfflineRoomLayer {
    /// The layer with its defaults, as it was left: registrations in `store`.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(store: Arc<dyn Registrations>) -> Result<Self, RegistrationError> {
        let feature = MucOfflineRoom::open(store, Settings::default(), Limits::default()).await?;
        Ok(Shell::of(feature))
    }
}

impl MucOfflineRoom {
    /// The feature, as it was left: registrations in `store`.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(
        store: Arc<dyn Registrations>,
        settings: Settings,
        limits: Limits,
    ) -> Result<Self, RegistrationError> {
        let kept = store.all().await?;
        let feature = Self {
            store,
            settings,
            rooms: Mutex::new(Rooms::new(limits)),
            known: Sieve::default(),
            asked: Questions::default(),
        };
        for registration in &kept {
            feature.took(registration);
        }
        Ok(feature)
    }
}

impl Feature for MucOfflineRoom {
    const SCOPE: Scope = Scope::of(&[Kind::Message, Kind::Presence, Kind::Iq], &[Side::Room]);

    fn name(&self) -> &'static str {
        NAME
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        let Some(stanza) = envelope.as_stanza() else {
            return false;
        };
        match (stanza.kind(), &envelope.route) {
            (Kind::Message, Route::Broadcast(snapshot)) => {
                self.known.may_hold(snapshot.room.as_str())
            }
            (Kind::Message, Route::ToRoom(room)) => {
                stanza.is_error() && self.known.may_hold(room.as_str())
            }
            (Kind::Iq, Route::ToRoom(_)) => form::is_request(stanza),
            (Kind::Iq, Route::FromRoom { .. }) => stanza.is_response() && !self.asked.is_empty(),
            (Kind::Presence, Route::FromRoom { room, to }) => {
                stanza.type_().is_none()
                    && stanza.mentions(ns::MUC_USER)
                    && self.known.may_hold(room.as_str())
                    && self.known.may_hold(bare(to))
            }
            _ => false,
        }
    }

    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let route = envelope.route.clone();
        let kind = envelope.as_stanza().map(Stanza::kind);
        match (kind, &route) {
            (Some(Kind::Message), Route::Broadcast(snapshot)) => {
                let lost = self.forward(&mut envelope, snapshot);
                let mut outcome = next.run(envelope).await?;
                if let Some(lost) = lost {
                    report(&mut outcome, lost);
                }
                Ok(outcome)
            }
            (Some(Kind::Message), Route::ToRoom(room)) => self.failed(room, envelope, next).await,
            (Some(Kind::Iq), Route::ToRoom(room)) => self.asked(room, envelope, next).await,
            (Some(Kind::Iq), Route::FromRoom { to, .. }) => {
                if let Some(stanza) = envelope.as_stanza_mut() {
                    self.answers(to, stanza).await;
                }
                next.run(envelope).await
            }
            (Some(Kind::Presence), Route::FromRoom { room, to }) => {
                let seen = match envelope.as_stanza() {
                    Some(presence) if is_own(presence) => self.entered(room, to).await,
                    _ => Ok(()),
                };
                let mut outcome = next.run(envelope).await?;
                if let Err(error) = seen {
                    report(&mut outcome, incident(&error));
                }
                Ok(outcome)
            }
            _ => next.run(envelope).await,
        }
    }

    async fn hear(self: Arc<Self>, at: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        match event {
            // Both ends of it: XEP-0045 §9.1, §9.4.
            Event::AffiliationChanged {
                room,
                user,
                affiliation: affiliation @ (Affiliation::Outcast | Affiliation::None),
            } => {
                if self.rooms().paused(&room, &user).is_some() {
                    self.forget(&room, &user).await?;
                }
                // A ban is more than a kick, and so is its end.
                if affiliation == Affiliation::Outcast {
                    self.forgive(&room, &user);
                }
            }
            Event::OccupantKicked { room, user } => self.pause(&room, &user, true).await?,
            Event::RoomDestroyed { room } => self.forget_room(&room).await?,
            Event::Tick => {
                self.asked.expired(at);
                let due = self.rooms().due(at);
                return Ok(due
                    .into_iter()
                    .map(|(room, to, stanza)| {
                        Emit::new_at(Route::FromRoom { room, to }, stanza).with_fate(Fate::Drop)
                    })
                    .collect());
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::RoomService(_) | Entity::Room(_) => vec![ns::MUC_OFFLINE.into()],
            _ => Vec::new(),
        }
    }
}

impl MucOfflineRoom {
    /// Rule 3: who gets it is decided while it is broadcast.
    fn forward(&self, envelope: &mut Envelope, snapshot: &Arc<Snapshot>) -> Option<Incident> {
        let at = envelope.at;
        let stanza = envelope.as_stanza()?;
        let decision = rules::decide(stanza, &self.settings);
        decided(NAME, &decision);
        let Decision::Forward(_) = decision else {
            return None;
        };
        let (away, done) = self.rooms().forward(at, snapshot, stanza);
        envelope.facts.away = away;
        let lost = done.err()?;
        let what = format!("{lost} members will not get a message: too much waits for its turn");
        Some(Incident::new(NAME, Stage::Before, what))
    }

    /// Rule 7: an error about something that was forwarded is ours. The room
    /// would take its sender for an occupant.
    async fn failed(
        &self,
        room: &BareJid,
        envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let told = envelope.as_stanza().and_then(|stanza| {
            // Whoever is in the room answers from where it sits; a server
            // answers for the account.
            let from = stanza.from().filter(|from| from.is_bare())?;
            Some((from.to_bare(), stanza.id(), stanza.error()?))
        });
        let Some((account, id, error)) = told else {
            return next.run(envelope).await;
        };
        let bounce = rules::bounce(&error);
        let bounced = self.rooms().bounced(room, &account, id, bounce);
        match bounced {
            Bounced::NotOurs => return next.run(envelope).await,
            Bounced::Noted => {}
            Bounced::Over => self.forget(room, &account).await?,
        }
        decided(NAME, &(bounce, bounced));
        Ok(Outcome::of(Original::Consumed))
    }

    /// Rule 6: the account is in the room again.
    async fn entered(&self, room: &BareJid, to: &Jid) -> Result<(), RegistrationError> {
        let account = to.to_bare();
        self.rooms().entered(room, &account);
        self.forgive(room, &account);
        self.pause(room, &account, false).await
    }

    /// Rule 6: a kick pauses, coming back resumes.
    async fn pause(
        &self,
        room: &BareJid,
        account: &BareJid,
        paused: bool,
    ) -> Result<(), RegistrationError> {
        let was_paused = self.rooms().paused(room, account);
        if was_paused.is_none_or(|was| was == paused) {
            return Ok(());
        }
        let mut registration = Registration::new(room.clone(), account.clone());
        registration.paused = paused;
        self.keep(registration).await
    }

    /// Durable first, then in force.
    pub(super) async fn keep(&self, registration: Registration) -> Result<(), RegistrationError> {
        self.store.put(registration.clone()).await?;
        self.took(&registration);
        Ok(())
    }

    fn took(&self, registration: &Registration) {
        let mut rooms = self.rooms();
        let (is_first, is_new) = rooms.put(registration);
        if is_first {
            self.known.insert(registration.room.as_str());
        }
        if is_new {
            self.known.insert(registration.account.as_str());
        }
    }

    /// Deliberately at once, and only then in the store: who is banned gets
    /// nothing more, also if the disk is full.
    pub(super) async fn forget(
        &self,
        room: &BareJid,
        account: &BareJid,
    ) -> Result<(), RegistrationError> {
        let gone = self.rooms().remove(room, account);
        self.unknow(room, account, gone);
        self.store.remove(room, account).await
    }

    fn forgive(&self, room: &BareJid, account: &BareJid) {
        let gone = self.rooms().forgive(room, account);
        self.unknow(room, account, gone);
    }

    fn unknow(&self, room: &BareJid, account: &BareJid, (room_gone, account_gone): (bool, bool)) {
        if room_gone {
            self.known.remove(room.as_str());
        }
        if account_gone {
            self.known.remove(account.as_str());
        }
    }

    async fn forget_room(&self, room: &BareJid) -> Result<(), RegistrationError> {
        let gone = self.rooms().remove_room(room);
        if !gone.is_empty() {
            self.known.remove(room.as_str());
        }
        for account in gone {
            self.known.remove(account.as_str());
        }
        self.store.remove_room(room).await
    }

    pub(super) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Every change of the tables is whole, so a poisoned lock is as good as new.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MucOfflineRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MucOfflineRoom")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

const NAME: &str = "muc_offline_room";

pub(super) fn incident(error: &RegistrationError) -> Incident {
    Incident::new(NAME, Stage::After, error.to_string())
}

/// Whether a presence tells its recipient that it is in the room.
fn is_own(presence: &Stanza) -> bool {
    presence.type_().is_none() && presence.has_muc_status(110)
}
