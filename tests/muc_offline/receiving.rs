//! The account's side: what becomes of a room's message to the account.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::executor::block_on;
use jid::BareJid;
use tower::ServiceBuilder;
use tower_xmpp::archive::{ArchiveLayer, ArchiveStore, Page};
use tower_xmpp::flow::{Bookmark, BookmarkChange, Bookmarks, BoxError, Event};
use tower_xmpp::middleware::Shell;
use tower_xmpp::muc_offline::{
    AccountLimits, Limits, MucOfflineAccount, Notify, Registrations, Settings,
};
use tower_xmpp::stanza::{Condition, Stanza};
use tower_xmpp::store::{MemoryArchive, MemoryRegistrations};
use tower_xmpp::testkit::room::{Creation, Settings as RoomSettings};
use tower_xmpp::testkit::{Faulty, Session, World, xml};

use super::house::{GET, ROOM, layer, query, refused, shown, submit};

/// Alice's server takes rooms' messages, Bob's rooms write them.
struct House {
    w: World,
    store: Arc<MemoryRegistrations>,
    archive: Arc<MemoryArchive>,
    woken: Arc<Woken>,
    shelf: Arc<Shelf>,
    /// In the room.
    bob: Session,
    alice: Session,
}

#[derive(Default)]
struct Woken(Mutex<Vec<String>>);

impl Notify for Woken {
    fn notify(&self, account: &BareJid, message: &Stanza) {
        let id = message.id().unwrap_or_default();
        self.0.lock().unwrap().push(format!("{account} {id}"));
    }
}

/// Alice's bookmarks.
#[derive(Default)]
struct Shelf {
    rooms: Mutex<Vec<BareJid>>,
    fault: Faulty,
}

#[async_trait]
impl Bookmarks for Shelf {
    async fn list(&self, _: &BareJid) -> Result<Vec<Bookmark>, BoxError> {
        self.fault.check()?;
        let rooms = self.rooms.lock().unwrap();
        Ok(rooms.iter().cloned().map(Bookmark::new).collect())
    }

    fn subscribe(&self, _: Box<dyn Fn(BookmarkChange) + Send + Sync>) {}
}

impl House {
    fn new() -> Self {
        Self::with(AccountLimits::default())
    }

    fn with(limits: AccountLimits) -> Self {
        let w = World::new();
        let (store, archive) = (
            Arc::new(MemoryRegistrations::default()),
            Arc::new(MemoryArchive::default()),
        );
        let (woken, shelf) = (Arc::new(Woken::default()), Arc::new(Shelf::default()));
        let rooms = Arc::new(MemoryRegistrations::default());
        w.host(
            "muc.example",
            layer(rooms, Settings::default(), Limits::default()),
        );
        w.rooms("muc.example").host("b.example", ());
        let account = block_on(MucOfflineAccount::open(store.clone(), limits));
        let account = account.expect("memory does not fail");
        let account = account.notify(woken.clone()).bookmarks(shelf.clone());
        let stack = ServiceBuilder::new()
            .layer(Shell::of(account))
            .layer(ArchiveLayer::new(archive.clone(), Arc::new(w.entropy())));
        w.host("a.example", stack);
        let bob = w.session("bob@b.example/x");
        bob.joins("tea@muc.example/Bob");
        let alice = w.session("alice@a.example/phone");
        Self {
            w,
            store,
            archive,
            woken,
            shelf,
            bob,
            alice,
        }
    }

    /// Somebody writes to Alice's account as a room would.
    fn writes(&self, from: &str, id: &str, inside: &str) -> Vec<Stanza> {
        let rooms = Stanza::parse(
            format!(
                "<message from='{from}' to='alice@a.example' type='groupchat' id='{id}'>\
                 <body>hi</body>{inside}</message>"
            )
            .as_bytes(),
        );
        self.bob.send(rooms.unwrap());
        self.bob.take_all()
    }

    fn says(&self, id: &str) {
        self.bob.send(xml!(
            "<message to='{ROOM}' type='groupchat' id='{id}'><body>hi</body></message>"
        ));
        self.bob.expect(xml!("<message id='{id}'/>"));
    }

    /// The ids of what lies in Alice's archive.
    fn archived(&self) -> Vec<String> {
        self.w.settle();
        let alice = self.alice.account();
        let page = block_on(self.archive.page(&alice, Page::oldest(100))).unwrap();
        let ids = page.into_iter().map(|entry| entry.row.message_id);
        ids.map(Option::unwrap_or_default).collect()
    }

    fn known(&self) -> usize {
        self.w.settle();
        block_on(self.store.all()).unwrap().len()
    }
}

#[test]
fn what_a_known_room_writes_is_archived_and_wakes_and_reaches_no_client() {
    let house = House::new();
    house.alice.asks(submit("Alice", Some("1")));
    assert_eq!(house.known(), 1);
    house.says("m1");
    assert_eq!(house.archived(), ["m1"]);
    let woken = house.woken.0.lock().unwrap().clone();
    assert_eq!(woken, ["alice@a.example m1"]);
    house.alice.expect_nothing();
    house.w.finish();
}

#[test]
fn what_nobody_asked_for_is_refused_and_not_archived() {
    let house = House::new();
    // Bob's session is no room: nothing a stranger sends gets in.
    let came = house.writes("bob@b.example/x", "m1", "");
    assert_eq!(came.len(), 1);
    let error = came[0].error().expect("an error");
    assert_eq!(error.condition, Condition::ServiceUnavailable);
    assert_eq!(house.archived(), [""; 0]);
    assert!(house.woken.0.lock().unwrap().is_empty());
    house.w.finish();
}

#[test]
fn a_bookmarked_room_may_write_and_one_that_is_not_any_more_may_not() {
    let house = House::new();
    let bob = house.bob.account();
    house.shelf.rooms.lock().unwrap().push(bob);
    assert_eq!(house.writes("x", "m1", "").len(), 0);
    house.shelf.rooms.lock().unwrap().clear();
    assert_eq!(house.writes("x", "m2", "").len(), 1);
    assert_eq!(house.archived(), ["m1"]);
    house.w.finish();
}

#[test]
fn bookmarks_that_cannot_be_read_are_no_refusal_for_good() {
    let house = House::new();
    house.shelf.fault.fail(1);
    let came = house.writes("x", "m1", "");
    let error = came[0].error().expect("an error");
    assert_eq!(error.condition, Condition::ResourceConstraint);
    house.w.expect_broken("muc_offline_account");
    house.w.finish();
}

#[test]
fn the_same_message_of_a_room_is_taken_once() {
    let house = House::new();
    house.shelf.rooms.lock().unwrap().push(house.bob.account());
    let stamp =
        |id: &str| format!("<stanza-id xmlns='urn:xmpp:sid:0' by='bob@b.example' id='{id}'/>");
    for (id, stamp) in [
        ("m1", stamp("s1")),
        ("m2", stamp("s1")),
        ("m3", stamp("s2")),
        ("m4", String::new()),
        ("m4", String::new()),
    ] {
        assert_eq!(house.writes("x", id, &stamp).len(), 0);
    }
    assert_eq!(house.archived(), ["m1", "m3", "m4"]);
    house.w.finish();
}

#[test]
fn a_forged_archive_id_is_stripped_and_the_rooms_stays() {
    let house = House::new();
    house.shelf.rooms.lock().unwrap().push(house.bob.account());
    let ids = "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='forged'/>\
               <stanza-id xmlns='urn:xmpp:sid:0' by='bob@b.example' id='s1'/>";
    house.writes("x", "m1", ids);
    let page = block_on(house.archive.page(&house.alice.account(), Page::oldest(1))).unwrap();
    let stanza = String::from_utf8(page[0].row.stanza.to_vec()).unwrap();
    assert!(
        stanza.contains("s1") && !stanza.contains("forged"),
        "{stanza}"
    );
    house.w.finish();
}

#[test]
fn what_a_session_says_in_forms_is_learnt_and_unlearnt() {
    let house = House::new();
    let alice = &house.alice;
    for (request, known) in [
        (submit("Alice", None), 0),
        (submit("Alice", Some("true")), 1),
        (submit("Alicia", None), 1),
        (submit("Alice", Some("false")), 0),
        (submit("Alice", Some("1")), 1),
        (query("<remove/>"), 0),
    ] {
        alice.asks(request.clone());
        assert_eq!(house.known(), known, "{request}");
    }
    // Refused is not registered.
    alice.send(xml!("{}", submit("Bob", Some("1"))));
    alice.expect(refused(Condition::Conflict));
    assert_eq!(house.known(), 0);
    house.w.finish();
}

#[test]
fn what_a_form_shows_is_learnt_as_well() {
    let house = House::new();
    house.alice.asks(submit("Alice", Some("1")));
    // The store was lost.
    let room: BareJid = ROOM.parse().unwrap();
    house.w.crash("a.example");
    block_on(house.store.remove_room(&room)).unwrap();
    let account = block_on(MucOfflineAccount::open(
        house.store.clone(),
        AccountLimits::default(),
    ));
    house.w.start_again(
        "a.example",
        Shell::of(account.expect("memory does not fail")),
    );
    let alice = house.w.session("alice@a.example/new");
    assert_eq!(house.known(), 0);
    alice.send(xml!("{GET}"));
    alice.expect(shown("1"));
    assert_eq!(house.known(), 1);
    house.w.abandon();
}

#[test]
fn registrations_outlive_a_restart() {
    let house = House::new();
    house.alice.asks(submit("Alice", Some("1")));
    house.w.crash("a.example");
    let account = block_on(MucOfflineAccount::open(
        house.store.clone(),
        AccountLimits::default(),
    ));
    let account = account
        .expect("memory does not fail")
        .notify(house.woken.clone());
    house.w.start_again("a.example", Shell::of(account));
    house.says("m1");
    house.w.settle();
    assert_eq!(house.woken.0.lock().unwrap().len(), 1);
    house.w.abandon();
}

#[test]
fn who_is_banned_while_away_or_there_knows_the_room_no_more() {
    for is_there in [false, true] {
        let house = House::new();
        house.alice.asks(submit("Alice", Some("1")));
        if is_there {
            house.alice.joins("tea@muc.example/Alice");
        }
        house.bob.send(xml!(
            "<iq type='set' id='ban' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='outcast' jid='alice@a.example'/></query></iq>"
        ));
        assert_eq!(house.known(), 0, "there: {is_there}");
        house.w.abandon();
    }
}

#[test]
fn the_end_of_an_account_takes_its_registrations_with_it() {
    let house = House::new();
    house.alice.asks(submit("Alice", Some("1")));
    let account = house.alice.account();
    house
        .w
        .event("a.example", Event::AccountRemoved { account });
    assert_eq!(house.known(), 0);
    house.w.finish();
}

#[test]
fn one_room_more_than_may_be_known_is_not_learnt() {
    let mut limits = AccountLimits::default();
    limits.per_account = 0;
    let house = House::with(limits);
    house.alice.asks(submit("Alice", Some("1")));
    assert_eq!(house.known(), 0);
    house.says("m1");
    house.alice.expect_nothing();
    house.w.finish();
}

#[test]
fn groupchat_to_a_session_in_the_room_is_delivered_as_ever() {
    let house = House::new();
    house.alice.joins("tea@muc.example/Alice");
    house.bob.take_all();
    house.says("m1");
    house.alice.expect("<message id='m1'/>");
    assert!(house.archived().is_empty(), "the room has it");
    house.w.finish();
}

#[test]
fn both_sides_may_share_a_server() {
    let w = World::new();
    let archive = Arc::new(MemoryArchive::default());
    let account = Arc::new(MemoryRegistrations::default());
    let account = block_on(MucOfflineAccount::open(account, AccountLimits::default()));
    let rooms = Arc::new(MemoryRegistrations::default());
    let stack = ServiceBuilder::new()
        .layer(Shell::of(account.expect("memory does not fail")))
        .layer(ArchiveLayer::new(archive.clone(), Arc::new(w.entropy())))
        .layer(layer(rooms, Settings::default(), Limits::default()));
    w.host("a.example", stack);
    let mut open = RoomSettings::default();
    open.creation = Creation::Instant;
    w.rooms_with("a.example", "muc.example", open);
    let bob = w.session("bob@a.example/x");
    bob.joins("tea@muc.example/Bob");
    let alice = w.session("alice@a.example/phone");
    // Its answer comes by way of her account's layers, though from next door.
    alice.asks(submit("Alice", Some("1")));
    bob.send(xml!(
        "<message to='{ROOM}' type='groupchat' id='m1'><body>hi</body></message>"
    ));
    bob.expect("<message id='m1'/>");
    let page = block_on(archive.page(&alice.account(), Page::oldest(9))).unwrap();
    assert_eq!(page.len(), 1);
    w.finish();
}
