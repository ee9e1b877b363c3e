use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Emit, Entity, Entropy, Envelope, Event, ImNg, Outcome, Route, Side, What};
use crate::middleware::{Fault, Feature, Next, Scope, Shell};
use crate::stanza::{Element, Kind, Time, ns};

use super::port::{Access, ArchiveError, ArchiveStore, Contacts, RoomAccess};
use super::state::{Known, Tokens};
use super::{PageSettings, Settings, answer, rules, serve};

/// The layer of this module: [`Archive`] in its shell.
///
/// `ArchiveLayer::new(store, entropy)` has the defaults;
/// `ArchiveLayer::of(Archive::new(store, entropy)…)` takes options.
pub type ArchiveLayer = Shell<Archive>;

/// The feature of this module; its documentation has the rules.
pub struct Archive {
    pub(super) store: Arc<dyn ArchiveStore>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) settings: Settings,
    pub(super) page: PageSettings,
    pub(super) contacts: Option<Arc<dyn Contacts>>,
    pub(super) im_ng: Option<Arc<dyn ImNg>>,
    rooms: Option<Arc<dyn RoomAccess>>,
    acked_means_archived: bool,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) known: Mutex<Known>,
}

impl ArchiveLayer {
    /// The layer with its defaults: archives in `store`, IDs from `entropy`.
    pub fn new(store: Arc<dyn ArchiveStore>, entropy: Arc<dyn Entropy>) -> Self {
        Shell::of(Archive::new(store, entropy))
    }
}

impl Archive {
    /// The feature with its defaults: archives in `store`, IDs from `entropy`.
    pub fn new(store: Arc<dyn ArchiveStore>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            entropy,
            settings: Settings::default(),
            page: PageSettings::default(),
            contacts: None,
            im_ng: None,
            rooms: None,
            acked_means_archived: false,
            tokens: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// What is archived beyond what must be.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// How much one query may bring.
    #[must_use]
    pub fn pages(mut self, page: PageSettings) -> Self {
        self.page = page;
        self
    }

    /// Whom to ask who is a contact. Without, `default='roster'` is refused
    /// (XEP-0441).
    #[must_use]
    pub fn contacts(mut self, contacts: Arc<dyn Contacts>) -> Self {
        self.contacts = Some(contacts);
        self
    }

    /// Whom to ask who speaks IM-NG, usually the fork layer's feature: then
    /// what is marked `<im-ng/>` for one session alone is not archived.
    #[must_use]
    pub fn im_ng(mut self, im_ng: Arc<dyn ImNg>) -> Self {
        self.im_ng = Some(im_ng);
        self
    }

    /// Archives for rooms as well, read by whom this lets. Without, rooms have
    /// none.
    #[must_use]
    pub fn rooms(mut self, access: Arc<dyn RoomAccess>) -> Self {
        self.rooms = Some(access);
        self
    }

    /// The host's promise that it acknowledges a stanza (XEP-0198) only when
    /// [`Ticket::handled`](crate::host::Ticket::handled) has resolved: then an
    /// acknowledged message is in the archive, or its sender has been told
    /// that it is not. It is announced to clients as `tower-xmpp:ack:0`.
    #[must_use]
    pub fn acked_means_archived(mut self) -> Self {
        self.acked_means_archived = true;
        self
    }

    /// Gives a session its token, as its IQ would: for hosts that offer it
    /// inline in Bind 2 (XEP-0386), after
    /// [`SessionBound`](Event::SessionBound). `previous` is the token that the
    /// client says it had before.
    pub fn give_token(&self, session: &FullJid, previous: Option<&str>) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = tokens.ask(session, previous, &*self.entropy);
        asked.token.to_string()
    }

    /// The `<metadata/>` of an archive (XEP-0313 §5): for the `<bound/>` of
    /// Bind 2. What is archived later is delivered to whoever is bound when
    /// this is called.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn metadata(&self, archive: &BareJid) -> Result<Element, ArchiveError> {
        let ends = self.ends(archive).await?;
        Ok(answer::metadata(ends.as_ref().map(|(old, new)| (old, new))))
    }

    pub(super) fn access(&self, room: &BareJid, asker: &Jid) -> Access {
        match &self.rooms {
            Some(rooms) => rooms.access(room, asker),
            None => Access::Denied,
        }
    }
}

impl Feature for Archive {
    const SCOPE: Scope = Scope::of(
        &[Kind::Message, Kind::Iq],
        &[Side::Sender, Side::Receiver, Side::Room],
    );

    fn name(&self) -> &'static str {
        NAME
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        let What::Stanza(stanza) = &envelope.what else {
            return false;
        };
        match (stanza.kind(), rules::direction(&envelope.route)) {
            (Kind::Message, Some(direction)) => {
                envelope.facts.wanted || rules::may_concern(stanza, direction, &self.settings)
            }
            (Kind::Message, None) => {
                self.rooms.is_some() && matches!(envelope.route, Route::Broadcast(_))
            }
            (Kind::Iq, _) => serve::concerns(&envelope.route, stanza, self.rooms.is_some()),
            (Kind::Presence, _) => false,
        }
    }

    /// Nothing here returns early with an error before the original goes on:
    /// the shell would let it go on as it came, forged IDs and all.
    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        if let Some(request) = envelope.as_stanza()
            && request.kind() == Kind::Iq
        {
            // Boxed, so that a message's future has no room for all of it.
            return Ok(Box::pin(self.answer(&envelope, request)).await);
        }
        let filed = self.file(&mut envelope).await;
        let mut outcome = next.run(envelope).await?;
        filed.add_to(&mut outcome);
        Ok(outcome)
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        let tokens = || self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::SessionBound { session, enabled } => {
                // Whoever had the address before is gone.
                tokens().end(&session);
                if enabled.iter().any(|feature| feature == ns::ARCHIVE_ID) {
                    self.give_token(&session, None);
                }
            }
            Event::SessionEnded { session, .. } => tokens().end(&session),
            Event::AccountRemoved { account } => {
                tokens().remove(&account);
                self.known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .forget(&account);
                self.store.remove(&account).await?;
            }
            Event::RoomDestroyed { room } if self.rooms.is_some() => {
                self.store.remove(&room).await?;
            }
            // Hibernating and resuming leave tokens as they are: they belong
            // to the session (XEP-0198 §5).
            _ => {}
        }
        Ok(Vec::new())
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        let mut announced = match entity {
            Entity::Account(_) => vec![ns::SID, ns::MAM, ns::MAM_EXTENDED, ns::ARCHIVE_ID],
            // Deliberately, though the archive is the account's (XEP-0313 §4):
            // Prosody and ejabberd say it here, too, and there are clients that
            // look nowhere else (profanity).
            Entity::Server(_) => vec![ns::MAM],
            Entity::Room(_) if self.rooms.is_some() => vec![ns::SID, ns::MAM, ns::MAM_EXTENDED],
            _ => Vec::new(),
        };
        if matches!(entity, Entity::Account(_)) {
            if self.acked_means_archived {
                announced.push(ns::ACK);
            }
            if self.settings.groupchat {
                announced.extend([ns::MAM_GROUPCHAT_FIELD, ns::MAM_GROUPCHAT_AVAILABLE]);
            }
        }
        announced.into_iter().map(Cow::Borrowed).collect()
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

pub(super) const NAME: &str = "archive";
