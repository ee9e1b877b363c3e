//! A client's stream, from its first byte to its last words, whatever
//! carries it.
//!
//! One task reads and lets what the client says enter the stack, one stanza
//! after another; one task writes what the stack delivers (see [`queue`]).
//! When the connection is lost, the session may live on (see
//! [`session`](super::session)).
//!
//! ```text
//! tcp, websocket   what carries streams, behind `transport` and `queue::Sink`
//! inlet, documents bytes or messages in, frames out; throttle: how fast
//! framing, words   how headers, features and errors are written
//! negotiation/     from the first byte to a session; sasl2: all in one round
//! talk             what a session says; admission: what it may say
//! acks             stream management
//! queue, batch     what waits to be written, and until when
//! ```

pub mod acks;
pub mod admission;
pub mod batch;
mod documents;
pub mod framing;
mod inlet;
mod negotiation;
pub mod queue;
pub mod sasl2;
mod talk;
pub mod tcp;
mod throttle;
mod transport;
pub mod websocket;
mod welcome;
pub mod words;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jid::Jid;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tower_xmpp::flow::End;
use tower_xmpp::stanza::Frame;
use tracing::info;

use super::entrance::{AboutArchive, Birth, Entrance, Failed, Seat, settle};
use framing::Framing;
pub use negotiation::Resumption;
use negotiation::{Binding, Judged, Negotiation, Next, Proof, Tls};
use queue::{Cut, Queue, Sink};
use transport::{NoFrame, Transport};
use welcome::welcome as greet;
pub use words::Fault;

/// How long a client may take to read its last words.
const LINGER: Duration = Duration::from_secs(5);

/// How long it may take to close its side when ours is closed.
const DRAIN: Duration = Duration::from_secs(1);

/// How many clients' passwords are checked at once, each on a thread of its own.
static CHECKED: Semaphore = Semaphore::const_new(4);

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Ending {
    #[error("the client closed the stream")]
    Closed,
    #[error("the connection broke")]
    Lost,
    /// What the client did, or did not do, ends the stream.
    #[error("{}: {}", .0.condition(), .0)]
    Fault(Fault),
    /// Somebody else has ended it.
    #[error("{0}")]
    Cut(Cut),
}

/// What follows on a conversation.
enum After {
    Nothing,
    /// The client now begins to speak TLS.
    Tls,
}

/// Who serves a stream and how.
pub struct Terms {
    pub entrance: Arc<Entrance>,
    framing: Framing,
    tls: Tls,
    /// There is no place for this client.
    pub refused: Option<Fault>,
}

/// Serves a stream to its end; returns what it was written to if the client now
/// begins to speak TLS.
async fn serve<T: Transport, S: Sink + 'static>(
    terms: &Terms,
    transport: &mut T,
    mut sink: S,
) -> Option<S> {
    let entrance = &*terms.entrance;
    let queue = Arc::new(Queue::new(entrance.limits().max_queue, terms.framing));
    let mut writer = tokio::spawn({
        let queue = queue.clone();
        async move {
            // A connection that cannot be written to is over.
            if queue.write_to(&mut sink).await.is_err() {
                queue.cut(Cut::Broken);
            }
            sink
        }
    });
    let after = {
        let mut stream = pin!(converse(terms, transport, &queue));
        tokio::select! {
            after = &mut stream => after,
            // Not cancelled: what has begun is finished, and the session ends
            // in an orderly way.
            () = entrance.shutting_down() => {
                queue.close(Some(Fault::Shutdown), Cut::Shutdown);
                stream.await
            }
        }
    };
    let Ok(Ok(mut sink)) = timeout(LINGER, &mut writer).await else {
        writer.abort();
        return None;
    };
    if let After::Tls = after {
        return Some(sink);
    }
    if let Ok(Ok(())) = timeout(LINGER, sink.close()).await {
        let _ = timeout(DRAIN, transport.drain()).await;
    }
    None
}

/// From the first byte to the last words, which are in the queue afterwards.
async fn converse<T: Transport>(terms: &Terms, transport: &mut T, queue: &Arc<Queue>) -> After {
    let entrance = &*terms.entrance;
    let mut negotiation = Negotiation::new(entrance.accounts(), terms.framing, terms.tls);
    negotiation.archives(entrance.has_archives());
    let logged_in = match terms.refused {
        Some(fault) => Err(Ending::Fault(fault)),
        // What comes once, here and below, is boxed: a connection that is
        // silent for hours keeps no room for it.
        None => Box::pin(log_in(entrance, transport, queue, &mut negotiation)).await,
    };
    match logged_in {
        Ok(Some(mut seat)) => {
            let forking = negotiation.forking();
            let ending = talk::talk(entrance, transport, queue, &mut seat, forking).await;
            info!(session = %seat.session.jid(), why = %ending, "stream closed");
            // RFC 6120 §4.4: what it asked before is answered before the end.
            if matches!(ending, Ending::Closed) {
                Box::pin(settle(&mut seat.handled)).await;
                // XEP-0198 §4: the client need not wonder what arrived.
                if seat.session.has_acks() {
                    let _ = queue.words(&acks::answer(seat.handled.count()));
                }
            }
            last_words(queue, &mut negotiation, ending);
            let how = match ending {
                Ending::Closed => End::Clean,
                _ => End::Lost,
            };
            Box::pin(entrance.leave(seat, how, ending.may_resume())).await;
        }
        Ok(None) => {
            queue.cut(Cut::Read);
            return After::Tls;
        }
        Err(ending) => {
            info!(why = %ending, "client left before binding");
            last_words(queue, &mut negotiation, ending);
        }
    }
    After::Nothing
}

impl Ending {
    /// Whether the client may want to go on where it was (XEP-0198 §5): not
    /// if it has closed its stream, or has done what ends one.
    fn may_resume(self) -> bool {
        matches!(
            self,
            Self::Lost | Self::Fault(Fault::Silence) | Self::Cut(Cut::Broken | Cut::Resumed)
        )
    }
}

fn last_words(queue: &Queue, negotiation: &mut Negotiation, ending: Ending) {
    // RFC 6120 §4.9.1.1: our header comes first even then.
    if !negotiation.is_open() && matches!(ending, Ending::Fault(_)) {
        let _ = queue.words(&negotiation.header());
    }
    match ending {
        Ending::Closed => queue.close(None, Cut::Read),
        Ending::Fault(fault) => queue.close(Some(fault), Cut::Read),
        Ending::Lost | Ending::Cut(_) => queue.cut(Cut::Read),
    }
}

/// Until the client has a session; `None` if it shall speak TLS now.
async fn log_in<T: Transport>(
    entrance: &Entrance,
    transport: &mut T,
    queue: &Arc<Queue>,
    negotiation: &mut Negotiation,
) -> Result<Option<Seat>, Ending> {
    // A queue that takes no more ends the stream by itself.
    let say = |words: &str| {
        let _ = queue.words(words);
    };
    let deadline = Instant::now() + entrance.limits().login_timeout;
    let mut proof = None;
    loop {
        let next = async {
            Ok(match proof.take() {
                None => negotiation.take(hear(transport, queue).await?),
                Some(proof) => negotiation.judged(judge(proof).await?),
            })
        };
        let next = match timeout_at(deadline, next).await {
            Ok(next) => next?,
            Err(_) => return Err(Ending::Fault(Fault::SlowLogin)),
        };
        match next {
            Next::Judge(given) => proof = Some(given),
            Next::Say(words) => words.iter().for_each(|words| say(words)),
            Next::SayAndRestart(words) => {
                say(&words);
                transport.restart();
                transport.trust();
            }
            Next::Secure(words) => {
                say(&words);
                return Ok(None);
            }
            Next::Bind(binding) => match bind(entrance, queue, negotiation, &binding).await {
                Ok(seat) => return Ok(Some(seat)),
                Err(refusal) => say(&refusal),
            },
            Next::Resume(account, wish) => {
                let tell = |_: &Jid, handled| say(&acks::resumed(&wish.id, handled));
                match entrance.resume(&account, &wish, queue, tell).await {
                    Ok(seat) => {
                        negotiation.forking().resumed();
                        return Ok(Some(seat));
                    }
                    Err(failed) => say(&failed_to_resume(failed)?),
                }
            }
            Next::Welcome(welcome) => {
                transport.trust();
                if let Some(seat) = greet(entrance, queue, negotiation, &welcome).await? {
                    return Ok(Some(seat));
                }
            }
            Next::Close => return Err(Ending::Closed),
            Next::Fail(words, fault) => {
                words.iter().for_each(|words| say(words));
                return Err(Ending::Fault(fault));
            }
        }
    }
}

/// Not on this thread, where connections wait that have logged in.
async fn judge(proof: Proof) -> Result<Judged, Ending> {
    let turn = CHECKED.acquire().await;
    let judging = spawn_blocking(|| {
        let _turn = turn;
        proof.judge()
    });
    // One that panics takes its own connection with it.
    judging.await.map_err(|_| Ending::Lost)
}

/// RFC 6120 §7
async fn bind(
    entrance: &Entrance,
    queue: &Arc<Queue>,
    negotiation: &mut Negotiation,
    binding: &Binding,
) -> Result<Seat, String> {
    // What was asked for stays asked for if the binding is refused.
    let mut forking = *negotiation.forking();
    let birth = Birth {
        jid: binding.account.with_resource(&binding.resource),
        queue: queue.clone(),
        sm: None,
        enabled: forking.bound(),
        about_archive: AboutArchive::default(),
    };
    let answer = negotiation::bound(&binding.request, &birth.jid);
    let greet = |_: &str| {
        let _ = queue.stanza(&answer);
    };
    match entrance.begin(birth, greet).await {
        Ok(seat) => {
            *negotiation.forking() = forking;
            Ok(seat)
        }
        Err(condition) => {
            let framing = queue.framing();
            Err(negotiation::refused(&binding.request, condition, framing))
        }
    }
}

fn failed_to_resume(failed: Failed) -> Result<String, Ending> {
    match failed {
        // XEP-0198 §5
        Failed::Gone(handled) => Ok(acks::failed("item-not-found", handled)),
        Failed::Fault(fault) => Err(Ending::Fault(fault)),
    }
}

/// What the client hears next, unless the stream is ended from elsewhere.
async fn hear<T: Transport>(transport: &mut T, queue: &Queue) -> Result<Frame, Ending> {
    tokio::select! {
        biased;
        cut = queue.when_cut() => Err(Ending::Cut(cut)),
        frame = transport.next() => frame.map_err(|no_frame| match no_frame {
            NoFrame::Lost => Ending::Lost,
            NoFrame::Fault(fault) => Ending::Fault(fault),
        }),
    }
}
