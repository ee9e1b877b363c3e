use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::task::AtomicWaker;
use jid::Jid;
use thiserror::Error;
use tower_service::Service;

use crate::flow::{BoxError, Emit, Envelope, Outcome, PassId, Route, to_bare};
use crate::stanza::Time;

use super::handled::Rest;
use super::{Driver, Host};

/// Sets a stack to work: its entrance, and the drivers that the host runs.
///
/// Every driver is a future for a task of its own, on whatever runtime the
/// host has; they end once the conductor is [closed](Conductor::close) and
/// everything that has begun is through.
pub fn conduct<S, H>(stack: S, host: Arc<H>, settings: Settings) -> (Conductor, Vec<Driver<S, H>>)
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    H: Host,
{
    let shards = settings.shards.max(1);
    let conductor = Conductor(Arc::new(Shared {
        shards: (0..shards).map(|_| Shard::default()).collect(),
        passes: AtomicU64::new(1),
        closed: AtomicBool::new(false),
        open: AtomicUsize::new(0),
        idle: AtomicWaker::new(),
    }));
    let drivers = (0..shards)
        .map(|shard| {
            Driver::new(
                stack.clone(),
                host.clone(),
                conductor.clone(),
                shard,
                settings,
            )
        })
        .collect();
    (conductor, drivers)
}

/// The bounds of [`conduct`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How many drivers share the work. Lanes are spread over them by owner.
    /// Default 1.
    pub shards: usize,
    /// How many stanzas may wait in one lane; one more is refused with
    /// `resource-constraint`. Default 10,000.
    pub lane_capacity: usize,
    /// How many passes may follow from one stanza in a chain, before what
    /// comes next is taken for a loop. Default 16.
    pub max_hops: u8,
    /// Whether a stanza counts as [handled](Ticket::handled) only when all that
    /// followed from it on this server is: a message to a local account when it
    /// is in that account's archive, too. Then nothing that was acknowledged
    /// (XEP-0198) is lost in a crash on its way to its recipient; and who sends
    /// faster than its recipients' lanes go on is acknowledged as fast as these.
    /// Default false: a stanza is handled when its own pass is.
    pub to_the_end: bool,
}

/// The one entrance to a stack. Cloning it is cheap.
#[derive(Clone)]
pub struct Conductor(pub(super) Arc<Shared>);

/// What became of an envelope, once its pass is over and what it emitted is
/// enqueued. It need not be awaited: the pass is finished all the same.
///
/// Who acknowledges stanzas (XEP-0198) awaits [`Ticket::handled`] instead, or
/// lets [`Handled`](super::Handled) do it.
#[derive(Debug)]
#[must_use = "a pass goes on without its ticket; say so with `post`"]
pub struct Ticket(pub(super) oneshot::Receiver<Over>);

/// A pass is over.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) outcome: Outcome,
    /// What it left unsettled is settled when this says so.
    pub(super) settled: Option<oneshot::Receiver<()>>,
    /// What follows from it is over when this says so.
    pub(super) following: Option<Released>,
}

/// Held by every pass that follows from one, and whatever they leave unsettled,
/// for as long as it is not over. Who waits for them all is told when the last
/// lets go.
#[derive(Clone)]
pub(super) struct Hold {
    #[expect(dead_code, reason = "to drop it is to tell")]
    tell: Arc<oneshot::Sender<Infallible>>,
}

/// Nobody holds it any more.
#[derive(Debug)]
pub(super) struct Released(oneshot::Receiver<Infallible>);

/// Who wants to know when a pass is over.
pub(super) enum Asker {
    Nobody,
    Ticket(oneshot::Sender<Over>),
    /// Who waits for all that follows from another one, of which this is a part.
    Chain(Hold),
}

/// The conductor has been closed, or its driver is gone: the envelope did not pass.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the stack is closed")]
pub struct Closed;

/// The order in which passes run: one after the other in each lane.
///
/// The sending session's for what it sends, the owner's for what is for it,
/// and one for what concerns the host as a whole.
pub(super) type Lane = Option<Jid>;

pub(super) struct Shared {
    pub(super) shards: Vec<Shard>,
    passes: AtomicU64,
    closed: AtomicBool,
    /// Jobs that have entered and are not over.
    open: AtomicUsize,
    /// Who waits until there are none.
    idle: AtomicWaker,
}

pub(super) struct Shard {
    /// None once the driver is gone: nothing would ever take it out.
    waiting: Mutex<Option<VecDeque<Job>>>,
    pub(super) waker: AtomicWaker,
}

pub(super) struct Job {
    pub(super) lane: Lane,
    pub(super) work: Work,
}

pub(super) enum Work {
    Pass(Envelope, Asker),
    Emits(Time, Vec<Emit>),
}

impl Conductor {
    /// Lets an envelope enter. Its pass begins when its lane's earlier ones
    /// are over.
    pub fn enter(&self, envelope: Envelope) -> Ticket {
        let (sender, receiver) = oneshot::channel();
        self.push(envelope, Asker::Ticket(sender));
        Ticket(receiver)
    }

    /// The same for who does not want to know what becomes of it.
    pub fn post(&self, envelope: Envelope) {
        self.push(envelope, Asker::Nobody);
    }

    /// Sends what did not come out of a pass, such as what
    /// [`expire`](super::expire) makes of unacknowledged stanzas.
    pub fn carry_out(&self, at: Time, emits: Vec<Emit>) {
        // In the lane of whom it is for, after what that lane has begun.
        for emit in emits {
            let lane = emit.stanza.to().map(|to| to_bare(to).into());
            self.push_job(Job {
                lane,
                work: Work::Emits(at, vec![emit]),
            });
        }
    }

    /// Resolves when all that has entered is over, and all that follows from
    /// it: what was to be delivered is enqueued. For a host that ends step by
    /// step; while others let things enter, it may take for ever.
    ///
    /// One at a time may wait: who begins later takes the place of who waits.
    pub async fn idle(&self) {
        poll_fn(|cx| {
            self.0.idle.register(cx.waker());
            match self.0.open.load(Ordering::SeqCst) {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    /// Lets nothing more enter from outside. What has entered is finished,
    /// with all that follows from it; then the drivers end.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.wake_all();
    }

    pub(super) fn next_pass(&self) -> PassId {
        PassId(self.0.passes.fetch_add(1, Ordering::Relaxed))
    }

    /// Enters what followed from a pass; this is allowed after closing.
    pub(super) fn follow(&self, envelope: Envelope, asker: Asker) {
        self.push_job(Job {
            lane: lane_of(&envelope.route),
            work: Work::Pass(envelope, asker),
        });
    }

    fn push(&self, envelope: Envelope, asker: Asker) {
        // Counted before looking: the drivers end when nothing is open, and
        // must not do so between the look and the push.
        self.0.job_begins();
        if !self.0.closed.load(Ordering::SeqCst) {
            self.push_job(Job {
                lane: lane_of(&envelope.route),
                work: Work::Pass(envelope, asker),
            });
        } // Dropping the sender tells the ticket.
        self.0.job_over();
    }

    fn push_job(&self, job: Job) {
        self.0.open.fetch_add(1, Ordering::SeqCst);
        let shards = &self.0.shards;
        let shard = match shards.len() {
            1 => 0,
            // Every lane of an owner is on one shard: which one is the same
            // in every run, so that a seeded test stays what it was.
            many => {
                let owner = job.lane.as_ref().map(|lane| (lane.node(), lane.domain()));
                let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(owner);
                usize::try_from(hash % many as u64).unwrap_or_default()
            }
        };
        let shard = &shards[shard];
        match shard.push(job) {
            true => shard.waker.wake(),
            false => self.0.job_over(),
        }
    }
}

impl Ticket {
    /// Resolves when the host may count the stanza as handled: its pass is
    /// over, and so is what layers began during it
    /// ([`Outcome::settling`]). What they had to say about that has been put
    /// into the sender's queue before.
    ///
    /// # Errors
    ///
    /// [`Closed`]: it was not handled, and must not be counted.
    pub async fn handled(self) -> Result<Outcome, Closed> {
        let over = self.0.await.map_err(|_| Closed)?;
        let (outcome, mut rest) = Rest::of(over);
        poll_fn(|cx| rest.poll(cx)).await?;
        Ok(outcome)
    }
}

impl Hold {
    pub(super) fn new() -> (Self, Released) {
        let (tell, told) = oneshot::channel();
        let tell = Arc::new(tell);
        (Self { tell }, Released(told))
    }
}

impl Future for Released {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}

impl Shard {
    fn push(&self, job: Job) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waiting.as_mut().map(|waiting| waiting.push_back(job));
        taken.is_some()
    }

    pub(super) fn pop(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().and_then(VecDeque::pop_front)
    }

    pub(super) fn has_waiting(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_ref().is_some_and(|waiting| !waiting.is_empty())
    }

    /// The driver is gone; says how many jobs waited for it.
    pub(super) fn abandon(&self) -> usize {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take().map_or(0, |jobs| jobs.len())
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Some(VecDeque::new())),
            waker: AtomicWaker::new(),
        }
    }
}

impl Shared {
    /// A job begins that did not enter.
    pub(super) fn job_begins(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    /// A job is over. What it led to has entered before.
    pub(super) fn job_over(&self) {
        let left = self.open.fetch_sub(1, Ordering::SeqCst) - 1;
        if left == 0 {
            self.idle.wake();
            if self.closed.load(Ordering::SeqCst) {
                self.wake_all();
            }
        }
    }

    /// Nothing can come any more: the drivers may end.
    pub(super) fn is_done(&self) -> bool {
        self.closed.load(Ordering::SeqCst) && self.open.load(Ordering::SeqCst) == 0
    }

    fn wake_all(&self) {
        for shard in &self.shards {
            shard.waker.wake();
        }
    }
}

fn lane_of(route: &Route) -> Lane {
    route.owner().cloned()
}

impl Future for Ticket {
    type Output = Result<Outcome, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let over = Pin::new(&mut self.0).poll(cx);
        over.map_ok(|over| over.outcome).map_err(|_| Closed)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shards: 1,
            lane_capacity: 10_000,
            max_hops: 16,
            to_the_end: false,
        }
    }
}

impl std::fmt::Debug for Conductor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Conductor")
    }
}
