//! What the shell does around one call of [`Feature::handle`].

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use futures::FutureExt;
use tower_service::Service;

use crate::flow::{Emit, Envelope, Event, Incident, Original, Outcome, Parts, Stage, Trail};
use crate::stanza::{Condition, Time};

use super::next::Progress;
use super::{Fault, Feature, Next, OnFailure, telemetry};

/// Runs the feature around the inner service, and steps over it if it breaks.
pub(super) async fn handle<F, S>(
    feature: Arc<F>,
    service: S,
    envelope: Envelope,
) -> Result<Outcome, S::Error>
where
    F: Feature,
    S: Service<Envelope, Response = Outcome> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    let (layer, on_failure) = (feature.name(), feature.on_failure());
    // Cheap: the body of a stanza is shared. It is what goes on if the
    // feature breaks before it lets the original go.
    let spare = envelope.clone();
    let (next, slot) = Next::new(service);

    let handled = work(feature, envelope, next, &spare).await;
    let progress = slot.take();
    let incident = match (handled, &progress) {
        (Ok(Ok(mut outcome)), _) => {
            sign(&mut outcome.emits, layer, &spare);
            return Ok(outcome);
        }
        // The panic came from further in: it is not this layer's.
        (Err(panic), Progress::Running) => resume_unwind(panic),
        (Err(panic), _) => incident(layer, true, panic_text(&*panic)),
        (Ok(Err(Fault::Own(error))), _) => incident(layer, false, error.to_string()),
        (Ok(Err(Fault::Inner)), _) => incident(layer, false, "the inner service failed".to_owned()),
    };
    step_over(progress, spare, on_failure, incident).await
}

/// What the feature makes of it; a panic comes back.
///
/// Not inside of [`handle`], whose future would have room for every place in
/// which this one ever lay.
fn work<F: Feature>(
    feature: Arc<F>,
    envelope: Envelope,
    next: Next,
    during: &Parts,
) -> impl Future<Output = Result<Result<Outcome, Fault>, Panic>> + use<F> {
    let layer = feature.name();
    let work = AssertUnwindSafe(async move { feature.handle(envelope, next).await });
    telemetry::within(layer, during, work.catch_unwind())
}

/// What a panic carries.
pub(super) type Panic = Box<dyn Any + Send>;

/// Asks what a feature has to do with a stanza; a panic comes back.
#[inline]
pub(super) fn ask<A>(question: impl FnOnce() -> A) -> Result<A, Panic> {
    catch_unwind(AssertUnwindSafe(question))
}

/// The feature panicked when it was asked: the stanza goes on without it, or
/// is refused where the feature fails closed.
pub(super) async fn pass_over<F, S>(
    feature: Arc<F>,
    service: S,
    envelope: Envelope,
    what: String,
) -> Result<Outcome, S::Error>
where
    F: Feature,
    S: Service<Envelope, Response = Outcome>,
{
    let progress = Progress::NotRun(service);
    let incident = incident(feature.name(), true, what);
    step_over(progress, envelope, feature.on_failure(), incident).await
}

/// Puts an incident into an outcome, counted and traced like one that the
/// shell finds itself: for a feature that could do only part of its work and
/// let the original go on all the same.
pub fn report(outcome: &mut Outcome, incident: Incident) {
    telemetry::broke(&incident);
    outcome.incidents.push(incident);
}

/// Lets the feature hear of an event; whatever it does, the event goes on.
pub(super) async fn hear<F: Feature>(
    feature: Arc<F>,
    at: Time,
    event: Event,
) -> Result<Vec<Emit>, Incident> {
    let layer = feature.name();
    let heard = AssertUnwindSafe(async move { feature.hear(at, event).await })
        .catch_unwind()
        .await;
    let (panicked, what) = match heard {
        Ok(Ok(emits)) => return Ok(emits),
        Ok(Err(Fault::Own(error))) => (false, error.to_string()),
        Ok(Err(Fault::Inner)) => (false, "hearing has no inner service".to_owned()),
        Err(panic) => (true, panic_text(&*panic)),
    };
    Err(deaf(layer, panicked, what))
}

/// A layer broke over an event: it may have missed it.
pub(super) fn deaf(layer: &'static str, panicked: bool, what: String) -> Incident {
    let incident = Incident {
        stage: Stage::Event,
        ..incident(layer, panicked, what)
    };
    telemetry::broke(&incident);
    incident
}

/// Puts the layer's name on what it emits, so that it does not meet it again.
pub(super) fn sign(emits: &mut [Emit], layer: &'static str, during: &Parts) {
    let mut trail: Option<Trail> = None;
    for emit in emits.iter_mut().filter(|emit| emit.by.is_none()) {
        emit.by = Some(layer);
        emit.trail = trail
            .get_or_insert_with(|| during.trail.after(layer, &during.route))
            .clone();
    }
}

async fn step_over<S>(
    progress: Progress<S, S::Error>,
    spare: Envelope,
    on_failure: OnFailure,
    mut incident: Incident,
) -> Result<Outcome, S::Error>
where
    S: Service<Envelope, Response = Outcome>,
{
    let mut outcome = match progress {
        Progress::Failed(error) => return Err(error),
        Progress::Done(outcome) => {
            incident.stage = Stage::After;
            outcome
        }
        Progress::NotRun(mut service) if on_failure == OnFailure::StepOver => {
            service.call(spare).await?
        }
        // `Running`: the feature gave up on the inner layers half way. Where
        // the original is, nobody knows; it must not go on a second time.
        Progress::NotRun(_) | Progress::Running => match spare.as_stanza() {
            Some(stanza) => Outcome::refused(stanza, Condition::InternalServerError),
            None => Outcome::of(Original::Heard),
        },
    };
    report(&mut outcome, incident);
    Ok(outcome)
}

fn incident(layer: &'static str, panicked: bool, what: String) -> Incident {
    Incident {
        layer,
        stage: Stage::Before,
        panicked,
        what,
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
