//! Bookmarks drive the account (XEP-0402; case 23).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jid::BareJid;
use tower_xmpp::account_muc::Options;
use tower_xmpp::flow::{Bookmark, BookmarkChange, Bookmarks, BoxError};
use tower_xmpp::stanza::{Kind, ns};
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::{Session, World, xml};

use super::house::{ALICE, House, Overheard, ROOM, error, gone, join, pam, presence, subject};
use super::leaving::kick;
use super::scripted::Room;

type Listener = Box<dyn Fn(BookmarkChange) + Send + Sync>;

/// Alice's bookmarks, where a host would keep them.
#[derive(Default)]
struct Shelf {
    kept: Mutex<BTreeMap<BareJid, Bookmark>>,
    listeners: Mutex<Vec<Listener>>,
}

impl Shelf {
    fn set(&self, autojoin: bool, nick: &str, password: Option<&str>) {
        let mut bookmark = Bookmark::new(ROOM.parse().unwrap());
        bookmark.autojoin = autojoin;
        bookmark.nick = Some(nick.to_owned());
        bookmark.password = password.map(str::to_owned);
        let (account, room) = (alice(), bookmark.room.clone());
        self.kept.lock().unwrap().insert(room, bookmark.clone());
        self.tell(&BookmarkChange::Set { account, bookmark });
    }

    /// A client publishes it once more, as it is.
    fn publish_again(&self) {
        for bookmark in self.kept.lock().unwrap().values() {
            let (account, bookmark) = (alice(), bookmark.clone());
            self.tell(&BookmarkChange::Again { account, bookmark });
        }
    }

    /// It is there, with autojoin, and nobody is told.
    fn keeps_already(&self) {
        let mut bookmark = Bookmark::new(ROOM.parse().unwrap());
        (bookmark.autojoin, bookmark.nick) = (true, Some("Alice".to_owned()));
        let room = bookmark.room.clone();
        self.kept.lock().unwrap().insert(room, bookmark);
    }

    fn retract(&self) {
        let (account, room) = (alice(), ROOM.parse().unwrap());
        self.kept.lock().unwrap().remove(&room);
        self.tell(&BookmarkChange::Retracted { account, room });
    }

    fn tell(&self, change: &BookmarkChange) {
        for listener in self.listeners.lock().unwrap().iter() {
            listener(change.clone());
        }
    }
}

#[async_trait]
impl Bookmarks for Shelf {
    async fn list(&self, _: &BareJid) -> Result<Vec<Bookmark>, BoxError> {
        Ok(self.kept.lock().unwrap().values().cloned().collect())
    }

    fn subscribe(&self, listener: Listener) {
        self.listeners.lock().unwrap().push(listener);
    }
}

fn alice() -> BareJid {
    "alice@a.example".parse().unwrap()
}

fn house() -> (House, Arc<Shelf>) {
    let shelf = Arc::new(Shelf::default());
    let given = shelf.clone();
    let house = House::of(World::new(), |feature| feature.bookmarks(given));
    house.w.rooms("muc.example");
    (house, shelf)
}

const TICK: Duration = Duration::from_secs(5);

#[test]
fn autojoin_joins_and_a_client_that_acts_on_its_bookmark_is_told_locally() {
    let (house, shelf) = house();
    let bob = house.bob();
    let [phone] = house.alice(["phone"]);
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    bob.expect(presence(ALICE, &[]));
    phone.expect_nothing();
    phone.send(join(ALICE));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(subject(""));
    // It is not away any more.
    for session in [&bob, &phone] {
        session.expect(presence(ALICE, &[]));
    }
    // The same again changes nothing.
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    assert!(house.kept()[0].autojoin);
    house.w.finish();
}

#[test]
fn who_was_kicked_comes_back_when_a_client_publishes_the_bookmark_again_and_not_before() {
    let (house, shelf) = house();
    let bob = house.bob();
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    bob.expect(presence(ALICE, &[]));
    kick(&bob, "Alice");
    bob.expect("<iq type='result'/>");
    bob.expect(gone(ALICE, &[307]));
    house.w.advance(Duration::from_secs(3_600));
    bob.expect_nothing();
    shelf.publish_again();
    house.w.advance(TICK);
    bob.expect(presence(ALICE, &[]));
    house.w.finish();
}

#[test]
fn a_bookmark_keeps_the_account_where_a_session_has_taken_it_again() {
    let (house, shelf) = house();
    let bob = house.bob();
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    kick(&bob, "Alice");
    bob.take_all();
    // Nothing is left of what was known of it.
    house.w.advance(Duration::from_secs(3_600));
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    house.w.advance(TICK);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    assert_eq!(
        house.seats(),
        ["Alice alice@a.example", "Bob bob@b.example/x"]
    );
    bob.take_all();
    house.w.finish();
}

#[test]
fn a_bookmark_keeps_the_account_where_a_session_stays_for_no_more_than_a_moment() {
    let (house, shelf) = house();
    let bob = house.bob();
    let [phone] = house.alice(["phone"]);
    house.w.advance(TICK);
    shelf.keeps_already();
    phone.joins(ALICE);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    house.w.advance(TICK);
    assert_eq!(
        house.seats(),
        ["Alice alice@a.example", "Bob bob@b.example/x"]
    );
    bob.take_all();
    house.w.finish();
}

#[test]
fn a_bookmark_published_again_after_a_join_that_was_refused_is_obeyed() {
    let shelf = Arc::new(Shelf::default());
    let given = shelf.clone();
    let house = House::of(World::new(), |feature| feature.bookmarks(given));
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    house.w.advance(TICK);
    shelf.keeps_already();
    phone.send(join(ALICE));
    let asked = room.expect_join();
    room.refuses("presence", &asked["id"], "cancel", "conflict");
    phone.expect(error("presence", ALICE, "join", "conflict"));
    // All within a tick.
    shelf.publish_again();
    house.w.advance(TICK);
    room.expect_join();
    house.w.abandon();
}

#[test]
fn a_bookmark_that_wants_the_account_back_while_it_leaves_gets_it() {
    let shelf = Arc::new(Shelf::default());
    let given = shelf.clone();
    let house = House::of(World::new(), |feature| feature.bookmarks(given));
    let room = Room::new(&house);
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    room.answers_join();
    shelf.set(false, "Alice", None);
    house.w.advance(TICK);
    room.alice.expect("<presence type='unavailable'/>");
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    room.alice.expect_nothing();
    room.alice
        .send(super::scripted::shows_gone("none", &[110], ""));
    room.answers_join();
    assert!(house.kept()[0].autojoin);
    house.w.finish();
}

#[test]
fn a_part_is_obeyed_though_a_bookmark_wants_the_account_there() {
    let (house, shelf) = house();
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    let part = "<part xmlns='urn:xmpp:muc:0' room='room@muc.example'/>";
    phone.send(xml!("{}", pam(part, "p")));
    phone.expect("<iq type='result' id='p'/>");
    phone.expect(gone(ALICE, &[110]));
    house.w.advance(Duration::from_secs(3_600));
    assert!(house.seats().is_empty());
    house.w.finish();
}

#[test]
fn a_bookmark_that_is_published_again_renames_nobody_and_outdoes_no_change() {
    let (house, shelf) = house();
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    phone.send(xml!("<presence to='room@muc.example/Alicia'/>"));
    shelf.publish_again();
    house.w.advance(TICK);
    assert_eq!(house.seats(), ["Alicia alice@a.example"]);
    // Two in one tick: what has changed counts.
    shelf.set(false, "Alice", None);
    shelf.publish_again();
    house.w.advance(TICK);
    assert!(house.seats().is_empty());
    // Without autojoin it says nothing of the kind.
    shelf.publish_again();
    house.w.advance(TICK);
    assert!(house.seats().is_empty());
    phone.take_all();
    house.w.finish();
}

#[test]
fn with_autojoin_the_account_stays_when_the_last_session_leaves() {
    let (house, shelf) = house();
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    assert_eq!(house.seats(), ["Alice alice@a.example"]);
    house.w.finish();
}

#[test]
fn with_autojoin_the_account_stays_however_long_nobody_is_there() {
    let shelf = Arc::new(Shelf::default());
    let given = shelf.clone();
    let mut options = Options::default();
    options.linger = Duration::from_secs(600);
    let house = House::of(World::new(), |feature| {
        feature.bookmarks(given).options(options)
    });
    house.w.rooms("muc.example");
    shelf.set(true, "Alice", None);
    house.w.advance(Duration::from_secs(3_600));
    assert_eq!(house.seats(), ["Alice alice@a.example"]);
    house.w.finish();
}

#[test]
fn a_bookmark_without_autojoin_or_retracted_leaves_and_every_session_is_told() {
    let without: fn(&Shelf) = |shelf| shelf.set(false, "Alice", None);
    for change in [without, Shelf::retract] {
        let (house, shelf) = house();
        shelf.set(true, "Alice", None);
        house.w.advance(TICK);
        let [phone, desk] = house.alice(["phone", "desk"]);
        for session in [&phone, &desk] {
            session.joins(ALICE);
        }
        house.w.settle();
        change(&shelf);
        house.w.advance(TICK);
        for session in [&phone, &desk] {
            session.expect(gone(ALICE, &[110]));
        }
        assert!(house.kept().is_empty());
        assert!(house.seats().is_empty());
        house.w.finish();
    }
}

#[test]
fn the_nick_of_a_bookmark_is_followed_and_its_password_kept() {
    let (house, shelf) = house();
    shelf.set(true, "Alice", Some("secret"));
    house.w.advance(TICK);
    shelf.set(true, "Alicia", Some("secret"));
    house.w.advance(TICK);
    assert_eq!(house.seats(), ["Alicia alice@a.example"]);
    assert_eq!(house.kept()[0].password.as_deref(), Some("secret"));
    assert_eq!(house.kept()[0].occupant.as_str(), "room@muc.example/Alicia");
    house.w.finish();
}

#[test]
fn who_logs_in_finds_the_account_in_its_bookmarked_rooms() {
    let (house, shelf) = house();
    let mut kept = Bookmark::new(ROOM.parse().unwrap());
    kept.autojoin = true;
    let mut plain = Bookmark::new("plain@muc.example".parse().unwrap());
    plain.nick = Some("Alice".to_owned());
    for bookmark in [kept, plain] {
        let room = bookmark.room.clone();
        shelf.kept.lock().unwrap().insert(room, bookmark);
    }
    let [_phone] = house.alice(["phone"]);
    house.w.advance(TICK);
    // Without a nick it is the account's name.
    assert_eq!(house.seats(), ["alice alice@a.example"]);
    assert!(house.w.occupants("plain@muc.example").is_empty());
    house.w.finish();
}

#[test]
fn a_bookmark_with_a_nick_that_is_none_joins_nothing() {
    let (house, shelf) = house();
    shelf.set(true, "\u{e000}", None);
    house.w.advance(TICK);
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_bookmark_of_a_room_that_refuses_is_not_tried_again_and_again() {
    let (house, shelf) = house();
    let bob = house.bob();
    shelf.set(true, "Bob", None);
    house.w.advance(Duration::from_secs(3_600));
    bob.expect_nothing();
    assert!(house.kept().is_empty());
    house.w.finish();
}

fn affiliate(owner: &Session, affiliation: &str) {
    owner.send(xml!(
        "<iq to='{ROOM}' type='set' id='aff'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item jid='alice@a.example' affiliation='{affiliation}'/></query></iq>"
    ));
}

/// A room that only members may be in. Bob, who made it, is there.
fn members_only(house: &House) -> Session {
    let bob = house.bob();
    bob.send(xml!(
        "<iq to='{ROOM}' type='set' id='c'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
         <field var='muc#roomconfig_membersonly'><value>1</value></field></x></query></iq>"
    ));
    affiliate(&bob, "member");
    bob.take_all();
    bob
}

#[test]
fn who_is_a_member_again_comes_back_if_a_bookmark_wants_it() {
    let (house, shelf) = house();
    let bob = members_only(&house);
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    bob.expect(presence(ALICE, &[]));
    affiliate(&bob, "none");
    bob.expect("<iq type='result'/>");
    bob.expect(gone(ALICE, &[321]));
    // Not of itself.
    house.w.advance(Duration::from_secs(3_600));
    bob.expect_nothing();
    affiliate(&bob, "member");
    house.w.advance(TICK);
    bob.take_all();
    assert_eq!(
        house.seats(),
        ["Alice alice@a.example", "Bob bob@b.example/x"]
    );
    house.w.abandon();
}

#[test]
fn who_is_a_member_again_stays_away_without_a_bookmark() {
    let (house, shelf) = house();
    let bob = members_only(&house);
    shelf.set(false, "Alice", None);
    affiliate(&bob, "none");
    affiliate(&bob, "member");
    house.w.advance(TICK);
    bob.take_all();
    assert_eq!(house.seats(), ["Bob bob@b.example/x"]);
    house.w.abandon();
}

#[test]
fn a_destroyed_room_is_not_made_again_because_a_bookmark_wants_it() {
    let (house, shelf) = house();
    let bob = house.bob();
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    bob.send(xml!(
        "<iq to='{ROOM}' type='set' id='d'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <destroy/></query></iq>"
    ));
    house.w.advance(Duration::from_secs(3_600));
    bob.take_all();
    assert!(house.seats().is_empty());
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_a_bookmark_creates_is_opened_for_others() {
    let shelf = Arc::new(Shelf::default());
    let given = shelf.clone();
    let house = House::of(World::new(), |feature| feature.bookmarks(given));
    let overheard = Overheard::default();
    house.w.host("muc.example", overheard.and(|_| None));
    let mut settings = Settings::default();
    settings.creation = Creation::Locked;
    house.w.rooms_with("muc.example", "muc.example", settings);
    shelf.set(true, "Alice", None);
    house.w.advance(TICK);
    assert_eq!(overheard.with(Kind::Iq, "query", ns::MUC_OWNER).len(), 1);
    let bob = house.w.session("bob@b.example/x");
    bob.joins("room@muc.example/Bob");
    assert_eq!(house.seats().len(), 2);
    house.w.finish();
}
