//! Sessions and the account go, or are made to (cases 16 to 25).

use std::time::Duration;

use tower_xmpp::account_muc::{LeavePolicy, SeatState};
use tower_xmpp::stanza::Type;
use tower_xmpp::testkit::{Session, xml};

use super::house::{
    ALICE, House, ROOM, error, gone, history, join, presence, subject, talk, talked, together,
};
use super::scripted::{NO_SUBJECT, Room, shows, shows_gone};

pub fn kick(moderator: &Session, nick: &str) {
    moderator.send(xml!(
        "<iq to='{ROOM}' type='set' id='kick'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item nick='{nick}' role='none'><reason>noise</reason></item></query></iq>"
    ));
}

fn affiliate(owner: &Session, jid: &str, affiliation: &str) {
    owner.send(xml!(
        "<iq to='{ROOM}' type='set' id='aff'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item jid='{jid}' affiliation='{affiliation}'/></query></iq>"
    ));
}

#[test]
fn a_kick_reaches_every_session_and_the_next_join_is_a_real_one() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    kick(&bob, "Alice");
    for session in [&phone, &desk] {
        session.expect(gone(ALICE, &[110, 307]));
    }
    bob.take_all();
    assert!(house.kept().is_empty());
    assert_eq!(house.seats(), ["Bob bob@b.example/x"]);

    desk.send(join(ALICE));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    bob.expect(presence(ALICE, &[]));
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn a_ban_reaches_every_session_and_keeps_the_account_out() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    affiliate(&bob, "alice@a.example", "outcast");
    phone.expect(gone(ALICE, &[301]));
    bob.take_all();
    house.w.advance(Duration::from_secs(3_600));
    bob.expect_nothing();
    phone.send(join(ALICE));
    phone.expect("<presence type='error' id='join'/>");
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_removal_without_110_is_known_by_the_nick() {
    for (affiliation, codes) in [("outcast", &[301][..]), ("none", &[321]), ("none", &[322])] {
        let house = House::without_rooms(|_| {});
        let room = Room::new(&house);
        let [phone] = house.alice(["phone"]);
        room.lets_in(&phone);
        room.alice.send(shows_gone(affiliation, codes, ""));
        phone.expect(gone(ALICE, codes));
        assert!(house.kept().is_empty(), "{codes:?}");
        house.w.advance(Duration::from_secs(3_600));
        house.w.finish();
    }
}

#[test]
fn a_destroyed_room_is_told_as_it_is_and_nothing_is_kept_of_it() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    bob.send(xml!(
        "<iq to='{ROOM}' type='set' id='d'><query xmlns='http://jabber.org/protocol/muc#owner'>\
         <destroy jid='other@muc.example'><reason>moved</reason></destroy></query></iq>"
    ));
    phone.expect(xml!(
        "<presence from='{ALICE}' type='unavailable'>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <destroy jid='other@muc.example'><reason>moved</reason></destroy></x></presence>"
    ));
    bob.take_all();
    assert!(house.kept().is_empty());
    house.w.advance(Duration::from_secs(3_600));
    house.w.finish();
}

#[test]
fn a_shutdown_is_survived_and_who_has_gone_meanwhile_is_told() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.alice.send(shows_gone("none", &[110, 332], ""));
    phone.expect_nothing();
    house.w.advance(Duration::from_secs(5));
    let asked = room.expect_join();
    room.refuses(
        "presence",
        &asked["id"],
        "cancel",
        "remote-server-not-found",
    );
    // Back-off: 5 seconds, then 10.
    house.w.advance(Duration::from_secs(5));
    let asked = room.expect_join();
    room.refuses("presence", &asked["id"], "wait", "resource-constraint");
    house.w.advance(Duration::from_secs(5));
    room.alice.expect_nothing();
    house.w.advance(Duration::from_secs(5));
    room.expect_join();
    // Bob is not there any more. Nothing else is news.
    room.alice.send(shows("none", "participant", &[110]));
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    phone.expect(gone("room@muc.example/Bob", &[]));
    house.w.finish();
}

#[test]
fn what_is_said_while_the_account_is_lost_is_told_once_it_is_back() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    room.bob.send(xml!(
        "<message to='alice@a.example' type='groupchat' id='m1'><body>one</body></message>"
    ));
    phone.expect(talked("Bob", "m1", "one"));
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.alice.expect(
        "<presence><x xmlns='http://jabber.org/protocol/muc'><history since='$_'/></x></presence>",
    );
    desk.send(join(ALICE));
    room.bob.send(shows("member", "participant", &[]));
    room.alice.send(shows("none", "participant", &[110]));
    for (id, body) in [("m1", "one"), ("m2", "two")] {
        room.bob.send(xml!(
            "<message to='alice@a.example' type='groupchat' id='{id}'><body>{body}</body>\
             <delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2026-01-01T00:00:01Z'/></message>"
        ));
    }
    room.alice.send(xml!(
        "<message to='alice@a.example' type='groupchat'><subject/></message>"
    ));
    // Who was there gets what it missed, who comes gets all.
    phone.expect(history("Bob", "two"));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(history("Bob", "one"));
    desk.expect(history("Bob", "two"));
    desk.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn a_kick_for_technical_reasons_is_no_kick() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.alice.send(shows_gone("none", &[110, 307, 333], ""));
    house.w.advance(Duration::from_secs(5));
    room.answers_join();
    phone.expect_nothing();
    house.w.finish();
}

#[test]
fn a_seat_that_is_refused_for_good_is_given_up() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    room.alice.send(shows_gone("none", &[110, 333], ""));
    house.w.advance(Duration::from_secs(5));
    let asked = room.expect_join();
    room.refuses("presence", &asked["id"], "auth", "forbidden");
    phone.expect(gone(ALICE, &[110, 333]));
    assert!(house.kept().is_empty());
    house.w.advance(Duration::from_secs(3_600));
    house.w.finish();
}

#[test]
fn an_unavailable_to_everybody_and_the_end_of_a_session_stay_from_the_room() {
    let house = House::new();
    let (bob, [phone, desk, pad]) = together(&house, ["phone", "desk", "pad"]);
    phone.send("<presence type='unavailable'/>");
    desk.close();
    bob.send(talk("m1", "still there?"));
    pad.expect(talked("Bob", "m1", "still there?"));
    bob.expect(talked("Bob", "m1", "still there?"));
    phone.expect_nothing();
    // The last one, too: then the account is away for long.
    pad.lose();
    bob.expect("<presence from='room@muc.example/Alice'><show>xa</show></presence>");
    assert_eq!(house.seats().len(), 2);
    house.w.finish();
}

#[test]
fn a_session_that_hibernates_stays_and_gets_what_was_said_once() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.hibernate();
    bob.send(talk("m1", "hi"));
    bob.expect(talked("Bob", "m1", "hi"));
    phone.resume();
    phone.expect(talked("Bob", "m1", "hi"));
    house.w.finish();
}

#[test]
fn a_session_that_expires_bounces_nothing_to_the_room() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.withhold_acks().hibernate();
    bob.send(talk("m1", "hi"));
    bob.expect(talked("Bob", "m1", "hi"));
    phone.expire();
    bob.expect("<presence from='room@muc.example/Alice'><show>xa</show></presence>");
    assert_eq!(house.seats().len(), 2);
    // Others of the account come and find it there.
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence("room@muc.example/Bob", &[]));
    desk.expect("<presence from='room@muc.example/Alice'/>");
    desk.expect(history("Bob", "hi"));
    desk.expect(subject(""));
    // It is not away any more, and both are shown that.
    for session in [&bob, &desk] {
        session.expect(
            "<presence from='room@muc.example/Alice'><absent><show>xa</show></absent></presence>",
        );
    }
    house.w.finish();
}

/// In whatever order the world does what can be done at the same time.
fn in_any_order(scene: impl Fn(&House)) {
    for seed in 0..30 {
        let house = House::seeded(seed);
        scene(&house);
        house.w.finish();
    }
}

#[test]
fn a_join_that_is_on_its_way_when_its_session_ends_leaves_no_session_behind() {
    in_any_order(|house| {
        let bob = house.bob();
        let [phone] = house.alice(["phone"]);
        phone.send(join(ALICE));
        phone.lose();
        house.w.settle();
        phone.take_all();
        bob.take_all();
        bob.send(talk("m1", "hi"));
        bob.expect(talked("Bob", "m1", "hi"));
        assert!(occupancy(house).is_empty());
    });
}

#[test]
fn a_session_that_joins_and_leaves_at_once_has_left() {
    in_any_order(|house| {
        let bob = house.bob();
        let [phone] = house.alice(["phone"]);
        phone.send(join(ALICE));
        phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
        house.w.settle();
        let last = phone.take_all().pop().expect("it is told that it has left");
        assert_eq!(last.type_(), Some(&Type::Unavailable));
        bob.expect(presence(ALICE, &[]));
        bob.expect(gone(ALICE, &[]));
        assert!(house.kept().is_empty());
    });
}

#[test]
fn a_join_while_the_account_leaves_waits_for_it() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect("<presence type='unavailable'/>");
    assert_eq!(house.kept()[0].state, SeatState::Leaving);
    phone.send(join(ALICE));
    room.alice.expect_nothing();
    room.alice.send(shows_gone("none", &[110], ""));
    room.answers_join();
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(NO_SUBJECT);
    house.w.finish();
}

#[test]
fn a_room_that_does_not_say_goodbye_is_left_all_the_same() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect("<presence type='unavailable'/>");
    house.w.advance(Duration::from_secs(65));
    assert!(house.kept().is_empty());
    house.w.finish();
}

#[test]
fn a_goodbye_that_is_answered_after_all_takes_the_next_join_from_nobody() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect("<presence type='unavailable'/>");
    house.w.advance(Duration::from_secs(65));
    phone.send(join(ALICE));
    room.expect_join();
    room.alice.send(shows_gone("none", &[110], ""));
    phone.expect_nothing();
    room.alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    house.w.finish();
}

#[test]
fn a_removal_that_has_a_reason_ends_a_join_at_once() {
    for (codes, inside) in [(&[110, 307][..], ""), (&[110], "<destroy/>")] {
        let house = House::without_rooms(|_| {});
        let room = Room::new(&house);
        let [phone] = house.alice(["phone"]);
        phone.send(join(ALICE));
        room.expect_join();
        room.alice.send(shows_gone("none", codes, inside));
        phone.expect(gone(ALICE, codes));
        assert!(house.kept().is_empty(), "{codes:?} {inside}");
        house.w.finish();
    }
}

#[test]
fn what_is_said_in_a_room_that_was_left_is_refused_as_for_any_account() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    room.lets_in(&phone);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    room.alice.expect("<presence type='unavailable'/>");
    let says = |id: &str| {
        room.bob.send(xml!(
            "<message to='alice@a.example' type='groupchat' id='{id}'><body>hi</body></message>"
        ));
        room.bob.expect(error(
            "message",
            "alice@a.example",
            id,
            "service-unavailable",
        ));
    };
    // While it says goodbye, and when it has gone.
    says("m1");
    room.alice.send(shows_gone("none", &[110], ""));
    says("m2");
    house.w.finish();
}

#[test]
fn by_the_explicit_policy_the_account_stays_and_the_host_may_take_it_out() {
    let house = House::options(|options| options.leave = LeavePolicy::Explicit);
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    bob.expect("<presence from='room@muc.example/Alice'><show>xa</show></presence>");
    let (alice, room) = ("alice@a.example", ROOM);
    house
        .layer
        .leave(alice.parse().unwrap(), room.parse().unwrap());
    house.w.advance(Duration::from_secs(5));
    bob.expect(gone(ALICE, &[]));
    house.w.finish();
}

#[test]
fn an_account_that_nobody_uses_leaves_after_the_lingering_time() {
    let house = House::options(|options| options.linger = Duration::from_secs(600));
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.lose();
    bob.expect("<presence><show>xa</show></presence>");
    house.w.advance(Duration::from_secs(590));
    bob.expect_nothing();
    house.w.advance(Duration::from_secs(30));
    bob.expect(gone(ALICE, &[]));
    house.w.finish();
}

#[test]
fn an_account_that_is_removed_leaves_its_rooms() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    let account = phone.account();
    house.w.event(
        "a.example",
        tower_xmpp::flow::Event::AccountRemoved { account },
    );
    bob.expect(gone(ALICE, &[]));
    phone.expect(gone(ALICE, &[110]));
    assert!(house.kept().is_empty());
    house.w.finish();
}

fn occupancy(house: &House) -> Vec<jid::FullJid> {
    use tower_xmpp::flow::Occupancy;
    house.w.settle();
    let (alice, room) = ("alice@a.example", ROOM);
    house
        .layer
        .sessions(&alice.parse().unwrap(), &room.parse().unwrap())
}
