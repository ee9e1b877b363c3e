//! What can go wrong, on purpose.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use futures::FutureExt;

use crate::flow::{Envelope, Outcome, Stage};
use crate::middleware::{Fault, FromFn, Next, Shell, from_fn};

use super::Slow;

/// An error that a test asked for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a failure that the test asked for")]
pub struct Injected;

/// A switch that makes things fail: for the fakes of ports in tests.
///
/// ```
/// use tower_xmpp::testkit::Faulty;
///
/// let disk = Faulty::default();
/// assert!(disk.check().is_ok());
/// disk.fail(1);
/// assert!(disk.check().is_err());
/// assert!(disk.check().is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faulty(Arc<AtomicUsize>);

impl Faulty {
    /// The next `times` checks fail.
    pub fn fail(&self, times: usize) {
        self.0.store(times, Ordering::SeqCst);
    }

    /// Whether this one works.
    ///
    /// # Errors
    /// [`Injected`], if it is to fail.
    pub fn check(&self) -> Result<(), Injected> {
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Err(Injected),
            Err(_) => Ok(()),
        }
    }
}

/// A layer that panics while `fault` is on: before it lets a stanza go on, or
/// after. While the fault is off, it does nothing.
pub fn panicking(
    name: &'static str,
    stage: Stage,
    fault: &Faulty,
) -> Shell<FromFn<impl Fn(Envelope, Next) -> Passing + Send + Sync + 'static>> {
    let fault = fault.clone();
    from_fn(name, move |envelope: Envelope, next: Next| {
        let fault = fault.clone();
        async move {
            if stage == Stage::After {
                let outcome = next.run(envelope).await?;
                assert!(fault.check().is_ok(), "the test asked for a panic after");
                return Ok(outcome);
            }
            assert!(fault.check().is_ok(), "the test asked for a panic before");
            next.run(envelope).await
        }
        .boxed()
    })
}

/// A layer that takes its time before it lets a stanza go on.
pub fn slow(
    name: &'static str,
    slow: &Slow,
) -> Shell<FromFn<impl Fn(Envelope, Next) -> Passing + Send + Sync + 'static>> {
    let slow = slow.clone();
    from_fn(name, move |envelope: Envelope, next: Next| {
        let slow = slow.clone();
        async move {
            slow.wait().await;
            next.run(envelope).await
        }
        .boxed()
    })
}

type Passing = Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send>>;
