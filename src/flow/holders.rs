use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::FullJid;

use crate::stanza::Stanza;

/// Which sessions have an original and may still lose it.
///
/// One message may reach several sessions, as it is or as a copy. If one of
/// them dies without having acknowledged it (XEP-0198 §4), the others have it;
/// only when the last has died does the original go on, to another session, to
/// offline storage or back: exactly once, and never to somebody who has it.
/// Who acknowledged it is never the last.
///
/// Shared by all deliveries of one message, as their
/// [`Delivery::holders`](crate::host::Delivery::holders). A layer that makes
/// copies puts one into [`Facts::holders`](super::Facts::holders) and into each
/// [`Emit`](super::Emit); the router and [`expire`](crate::host::expire) do the rest.
///
/// ```
/// use tower_xmpp::flow::Holders;
/// use tower_xmpp::stanza::Stanza;
///
/// let (phone, desk) = ("alice@a.example/phone".parse()?, "alice@a.example/desk".parse()?);
/// let holders = Holders::default();
/// holders.begin(&Stanza::message().with_id("m1"), &[phone]);
/// assert!(holders.join(&desk)); // it got a copy
///
/// # let phone = "alice@a.example/phone".parse()?;
/// assert!(holders.lost(&phone).is_none(), "the other has it");
/// assert!(holders.lost(&desk).is_some_and(|original| original.id() == Some("m1")));
/// assert!(!holders.join(&desk), "it has gone on");
/// # Ok::<(), jid::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Holders(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// Nobody has it.
    #[default]
    Nobody,
    /// These have it, and none of them has died.
    Held { original: Stanza, by: Vec<FullJid> },
}

impl Holders {
    /// The original is about to reach these sessions.
    pub fn begin(&self, original: &Stanza, sessions: &[FullJid]) {
        // An account has a few clients, and each that has no original gets a copy.
        let mut by = Vec::with_capacity(sessions.len() + 3);
        by.extend_from_slice(sessions);
        *self.lock() = State::Held {
            original: original.clone(),
            by,
        };
    }

    /// A session is about to get a copy. False if there is nothing to hold:
    /// the original reached nobody, or has gone on already.
    pub fn join(&self, session: &FullJid) -> bool {
        match &mut *self.lock() {
            State::Nobody => false,
            State::Held { by, .. } => {
                by.push(session.clone());
                true
            }
        }
    }

    /// A session has died without having acknowledged it. If it was the last,
    /// the original, which must go on now.
    #[must_use = "nobody else has the original"]
    pub fn lost(&self, session: &FullJid) -> Option<Stanza> {
        let mut state = self.lock();
        if let State::Held { by, .. } = &mut *state {
            by.retain(|holder| holder != session);
            if !by.is_empty() {
                return None;
            }
        }
        match std::mem::take(&mut *state) {
            State::Held { original, .. } => Some(original),
            State::Nobody => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole, so a poisoned lock is as good as new.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same holders of the same message.
impl PartialEq for Holders {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Holders {}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(resource: &str) -> FullJid {
        format!("alice@a.example/{resource}").parse().unwrap()
    }

    #[test]
    fn only_the_last_to_lose_it_lets_it_go_on_and_only_once() {
        let holders = Holders::default();
        assert!(holders.lost(&session("phone")).is_none(), "nobody had it");
        holders.begin(&Stanza::message(), &[session("phone"), session("desk")]);
        assert!(holders.lost(&session("phone")).is_none());
        assert!(holders.lost(&session("phone")).is_none(), "told twice");
        assert!(holders.lost(&session("desk")).is_some());
        assert!(holders.lost(&session("desk")).is_none());
    }

    #[test]
    fn who_is_not_heard_of_again_has_it() {
        let holders = Holders::default();
        holders.begin(&Stanza::message(), &[session("phone")]);
        assert!(holders.join(&session("desk")));
        // The desk acknowledged it.
        assert!(holders.lost(&session("phone")).is_none());
        assert!(holders.join(&session("tablet")));
    }

    #[test]
    fn nothing_is_held_of_what_reached_nobody() {
        assert!(!Holders::default().join(&session("desk")));
    }
}
