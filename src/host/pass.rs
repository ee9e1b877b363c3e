//! One pass through the stack, from the envelope to the last delivery.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use thiserror::Error;
use tower_service::Service;

use crate::flow::{
    BoxError, Drop, Emit, Envelope, Few, Original, Outcome, PassId, Settling, Trail,
};
use crate::middleware::panic_text;
use crate::stanza::{Condition, ErrorType, StanzaError, Time};

use super::Host;
use super::carry::Following;
use super::conduct::{Asker, Conductor, Hold, Over, Work};

pub(super) struct Passes<H> {
    pub(super) host: Arc<H>,
    pub(super) conductor: Conductor,
    pub(super) max_hops: u8,
    pub(super) to_the_end: bool,
}

/// What a pass left behind, and who wants to know when it is over.
pub(super) struct Unsettled {
    at: Time,
    trail: Trail,
    settling: Few<Settling>,
    tell: oneshot::Sender<()>,
    chain: Option<Hold>,
}

#[derive(Debug, Error)]
#[error("a service panicked: {0}")]
struct Panicked(String);

impl<H: Host> Passes<H> {
    /// Lets an envelope pass, and carries out what came of it. What is left to
    /// be settled comes back.
    ///
    /// Every stanza is a future of this size, and more than one: nothing that
    /// few of them need has room in it.
    pub(super) async fn pass<S>(
        &self,
        stack: &mut S,
        mut envelope: Envelope,
        asker: Asker,
    ) -> Option<Unsettled>
    where
        S: Service<Envelope, Response = Outcome>,
        S::Error: Into<BoxError>,
    {
        let pass = self.conductor.next_pass();
        self.contain(pass, || self.host.began(pass, &envelope));
        envelope.trail.pass = pass;
        let (at, trail) = (envelope.at, envelope.trail.clone());
        let mut outcome = self.through(stack, envelope).await;
        self.contain(pass, || self.host.ended(pass, &outcome));
        let mut following = match &asker {
            Asker::Ticket(_) if self.to_the_end => Following::wanted(),
            Asker::Chain(chain) => Following::part_of(chain),
            _ => Following::unknown(),
        };
        let emits = std::mem::take(&mut outcome.emits);
        self.carry_all(at, &trail, emits, &mut following).await;
        let settling = std::mem::take(&mut outcome.settling);
        let (mut unsettled, mut settled) = (None, None);
        if !settling.is_empty() {
            let (tell, told) = oneshot::channel();
            settled = Some(told);
            unsettled = Some(Unsettled {
                at,
                trail,
                settling,
                tell,
                chain: match &asker {
                    Asker::Chain(chain) => Some(chain.clone()),
                    _ => None,
                },
            });
        }
        if let Asker::Ticket(ticket) = asker {
            // Nobody need be waiting for it.
            let _ = ticket.send(Over {
                outcome,
                settled,
                following: following.released,
            });
        }
        unsettled
    }

    /// Waits for what a pass left behind, and carries out what comes of it
    /// before anybody is told.
    pub(super) async fn settle(&self, unsettled: Unsettled) {
        let pass = unsettled.trail.pass;
        for future in unsettled.settling.iter().filter_map(Settling::take) {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(settled) => {
                    self.contain(pass, || self.host.settled(pass, &settled.incidents));
                    let (at, trail) = (unsettled.at, &unsettled.trail);
                    let mut following = Following::unknown();
                    self.carry_all(at, trail, settled.emits, &mut following)
                        .await;
                }
                Err(panic) => self.panicked(pass, &*panic),
            }
        }
        let _ = unsettled.tell.send(());
        drop(unsettled.chain);
    }

    /// Sends what did not come out of a pass.
    pub(super) async fn carry_out(&self, at: Time, emits: Vec<Emit>) {
        for emit in emits {
            let trail = emit.trail.clone();
            let mut following = Following::unknown();
            self.carry_all(at, &trail, vec![emit], &mut following).await;
        }
    }

    /// Answers for a lane that is full. To the host it is a pass like any
    /// other, so that an admin sees what went nowhere.
    pub(super) async fn refuse(&self, work: Work) {
        let Work::Pass(envelope, asker) = work else {
            return;
        };
        if let Some(stanza) = envelope.as_stanza() {
            let pass = self.conductor.next_pass();
            self.contain(pass, || self.host.began(pass, &envelope));
            let mut outcome = Outcome::refused(stanza, try_later());
            self.contain(pass, || self.host.ended(pass, &outcome));
            self.carry_out(envelope.at, std::mem::take(&mut outcome.emits))
                .await;
            if let Asker::Ticket(ticket) = asker {
                let _ = ticket.send(Over {
                    outcome,
                    settled: None,
                    following: None,
                });
            }
        }
    }

    /// Through the stack. What breaks there is told to the sender as
    /// `resource-constraint`: an IQ is always answered.
    async fn through<S>(&self, stack: &mut S, envelope: Envelope) -> Outcome
    where
        S: Service<Envelope, Response = Outcome>,
        S::Error: Into<BoxError>,
    {
        let pass = envelope.trail.pass;
        let spare = envelope.as_stanza().cloned();
        if envelope.trail.hops > self.max_hops {
            return match &spare {
                Some(stanza) if stanza.is_request() => Outcome::refused(stanza, try_later()),
                _ => Outcome::dropped(Drop::TooManyHops),
            };
        }
        let passed = AssertUnwindSafe(async {
            poll_fn(|cx| stack.poll_ready(cx)).await?;
            stack.call(envelope).await
        })
        .catch_unwind()
        .await;
        let what: BoxError = match passed {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(error)) => error.into(),
            Err(panic) => Box::new(Panicked(panic_text(&*panic))),
        };
        self.host.broke(pass, &*what);
        match spare {
            Some(stanza) => Outcome::refused(&stanza, try_later()),
            None => Outcome::of(Original::Heard),
        }
    }

    /// Tells the host something; if that panics, it costs the pass nothing.
    fn contain(&self, pass: PassId, tell: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(tell)) {
            self.panicked(pass, &*panic);
        }
    }

    pub(super) fn panicked(&self, pass: PassId, panic: &(dyn Any + Send)) {
        let what = Panicked(panic_text(panic));
        // A host that cannot even hear of it is not told again.
        let _ = catch_unwind(AssertUnwindSafe(|| self.host.broke(pass, &what)));
    }
}

pub(super) fn try_later() -> StanzaError {
    StanzaError::from(Condition::ResourceConstraint).with_type(ErrorType::Wait)
}
