//! What is said, both ways (cases 13, 26 to 28, 36).

use tower_xmpp::stanza::{Kind, ns};
use tower_xmpp::testkit::room::Settings;
use tower_xmpp::testkit::{Carbon, Faulty, xml};

use super::house::{ALICE, House, Overheard, ROOM, error, join, presence, talk, talked, together};
use super::scripted::{Room, shows};

const BOB: &str = "room@muc.example/Bob";

#[test]
fn a_session_that_has_not_joined_is_refused_by_the_room_in_its_own_words() {
    let house = House::new();
    let (_bob, [_phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    desk.send(talk("m1", "hi"));
    desk.expect(error("message", ROOM, "m1", "not-acceptable"));
    house.w.finish();
}

#[test]
fn an_error_of_a_client_never_reaches_the_room() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    bob.send(talk("m1", "hi"));
    let said = phone.expect(talked("Bob", "m1", "hi"));
    bob.expect(talked("Bob", "m1", "hi"));
    drop(said);
    for to in [ROOM, BOB] {
        for kind in ["message", "presence"] {
            phone.send(xml!(
                "<{kind} to='{to}' type='error' id='m1'><error type='cancel'><service-unavailable \
                 xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
            ));
        }
        phone.send(xml!("<iq to='{to}/x' type='result' id='m1'/>"));
    }
    assert_eq!(house.seats().len(), 2);
    house.w.finish();
}

#[test]
fn a_private_message_goes_in_the_accounts_name_and_is_copied_to_those_in_the_room() {
    let house = House::new();
    let bob = house.bob();
    let [phone, desk, pad] = house.alice(["phone", "desk", "pad"]).map(|s| s.carbons());
    phone.joins(ALICE);
    desk.joins(ALICE);
    bob.expect(presence(ALICE, &[]));
    phone.send(xml!(
        "<message to='{BOB}' type='chat' id='p1'><body>psst</body></message>"
    ));
    bob.expect(xml!(
        "<message from='{ALICE}' type='chat' id='p1'><body>psst</body></message>"
    ));
    desk.expect_carbon(
        Carbon::Sent,
        xml!("<message to='{BOB}'><body>psst</body></message>"),
    );
    pad.expect_nothing();

    bob.send(xml!(
        "<message to='{ALICE}' type='chat' id='p2'><body>what?</body></message>"
    ));
    // As if each had joined by itself.
    for session in [&phone, &desk] {
        session.expect(xml!(
            "<message from='{BOB}' to='{session}' type='chat' id='p2'>\
             <body>what?</body></message>"
        ));
    }
    house.w.finish();
}

#[test]
fn a_private_message_while_no_session_is_in_the_room_is_treated_like_any_other() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    phone.lose();
    bob.expect("<presence><show>xa</show></presence>");
    bob.send(xml!(
        "<message to='{ALICE}' type='chat' id='p1'><body>psst</body></message>"
    ));
    desk.expect("<message type='chat' id='p1'><body>psst</body></message>");
    house.w.finish();
}

#[test]
fn a_private_message_that_a_session_dies_with_is_treated_like_any_other() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    phone.withhold_acks().hibernate();
    bob.send(xml!(
        "<message to='{ALICE}' type='chat' id='p1'><body>psst</body></message>"
    ));
    desk.expect_nothing();
    phone.expire();
    desk.expect("<message from='room@muc.example/Bob' type='chat' id='p1'/>");
    bob.expect("<presence><show>xa</show></presence>");
    assert_eq!(house.seats().len(), 2);
    house.w.finish();
}

#[test]
fn the_error_for_a_private_message_reaches_who_wrote_it() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    desk.send(join(ALICE));
    desk.take_all();
    desk.send(xml!(
        "<message to='{BOB}' type='chat' id='p1'><body>psst</body></message>"
    ));
    room.bob.expect("<message from='alice@a.example' id='p1'/>");
    let refuse = |id: &str| {
        room.bob.send(xml!(
            "<message to='alice@a.example' type='error' id='{id}'><error type='auth'>\
             <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ));
    };
    refuse("p1");
    desk.expect(error("message", BOB, "p1", "forbidden"));
    // Nobody knows who wrote that.
    refuse("p0");
    for session in [&phone, &desk] {
        session.expect(error("message", BOB, "p0", "forbidden"));
    }
    house.w.finish();
}

#[test]
fn what_a_room_writes_to_an_account_that_is_not_in_it_is_treated_like_any_other() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    let carol = house.w.session("carol@a.example/x");
    room.lets_in(&phone);
    room.bob.send(xml!(
        "<message to='carol@a.example' type='chat' id='p1'><body>come in</body></message>"
    ));
    carol.expect(xml!(
        "<message from='{BOB}' to='carol@a.example' type='chat' id='p1'>\
         <body>come in</body></message>"
    ));
    house.w.finish();
}

#[test]
fn an_invitation_reaches_the_account_unless_it_is_in_the_room() {
    let invite = xml!(
        "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <invite to='alice@a.example'/></x></message>"
    );
    let house = House::new();
    let bob = house.bob();
    let [phone, _desk] = house.alice(["phone", "desk"]).map(|s| s.carbons());
    bob.send(invite.clone());
    let invited = "<message from='room@muc.example'>\
        <x xmlns='http://jabber.org/protocol/muc#user'><invite/></x></message>";
    phone.expect(invited);
    house.w.settle();
    _desk.take_all();
    phone.joins(ALICE);
    bob.expect(presence(ALICE, &[]));
    bob.send(invite);
    house.w.finish();
}

#[test]
fn a_session_that_is_in_the_room_invites_in_the_accounts_name() {
    let house = House::new();
    house.w.host("c.example", ());
    let carol = house.w.session("carol@c.example/x");
    let (_bob, [phone]) = together(&house, ["phone"]);
    phone.send(xml!(
        "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <invite to='carol@c.example'><reason>tea</reason></invite></x></message>"
    ));
    carol.expect(
        "<message from='room@muc.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <invite from='room@muc.example/Alice'/></x></message>",
    );
    house.w.finish();
}

#[test]
fn a_decline_goes_as_it_came_in_either_direction() {
    let house = House::new();
    house.w.host("c.example", ());
    let carol = house.w.session("carol@c.example/x");
    let (_bob, [phone]) = together(&house, ["phone"]);
    // Not in the room, and the account's first choice.
    let desk = house.w.session("alice@a.example/desk").priority(5);
    phone.send(xml!(
        "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <invite to='carol@c.example'/></x></message>"
    ));
    carol.expect("<message from='room@muc.example'/>");
    carol.send(xml!(
        "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <decline to='alice@a.example'><reason>tea</reason></decline></x></message>"
    ));
    desk.expect(
        "<message from='room@muc.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <decline from='carol@c.example'/></x></message>",
    );
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn who_declines_an_invitation_needs_no_seat_for_it() {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    house.w.host("muc.example", overheard.and(|_| None));
    house
        .w
        .rooms_with("muc.example", "muc.example", Settings::default());
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    phone.send(xml!(
        "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <decline to='carol@c.example'/></x></message>"
    ));
    house.w.settle();
    let [declined] = &overheard.with(Kind::Message, "x", ns::MUC_USER)[..] else {
        panic!("one message");
    };
    assert_eq!(declined.from().unwrap(), &**phone.jid());
    house.w.abandon();
}

#[test]
fn what_is_said_and_shown_touches_no_store() {
    let disk = Faulty::default();
    let house = House::with_disk(&disk);
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    disk.fail(1);
    room.bob
        .send("<message to='alice@a.example' type='groupchat' id='m1'><body>hi</body></message>");
    phone.expect(talked("Bob", "m1", "hi"));
    room.bob.send(shows("member", "moderator", &[]));
    phone.expect(presence(BOB, &[]));
    desk.send(join(ALICE));
    house.w.settle();
    desk.take_all();
    phone.send(talk("m2", "hi"));
    house.w.settle();
    // The failure still waits for who needs the store.
    assert!(disk.check().is_err());
    house.w.abandon();
}
