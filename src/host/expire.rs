use crate::flow::{Emit, EmitKind, Fate, Target};
use crate::stanza::{Condition, StanzaError};

use super::Delivery;

/// Applies the fate of everything that a dead session never acknowledged
/// (XEP-0198 §4), in order. Give the result to
/// [`Conductor::carry_out`](super::Conductor::carry_out), after the session
/// is gone from [`Host::sessions`](super::Host::sessions).
///
/// * [`Fate::Reroute`] — delivered again by RFC 6121 §8 without passing the
///   stack (it has been archived and forked): to another session, to offline
///   storage, or back as an error.
/// * [`Fate::Bounce`] — back to its sender with `service-unavailable`, which is
///   what RFC 6121 §8.5.3.2.3 answers for a session that is not there.
/// * [`Fate::Drop`] — nothing.
pub fn expire(unacked: impl IntoIterator<Item = Delivery>) -> Vec<Emit> {
    unacked
        .into_iter()
        .filter_map(|delivery| match delivery.fate {
            Fate::Reroute => {
                let mut emit = Emit::answer(delivery.stanza).with_fate(Fate::Reroute);
                emit.kind = EmitKind::Copy;
                emit.target = Target::Routing;
                emit.by = delivery.by;
                emit.trail.pass = delivery.pass;
                Some(emit)
            }
            Fate::Bounce => delivery
                .stanza
                .error_reply(&StanzaError::from(Condition::ServiceUnavailable))
                .map(Emit::answer),
            Fate::Drop => None,
        })
        .collect()
}
