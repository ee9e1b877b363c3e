//! The one place that speaks to `tracing` and `metrics`. Bodies are never
//! logged, and neither is anything else that a user wrote.

use std::fmt;

use crate::flow::Incident;

/// A stanza concerned a layer.
pub(super) fn entered(layer: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_xmpp_layer_stanzas_total", "layer" => layer).increment(1);
    #[cfg(feature = "tracing")]
    tracing::trace!(layer, "a stanza concerns the layer");
    let _ = layer;
}

/// A layer decided about a stanza, and this names why.
#[allow(dead_code, reason = "used by features, which may all be off")]
pub(crate) fn decided(layer: &'static str, decision: &dyn fmt::Debug) {
    #[cfg(feature = "tracing")]
    tracing::trace!(layer, ?decision, "a layer decided");
    let _ = (layer, decision);
}

/// A layer broke and was stepped over.
pub(super) fn broke(incident: &Incident) {
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
