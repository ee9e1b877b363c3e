//! What is said, both ways; what is shown; nicks (cases 13 to 16, 26 to 28, 36).

use std::sync::Arc;

use jid::BareJid;
use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::flow::{Envelope, Outcome, What};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::{Element, Kind, Type, ns};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::room::Settings;
use tower_xmpp::testkit::{Carbon, Faulty, Layers, World, xml};

use super::house::{
    ALICE, House, Overheard, ROOM, error, gone, join, presence, subject, talk, talked, together,
};
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
