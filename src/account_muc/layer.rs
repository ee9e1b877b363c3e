use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::future::join_all;
use jid::{BareJid, FullJid, Jid};

use crate::flow::{
    Bookmarks, Drop, Emit, EmitKind, Entity, Entropy, Envelope, Event, Incident, Occupancy,
    Original, Outcome, Reach, Route, Stage,
};
use crate::middleware::{
    Fault, Feature, Next, OnFailure, PendingLimits, Shell, panic_text, report,
};
use crate::stanza::{Condition, ErrorType, Kind, Stanza, StanzaError, Time, Type, ns};

use super::desk::{Desk, Done, Seated};
use super::inbox::{Inbox, Wish};
use super::machine::{self, Answer, Asked, Exit, Machine};
use super::options::Options;
use super::outward::{self, Sent};
use super::port::{SeatError, SeatStore};
use super::table::TooManyRooms;

/// The layer of this module: [`AccountMuc`] in its shell.
///
/// `AccountMucLayer::new(store, entropy)` has the defaults;
/// `AccountMucLayer::of(AccountMuc::new(store, entropy)…)` takes options.
pub type AccountMucLayer = Shell<AccountMuc>;

/// The feature of this module; its documentation has the rules.
pub struct AccountMuc {
    desk: Desk,
    inbox: Arc<Inbox>,
    bookmarks: Option<Arc<dyn Bookmarks>>,
}

const NAME: &str = "account_muc";

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
        self.desk.options = options;
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
    fn name(&self) -> &'static str {
        NAME
    }

    /// Membership fails closed: half a join would be worse than none. What
    /// comes in from a room is never refused, whatever happens: see `inward`.
    fn on_failure(&self) -> OnFailure {
        OnFailure::Refuse
    }

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

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        match envelope.route.clone() {
            Route::FromSession(session) => self.hand_over(&session, envelope, next).await,
            Route::FromAccount(account) => self.outward(&account, envelope, next).await,
            Route::ToAccount(account) => self.inward(&account, envelope, next).await,
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

impl AccountMuc {
    /// A session's join; its presence to everybody, when it goes; whatever it
    /// sends to a room that the account knows; MUC2-PAM.
    fn concerns_outward(&self, session: &FullJid, stanza: &Stanza) -> bool {
        let table = &self.desk.table;
        match (stanza.kind(), stanza.to()) {
            (Kind::Presence, None) => {
                stanza.is_type(&Type::Unavailable)
                    && stanza.address_fault().is_none()
                    && table.has_account(session)
            }
            (Kind::Presence, Some(to)) => outward::is_join(stanza) || table.has(session, to),
            (Kind::Message, Some(to)) => table.has(session, to),
            (Kind::Iq, Some(to)) if to.is_full() || stanza.mentions(ns::MUC_ADMIN) => {
                table.has(session, to)
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
        self.desk.table.has(account, from)
            || (stanza.kind() == Kind::Presence
                && from.is_full()
                && matches!(stanza.type_(), None | Some(Type::Unavailable))
                && stanza.mentions(ns::MUC_USER))
    }

    /// What a session sends goes on in the account's lane: there stands what
    /// the room sends, and a replay must not cross it.
    async fn hand_over(
        &self,
        session: &FullJid,
        envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let Some(mut stanza) = envelope.as_stanza().cloned() else {
            return next.run(envelope).await;
        };
        let account = session.to_bare();
        if outward::is_pam(session, &stanza) {
            // To nobody is to the own account (RFC 6120 §10.3.3).
            stanza.set_to(Some(account.clone().into()));
        }
        let handed = match outward::read(session, &stanza, envelope.at) {
            Sent::Join(join) => self.desk.expect(envelope.at, &account, &join.occupant),
            Sent::LeavesAll => {
                // It goes its own way as well: contacts are to hear of it.
                let outcome = next.run(envelope).await?;
                return Ok(outcome.with(handed_over(session, stanza)));
            }
            Sent::Faulty(condition) => {
                let request = stanza.with_from(session.clone());
                return Ok(Outcome::refused(&request, condition));
            }
            _ => {
                let to = stanza.to().cloned();
                if let Some(room) = to.filter(|room| *room != account) {
                    self.desk.table.visit(&account, &room, |machine| {
                        machine.hand_over(envelope.at);
                    });
                }
                Ok(())
            }
        };
        Ok(match handed {
            Ok(()) => Outcome::of(Original::Routed).with(handed_over(session, stanza)),
            Err(TooManyRooms(_)) => {
                let error = StanzaError::from(Condition::ResourceConstraint)
                    .with_type(ErrorType::Wait)
                    .with_by(account);
                Outcome::refused(&stanza.with_from(session.clone()), error)
            }
        })
    }

    /// What a session has sent, in the account's lane.
    async fn outward(
        &self,
        account: &BareJid,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let at = envelope.at;
        let sent = envelope.as_stanza().cloned().and_then(|stanza| {
            let session = stanza.from()?.try_as_full().ok()?.clone();
            Some((session, stanza))
        });
        let Some((session, stanza)) = sent else {
            return next.run(envelope).await;
        };
        let seated = match outward::read(&session, &stanza, at) {
            Sent::LeavesAll => {
                let done = self.desk.leave_all(at, account, &session).await;
                return Ok(done.into_outcome());
            }
            Sent::Parts(room) => return Ok(self.part(at, account, &room, &stanza).await),
            Sent::Faulty(condition) => return Ok(Outcome::refused(&stanza, condition)),
            Sent::Nothing => Seated::default(),
            Sent::Join(join) => {
                let room = join.occupant.clone();
                self.desk
                    .take_over(at, account, &room, |machine, turn| machine.join(turn, join))
                    .await
            }
            sent => {
                let Some(to) = stanza.to() else {
                    return next.run(envelope).await;
                };
                self.desk
                    .take_over(at, account, to, |machine, turn| match sent {
                        Sent::Shows(seat) => machine.session_shows(turn, &session, &seat, &stanza),
                        Sent::Leaves => {
                            machine.leave(turn, &session, Exit::Explicit(stanza.id()));
                        }
                        Sent::Says => machine.session_says(turn, &session, &stanza),
                        _ => machine.session_asks(turn, &session, &stanza),
                    })
                    .await
            }
        };
        let mut done = seated.done;
        // What goes to the room takes the original's way, so that it keeps
        // its place among what the session sends.
        let goes = match seated.original {
            machine::Original::TakenIn => done.first_to_room().map(|stanza| (stanza, None)),
            machine::Original::Becomes(stanza) => Some((stanza, Some(session))),
            _ => Some((stanza, Some(session))),
        };
        let Some((stanza, session)) = goes else {
            return Ok(done.into_outcome());
        };
        if let Some(session) = session {
            // Further in it is a session's, as carbons and archive have it.
            envelope.route = Route::FromSession(session);
        }
        envelope.what = crate::flow::What::Stanza(stanza);
        let outcome = next.run(envelope).await?;
        Ok(done.besides(outcome))
    }

    /// MUC2-PAM `<part/>`: the account leaves, for all its sessions.
    async fn part(&self, at: Time, account: &BareJid, room: &BareJid, request: &Stanza) -> Outcome {
        if !self.desk.table.known(account, room) {
            return Outcome::refused(request, Condition::ItemNotFound);
        }
        let seated = self.desk.visit(at, account, room, Machine::depart).await;
        let outcome = Outcome::answered(request.reply().with_from(account.clone()));
        seated.done.besides(outcome)
    }

    /// What a room sends to the account.
    ///
    /// Whatever breaks here is reported and ends here: an error that went back
    /// would expel the account (decision 16), and sessions that are not in the
    /// room must not get what is not for them.
    async fn inward(
        &self,
        account: &BareJid,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let at = envelope.at;
        let Some(stanza) = envelope.as_stanza().cloned() else {
            return next.run(envelope).await;
        };
        let Some(room) = stanza.from() else {
            return next.run(envelope).await;
        };
        if stanza.is_response() {
            return Ok(self.answered(at, account, &stanza).await);
        }
        let visited = self.desk.visit(at, account, room, |machine, turn| {
            catch_unwind(AssertUnwindSafe(|| match stanza.kind() {
                Kind::Presence => machine.room_shows(turn, &stanza),
                Kind::Message => machine.room_says(turn, &stanza),
                Kind::Iq => machine.occupant_asks(turn, &stanza),
            }))
        });
        let mut seated = visited.await;
        match seated.result.take() {
            Some(Ok(())) => {}
            Some(Err(panic)) => {
                let mut incident = Incident::new(NAME, Stage::Before, panic_text(&*panic));
                incident.panicked = true;
                let mut outcome = Outcome::dropped(Drop::Filtered);
                report(&mut outcome, incident);
                return Ok(outcome);
            }
            // Forgotten between two looks, or never known.
            None if stanza.kind() == Kind::Presence => {
                return Ok(self.desk.stranger(at, account, &stanza).into_outcome());
            }
            None => return next.run(envelope).await,
        }
        match seated.original {
            machine::Original::TakenIn | machine::Original::Becomes(_) => {
                return Ok(seated.done.into_outcome());
            }
            machine::Original::GoesOn => {}
            machine::Original::Reaches(sessions) => envelope.facts.reach = Reach::Only(sessions),
        }
        let outcome = next.run(envelope).await?;
        Ok(seated.done.besides(outcome))
    }

    /// The answer to a request that was sent in the account's name.
    async fn answered(&self, at: Time, account: &BareJid, answer: &Stanza) -> Outcome {
        match self.desk.answered(account, answer) {
            Some(Asked::Session { session, id }) => {
                let answer = machine::answer_for(&session, &id, answer);
                Outcome::of(Original::Consumed).with(Emit::copy(session, answer))
            }
            Some(Asked::SelfPing { room }) => {
                let answer = Answer::read(answer);
                let seated = self
                    .desk
                    .visit(at, account, &room, |machine, turn| {
                        machine.ping_answered(turn, answer);
                    })
                    .await;
                seated.done.into_outcome()
            }
            // To a request that nobody sent, or too late.
            None => Outcome::dropped(Drop::NobodyMeant),
        }
    }

    /// Does what bookmarks and the host wanted since the last tick.
    async fn grant(&self, at: Time) -> Done {
        let wishes = self
            .inbox
            .take()
            .into_iter()
            .map(|((account, room), wish)| async move {
                let Wish::Bookmark(bookmark) = wish else {
                    let leave = |machine: &mut machine::Machine, turn: &mut machine::Turn<'_>| {
                        machine.unbookmarked(turn);
                    };
                    return self.desk.visit(at, &account, &room, leave).await.done;
                };
                let name = outward::name_of(&account);
                let nick = bookmark.nick.as_deref().unwrap_or(name);
                if bookmark.autojoin
                    && let Ok(seat) = room.with_resource_str(nick)
                {
                    // Beyond the bound of rooms, the bookmark is not followed.
                    let _ = self.desk.expect(at, &account, &seat);
                }
                self.desk
                    .take_over(at, &account, &room, |machine, turn| {
                        machine.bookmarked(turn, &bookmark);
                    })
                    .await
                    .done
            });
        let mut all = Done::default();
        for done in join_all(wishes).await {
            all.extend(done);
        }
        all
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

/// The same stanza in the account's lane, where [`AccountMuc::outward`] takes
/// it. It does not count as this layer's work, since it has done none yet.
fn handed_over(session: &FullJid, stanza: Stanza) -> Emit {
    let stanza = stanza.with_from(session.clone());
    let mut emit = Emit::new_at(Route::FromAccount(session.to_bare()), stanza);
    debug_assert!(matches!(emit.kind, EmitKind::New(_)));
    emit.by = Some(NAME);
    emit
}

impl fmt::Debug for AccountMuc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountMuc")
            .field("options", &self.desk.options)
            .finish_non_exhaustive()
    }
}
