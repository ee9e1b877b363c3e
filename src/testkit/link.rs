//! Server-to-server traffic in memory: in order for each pair of hosts.

use std::collections::VecDeque;
use std::time::Duration;

use jid::DomainPart;

use crate::flow::{Event, Route};
use crate::host::Conductor;
use crate::stanza::{Condition, Stanza, StanzaError, Time};

use super::record::{EntryId, Happening};
use super::state::State;

/// What becomes of stanzas for another host while the link to it is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileDown {
    /// They wait and arrive when it is back, as when a server tries again.
    #[default]
    Wait,
    /// They come back with `remote-server-timeout`.
    Bounce,
    /// They are gone, and nobody is told: the connection broke under them.
    Lose,
}

/// A link that is down.
#[derive(Clone, Copy)]
pub(super) struct Down {
    /// `None`: until a host starts again.
    pub(super) until: Option<Time>,
    meanwhile: WhileDown,
}

/// From one host to another.
#[derive(Default)]
pub(super) struct Link {
    pub(super) queue: VecDeque<(EntryId, Stanza)>,
    pub(super) down: Option<Down>,
}

impl State {
    /// A host sends to another domain.
    pub(super) fn send(&mut self, from: usize, stanza: Stanza) {
        let because = self
            .record
            .entry_of(from, self.hosts[from].sending)
            .unwrap_or_default();
        let to = stanza.to().map(|to| to.domain().to_owned());
        let Some(to) = to.and_then(|domain| self.host_of(domain.as_str())) else {
            return self.comes_back(from, because, &stanza, Condition::RemoteServerNotFound);
        };
        let link = self.links.entry((from, to)).or_default();
        match link.down.map(|down| down.meanwhile) {
            None | Some(WhileDown::Wait) => link.queue.push_back((because, stanza)),
            Some(WhileDown::Lose) => {}
            Some(WhileDown::Bounce) => {
                self.comes_back(from, because, &stanza, Condition::RemoteServerTimeout);
            }
        }
    }

    fn comes_back(&mut self, host: usize, because: EntryId, stanza: &Stanza, why: Condition) {
        if let Some(error) = stanza.error_reply(&StanzaError::from(why)) {
            self.arrives(host, error, because);
        }
    }

    /// The oldest stanza of a link reaches the other host.
    pub(super) fn cross(&mut self, from: usize, to: usize) {
        let link = self.links.get_mut(&(from, to));
        let Some((because, stanza)) = link.and_then(|link| link.queue.pop_front()) else {
            return;
        };
        let what = Happening::Crossed {
            from,
            to,
            stanza: stanza.clone(),
        };
        let entry = self.record.add(self.now, Some(because), None, what);
        self.arrives(to, stanza, entry);
    }

    fn arrives(&mut self, host: usize, stanza: Stanza, because: EntryId) {
        let Some(to) = stanza.to() else {
            return;
        };
        let route = match self.hosts[host].has_rooms_at(to.domain().as_str()) {
            true => Route::ToRoom(to.to_bare()),
            false => Route::ToAccount(to.to_bare()),
        };
        self.enter(host, route, stanza, because);
    }

    /// Cuts the links between two hosts, in both directions.
    pub(super) fn cut(&mut self, one: usize, other: usize, lasting: Duration, down: WhileDown) {
        let down = Down {
            until: Some(self.now + lasting),
            meanwhile: down,
        };
        for (here, there) in [(one, other), (other, one)] {
            self.links.entry((here, there)).or_default().down = Some(down);
            let domain = self.hosts[there].domain.clone();
            self.raise(here, Event::LinkLost { domain });
        }
    }

    /// When the first link comes back, if one does.
    pub(super) fn next_link_back(&self) -> Option<Time> {
        let downs = self.links.values().filter_map(|link| link.down);
        downs.filter_map(|down| down.until).min()
    }

    /// Brings back the links whose time has come.
    pub(super) fn bring_links_back(&mut self) {
        let now = self.now;
        self.bring_back(|_, down| down.until.is_some_and(|until| until <= now));
    }

    fn bring_back(&mut self, is_over: impl Fn((usize, usize), &Down) -> bool) {
        let mut back: Vec<(usize, DomainPart)> = Vec::new();
        for ((here, there), link) in &mut self.links {
            let over = link.down.take_if(|down| is_over((*here, *there), down));
            if over.is_some() {
                back.push((*here, self.hosts[*there].domain.clone()));
            }
        }
        for (host, domain) in back {
            self.raise(host, Event::LinkBack { domain });
        }
    }

    /// A host is gone, with what was in its memory.
    pub(super) fn crash(&mut self, host: usize) {
        let crashed = &mut self.hosts[host];
        assert!(!crashed.is_down, "{} is down already", crashed.domain);
        crashed.is_down = true;
        crashed.seats.clear();
        let domain = crashed.domain.clone();
        self.record.crashed(host);
        let down = Down {
            until: None,
            meanwhile: WhileDown::Wait,
        };
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            self.links.entry((other, host)).or_default().down = Some(down);
            let from_it = self.links.entry((host, other)).or_default();
            from_it.down = Some(down);
            from_it.queue.clear();
            let domain = domain.clone();
            self.raise(other, Event::LinkLost { domain });
        }
    }

    /// It is back. Its rooms know nobody.
    pub(super) fn start_again(&mut self, host: usize, conductor: Conductor) {
        let back = &mut self.hosts[host];
        assert!(back.is_down, "{} is not down", back.domain);
        let is_up = |other: usize| other == host || !self.hosts[other].is_down;
        let up: Vec<_> = (0..self.hosts.len()).map(is_up).collect();
        // It has just begun, and lost no link: only the others are told.
        self.bring_back(|(here, there), _| {
            (here == host || there == host) && up[here] && up[there]
        });
        self.hosts[host].is_down = false;
        self.hosts[host].conductor = conductor;
        self.restart_rooms(host);
    }
}
