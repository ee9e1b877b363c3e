//! The one place that speaks to `tracing` and `metrics`. Bodies are never
//! logged, and neither is anything else that a user wrote.

use std::fmt;
use std::future::Future;

use crate::flow::{Incident, Parts};

/// A stanza concerns a layer: what the layer does with it is counted, and
/// stands in a span of its own.
pub(super) fn within<W: Future>(
    layer: &'static str,
    during: &Parts,
    work: W,
) -> impl Future<Output = W::Output> + use<W> {
    count(layer);
    #[cfg(feature = "tracing")]
    let work = tracing::Instrument::instrument(work, span(layer, during));
    let _ = during;
    work
}

/// The same for what took a look and is done.
pub(super) fn glanced(layer: &'static str, during: &Parts) {
    count(layer);
    #[cfg(feature = "tracing")]
    span(layer, during).in_scope(|| decided(layer, &"at a glance"));
    let _ = during;
}

/// Counts a stanza that concerns a layer, under a key that is made once in each
/// thread: to make one costs more than the rest.
#[cfg(feature = "metrics")]
fn count(layer: &'static str) {
    use metrics::{Key, Label, Level, Metadata};
    use std::cell::RefCell;
    use std::rc::Rc;

    thread_local! {
        static KEYS: RefCell<Vec<(&'static str, Rc<Key>)>> = const { RefCell::new(Vec::new()) };
    }
    const WHERE: &str = module_path!();
    const ABOUT: Metadata<'static> = Metadata::new(WHERE, Level::INFO, Some(WHERE));

    let key = KEYS.with_borrow_mut(|keys| {
        if let Some((_, key)) = keys.iter().find(|(known, _)| *known == layer) {
            return key.clone();
        }
        let labels = vec![Label::new("layer", layer)];
        let key = Rc::new(Key::from_parts("tower_xmpp_layer_stanzas_total", labels));
        keys.push((layer, key.clone()));
        key
    });
    // No longer borrowed: a recorder may run a stack of its own.
    metrics::with_recorder(|recorder| recorder.register_counter(&key, &ABOUT)).increment(1);
}

#[cfg(not(feature = "metrics"))]
fn count(_: &'static str) {}

#[cfg(feature = "tracing")]
fn span(layer: &'static str, during: &Parts) -> tracing::Span {
    let (pass, side) = (during.trail.pass.0, during.route.side());
    tracing::debug_span!("layer", layer, pass, ?side)
}

/// A layer decided about a stanza, and this names why.
#[allow(dead_code, reason = "used by features, which may all be off")]
pub(crate) fn decided(layer: &'static str, decision: &dyn fmt::Debug) {
    #[cfg(feature = "tracing")]
    tracing::trace!(layer, ?decision, "a layer decided");
    let _ = (layer, decision);
}

/// A layer broke and was stepped over.
#[allow(dead_code, reason = "used by features, which may all be off")]
pub(crate) fn broke(incident: &Incident) {
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "tower_xmpp_layer_incidents_total",
        "layer" => incident.layer,
        "panicked" => if incident.panicked { "true" } else { "false" },
    )
    .increment(1);
    #[cfg(feature = "tracing")]
    tracing::error!(
        layer = incident.layer,
        stage = ?incident.stage,
        panicked = incident.panicked,
        what = %incident.what,
        "a layer broke and was stepped over"
    );
    let _ = incident;
}
