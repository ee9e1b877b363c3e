use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};

use super::Ticket;

/// Counts what one session sent and what has been handled, for the `h` of
/// XEP-0198 §4: in order, so that a stanza that takes long delays the
/// acknowledgements of all that follow it, and of nobody else's.
///
/// The host owns one per session and keeps it over resumption.
///
/// 1. For each stanza that enters the stack, [`enter`](Handled::enter) with
///    its ticket; for one that the host takes in itself, [`add`](Handled::add).
/// 2. `<r/>` is answered at once, with [`count`](Handled::count) (XEP-0198 §4:
///    it must not be withheld). Where [`next`](Handled::next) resolves, an
///    unasked `<a/>` tells the client that more is handled.
/// 3. Before `<resumed h='…'/>` is sent, await [`next`](Handled::next) until
///    [`under_way`](Handled::under_way) is zero, or for as long as you can:
///    what is not counted the client sends again.
/// 4. A stanza that was not handled because the conductor was closed is never
///    counted, nor is anything after it.
#[derive(Default)]
pub struct Handled {
    under_way: FuturesOrdered<BoxFuture<'static, bool>>,
    count: u32,
    stuck: bool,
}

impl Handled {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stanza of the session has entered the stack.
    pub fn enter(&mut self, ticket: Ticket) {
        let handled = ticket.handled().map(|outcome| outcome.is_ok());
        self.under_way.push_back(handled.boxed());
    }

    /// The host has taken in a stanza of the session without the stack.
    pub fn add(&mut self) {
        self.under_way.push_back(std::future::ready(true).boxed());
    }

    /// How many have been handled by now, modulo 2^32.
    pub fn count(&mut self) -> u32 {
        while let Some(Some(is_handled)) = self.under_way.next().now_or_never() {
            self.over(is_handled);
        }
        self.count
    }

    /// Waits until one more is handled, and says how many that makes. Without
    /// one under way it waits for ever; it may be dropped at any time.
    pub async fn next(&mut self) -> u32 {
        loop {
            match self.under_way.next().await {
                Some(is_handled) if self.over(is_handled) => return self.count,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Counts one, unless one before it never was; whether it did.
    fn over(&mut self, is_handled: bool) -> bool {
        self.stuck |= !is_handled;
        if !self.stuck {
            self.count = self.count.wrapping_add(1);
        }
        !self.stuck
    }
}

impl std::fmt::Debug for Handled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handled")
            .field("count", &self.count)
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}
