use std::collections::VecDeque;

use super::Delivery;

/// One session's outbox: the only place where stanzas wait.
///
/// Pure: the host owns one per session, puts in what
/// [`Host::deliver`](super::Host::deliver) gives it, and writes what comes out,
/// in order. It holds nothing back: client state indication (XEP-0352) will be
/// kept here, since what is important must flush all that waits before itself,
/// whether an original or a copy.
#[derive(Debug, Default)]
pub struct Outbox {
    ready: VecDeque<Delivery>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a delivery in.
    pub fn push(&mut self, delivery: Delivery) {
        self.ready.push_back(delivery);
    }

    /// Takes the next delivery that is to be written now.
    pub fn pop(&mut self) -> Option<Delivery> {
        self.ready.pop_front()
    }

    /// How many deliveries wait. The host bounds it: a client that does not
    /// read is ended, and its outbox goes to [`expire`](super::expire).
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}
