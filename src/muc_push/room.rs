use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};

use crate::flow::{
    Affiliation, Emit, Entity, Entropy, Envelope, Event, Fate, Incident, Original, Outcome, Route,
    Side, Snapshot, Stage, bare,
};
use crate::middleware::{Fault, Feature, Next, Scope, Shell, Sieve, decided, report};
use crate::stanza::{Condition, ErrorType, Kind, Stanza, StanzaError, Time, Type, ns};

use super::audience::Said;
use super::rules::{self, Ask};
use super::state::{Rooms, Told};
use super::{Doors, Limits, Settings, Target, TargetError, Targets};

/// The layer of this module: [`MucPushRoom`] in its shell.
pub type MucPushRoomLayer = Shell<MucPushRoom>;

/// The room's side of [`muc_push`](super); its documentation has the rules.
pub struct MucPushRoom {
    store: Arc<dyn Targets>,
    entropy: Arc<dyn Entropy>,
    doors: Option<Arc<dyn Doors>>,
    settings: Settings,
    limits: Limits,
    rooms: Mutex<Rooms>,
    /// Rooms and services with targets, and the accounts of those.
    known: Sieve,
}

impl MucPushRoomLayer {
    /// The layer with its defaults, as it was left: targets in `store`, ids
    /// from `entropy`.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(
        store: Arc<dyn Targets>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, TargetError> {
        let limits = Limits::default();
        Ok(Shell::of(MucPushRoom::open(store, entropy, limits).await?))
    }
}

impl MucPushRoom {
    /// The feature, as it was left: targets in `store`, ids from `entropy`.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(
        store: Arc<dyn Targets>,
        entropy: Arc<dyn Entropy>,
        limits: Limits,
    ) -> Result<Self, TargetError> {
        let kept = store.all().await?;
        let feature = Self {
            store,
            entropy,
            doors: None,
            settings: Settings::default(),
            limits,
            rooms: Mutex::new(Rooms::new(limits)),
            known: Sieve::default(),
        };
        for target in kept {
            feature.took(target);
        }
        Ok(feature)
    }

    /// What notifications contain, and when they are sent.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Who may enter which room. Without it everybody may register, and who
    /// may not enter is found out when there is something to tell.
    #[must_use]
    pub fn doors(mut self, doors: Arc<dyn Doors>) -> Self {
        self.doors = Some(doors);
        self
    }
}

impl Feature for MucPushRoom {
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
            (Kind::Message, Route::Broadcast(snapshot)) => self.may_know(&snapshot.room),
            (Kind::Iq, Route::ToRoom(room)) => {
                rules::is_request(stanza) || (stanza.is_response() && self.may_know(room))
            }
            (Kind::Presence, Route::FromRoom { room, to }) => {
                stanza.type_().is_none()
                    && stanza.mentions(ns::MUC_USER)
                    && self.known.may_hold(bare(to))
                    && self.may_know(room)
            }
            _ => false,
        }
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let (at, route) = (envelope.at, envelope.route.clone());
        let Some(stanza) = envelope.as_stanza() else {
            return next.run(envelope).await;
        };
        match (stanza.kind(), &route) {
            (Kind::Message, Route::Broadcast(snapshot)) => {
                let snapshot = snapshot.clone();
                return self.said(&snapshot, envelope, next).await;
            }
            (Kind::Iq, Route::ToRoom(room)) if stanza.is_request() => {
                let is_for_room = stanza.to().is_some_and(|to| *to == *room);
                let from = stanza.from().filter(|_| is_for_room);
                let asked = from.and_then(|from| rules::read(stanza, room, from, &self.limits));
                if let Some(asked) = asked {
                    return Ok(self.asked(room, stanza, asked).await);
                }
            }
            (Kind::Iq, Route::ToRoom(room)) => {
                if let Some(outcome) = self.answered(at, room, stanza).await {
                    return Ok(outcome);
                }
            }
            (Kind::Presence, Route::FromRoom { room, to }) if is_own(stanza) => {
                self.rooms().entered(room, to);
            }
            _ => {}
        }
        next.run(envelope).await
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        match event {
            Event::RoomStarted { room } => self.rooms().started(&room),
            Event::RoomDestroyed { room } => self.forget(&room, |_| true).await?,
            Event::AffiliationChanged {
                room,
                user,
                affiliation: Affiliation::Outcast,
            } => {
                self.forget(&room, |target| target.account == user).await?;
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::RoomService(_) | Entity::Room(_) => vec![ns::PUSH.into()],
            _ => Vec::new(),
        }
    }
}

impl MucPushRoom {
    /// Rules 1 to 3.
    async fn asked(
        &self,
        room: &BareJid,
        request: &Stanza,
        asked: Result<Ask, Condition>,
    ) -> Outcome {
        let done = match asked {
            Ok(Ask::Enable(target)) => match self.admits(room, &target) {
                Ok(()) => self.keep(target).await,
                Err(condition) => return Outcome::refused(request, condition),
            },
            Ok(Ask::Disable { jid, node }) => {
                let account = request.from().map(Jid::to_bare);
                self.forget(room, |target| {
                    Some(&target.account) == account.as_ref()
                        && target.jid == jid
                        && (node.is_none() || target.node == node)
                })
                .await
            }
            Err(condition) => return Outcome::refused(request, condition),
        };
        match done {
            Ok(()) => Outcome::answered(request.reply()),
            Err(error) => {
                let later = StanzaError::new(Condition::InternalServerError);
                let mut outcome = Outcome::refused(request, later.with_type(ErrorType::Wait));
                report(&mut outcome, incident(&error));
                outcome
            }
        }
    }

    fn admits(&self, room: &BareJid, target: &Target) -> Result<(), Condition> {
        if !self.rooms().has_space(target) {
            return Err(Condition::ResourceConstraint);
        }
        match &self.doors {
            // A service has no doors.
            Some(doors) if room.node().is_some() => {
                rules::may_register(doors.standing(room, &target.account))
            }
            _ => Ok(()),
        }
    }

    /// Rules 4 to 7.
    async fn said(
        &self,
        snapshot: &Snapshot,
        envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let mut told = Told::default();
        if let Some(message) = envelope.as_stanza() {
            let said = Said {
                at: envelope.at,
                snapshot,
                audience: envelope.facts.audience.as_ref(),
                author: envelope.facts.author.as_deref(),
                message,
            };
            let mut numbers = Numbers::new(&*self.entropy);
            told = self.rooms().say(said, &self.settings, || numbers.draw());
        }
        decided(NAME, &(told.send.len(), told.over.len()));
        let mut outcome = next.run(envelope).await?;
        outcome.emits.reserve(told.send.len());
        for notification in told.send {
            let to = notification.to().cloned();
            outcome.emits.extend(to.map(|to| {
                let room = snapshot.room.clone();
                Emit::new_at(Route::FromRoom { room, to }, notification).with_fate(Fate::Bounce)
            }));
        }
        if let Err(error) = self.forgot(told.over).await {
            report(&mut outcome, incident(&error));
        }
        Ok(outcome)
    }

    /// Rule 8.
    async fn answered(&self, at: Time, room: &BareJid, answer: &Stanza) -> Option<Outcome> {
        let from = answer.from()?;
        let answered = self
            .rooms()
            .answered(at, room, from, answer, &self.settings);
        let (verdict, over) = answered?;
        decided(NAME, &verdict);
        let mut outcome = Outcome::of(Original::Consumed);
        if let Err(error) = self.forgot(over.into_iter().collect()).await {
            report(&mut outcome, incident(&error));
        }
        Some(outcome)
    }

    /// Durable first, then in force.
    async fn keep(&self, target: Target) -> Result<(), TargetError> {
        self.store.put(target.clone()).await?;
        let replaced = self.took(target.clone());
        for old in replaced.iter().filter(|old| !old.is_same(&target)) {
            self.store.remove(old).await?;
        }
        Ok(())
    }

    fn took(&self, target: Target) -> Vec<Target> {
        self.known.insert(target.room.as_str());
        self.known.insert(target.account.as_str());
        let replaced = self.rooms().put(target);
        self.unknow(&replaced);
        replaced
    }

    /// Deliberately at once, and only then in the store: after disable nothing
    /// is published (XEP-0357 §6), also if the disk is full.
    async fn forget(
        &self,
        room: &BareJid,
        doomed: impl FnMut(&Target) -> bool,
    ) -> Result<(), TargetError> {
        let gone = self.rooms().remove(room, doomed);
        self.forgot(gone).await
    }

    async fn forgot(&self, gone: Vec<Target>) -> Result<(), TargetError> {
        self.unknow(&gone);
        for target in &gone {
            self.store.remove(target).await?;
        }
        Ok(())
    }

    fn unknow(&self, gone: &[Target]) {
        for target in gone {
            self.known.remove(target.room.as_str());
            self.known.remove(target.account.as_str());
        }
    }

    #[inline]
    fn may_know(&self, room: &BareJid) -> bool {
        self.known.may_hold(room.as_str()) || self.known.may_hold(room.domain().as_str())
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Every change of the table is whole, so a poisoned lock is as good as new.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MucPushRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MucPushRoom")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

const NAME: &str = "muc_push_room";

/// Random numbers, drawn from the host many at a time: it may have to ask its
/// system for them.
struct Numbers<'a> {
    entropy: &'a dyn Entropy,
    drawn: [u8; 512],
    used: usize,
}

impl<'a> Numbers<'a> {
    fn new(entropy: &'a dyn Entropy) -> Self {
        let drawn = [0; 512];
        Self {
            entropy,
            used: drawn.len(),
            drawn,
        }
    }

    fn draw(&mut self) -> u64 {
        if self.used == self.drawn.len() {
            self.entropy.fill(&mut self.drawn);
            self.used = 0;
        }
        let number = self.drawn[self.used..].first_chunk().copied();
        self.used += 8;
        u64::from_le_bytes(number.unwrap_or_default())
    }
}

fn incident(error: &TargetError) -> Incident {
    Incident::new(NAME, Stage::After, error.to_string())
}

/// Whether a presence tells its recipient that it is in the room.
fn is_own(presence: &Stanza) -> bool {
    presence.type_() != Some(&Type::Unavailable) && presence.has_muc_status(110)
}
