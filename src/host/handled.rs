use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use futures::FutureExt;
use futures::channel::oneshot;

use crate::flow::Outcome;

use super::conduct::{Over, Released};
use super::{Closed, Ticket};

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
    /// The oldest first: it alone is looked at, since nothing is counted before it.
    under_way: VecDeque<UnderWay>,
    count: u32,
    stuck: bool,
}

enum UnderWay {
    /// Its pass is not over, as far as is known.
    Passing(Ticket),
    /// Its pass is.
    Passed(Rest),
    /// The host has taken it in.
    Taken,
}

/// What has to be over, besides its own pass, before a stanza is handled.
pub(super) struct Rest {
    /// What the pass left unsettled.
    settled: Option<oneshot::Receiver<()>>,
    /// All that follows from it.
    following: Option<Released>,
}

impl Handled {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stanza of the session has entered the stack.
    pub fn enter(&mut self, ticket: Ticket) {
        self.under_way.push_back(UnderWay::Passing(ticket));
    }

    /// The host has taken in a stanza of the session without the stack.
    pub fn add(&mut self) {
        self.under_way.push_back(UnderWay::Taken);
    }

    /// How many have been handled by now, modulo 2^32.
    pub fn count(&mut self) -> u32 {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(_)) = self.poll_oldest(&mut cx) {}
        self.count
    }

    /// Waits until one more is handled, and says how many that makes. Without
    /// one under way it waits for ever; it may be dropped at any time.
    pub async fn next(&mut self) -> u32 {
        poll_fn(|cx| {
            loop {
                match ready!(self.poll_oldest(cx)) {
                    Some(true) => return Poll::Ready(self.count),
                    Some(false) => {}
                    None => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether the oldest is counted, once it is over; `None` if there is none.
    fn poll_oldest(&mut self, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        let Some(oldest) = self.under_way.front_mut() else {
            return Poll::Ready(None);
        };
        let is_handled = ready!(oldest.poll(cx));
        self.under_way.pop_front();
        Poll::Ready(Some(self.over(is_handled)))
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

impl UnderWay {
    /// Whether it was handled, once it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if let UnderWay::Passing(ticket) = self {
            let Ok(over) = ready!(ticket.0.poll_unpin(cx)) else {
                return Poll::Ready(false);
            };
            let (_, mut rest) = Rest::of(over);
            if let Poll::Ready(handled) = rest.poll(cx) {
                return Poll::Ready(handled.is_ok());
            }
            *self = UnderWay::Passed(rest);
            return Poll::Pending;
        }
        match self {
            UnderWay::Passed(rest) => rest.poll(cx).map(|handled| handled.is_ok()),
            _ => Poll::Ready(true),
        }
    }
}

impl Rest {
    /// What became of a stanza, and what is left to be waited for.
    pub(super) fn of(over: Over) -> (Outcome, Self) {
        let rest = Self {
            settled: over.settled,
            following: over.following,
        };
        (over.outcome, rest)
    }

    /// Ready when nothing is left. What was left unsettled by a driver that is
    /// gone was not handled; a pass that follows and whose driver is gone is
    /// over, too.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(settled) = &mut self.settled {
            ready!(settled.poll_unpin(cx)).map_err(|_| Closed)?;
            self.settled = None;
        }
        if let Some(following) = &mut self.following {
            ready!(following.poll_unpin(cx));
            self.following = None;
        }
        Poll::Ready(Ok(()))
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
