//! The one way in. Whatever a client connection, of whatever kind, has to say
//! enters the stack here; what becomes of its session is in [`life`].

mod life;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tower_xmpp::archive::Archive;
use tower_xmpp::flow::{Emit, Envelope, Event, Route};
use tower_xmpp::host::{Conductor, Handled, Ticket};
use tower_xmpp::stanza::Stanza;
use tracing::warn;

use super::accounts::Accounts;
use super::clock::now;
use super::options::Limits;
use super::random;
use super::services::offline::Position;
use super::session::Session;
use super::site::Site;
use super::stream::Fault;
use super::stream::acks::{self, Acks, Claim};
use super::stream::sasl2::Enable;
pub use life::{AboutArchive, Birth, Failed, Seat, settle};

pub struct Entrance {
    site: Arc<Site>,
    conductor: Conductor,
    archive: Option<Arc<Archive>>,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
}

impl Entrance {
    pub fn new(
        site: Arc<Site>,
        conductor: Conductor,
        archive: Option<Arc<Archive>>,
        limits: Limits,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        Self {
            site,
            conductor,
            archive,
            limits,
            shutdown,
        }
    }

    pub fn accounts(&self) -> Arc<Accounts> {
        self.site.accounts.clone()
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether accounts have archives.
    pub fn has_archives(&self) -> bool {
        self.archive.is_some()
    }

    /// Resolves when the server is about to end.
    pub async fn shutting_down(&self) {
        // An error means that whoever would tell us is gone.
        let _ = self.shutdown.clone().wait_for(|is_over| *is_over).await;
    }

    /// A client wants stream management for its session (XEP-0198 §3). What
    /// it sent before is not counted.
    pub fn enable(&self, session: &Arc<Session>, handled: &mut Handled, wish: Enable) {
        let (acks, answer) = self.acks(wish);
        let id = acks.claim().map(|claim| claim.id.clone());
        *handled = Handled::new();
        if session.enable(acks, &answer)
            && let Some(id) = id
        {
            self.site.sessions.may_resume(id, session);
        }
    }

    /// A session says something; the ticket tells when it is handled.
    pub fn say(&self, session: &Session, stanza: Stanza) -> Ticket {
        let route = Route::FromSession(session.jid().clone());
        let envelope = Envelope::stanza(now(), route, stanza);
        self.conductor.enter(envelope)
    }

    /// A client acknowledges what it got (XEP-0198 §4).
    pub async fn acknowledged(&self, session: &Session, h: u32) -> Result<(), Fault> {
        self.arrived(session.acknowledged(h)?).await;
        Ok(())
    }

    /// A client says whether it is looked at (XEP-0352).
    pub async fn looked_at(&self, session: &Session, is_active: bool) {
        session.looked_at(is_active);
        let session = session.jid().clone();
        self.hear(match is_active {
            true => Event::ClientActive { session },
            false => Event::ClientInactive { session },
        })
        .await;
    }

    /// The server itself says something to a session.
    pub fn tell(&self, session: &Session, stanza: Stanza) {
        let emit = Emit::copy(session.jid().clone(), stanza);
        self.conductor.carry_out(now(), vec![emit]);
    }

    /// How many sessions there are, and how many of them wait for their
    /// client.
    pub fn sessions(&self) -> (usize, usize) {
        let all = self.site.sessions.all();
        let waiting = all.iter().filter(|session| session.is_hibernating());
        (all.len(), waiting.count())
    }

    /// How many chat rooms there are.
    pub fn rooms(&self) -> usize {
        self.site.rooms.count()
    }

    /// Tells the layers, and what waits for its time, that time passes.
    pub async fn tick(&self) {
        let (at, mut arrived) = (now(), vec![]);
        for session in self.site.sessions.all() {
            arrived.extend(session.tick(at));
        }
        self.arrived(arrived).await;
        self.hear(Event::Tick).await;
    }

    /// What waited for an account has arrived, and waits no more.
    async fn arrived(&self, positions: Vec<Position>) {
        if positions.is_empty() {
            return;
        }
        if let Err(error) = self.site.offline.forget(positions).await {
            warn!(%error, "offline messages not removed, they will be sent again");
        }
    }

    /// Something happened without a stanza.
    pub async fn hear(&self, event: Event) {
        // What became of it is logged where passes end, in the site.
        let _ = self.enter(event).await;
    }

    fn enter(&self, event: Event) -> Ticket {
        self.conductor.enter(Envelope::event(now(), event))
    }

    /// Stream management as a client wishes it, and what it is told.
    fn acks(&self, wish: Enable) -> (Acks, String) {
        let most = self.limits.resume_timeout;
        let claim = wish.resume.then(|| Claim {
            id: random::id(),
            lasts: wish
                .max
                .map_or(most, |max| most.min(Duration::from_secs(max))),
        });
        let told = acks::enabled(claim.as_ref());
        (Acks::new(claim, self.limits.max_queue), told)
    }
}
