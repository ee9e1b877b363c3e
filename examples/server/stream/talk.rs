//! What a session says: stanzas, acknowledgements, and whether its client is
//! looked at.

use std::sync::Arc;

use tokio::time::timeout;
use tower_xmpp::flow::Event;
use tower_xmpp::stanza::{Element, Frame, Stanza, Type, ns};

use super::super::entrance::Entrance;
use super::super::random;
use super::super::session::Session;
use super::admission::{Admission, admit};
use super::queue::Queue;
use super::sasl2::Enable;
use super::transport::Transport;
use super::words::Fault;
use super::{Ending, acks, hear};

/// Until the stream ends.
pub(super) async fn talk<T: Transport>(
    entrance: &Entrance,
    transport: &mut T,
    queue: &Queue,
    session: &Arc<Session>,
) -> Ending {
    let mut is_pinged = false;
    loop {
        let frame = match timeout(entrance.limits().idle_timeout, hear(transport, queue)).await {
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
            Frame::Stanza(stanza) => {
                match admit(stanza, session.jid()) {
                    Admission::Enter(stanza) => entrance.say(session, stanza).await,
                    Admission::Refuse(reply) => entrance.tell(session, reply),
                    Admission::Ignore => {}
                    Admission::End(fault) => return Ending::Fault(fault),
                }
                // Now that its pass is over, and not before, it will not be
                // lost: to count it is to say so (XEP-0198 §4).
                session.has_handled();
            }
            Frame::Nonza(element) => {
                if let Err(fault) = nonza(entrance, queue, session, &element).await {
                    return Ending::Fault(fault);
                }
            }
            Frame::Close => return Ending::Closed,
            _ => return Ending::Fault(Fault::UnsupportedStanzaType),
        }
    }
}

async fn nonza(
    entrance: &Entrance,
    queue: &Queue,
    session: &Arc<Session>,
    element: &Element,
) -> Result<(), Fault> {
    // A queue that takes no more ends the stream by itself.
    let say = |words: &str| {
        let _ = queue.words(words);
    };
    let jid = session.jid().clone();
    match (element.name(), session.handled()) {
        _ if element.is("active", ns::CSI) => {
            entrance.hear(Event::ClientActive { session: jid }).await;
        }
        _ if element.is("inactive", ns::CSI) => {
            entrance.hear(Event::ClientInactive { session: jid }).await;
        }
        _ if !element.has_ns(ns::SM) => return Err(Fault::UnsupportedStanzaType),
        ("enable", None) => entrance.enable(session, Enable::read(element.view())),
        // XEP-0198 §3 and §5: neither is for a session that has it already.
        ("enable" | "resume", _) => say(&acks::failed("unexpected-request", None)),
        ("r", Some(handled)) => say(&acks::answer(handled)),
        ("a", Some(_)) => session.acknowledged(acks::count(element)?)?,
        _ => return Err(Fault::UnsupportedStanzaType),
    }
    Ok(())
}

/// Asks whether the client is still there (XEP-0199 §4.1).
fn ping(entrance: &Entrance) -> Stanza {
    Stanza::iq(Type::Get, &random::id())
        .with_from(entrance.accounts().domain().clone())
        .with_child(Element::new("ping", ns::PING))
}
