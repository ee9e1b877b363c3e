//! How sessions begin, go on in another stream, wait for their client, and end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid, Jid};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use tower_xmpp::flow::{End, Event};
use tower_xmpp::host::{Handled, expire};
use tower_xmpp::stanza::{Condition, Element, Stanza, Type, ns};
use tracing::{info, warn};

use super::super::clock::now;
use super::super::session::{NotResumed, Rest, Session};
use super::super::sessions::{Found, NotAdded};
use super::super::stream::queue::{Cut, Queue};
use super::super::stream::sasl2::{Enable, Token};
use super::super::stream::{Fault, Resumption};
use super::Entrance;

/// What a new session is to be.
pub struct Birth {
    pub jid: FullJid,
    pub queue: Arc<Queue>,
    /// Stream management is wanted from the start.
    pub sm: Option<Enable>,
    /// Namespaces of what the client has switched on already.
    pub enabled: Vec<String>,
    /// What it wants to know of its archive.
    pub about_archive: AboutArchive,
}

/// What a client is told of its archive when it has bound a resource.
#[derive(Debug, Default)]
pub struct AboutArchive {
    /// The token of its session.
    pub token: Option<Token>,
    /// Where the archive begins and ends (XEP-0386 §3.2).
    pub ends: bool,
}

/// How long a session that ends or moves waits for what it said to be handled.
const SETTLE: Duration = Duration::from_secs(5);

/// How long a client that binds waits to hear where its archive ends.
const LOOK: Duration = Duration::from_secs(2);

/// A session and the right to talk for it.
pub struct Seat {
    pub session: Arc<Session>,
    /// What becomes of what it says.
    pub handled: OwnedMutexGuard<Handled>,
}

/// Why a session does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// There is none by that id. If there was, so many stanzas of its client
    /// were handled.
    Gone(Option<u32>),
    /// What the client says of it cannot be.
    Fault(Fault),
}

impl Entrance {
    /// A client has bound a resource; `greet` tells it so, and what belongs to
    /// the session. If another client had the resource, the new one wins
    /// (RFC 6120 §7.7.2.2): the old one may be a connection that nobody knows
    /// is dead.
    pub async fn begin(&self, birth: Birth, greet: impl FnOnce(&str)) -> Result<Seat, Condition> {
        let (acks, enabled) = match birth.sm {
            Some(wish) => {
                let (acks, enabled) = self.acks(wish);
                (Some(acks), Some(enabled))
            }
            None => (None, None),
        };
        let session = Session::new(birth.jid, birth.queue, acks);
        let handled = session.talking().await;
        let announce = || {
            // Enters before the session's end can: who takes the address away
            // again must first find it taken.
            self.enter(Event::SessionBound {
                session: session.jid().clone(),
                enabled: birth.enabled.clone(),
            })
        };
        let heard = loop {
            match self.site.sessions.add(&session, announce) {
                Ok(heard) => break heard,
                Err(NotAdded::TooMany) => return Err(Condition::ResourceConstraint),
                Err(NotAdded::Taken(old)) => {
                    old.end_stream(Fault::Conflict, Cut::Conflict);
                    self.end(&old, End::Lost).await;
                }
            }
        };
        info!(session = %session.jid(), sm = enabled.is_some(), "resource bound");
        // What became of it is logged where passes end, in the site.
        let _ = heard.await;
        let inside = self.about_archive(&session, &birth.about_archive).await;
        session.greet(|| greet(&(enabled.unwrap_or_default() + &inside)));
        Ok(Seat { session, handled })
    }

    /// A client is back and would like to go on with its session (XEP-0198
    /// §5); `greet` tells it the session's address, and how much of what it
    /// sent was handled.
    pub async fn resume(
        &self,
        account: &BareJid,
        wish: &Resumption,
        queue: &Arc<Queue>,
        greet: impl FnOnce(&Jid, u32),
    ) -> Result<Seat, Failed> {
        let session = match self.site.sessions.resumable(account, &wish.id) {
            Found::Session(session) => session,
            Found::Lapsed(handled) => return Err(Failed::Gone(handled)),
            Found::Unknown => return Err(Failed::Gone(None)),
        };
        let _one_at_a_time = session.resuming().lock().await;
        // The old connection may be one that nobody knows is dead. What it is
        // just handling is waited for, so that it is counted.
        session.end_stream(Fault::Conflict, Cut::Resumed);
        let mut handled = session.talking().await;
        settle(&mut handled).await;
        let count = handled.count();
        let announce = || {
            greet(session.jid(), count);
            self.enter(Event::SessionResumed {
                session: session.jid().clone(),
            })
        };
        let (heard, arrived) = match session.resume(queue.clone(), wish.h, announce) {
            Ok(resumed) => resumed,
            Err(NotResumed::Over) => return Err(Failed::Gone(None)),
            Err(NotResumed::Fault(fault)) => return Err(Failed::Fault(fault)),
        };
        info!(session = %session.jid(), "session resumed");
        let _ = heard.await;
        self.arrived(arrived).await;
        Ok(Seat {
            session: session.clone(),
            handled,
        })
    }

    /// A session has lost its stream. It waits for its client to come back,
    /// if it may and the client has asked for that; else it is over.
    pub async fn leave(&self, seat: Seat, how: End, may_resume: bool) {
        let Seat {
            session,
            mut handled,
        } = seat;
        settle(&mut handled).await;
        if may_resume && session.hibernate(Instant::now()) {
            info!(session = %session.jid(), "session disconnected, may be resumed");
            self.hear(Event::SessionHibernating {
                session: session.jid().clone(),
            })
            .await;
        } else {
            // Who ends it asks how much was handled.
            drop(handled);
            self.end(&session, how).await;
        }
    }

    /// Ends the sessions whose clients did not come back in time.
    pub async fn expire_sessions(&self, now: Instant) {
        for session in self.site.sessions.resumable_sessions() {
            if session.expire(now) {
                self.end(&session, End::Expired).await;
            }
        }
    }

    /// Ends those, too, whose clients might still have come back: the server
    /// ends.
    pub async fn expire_all_sessions(&self) {
        let later = Instant::now() + 2 * self.limits.resume_timeout + Duration::from_secs(1);
        self.expire_sessions(later).await;
    }

    /// A session is over. Returns when all that follows is done, whoever
    /// began it.
    pub async fn end(&self, session: &Arc<Session>, how: End) {
        session
            .ended()
            .get_or_init(async || {
                let id = session.resumption_id();
                let Rest {
                    unacked,
                    arrived,
                    loan,
                } = session.close();
                info!(session = %session.jid(), ?how, unacked = unacked.len(), "session ended");
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
                let _ = self.say(session, gone).await;
                let handled = session.handled();
                self.site.sessions.remove(session, id, handled);
                self.conductor.carry_out(now(), expire(unacked));
                self.arrived(arrived).await;
                self.site.offline.give_back(&loan);
                if !loan.is_empty()
                    && let Some(heir) = self.site.sessions.heir(session)
                    && let Err(error) = self.site.offline.hand_over(&heir).await
                {
                    warn!(session = %heir.jid(), %error, "offline messages not delivered");
                }
            })
            .await;
    }

    /// From now on what is archived reaches the session as well, so whatever
    /// came before it is found in the archive, up to the end that is told here
    /// (XEP-0386 §3.2). What is just on its way may be both, under one ID.
    async fn about_archive(&self, session: &Session, wish: &AboutArchive) -> String {
        let mut told = String::new();
        let Some(archive) = &self.archive else {
            return told;
        };
        if let Some(Token { previous }) = &wish.token {
            let token = archive.give_token(session.jid(), previous.as_deref());
            let token = Element::new("token", ns::ARCHIVE_ID).with_text(&token);
            told.push_str(&token.to_xml());
        }
        if wish.ends {
            let account = session.jid().to_bare();
            // An archive that cannot be read now costs the client a question.
            match timeout(LOOK, archive.metadata(&account)).await {
                Ok(Ok(metadata)) => told.push_str(&metadata.to_xml()),
                Ok(Err(error)) => warn!(%error, "the archive's ends are not known"),
                Err(_) => warn!("the archive's ends are not known in time"),
            }
        }
        told
    }
}

/// Waits until all that was said is handled, but not for ever: what is not
/// counted then, the client sends again.
pub async fn settle(handled: &mut Handled) {
    let all = async {
        while handled.under_way() > 0 {
            handled.next().await;
        }
    };
    let _ = timeout(SETTLE, all).await;
}
