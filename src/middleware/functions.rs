use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::flow::{Drop, Envelope, Outcome};
use crate::stanza::StanzaError;

use super::{Fault, Feature, Next, Shell};

/// A layer of one function, which sees every stanza.
///
/// The name stands in trails, logs and figures. Return without calling
/// [`Next::run`] to take the original in.
pub fn from_fn<F, R>(name: &'static str, function: F) -> Shell<FromFn<F>>
where
    F: Fn(Envelope, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Outcome, Fault>> + Send + 'static,
{
    Shell::of(FromFn { name, function })
}

/// A layer that lets stanzas pass, refuses or drops them.
///
/// Layers that refuse stand outside archive: what is refused is not archived
/// (XEP-0313 §6.1).
pub fn filter<F>(name: &'static str, judge: F) -> Shell<Filter<F>>
where
    F: Fn(&Envelope) -> Verdict + Send + Sync + 'static,
{
    Shell::of(Filter { name, judge })
}

/// What a [`filter`] says of a stanza.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It goes back to its sender with this error.
    Refuse(StanzaError),
    /// It goes nowhere, and its sender is not told. An IQ request is refused
    /// with `service-unavailable` all the same: it is always answered
    /// (RFC 6120 §8.2.3).
    Drop,
}

/// The feature of [`from_fn`].
pub struct FromFn<F> {
    name: &'static str,
    function: F,
}

/// The feature of [`filter`].
pub struct Filter<F> {
    name: &'static str,
    judge: F,
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromFn").field(&self.name).finish()
    }
}

impl<F> fmt::Debug for Filter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.name).finish()
    }
}

impl<F, R> Feature for FromFn<F>
where
    F: Fn(Envelope, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Outcome, Fault>> + Send + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn concerns(&self, _: &Envelope) -> bool {
        true
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        (self.function)(envelope, next).await
    }
}

impl<F> Feature for Filter<F>
where
    F: Fn(&Envelope) -> Verdict + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        (self.judge)(envelope) != Verdict::Pass
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        // Judged again rather than remembered: a pass has no other state, and
        // who is refused is rare.
        let verdict = (self.judge)(&envelope);
        let Some(stanza) = envelope.as_stanza() else {
            return next.run(envelope).await;
        };
        Ok(match verdict {
            Verdict::Pass => return next.run(envelope).await,
            Verdict::Refuse(error) => Outcome::refused(stanza, error),
            Verdict::Drop if stanza.is_request() => {
                Outcome::refused(stanza, crate::stanza::Condition::ServiceUnavailable)
            }
            Verdict::Drop => Outcome::dropped(Drop::Filtered),
        })
    }
}
