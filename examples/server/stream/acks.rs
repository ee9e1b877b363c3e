//! Stream management (XEP-0198) of one session, without its socket: what the
//! client has not acknowledged yet. What it sent is counted by the library
//! ([`Handled`](tower_xmpp::host::Handled)).

use std::collections::VecDeque;
use std::time::Duration;

use tower_xmpp::host::Delivery;
use tower_xmpp::stanza::{Element, Stanza, ns};

use super::words::Fault;

/// What one stanza costs besides its bytes, roughly.
const OVERHEAD: usize = 256;

pub struct Acks {
    /// If the session may be resumed.
    claim: Option<Claim>,
    /// Stanzas of ours that the client says it has, modulo 2^32 (XEP-0198 §4).
    acked: u32,
    unacked: VecDeque<Delivery>,
    /// What `unacked` weighs.
    bytes: usize,
    limit: usize,
    /// An `<r/>` is out, and its answer is not in.
    has_asked: bool,
    /// The last answer brought no news, and the next would bring none: a client
    /// that miscounts would be asked on and on.
    knows_all: bool,
}

/// What lets a client go on with its session on another stream (XEP-0198 §5).
#[derive(Clone)]
pub struct Claim {
    /// By which the session is found again.
    pub id: String,
    /// How long it waits for that.
    pub lasts: Duration,
}

/// More is unacknowledged than may wait.
#[derive(Debug)]
pub struct Full(pub Box<Delivery>);

impl Acks {
    /// `limit` is in bytes.
    pub fn new(claim: Option<Claim>, limit: usize) -> Self {
        Self {
            claim,
            acked: 0,
            unacked: VecDeque::new(),
            bytes: 0,
            limit,
            has_asked: false,
            knows_all: false,
        }
    }

    pub fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// A stanza is on its way, and is kept until the client acknowledges it.
    pub fn sent(&mut self, delivery: Delivery) -> Result<&Stanza, Full> {
        let weight = weight(&delivery.stanza);
        if self.bytes + weight > self.limit {
            return Err(Full(Box::new(delivery)));
        }
        self.bytes += weight;
        self.knows_all = false;
        self.unacked.push_back(delivery);
        Ok(&self.unacked[self.unacked.len() - 1].stanza)
    }

    /// Whether to ask for an acknowledgement now: one question is out at a
    /// time, as long as there is anything to ask for.
    pub fn asks(&mut self) -> bool {
        let asks = !self.has_asked && !self.knows_all && !self.unacked.is_empty();
        self.has_asked |= asks;
        asks
    }

    /// The client says that it has `h` stanzas of ours; `arrived` hears of each
    /// of which it did not say so before.
    pub fn acknowledged(
        &mut self,
        h: u32,
        mut arrived: impl FnMut(&Delivery),
    ) -> Result<(), Fault> {
        let news = h.wrapping_sub(self.acked) as usize;
        if news > self.unacked.len() {
            let waiting = u32::try_from(self.unacked.len()).unwrap_or(u32::MAX);
            return Err(Fault::HandledTooMany {
                handled: h,
                sent: self.acked.wrapping_add(waiting),
            });
        }
        for delivery in self.unacked.drain(..news) {
            self.bytes -= weight(&delivery.stanza);
            arrived(&delivery);
        }
        self.acked = h;
        self.has_asked = false;
        self.knows_all = news == 0;
        Ok(())
    }

    /// A new stream takes over: nothing is asked there yet.
    pub fn resumed(&mut self) {
        self.has_asked = false;
        self.knows_all = false;
    }

    /// What the client may not have, in order.
    pub fn unacked(&self) -> impl Iterator<Item = &Stanza> {
        self.unacked.iter().map(|delivery| &delivery.stanza)
    }

    /// The same when the session is over.
    pub fn into_unacked(self) -> VecDeque<Delivery> {
        self.unacked
    }
}

/// The `h` of an acknowledgement or a resumption (XEP-0198 §4).
pub fn count(element: &Element) -> Result<u32, Fault> {
    let h = element.attr("h").and_then(|h| h.trim().parse().ok());
    h.ok_or(Fault::NoCount)
}

/// Asks for an acknowledgement.
pub const ASK: &str = "<r xmlns='urn:xmpp:sm:3'/>";

/// Acknowledges what the client sent.
pub fn answer(handled: u32) -> String {
    format!("<a xmlns='{}' h='{handled}'/>", ns::SM)
}

/// Refuses to enable or to resume (XEP-0198 §3, §5). `handled` is known of a
/// session that was there and is no more.
pub fn failed(condition: &str, handled: Option<u32>) -> String {
    let h = handled.map(|h| format!(" h='{h}'")).unwrap_or_default();
    format!(
        "<failed xmlns='{}'{h}><{condition} xmlns='{}'/></failed>",
        ns::SM,
        ns::STANZAS
    )
}

/// Enables stream management, with a claim so that the session can be resumed.
pub fn enabled(claim: Option<&Claim>) -> String {
    match claim {
        Some(Claim { id, lasts }) => format!(
            "<enabled xmlns='{}' resume='true' id='{id}' max='{}'/>",
            ns::SM,
            lasts.as_secs()
        ),
        None => format!("<enabled xmlns='{}'/>", ns::SM),
    }
}

/// Goes on with the session of this id.
pub fn resumed(id: &str, handled: u32) -> String {
    format!("<resumed xmlns='{}' previd='{id}' h='{handled}'/>", ns::SM)
}

fn weight(stanza: &Stanza) -> usize {
    stanza.wire_len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use tower_xmpp::flow::Fate;
    use tower_xmpp::stanza::Time;

    use super::*;

    fn delivery(id: &str) -> Delivery {
        let session = "alice@example.org/phone".parse().unwrap();
        let stanza = Stanza::message().with_id(id);
        Delivery::new(session, stanza, Fate::Drop, Time::from_secs(0))
    }

    fn sent(acks: &mut Acks, count: usize) {
        for number in 0..count {
            acks.sent(delivery(&number.to_string())).unwrap();
        }
    }

    fn waiting(acks: &Acks) -> Vec<&str> {
        acks.unacked().filter_map(Stanza::id).collect()
    }

    #[test]
    fn what_is_acknowledged_is_let_go_and_the_rest_is_kept_in_order() {
        let mut acks = Acks::new(None, 10_000);
        sent(&mut acks, 4);
        acks.acknowledged(0, |_| ()).unwrap();
        let mut arrived = vec![];
        acks.acknowledged(3, |it| arrived.extend(it.stanza.id().map(str::to_owned)))
            .unwrap();
        assert_eq!(arrived, ["0", "1", "2"]);
        assert_eq!(waiting(&acks), ["3"]);
        acks.acknowledged(3, |_| ()).unwrap();
        acks.acknowledged(4, |_| ()).unwrap();
        assert_eq!((waiting(&acks).len(), acks.bytes), (0, 0));
    }

    #[test]
    fn more_than_was_sent_cannot_be_acknowledged_and_neither_can_less_than_before() {
        let mut acks = Acks::new(None, 10_000);
        sent(&mut acks, 2);
        acks.acknowledged(1, |_| ()).unwrap();
        for h in [3, 0, u32::MAX] {
            let fault = Fault::HandledTooMany {
                handled: h,
                sent: 2,
            };
            assert_eq!(acks.acknowledged(h, |_| ()), Err(fault));
        }
        assert_eq!(waiting(&acks), ["1"]);
    }

    #[test]
    fn counts_begin_anew_after_2_to_the_32() {
        let mut acks = Acks::new(None, 10_000);
        acks.acked = u32::MAX - 1;
        sent(&mut acks, 3);
        acks.acknowledged(u32::MAX, |_| ()).unwrap();
        acks.acknowledged(1, |_| ()).unwrap();
        assert_eq!(waiting(&acks).len(), 0);
    }

    #[test]
    fn what_waits_is_bounded_by_its_weight() {
        let mut acks = Acks::new(None, 1_000);
        sent(&mut acks, 3);
        let Err(Full(back)) = acks.sent(delivery("more")) else {
            panic!("there is no room");
        };
        assert_eq!(back.stanza.id(), Some("more"));
        acks.acknowledged(1, |_| ()).unwrap();
        sent(&mut acks, 1);
    }

    #[test]
    fn one_question_is_out_at_a_time() {
        let mut acks = Acks::new(None, 10_000);
        assert!(!acks.asks());
        sent(&mut acks, 2);
        assert!(acks.asks());
        assert!(!acks.asks());
        acks.acknowledged(1, |_| ()).unwrap();
        assert!(acks.asks());
        acks.acknowledged(2, |_| ()).unwrap();
        assert!(!acks.asks());
    }

    #[test]
    fn a_client_that_miscounts_is_not_asked_on_and_on() {
        let mut acks = Acks::new(None, 10_000);
        sent(&mut acks, 2);
        assert!(acks.asks());
        acks.acknowledged(1, |_| ()).unwrap();
        assert!(acks.asks());
        acks.acknowledged(1, |_| ()).unwrap();
        assert!(!acks.asks(), "it has nothing new to say");
        sent(&mut acks, 1);
        assert!(acks.asks());
    }
}
