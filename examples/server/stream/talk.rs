//! What a session says: stanzas, acknowledgements, and whether its client is
//! looked at.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, sleep};
use tower_xmpp::fork;
use tower_xmpp::host::Handled;
use tower_xmpp::stanza::{Element, Frame, Stanza, Type, ns};

use super::super::entrance::{Entrance, Seat};
use super::super::random;
use super::super::session::Session;
use super::admission::{Admission, admit};
use super::queue::Queue;
use super::sasl2::Enable;
use super::transport::Transport;
use super::words::Fault;
use super::{Ending, acks, hear};

/// How much of what a client said may be under way before more is read.
const UNDER_WAY: usize = 64;

/// How much may be handled without being counted, while nobody asks: a
/// connection need not wake for each stanza.
const UNCOUNTED: usize = 8;

/// Until the stream ends.
pub(super) async fn talk<T: Transport>(
    entrance: &Entrance,
    transport: &mut T,
    queue: &Queue,
    seat: &mut Seat,
    forking: &mut fork::Negotiation,
) -> Ending {
    let mut talk = Talk {
        entrance,
        queue,
        session: &seat.session,
        handled: &mut seat.handled,
        forking,
        owes: false,
    };
    let idle_timeout = entrance.limits().idle_timeout;
    let mut is_pinged = false;
    let mut silent_since = Instant::now();
    // Set again only when it has run out: clients say much before that.
    let mut silence = pin!(sleep(idle_timeout));
    loop {
        let counts = talk.owes || talk.handled.under_way() > UNCOUNTED;
        let frame = tokio::select! {
            biased;
            heard = hear(transport, queue) => match heard {
                Ok(frame) => frame,
                Err(ending) => return ending,
            },
            _ = talk.handled.next(), if counts => {
                talk.pay();
                continue;
            }
            () = &mut silence => {
                let mut left = idle_timeout.saturating_sub(silent_since.elapsed());
                if left.is_zero() {
                    if is_pinged {
                        return Ending::Fault(Fault::Silence);
                    }
                    is_pinged = true;
                    entrance.tell(talk.session, ping(entrance));
                    (silent_since, left) = (Instant::now(), idle_timeout);
                }
                silence.set(sleep(left));
                continue;
            }
        };
        is_pinged = false;
        silent_since = Instant::now();
        let taken = match frame {
            Frame::Stanza(stanza) => talk.stanza(stanza).await,
            Frame::Nonza(element) => Box::pin(talk.nonza(&element)).await,
            Frame::Close => return Ending::Closed,
            _ => Err(Fault::UnsupportedStanzaType),
        };
        if let Err(fault) = taken {
            return Ending::Fault(fault);
        }
    }
}

/// A session in conversation.
struct Talk<'a> {
    entrance: &'a Entrance,
    queue: &'a Queue,
    session: &'a Arc<Session>,
    handled: &'a mut Handled,
    forking: &'a mut fork::Negotiation,
    /// When the client asked, not all that it had sent was handled.
    owes: bool,
}

impl Talk<'_> {
    async fn stanza(&mut self, stanza: Stanza) -> Result<(), Fault> {
        match admit(stanza, self.session.jid()) {
            Admission::Enter(stanza) => {
                // What is over by now is counted here, and nobody had to wake for it.
                self.handled.count();
                let ticket = self.entrance.say(self.session, stanza);
                self.handled.enter(ticket);
            }
            Admission::Refuse(reply) => {
                self.entrance.tell(self.session, reply);
                self.handled.add();
            }
            Admission::Ignore => self.handled.add(),
            Admission::End(fault) => return Err(fault),
        }
        while self.handled.under_way() > UNDER_WAY {
            self.handled.next().await;
        }
        Ok(())
    }

    async fn nonza(&mut self, element: &Element) -> Result<(), Fault> {
        if let Some(answer) = self.forking.nonza(element.view()) {
            self.say(answer.as_str());
            return Ok(());
        }
        match (element.name(), self.session.has_acks()) {
            _ if element.is("active", ns::CSI) => {
                self.entrance.looked_at(self.session, true).await;
            }
            _ if element.is("inactive", ns::CSI) => {
                self.entrance.looked_at(self.session, false).await;
            }
            _ if !element.has_ns(ns::SM) => return Err(Fault::UnsupportedStanzaType),
            ("enable", false) => {
                let wish = Enable::read(element.view());
                self.entrance.enable(self.session, self.handled, wish);
            }
            // XEP-0198 §3 and §5: neither is for a session that has it already.
            ("enable" | "resume", _) => self.say(&acks::failed("unexpected-request", None)),
            // §4: the answer must not be withheld. What is not handled yet is
            // told when it is.
            ("r", true) => {
                let count = self.handled.count();
                self.say(&acks::answer(count));
                self.owes = self.handled.under_way() > 0;
            }
            ("a", true) => {
                let h = acks::count(element)?;
                self.entrance.acknowledged(self.session, h).await?;
            }
            _ => return Err(Fault::UnsupportedStanzaType),
        }
        Ok(())
    }

    /// Tells what was not handled yet when the client asked.
    fn pay(&mut self) {
        let count = self.handled.count();
        if self.owes && self.handled.under_way() == 0 {
            self.owes = false;
            self.say(&acks::answer(count));
        }
    }

    fn say(&self, words: &str) {
        // A queue that takes no more ends the stream by itself.
        let _ = self.queue.words(words);
    }
}

/// Asks whether the client is still there (XEP-0199 §4.1).
fn ping(entrance: &Entrance) -> Stanza {
    Stanza::iq(Type::Get, &random::id())
        .with_from(entrance.accounts().domain().clone())
        .with_child(Element::new("ping", ns::PING))
}
