use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tower_service::Service;

use crate::flow::{BoxError, Envelope, Outcome, What};

use super::conduct::{Conductor, Job, Lane, Work};
use super::pass::{Passes, Unsettled};
use super::{Host, Settings};

/// How many jobs a driver starts before it lets other tasks of the runtime run.
const PATIENCE: usize = 256;

/// Runs the passes of one shard: a future for a task of the host's runtime.
///
/// In each lane one pass runs at a time, with everything it emits enqueued
/// before the next begins; different lanes do not wait for each other.
#[must_use = "nothing passes the stack unless the driver is polled"]
pub struct Driver<S, H> {
    stack: S,
    passes: Arc<Passes<H>>,
    shard: usize,
    lane_capacity: usize,
    /// What waits behind the job that runs in each busy lane.
    lanes: HashMap<Lane, VecDeque<Job>>,
    running: FuturesUnordered<Running>,
}

/// A job under way.
type Running = BoxFuture<'static, Ended>;

/// A job has ended.
struct Ended {
    /// The lane that it kept busy, if any.
    lane: Option<Lane>,
    /// What it left behind, which keeps no lane busy.
    left: Option<Unsettled>,
}

impl<S, H> Driver<S, H>
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    H: Host,
{
    pub(super) fn new(
        stack: S,
        host: Arc<H>,
        conductor: Conductor,
        shard: usize,
        settings: Settings,
    ) -> Self {
        Self {
            stack,
            passes: Arc::new(Passes {
                host,
                conductor,
                max_hops: settings.max_hops,
                to_the_end: settings.to_the_end,
            }),
            shard,
            lane_capacity: settings.lane_capacity,
            lanes: HashMap::new(),
            running: FuturesUnordered::new(),
        }
    }

    /// Whether stanzas wait that it takes up when it is polled next, as it then
    /// will be at once. What it delivers meanwhile can leave with what it has
    /// delivered: a host that gathers what it writes waits for this to be false,
    /// but not for ever.
    pub fn has_waiting(&self) -> bool {
        self.passes.conductor.0.shards[self.shard].has_waiting()
    }

    fn next_job(&self) -> Option<Job> {
        self.passes.conductor.0.shards[self.shard].pop()
    }

    /// The job, if its lane is free; else it waits there, or is refused if too
    /// many do. Events are never refused: state hangs on them.
    fn admit(&mut self, job: Job, cx: &mut Context<'_>) -> Option<Job> {
        match self.lanes.entry(job.lane.clone()) {
            Entry::Vacant(idle) => {
                idle.insert(VecDeque::new());
                return Some(job);
            }
            Entry::Occupied(mut busy)
                if busy.get().len() < self.lane_capacity || !job.is_stanza() =>
            {
                busy.get_mut().push_back(job);
            }
            Entry::Occupied(_) => self.refuse(job, cx),
        }
        None
    }

    fn refuse(&mut self, job: Job, cx: &mut Context<'_>) {
        let passes = self.passes.clone();
        let mut refusing = async move {
            passes.refuse(job.work).await;
            Ended {
                lane: None,
                left: None,
            }
        }
        .boxed();
        match refusing.as_mut().poll(cx) {
            // It kept no lane busy, so none has a next job.
            Poll::Ready(ended) => drop(self.release(ended)),
            Poll::Pending => self.running.push(refusing),
        }
    }

    /// Runs the job, and as many after it in its lane as end at once. Most wait
    /// for nothing: they are over with the first poll, and the box of one serves
    /// the next. It is of some kilobytes, which are dear to get from a heap.
    fn start<F>(
        &mut self,
        job: Job,
        run: impl Fn(Job) -> F,
        spare: &mut Option<Pin<Box<F>>>,
        cx: &mut Context<'_>,
    ) where
        F: Future<Output = Ended> + Send + 'static,
    {
        let mut next = Some(job);
        while let Some(job) = next {
            let mut running = match spare.take() {
                Some(mut ended) => {
                    ended.set(run(job));
                    ended
                }
                None => Box::pin(run(job)),
            };
            match running.as_mut().poll(cx) {
                Poll::Ready(ended) => {
                    next = self.release(ended);
                    *spare = Some(running);
                }
                Poll::Pending => {
                    self.running.push(running);
                    return;
                }
            }
        }
    }

    /// Waits for what a job left behind, while its lane goes on.
    fn settle(&mut self, left: Unsettled) {
        let passes = self.passes.clone();
        passes.conductor.0.job_begins();
        let settling = async move {
            passes.settle(left).await;
            Ended {
                lane: None,
                left: None,
            }
        };
        self.running.push(settling.boxed());
    }

    /// A job is over: the lane's next one, or else the lane is forgotten.
    fn release(&mut self, ended: Ended) -> Option<Job> {
        if let Some(left) = ended.left {
            self.settle(left);
        }
        self.passes.conductor.0.job_over();
        let Entry::Occupied(mut lane) = self.lanes.entry(ended.lane?) else {
            return None;
        };
        let next = lane.get_mut().pop_front();
        if next.is_none() {
            lane.remove();
        }
        next
    }
}

impl<S, H> Future for Driver<S, H>
where
    S: Service<Envelope, Response = Outcome> + Clone + Send + Unpin + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    H: Host,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let shared = this.passes.conductor.0.clone();
        // Before looking: what enters while we look wakes us again.
        shared.shards[this.shard].waker.register(cx.waker());
        let (passes, stack) = (this.passes.clone(), this.stack.clone());
        let run = |job| run(passes.clone(), stack.clone(), job);
        let mut spare = None;
        for _ in 0..PATIENCE {
            let next = if let Some(job) = this.next_job() {
                this.admit(job, cx)
            } else if let Poll::Ready(Some(ended)) = this.running.poll_next_unpin(cx) {
                this.release(ended)
            } else if shared.is_done() {
                return Poll::Ready(());
            } else {
                return Poll::Pending;
            };
            if let Some(job) = next {
                this.start(job, run, &mut spare, cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[expect(
    clippy::manual_async_fn,
    reason = "it would have room for each of its arguments twice"
)]
fn run<S, H>(
    passes: Arc<Passes<H>>,
    stack: S,
    job: Job,
) -> impl Future<Output = Ended> + Send + 'static
where
    S: Service<Envelope, Response = Outcome> + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send,
    H: Host,
{
    async move {
        let left = match job.work {
            Work::Pass(envelope, ticket) => passes.pass(stack, envelope, ticket).await,
            Work::Emits(at, emits) => {
                passes.carry_out(at, emits).await;
                None
            }
        };
        let lane = Some(job.lane);
        Ended { lane, left }
    }
}

/// A driver that is dropped takes its lanes with it. Whoever holds a ticket of
/// theirs is told, and the other drivers do not wait for what never ends.
impl<S, H> Drop for Driver<S, H> {
    fn drop(&mut self) {
        let shared = &self.passes.conductor.0;
        let behind: usize = self.lanes.values().map(VecDeque::len).sum();
        let left = shared.shards[self.shard].abandon() + behind + self.running.len();
        for _ in 0..left {
            shared.job_over();
        }
    }
}

impl Job {
    fn is_stanza(&self) -> bool {
        matches!(&self.work, Work::Pass(envelope, _) if matches!(envelope.what, What::Stanza(_)))
    }
}

impl<S, H> std::fmt::Debug for Driver<S, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("shard", &self.shard)
            .field("busy_lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}
