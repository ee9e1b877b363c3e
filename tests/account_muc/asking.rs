//! Requests through the room, and self-pings (cases 29 to 33).

use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{Event, Outcome};
use tower_xmpp::middleware::from_fn;
use tower_xmpp::stanza::{Element, Kind, Type, ns};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::room::Settings;
use tower_xmpp::testkit::{World, xml};

use super::house::{
    ALICE, House, Overheard, ROOM, error, gone, join, ping, presence, talk, talked, together,
};
use super::scripted::{Room, shows};

const BOB: &str = "room@muc.example/Bob";

#[test]
fn equal_ids_of_two_sessions_come_back_to_the_right_ones() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    for session in [&phone, &desk] {
        session.send(xml!(
            "<iq to='{BOB}' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>"
        ));
    }
    let version = |id: &str, name: &str| {
        bob.send(xml!(
            "<iq to='{ALICE}' type='result' id='{id}'>\
             <query xmlns='jabber:iq:version'><name>{name}</name></query></iq>"
        ));
    };
    let asked = "<iq from='room@muc.example/Alice' type='get' id='$id'/>";
    let (first, second) = (bob.expect(asked), bob.expect(asked));
    version(&second["id"], "two");
    version(&first["id"], "one");
    for (session, name) in [(&phone, "one"), (&desk, "two")] {
        session.expect(xml!(
            "<iq from='{BOB}' to='{session}' type='result' id='v'>\
             <query xmlns='jabber:iq:version'><name>{name}</name></query></iq>"
        ));
    }
    house.w.finish();
}

#[test]
fn a_request_that_nobody_answers_is_answered_after_a_while() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.send(xml!(
        "<iq to='{BOB}' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>"
    ));
    bob.expect("<iq type='get'/>");
    house.w.advance(Duration::from_secs(65));
    phone.expect("<iq to='alice@a.example/phone' type='error' id='v'/>");
    house.w.finish();
}

#[test]
fn moderating_uses_the_seat_and_everything_else_the_session() {
    let house = House::without_rooms(|_| {});
    let overheard = Overheard::default();
    house.w.host("muc.example", overheard.and(|_| None));
    house
        .w
        .rooms_with("muc.example", "muc.example", Settings::default());
    let [phone] = house.alice(["phone"]);
    phone.joins(ALICE);
    let admin = "http://jabber.org/protocol/muc#admin";
    for (type_, item, in_whose_name) in [
        ("set", "nick='Bob' role='none'", "alice@a.example"),
        ("get", "role='moderator'", "alice@a.example"),
        ("get", "affiliation='outcast'", "alice@a.example/phone"),
        (
            "set",
            "jid='bob@b.example' affiliation='member'",
            "alice@a.example/phone",
        ),
    ] {
        phone.send(xml!(
            "<iq to='{ROOM}' type='{type_}' id='k'><query xmlns='{admin}'><item {item}/></query></iq>"
        ));
        phone.expect("<iq from='room@muc.example' to='alice@a.example/phone' id='k'/>");
        let asked = overheard.with(Kind::Iq, "query", admin);
        let from = asked.last().and_then(|asked| asked.from()).unwrap();
        assert_eq!(from.as_str(), in_whose_name, "{item}");
    }
    phone.send(xml!(
        "<iq to='{ROOM}' type='get' id='d'><query xmlns='{}'/></iq>",
        ns::DISCO_INFO
    ));
    phone.expect("<iq from='room@muc.example' type='result' id='d'/>");
    let asked = overheard.with(Kind::Iq, "query", ns::DISCO_INFO);
    assert_eq!(asked[0].from().unwrap(), &**phone.jid());
    house.w.abandon();
}

#[test]
fn a_room_that_refuses_what_the_account_shows_is_asked_whether_it_knows_it() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    phone.send(xml!("<presence to='{ALICE}'><show>away</show></presence>"));
    let shown = room
        .alice
        .expect("<presence from='alice@a.example' id='$id'/>");
    room.refuses("presence", &shown["id"], "cancel", "item-not-found");
    // That is no answer to any join, and nobody is told of it.
    phone.expect_nothing();
    room.alice
        .expect("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>");
    house.w.abandon();
}

#[test]
fn no_answer_of_a_client_reaches_an_occupant_that_has_not_asked_it() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    for type_ in ["result", "error"] {
        phone.send(xml!("<iq to='{BOB}' type='{type_}' id='a'/>"));
    }
    room.bob.expect_nothing();
    house.w.finish();
}

#[test]
fn a_request_of_a_session_that_has_not_joined_is_the_rooms_to_refuse() {
    let house = House::new();
    let (bob, [_phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    desk.send(xml!(
        "<iq to='{BOB}' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>"
    ));
    desk.expect(error("iq", BOB, "v", "not-acceptable"));
    bob.expect_nothing();
    house.w.finish();
}

#[test]
fn a_room_is_not_asked_while_it_is_asked_for_a_nick() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    let alicia = house.w.bind("room@muc.example/Alicia");
    phone.send(xml!("<presence to='room@muc.example/Alicia' id='n'/>"));
    let asked = alicia.expect("<presence from='alice@a.example' id='$id'/>");
    let domain = "muc.example".parse::<jid::BareJid>().unwrap();
    let domain = domain.domain().to_owned();
    house.w.event("a.example", Event::LinkLost { domain });
    house.w.advance(Duration::from_secs(15));
    room.alice.expect_nothing();
    alicia.send(xml!(
        "<presence to='alice@a.example' type='error' id='{}'><error type='cancel'>\
         <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        &asked["id"]
    ));
    phone.expect("<presence type='error' id='n'/>");
    house.w.advance(Duration::from_secs(5));
    room.alice
        .expect("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>");
    house.w.abandon();
}

#[test]
fn the_account_answers_occupants_for_itself_and_refuses_what_only_a_client_knows() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.bob.send(ping("alice@a.example", "p"));
    room.bob
        .expect("<iq from='alice@a.example' type='result' id='p'/>");
    room.bob
        .send("<iq to='alice@a.example' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>");
    room.bob
        .expect(error("iq", "alice@a.example", "v", "service-unavailable"));
    room.bob
        .send("<iq to='alice@a.example' type='get' id='c'><vCard xmlns='vcard-temp'/></iq>");
    // The kit's host has no vCards; that it was asked is seen in its refusal.
    room.bob.expect("<iq from='alice@a.example' id='c'/>");
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn a_self_ping_is_answered_here_for_who_is_in_and_for_who_is_not() {
    let house = House::new();
    let (_bob, [phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    phone.send(ping(ALICE, "p"));
    phone.expect(xml!(
        "<iq from='{ALICE}' to='{phone}' type='result' id='p'/>"
    ));
    desk.send(ping(ALICE, "p"));
    desk.expect(xml!(
        "<iq from='{ALICE}' type='error' id='p'><error by='{ROOM}'>\
         <not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    ));
    house.w.finish();
}

#[test]
fn pings_of_several_sessions_become_one_when_the_room_has_been_silent() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    desk.send(join(ALICE));
    desk.take_all();
    house.w.advance(Duration::from_secs(120));
    for session in [&phone, &desk] {
        session.send(ping(ALICE, "p"));
    }
    let asked = room.alice.expect(
        "<iq from='alice@a.example' type='get' id='$id'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    phone.expect_nothing();
    room.alice.send(xml!(
        "<iq to='alice@a.example' type='result' id='{}'/>",
        &asked["id"]
    ));
    for session in [&phone, &desk] {
        session.expect("<iq type='result' id='p'/>");
    }
    house.w.finish();
}

#[test]
fn a_ping_that_the_room_reflects_is_answered_by_the_account_itself() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    house.w.advance(Duration::from_secs(120));
    phone.send(ping(ALICE, "p"));
    let asked = room.alice.expect("<iq type='get' id='$id'/>");
    room.alice.send(ping("alice@a.example", &asked["id"]));
    room.alice.expect(xml!(
        "<iq from='alice@a.example' type='result' id='{}'/>",
        &asked["id"]
    ));
    room.alice.send(xml!(
        "<iq to='alice@a.example' type='result' id='{}'/>",
        &asked["id"]
    ));
    phone.expect("<iq type='result' id='p'/>");
    house.w.finish();
}

#[test]
fn an_unreachable_room_is_asked_again_and_not_rejoined() {
    for condition in ["remote-server-timeout", "remote-server-not-found"] {
        let house = House::without_rooms(|_| {});
        let room = Room::new(&house);
        let [phone] = house.alice(["phone"]);
        room.lets_in(&phone);
        doubt(&house);
        let asked = room.alice.expect("<iq type='get' id='$id'/>");
        room.refuses("iq", &asked["id"], "wait", condition);
        house.w.advance(Duration::from_secs(5));
        let again = room.alice.expect("<iq type='get' id='$id'/>");
        room.alice.send(xml!(
            "<iq to='alice@a.example' type='result' id='{}'/>",
            &again["id"]
        ));
        house.w.finish();
    }
}

#[test]
fn a_room_that_does_not_know_us_is_rejoined() {
    for condition in ["not-acceptable", "not-allowed", "bad-request"] {
        let house = House::without_rooms(|_| {});
        let room = Room::new(&house);
        let [phone] = house.alice(["phone"]);
        room.lets_in(&phone);
        doubt(&house);
        let asked = room.alice.expect("<iq type='get' id='$id'/>");
        room.refuses("iq", &asked["id"], "cancel", condition);
        house.w.advance(Duration::from_secs(5));
        room.answers_join();
        phone.expect_nothing();
        house.w.finish();
    }
}

#[test]
fn an_answer_with_a_guessed_id_or_from_somebody_else_changes_nothing() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    doubt(&house);
    let asked = room.alice.expect("<iq type='get' id='$id'/>");
    room.refuses("iq", "guessed", "cancel", "not-acceptable");
    room.bob.send(xml!(
        "<iq to='alice@a.example' type='error' id='{}'><error type='cancel'><not-acceptable \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        &asked["id"]
    ));
    house.w.advance(Duration::from_secs(30));
    room.alice.expect_nothing();
    house.w.finish();
}

#[test]
fn a_message_that_the_room_does_not_take_makes_the_account_come_back() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    house.w.restart_rooms("muc.example");
    phone.send(talk("m1", "hi"));
    // The session is told that its message is lost, not that it has left.
    phone.expect(error("message", ROOM, "m1", "item-not-found"));
    house.w.advance(Duration::from_secs(5));
    assert_eq!(house.seats(), ["Alice alice@a.example"]);
    // The room is another one, but that is for none of its sessions to set up.
    let own = phone.expect(presence(ALICE, &[110])).stanza;
    assert!(!own.to_xml().contains("code='201'"), "{}", own.to_xml());
    phone.expect(gone(BOB, &[]));
    phone.send(talk("m2", "hi"));
    phone.expect(talked("Alice", "m2", "hi"));
    bob.expect_nothing();
    house.w.finish();
}

fn doubt(house: &House) {
    house.w.event(
        "a.example",
        Event::SeatSuspect {
            account: "alice@a.example".parse().unwrap(),
            room: ROOM.parse().unwrap(),
        },
    );
}

#[test]
fn what_occupants_ask_of_the_account_is_answered_by_what_stands_further_in() {
    let w = World::new();
    let layer = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
    // In the name of whom it is about, as a host's services answer.
    let services = from_fn("services", |envelope, next| async move {
        let asked = envelope.as_stanza().filter(|iq| iq.is_type(&Type::Get));
        match asked {
            Some(iq) => Ok(Outcome::answered(
                iq.reply().with_child(Element::new("served", "urn:example")),
            )),
            None => next.run(envelope).await,
        }
    });
    w.host(
        "a.example",
        ServiceBuilder::new().layer(layer).layer(services),
    );
    w.host("muc.example", ());
    let [alice, bob] = [ALICE, BOB].map(|occupant| w.bind(occupant));
    let phone = w.session("alice@a.example/phone");
    phone.send(join(ALICE));
    alice.expect("<presence from='alice@a.example'/>");
    alice.send(shows("none", "participant", &[110]));
    phone.take_all();
    for (name, namespace) in [
        ("vCard", ns::VCARD),
        ("vcard", ns::VCARD4),
        ("pubsub", ns::PUBSUB),
        ("query", ns::DISCO_INFO),
        ("query", ns::DISCO_ITEMS),
    ] {
        bob.send(xml!(
            "<iq to='alice@a.example' type='get' id='c'><{name} xmlns='{namespace}'/></iq>"
        ));
        bob.expect(
            "<iq from='alice@a.example' type='result' id='c'><served xmlns='urn:example'/></iq>",
        );
    }
    bob.send("<iq to='alice@a.example' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>");
    bob.expect(error("iq", "alice@a.example", "v", "service-unavailable"));
    w.finish();
}
