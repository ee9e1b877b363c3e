//! A client's connection over TCP, from accepting it to its end.
//!
//! One task reads and lets what the client says enter the stack, one stanza
//! after another; one task writes what the stack delivers (see [`queue`]).

pub mod admission;
mod inlet;
mod negotiation;
pub mod queue;
mod throttle;
mod words;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout, timeout_at};
use tower_xmpp::flow::End;
use tower_xmpp::stanza::{Element, Frame, Stanza, Type, ns};
use tracing::info;

use super::entrance::Entrance;
use super::random;
use super::sessions::Session;
use admission::{Admission, admit};
use inlet::{Inlet, NoFrame};
use negotiation::{Negotiation, Next};
use queue::Queue;
pub use words::Fault;

/// How long a client may take to read its last words.
const LINGER: Duration = Duration::from_secs(5);

/// How the reading of a stream came to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Ending {
    #[error("the client closed the stream")]
    Closed,
    #[error("the connection broke")]
    Lost,
    /// What the client did, or did not do, ends the stream.
    #[error("{}: {}", .0.condition(), .0)]
    Fault(Fault),
    /// Somebody else has finished the queue: the server shuts down, another
    /// client bound the resource, or too much waited to be written.
    #[error("it was ended from elsewhere")]
    Finished,
}

/// Serves one connection to its end. If there are too many, that is soon.
pub async fn serve(entrance: Arc<Entrance>, socket: TcpStream, is_one_too_many: bool) {
    // Nothing is gained by waiting: the queue has coalesced what it could.
    let _ = socket.set_nodelay(true);
    let (read, write) = socket.into_split();
    let overflow = Fault::QueueFull.to_xml();
    let queue = Arc::new(Queue::new(entrance.limits().max_queue, overflow));
    let mut writer = tokio::spawn({
        let queue = queue.clone();
        async move {
            // A connection that cannot be written to is over.
            let _ = queue.write_to(write).await;
            queue.finish("");
        }
    });

    let mut inlet = Inlet::new(read, entrance.limits());
    if is_one_too_many {
        let mut negotiation = Negotiation::new(entrance.accounts());
        last_words(
            &queue,
            &mut negotiation,
            Ending::Fault(Fault::TooManyStreams),
        );
    }
    let mut stream = pin!(converse(&entrance, &mut inlet, &queue));
    tokio::select! {
        () = &mut stream => {}
        // Not cancelled: what has begun is finished, and the session ends in
        // an orderly way.
        () = entrance.shutting_down() => {
            queue.finish(&Fault::Shutdown.to_xml());
            stream.await;
        }
    }
    if timeout(LINGER, &mut writer).await.is_err() {
        writer.abort();
    }
}

/// From the first byte to the last words, which are in the queue afterwards.
async fn converse<R: AsyncRead + Unpin>(
    entrance: &Entrance,
    inlet: &mut Inlet<R>,
    queue: &Arc<Queue>,
) {
    let mut negotiation = Negotiation::new(entrance.accounts());
    let ending = match log_in(entrance, inlet, queue, &mut negotiation).await {
        Err(ending) => ending,
        Ok(session) => {
            info!(session = %session.jid(), "session begins");
            let ending = talk(entrance, inlet, queue, &session).await;
            info!(session = %session.jid(), why = %ending, "session ends");
            let how = match ending {
                Ending::Closed => End::Clean,
                _ => End::Lost,
            };
            last_words(queue, &mut negotiation, ending);
            entrance.end(&session, how).await;
            return;
        }
    };
    info!(why = %ending, "no session came of it");
    last_words(queue, &mut negotiation, ending);
}

fn last_words(queue: &Queue, negotiation: &mut Negotiation, ending: Ending) {
    // RFC 6120 §4.9.1.1: our header comes first even then.
    if !negotiation.is_open() && matches!(ending, Ending::Fault(_)) {
        write(queue, &negotiation.header());
    }
    match ending {
        Ending::Closed => queue.finish(words::CLOSE),
        Ending::Fault(fault) => queue.finish(&fault.to_xml()),
        Ending::Lost | Ending::Finished => queue.finish(""),
    }
}

async fn log_in<R: AsyncRead + Unpin>(
    entrance: &Entrance,
    inlet: &mut Inlet<R>,
    queue: &Arc<Queue>,
    negotiation: &mut Negotiation,
) -> Result<Arc<Session>, Ending> {
    let deadline = Instant::now() + entrance.limits().login_timeout;
    loop {
        let frame = match timeout_at(deadline, hear(inlet, queue)).await {
            Ok(frame) => frame?,
            Err(_) => return Err(Ending::Fault(Fault::SlowLogin)),
        };
        match block_in_place(|| negotiation.take(frame)) {
            Next::Say(words) => write(queue, &words),
            Next::SayAndRestart(words) => {
                write(queue, &words);
                inlet.restart();
                inlet.trust(entrance.limits());
            }
            Next::Bind(binding) => {
                let jid = binding.account.with_resource(&binding.resource);
                let answer = negotiation::bound(&binding.request, &jid);
                match entrance.begin(jid, queue, &answer).await {
                    Ok(session) => return Ok(session),
                    Err(condition) => {
                        write(queue, &negotiation::refused(&binding.request, condition));
                    }
                }
            }
            Next::Close => return Err(Ending::Closed),
            Next::Fail(words, fault) => {
                write(queue, &words);
                return Err(Ending::Fault(fault));
            }
        }
    }
}

async fn talk<R: AsyncRead + Unpin>(
    entrance: &Entrance,
    inlet: &mut Inlet<R>,
    queue: &Queue,
    session: &Arc<Session>,
) -> Ending {
    let mut is_pinged = false;
    loop {
        let frame = match timeout(entrance.limits().idle_timeout, hear(inlet, queue)).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(ending)) => return ending,
            Err(_) if is_pinged => return Ending::Fault(Fault::Silence),
            Err(_) => {
                is_pinged = true;
                entrance.tell(session, ping(entrance));
                continue;
            }
        };
        is_pinged = false;
        match frame {
            Frame::Stanza(stanza) => match admit(stanza, session.jid()) {
                Admission::Enter(stanza) => entrance.say(session, stanza).await,
                Admission::Refuse(reply) => entrance.tell(session, reply),
                Admission::Ignore => {}
                Admission::End(fault) => return Ending::Fault(fault),
            },
            Frame::Close => return Ending::Closed,
            _ => return Ending::Fault(Fault::UnsupportedStanzaType),
        }
    }
}

/// What the client says next, unless the stream is finished from elsewhere.
async fn hear<R: AsyncRead + Unpin>(inlet: &mut Inlet<R>, queue: &Queue) -> Result<Frame, Ending> {
    tokio::select! {
        biased;
        () = queue.finished() => Err(Ending::Finished),
        frame = inlet.next() => frame.map_err(|no_frame| match no_frame {
            NoFrame::Lost => Ending::Lost,
            NoFrame::Fault(fault) => Ending::Fault(fault),
        }),
    }
}

/// What is no stanza and thus not the stack's: headers, features, SASL.
fn write(queue: &Queue, words: &str) {
    // A queue that takes no more ends the stream by itself.
    let _ = queue.append(|out| out.extend_from_slice(words.as_bytes()));
}

/// Asks whether the client is still there (XEP-0199 §4.1).
fn ping(entrance: &Entrance) -> Stanza {
    Stanza::iq(Type::Get, &random::id())
        .with_from(entrance.accounts().domain().clone())
        .with_child(Element::new("ping", ns::PING))
}
