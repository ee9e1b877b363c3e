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
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_xmpp_layer_stanzas_total", "layer" => layer).increment(1);
    #[cfg(feature = "tracing")]
    let work = {
        let (pass, side) = (during.trail.pass.0, during.route.side());
        tracing::Instrument::instrument(work, tracing::debug_span!("layer", layer, pass, ?side))
    };
    let _ = (layer, during);
    work
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
