//! When a target is notified, and of what.

use tower_xmpp::muc_push::Settings;
use tower_xmpp::stanza::ns;
use tower_xmpp::testkit::xml;

use super::house::{House, ROOM, SECRET, answers, enable, layer, notified};

#[test]
fn the_first_message_after_a_crash_finds_who_believes_to_be_there_once() {
    let house = House::new();
    house.alice_sleeps();
    for id in ["m1", "m2", "m3"] {
        house.says(id);
    }
    let got = notified(&house.alice, "n1");
    let xml = got.stanza.to_xml();
    assert!(
        !xml.contains("hi") && !xml.contains("Bob"),
        "nothing private: {xml}"
    );
    // Nor again when it has answered, until it has been in the room.
    answers(&house.alice, &got);
    house.says("m4");
    house.alice.expect_nothing();
    house.alice_enters();
    house.says("m5");
    house.alice.expect("<message id='m5'/>");
    house.crash();
    house.says("m6");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn who_was_there_between_two_messages_and_heard_neither_is_notified_of_both() {
    let house = House::new();
    house.alice_sleeps();
    house.says("m1");
    answers(&house.alice, &notified(&house.alice, "n1"));
    house.alice_enters();
    house
        .alice
        .send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
    house.alice.take_all();
    house.bob.take_all();
    house.says("m2");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn who_is_back_before_the_first_message_is_not_notified() {
    let house = House::new();
    house.alice_sleeps();
    house.alice_enters();
    house.says("m1");
    house.alice.expect("<message id='m1'/>");
    house.w.finish();
}

#[test]
fn a_registration_outlives_the_process() {
    let house = House::new();
    house.alice_enters();
    house.enables(&house.alice, "alice@a.example/phone", "n1");
    house.w.crash("muc.example");
    let again = layer(&house.w, &house.store, Settings::default());
    house.w.start_again("muc.example", again);
    house.bob.take_all();
    house.bob.joins("tea@muc.example/Bob");
    house.says("m1");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn leaving_keeps_the_registration_and_the_next_message_notifies() {
    let house = House::new();
    house.alice_enters();
    house.enables(&house.alice, "alice@a.example/phone", "n1");
    house
        .alice
        .send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
    house.alice.take_all();
    house.bob.take_all();
    house.says("m1");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn each_client_is_looked_for_itself_and_an_account_by_any() {
    let house = House::new();
    let desk = house.w.session("alice@a.example/desk");
    house.enables(&house.alice, "alice@a.example/phone", "n1");
    desk.joins("tea@muc.example/Alice");
    house.bob.take_all();
    house.enables(&desk, "alice@a.example/desk", "n2");
    house.says("m1");
    desk.expect("<message id='m1'/>");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn ones_own_message_and_what_is_for_the_moment_notify_nobody() {
    let house = House::new();
    house.enables(&house.bob, "bob@a.example/phone", "n");
    house.enables(&house.alice, "alice@a.example/phone", "n1");
    house.says_all("m1", "<subject>tea</subject>");
    house.says_all(
        "m2",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    );
    house.says_all("m3", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>");
    house.alice.expect_nothing();
    house.says("m4");
    // Bob's phone is away as well, but Bob wrote it.
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn what_is_encrypted_notifies_and_what_is_only_for_the_moment_does_not() {
    let house = House::new();
    house.alice_sleeps();
    house.says_all(
        "m1",
        "<encrypted xmlns='eu.siacs.conversations.axolotl'/><no-store xmlns='urn:xmpp:hints'/>",
    );
    house.alice.expect_nothing();
    house.says_all("m2", "<encrypted xmlns='eu.siacs.conversations.axolotl'/>");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn who_wrote_what_is_known_without_ids() {
    let house = House::new();
    let desk = house.w.session("alice@a.example/desk");
    desk.joins("tea@muc.example/Alice");
    house.bob.take_all();
    house.enables(&house.alice, "alice@a.example/phone", "n1");
    house.enables(&house.bob, "bob@a.example/phone", "n2");
    let hi = format!("<message to='{ROOM}' type='groupchat'><body>hi</body></message>");
    desk.send(xml!("{hi}"));
    house.w.settle();
    // Bob's phone is away for good, and Alice wrote it herself.
    house.alice.expect_nothing();
    assert_eq!(house.targets().len(), 1);
    house.bob.send(xml!("{hi}"));
    notified(&house.alice, "n1");
    desk.take_all();
    house.bob.take_all();
    house.w.finish();
}

#[test]
fn who_is_banned_or_finds_the_room_closed_or_gone_is_not_notified() {
    let admin = |item: &str| {
        format!(
            "<iq type='set' id='a' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query></iq>"
        )
    };
    let owner = |inside: &str| {
        format!(
            "<iq type='set' id='a' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#owner'>{inside}</query></iq>"
        )
    };
    let closed = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
        <value>http://jabber.org/protocol/muc#roomconfig</value></field>\
        <field var='muc#roomconfig_membersonly'><value>1</value></field></x>";
    for (request, left) in [
        (
            admin("<item affiliation='outcast' jid='alice@a.example'/>"),
            0,
        ),
        (owner(closed), 1),
        (owner("<destroy/>"), 0),
    ] {
        let house = House::new();
        house.enables(&house.alice, "alice@a.example/phone", "n1");
        house.bob.send(xml!("{request}"));
        house.bob.take_all();
        assert_eq!(house.targets().len(), left, "{request}");
        house.bob.joins("tea@muc.example/Bob");
        house.says("m1");
        let came = house.alice.take_all();
        let is_push = |stanza: &tower_xmpp::stanza::Stanza| stanza.is_request();
        assert!(!came.iter().any(is_push), "{came:?}");
        house.w.finish();
    }
}

#[test]
fn a_push_service_gets_the_secret_and_a_count_and_no_more() {
    let house = House::new();
    house.alice.asks(enable(ROOM, "push.example", "n1", SECRET));
    house.says("m1");
    let sent = house.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1);
    let pubsub = sent[0].payload().unwrap();
    let options = pubsub.child("publish-options", ns::PUBSUB).unwrap();
    assert!(options.to_xml().contains("s3cret"));
    let xml = sent[0].to_xml();
    assert!(xml.contains("message-count"), "{xml}");
    assert!(!xml.contains("Bob") && !xml.contains("hi<"), "{xml}");
    house.w.finish();
}

#[test]
fn sender_and_body_are_told_where_the_settings_say_so() {
    let mut settings = Settings::default();
    (settings.summary.sender, settings.summary.body) = (true, true);
    let house = House::with(settings);
    house.alice.asks(enable(ROOM, "push.example", "n1", SECRET));
    house.says("m1");
    let xml = house.sent.lock().unwrap()[0].to_xml();
    assert!(
        xml.contains("tea@muc.example/Bob") && xml.contains(">hi</value>"),
        "{xml}"
    );
    house.w.finish();
}

#[test]
fn who_registers_with_the_service_hears_of_the_rooms_it_belongs_to() {
    let house = House::new();
    let enabled = enable("muc.example", "push.example", "n1", SECRET);
    house.alice.asks(enabled.clone());
    house.w.session("carol@a.example/x").asks(enabled);
    house.bob.asks(xml!(
        "<iq type='set' id='a' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='member' jid='alice@a.example'/></query></iq>"
    ));
    house.bob.take_all();
    house.alice.take_all();
    house.says("m1");
    let sent = house.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1, "Carol has nothing to do with the room");
    assert_eq!(sent[0].from().unwrap().as_str(), ROOM);
    house.w.finish();
}

#[test]
fn all_members_who_are_mentioned_hear_of_it_and_a_strange_nick_loses_nothing() {
    let mut settings = Settings::default();
    settings.mentions_only = true;
    let house = House::with(settings);
    let carol = house.w.session("carol@a.example/x");
    for (session, nick) in [(&house.alice, "Alice"), (&carol, "Carol")] {
        session.asks(xml!(
            "<iq type='set' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/muc#register</value></field>\
             <field var='muc#register_roomnick'><value>{nick}</value></field></x></query></iq>"
        ));
        session.asks(enable(ROOM, "push.example", nick, SECRET));
    }
    let mention = |begin: usize, end: usize| {
        format!(
            "<reference xmlns='urn:xmpp:reference:0' type='mention' begin='{begin}' end='{end}'/>"
        )
    };
    house.says("m1");
    let pushes = || {
        format!("{:?}", house.w)
            .matches("push.example: <iq")
            .count()
    };
    assert_eq!(pushes(), 0);
    // "é Zoe, @Alice, Carol": characters count, not bytes.
    let references = [
        mention(2, 5),
        mention(7, 13),
        mention(15, 20),
        mention(90, 95),
    ];
    let references = references.concat();
    house.says_all(
        "m2",
        &format!("<body>é Zoe, @Alice, Carol</body>{references}"),
    );
    assert_eq!(pushes(), 2);
    house.w.finish();
}
