//! MUC2-PAM at rooms that speak MUC2, at others, and at some that do so by
//! halves (case 37; joins by request in general are in `pam`).

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use tower_xmpp::account_muc::{Seat, SeatState, SeatStore};
use tower_xmpp::stanza::{Condition, Element, Kind, Stanza, StanzaError, Type, ns};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::{Faulty, World, xml};

use super::house::{
    ALICE, House, Overheard, error, gone, join, pam, presence, restarted, subject, talk, talked,
};
use super::scripted::{NO_SUBJECT, shows, shows_gone};

const BOB: &str = "room@muc.example/Bob";
const ALICIA: &str = "room@muc.example/Alicia";
const JOIN: &str = "<join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
    <nickname>Alice</nickname></join>";
const TICK: Duration = Duration::from_secs(5);
const PART: &str = "<part xmlns='urn:xmpp:muc:0' room='room@muc.example'/>";

fn settings(muc2: bool) -> Settings {
    let mut settings = Settings::default();
    settings.creation = Creation::Instant;
    settings.muc2 = muc2;
    settings
}

/// Rooms of the kit that speak MUC2 or do not, and what they are told.
fn scene(muc2: bool) -> (House, Overheard) {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    house.w.host("muc.example", overheard.and(|_| None));
    house
        .w
        .rooms_with("muc.example", "muc.example", settings(muc2));
    (house, overheard)
}

fn joins_by_request(overheard: &Overheard) -> usize {
    overheard.with(Kind::Iq, "join", ns::MUC2).len()
}

fn joins_by_presence(overheard: &Overheard) -> usize {
    overheard.with(Kind::Presence, "x", ns::MUC).len()
}

/// What a room that speaks MUC2 says of itself.
fn speaks_muc2(asked: &Stanza) -> Option<Stanza> {
    asked.child("query", ns::DISCO_INFO)?;
    let feature = Element::new("feature", ns::DISCO_INFO).with_attr("var", ns::MUC2);
    let query = Element::new("query", ns::DISCO_INFO).with_child(feature);
    Some(asked.reply().with_child(query))
}

#[test]
fn a_room_that_speaks_muc2_is_joined_and_parted_by_request() {
    let (house, overheard) = scene(true);
    let bob = house.bob();
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    phone.expect(presence(BOB, &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(
        "<iq from='alice@a.example' type='result' id='j'>\
         <join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
         <nickname>Alice</nickname></join></iq>",
    );
    phone.expect(subject(""));
    bob.expect(presence(ALICE, &[]));
    assert_eq!(
        (joins_by_request(&overheard), joins_by_presence(&overheard)),
        (1, 0)
    );
    let asked = &overheard.with(Kind::Iq, "join", ns::MUC2)[0];
    assert_eq!(asked.from().unwrap().as_str(), "alice@a.example");
    assert!(house.kept()[0].by_request);
    // It is in the room like any other, and so are those who join as ever.
    desk.send(join(ALICE));
    desk.expect(presence(BOB, &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    bob.send(talk("m1", "hi"));
    for session in [&phone, &desk, &bob] {
        session.expect(talked("Bob", "m1", "hi"));
    }
    desk.send(xml!("{}", pam(PART, "p")));
    desk.expect("<iq from='alice@a.example' type='result' id='p'/>");
    for session in [&phone, &desk] {
        session.expect(gone(ALICE, &[110]));
    }
    bob.expect(gone(ALICE, &[]));
    assert_eq!(overheard.with(Kind::Iq, "part", ns::MUC2).len(), 1);
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_does_not_speak_muc2_gets_an_ordinary_join() {
    for (muc2, exists) in [(false, true), (true, false)] {
        let (house, overheard) = scene(muc2);
        let bob = exists.then(|| house.bob());
        let [phone] = house.alice(["phone"]);
        phone.send(xml!("{}", pam(JOIN, "j")));
        house.w.settle();
        // A room that is not there yet says nothing, and is made so.
        assert_eq!(joins_by_request(&overheard), 0);
        assert_eq!(joins_by_presence(&overheard), 1);
        assert!(!house.kept()[0].by_request);
        let told = phone.take_all();
        assert!(told.iter().any(|it| it.is_type(&Type::Result)), "{told:?}");
        phone.send(xml!("{}", pam(PART, "p")));
        house.w.settle();
        assert!(overheard.with(Kind::Iq, "part", ns::MUC2).is_empty());
        assert!(house.kept().is_empty());
        phone.take_all();
        if let Some(bob) = bob {
            bob.take_all();
        }
        house.w.finish();
    }
}

#[test]
fn a_session_that_joins_by_presence_is_not_joined_by_request() {
    let (house, overheard) = scene(true);
    let _bob = house.bob();
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    assert_eq!(joins_by_request(&overheard), 0);
    assert!(overheard.with(Kind::Iq, "query", ns::DISCO_INFO).is_empty());
    house.w.abandon();
}

#[test]
fn a_join_by_request_that_is_refused_is_refused_and_leaves_nothing() {
    let (house, overheard) = scene(true);
    let _bob = house.bob();
    let [phone] = house.alice(["phone"]);
    let taken = JOIN.replace("Alice", "Bob");
    phone.send(xml!("{}", pam(&taken, "j")));
    phone.expect(error("iq", "alice@a.example", "j", "conflict"));
    assert_eq!(joins_by_request(&overheard), 1);
    assert_eq!(joins_by_presence(&overheard), 0);
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_answers_and_shows_nobody_is_joined_by_presence_as_well() {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    // By the letter of the draft: another nick, a result, and nothing else.
    let draft = overheard.and(|asked| {
        let done = asked.child("join", ns::MUC2).map(|_| {
            let nickname = Element::new("nickname", ns::MUC2).with_text("Alicia");
            let join = Element::new("join", ns::MUC2).with_child(nickname);
            asked.reply().with_child(join)
        });
        let parted = asked.child("part", ns::MUC2).map(|_| asked.reply());
        speaks_muc2(asked).or(done).or(parted)
    });
    house.w.host("muc.example", draft);
    let [bob, alicia] = [BOB, ALICIA].map(|occupant| house.w.bind(occupant));
    let [phone] = house.alice(["phone"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    alicia.expect_nothing();
    house.w.advance(TICK);
    alicia.expect(
        "<presence from='alice@a.example'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    bob.send(shows("member", "participant", &[]));
    alicia.send(shows("none", "participant", &[110]));
    alicia.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    phone.expect(presence(BOB, &[]));
    phone.expect(presence(ALICIA, &[110, 210]));
    phone.expect(
        "<iq type='result' id='j'><join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
         <nickname>Alicia</nickname></join></iq>",
    );
    phone.expect(NO_SUBJECT);
    assert_eq!(joins_by_request(&overheard), 1);
    // What came in two ways goes in two ways; the answer to either ends it.
    phone.send(xml!("<presence to='{ALICIA}' type='unavailable'/>"));
    phone.expect(gone(ALICIA, &[110]));
    alicia.expect("<presence from='alice@a.example' type='unavailable'/>");
    assert_eq!(overheard.with(Kind::Iq, "part", ns::MUC2).len(), 1);
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_answers_one_goodbye_late_takes_the_next_join_from_nobody() {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    let draft = overheard.and(|asked| {
        let asks = |name: &str| asked.child(name, ns::MUC2).map(|_| asked.reply());
        speaks_muc2(asked).or(asks("join")).or(asks("part"))
    });
    house.w.host("muc.example", draft);
    let alice = house.w.bind(ALICE);
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    house.w.settle();
    alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect("<iq type='result' id='j'/>");
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    alice.expect("<presence from='alice@a.example' type='unavailable'/>");
    assert_eq!(overheard.with(Kind::Iq, "part", ns::MUC2).len(), 1);
    // The part is answered, the presence not yet.
    desk.send(join(ALICE));
    alice.expect(
        "<presence from='alice@a.example'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    alice.send(shows_gone("none", &[110], ""));
    desk.expect_nothing();
    alice.send(shows("none", "participant", &[110]));
    desk.expect(presence(ALICE, &[110]));
    assert_eq!(house.kept()[0].state, SeatState::Joined);
    house.w.finish();
}

#[test]
fn a_room_that_does_not_do_what_it_says_gets_an_ordinary_join() {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    let liar = overheard.and(|asked| {
        let refused = asked
            .child("join", ns::MUC2)
            .and_then(|_| asked.error_reply(&StanzaError::from(Condition::FeatureNotImplemented)));
        speaks_muc2(asked).or(refused)
    });
    house.w.host("muc.example", liar);
    let alice = house.w.bind(ALICE);
    let [phone] = house.alice(["phone"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    alice.expect(
        "<presence from='alice@a.example'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect("<iq type='result' id='j'/>");
    assert!(!house.kept()[0].by_request);
    house.w.finish();
}

#[test]
fn a_room_that_lets_the_account_in_by_one_way_and_not_by_the_other_is_left() {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    let half = overheard.and(|asked| {
        let done = asked.child("join", ns::MUC2).map(|_| asked.reply());
        speaks_muc2(asked).or(done)
    });
    house.w.host("muc.example", half);
    let alice = house.w.bind(ALICE);
    let [phone] = house.alice(["phone"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    house.w.advance(TICK);
    let asked = alice.expect("<presence from='alice@a.example' id='$id'/>");
    alice.send(xml!(
        "<presence to='alice@a.example' type='error' id='{}'><error type='auth'>\
         <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        &asked["id"]
    ));
    phone.expect(error("iq", "alice@a.example", "j", "forbidden"));
    alice.expect("<presence from='alice@a.example' type='unavailable'/>");
    assert_eq!(overheard.with(Kind::Iq, "part", ns::MUC2).len(), 1);
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_never_says_what_it_is_is_given_up() {
    let house = House::without_rooms(|_| {});
    house.w.host("muc.example", ());
    house.w.cut_with(
        "a.example",
        "muc.example",
        Duration::from_secs(300),
        tower_xmpp::testkit::WhileDown::Lose,
    );
    let [phone] = house.alice(["phone"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    house.w.advance(Duration::from_secs(70));
    phone.expect(error("iq", "alice@a.example", "j", "remote-server-timeout"));
    assert!(house.kept().is_empty());
    house.w.advance(Duration::from_secs(300));
    house.w.finish();
}

#[test]
fn a_join_by_request_that_cannot_be_written_down_does_not_leave() {
    let disk = Faulty::default();
    let house = House::with_disk(&disk);
    let overheard = Overheard::default();
    house.w.host("muc.example", overheard.and(speaks_muc2));
    let [phone] = house.alice(["phone"]);
    disk.fail(1);
    phone.send(xml!("{}", pam(JOIN, "j")));
    phone.expect(error("iq", "alice@a.example", "j", "resource-constraint"));
    house.w.expect_broken("account_muc");
    assert_eq!(joins_by_request(&overheard), 0);
    assert!(overheard.with(Kind::Iq, "part", ns::MUC2).is_empty());
    house.w.finish();
}

#[test]
fn after_our_own_restart_it_is_known_how_the_account_came() {
    let store = Arc::new(MemorySeats::default());
    let mut seat = Seat::new("alice@a.example".parse().unwrap(), ALICE.parse().unwrap());
    (seat.state, seat.by_request) = (SeatState::Leaving, true);
    block_on(store.put(seat)).unwrap();
    let w = World::new();
    restarted(&w, &store);
    let overheard = Overheard::default();
    w.host("muc.example", overheard.and(|_| None));
    w.rooms_with("muc.example", "muc.example", settings(true));
    w.advance(Duration::from_secs(5));
    assert_eq!(overheard.with(Kind::Iq, "part", ns::MUC2).len(), 1);
    w.finish();
}
