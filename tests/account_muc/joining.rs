//! Sessions come (cases 1 to 12 of the digest).

use tower_xmpp::testkit::room::Creation;
use tower_xmpp::testkit::xml;

use super::house::{
    ALICE, House, ROOM, error, gone, history, join, join_with, presence, subject, talk, talked,
    together,
};
use super::scripted::{Room, shows};

#[test]
fn the_first_session_joins_the_account_and_hears_others_itself_and_the_subject() {
    let house = House::new();
    let bob = house.bob();
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(xml!(
        "<presence from='{ALICE}' to='{phone}' id='join'>\
         <x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>"
    ));
    phone.expect(subject(""));
    bob.expect(presence(ALICE, &[]));
    assert_eq!(
        house.seats(),
        ["Alice alice@a.example", "Bob bob@b.example/x"]
    );
    house.w.finish();
}

#[test]
fn two_sessions_that_join_at_once_send_one_join_and_each_hears_everything() {
    let house = House::new();
    let bob = house.bob();
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(join(ALICE));
    desk.send(xml!(
        "<presence to='{ALICE}' id='other'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ));
    for (session, id) in [(&phone, "join"), (&desk, "other")] {
        session.expect(presence("room@muc.example/Bob", &[]));
        session.expect(xml!("<presence from='{ALICE}' to='{session}' id='{id}'/>"));
        session.expect(subject(""));
    }
    bob.expect(presence(ALICE, &[]));
    assert_eq!(
        house.seats(),
        ["Alice alice@a.example", "Bob bob@b.example/x"]
    );
    house.w.finish();
}

#[test]
fn a_second_nick_is_told_that_it_got_the_first_and_the_room_hears_nothing() {
    let house = House::new();
    let (_bob, [_phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    desk.send(join("room@muc.example/Alicia"));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect(presence(ALICE, &[110, 210]));
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn a_session_that_joins_again_is_told_everything_again() {
    let house = House::new();
    let (_bob, [phone]) = together(&house, ["phone"]);
    phone.send(join(ALICE));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(subject(""));
    house.w.finish();
}

#[test]
fn a_room_that_was_created_is_new_to_the_session_that_created_it_alone() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    for session in [&phone, &desk] {
        session.send(join(ALICE));
        house.w.settle();
    }
    room.expect_join();
    room.alice.send(shows("owner", "moderator", &[110, 201]));
    phone.expect(presence(ALICE, &[110, 201]));
    let own = desk.expect(presence(ALICE, &[110])).stanza;
    assert!(!own.has_muc_status(201), "{}", own.to_xml());
    house.w.finish();
}

#[test]
fn what_is_said_comes_back_once_to_each_session_with_the_id_of_its_sender() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    phone.send(talk("m1", "hi"));
    bob.send(talk("m2", "hello"));
    for session in [&phone, &desk, &bob] {
        let said = session.expect(talked("Alice", "m1", "hi")).stanza;
        assert_eq!(said.to(), Some(&**session.jid()));
        session.expect(talked("Bob", "m2", "hello"));
    }
    house.w.finish();
}

#[test]
fn history_goes_to_those_who_come_and_live_talk_to_those_who_are_there() {
    let house = House::new();
    let bob = house.bob();
    for body in ["one", "two", "three"] {
        bob.send(talk(body, body));
        bob.expect(talked("Bob", body, body));
    }
    let [phone, desk] = house.alice(["phone", "desk"]);
    phone.send(join_with(ALICE, "<history maxstanzas='2'/>"));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(history("Bob", "two"));
    phone.expect(history("Bob", "three"));
    phone.expect(subject(""));
    bob.expect(presence(ALICE, &[]));
    bob.send(talk("four", "four"));
    phone.expect(talked("Bob", "four", "four"));
    bob.expect(talked("Bob", "four", "four"));

    desk.send(join(ALICE));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect(presence(ALICE, &[110]));
    for body in ["one", "two", "three", "four"] {
        desk.expect(history("Bob", body));
    }
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn the_subject_is_the_last_one_and_a_body_makes_none() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    bob.send(xml!(
        "<message to='{ROOM}' type='groupchat'><subject>tea</subject></message>"
    ));
    bob.send(xml!(
        "<message to='{ROOM}' type='groupchat'><subject>no</subject><body>coffee</body></message>"
    ));
    for session in [&bob, &phone] {
        session.expect("<message type='groupchat'><subject>tea</subject></message>");
        session.expect("<message type='groupchat'><body>coffee</body></message>");
    }
    let [desk] = house.alice(["desk"]);
    desk.send(join_with(ALICE, "<history maxchars='0'/>"));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(xml!(
        "<message type='groupchat'><subject>tea</subject>\
         <delay xmlns='urn:xmpp:delay' from='{ROOM}'/></message>"
    ));
    house.w.finish();
}

#[test]
fn a_nick_that_is_taken_is_told_to_the_session_which_may_try_another() {
    let house = House::new();
    let bob = house.bob();
    let [phone] = house.alice(["phone"]);
    phone.send(join("room@muc.example/Bob"));
    phone.expect(error(
        "presence",
        "room@muc.example/Bob",
        "join",
        "conflict",
    ));
    phone.send(join(ALICE));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(subject(""));
    bob.expect(presence(ALICE, &[]));
    house.w.finish();
}

#[test]
fn the_last_session_that_leaves_takes_the_account_with_it_and_others_do_not() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable' id='bye'/>"));
    phone.expect(xml!(
        "<presence from='{ALICE}' to='{phone}' type='unavailable' id='bye'>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='none' role='none'/><status code='110'/></x></presence>"
    ));
    bob.expect_nothing();
    desk.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    desk.expect(gone(ALICE, &[110]));
    bob.expect(gone(ALICE, &[]));
    assert_eq!(house.seats(), ["Bob bob@b.example/x"]);
    house.w.finish();
}

#[test]
fn a_room_that_a_session_creates_is_its_to_configure() {
    let house = House::with_rooms(|settings| settings.creation = Creation::Locked);
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    phone.expect(presence(ALICE, &[110, 201]));
    phone.expect(subject(""));
    let bob = house.w.session("bob@b.example/x");
    bob.send(join("room@muc.example/Bob"));
    bob.expect(error(
        "presence",
        "room@muc.example/Bob",
        "join",
        "item-not-found",
    ));
    house.w.finish();
}
