//! The account's side: the account is woken, not its clients.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{Event, Route};
use tower_xmpp::middleware::from_fn;
use tower_xmpp::muc_push::{MucPushAccountLayer, Targets};
use tower_xmpp::stanza::{Condition, ns};
use tower_xmpp::store::{MemorySeats, MemoryTargets};
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{PERSISTENT, ROOM, SECRET, Sent, enable, refused};
use super::town::{TICKS, Town, host_accounts, notification, push};

#[test]
fn an_account_that_is_in_a_room_registers_itself_once() {
    let town = Town::new();
    let [phone, desk] = town.w.sessions("alice@a.example", ["phone", "desk"]);
    phone.joins("tea@muc.example/Alice");
    assert_eq!(town.targets(), [], "its turn comes with the tick");
    town.w.advance(TICKS);
    let targets = town.targets();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].jid.as_str(), "alice@a.example");
    assert!(
        targets[0]
            .node
            .as_ref()
            .is_some_and(|node| node.len() >= 26)
    );
    // Other clients, and what they show, change nothing of it.
    desk.joins("tea@muc.example/Alice");
    desk.send(xml!(
        "<presence to='{ROOM}/Alice'><show>dnd</show></presence>"
    ));
    town.w.advance(TICKS);
    assert_eq!(town.targets(), targets);
    assert_eq!(town.sent(ns::PUSH), 1);
    for session in [&phone, &desk, &town.bob] {
        session.take_all();
    }
    town.w.finish();
}

#[test]
fn a_room_that_does_not_offer_it_is_asked_once_and_left_alone() {
    let town = Town::built(World::new(), false);
    let phone = town.w.session("alice@a.example/phone");
    phone.joins("tea@muc.example/Alice");
    town.w.advance(TICKS);
    phone.send(xml!(
        "<presence to='{ROOM}/Alice'><show>dnd</show></presence>"
    ));
    town.w.advance(TICKS);
    assert_eq!((town.sent(ns::DISCO_INFO), town.sent(ns::PUSH)), (1, 0));
    assert!(block_on(town.accounts.all()).unwrap().is_empty());
    phone.take_all();
    town.bob.take_all();
    town.w.finish();
}

#[test]
fn the_first_message_after_a_crash_brings_every_account_back_without_a_client() {
    let town = Town::new();
    for name in ["alice", "carol", "dave"] {
        town.sleeper(name);
    }
    town.crash();
    assert_eq!(town.there(), [""; 0]);
    town.says("m1");
    let all = ["alice@a.example", "carol@a.example", "dave@a.example"];
    assert_eq!(town.there(), all);
    // What was said meanwhile waits for whoever comes.
    let phone = town.w.session("alice@a.example/phone");
    let came = phone.joins("tea@muc.example/alice");
    assert!(came.iter().any(|stanza| stanza.id() == Some("m1")));
    // And so the next time.
    town.bob.take_all();
    town.crash();
    town.says("m2");
    assert_eq!(town.there(), all);
    phone.take_all();
    town.w.finish();
}

#[test]
fn rooms_and_accounts_may_share_a_server() {
    let w = World::new();
    let (accounts, rooms) = (Arc::<MemoryTargets>::default(), Arc::default());
    let seats = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
    let known = seats.feature().clone();
    let account = MucPushAccountLayer::open(accounts, Arc::new(w.entropy()), known);
    let stack = ServiceBuilder::new()
        .layer(block_on(account).unwrap())
        .layer(seats)
        .layer(push(&w, &rooms));
    w.host("a.example", stack).host("b.example", ());
    let mut settings = Settings::default();
    settings.creation = Creation::Instant;
    w.rooms_with("a.example", "muc.example", settings);
    let bob = w.session("bob@b.example/x");
    bob.joins("tea@muc.example/Bob");
    bob.configures(ROOM, [PERSISTENT]);
    let phone = w.session("alice@a.example/phone");
    phone.joins("tea@muc.example/Alice");
    w.advance(TICKS);
    assert_eq!(block_on(rooms.all()).unwrap().len(), 1);
    phone.lose();
    bob.take_all();
    w.restart_rooms("a.example");
    bob.joins("tea@muc.example/Bob");
    bob.send(xml!(
        "<message to='{ROOM}' type='groupchat' id='m1'><body>hi</body></message>"
    ));
    w.advance(TICKS);
    bob.take_all();
    assert_eq!(w.occupants(ROOM).len(), 2);
    w.finish();
}

#[test]
fn it_answers_first_and_looks_once_however_many_notifications_come() {
    let scene = Scripted::new();
    let node = scene.registered();
    for id in ["p1", "p2"] {
        scene.room.send(xml!(
            "{}",
            notification("alice@a.example", &node).replace("p1", id)
        ));
    }
    scene
        .room
        .expect("<iq type='result' id='p1' from='alice@a.example'/>");
    scene.seat.expect(
        "<iq type='get' from='alice@a.example' id='$id'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    scene.room.expect("<iq type='result' id='p2'/>");
    scene.w.finish();
}

#[test]
fn a_notification_under_a_strange_node_or_from_elsewhere_is_not_found() {
    let scene = Scripted::new();
    let node = scene.registered();
    let elsewhere = scene.w.session("tea@elsewhere.example/x");
    for (who, to, node) in [
        (&scene.room, "alice@a.example", "other"),
        (&scene.room, "carol@a.example", &*node),
        (&elsewhere, "alice@a.example", &*node),
        (&scene.seat, "alice@a.example", &*node),
    ] {
        who.send(xml!("{}", notification(to, node)));
        who.expect(refused(Condition::ItemNotFound));
    }
    scene.w.finish();
}

#[test]
fn a_session_of_an_account_in_the_room_is_answered_here() {
    let town = Town::new();
    let phone = town.w.session("alice@a.example/phone");
    phone.joins("tea@muc.example/Alice");
    town.w.advance(TICKS);
    for jid in ["alice@a.example/phone", "alice@a.example"] {
        let answer = phone.asks(enable(ROOM, jid, "n", ""));
        assert_eq!(answer.from().unwrap().as_str(), ROOM);
    }
    assert_eq!(town.targets().len(), 1);
    // Her push service is a third party, and milk is a room without her.
    phone.asks(enable(ROOM, "push.example", "n", SECRET));
    phone.asks(enable("milk@muc.example", "alice@a.example/phone", "n", ""));
    assert_eq!(town.targets().len(), 3);
    town.bob.take_all();
    town.w.finish();
}

#[test]
fn registrations_outlive_a_restart_of_the_accounts_server() {
    let town = Town::new();
    town.sleeper("alice");
    let before = town.targets();
    town.w.crash("a.example");
    host_accounts(&town.w, &town.accounts, &town.seats, &town.sent, true);
    town.w.advance(TICKS);
    town.bob.take_all();
    // It has told the room again, and under the same node.
    assert_eq!(town.targets(), before);
    assert_eq!(town.sent(ns::DISCO_INFO), 1);
    town.crash();
    town.says("m1");
    assert_eq!(town.there(), ["alice@a.example"]);
    town.w.finish();
}

#[test]
fn an_account_that_has_left_is_forgotten_by_the_room_with_its_next_message() {
    let town = Town::new();
    let phone = town.w.session("alice@a.example/phone");
    phone.joins("tea@muc.example/Alice");
    town.w.advance(TICKS);
    phone.send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
    phone.take_all();
    assert!(block_on(town.accounts.all()).unwrap().is_empty());
    assert_eq!(town.targets().len(), 1);
    town.says("m1");
    assert_eq!(town.targets(), []);
    // Whoever is banned is forgotten at once, on both sides.
    phone.joins("tea@muc.example/Alice");
    town.w.advance(TICKS);
    assert_eq!(town.targets().len(), 1);
    town.bob.send(xml!(
        "<iq type='set' id='a' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='outcast' jid='alice@a.example'/></query></iq>"
    ));
    assert_eq!(town.targets(), []);
    assert!(block_on(town.accounts.all()).unwrap().is_empty());
    phone.take_all();
    town.bob.take_all();
    town.w.finish();
}

#[test]
fn the_end_of_an_account_takes_its_registrations_with_it() {
    let town = Town::new();
    town.sleeper("alice");
    let account = "alice@a.example".parse().unwrap();
    town.w.event("a.example", Event::AccountRemoved { account });
    town.w.advance(TICKS);
    assert!(block_on(town.accounts.all()).unwrap().is_empty());
    town.bob.take_all();
    town.w.finish();
}

/// Alice's account, and a room that says what the test wants: its bare JID and
/// her seat in it are sessions of their own.
struct Scripted {
    w: World,
    phone: Session,
    room: Session,
    seat: Session,
}

impl Scripted {
    fn new() -> Self {
        let w = World::new();
        let (accounts, seats) = (Arc::default(), Arc::default());
        host_accounts(&w, &accounts, &seats, &Sent::default(), false);
        // Whatever comes for the room itself goes to the one session of its
        // address, which speaks as the room.
        let as_room = from_fn("as room", |mut envelope, next| {
            let bare = "tea@muc.example/itself";
            if let (Route::FromSession(session), Some(_)) = (&envelope.route, envelope.as_stanza())
                && session.as_str() == bare
                && let Some(stanza) = envelope.as_stanza_mut()
            {
                stanza.set_from(Some(ROOM.parse().unwrap()));
            }
            if let Some(stanza) = envelope.as_stanza_mut()
                && stanza.to().is_some_and(|to| to.as_str() == ROOM)
            {
                stanza.set_to(Some(bare.parse().unwrap()));
            }
            next.run(envelope)
        });
        w.host("muc.example", as_room).host("elsewhere.example", ());
        Self {
            phone: w.session("alice@a.example/phone"),
            room: w.bind("tea@muc.example/itself"),
            seat: w.bind("tea@muc.example/Alice"),
            w,
        }
    }

    /// Alice's account is in the room, and has told it a node.
    fn registered(&self) -> String {
        self.phone.send(xml!(
            "<presence to='{ROOM}/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ));
        self.seat.expect("<presence from='alice@a.example'/>");
        self.seat.send(xml!(
            "<presence to='alice@a.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='none' role='participant'/><status code='110'/></x></presence>"
        ));
        self.room.send(xml!(
            "<message to='alice@a.example' type='groupchat'><subject/></message>"
        ));
        self.w.advance(Duration::from_secs(5));
        let asked = self.room.expect(
            "<iq type='get' from='alice@a.example' id='$id'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        );
        self.room.send(xml!(
            "<iq type='result' id='{}' to='alice@a.example'>\
             <query xmlns='http://jabber.org/protocol/disco#info'>\
             <feature var='urn:xmpp:push:0'/></query></iq>",
            &asked["id"]
        ));
        let told = self.room.expect(
            "<iq type='set' from='alice@a.example' id='$id'>\
             <enable xmlns='urn:xmpp:push:0' jid='alice@a.example' node='$node'/></iq>",
        );
        self.room.send(told.stanza.reply());
        self.phone.take_all();
        told["node"].to_owned()
    }
}
