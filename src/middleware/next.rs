use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use tower_service::Service;

use crate::flow::{Envelope, Outcome};

use super::Fault;

/// The rest of the stack, seen from one layer.
///
/// [`run`](Next::run) consumes it, so that the original cannot go on twice.
#[must_use = "the original does not go on unless `run` is called"]
pub struct Next(Arc<dyn Inner>);

impl Next {
    /// Lets the original go on, and returns what became of it.
    ///
    /// # Errors
    ///
    /// [`Fault::Inner`] if the rest of the stack failed: return it as it is,
    /// with `?`.
    pub async fn run(self, envelope: Envelope) -> Result<Outcome, Fault> {
        self.0.run(envelope).await
    }

    pub(super) fn new<S>(service: S) -> (Self, Arc<Slot<S, S::Error>>)
    where
        S: Service<Envelope, Response = Outcome> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
    {
        let slot = Arc::new(Slot(Mutex::new(Progress::NotRun(service))));
        (Self(slot.clone()), slot)
    }
}

impl std::fmt::Debug for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Next")
    }
}

trait Inner: Send + Sync {
    fn run(
        self: Arc<Self>,
        envelope: Envelope,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send>>;
}

/// What the shell and [`Next`] share: how far the original has come.
pub(super) struct Slot<S, E>(Mutex<Progress<S, E>>);

pub(super) enum Progress<S, E> {
    /// The original is still with the layer.
    NotRun(S),
    /// It is on its way through the inner layers.
    Running,
    /// It has gone on, and this became of it.
    Done(Outcome),
    /// The inner service returned an error.
    Failed(E),
}

impl<S, E> Slot<S, E> {
    /// How far the original has come. A layer that is done with is not heard
    /// again: what it left running counts as running.
    pub(super) fn take(&self) -> Progress<S, E> {
        self.set(Progress::Running)
    }

    fn set(&self, progress: Progress<S, E>) -> Progress<S, E> {
        // A poisoned lock only means that a layer panicked while another
        // value was being put in; every value is whole.
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut slot, progress)
    }
}

impl<S> Inner for Slot<S, S::Error>
where
    S: Service<Envelope, Response = Outcome> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    fn run(
        self: Arc<Self>,
        envelope: Envelope,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send>> {
        async move {
            let Progress::NotRun(mut service) = self.take() else {
                // `Next` is not `Clone` and `run` consumes it; should that ever
                // change, the original still goes on only once.
                return Err(Fault::Own("the original has already gone on".into()));
            };
            // The shell was polled ready before it was called, and this is
            // the very service that was.
            match service.call(envelope).await {
                Ok(mut outcome) => {
                    // What nobody has put a name on by now was not sent by a
                    // layer; the layer outside must not take it for its own.
                    for emit in &mut outcome.emits {
                        emit.by.get_or_insert("host");
                    }
                    self.set(Progress::Done(outcome.clone()));
                    Ok(outcome)
                }
                Err(error) => {
                    self.set(Progress::Failed(error));
                    Err(Fault::Inner)
                }
            }
        }
        .boxed()
    }
}
