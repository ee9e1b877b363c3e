use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

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

/// After how many new jobs it looks at those that have to be waited for, though
/// more keep coming.
const FAIRNESS: usize = 16;

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
    /// The lanes in which something has to be waited for, and what waits behind
    /// it. Most work is over at once, and no lane is ever busy with it.
    lanes: HashMap<Lane, VecDeque<Work>>,
    running: FuturesUnordered<Running>,
}

/// Work under way; it may leave something behind that keeps no lane busy.
type Begun = BoxFuture<'static, Option<Unsettled>>;

/// Work that has to be waited for.
struct Running {
    /// The lane that it keeps busy, if any.
    lane: Option<Lane>,
    begun: Begun,
}

/// It is over.
struct Ended {
    lane: Option<Lane>,
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
        let Some(waiting) = self.lanes.get_mut(&job.lane) else {
            return Some(job);
        };
        if waiting.len() < self.lane_capacity || !job.work.is_stanza() {
            waiting.push_back(job.work);
        } else {
            self.refuse(job.work, cx);
        }
        None
    }

    fn refuse(&mut self, work: Work, cx: &mut Context<'_>) {
        let passes = self.passes.clone();
        let mut begun = async move {
            passes.refuse(work).await;
            None
        }
        .boxed();
        match begun.as_mut().poll(cx) {
            Poll::Ready(left) => self.over(left),
            Poll::Pending => self.running.push(Running { lane: None, begun }),
        }
    }

    /// Begins what is next in a lane that is not busy, and goes on with what
    /// waits there for as long as it ends at once. Most work waits for nothing:
    /// it is over with the first poll, and its box serves the next.
    fn start<F>(
        &mut self,
        lane: Lane,
        work: Work,
        begin: impl Fn(Work) -> F,
        spare: &mut Option<Pin<Box<F>>>,
        cx: &mut Context<'_>,
    ) where
        F: Future<Output = Option<Unsettled>> + Send + 'static,
    {
        let mut next = Some(work);
        while let Some(work) = next {
            let mut begun = match spare.take() {
                Some(mut ended) => {
                    ended.set(begin(work));
                    ended
                }
                None => Box::pin(begin(work)),
            };
            match begun.as_mut().poll(cx) {
                Poll::Ready(left) => {
                    self.over(left);
                    next = self.next_in(&lane);
                    *spare = Some(begun);
                }
                Poll::Pending => {
                    self.lanes.entry(lane.clone()).or_default();
                    let lane = Some(lane);
                    return self.running.push(Running { lane, begun });
                }
            }
        }
    }

    /// Some work is over. What it left behind is waited for while its lane
    /// goes on.
    fn over(&mut self, left: Option<Unsettled>) {
        let shared = &self.passes.conductor.0;
        if let Some(left) = left {
            shared.job_begins();
            let passes = self.passes.clone();
            let settling = async move {
                passes.settle(left).await;
                None
            };
            let begun = settling.boxed();
            self.running.push(Running { lane: None, begun });
        }
        shared.job_over();
    }

    /// What was waited for and has ended, if anything has.
    fn next_ended(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        match self.running.poll_next_unpin(cx) {
            Poll::Ready(ended) => ended,
            Poll::Pending => None,
        }
    }

    /// What was waited for is over: the next job of its lane, if it kept one
    /// busy and something waits there.
    fn release(&mut self, Ended { lane, left }: Ended) -> Option<Job> {
        self.over(left);
        let lane = lane?;
        let work = self.next_in(&lane)?;
        Some(Job { lane, work })
    }

    /// What has waited longest in a lane; one in which nothing waits is not
    /// busy any more.
    fn next_in(&mut self, lane: &Lane) -> Option<Work> {
        let waiting = self.lanes.get_mut(lane)?;
        let next = waiting.pop_front();
        if next.is_none() {
            self.lanes.remove(lane);
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
        let begin = |work| begin(passes.clone(), stack.clone(), work);
        let mut spare = None;
        for turn in 1..=PATIENCE {
            let next = if turn % FAIRNESS == 0
                && let Some(ended) = this.next_ended(cx)
            {
                this.release(ended)
            } else if let Some(job) = this.next_job() {
                this.admit(job, cx)
            } else if let Some(ended) = this.next_ended(cx) {
                this.release(ended)
            } else if shared.is_done() {
                return Poll::Ready(());
            } else {
                return Poll::Pending;
            };
            if let Some(Job { lane, work }) = next {
                this.start(lane, work, begin, &mut spare, cx);
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
fn begin<S, H>(
    passes: Arc<Passes<H>>,
    mut stack: S,
    work: Work,
) -> impl Future<Output = Option<Unsettled>> + Send + 'static
where
    S: Service<Envelope, Response = Outcome> + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send,
    H: Host,
{
    async move {
        match work {
            Work::Pass(envelope, asker) => passes.pass(&mut stack, envelope, asker).await,
            Work::Emits(at, emits) => {
                passes.carry_out(at, emits).await;
                None
            }
        }
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

impl Future for Running {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let left = ready!(self.begun.as_mut().poll(cx));
        let lane = self.lane.take();
        Poll::Ready(Ended { lane, left })
    }
}

impl Work {
    fn is_stanza(&self) -> bool {
        matches!(self, Work::Pass(envelope, _) if matches!(envelope.what, What::Stanza(_)))
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
