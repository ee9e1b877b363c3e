//! Alice's server with the layer, a room elsewhere, and Bob, who sits in it as
//! clients always did.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::executor::block_on;
use jid::BareJid;
use tower::ServiceBuilder;
use tower_xmpp::account_muc::{AccountMuc, AccountMucLayer, Options, Seat, SeatError, SeatStore};
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::fork::{Fork, ForkLayer};
use tower_xmpp::middleware::{Next, Shell, from_fn};
use tower_xmpp::stanza::{Kind, Stanza};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::room::Settings;
use tower_xmpp::testkit::{Faulty, Layers, Session, World, xml};

pub const ROOM: &str = "room@muc.example";
pub const ALICE: &str = "room@muc.example/Alice";

/// A world, and the layer in it.
pub struct House {
    pub w: World,
    pub layer: Arc<AccountMuc>,
    pub store: Arc<MemorySeats>,
}

impl House {
    /// With the layer's defaults, and rooms at `muc.example`.
    pub fn new() -> Self {
        Self::options(|_| {})
    }

    /// With these options, and rooms at `muc.example`.
    pub fn options(set: impl FnOnce(&mut Options)) -> Self {
        let house = Self::without_rooms(set);
        house.w.rooms("muc.example");
        house
    }

    /// With the layer's defaults, and rooms at `muc.example` of this kind.
    pub fn with_rooms(set: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        set(&mut settings);
        let house = Self::without_rooms(|_| {});
        house.w.host("muc.example", ());
        house.w.rooms_with("muc.example", "muc.example", settings);
        house
    }

    /// With these options, and without rooms.
    pub fn without_rooms(set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        set(&mut options);
        Self::of(World::new(), |feature| feature.options(options))
    }

    /// With the layer's defaults, in a world whose order the seed decides.
    pub fn seeded(seed: u64) -> Self {
        let house = Self::of(World::seeded(seed), |feature| feature);
        house.w.rooms("muc.example");
        house
    }

    /// Without rooms, and with a store that fails when the test says so.
    pub fn with_disk(disk: &Faulty) -> Self {
        let store = Arc::new(MemorySeats::default());
        let failing = Arc::new(Failing(store.clone(), disk.clone()));
        Self::kept_in(World::new(), store, failing, |feature| feature)
    }

    /// In this world, without rooms.
    pub fn of(w: World, make: impl FnOnce(AccountMuc) -> AccountMuc) -> Self {
        let store = Arc::new(MemorySeats::default());
        Self::kept_in(w, store.clone(), store, make)
    }

    /// What is kept, with the store that keeps it.
    pub fn kept(&self) -> Vec<Seat> {
        self.w.settle();
        block_on(self.store.list()).expect("memory does not fail")
    }

    fn kept_in(
        w: World,
        store: Arc<MemorySeats>,
        port: Arc<dyn SeatStore>,
        make: impl FnOnce(AccountMuc) -> AccountMuc,
    ) -> Self {
        let feature = AccountMuc::new(port, Arc::new(w.entropy()));
        let layer: AccountMucLayer = Shell::of(make(feature));
        let feature = layer.feature().clone();
        let fork: ForkLayer = Shell::of(Fork::new().occupancy(feature.clone()));
        w.host("a.example", ServiceBuilder::new().layer(layer).layer(fork));
        w.host("b.example", ());
        Self {
            w,
            layer: feature,
            store,
        }
    }

    /// Bob is in the room, and has heard who else is.
    pub fn bob(&self) -> Session {
        let bob = self.w.session("bob@b.example/x");
        bob.joins("room@muc.example/Bob");
        bob
    }

    /// Sessions of Alice's.
    pub fn alice<const N: usize>(&self, resources: [&str; N]) -> [Session; N] {
        self.w.sessions("alice@a.example", resources)
    }

    /// Who is in the room by the room's own account: real JIDs.
    pub fn seats(&self) -> Vec<String> {
        let occupants = self.w.occupants(ROOM);
        let sessions = occupants.into_iter().flat_map(|(nick, sessions)| {
            sessions
                .into_iter()
                .map(move |session| format!("{nick} {session}"))
        });
        sessions.collect()
    }
}

/// A store that fails when the test says so.
struct Failing(Arc<MemorySeats>, Faulty);

impl Failing {
    fn check(&self) -> Result<(), SeatError> {
        let checked = self.1.check();
        checked.map_err(|injected| SeatError::Store(injected.into()))
    }
}

#[async_trait]
impl SeatStore for Failing {
    async fn put(&self, seat: Seat) -> Result<(), SeatError> {
        self.check()?;
        self.0.put(seat).await
    }

    async fn remove(&self, account: &BareJid, room: &BareJid) -> Result<(), SeatError> {
        self.check()?;
        self.0.remove(account, room).await
    }

    async fn remove_account(&self, account: &BareJid) -> Result<(), SeatError> {
        self.check()?;
        self.0.remove_account(account).await
    }

    async fn list(&self) -> Result<Vec<Seat>, SeatError> {
        self.check()?;
        self.0.list().await
    }
}

/// The presence that asks to join.
pub fn join(occupant: &str) -> Stanza {
    join_with(occupant, "")
}

/// The same with something inside `<x/>`.
pub fn join_with(occupant: &str, inside: &str) -> Stanza {
    let xml = format!(
        "<presence to='{occupant}' id='join'><x xmlns='http://jabber.org/protocol/muc'>\
         {inside}</x></presence>"
    );
    Stanza::parse(xml.as_bytes()).expect("a presence")
}

/// What an occupant's presence looks like, with these status codes.
pub fn presence(occupant: &str, codes: &[u16]) -> String {
    of_type("", occupant, codes)
}

/// What an occupant's unavailable presence looks like.
pub fn gone(occupant: &str, codes: &[u16]) -> String {
    of_type("type='unavailable'", occupant, codes)
}

fn of_type(type_: &str, occupant: &str, codes: &[u16]) -> String {
    let codes: String = codes
        .iter()
        .map(|code| format!("<status code='{code}'/>"))
        .collect();
    format!(
        "<presence from='{occupant}' {type_}>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item/>{codes}</x></presence>"
    )
}

/// What a subject looks like.
pub fn subject(text: &str) -> String {
    format!("<message from='{ROOM}' type='groupchat'><subject>{text}</subject></message>")
}

/// A message to the room.
pub fn talk(id: &str, body: &str) -> Stanza {
    let xml =
        format!("<message to='{ROOM}' type='groupchat' id='{id}'><body>{body}</body></message>");
    Stanza::parse(xml.as_bytes()).expect("a message")
}

/// What a message in the room looks like.
pub fn talked(nick: &str, id: &str, body: &str) -> String {
    format!(
        "<message from='{ROOM}/{nick}' type='groupchat' id='{id}'><body>{body}</body>\
         <absent><delay xmlns='urn:xmpp:delay'/></absent></message>"
    )
}

/// What a message of the room's history looks like.
pub fn history(nick: &str, body: &str) -> String {
    format!(
        "<message from='{ROOM}/{nick}' type='groupchat'><body>{body}</body>\
         <delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='$_'/></message>"
    )
}

/// An error of this condition.
pub fn error(kind: &str, from: &str, id: &str, condition: &str) -> String {
    format!(
        "<{kind} from='{from}' type='error' id='{id}'><error>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
    )
}

/// Alice's sessions are in the room with Bob, who has seen one come.
pub fn together<const N: usize>(house: &House, resources: [&str; N]) -> (Session, [Session; N]) {
    let bob = house.bob();
    let sessions = house.alice(resources);
    for session in &sessions {
        session.joins(ALICE);
    }
    bob.expect(presence(ALICE, &[]));
    (bob, sessions)
}

/// A ping through the room.
pub fn ping(to: &str, id: &str) -> Stanza {
    let xml = xml!("<iq to='{to}' type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>");
    tower_xmpp::testkit::IntoStanza::into_stanza(xml)
}

/// Alice's server ends without a word and begins again with what it kept.
pub fn restarted(w: &World, store: &Arc<MemorySeats>) {
    let feature = AccountMuc::new(store.clone(), Arc::new(w.entropy()));
    block_on(feature.restore()).expect("memory does not fail");
    w.host("a.example", Shell::of(feature));
}

/// A request of MUC2-PAM.
pub fn pam(element: &str, id: &str) -> String {
    format!("<iq type='set' id='{id}'>{element}</iq>")
}

/// What a room's server has got from accounts, in this order.
#[derive(Clone, Default)]
pub struct Overheard(Arc<Mutex<Vec<Stanza>>>);

impl Overheard {
    /// A layer that listens, and answers requests to rooms as `answer` says.
    pub fn and(
        &self,
        answer: impl Fn(&Stanza) -> Option<Stanza> + Send + Sync + 'static,
    ) -> impl Layers {
        let heard = self.0.clone();
        from_fn("overhears", move |envelope: Envelope, next: Next| {
            let stanza = envelope.as_stanza().filter(|it| {
                it.from()
                    .is_some_and(|from| from.domain().as_str() == "a.example")
            });
            let answer = stanza.and_then(|stanza| {
                heard.lock().unwrap().push(stanza.clone());
                answer(stanza)
            });
            async move {
                match answer {
                    Some(answer) => Ok(Outcome::answered(answer)),
                    None => next.run(envelope).await,
                }
            }
        })
    }

    /// All that has such a child and is of this kind.
    pub fn with(&self, kind: Kind, child: &str, namespace: &str) -> Vec<Stanza> {
        let heard = self.0.lock().unwrap();
        let such = |it: &&Stanza| it.kind() == kind && it.has_child(child, namespace);
        heard.iter().filter(such).cloned().collect()
    }
}
