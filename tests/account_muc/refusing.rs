//! Rooms that do not let the account in (cases 5 and 6, and the table of
//! XEP-0045 §7.2), and joins that come to nothing otherwise.

use std::time::Duration;

use tower_xmpp::stanza::Type;
use tower_xmpp::testkit::room::{Creation, RegisteredNick};
use tower_xmpp::testkit::{Faulty, Session, xml};

use super::house::{ALICE, House, ROOM, error, gone, join, join_with, presence, subject};
use super::scripted::{NO_SUBJECT, Room, shows, shows_gone};

fn house() -> (House, Room) {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    (house, room)
}

#[test]
fn each_refusal_reaches_each_waiting_session_in_its_own_words_and_leaves_nothing() {
    for (type_, condition) in [
        ("modify", "jid-malformed"),
        ("auth", "not-authorized"),
        ("auth", "forbidden"),
        ("cancel", "item-not-found"),
        ("cancel", "not-allowed"),
        ("cancel", "not-acceptable"),
        ("auth", "registration-required"),
        ("cancel", "conflict"),
        ("wait", "service-unavailable"),
        ("cancel", "remote-server-not-found"),
    ] {
        let (house, room) = house();
        let [phone, desk] = house.alice(["phone", "desk"]);
        phone.send(join(ALICE));
        desk.send(xml!(
            "<presence to='room@muc.example/Alicia' id='d'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ));
        let asked = room.expect_join();
        room.refuses("presence", &asked["id"], type_, condition);
        phone.expect(xml!(
            "<presence from='{ALICE}' to='{phone}' id='join' type='error'>\
             <x xmlns='http://jabber.org/protocol/muc'/>\
             <error by='room@muc.example' type='{type_}'>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
        ));
        desk.expect(error("presence", "room@muc.example/Alicia", "d", condition));
        assert!(house.kept().is_empty(), "{condition}");
        // Nothing is cached: the next join is a real one.
        phone.send(join(ALICE));
        room.answers_join();
        phone.expect(presence("room@muc.example/Bob", &[]));
        phone.expect(presence(ALICE, &[110]));
        phone.expect(NO_SUBJECT);
        house.w.finish();
    }
}

#[test]
fn an_error_with_another_id_refuses_nothing() {
    let (house, room) = house();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    room.refuses("presence", "guessed", "auth", "forbidden");
    phone.expect_nothing();
    room.alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    house.w.finish();
}

#[test]
fn a_wrong_password_is_forgotten_and_a_session_with_another_is_tried() {
    let (house, room) = house();
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(join_with(ALICE, "<password>wrong</password>"));
    desk.send(join_with(ALICE, "<password>right</password>"));
    let asked = room.alice.expect(
        "<presence id='$id'><x xmlns='http://jabber.org/protocol/muc'>\
         <password>wrong</password></x></presence>",
    );
    room.refuses("presence", &asked["id"], "auth", "not-authorized");
    phone.expect(error("presence", ALICE, "join", "not-authorized"));
    room.alice.expect(
        "<presence id='$id'><x xmlns='http://jabber.org/protocol/muc'>\
         <password>right</password></x></presence>",
    );
    room.alice.send(shows("none", "participant", &[110]));
    desk.expect(presence(ALICE, &[110]));
    assert_eq!(house.kept()[0].password.as_deref(), Some("right"));
    house.w.finish();
}

#[test]
fn a_wrong_password_is_not_given_for_a_session_that_has_none() {
    let (house, room) = house();
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(join_with(ALICE, "<password>wrong</password>"));
    let asked = room.expect_join();
    room.refuses("presence", &asked["id"], "auth", "not-authorized");
    phone.expect(error("presence", ALICE, "join", "not-authorized"));
    desk.send(join(ALICE));
    let asked = room.expect_join().stanza;
    assert!(!asked.to_xml().contains("password"), "{}", asked.to_xml());
    room.alice.send(shows("none", "participant", &[110]));
    desk.expect(presence(ALICE, &[110]));
    house.w.finish();
}

#[test]
fn a_room_that_never_answers_is_given_up_and_told_to_forget_us() {
    let (house, room) = house();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    house.w.advance(Duration::from_secs(59));
    phone.expect_nothing();
    house.w.advance(Duration::from_secs(5));
    phone.expect(error("presence", ALICE, "join", "remote-server-timeout"));
    room.alice
        .expect("<presence from='alice@a.example' type='unavailable'/>");
    // Should it let us in after all, it is told again.
    room.alice.send(shows("none", "participant", &[110]));
    room.alice
        .expect("<presence from='alice@a.example' type='unavailable'/>");
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_sends_no_subject_is_not_waited_for_for_ever() {
    let (house, room) = house();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    room.alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect_nothing();
    house.w.advance(Duration::from_secs(65));
    phone.expect(subject(""));
    house.w.finish();
}

#[test]
fn who_is_thrown_out_while_joining_is_told_so() {
    let (house, room) = house();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    room.alice.send(shows_gone("outcast", &[110, 301], ""));
    phone.expect(gone(ALICE, &[110, 301]));
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_join_that_cannot_be_written_down_does_not_leave() {
    let disk = Faulty::default();
    let house = House::with_disk(&disk);
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    disk.fail(1);
    phone.send(join(ALICE));
    phone.expect(error("presence", ALICE, "join", "resource-constraint"));
    room.alice.expect_nothing();
    house.w.expect_broken("account_muc");
    phone.send(join(ALICE));
    room.answers_join();
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn a_leave_that_cannot_be_written_down_is_made_up_for() {
    let disk = Faulty::default();
    let house = House::with_disk(&disk);
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    disk.fail(1);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect_nothing();
    house.w.expect_broken("account_muc");
    house.w.advance(Duration::from_secs(5));
    room.alice
        .expect("<presence from='alice@a.example' type='unavailable'/>");
    room.alice.send(shows_gone("none", &[110], ""));
    house.w.settle();
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_session_that_gives_up_waiting_takes_the_account_with_it_once_it_is_in() {
    let (house, room) = house();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect_nothing();
    room.alice.send(shows("none", "participant", &[110]));
    room.alice
        .expect("<presence from='alice@a.example' type='unavailable'/>");
    phone.expect_nothing();
    house.w.finish();
}

/// A house whose rooms let members in under their registered nicks only.
fn strict() -> House {
    House::with_rooms(|settings| {
        settings.creation = Creation::Instant;
        settings.new_room.registered_nick = RegisteredNick::Demanded;
    })
}

fn registers(session: &Session, nick: &str) {
    let answer = session.asks(xml!(
        "<iq to='{ROOM}' type='set' id='r'><query xmlns='jabber:iq:register'>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>http://jabber.org/protocol/muc#register</value></field>\
         <field var='muc#register_roomnick'><value>{nick}</value></field></x></query></iq>"
    ));
    assert!(answer.is_type(&Type::Result), "{}", answer.to_xml());
}

#[test]
fn a_room_that_wants_the_registered_nick_is_joined_under_it() {
    let house = strict();
    let bob = house.bob();
    let [phone] = house.alice(["phone"]);
    registers(&phone, "Ally");
    phone.send(join(ALICE));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence("room@muc.example/Ally", &[110, 210]));
    phone.expect(subject(""));
    bob.expect(presence("room@muc.example/Ally", &[]));
    assert_eq!(house.kept()[0].occupant.as_str(), "room@muc.example/Ally");
    house.w.finish();
}

#[test]
fn a_registered_nick_that_does_not_help_either_is_tried_once() {
    let house = House::without_rooms(|_| {});
    let room = Room::with_registered(&house, "Ally");
    let ally = house.w.bind("room@muc.example/Ally");
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    let asked = room.expect_join();
    room.refuses("presence", &asked["id"], "cancel", "not-acceptable");
    let again = ally.expect("<presence from='alice@a.example' id='$id'/>");
    ally.send(xml!(
        "<presence to='alice@a.example' type='error' id='{}'><error type='cancel'>\
         <not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        &again["id"]
    ));
    phone.expect(error("presence", ALICE, "join", "not-acceptable"));
    for occupant in [&room.alice, &ally] {
        occupant.expect_nothing();
    }
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_room_that_knows_no_registered_nick_is_not_asked_again() {
    let (house, room) = house();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    let asked = room.expect_join();
    // The scripted room knows of no registered nick.
    room.refuses("presence", &asked["id"], "cancel", "not-acceptable");
    phone.expect(error("presence", ALICE, "join", "not-acceptable"));
    room.alice.expect_nothing();
    assert!(house.kept().is_empty());
    house.w.finish();
}
