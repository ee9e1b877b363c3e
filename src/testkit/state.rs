use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use jid::{BareJid, DomainPart, FullJid, Jid};

use crate::csi::Parcel;
use crate::flow::{Envelope, Event, PassId, Route};
use crate::host::{Availability, Conductor, Delivery, Handled, Outbox, Undelivered};
use crate::stanza::{Stanza, Time};

use super::chance::Chance;
use super::invariants::Plant;
use super::link::Link;
use super::record::{EntryId, Happening, Record};
use super::rooms::RoomService;

/// What the world, its handles and its hosts share.
pub(super) struct Core(Mutex<State>);

/// The whole world but the stacks.
pub(super) struct State {
    pub(super) now: Time,
    /// `None`: everything enters in the order in which it was done.
    pub(super) seed: Option<u64>,
    pub(super) chance: Chance,
    pub(super) hosts: Vec<HostState>,
    pub(super) clients: BTreeMap<FullJid, Client>,
    /// Counts what clients do, so that it can enter in that order.
    pub(super) actions: u64,
    /// From one host to another, in order.
    pub(super) links: BTreeMap<(usize, usize), Link>,
    /// Futures that wait for their turn or their time, in order of asking.
    pub(super) sleepers: Vec<Sleeper>,
    pub(super) next_sleeper: u64,
    pub(super) record: Record,
    /// Whether an account's sessions hear each other's presence.
    pub(super) own_presence: bool,
    /// What waits for accounts without a session, if hosts keep it.
    pub(super) offline: Option<Vec<Kept>>,
    /// The fault that all hosts have, and what it holds back.
    pub(super) plant: Option<Plant>,
    pub(super) held: BTreeMap<FullJid, Delivery>,
}

/// One host: a domain with a stack.
pub(super) struct HostState {
    pub(super) domain: DomainPart,
    pub(super) conductor: Conductor,
    /// It has crashed and not started again.
    pub(super) is_down: bool,
    pub(super) rooms: Option<RoomService>,
    /// Sessions in order of binding.
    pub(super) seats: Vec<Seat>,
    /// The pass whose stanzas leave at this moment.
    pub(super) sending: PassId,
}

/// A session as its host sees it.
pub(super) struct Seat {
    pub(super) session: FullJid,
    pub(super) hibernating: bool,
    pub(super) priority: Option<i8>,
    /// The presence that it broadcast last, while it is available.
    pub(super) presence: Option<Stanza>,
    /// What waits for the client to read it.
    pub(super) outbox: Outbox<Queued>,
    /// What the client has but did not acknowledge.
    pub(super) unacked: Vec<Delivery>,
    /// Who got its directed presence (RFC 6121 §4.6).
    pub(super) directed: Vec<Jid>,
    /// What it sent, and how much of that its host has handled.
    pub(super) handled: Handled,
}

/// A session as its client sees it; it stays when the session ends.
pub(super) struct Client {
    pub(super) todo: VecDeque<(u64, Action)>,
    pub(super) inbox: VecDeque<Arrived>,
    pub(super) reads: bool,
    pub(super) acks: bool,
    /// How much may wait for it before its host ends it.
    pub(super) capacity: usize,
}

/// A delivery in an outbox, and its entry in the record.
pub(super) struct Queued {
    pub(super) delivery: Delivery,
    pub(super) entry: EntryId,
}

/// A message that waits for its account (XEP-0160).
pub(super) struct Kept {
    pub(super) account: BareJid,
    pub(super) at: Time,
    pub(super) stanza: Stanza,
}

/// What a client got.
pub(super) struct Arrived {
    pub(super) entry: EntryId,
    pub(super) stanza: Stanza,
}

/// What a client does, or what happens to it.
pub(super) enum Action {
    Send(Stanza),
    /// With these namespaces switched on.
    Bind(Vec<String>),
    /// The same; a session that has the resource ends.
    BindAnew(Vec<String>),
    Hibernate,
    Resume,
    End(crate::flow::End),
    Activity(bool),
}

pub(super) struct Sleeper {
    pub(super) id: u64,
    /// `None`: until it is chosen.
    pub(super) until: Option<Time>,
    pub(super) waker: Waker,
}

impl Core {
    pub(super) fn new(state: State) -> Arc<Self> {
        Arc::new(Self(Mutex::new(state)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A layer that panics is one of the faults; the state is whole
        // between calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self {
            // Midnight UTC, 1 January 2026: a time that reads well in stamps.
            now: Time::from_secs(1_767_225_600),
            seed,
            chance: Chance::new(seed.unwrap_or_default()),
            hosts: Vec::new(),
            clients: BTreeMap::new(),
            actions: 0,
            links: BTreeMap::new(),
            sleepers: Vec::new(),
            next_sleeper: 0,
            record: Record::default(),
            own_presence: false,
            offline: None,
            plant: None,
            held: BTreeMap::new(),
        }
    }

    pub(super) fn host_of(&self, domain: &str) -> Option<usize> {
        self.hosts
            .iter()
            .position(|host| host.domain.as_str() == domain || host.has_rooms_at(domain))
    }

    pub(super) fn seat(&mut self, session: &FullJid) -> Option<&mut Seat> {
        let host = self.host_of(session.domain().as_str())?;
        self.hosts[host]
            .seats
            .iter_mut()
            .find(|seat| seat.session == *session)
    }

    pub(super) fn client(&mut self, session: &FullJid) -> &mut Client {
        self.clients.entry(session.clone()).or_default()
    }

    /// Lets a stanza enter a host's stack.
    pub(super) fn enter(&self, host: usize, route: Route, stanza: Stanza, because: EntryId) {
        let mut envelope = Envelope::stanza(self.now, route, stanza);
        envelope.trail.pass = Record::mark(because);
        self.hosts[host].conductor.post(envelope);
    }

    /// Lets a stanza of a session enter, which counts what is handled.
    pub(super) fn enter_from(&mut self, session: &FullJid, stanza: Stanza, because: EntryId) {
        let Some(host) = self.host_of(session.domain().as_str()) else {
            return;
        };
        let route = Route::FromSession(session.clone());
        let mut envelope = Envelope::stanza(self.now, route, stanza);
        envelope.trail.pass = Record::mark(because);
        let ticket = self.hosts[host].conductor.enter(envelope);
        if let Some(seat) = self.seat(session) {
            seat.handled.enter(ticket);
        }
    }

    /// Lets a host hear of an event.
    pub(super) fn raise(&mut self, host: usize, event: Event) {
        if self.hosts[host].is_down {
            return;
        }
        let what = Happening::Event {
            host,
            event: event.clone(),
        };
        let entry = self.record.add(self.now, None, None, what);
        let mut envelope = Envelope::event(self.now, event);
        envelope.trail.pass = Record::mark(entry);
        self.hosts[host].conductor.post(envelope);
    }

    /// Records what a host makes by itself, for it to enter.
    pub(super) fn made(&mut self, host: usize, stanza: &Stanza) -> EntryId {
        let what = Happening::Made {
            host,
            stanza: stanza.clone(),
        };
        self.record.add(self.now, None, None, what)
    }

    /// Puts a delivery into its session's outbox, and lets the client read.
    /// It comes back if there is no such session.
    pub(super) fn deliver(&mut self, host: usize, delivery: Delivery) -> Result<(), Undelivered> {
        if self.seat(&delivery.session).is_none() {
            return Err(Undelivered(Box::new(delivery)));
        }
        for delivery in self.spoil(host, delivery) {
            self.enqueue(host, delivery);
        }
        Ok(())
    }

    fn enqueue(&mut self, host: usize, delivery: Delivery) {
        let session = delivery.session.clone();
        let because = self.record.entry_of(host, delivery.pass);
        let what = Happening::Delivered {
            session: session.clone(),
            stanza: delivery.stanza.clone(),
            expected: false,
        };
        let entry = self.record.add(self.now, because, delivery.by, what);
        if let Some(seat) = self.seat(&session) {
            seat.outbox.push(Queued { delivery, entry });
        }
        self.read(&session);
    }

    /// Time passes for what is held back for inactive clients.
    pub(super) fn tick_outboxes(&mut self) {
        let now = self.now;
        let seats = self.hosts.iter_mut().flat_map(|host| &mut host.seats);
        let sessions: Vec<_> = seats
            .map(|seat| {
                seat.outbox.tick(now);
                seat.session.clone()
            })
            .collect();
        for session in sessions {
            self.read(&session);
        }
    }

    /// The client reads what waits for it, if it reads. Who leaves too much
    /// unread is ended.
    pub(super) fn read(&mut self, session: &FullJid) {
        let client = self.clients.entry(session.clone()).or_default();
        let (reads, acks, capacity) = (client.reads, client.acks, client.capacity);
        let mut read = Vec::new();
        let Some(seat) = self.seat(session) else {
            return;
        };
        if reads && !seat.hibernating {
            while let Some(Queued { delivery, entry }) = seat.outbox.pop() {
                let stanza = delivery.stanza.clone();
                read.push(Arrived { entry, stanza });
                if !acks {
                    seat.unacked.push(delivery);
                }
            }
        }
        let overfull = seat.outbox.len() > capacity;
        self.client(session).inbox.extend(read);
        if overfull {
            self.end(session, crate::flow::End::Lost);
        }
    }
}

impl Parcel for Queued {
    fn session(&self) -> &FullJid {
        &self.delivery.session
    }

    fn at(&self) -> Time {
        self.delivery.at
    }

    fn stanza(&self) -> &Stanza {
        &self.delivery.stanza
    }

    fn stanza_mut(&mut self) -> &mut Stanza {
        &mut self.delivery.stanza
    }
}

impl HostState {
    pub(super) fn has_rooms_at(&self, domain: &str) -> bool {
        let rooms = self.rooms.as_ref();
        rooms.is_some_and(|rooms| rooms.domain.as_str() == domain)
    }

    pub(super) fn availability(&self, account: &Jid) -> Vec<Availability> {
        self.seats
            .iter()
            .filter(|seat| seat.session.node() == account.node())
            .map(|seat| Availability {
                session: seat.session.clone(),
                priority: seat.priority,
            })
            .collect()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            todo: VecDeque::new(),
            inbox: VecDeque::new(),
            reads: true,
            acks: true,
            capacity: 10_000,
        }
    }
}
