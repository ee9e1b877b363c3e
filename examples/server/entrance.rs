//! The one way in. Whatever a client connection, of whatever kind, has to say
//! enters the stack here.

use std::sync::Arc;

use jid::FullJid;
use tokio::sync::watch;
use tower_xmpp::flow::{Emit, End, Envelope, Event, Route};
use tower_xmpp::host::Conductor;
use tower_xmpp::stanza::{Condition, Stanza, Type};

use super::accounts::Accounts;
use super::clock::now;
use super::options::Limits;
use super::sessions::Session;
use super::site::Site;
use super::stream::Fault;
use super::stream::queue::Queue;

pub struct Entrance {
    site: Arc<Site>,
    conductor: Conductor,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
}

impl Entrance {
    pub fn new(
        site: Arc<Site>,
        conductor: Conductor,
        limits: Limits,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        Self {
            site,
            conductor,
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

    /// Resolves when the server is about to end.
    pub async fn shutting_down(&self) {
        // An error means that whoever would tell us is gone.
        let _ = self.shutdown.clone().wait_for(|is_over| *is_over).await;
    }

    /// A client has bound a resource; `answer` tells it so. If another client
    /// had it, the new one wins (RFC 6120 §7.7.2.2): the old one may be a
    /// connection that nobody knows is dead.
    pub async fn begin(
        &self,
        jid: FullJid,
        queue: &Arc<Queue>,
        answer: &Stanza,
    ) -> Result<Arc<Session>, Condition> {
        let session = Session::new(jid, queue.clone());
        while let Some(old) = self.site.sessions.get(session.jid()) {
            old.queue().finish(&Fault::Conflict.to_xml());
            self.end(&old, End::Lost).await;
        }
        let added = self.site.sessions.add(session.clone(), answer);
        added.map_err(|_| Condition::ResourceConstraint)?;
        self.hear(Event::SessionBound {
            session: session.jid().clone(),
            enabled: vec![],
        })
        .await;
        Ok(session)
    }

    /// A session says something.
    pub async fn say(&self, session: &Session, stanza: Stanza) {
        let route = Route::FromSession(session.jid().clone());
        self.enter(Envelope::stanza(now(), route, stanza)).await;
    }

    /// The server itself says something to a session.
    pub fn tell(&self, session: &Session, stanza: Stanza) {
        let emit = Emit::copy(session.jid().clone(), stanza);
        self.conductor.carry_out(now(), vec![emit]);
    }

    /// A session is over. Returns when all that follows is done, whoever
    /// began it.
    pub async fn end(&self, session: &Session, how: End) {
        session
            .ended()
            .get_or_init(async || {
                self.hear(Event::SessionEnded {
                    session: session.jid().clone(),
                    how,
                })
                .await;
                // RFC 6121 §4.5.3: the unavailable presence that the client
                // did not send; for nobody, if it had said it was gone.
                let gone = Stanza::presence()
                    .with_type(Type::Unavailable)
                    .with_from(session.jid().clone());
                self.say(session, gone).await;
                self.site.sessions.remove(session);
            })
            .await;
    }

    /// Something happened without a stanza.
    pub async fn hear(&self, event: Event) {
        self.enter(Envelope::event(now(), event)).await;
    }

    async fn enter(&self, envelope: Envelope) {
        // What became of it is logged where passes end, in the site.
        let _ = self.conductor.enter(envelope).await;
    }
}
