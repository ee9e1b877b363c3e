use crate::flow::{Emit, EmitKind, Fate, PassId, Target};
use crate::stanza::{Condition, Stanza, StanzaError};

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
///
/// What other sessions have as well, as it is or as a copy, goes on when the
/// last of them has died without having acknowledged it, whichever that is:
/// see [`Holders`](crate::flow::Holders). So call this for every session that
/// ends, with what is in its [`Outbox`](super::Outbox) besides what was written.
pub fn expire(unacked: impl IntoIterator<Item = Delivery>) -> Vec<Emit> {
    unacked.into_iter().filter_map(meet_fate).collect()
}

fn meet_fate(delivery: Delivery) -> Option<Emit> {
    if let Some(holders) = &delivery.holders {
        let original = holders.lost(&delivery.session)?;
        return Some(reroute(original, None, delivery.pass));
    }
    match delivery.fate {
        Fate::Reroute => Some(reroute(delivery.stanza, delivery.by, delivery.pass)),
        Fate::Bounce => delivery
            .stanza
            .error_reply(&StanzaError::from(Condition::ServiceUnavailable))
            .map(Emit::answer),
        Fate::Drop => None,
    }
}

fn reroute(stanza: Stanza, by: Option<&'static str>, pass: PassId) -> Emit {
    let mut emit = Emit::answer(stanza).with_fate(Fate::Reroute);
    emit.kind = EmitKind::Copy;
    emit.target = Target::Routing;
    emit.by = by;
    emit.trail.pass = pass;
    emit
}
