//! One session: a client that has bound a resource, with a connection or,
//! for a while, without one.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use jid::FullJid;
use tokio::sync::{OnceCell, OwnedMutexGuard};
use tower_xmpp::host::{Delivery, Handled, Outbox, Undelivered};
use tower_xmpp::stanza::Time;

use super::services::offline::{self, Loan, Position};
use super::standing::Standing;
use super::stream::acks::{self, Acks, Full};
use super::stream::queue::{Cut, Queue};
use super::stream::words::Fault;

pub struct Session {
    jid: FullJid,
    state: Mutex<State>,
    standing: Mutex<Standing>,
    /// Counts what the client sent. Held by the connection that talks for the
    /// session; who resumes it waits until that one has left.
    talking: Arc<tokio::sync::Mutex<Handled>>,
    /// Held by whoever resumes it, so that one does at a time.
    resuming: tokio::sync::Mutex<()>,
    /// Done when all is done that follows from the session's end.
    ended: OnceCell<()>,
}

struct State {
    outbox: Outbox,
    /// Whether the client knows that it has this session: before, it gets
    /// nothing else.
    is_greeted: bool,
    link: Link,
    /// Stream management, once the client has enabled it.
    acks: Option<Acks>,
    /// Messages that waited for the account and are not known to have arrived.
    loan: Loan,
    /// What could not be sent. Where there is any, the session takes nothing
    /// more and is about to end.
    left: Vec<Delivery>,
}

enum Link {
    Connected(Arc<Queue>),
    /// Without a connection, until then (XEP-0198 §5).
    Hibernating(Instant),
    Over,
}

/// What is left of a session that is over.
pub struct Rest {
    /// What the client may not have, in order.
    pub unacked: Vec<Delivery>,
    /// What waited for the account: it has arrived.
    pub arrived: Vec<Position>,
    /// It may not have.
    pub loan: Vec<Position>,
}

/// Why a session could not be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotResumed {
    Over,
    /// The client says what cannot be.
    Fault(Fault),
}

impl Session {
    /// A session with a connection; with `acks`, under stream management. Its
    /// client is to be greeted.
    pub fn new(jid: FullJid, queue: Arc<Queue>, acks: Option<Acks>) -> Arc<Self> {
        Arc::new(Self {
            jid,
            state: Mutex::new(State {
                outbox: Outbox::new(),
                is_greeted: false,
                link: Link::Connected(queue),
                acks,
                loan: Loan::default(),
                left: vec![],
            }),
            standing: Mutex::default(),
            talking: Arc::default(),
            resuming: tokio::sync::Mutex::default(),
            ended: OnceCell::new(),
        })
    }

    pub fn jid(&self) -> &FullJid {
        &self.jid
    }

    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap()
    }

    /// The right to talk for the session, once nobody else has it.
    pub async fn talking(&self) -> OwnedMutexGuard<Handled> {
        self.talking.clone().lock_owned().await
    }

    pub fn resuming(&self) -> &tokio::sync::Mutex<()> {
        &self.resuming
    }

    /// See [`OnceCell`]: who comes second waits for who was first.
    pub fn ended(&self) -> &OnceCell<()> {
        &self.ended
    }

    /// How much of what the client sent was handled, if nobody talks for the
    /// session any more.
    pub fn handled(&self) -> Option<u32> {
        Some(self.talking.try_lock().ok()?.count())
    }

    /// Tells the client that it has the session, and then what came meanwhile.
    pub fn greet(&self, say: impl FnOnce()) {
        let mut state = self.state();
        say();
        state.is_greeted = true;
        state.flush();
    }

    /// Everything for this session comes through here, and waits nowhere else.
    pub fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        let mut state = self.state();
        if !state.takes_more() {
            return Err(Undelivered(Box::new(delivery)));
        }
        state.take(delivery);
        Ok(())
    }

    /// The same for what has waited for the account; false if it is not taken.
    pub fn lend(&self, position: Position, delivery: Delivery) -> bool {
        let mut state = self.state();
        if !state.takes_more() {
            return false;
        }
        state.loan.add(position);
        state.take(delivery);
        true
    }

    /// The client is looked at or not (XEP-0352): what can wait goes out or
    /// waits.
    pub fn looked_at(&self, is_active: bool) {
        let mut state = self.state();
        match is_active {
            true => state.outbox.active(),
            false => state.outbox.inactive(),
        }
        state.flush();
    }

    /// Time passes: what has waited too long goes out. Returns what has
    /// arrived of what waited for the account.
    pub fn tick(&self, now: Time) -> Vec<Position> {
        let mut state = self.state();
        let arrived = state.written();
        state.outbox.tick(now);
        state.flush();
        arrived
    }

    /// The client enables stream management; `answer` is the last thing it
    /// hears that is not counted. False if it was enabled before.
    pub fn enable(&self, acks: Acks, answer: &str) -> bool {
        let mut state = self.state();
        if state.acks.is_some() {
            return false;
        }
        state.say(answer);
        state.acks = Some(acks);
        true
    }

    /// Whether the client has enabled stream management.
    pub fn has_acks(&self) -> bool {
        self.state().acks.is_some()
    }

    /// The client acknowledges what it got. Returns what has arrived of what
    /// waited for the account.
    pub fn acknowledged(&self, h: u32) -> Result<Vec<Position>, Fault> {
        let mut state = self.state();
        let arrived = state.acknowledged(h)?;
        state.ask();
        Ok(arrived)
    }

    /// The id by which it can be resumed, if it may be.
    pub fn resumption_id(&self) -> Option<String> {
        Some(self.state().acks.as_ref()?.claim()?.id.clone())
    }

    /// Ends the session's present stream, if it has one.
    pub fn end_stream(&self, fault: Fault, cut: Cut) {
        if let Link::Connected(queue) = &self.state().link {
            queue.close(Some(fault), cut);
        }
    }

    /// The connection is lost now. If the session may be resumed, it waits for
    /// that as long as its client was told; if not, this is false.
    pub fn hibernate(&self, now: Instant) -> bool {
        let mut state = self.state();
        let claim = state.acks.as_ref().and_then(Acks::claim);
        if let Some(until) = claim.map(|claim| now + claim.lasts)
            && matches!(state.link, Link::Connected(_))
        {
            state.link = Link::Hibernating(until);
            return true;
        }
        false
    }

    /// Takes nothing more, if nobody has come to resume it in time.
    pub fn expire(&self, now: Instant) -> bool {
        let mut state = self.state();
        let has_expired = matches!(state.link, Link::Hibernating(until) if until <= now);
        if has_expired {
            state.link = Link::Over;
        }
        has_expired
    }

    /// Whether it waits for its client to come back.
    pub fn is_hibernating(&self) -> bool {
        matches!(self.state().link, Link::Hibernating(_))
    }

    /// The client is back on another stream, says how much it got, and gets
    /// the rest again. `announce` tells whom it concerns, before the client
    /// hears anything else and before the session can end. Returns, besides,
    /// what has arrived of what waited for the account.
    pub fn resume<T>(
        &self,
        queue: Arc<Queue>,
        h: u32,
        announce: impl FnOnce() -> T,
    ) -> Result<(T, Vec<Position>), NotResumed> {
        let mut state = self.state();
        if !matches!(state.link, Link::Hibernating(_)) {
            return Err(NotResumed::Over);
        }
        let arrived = state.acknowledged(h).map_err(NotResumed::Fault)?;
        let Some(acks) = &mut state.acks else {
            return Err(NotResumed::Over);
        };
        acks.resumed();
        let announced = announce();
        for stanza in acks.unacked() {
            // A queue that takes no more ends the stream by itself.
            let _ = queue.stanza(stanza);
        }
        state.link = Link::Connected(queue);
        // XEP-0352 §5.2
        state.outbox.active();
        state.flush();
        Ok((announced, arrived))
    }

    /// Takes nothing more.
    pub fn close(&self) -> Rest {
        let mut state = self.state();
        let arrived = state.written();
        state.link = Link::Over;
        let unacked = state.acks.take().map(Acks::into_unacked);
        let mut left: Vec<_> = unacked.unwrap_or_default().into();
        left.append(&mut state.left);
        left.extend(state.outbox.drain());
        Rest {
            unacked: left,
            arrived,
            loan: std::mem::take(&mut state.loan).into_positions(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Whether what is delivered now has a chance to arrive.
    fn takes_more(&self) -> bool {
        let is_open = match &self.link {
            Link::Connected(queue) => self.acks.is_some() || !queue.is_cut(),
            Link::Hibernating(_) => true,
            Link::Over => false,
        };
        is_open && self.left.is_empty()
    }

    /// Through the outbox, which is empty unless the client is not looked at.
    fn take(&mut self, delivery: Delivery) {
        if !self.is_greeted {
            return self.outbox.push(delivery);
        }
        if let Some(next) = self.outbox.exchange(delivery) {
            self.send(next);
        }
        self.flush();
    }

    /// Sends what the outbox does not hold back.
    fn flush(&mut self) {
        if !self.is_greeted {
            return;
        }
        while self.left.is_empty()
            && let Some(delivery) = self.outbox.pop()
        {
            self.send(delivery);
        }
        self.ask();
    }

    fn send(&mut self, delivery: Delivery) {
        let Some(acks) = &mut self.acks else {
            // What is written is gone, whether it arrives or not.
            match &self.link {
                Link::Connected(queue) if queue.stanza(&delivery.stanza).is_ok() => {
                    if delivery.by == Some(offline::BY) {
                        self.loan.arrives_at(queue.appended());
                    }
                }
                _ => self.left.push(delivery),
            }
            return;
        };
        match (acks.sent(delivery), &self.link) {
            // What is kept can be sent once more, whatever becomes of this stream.
            (Ok(kept), Link::Connected(queue)) => {
                let _ = queue.stanza(kept);
            }
            (Ok(_), _) => {}
            (Err(Full(delivery)), _) => {
                self.left.push(*delivery);
                self.give_up();
            }
        }
    }

    fn acknowledged(&mut self, h: u32) -> Result<Vec<Position>, Fault> {
        let mut count = 0;
        let Some(acks) = &mut self.acks else {
            return Ok(vec![]);
        };
        acks.acknowledged(h, |it| count += usize::from(it.by == Some(offline::BY)))?;
        Ok(self.loan.acknowledged(count))
    }

    /// What a client has that does not acknowledge.
    fn written(&mut self) -> Vec<Position> {
        match &self.link {
            Link::Connected(queue) => self.loan.written(queue.written()),
            _ => vec![],
        }
    }

    /// More is unacknowledged than may be: the session will not recover.
    fn give_up(&mut self) {
        match &mut self.link {
            Link::Connected(queue) => queue.close(Some(Fault::QueueFull), Cut::Overflow),
            Link::Hibernating(until) => *until = Instant::now(),
            Link::Over => {}
        }
    }

    fn ask(&mut self) {
        if let Link::Connected(queue) = &self.link
            && let Some(acks) = &mut self.acks
            && acks.asks()
        {
            let _ = queue.words(acks::ASK);
        }
    }

    fn say(&self, words: &str) {
        if let Link::Connected(queue) = &self.link {
            let _ = queue.words(words);
        }
    }
}
