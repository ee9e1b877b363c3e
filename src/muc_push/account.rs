//! The account's side, wired.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};

use crate::flow::{
    Emit, Entropy, Envelope, Event, Incident, Outcome, Route, Seats, Side, Stage, bare,
};
use crate::middleware::{Fault, Feature, Next, Questions, Scope, Shell, Sieve, decided, report};
use crate::stanza::{Condition, Kind, Stanza, Time, Type, ns};

use super::enrolled::Enrolled;
use super::enrolling::Asked;
use super::{AccountLimits, TargetError, Targets, rules};

/// The layer of the account's side: [`MucPushAccount`] in its shell.
pub type MucPushAccountLayer = Shell<MucPushAccount>;

/// The account's side of [`muc_push`](super); its documentation has the rules.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use futures::executor::block_on;
/// use tower::ServiceBuilder;
/// use tower_xmpp::account_muc::AccountMucLayer;
/// use tower_xmpp::muc_push::{MucPushAccountLayer, MucPushRoomLayer, Targets};
/// use tower_xmpp::store::{MemorySeats, MemoryTargets};
/// use tower_xmpp::testkit::World;
///
/// let w = World::new();
/// let rooms = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
/// let (ours, theirs) = (Arc::new(MemoryTargets::default()), Arc::new(MemoryTargets::default()));
/// let seats = rooms.feature().clone();
/// let push = block_on(MucPushAccountLayer::open(ours, Arc::new(w.entropy()), seats))?;
/// let stack = ServiceBuilder::new()
///     .layer(push) // hears what rooms answer to accounts
///     .layer(rooms); // the account joins, not the client
/// w.host("a.example", stack);
/// let push = block_on(MucPushRoomLayer::open(theirs.clone(), Arc::new(w.entropy())))?;
/// w.host("muc.example", push).rooms("muc.example");
///
/// w.session("alice@a.example/phone").joins("tea@muc.example/Alice");
/// w.advance(Duration::from_secs(5));
/// assert_eq!(block_on(theirs.all())?[0].jid.as_str(), "alice@a.example");
/// w.finish();
/// # Ok::<_, tower_xmpp::muc_push::TargetError>(())
/// ```
pub struct MucPushAccount {
    pub(super) store: Arc<dyn Targets>,
    pub(super) entropy: Arc<dyn Entropy>,
    seats: Arc<dyn Seats>,
    enrolled: Mutex<Enrolled>,
    /// The rooms in it, once for each seat.
    rooms: Sieve,
    /// What rooms were asked.
    pub(super) asked: Questions<Asked>,
}

/// What becomes of what a stranger calls a notification. Named in traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notified {
    /// The account is in the room, or means to be: it looks.
    Looks,
    /// The account does not sit there any more.
    Left,
    /// Nobody told this room this node.
    Stranger,
}

impl MucPushAccountLayer {
    /// The layer with its defaults, as it was left: registrations in `store`,
    /// which is not the store of a room's side; nodes and ids from `entropy`;
    /// `seats` is account_muc.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(
        store: Arc<dyn Targets>,
        entropy: Arc<dyn Entropy>,
        seats: Arc<dyn Seats>,
    ) -> Result<Self, TargetError> {
        let limits = AccountLimits::default();
        let feature = MucPushAccount::open(store, entropy, seats, limits).await?;
        Ok(Shell::of(feature))
    }
}

impl MucPushAccount {
    /// The feature, as it was left: registrations in `store`, which is not the
    /// store of a room's side; nodes and ids from `entropy`; `seats` is
    /// account_muc.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(
        store: Arc<dyn Targets>,
        entropy: Arc<dyn Entropy>,
        seats: Arc<dyn Seats>,
        limits: AccountLimits,
    ) -> Result<Self, TargetError> {
        let mut enrolled = Enrolled::new(limits);
        let rooms = Sieve::default();
        for kept in store.all().await? {
            rooms.insert(kept.room.as_str());
            enrolled.restore(kept);
        }
        Ok(Self {
            store,
            entropy,
            seats,
            enrolled: Mutex::new(enrolled),
            rooms,
            asked: Questions::default(),
        })
    }
}

impl Feature for MucPushAccount {
    const SCOPE: Scope = Scope::of(&[Kind::Presence, Kind::Iq], &[Side::Sender, Side::Receiver]);

    fn name(&self) -> &'static str {
        NAME
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        let Some(stanza) = envelope.as_stanza() else {
            return false;
        };
        match (stanza.kind(), &envelope.route) {
            // Not what sessions send, which is answered without the room.
            (Kind::Presence, Route::FromAccount(_)) => {
                stanza.mentions(ns::MUC)
                    && stanza.from().is_some_and(Jid::is_bare)
                    && stanza.to().is_some_and(|to| self.may_know(to))
            }
            (Kind::Presence, Route::ToAccount(_)) => {
                is_to_account(stanza)
                    && (stanza.mentions(ns::MUC_USER)
                        || stanza.from().is_some_and(|from| self.may_know(from)))
            }
            (Kind::Iq, Route::FromSession(_)) => {
                rules::is_request(stanza) && stanza.to().is_some_and(is_room)
            }
            (Kind::Iq, Route::ToAccount(_)) => {
                is_to_account(stanza)
                    && ((stanza.is_type(&Type::Set) && stanza.mentions(ns::PUBSUB))
                        || (stanza.is_response() && !self.asked.is_empty()))
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
            (Kind::Presence, Route::FromAccount(account)) => {
                if let Some(to) = stanza.to() {
                    self.enrolled().joins(account, &to.to_bare());
                }
            }
            (Kind::Presence, Route::ToAccount(account)) => {
                let presence = stanza.clone();
                let mut outcome = next.run(envelope).await?;
                if let Err(error) = self.shown(account, &presence).await {
                    report(&mut outcome, incident(&error));
                }
                return Ok(outcome);
            }
            (Kind::Iq, Route::FromSession(session)) => {
                let room = stanza.to().map(Jid::to_bare);
                let account = session.to_bare();
                if room.is_some_and(|room| self.seats.known(&account, &room))
                    && rules::enables_itself(stanza, &account)
                {
                    return Ok(Outcome::answered(stanza.reply()));
                }
            }
            (Kind::Iq, Route::ToAccount(account)) if stanza.is_response() => {
                if let Some(outcome) = self.answered(at, account, stanza).await {
                    return Ok(outcome);
                }
            }
            (Kind::Iq, Route::ToAccount(account)) => {
                if let Some(node) = rules::notified_node(stanza) {
                    return Ok(self.notified(at, account, stanza, &node).await);
                }
            }
            _ => {}
        }
        next.run(envelope).await
    }

    async fn hear(self: Arc<Self>, at: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        match event {
            Event::Tick => {
                self.give_up(at);
                return Ok(self.ask_those_due(at));
            }
            Event::AccountRemoved { account } => {
                let rooms = self.enrolled().rooms(&account);
                for room in rooms {
                    self.forget(&account, &room).await?;
                }
            }
            _ => {}
        }
        Ok(Vec::new())
    }
}

impl MucPushAccount {
    /// A room has shown the account something: where it sits is now known to
    /// whoever keeps the seats.
    async fn shown(&self, account: &BareJid, presence: &Stanza) -> Result<(), TargetError> {
        let Some(room) = presence.from().map(Jid::to_bare) else {
            return Ok(());
        };
        if !self.seats.known(account, &room) {
            return self.forget(account, &room).await;
        }
        let is_own = presence.type_().is_none() && presence.has_muc_status(110);
        if is_own && self.enrolled().sits(account, &room) {
            self.rooms.insert(room.as_str());
        }
        Ok(())
    }

    /// Rules 11 and 12: the answer first, then the look.
    async fn notified(
        &self,
        at: Time,
        account: &BareJid,
        notification: &Stanza,
        node: &str,
    ) -> Outcome {
        // A room notifies, nobody in it.
        let room = notification.from().filter(|from| from.is_bare());
        let room = room.map(Jid::to_bare);
        let room = room.filter(|room| self.enrolled().knows(account, room, node));
        let notified = match &room {
            None => Notified::Stranger,
            Some(room) if self.seats.known(account, room) => Notified::Looks,
            Some(_) => Notified::Left,
        };
        decided(NAME, &notified);
        let mut outcome = match notified {
            Notified::Looks => Outcome::answered(notification.reply()),
            _ => Outcome::refused(notification, Condition::ItemNotFound),
        };
        match (notified, &room) {
            (Notified::Looks, Some(room)) => {
                let looks = self.seats.doubt(at, account, room).await;
                outcome.emits.extend(looks);
            }
            (Notified::Left, Some(room)) => {
                if let Err(error) = self.forget(account, room).await {
                    report(&mut outcome, incident(&error));
                }
            }
            _ => {}
        }
        outcome
    }

    async fn forget(&self, account: &BareJid, room: &BareJid) -> Result<(), TargetError> {
        let Some(gone) = self.enrolled().forget(account, room) else {
            return Ok(());
        };
        self.rooms.remove(room.as_str());
        match gone.node {
            Some(_) => self.store.remove(&gone).await,
            None => Ok(()),
        }
    }

    fn may_know(&self, room: &Jid) -> bool {
        self.rooms.may_hold(bare(room))
    }

    pub(super) fn enrolled(&self) -> MutexGuard<'_, Enrolled> {
        // Every change of the table is whole, so a poisoned lock is as good as new.
        self.enrolled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MucPushAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MucPushAccount").finish_non_exhaustive()
    }
}

const NAME: &str = "muc_push_account";

/// For the account itself, not for one of its sessions.
fn is_to_account(stanza: &Stanza) -> bool {
    stanza.to().is_none_or(Jid::is_bare)
}

fn is_room(jid: &Jid) -> bool {
    jid.is_bare() && jid.node().is_some()
}

pub(super) fn incident(error: &TargetError) -> Incident {
    Incident::new(NAME, Stage::After, error.to_string())
}
