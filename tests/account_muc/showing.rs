//! What is shown, both ways; nicks; what the room is (cases 14 to 16, 38).

use std::sync::Arc;

use jid::BareJid;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{Envelope, What};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::{Layers, World, xml};

use super::house::{
    ALICE, House, ROOM, error, gone, join, presence, subject, talk, talked, together,
};
use super::scripted::{Room, shows};

const BOB: &str = "room@muc.example/Bob";

#[test]
fn what_a_session_shows_is_what_the_account_shows_and_the_best_counts() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    phone.send(xml!(
        "<presence to='{ALICE}'><show>away</show><status>tea</status>\
         <c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/></presence>"
    ));
    for session in [&bob, &phone, &desk] {
        session.expect(xml!(
            "<presence from='{ALICE}'><show>away</show><status>tea</status>\
             <absent><c xmlns='http://jabber.org/protocol/caps'/></absent></presence>"
        ));
    }
    // Of a lower priority: not shown.
    desk.send(xml!(
        "<presence to='{ALICE}'><show>dnd</show><priority>-1</priority></presence>"
    ));
    bob.expect_nothing();
    // The better one goes; the other is what is left.
    phone.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
    phone.expect(gone(ALICE, &[110]));
    for session in [&bob, &desk] {
        session.expect(xml!("<presence from='{ALICE}'><show>dnd</show></presence>"));
    }
    house.w.finish();
}

#[test]
fn of_two_sessions_that_are_as_good_the_one_that_showed_something_last_counts() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    for (session, show) in [(&phone, "away"), (&desk, "dnd"), (&phone, "xa")] {
        session.send(xml!(
            "<presence to='{ALICE}'><show>{show}</show></presence>"
        ));
        for session in [&bob, &phone, &desk] {
            session.expect(xml!(
                "<presence from='{ALICE}'><show>{show}</show></presence>"
            ));
        }
    }
    house.w.finish();
}

#[test]
fn presence_of_a_session_that_has_not_joined_makes_it_join() {
    let house = House::new();
    let (_bob, [_phone]) = together(&house, ["phone"]);
    let [desk] = house.alice(["desk"]);
    desk.send(xml!("<presence to='{ALICE}' id='s'/>"));
    desk.expect(xml!(
        "<presence from='{ALICE}' id='s' type='unavailable'>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item role='none'/>\
         <status code='110'/><status code='307'/><status code='333'/></x></presence>"
    ));
    house.w.finish();
}

#[test]
fn a_new_nick_is_everybodys_and_the_next_session_gets_it() {
    let house = House::new();
    let (bob, [phone, desk]) = together(&house, ["phone", "desk"]);
    phone.send(xml!("<presence to='room@muc.example/Alicia' id='n'/>"));
    for session in [&phone, &desk] {
        session.expect(gone(ALICE, &[110, 303]));
        session.expect(presence("room@muc.example/Alicia", &[110]));
    }
    bob.expect(gone(ALICE, &[303]));
    bob.expect(presence("room@muc.example/Alicia", &[]));
    assert_eq!(house.kept()[0].occupant.as_str(), "room@muc.example/Alicia");

    let [pad] = house.alice(["pad"]);
    pad.send(join(ALICE));
    pad.expect(presence(BOB, &[]));
    pad.expect(presence("room@muc.example/Alicia", &[110, 210]));
    pad.expect(subject(""));
    house.w.finish();
}

#[test]
fn somebody_elses_new_nick_is_replayed_and_the_old_one_is_not() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    bob.send(xml!("<presence to='room@muc.example/Bobby'/>"));
    phone.expect(gone(BOB, &[303]));
    phone.expect(presence("room@muc.example/Bobby", &[]));
    bob.take_all();
    let [desk] = house.alice(["desk"]);
    desk.send(join(ALICE));
    desk.expect(presence("room@muc.example/Bobby", &[]));
    desk.expect(presence(ALICE, &[110]));
    desk.expect(subject(""));
    house.w.finish();
}

#[test]
fn a_nick_that_becomes_ours_is_nobody_elses_any_more() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    // That Bob has gone was lost on the way.
    room.bob.send(shows("none", "participant", &[110]));
    phone.expect(presence(BOB, &[110]));
    desk.send(join(BOB));
    desk.expect(presence(BOB, &[110]));
    desk.expect("<message type='groupchat'><subject/></message>");
    house.w.finish();
}

#[test]
fn a_nick_that_is_taken_is_told_to_who_asked_and_nobody_leaves() {
    let house = House::new();
    let (_bob, [phone, _desk]) = together(&house, ["phone", "desk"]);
    phone.send(xml!("<presence to='{BOB}' id='n'/>"));
    phone.expect(error("presence", BOB, "n", "conflict"));
    phone.send(talk("m1", "still me"));
    house.w.settle();
    phone.expect(talked("Alice", "m1", "still me"));
    house.w.abandon();
}

#[test]
fn a_message_after_a_new_nick_is_said_under_the_new_nick() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    phone.send(xml!("<presence to='room@muc.example/Alicia'/>"));
    phone.send(talk("m1", "hi"));
    bob.expect(gone(ALICE, &[303]));
    bob.expect(presence("room@muc.example/Alicia", &[]));
    bob.expect(talked("Alicia", "m1", "hi"));
    phone.take_all();
    house.w.finish();
}

#[test]
fn the_occupant_id_is_replayed_as_it_came() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone, desk] = house.alice(["phone", "desk"]);
    room.lets_in(&phone);
    room.bob.send(xml!(
        "<presence to='alice@a.example'><show>dnd</show>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='bob-1'/>\
         <x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='member' role='participant'/></x></presence>"
    ));
    phone.take_all();
    desk.send(join(ALICE));
    desk.expect(xml!(
        "<presence from='{BOB}'><show>dnd</show>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='bob-1'/></presence>"
    ));
    desk.take_all();
    house.w.finish();
}

#[test]
fn whether_real_jids_are_shown_is_told_as_it_is_by_now() {
    let house = House::new();
    let (bob, [phone]) = together(&house, ["phone"]);
    let shows = |whois: &str| {
        bob.send(xml!(
            "<iq to='{ROOM}' type='set' id='c'>\
             <query xmlns='http://jabber.org/protocol/muc#owner'>\
             <x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
             <field var='muc#roomconfig_whois'><value>{whois}</value></field></x></query></iq>"
        ));
    };
    for (whois, code, resource, anyone) in [
        ("anyone", 172, "desk", true),
        ("moderators", 173, "pad", false),
    ] {
        shows(whois);
        let told = xml!(
            "<message from='{ROOM}' type='groupchat'>\
             <x xmlns='http://jabber.org/protocol/muc#user'><status code='{code}'/></x></message>"
        );
        phone.expect(told);
        house.w.settle();
        let [newcomer] = house.alice([resource]);
        newcomer.send(join(ALICE));
        newcomer.expect(presence(BOB, &[]));
        let own = newcomer.expect(presence(ALICE, &[110])).stanza;
        assert_eq!(own.to_xml().contains("code='100'"), anyone, "{whois}");
        newcomer.expect(subject(""));
        newcomer.send(xml!("<presence to='{ALICE}' type='unavailable'/>"));
        newcomer.expect(gone(ALICE, &[110]));
    }
    bob.take_all();
    house.w.finish();
}

#[test]
fn whether_the_room_is_logged_is_told_as_it_is_by_now() {
    let w = World::new();
    let layer = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
    w.host("a.example", layer);
    w.host("muc.example", speaks_for_the_room());
    let alice = w.bind(ALICE);
    let phone = w.session("alice@a.example/phone");
    phone.send(join(ALICE));
    alice.expect("<presence from='alice@a.example'/>");
    alice.send(shows("none", "participant", &[110, 170]));
    phone.expect(presence(ALICE, &[110, 170]));
    for (code, resource, logged) in [(171, "desk", false), (170, "pad", true)] {
        alice.send(xml!(
            "<message to='alice@a.example' type='groupchat'><room xmlns='urn:example'/>\
             <x xmlns='http://jabber.org/protocol/muc#user'><status code='{code}'/></x></message>"
        ));
        w.settle();
        phone.take_all();
        let newcomer = w.session(&format!("alice@a.example/{resource}"));
        newcomer.send(join(ALICE));
        let own = newcomer.expect(presence(ALICE, &[110])).stanza;
        assert_eq!(own.has_muc_status(170), logged, "{code}");
        newcomer.expect(subject(""));
        newcomer.close();
    }
    alice.take_all();
    w.finish();
}

#[test]
fn what_the_room_shows_of_itself_reaches_who_is_there_and_is_no_occupant() {
    let w = World::new();
    let layer = AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()));
    w.host("a.example", layer);
    w.host("muc.example", speaks_for_the_room());
    let alice = w.bind(ALICE);
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    phone.send(join(ALICE));
    alice.expect("<presence from='alice@a.example'/>");
    alice.send(shows("none", "participant", &[110]));
    phone.expect(presence(ALICE, &[110]));
    let avatar = "<x xmlns='vcard-temp:x:update'><photo>1f</photo></x>";
    alice.send(xml!(
        "<presence to='alice@a.example'><room xmlns='urn:example'/>{avatar}</presence>"
    ));
    phone.expect(xml!(
        "<presence from='{ROOM}' to='{phone}'>{avatar}</presence>"
    ));
    desk.send(join(ALICE));
    desk.expect(presence(ALICE, &[110]));
    w.finish();
}

/// What a room's occupant marks as the room's is from the room itself.
fn speaks_for_the_room() -> impl Layers {
    from_fn("speaks", |mut envelope: Envelope, next: Next| {
        if let Some(stanza) = envelope.as_stanza()
            && stanza.has_child("room", "urn:example")
        {
            let mut words = stanza.clone().with_from(ROOM.parse::<BareJid>().unwrap());
            words.remove_child("room", "urn:example");
            envelope.what = What::Stanza(words);
        }
        async move { next.run(envelope).await }
    })
}
