//! The uplink: this server as a component (XEP-0114) of a real one, which is
//! then its way to all other domains, and theirs to it.
//!
//! 1. Each domain of ours has a line of its own, since a component is one
//!    domain: the accounts', and the rooms'. The other server has to know
//!    both, with the same secret; without the second all but the rooms works.
//!    A line that is refused is tried again, ever more rarely. What is for one
//!    domain should come on its own line, since two lines have no order;
//!    ejabberd mixes them unless its listener has `global_routes: false`.
//! 2. What is for other domains leaves on the line of the sender's domain.
//! 3. **Who speaks in our name is not heard**: a stanza from there whose
//!    `from` is ours, or whose `to` is not, is refused and logged. There is
//!    nobody to tell: the one would be ourselves, the other is not ours to
//!    speak for.
//! 4. A line that breaks comes back, after ever longer pauses with some chance
//!    in them. Meanwhile a bounded number of stanzas waits, each for so long;
//!    then it comes back with `remote-server-timeout`. What a refused line
//!    would carry comes back with `remote-server-not-found`. What was being
//!    written when the line broke comes back, too: it may have arrived. What
//!    was written before may be lost: XEP-0114 has no acknowledgements.
//! 5. Layers hear of it: [`Event::LinkLost`] and [`Event::LinkBack`] for each
//!    domain that has been heard of on the line.
//!
//! There is no TLS in XEP-0114: the other server should be on this machine.

mod line;
mod pauses;
mod talk;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, Jid};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_xmpp::flow::{Envelope, Event, Route};
use tower_xmpp::host::{Conductor, Host, Place};
use tower_xmpp::stanza::{Condition, Stanza, Time, Type};

use line::Line;
pub use target::Target;

pub struct Uplink {
    /// By the domain of ours that it serves.
    lines: BTreeMap<BareJid, Arc<Line>>,
}

impl Uplink {
    /// `patience` is how long a stanza waits for its line.
    pub fn new(
        target: &Target,
        patience: Duration,
        domains: impl IntoIterator<Item = BareJid>,
    ) -> Self {
        let line = |domain: BareJid| {
            let line = Line::new(domain.clone(), target.clone(), patience);
            (domain, Arc::new(line))
        };
        Self {
            lines: domains.into_iter().map(line).collect(),
        }
    }

    /// Takes a stanza for another domain, or says why it cannot.
    pub fn send(&self, stanza: Stanza) -> Result<(), (Stanza, Condition)> {
        let domain = stanza
            .from()
            .map(|from| BareJid::from_parts(None, from.domain()));
        match domain.and_then(|domain| self.lines.get(&domain)) {
            Some(line) => line.push(stanza),
            None => Err((stanza, Condition::RemoteServerNotFound)),
        }
    }

    /// Keeps the lines up until it is over; then what waits is written.
    pub async fn run<H: Host>(
        &self,
        host: Arc<H>,
        conductor: Conductor,
        over: watch::Receiver<bool>,
    ) {
        let mut lines = JoinSet::new();
        for line in self.lines.values() {
            let inside = Inside {
                host: host.clone(),
                conductor: conductor.clone(),
            };
            lines.spawn(line.clone().run(inside, over.clone()));
        }
        while lines.join_next().await.is_some() {}
    }
}

/// The way from a line into the stack.
struct Inside<H> {
    host: Arc<H>,
    conductor: Conductor,
}

impl<H: Host> Inside<H> {
    fn is_ours(&self, jid: &Jid) -> bool {
        self.host.place(jid) != Place::Elsewhere
    }

    /// Where a stanza for one of us enters.
    fn route(&self, to: &Jid) -> Option<Route> {
        match self.host.place(to) {
            Place::Account(account) => Some(Route::ToAccount(account)),
            Place::Room(room) => Some(Route::ToRoom(room)),
            // The server answers as an account without a name would.
            Place::Server(domain) => Some(Route::ToAccount(BareJid::from_parts(None, &domain))),
            _ => None,
        }
    }

    /// What could not leave comes back.
    fn bounce(&self, at: Time, stanza: &Stanza, condition: Condition) {
        if let Some(bounced) = bounce(&*self.host, at, stanza, condition) {
            self.conductor.post(bounced);
        }
    }

    fn tell(&self, at: Time, event: Event) {
        self.conductor.post(Envelope::event(at, event));
    }
}

/// The error for a stanza of ours that does not leave, on its way back.
pub fn bounce(
    host: &impl Host,
    at: Time,
    stanza: &Stanza,
    condition: Condition,
) -> Option<Envelope> {
    // Nobody waits for an answer to these.
    if let Some(Type::Unavailable | Type::Probe) = stanza.type_() {
        return None;
    }
    let error = stanza.error_reply(&condition.into())?;
    let route = match host.place(error.to()?) {
        Place::Account(account) => Route::ToAccount(account),
        Place::Room(room) => Route::ToRoom(room),
        _ => return None,
    };
    Some(Envelope::stanza(at, route, error))
}
