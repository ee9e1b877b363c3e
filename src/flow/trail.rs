use std::fmt;
use std::sync::Arc;

use jid::{BareJid, Jid};

use super::{Route, Side};

/// Whose work an envelope is.
///
/// A stanza from outside has an empty trail. What a layer emits to pass the
/// whole stack again ([`EmitKind::New`](super::EmitKind::New)) carries a hop
/// that names the layer, the side and the owner it acted for, and the shell
/// lets it pass that same layer, side and owner untouched. The owner is part
/// of the key, so both sides of a feature may share a server.
///
/// Empty trails cost no allocation.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    step: Option<Arc<Step>>,
    /// The pass during which this was emitted; zero from outside.
    pub pass: PassId,
    /// How many passes led here; the host's conductor bounds it.
    pub hops: u8,
}

/// The number of one pass through a stack, given by the host's conductor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PassId(pub u64);

/// One entry of a [`Trail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The layer's name.
    pub layer: &'static str,
    /// Which half of the feature acted.
    pub side: Side,
    /// The account or room it acted for; `None` for the host.
    pub owner: Option<BareJid>,
}

#[derive(Debug)]
struct Step {
    hop: Hop,
    before: Option<Arc<Step>>,
}

impl Trail {
    /// Whether this layer, side and owner have already had a hand in it.
    pub fn met(&self, layer: &str, route: &Route) -> bool {
        if self.step.is_none() {
            return false;
        }
        let (side, owner) = (route.side(), route.owner());
        self.iter().any(|hop| {
            hop.layer == layer && hop.side == side && same_owner(hop.owner.as_ref(), owner)
        })
    }

    /// The trail of what `layer` emits during a pass on `route`.
    pub fn after(&self, layer: &'static str, route: &Route) -> Trail {
        let hop = Hop {
            layer,
            side: route.side(),
            owner: route.owner_bare(),
        };
        Trail {
            step: Some(Arc::new(Step {
                hop,
                before: self.step.clone(),
            })),
            pass: self.pass,
            hops: self.hops,
        }
    }

    /// The hops, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Hop> {
        std::iter::successors(self.step.as_deref(), |step| step.before.as_deref())
            .map(|step| &step.hop)
    }

    /// Whether this came from outside.
    pub fn is_empty(&self) -> bool {
        self.step.is_none()
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, hop) in self.iter().enumerate() {
            let arrow = if position == 0 { "" } else { " ← " };
            write!(f, "{arrow}{} ({:?}", hop.layer, hop.side)?;
            match &hop.owner {
                Some(owner) => write!(f, " {owner})")?,
                None => f.write_str(")")?,
            }
        }
        Ok(())
    }
}

fn same_owner(hop: Option<&BareJid>, route: Option<&Jid>) -> bool {
    match (hop, route) {
        (Some(hop), Some(route)) => hop.node() == route.node() && hop.domain() == route.domain(),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(account: &str) -> Route {
        Route::ToAccount(account.parse().expect("a bare JID"))
    }

    #[test]
    fn what_comes_from_outside_has_met_nobody() {
        assert!(!Trail::default().met("fork", &to("alice@a.example")));
    }

    #[test]
    fn a_layer_is_recognised_by_name_side_and_owner_together() {
        let trail = Trail::default().after("fork", &to("alice@a.example"));
        assert!(trail.met("fork", &to("alice@a.example")));
        assert!(!trail.met("archive", &to("alice@a.example")));
        assert!(!trail.met("fork", &to("bob@a.example")));
        let sender = Route::FromAccount("alice@a.example".parse().expect("a bare JID"));
        assert!(!trail.met("fork", &sender));
    }

    #[test]
    fn hops_are_listed_newest_first() {
        let trail = Trail::default()
            .after("fork", &to("alice@a.example"))
            .after("archive", &Route::Host);
        let layers: Vec<_> = trail.iter().map(|hop| hop.layer).collect();
        assert_eq!(layers, ["archive", "fork"]);
        assert!(trail.met("archive", &Route::Host));
        assert_eq!(
            trail.to_string(),
            "archive (Host) ← fork (Receiver alice@a.example)"
        );
    }
}
