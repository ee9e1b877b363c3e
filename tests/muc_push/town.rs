//! A server whose accounts join rooms themselves, a server with rooms, and Bob,
//! who joins as clients always did.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::executor::block_on;
use jid::{BareJid, FullJid};
use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{Emit, Occupancy, Route, Seats};
use tower_xmpp::middleware::from_fn;
use tower_xmpp::muc_push::{MucPushAccountLayer, MucPushRoomLayer, Target, Targets};
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::store::{MemorySeats, MemoryTargets};
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{PERSISTENT, ROOM, Sent};

/// Time for a few ticks.
pub const TICKS: Duration = Duration::from_secs(30);

/// A server with accounts that join rooms themselves, a server with rooms, and
/// Bob, who joins as clients always did.
pub struct Town {
    pub w: World,
    /// What the accounts' server keeps, and what the rooms'.
    pub accounts: Arc<MemoryTargets>,
    pub seats: Arc<MemorySeats>,
    pub rooms: Arc<MemoryTargets>,
    /// What the accounts' server sent in an account's name.
    pub sent: Sent,
    pub bob: Session,
}

impl Town {
    pub fn new() -> Self {
        Self::built(World::new(), true)
    }

    pub fn built(w: World, offers: bool) -> Self {
        let (accounts, seats) = (Arc::default(), Arc::default());
        let (rooms, sent) = (Arc::<MemoryTargets>::default(), Sent::default());
        let town = Self {
            bob: {
                host_accounts(&w, &accounts, &seats, &sent, false);
                if offers {
                    w.host("muc.example", push(&w, &rooms));
                }
                w.rooms("muc.example").host("b.example", ());
                w.session("bob@b.example/x")
            },
            w,
            accounts,
            seats,
            rooms,
            sent,
        };
        town.bob.joins("tea@muc.example/Bob");
        town.bob.configures(ROOM, [PERSISTENT]);
        town
    }

    /// A client has joined its account, and is gone without a word.
    pub fn sleeper(&self, name: &str) {
        let session = self.w.session(&format!("{name}@a.example/phone"));
        session.joins(&format!("{ROOM}/{name}"));
        self.w.advance(TICKS);
        session.lose();
        self.bob.take_all();
    }

    /// The rooms forget who is there. Bob comes back.
    pub fn crash(&self) {
        self.w.restart_rooms("muc.example");
        self.bob.joins("tea@muc.example/Bob");
    }

    pub fn says(&self, id: &str) {
        self.bob.send(xml!(
            "<message to='{ROOM}' type='groupchat' id='{id}'><body>hi</body></message>"
        ));
        self.w.advance(TICKS);
        self.bob.take_all();
    }

    /// The real JIDs of who is in the room, but for Bob.
    pub fn there(&self) -> Vec<String> {
        let seats = self.w.occupants(ROOM).into_iter();
        let all = seats.flat_map(|(_, sessions)| sessions);
        let mut all: Vec<_> = all.map(|jid| jid.to_string()).collect();
        all.retain(|jid| *jid != "bob@b.example/x");
        all.sort();
        all
    }

    pub fn targets(&self) -> Vec<Target> {
        self.w.settle();
        block_on(self.rooms.all()).expect("memory does not fail")
    }

    pub fn sent(&self, namespace: &str) -> usize {
        self.w.settle();
        let sent = self.sent.lock().unwrap();
        let asks = |stanza: &&Stanza| stanza.payload().is_some_and(|it| it.ns() == namespace);
        sent.iter().filter(asks).count()
    }
}

pub fn push(w: &World, store: &Arc<MemoryTargets>) -> MucPushRoomLayer {
    block_on(MucPushRoomLayer::open(store.clone(), Arc::new(w.entropy()))).unwrap()
}

pub fn host_accounts(
    w: &World,
    store: &Arc<MemoryTargets>,
    seats: &Arc<MemorySeats>,
    sent: &Sent,
    again: bool,
) {
    let rooms = AccountMucLayer::new(seats.clone(), Arc::new(w.entropy()));
    block_on(rooms.feature().restore()).unwrap();
    let known = rooms.feature().clone();
    let push = MucPushAccountLayer::open(store.clone(), Arc::new(w.entropy()), known);
    let push = block_on(push).unwrap();
    let seen = sent.clone();
    let spy = from_fn("spy", move |envelope, next| {
        if let (Route::FromAccount(_), Some(stanza)) = (&envelope.route, envelope.as_stanza()) {
            seen.lock().unwrap().push(stanza.clone());
        }
        next.run(envelope)
    });
    let stack = ServiceBuilder::new().layer(push).layer(rooms).layer(spy);
    match again {
        true => w.start_again("a.example", stack),
        false => w.host("a.example", stack),
    };
}

/// What a room sends to the account, with the node that it was told.
pub fn notification(to: &str, node: &str) -> String {
    format!(
        "<iq type='set' id='p1' to='{to}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='{node}'><item><notification xmlns='urn:xmpp:push:0'/></item></publish>\
         </pubsub></iq>"
    )
}

/// A keeper of seats: every account sits in every room, or none in any.
pub struct Sits(pub bool);

impl Occupancy for Sits {
    fn known(&self, _: &BareJid, _: &BareJid) -> bool {
        self.0
    }

    fn sessions(&self, _: &BareJid, _: &BareJid) -> Vec<FullJid> {
        Vec::new()
    }
}

#[async_trait]
impl Seats for Sits {
    async fn doubt(&self, _: Time, _: &BareJid, _: &BareJid) -> Vec<Emit> {
        unreachable!("nobody gives a reason to doubt")
    }
}
