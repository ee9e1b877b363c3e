use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use jid::{BareJid, FullJid, Jid};

use crate::flow::{
    Bookmark, Bookmarks, Emit, Entity, Entropy, Envelope, Event, Occupancy, Original, Outcome,
    Route, Seats, Side,
};
use crate::middleware::{
    Fault, Feature, Glance, Next, OnFailure, PendingLimits, Scope, Shell, report,
};
use crate::stanza::{Kind, NsSet, Stanza, Time, Type, ns};

use super::desk::{Desk, Done};
use super::inbox::{Inbox, Wish};
use super::machine::Machine;
use super::muc;
use super::options::Options;
use super::outward;
use super::passes::handed_over;
use super::port::{SeatError, SeatStore};

/// The layer of this module: [`AccountMuc`] in its shell.
///
/// `AccountMucLayer::new(store, entropy)` has the defaults;
/// `AccountMucLayer::of(AccountMuc::new(store, entropy)…)` takes options.
pub type AccountMucLayer = Shell<AccountMuc>;

/// The feature of this module; its documentation has the rules.
pub struct AccountMuc {
    pub(super) desk: Desk,
    inbox: Arc<Inbox>,
    bookmarks: Option<Arc<dyn Bookmarks>>,
}

pub(super) const NAME: &str = "account_muc";

impl AccountMucLayer {
    /// The layer with its defaults: seats in `store`, ids from `entropy`.
    pub fn new(store: Arc<dyn SeatStore>, entropy: Arc<dyn Entropy>) -> Self {
        Shell::of(AccountMuc::new(store, entropy))
    }
}

impl AccountMuc {
    /// The feature with its defaults: seats in `store`, ids from `entropy`.
    pub fn new(store: Arc<dyn SeatStore>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            desk: Desk::new(store, entropy),
            inbox: Arc::default(),
            bookmarks: None,
        }
    }

    /// How the layer behaves.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.desk.table.options = options;
        self
    }

    /// The bounds of requests that await an answer of a room or an occupant.
    /// A session's request beyond them is refused with `resource-constraint`.
    #[must_use]
    pub fn requests(mut self, limits: PendingLimits) -> Self {
        self.desk.limit_requests(limits);
        self
    }

    /// Lets bookmarks (XEP-0402) say which rooms the account joins.
    #[must_use]
    pub fn bookmarks(mut self, bookmarks: Arc<dyn Bookmarks>) -> Self {
        let inbox = self.inbox.clone();
        bookmarks.subscribe(Box::new(move |change| inbox.changed(change)));
        self.bookmarks = Some(bookmarks);
        self
    }

    /// Takes up the seats that were kept when the process ended, and says how
    /// many. To be called once, before anything enters the stack: what rooms
    /// send to accounts that are not known here is refused, which would expel
    /// them. With the first ticks the rooms are joined again, so many at a time
    /// as [`Options::probes_per_tick`] allows.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    pub async fn restore(&self) -> Result<usize, SeatError> {
        self.desk.restore().await
    }

    /// Lets an account leave a room, with all its sessions, at the next tick:
    /// for a user's or an administrator's command.
    pub fn leave(&self, account: BareJid, room: BareJid) {
        self.inbox.push(account, room, Wish::Leave);
    }
}

impl Feature for AccountMuc {
    const SCOPE: Scope = Scope::of(
        &[Kind::Message, Kind::Presence, Kind::Iq],
        &[Side::Sender, Side::Receiver],
    );

    fn name(&self) -> &'static str {
        NAME
    }

    /// Membership fails closed: half a join would be worse than none. What
    /// comes in from a room is never refused, whatever happens: see `inward`.
    fn on_failure(&self) -> OnFailure {
        OnFailure::Refuse
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        let Some(stanza) = envelope.as_stanza() else {
            return false;
        };
        match &envelope.route {
            Route::FromSession(session) => self.concerns_outward(session, stanza),
            Route::FromAccount(_) => stanza.from().is_some_and(Jid::is_full),
            Route::ToAccount(account) => self.concerns_inward(account, stanza),
            _ => false,
        }
    }

    #[inline]
    fn glance(&self, envelope: &Envelope) -> Glance {
        self.listen(envelope)
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        // Boxed are the ways that few stanzas take, so that a room's are not
        // moved about in futures of their size.
        match &envelope.route {
            Route::ToAccount(_) => self.inward(envelope, next).await,
            Route::FromSession(session) => {
                let session = session.clone();
                Box::pin(self.hand_over(&session, envelope, next)).await
            }
            Route::FromAccount(account) => {
                let account = account.clone();
                Box::pin(self.outward(&account, envelope, next)).await
            }
            _ => next.run(envelope).await,
        }
    }

    async fn hear(self: Arc<Self>, at: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        let mut done = Done::default();
        match event {
            Event::SessionEnded { session, .. } if self.desk.table.has_account(&session) => {
                let gone = Stanza::presence().with_type(Type::Unavailable);
                return Ok(vec![handed_over(&session, gone)]);
            }
            Event::SessionBound { session, .. } => self.read_bookmarks(&session.to_bare()).await?,
            Event::AccountRemoved { account } => done = self.desk.remove(at, &account).await?,
            Event::SeatSuspect { account, room } => {
                done = self
                    .desk
                    .visit(at, &account, &room, Machine::doubt_it)
                    .await
                    .done;
            }
            Event::LinkLost { domain } => self.desk.link_changed(at, &domain, false),
            Event::LinkBack { domain } => self.desk.link_changed(at, &domain, true),
            Event::Tick => {
                let wishes = self.grant(at).await;
                done = self.desk.tick(at).await;
                done.emits.splice(0..0, wishes.emits);
                done.incidents.extend(wishes.incidents);
            }
            _ => {}
        }
        match done.incidents.pop() {
            Some(incident) if done.emits.is_empty() => Err(incident.what.into()),
            Some(incident) => {
                // An error would take the emits with it; so it is only counted
                // and traced.
                report(&mut Outcome::of(Original::Heard), incident);
                Ok(done.emits)
            }
            None => Ok(done.emits),
        }
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::Account(_) | Entity::Server(_) => vec![ns::MUC2_PAM.into()],
            _ => Vec::new(),
        }
    }
}

impl Occupancy for AccountMuc {
    fn known(&self, account: &BareJid, room: &BareJid) -> bool {
        self.desk.table.known(account, room)
    }

    fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid> {
        self.desk.table.sessions(account, room)
    }
}

#[async_trait]
impl Seats for AccountMuc {
    async fn doubt(&self, at: Time, account: &BareJid, room: &BareJid) -> Vec<Emit> {
        let doubted = self.desk.visit(at, account, room, Machine::doubt_it).await;
        doubted.done.emits
    }
}

/// What a session mentions that would join a room which is not known yet.
const ASKING: NsSet = NsSet::of(&[ns::MUC, ns::MUC2]);

impl AccountMuc {
    /// A session's join; its presence to everybody, when it goes; whatever it
    /// sends to a room that the account knows; MUC2-PAM.
    #[inline]
    fn concerns_outward(&self, session: &FullJid, stanza: &Stanza) -> bool {
        match stanza.to() {
            // Most stanzas: what is to nobody whom we know as a room.
            Some(to) if !self.desk.table.may_have(to) => {
                stanza.mentions_any(&ASKING)
                    && (outward::is_join(stanza) || outward::is_pam(session, stanza))
            }
            _ => self.concerns_known(session, stanza),
        }
    }

    #[inline(never)]
    fn concerns_known(&self, session: &FullJid, stanza: &Stanza) -> bool {
        let table = &self.desk.table;
        match (stanza.kind(), stanza.to()) {
            (Kind::Presence, None) => {
                stanza.is_type(&Type::Unavailable)
                    && stanza.address_fault().is_none()
                    && table.has_account(session)
            }
            (Kind::Presence, Some(to)) => outward::is_join(stanza) || table.has(session, to),
            (Kind::Message, Some(to)) => table.has(session, to),
            (Kind::Iq, Some(to)) if table.has(session, to) => {
                to.is_full() || stanza.mentions(ns::MUC_ADMIN)
            }
            (Kind::Iq, _) => outward::is_pam(session, stanza),
            (Kind::Message, None) => false,
        }
    }

    /// Whatever a known room sends to the account itself; presence that only
    /// a room would send.
    fn concerns_inward(&self, account: &BareJid, stanza: &Stanza) -> bool {
        if stanza.to().is_some_and(Jid::is_full) {
            return false;
        }
        let Some(from) = stanza.from() else {
            return false;
        };
        let table = &self.desk.table;
        let is_known = match stanza.kind() {
            // Looked up once, when it is listened to.
            Kind::Message => table.may_have(from),
            Kind::Presence | Kind::Iq => table.has(account, from),
        };
        is_known
            || (stanza.kind() == Kind::Presence
                && from.is_full()
                && matches!(stanza.type_(), None | Some(Type::Unavailable))
                && stanza.mentions(ns::MUC_USER))
            || (self.bookmarks.is_some() && muc::may_readmit(stanza))
    }

    /// The account may come into a room again from which it was kept: it does,
    /// if a bookmark wants it there.
    pub(super) async fn readmitted(&self, account: &BareJid, room: &BareJid) -> Result<(), Fault> {
        if let Some(bookmark) = self.autojoin(account, room).await? {
            let (account, room) = (account.clone(), room.clone());
            let again = Wish::Again(bookmark);
            self.inbox.push_unless_waiting(account, room, again);
        }
        Ok(())
    }

    /// The bookmark that wants the account in a room.
    pub(super) async fn autojoin(
        &self,
        account: &BareJid,
        room: &BareJid,
    ) -> Result<Option<Bookmark>, Fault> {
        let Some(bookmarks) = &self.bookmarks else {
            return Ok(None);
        };
        let all = bookmarks.list(account).await?;
        Ok(all.into_iter().find(|it| it.autojoin && it.room == *room))
    }

    /// Does what bookmarks and the host wanted since the last tick.
    async fn grant(&self, at: Time) -> Done {
        let wishes = self.inbox.take().into_iter();
        let granted = wishes.map(|((account, room), wish)| async move {
            match wish {
                Wish::Bookmark(bookmark) => self.follow(at, &account, &bookmark).await,
                Wish::Again(bookmark) if !self.desk.table.known(&account, &room) => {
                    self.follow(at, &account, &bookmark).await
                }
                Wish::Again(Bookmark {
                    autojoin: false, ..
                }) => Done::default(),
                Wish::Again(_) => {
                    let staying = self.desk.visit(at, &account, &room, Machine::is_wanted);
                    staying.await.done
                }
                Wish::Leave => {
                    let leaving = self.desk.visit(at, &account, &room, Machine::unbookmarked);
                    leaving.await.done
                }
            }
        });
        let mut all = Done::default();
        for done in join_all(granted).await {
            all.extend(done);
        }
        all
    }

    /// Does what a bookmark wants.
    async fn follow(&self, at: Time, account: &BareJid, bookmark: &Bookmark) -> Done {
        let name = outward::name_of(account);
        let nick = bookmark.nick.as_deref().unwrap_or(name);
        if bookmark.autojoin
            && let Ok(seat) = bookmark.room.with_resource_str(nick)
        {
            // Beyond the bound of rooms, the bookmark is not followed.
            let _ = self.desk.expect(at, account, &seat);
        }
        let following = self
            .desk
            .take_over(at, account, &bookmark.room, |machine, turn| {
                machine.bookmarked(turn, bookmark);
            });
        following.await.done
    }

    /// Whoever logs in finds the account in the rooms that are to be joined
    /// automatically.
    async fn read_bookmarks(&self, account: &BareJid) -> Result<(), Fault> {
        let Some(bookmarks) = &self.bookmarks else {
            return Ok(());
        };
        for bookmark in bookmarks.list(account).await? {
            if bookmark.autojoin && !self.desk.table.known(account, &bookmark.room) {
                let room = bookmark.room.clone();
                self.inbox
                    .push(account.clone(), room, Wish::Bookmark(bookmark));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for AccountMuc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountMuc")
            .field("options", &self.desk.table.options)
            .finish_non_exhaustive()
    }
}
