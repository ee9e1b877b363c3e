//! What nobody should send, and what mod_minimix is known to trip over: each
//! of the traps and of the bad input that the layer's documents name.

use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::store::{MemoryArchive, MemorySeats};
use tower_xmpp::testkit::{World, xml};

use super::house::{
    ALICE, House, ROOM, gone, history, join, presence, subject, talk, talked, together,
};
use super::scripted::{Room, shows, shows_gone};

#[test]
fn presence_from_a_room_that_nobody_joined_reaches_nobody() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [_phone] = house.alice(["phone"]);
    room.bob.send(shows("member", "participant", &[]));
    room.bob.send(shows_gone("member", &[307], ""));
    // Who believes that we are there is told otherwise.
    room.alice.send(shows("none", "participant", &[110]));
    room.alice
        .expect("<presence from='alice@a.example' type='unavailable'/>");
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn an_occupant_of_another_domain_is_nobody_here() {
    let house = House::new();
    let (_bob, [phone]) = together(&house, ["phone"]);
    house.w.host("evil.example", ());
    let mallory = house.w.bind("room@evil.example/Alice");
    mallory.send(shows_gone("none", &[110, 307], ""));
    mallory.send(shows("owner", "moderator", &[]));
    mallory.send("<message to='alice@a.example' type='groupchat' id='m'><body>hi</body></message>");
    mallory.expect("<message type='error' id='m'/>");
    phone.expect_nothing();
    assert_eq!(house.seats().len(), 2);
    house.w.finish();
}

#[test]
fn presence_to_an_ordinary_contact_passes_whatever_it_says() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    for type_ in ["", "type='unavailable'"] {
        phone.send(xml!("<presence to='bob@b.example/x' {type_}/>"));
        bob.expect(xml!("<presence from='{phone}' {type_}/>"));
    }
    house.w.finish();
}

#[test]
fn presence_of_a_room_reaches_only_sessions_that_joined() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    let [_desk] = house.alice(["desk"]);
    bob.send("<presence to='room@muc.example/Bob'><show>away</show></presence>");
    for session in [&phone, &bob] {
        session.expect("<presence from='room@muc.example/Bob'><show>away</show></presence>");
    }
    house.w.finish();
}

#[test]
fn a_room_on_the_same_server_may_answer_within_the_join() {
    let w = World::new();
    let layer = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
    w.host("a.example", layer);
    w.rooms_with("a.example", "muc.a.example", Default::default());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let seat = "room@muc.a.example/Alice";
    for session in [&phone, &desk] {
        session.send(join(seat));
    }
    for session in [&phone, &desk] {
        session.expect(presence(seat, &[110]));
        session.expect("<message type='groupchat'><subject></subject></message>");
    }
    phone.send(xml!(
        "<message to='room@muc.a.example' type='groupchat' id='m'><body>hi</body></message>"
    ));
    for session in [&phone, &desk] {
        session.expect("<message type='groupchat' id='m'><body>hi</body></message>");
    }
    w.finish();
}

/// Alice's server archives what the layer gives it.
fn archiving() -> World {
    let w = World::new();
    let entropy = Arc::new(w.entropy());
    let stack = ServiceBuilder::new()
        .layer(AccountMucLayer::new(
            Arc::new(MemorySeats::default()),
            entropy.clone(),
        ))
        .layer(ArchiveLayer::new(
            Arc::new(MemoryArchive::default()),
            entropy,
        ));
    w.host("a.example", stack);
    w.host("b.example", ());
    w.rooms("muc.example");
    w
}

#[test]
fn a_private_message_is_archived_once_for_all_sessions_in_the_room() {
    let w = archiving();
    let bob = w.session("bob@b.example/x");
    bob.joins("room@muc.example/Bob");
    let sessions = w.sessions("alice@a.example", ["phone", "desk"]);
    for session in &sessions {
        session.joins(ALICE);
    }
    bob.take_all();
    bob.send(xml!(
        "<message to='{ALICE}' type='chat' id='p'><body>psst</body></message>"
    ));
    let [first, second] = sessions.each_ref().map(|session| {
        let heard = session.expect(
            "<message id='p'>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$archived'/></message>",
        );
        heard["archived"].to_owned()
    });
    assert_eq!(first, second);
    w.finish();
}

#[test]
fn the_archive_id_of_the_sender_stays_out_of_the_room() {
    let w = archiving();
    let bob = w.session("bob@b.example/x");
    bob.joins("room@muc.example/Bob");
    let phone = w.session("alice@a.example/phone");
    phone.joins(ALICE);
    bob.take_all();
    phone.send(talk("m1", "hi"));
    phone.send(xml!(
        "<message to='room@muc.example/Bob' type='chat' id='p'><body>psst</body></message>"
    ));
    for id in ["m1", "p"] {
        let heard = bob.expect(xml!("<message id='{id}'/>")).stanza;
        assert!(!heard.to_xml().contains("a.example'"), "{}", heard.to_xml());
    }
    phone.take_all();
    w.finish();
}

#[test]
fn a_message_while_no_session_is_in_the_room_is_kept_and_bounces_nothing() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.close();
    bob.expect("<presence><show>xa</show></presence>");
    bob.send(talk("m1", "hi"));
    bob.expect(talked("Bob", "m1", "hi"));
    assert_eq!(house.seats().len(), 2);
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(history("Bob", "hi"));
    desk.expect(subject(""));
    house.w.abandon();
}

#[test]
fn an_answer_to_a_request_that_was_never_sent_is_ignored() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.bob
        .send("<iq to='alice@a.example' type='result' id='never'/>");
    room.refuses("iq", "never", "cancel", "not-acceptable");
    house.w.finish();
}

#[test]
fn a_nick_that_is_none_and_a_join_without_one_are_refused_and_leave_nothing() {
    let house = House::new();
    let bob = house.bob();
    let [phone] = house.alice(["phone"]);
    // U+0000 cannot be sent at all; U+E000 is refused by resourceprep.
    for to in ["room@muc.example/\u{e000}", ROOM] {
        phone.send(xml!(
            "<presence to='{to}' id='j'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ));
        phone.expect("<presence type='error' id='j'/>");
    }
    bob.expect_nothing();
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn presence_that_a_room_should_not_send_is_nobodys() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    for type_ in ["subscribe", "subscribed", "probe", "nonsense"] {
        room.bob
            .send(xml!("<presence to='alice@a.example' type='{type_}'/>"));
    }
    room.bob.send(xml!(
        "<presence to='alice@a.example' type='unavailable'>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <item nick=''/><status code='303'/><status code='99999999'/></x></presence>"
    ));
    phone.expect(gone("room@muc.example/Bob", &[303]));
    house.w.finish();
}

#[test]
fn a_subject_before_its_time_takes_the_join_from_nobody() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    phone.send(join(ALICE));
    room.expect_join();
    // Two lines to one domain, and what is said on them overtakes.
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject>tea</subject></message>"
    ));
    room.bob.send(shows("member", "participant", &[]));
    room.alice.send(shows("none", "participant", &[110]));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    // It is awaited no longer than anything else.
    house.w.advance(Duration::from_secs(70));
    phone.expect("<message type='groupchat'><subject>tea</subject></message>");
    house.w.finish();
}

#[test]
fn a_stranger_cannot_hand_anything_over() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    bob.send(xml!(
        "<message to='alice@a.example' type='chat' id='x'><body>I am {phone}</body></message>"
    ));
    phone.expect("<message from='bob@b.example/x' id='x'/>");
    house.w.finish();
}
