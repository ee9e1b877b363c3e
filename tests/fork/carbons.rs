//! Carbons, as several clients see them: which messages are copied, and to whom.

use std::sync::Arc;

use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Carbon, Sessions, World, xml};

use super::{HI, bob, joins, world};

#[test]
fn of_three_sessions_one_gets_the_chat_one_a_copy_and_one_that_did_not_ask_nothing() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let _old = w.session("alice@a.example/old");
    let bob = bob(&w);
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='m1'><body>hi</body></message>"
    ));
    phone.expect(xml!(
        "<message from='{bob}' to='{phone}' type='chat'><body>hi</body></message>"
    ));
    desk.expect_carbon(
        Carbon::Received,
        xml!("<message from='{bob}' to='{phone}' type='chat' id='m1'><body>hi</body></message>"),
    );
    w.finish();
}

#[test]
fn a_chat_to_the_account_goes_to_the_highest_priority_and_as_a_copy_to_the_other() {
    let w = world();
    let phone = w.bind("alice@a.example/phone").priority(5).carbons();
    let desk = w.bind("alice@a.example/desk").priority(1).carbons();
    bob(&w).send("<message to='alice@a.example' type='chat'><body>hi</body></message>");
    phone.expect(HI);
    desk.expect_carbon(
        Carbon::Received,
        "<message to='alice@a.example'><body>hi</body></message>",
    );
    w.finish();
}

#[test]
fn a_chat_that_every_session_gets_anyway_is_not_copied() {
    let w = world();
    let sessions = w
        .sessions("alice@a.example", ["phone", "desk", "tv"])
        .carbons();
    bob(&w).send("<message to='alice@a.example' type='chat'><body>hi</body></message>");
    for session in sessions {
        session.expect("<message from='bob@b.example/x'><body>hi</body></message>");
    }
    w.finish();
}

#[test]
fn a_session_of_negative_priority_gets_its_copy_of_a_chat_to_the_account() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let desk = w.bind("alice@a.example/desk").priority(-1).carbons();
    bob(&w).send("<message to='alice@a.example' type='chat'><body>hi</body></message>");
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    w.finish();
}

#[test]
fn what_a_session_without_carbons_sends_is_copied_to_one_with_them() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let desk = w.session("alice@a.example/desk").carbons();
    let bob = bob(&w);
    phone.send(xml!(
        "<message to='{bob}' type='chat' id='m1'><body>hi</body></message>"
    ));
    bob.expect(HI);
    desk.expect_carbon(
        Carbon::Sent,
        xml!("<message from='{phone}' to='{bob}' type='chat' id='m1'><body>hi</body></message>"),
    );
    w.finish();
}

#[test]
fn the_sender_gets_nothing_back() {
    let w = world();
    let phone = w.session("alice@a.example/phone").carbons();
    let bob = bob(&w);
    phone.send(xml!(
        "<message to='{bob}' type='chat'><body>hi</body></message>"
    ));
    bob.expect(HI);
    w.finish();
}

#[test]
fn what_is_private_reaches_its_session_alone_and_stays_marked() {
    for marks in [
        "<private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/>",
        "<private xmlns='urn:xmpp:carbons:2'/>",
        "<no-copy xmlns='urn:xmpp:hints'/>",
    ] {
        let w = world();
        let [phone, _desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
        let bob = bob(&w);
        bob.send(xml!(
            "<message to='{phone}' type='chat'><body>hi</body>{marks}</message>"
        ));
        phone.expect(xml!("<message><body>hi</body>{marks}</message>"));
        phone.send(xml!(
            "<message to='{bob}' type='chat'><body>ho</body>{marks}</message>"
        ));
        bob.expect(xml!("<message><body>ho</body>{marks}</message>"));
        w.finish();
    }
}

#[test]
fn a_normal_message_is_copied_if_it_has_a_body_or_a_receipt_and_else_not() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(&w);
    bob.send(xml!(
        "<message to='{phone}'><data xmlns='http://jabber.org/protocol/ibb'/></message>"
    ));
    phone.expect("<message><data xmlns='http://jabber.org/protocol/ibb'/></message>");
    for eligible in [
        "<body>hi</body>",
        "<received xmlns='urn:xmpp:receipts' id='m0'/>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>",
        "<accept xmlns='urn:xmpp:jingle-message:0' id='c0'/>",
    ] {
        bob.send(xml!("<message to='{phone}'>{eligible}</message>"));
        phone.expect(xml!("<message>{eligible}</message>"));
        desk.expect_carbon(
            Carbon::Received,
            xml!("<message type='$none'>{eligible}</message>"),
        );
    }
    w.finish();
}

#[test]
fn a_headline_reaches_all_of_non_negative_priority_and_nobody_as_a_copy() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let _hidden = w.bind("alice@a.example/hidden").priority(-1).carbons();
    let bob = bob(&w);
    bob.send("<message to='alice@a.example' type='headline'><body>hi</body></message>");
    phone.expect(HI);
    desk.expect(HI);
    phone.send(xml!(
        "<message to='{bob}' type='headline'><body>ho</body></message>"
    ));
    bob.expect("<message><body>ho</body></message>");
    w.finish();
}

#[test]
fn groupchat_to_the_account_is_refused_and_not_copied() {
    let w = world();
    let _phones = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(&w);
    bob.send("<message to='alice@a.example' type='groupchat' id='m1'><body>hi</body></message>");
    bob.expect(
        "<message type='error' id='m1'><error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    w.finish();
}

#[test]
fn an_error_that_answers_a_chat_reaches_the_other_session_as_a_copy() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    phone.send("<message to='nobody@b.example' type='chat' id='m1'><body>hi</body></message>");
    desk.expect_carbon(Carbon::Sent, HI);
    let error = "<message type='error' from='nobody@b.example' id='m1'><error/></message>";
    phone.expect(error);
    desk.expect_carbon(Carbon::Received, error);

    // And the other way round.
    let bob = bob(&w);
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='m2'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    phone.send(xml!(
        "<message to='{bob}' type='error' id='m2'><error type='cancel'/></message>"
    ));
    bob.expect("<message type='error' id='m2'/>");
    desk.expect_carbon(Carbon::Sent, "<message type='error' id='m2'/>");
    w.finish();
}

#[test]
fn an_error_that_answers_nothing_eligible_is_not_copied() {
    let w = world();
    let [phone, _desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(&w);
    phone.send(xml!(
        "<message to='{bob}' type='chat' id='m1'><body>hi</body><no-copy xmlns='urn:xmpp:hints'/></message>"
    ));
    bob.expect(HI);
    for id in ["m1", "m2"] {
        bob.send(xml!(
            "<message to='{phone}' type='error' id='{id}'><error type='wait'/></message>"
        ));
        phone.expect(xml!("<message type='error' id='{id}'/>"));
    }
    w.finish();
}

#[test]
fn the_bounce_of_a_copy_never_reaches_who_wrote_the_message() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(&w);
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='m1'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    // Without the payload, as XEP-0280 §10.3 warns.
    let error = "<error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    desk.send(xml!(
        "<message to='alice@a.example' type='error' id='m1'>{error}</message>"
    ));
    desk.send(xml!("<message type='error'>{error}</message>"));
    w.finish();
}

#[test]
fn a_private_message_of_a_room_reaches_the_session_that_it_is_for_alone() {
    let w = world();
    let [phone, _desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let occupant = w.session("room@muc.example/Bob");
    let marked = "<body>hi</body><x xmlns='http://jabber.org/protocol/muc#user'/>";
    occupant.send(xml!("<message to='{phone}' type='chat'>{marked}</message>"));
    phone.expect(xml!("<message>{marked}</message>"));

    // Without the mark, whoever joined is known.
    joins(&w, &phone, "room@muc.example/Alice");
    occupant.send(xml!(
        "<message to='{phone}' type='chat'><body>ho</body></message>"
    ));
    phone.expect("<message><body>ho</body></message>");
    w.finish();
}

#[test]
fn a_private_message_to_an_occupant_is_copied_to_the_sessions_in_that_room_only() {
    let w = world();
    let [phone, desk, tv] = w
        .sessions("alice@a.example", ["phone", "desk", "tv"])
        .carbons();
    let occupant = w.session("room@muc.example/Bob");
    joins(&w, &phone, "room@muc.example/Alice");
    joins(&w, &desk, "room@muc.example/Alice");
    joins(&w, &tv, "other@muc.example/Alice");
    phone.send("<message to='room@muc.example/Bob' type='chat' id='m1'><body>hi</body></message>");
    occupant.expect(HI);
    desk.expect_carbon(Carbon::Sent, HI);

    // So is the error that answers it.
    occupant.send(xml!(
        "<message to='{phone}' type='error' id='m1'><error type='wait'/></message>"
    ));
    phone.expect("<message type='error'/>");
    desk.expect_carbon(Carbon::Received, "<message type='error' id='m1'/>");

    desk.send("<presence to='room@muc.example/Alice' type='unavailable'/>");
    phone.send("<message to='room@muc.example/Bob' type='chat'><body>ho</body></message>");
    occupant.expect("<message><body>ho</body></message>");
    w.finish();
}

#[test]
fn a_session_whom_the_room_did_not_let_in_hears_no_private_messages_of_it() {
    let w = world();
    w.rooms("muc.example");
    let bob = bob(&w);
    bob.joins("room@muc.example/Bob");
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    phone.joins("room@muc.example/Alice");
    desk.send(
        "<presence to='room@muc.example/Bob'>\
         <x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    let error = "<error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    desk.expect(xml!("<presence type='error'>{error}</presence>"));
    bob.take_all();
    phone.send("<message to='room@muc.example/Bob' type='chat'><body>hi</body></message>");
    bob.expect(HI);
    desk.expect_nothing();

    desk.joins("room@muc.example/Desk");
    bob.take_all();
    phone.take_all();
    phone.send("<message to='room@muc.example/Bob' type='chat'><body>hi</body></message>");
    bob.expect(HI);
    desk.expect_carbon(Carbon::Sent, HI);
    w.finish();
}

#[test]
fn an_invitation_reaches_every_session_once() {
    for invitation in [
        "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='bob@b.example/x'/></x>",
        "<x xmlns='jabber:x:conference' jid='room@muc.example'/>",
    ] {
        let w = world();
        let phone = w.bind("alice@a.example/phone").priority(5).carbons();
        let desk = w.session("alice@a.example/desk").carbons();
        let room = w.session("room@muc.example/service");
        if invitation.contains("invite") {
            room.send(xml!("<message to='alice@a.example'>{invitation}</message>"));
        } else {
            bob(&w).send(xml!("<message to='alice@a.example'>{invitation}</message>"));
        }
        phone.expect(xml!("<message>{invitation}</message>"));
        desk.expect_carbon(Carbon::Received, xml!("<message>{invitation}</message>"));
        w.finish();
    }
}

#[test]
fn a_message_to_oneself_reaches_each_other_session_exactly_once() {
    let w = world();
    let phone = w.bind("alice@a.example/phone").priority(1).carbons();
    let desk = w.bind("alice@a.example/desk").priority(5).carbons();
    let tv = w.bind("alice@a.example/tv").priority(1).carbons();
    for to in [" to='alice@a.example'", ""] {
        phone.send(xml!("<message{to} type='chat'><body>hi</body></message>"));
        desk.expect(xml!("<message from='{phone}'><body>hi</body></message>"));
        tv.expect_carbon(
            Carbon::Sent,
            xml!("<message from='{phone}'><body>hi</body></message>"),
        );
    }
    phone.send(xml!(
        "<message to='{tv}' type='chat' id='m1'><body>ho</body></message>"
    ));
    tv.expect("<message><body>ho</body></message>");
    desk.expect_carbon(Carbon::Sent, "<message><body>ho</body></message>");
    // And an error that answers it.
    tv.send(xml!(
        "<message to='{phone}' type='error' id='m1'><error type='wait'/></message>"
    ));
    phone.expect("<message type='error' id='m1'/>");
    desk.expect_carbon(Carbon::Sent, "<message type='error' id='m1'/>");
    w.finish();
}

#[test]
fn a_forged_copy_from_somebody_else_is_a_message_like_any_other() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(&w);
    let forged = "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' from='alice@a.example/desk' to='bank@b.example' type='chat'>\
         <body>pay</body></message></forwarded></sent>";
    bob.send(xml!("<message to='{phone}' type='chat'>{forged}</message>"));
    phone.expect(xml!(
        "<message from='{bob}' to='{phone}'>{forged}</message>"
    ));
    desk.expect_carbon(
        Carbon::Received,
        xml!("<message from='{bob}' to='{phone}'>{forged}</message>"),
    );
    w.finish();
}

#[test]
fn the_copy_of_an_archived_message_bears_the_archive_id_and_what_leaves_does_not() {
    let w = World::new();
    let archive = ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(w.entropy()));
    w.host("a.example", (archive, ForkLayer::new())) // archived first: copies bear the ID
        .host("b.example", ());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(&w);
    let stamp = "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$id'/>";
    phone.send(xml!(
        "<message to='{bob}' type='chat'><body>hi</body></message>"
    ));
    bob.expect(
        "<message><body>hi</body><absent><stanza-id xmlns='urn:xmpp:sid:0'/></absent></message>",
    );
    let sent = xml!("<message><body>hi</body>{stamp}</message>");
    desk.expect_carbon(Carbon::Sent, sent);
    bob.send(xml!(
        "<message to='{phone}' type='chat'><body>ho</body></message>"
    ));
    let received = xml!("<message><body>ho</body>{stamp}</message>");
    let id = phone.expect(received.clone())["id"].to_owned();
    assert_eq!(desk.expect_carbon(Carbon::Received, received)["id"], *id);
    // To oneself: archived once, one ID.
    phone.send("<message to='alice@a.example/phone' type='chat'><body>memo</body></message>");
    let memo = xml!("<message><body>memo</body>{stamp}</message>");
    let id = phone.expect(memo.clone())["id"].to_owned();
    assert_eq!(desk.expect_carbon(Carbon::Sent, memo)["id"], *id);
    w.finish();
}

#[test]
fn what_came_on_a_server_stream_is_copied_as_a_client_has_it() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    bob(&w).send(xml!(
        "<message xmlns='jabber:server' to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    let copy = desk.expect_carbon(Carbon::Received, HI);
    assert!(!copy.stanza.to_xml().contains("jabber:server"));
    w.finish();
}

#[test]
fn both_sides_of_a_chat_may_be_on_one_server() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let [home, work] = w.sessions("carol@a.example", ["home", "work"]).carbons();
    phone.send(xml!(
        "<message to='{home}' type='chat'><body>hi</body></message>"
    ));
    home.expect(HI);
    desk.expect_carbon(Carbon::Sent, HI);
    work.expect_carbon(Carbon::Received, HI);
    w.finish();
}
