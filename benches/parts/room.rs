//! A large room with members who are away and targets to be notified, over a
//! host for which everybody is elsewhere.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::executor::block_on;
use jid::{BareJid, Jid};
use tower::ServiceBuilder;
use tower_service::Service;
use tower_xmpp::flow::{Affiliation, Envelope, Member, Outcome, Route, Snapshot};
use tower_xmpp::host::{Availability, Delivery, Host, Place, Router, Undelivered};
use tower_xmpp::muc_offline::{MucOfflineRoomLayer, Registration, Registrations};
use tower_xmpp::muc_push::{MucPushRoomLayer, Target, Targets};
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::store::{MemoryRegistrations, MemoryTargets};

use super::house;

/// How many there are of each.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Occupants, each an account with one client.
    pub occupants: usize,
    /// Registered members; the occupants are the first of them.
    pub registered: usize,
    /// Push targets, of the last members.
    pub targets: usize,
}

/// Everybody is elsewhere; what is sent there is counted and dropped.
#[derive(Default)]
pub struct Elsewhere(AtomicUsize);

impl Elsewhere {
    /// How many stanzas have been sent since it was asked last.
    pub fn sent(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Host for Elsewhere {
    type Error = Infallible;

    fn place(&self, _: &Jid) -> Place {
        Place::Elsewhere
    }

    fn sessions(&self, _: &BareJid) -> Vec<Availability> {
        Vec::new()
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        Err(Undelivered(Box::new(delivery)))
    }

    fn send(&self, _: Time, _: Stanza) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    async fn serve(&self, _: Envelope) -> Result<Outcome, Infallible> {
        unreachable!("nothing here is for the host")
    }
}

/// The room's two layers with their state.
pub struct Room<S> {
    stack: S,
    pub host: Arc<Elsewhere>,
    snapshot: Arc<Snapshot>,
    audience: Arc<[Jid]>,
}

/// A room of this size, to which nothing has been said yet.
pub fn room(
    size: Size,
) -> Room<impl Service<Envelope, Response = Outcome, Error = Infallible> + Clone> {
    let host = Arc::new(Elsewhere::default());
    let mut members: Vec<_> = (0..size.registered).map(account).collect();
    let audience: Vec<Jid> = members[..size.occupants]
        .iter()
        .map(|account| account.with_resource_str("x").expect("a JID").into())
        .collect();
    let mut occupants = members[..size.occupants].to_vec();
    let stack = ServiceBuilder::new()
        .layer(offline(&members))
        .layer(push(&members[size.registered - size.targets..]))
        .service(Router::new(host.clone()));
    members.sort();
    occupants.sort();
    let members = members.into_iter().map(|jid| Member {
        jid,
        affiliation: Affiliation::Member,
        nick: None,
    });
    Room {
        stack,
        host,
        snapshot: Arc::new(Snapshot {
            room: address(),
            occupants,
            members: members.collect(),
            members_only: false,
            revision: 1,
        }),
        audience: audience.into(),
    }
}

impl<S: Service<Envelope, Response = Outcome, Error = Infallible> + Clone> Room<S> {
    /// What the room broadcasts, as the conductor lets it in.
    pub fn said(&self, body: &str) -> Envelope {
        let xml = format!(
            "<message from='{}/Alice' type='groupchat' id='m1'><body>{body}</body>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='{0}' id='s1'/></message>",
            address()
        );
        let stanza = Stanza::parse(xml.as_bytes()).expect("XML");
        let route = Route::Broadcast(self.snapshot.clone());
        let mut envelope = Envelope::stanza(Time::from_secs(1), route, stanza);
        envelope.facts.audience = Some(self.audience.clone());
        envelope
    }

    /// Somebody has come or gone: the next message brings another snapshot.
    pub fn changes(&mut self) {
        self.snapshot = Arc::new(Snapshot::clone(&self.snapshot));
    }

    /// Lets the room say it.
    pub fn says(&mut self, envelope: Envelope) -> Outcome {
        let passed = self.stack.call(envelope).now_or_never();
        let Ok(outcome) = passed.expect("nothing waits");
        outcome
    }
}

fn offline(members: &[BareJid]) -> MucOfflineRoomLayer {
    let store = MemoryRegistrations::new(members.len());
    for account in members {
        let kept = store.put(Registration::new(address(), account.clone()));
        block_on(kept).expect("memory has room");
    }
    block_on(MucOfflineRoomLayer::open(Arc::new(store))).expect("memory can be read")
}

fn push(members: &[BareJid]) -> MucPushRoomLayer {
    let store = MemoryTargets::default();
    for account in members {
        let kept = store.put(Target {
            room: address(),
            jid: account.with_resource_str("phone").expect("a JID").into(),
            account: account.clone(),
            node: Some("3f0c2a9e-5c1b-4b57-9a35-0d1f2e3c4b5a".to_owned()),
            options: None,
        });
        block_on(kept).expect("memory has room");
    }
    let opened = MucPushRoomLayer::open(Arc::new(store), house::entropy());
    block_on(opened).expect("memory can be read")
}

fn address() -> BareJid {
    "tea@rooms.a.example".parse().expect("a JID")
}

fn account(number: usize) -> BareJid {
    let account = format!("member{number}@b.example");
    account.parse().expect("a JID")
}
