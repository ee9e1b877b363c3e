//! The account's side, wired.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::{BareJid, FullJid, Jid};

use crate::flow::{
    Bookmarks, Emit, Envelope, Event, Incident, Occupancy, Original, Outcome, Reach, Route, Side,
    Stage,
};
use crate::middleware::{
    Fault, Feature, Glance, Next, Questions, Scope, Shell, Sieve, decided, report,
};
use crate::stanza::{Condition, Kind, MessageType, Stanza, StanzaError, Time, Type, ns};

use super::form::{self, Ask};
use super::known::{Known, Seen, is_over};
use super::{AccountLimits, Notify, Registration, RegistrationError, Registrations};

/// The layer of the account's side: [`MucOfflineAccount`] in its shell.
pub type MucOfflineAccountLayer = Shell<MucOfflineAccount>;

/// The account's side of [`muc_offline`](super); its documentation has the rules.
pub struct MucOfflineAccount {
    store: Arc<dyn Registrations>,
    known: Mutex<Known>,
    /// The accounts in it.
    accounts: Sieve,
    seen: Mutex<Seen>,
    /// What our sessions asked rooms about registration.
    asked: Questions<Asked>,
    occupancy: Option<Arc<dyn Occupancy>>,
    bookmarks: Option<Arc<dyn Bookmarks>>,
    notify: Option<Arc<dyn Notify>>,
}

/// A request that a session sent to a room.
struct Asked {
    session: FullJid,
    ask: Ask,
}

/// What becomes of a room's message to an account. Named in traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mail {
    /// The account wants it.
    Wanted,
    /// It has come before.
    Again,
    /// The account itself is in the room: another layer's.
    Joined,
    /// Nobody asked for it.
    Stranger,
}

impl MucOfflineAccountLayer {
    /// The layer with its defaults, as it was left: registrations in `store`,
    /// which is not the store of a room's side.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(store: Arc<dyn Registrations>) -> Result<Self, RegistrationError> {
        let feature = MucOfflineAccount::open(store, AccountLimits::default()).await?;
        Ok(Shell::of(feature))
    }
}

impl MucOfflineAccount {
    /// The feature, as it was left: registrations in `store`, which is not the
    /// store of a room's side.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn open(
        store: Arc<dyn Registrations>,
        limits: AccountLimits,
    ) -> Result<Self, RegistrationError> {
        let kept = store.all().await?;
        let feature = Self {
            store,
            known: Mutex::new(Known::new(limits)),
            accounts: Sieve::default(),
            seen: Mutex::default(),
            asked: Questions::default(),
            occupancy: None,
            bookmarks: None,
            notify: None,
        };
        for registration in &kept {
            feature.took(&registration.account, &registration.room);
        }
        Ok(feature)
    }

    /// Who knows which account is itself in which room. What such a room sends
    /// is not ours.
    #[must_use]
    pub fn occupancy(mut self, occupancy: Arc<dyn Occupancy>) -> Self {
        self.occupancy = Some(occupancy);
        self
    }

    /// Bookmarked rooms (XEP-0402) may write as well.
    #[must_use]
    pub fn bookmarks(mut self, bookmarks: Arc<dyn Bookmarks>) -> Self {
        self.bookmarks = Some(bookmarks);
        self
    }

    /// Who wakes the user's devices (XEP-0357).
    #[must_use]
    pub fn notify(mut self, notify: Arc<dyn Notify>) -> Self {
        self.notify = Some(notify);
        self
    }
}

impl Feature for MucOfflineAccount {
    const SCOPE: Scope = Scope::of(&[Kind::Message, Kind::Presence], &[Side::Receiver])
        .or(Scope::of(&[Kind::Iq], &[Side::Sender, Side::Receiver]));

    fn name(&self) -> &'static str {
        NAME
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        let Some(stanza) = envelope.as_stanza() else {
            return false;
        };
        match (stanza.kind(), &envelope.route) {
            (Kind::Message, Route::ToAccount(account)) => {
                is_mail(stanza)
                    || (stanza.mentions(ns::MUC_USER) && self.accounts.may_hold(account.as_str()))
            }
            (Kind::Presence, Route::ToAccount(account)) => {
                stanza.is_type(&Type::Unavailable)
                    && stanza.mentions(ns::MUC_USER)
                    && self.accounts.may_hold(account.as_str())
            }
            (Kind::Iq, Route::FromSession(_)) => {
                form::is_request(stanza) && stanza.to().is_some_and(is_room)
            }
            (Kind::Iq, Route::ToAccount(_)) => stanza.is_response() && !self.asked.is_empty(),
            _ => false,
        }
    }

    /// Most of what rooms send goes to sessions that sit there, as a layer outside
    /// has found out.
    #[inline]
    fn glance(&self, envelope: &Envelope) -> Glance {
        match envelope.as_stanza() {
            Some(stanza) if is_mail(stanza) && is_spoken_for(envelope) => Glance::Unconcerned,
            _ => Glance::Handle,
        }
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let route = envelope.route.clone();
        let Some(stanza) = envelope.as_stanza() else {
            return next.run(envelope).await;
        };
        let learnt = match (stanza.kind(), &route) {
            (Kind::Message, Route::ToAccount(account)) if is_mail(stanza) => {
                let account = account.clone();
                return self.mail(&account, envelope, next).await;
            }
            (Kind::Iq, Route::FromSession(session)) => {
                self.asks(envelope.at, session, stanza);
                Ok(())
            }
            (Kind::Iq, Route::ToAccount(account)) => self.answered(account, stanza).await,
            (_, Route::ToAccount(account)) => self.told(account, stanza).await,
            _ => Ok(()),
        };
        let mut outcome = next.run(envelope).await?;
        if let Err(error) = learnt {
            report(&mut outcome, incident(&error));
        }
        Ok(outcome)
    }

    async fn hear(self: Arc<Self>, at: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        match event {
            Event::AccountRemoved { account } => {
                let rooms = self.lock_known().rooms(&account);
                for room in rooms {
                    self.forget(&account, &room).await?;
                }
            }
            Event::Tick => {
                self.asked.expired(at);
            }
            _ => {}
        }
        Ok(Vec::new())
    }
}

impl MucOfflineAccount {
    /// Rules 9 to 12: groupchat for the account itself.
    async fn mail(
        &self,
        account: &BareJid,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let Some(stanza) = envelope.as_stanza() else {
            return next.run(envelope).await;
        };
        let mail = match stanza.from().map(Jid::to_bare) {
            _ if is_spoken_for(&envelope) => Ok(Mail::Joined),
            None => Ok(Mail::Stranger),
            Some(room) => self.judge(account, &room, stanza).await,
        };
        decided(NAME, &mail);
        match mail {
            Ok(Mail::Joined) => next.run(envelope).await,
            Ok(Mail::Again) => Ok(Outcome::of(Original::Consumed)),
            // RFC 6121 §8.5.2.1.1.
            Ok(Mail::Stranger) => Ok(Outcome::refused(stanza, Condition::ServiceUnavailable)),
            Err(incident) => {
                let mut outcome = Outcome::refused(stanza, later());
                report(&mut outcome, incident);
                Ok(outcome)
            }
            Ok(Mail::Wanted) => {
                let message = stanza.clone();
                envelope.facts.reach = Reach::Only([].into());
                envelope.facts.wanted = true;
                let outcome = next.run(envelope).await?;
                let is_taken = !matches!(
                    outcome.original,
                    Original::Bounced(_) | Original::Dropped(_)
                );
                if let (Some(notify), true) = (&self.notify, is_taken) {
                    notify.notify(account, &message);
                }
                Ok(outcome)
            }
        }
    }

    async fn judge(
        &self,
        account: &BareJid,
        room: &BareJid,
        message: &Stanza,
    ) -> Result<Mail, Incident> {
        let occupancy = self.occupancy.as_ref();
        if occupancy.is_some_and(|occupancy| occupancy.known(account, room)) {
            return Ok(Mail::Joined);
        }
        let mut is_known = self.lock_known().knows(account, room);
        if let (Some(bookmarks), false) = (&self.bookmarks, is_known) {
            // Who cannot look must not say no for good: the room would forget
            // the account.
            let bookmarks = bookmarks.list(account).await;
            let bookmarks =
                bookmarks.map_err(|error| Incident::new(NAME, Stage::Before, error.to_string()))?;
            is_known = bookmarks.iter().any(|bookmark| bookmark.room == *room);
        }
        if !is_known {
            return Ok(Mail::Stranger);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match seen.has_come(account, room, message) {
            true => Mail::Again,
            false => Mail::Wanted,
        })
    }

    /// Rule 13: a session asks a room about registration.
    fn asks(&self, at: Time, session: &FullJid, request: &Stanza) {
        let (Some(room), Some(id), Ok(ask)) = (request.to(), request.id(), form::read(request))
        else {
            return;
        };
        if matches!(ask, Ask::Other | Ask::Register(None)) {
            return;
        }
        let asked = Asked {
            session: session.clone(),
            ask,
        };
        let account = session.to_bare();
        // If too much is open, nothing is learnt of this one; the next form
        // that is looked at tells.
        let _ = self.asked.ask(at, &account, room.clone(), id, asked);
    }

    /// The room answers.
    async fn answered(&self, account: &BareJid, answer: &Stanza) -> Result<(), RegistrationError> {
        let asked = self.asked.answered(account, answer);
        let (Some(asked), Some(room)) = (asked, answer.from()) else {
            return Ok(());
        };
        let is_for_it = answer.to().is_some_and(|to| *to == asked.session);
        if !is_for_it || answer.type_() != Some(&Type::Result) {
            return Ok(());
        }
        let wanted = match asked.ask {
            Ask::Form => form::shown(answer),
            Ask::Register(wanted) => wanted,
            Ask::Remove => Some(false),
            Ask::Other => None,
        };
        let room = room.to_bare();
        match wanted {
            Some(true) => self.keep(account, room).await,
            Some(false) => self.forget(account, &room).await,
            None => Ok(()),
        }
    }

    /// A room says what the account is to it.
    async fn told(&self, account: &BareJid, stanza: &Stanza) -> Result<(), RegistrationError> {
        match stanza.from() {
            Some(from) if is_over(stanza) => self.forget(account, &from.to_bare()).await,
            _ => Ok(()),
        }
    }

    async fn keep(&self, account: &BareJid, room: BareJid) -> Result<(), RegistrationError> {
        {
            let known = self.lock_known();
            if known.knows(account, &room) || !known.has_space(account) {
                return Ok(());
            }
        }
        let registration = Registration::new(room.clone(), account.clone());
        self.store.put(registration).await?;
        self.took(account, &room);
        Ok(())
    }

    fn took(&self, account: &BareJid, room: &BareJid) {
        if self.lock_known().put(account, room) {
            self.accounts.insert(account.as_str());
        }
    }

    async fn forget(&self, account: &BareJid, room: &BareJid) -> Result<(), RegistrationError> {
        if !self.lock_known().knows(account, room) {
            return Ok(());
        }
        self.store.remove(room, account).await?;
        if self.lock_known().remove(account, room) {
            self.accounts.remove(account.as_str());
        }
        Ok(())
    }

    fn lock_known(&self) -> MutexGuard<'_, Known> {
        // Every change of the table is whole, so a poisoned lock is as good as new.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MucOfflineAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MucOfflineAccount").finish_non_exhaustive()
    }
}

const NAME: &str = "muc_offline_account";

/// Groupchat that is for the account, not for one of its sessions.
#[inline]
fn is_mail(message: &Stanza) -> bool {
    message.message_type() == MessageType::Groupchat && message.to().is_none_or(Jid::is_bare)
}

/// A layer outside has said who gets it.
fn is_spoken_for(envelope: &Envelope) -> bool {
    envelope.facts.reach != Reach::Rfc
}

fn is_room(jid: &Jid) -> bool {
    jid.is_bare() && jid.node().is_some()
}

fn later() -> StanzaError {
    StanzaError::new(Condition::ResourceConstraint)
}

fn incident(error: &RegistrationError) -> Incident {
    Incident::new(NAME, Stage::Before, error.to_string())
}
