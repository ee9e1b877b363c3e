//! Stamps that others made up.

use futures::executor::block_on;
use jid::BareJid;
use tower_xmpp::archive::ArchiveStore;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::testkit::{Carbon, World, xml};

use crate::shelf::{Shelf, stamp_of, stamps, two_hosts};

#[test]
fn a_forged_stanza_id_of_our_account_is_removed_though_the_message_is_not_archived() {
    let t = two_hosts();
    let alice = &t.alice;
    t.bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='forged'/>\
         <no-store xmlns='urn:xmpp:hints'/></message>"
    ));
    for session in [&t.phone, &t.desk] {
        let got = session.expect("<message id='m1'><no-store xmlns='urn:xmpp:hints'/></message>");
        assert_eq!(stamps(&got.stanza), []);
    }
    assert_eq!(t.here.of(alice), []);
    assert_eq!(t.there.of(&t.bob.account()), []);
    t.w.finish();
}

#[test]
fn a_forged_stanza_id_of_our_account_gives_way_to_the_one_that_we_made() {
    let t = two_hosts();
    let alice = &t.alice;
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='forged'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='ALICE@A.EXAMPLE' id='shouted'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='with resource'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' id='by nobody'/></message>",
        t.phone,
        t.phone
    ));
    let got = t.phone.expect("<message id='m1'/>");
    let row = t.here.only(alice);
    assert_ne!(row.id, "forged");
    assert_eq!(stamps(&got.stanza), stamp_of(alice, &row.id));
    let text = String::from_utf8(row.stanza.to_vec()).expect("UTF-8");
    assert!(!text.contains("stanza-id"), "{text}");
    t.desk.expect_carbon(Carbon::Received, "<message id='m1'/>");
    t.w.finish();
}

#[test]
fn a_stanza_id_of_a_room_is_preserved() {
    let t = two_hosts();
    t.bob.send(xml!(
        "<message to='{}' type='groupchat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='room@a.example' id='its own'/></message>",
        t.phone
    ));
    let got = t.phone.expect("<message id='m1'/>");
    let room: BareJid = "room@a.example".parse().expect("a bare JID");
    assert_eq!(stamps(&got.stanza), stamp_of(&room, "its own"));
    t.w.finish();
}

#[test]
fn forged_ids_are_removed_from_groupchat_headlines_and_errors_too() {
    let t = two_hosts();
    let alice = &t.alice;
    for type_ in ["groupchat", "headline", "error"] {
        t.bob.send(xml!(
            "<message to='{}' type='{type_}' id='m1'><body>hi</body>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='forged'/>\
             <store xmlns='urn:xmpp:hints'/></message>",
            t.phone
        ));
        let got = t.phone.expect(xml!("<message id='m1' type='{type_}'/>"));
        let made_here = t.here.ids(alice);
        let expected: Vec<_> = made_here
            .iter()
            .map(|id| (alice.to_string(), id.clone()))
            .collect();
        assert_eq!(stamps(&got.stanza), expected, "{type_}");
        block_on(t.here.store.remove(alice)).expect("it empties");
    }
    t.w.finish();
}

#[test]
fn a_stanza_id_that_a_client_sends_reaches_nobody_and_no_archive() {
    let t = two_hosts();
    let (alice, bob) = (&t.alice, &t.bob);
    t.phone.send(xml!(
        "<message to='{bob}' type='chat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='mine'/></message>"
    ));
    let got = bob.expect("<message id='m1'/>");
    let bobs = t.there.only(&bob.account());
    assert_eq!(stamps(&got.stanza), stamp_of(&bob.account(), &bobs.id));
    for row in [t.here.only(alice), bobs] {
        let text = String::from_utf8(row.stanza.to_vec()).expect("UTF-8");
        assert!(!text.contains("mine"), "{text}");
    }
    let copy = t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    assert_eq!(
        stamps(&copy.stanza),
        stamp_of(alice, &t.here.only(alice).id)
    );
    t.w.finish();
}

#[test]
fn a_stanza_id_that_a_client_forges_in_the_name_of_the_contact_is_removed_there() {
    let t = two_hosts();
    let bob = t.bob.account();
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{bob}' id='forged'/></message>",
        t.bob
    ));
    let got = t.bob.expect("<message id='m1'/>");
    assert_eq!(stamps(&got.stanza), stamp_of(&bob, &t.there.only(&bob).id));
    t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    t.w.finish();
}

#[test]
fn a_room_of_the_same_server_cannot_be_used_to_forge_an_id() {
    let w = World::new();
    let shelf = Shelf::default();
    w.host("a.example", (shelf.layer(&w), ForkLayer::new()))
        .rooms("muc.a.example");
    let alice = w.session("alice@a.example/phone");
    let mallory = w.session("mallory@a.example/x");
    alice.joins("tea@muc.a.example/Alice");
    mallory.joins("tea@muc.a.example/Mallory");
    alice.take_all();
    mallory.send(xml!(
        "<message to='tea@muc.a.example' type='groupchat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='forged'/></message>",
        alice.account()
    ));
    let got = alice.expect("<message type='groupchat' id='m1'><body>hi</body></message>");
    assert_eq!(stamps(&got.stanza), []);
    mallory.expect("<message type='groupchat' id='m1'/>");

    mallory.send(xml!(
        "<message to='tea@muc.a.example/Alice' type='chat' id='m2'><body>psst</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='forged'/></message>",
        alice.account()
    ));
    let got = alice.expect("<message type='chat' id='m2'><body>psst</body></message>");
    let row = shelf.only(&alice.account());
    assert_eq!(stamps(&got.stanza), stamp_of(&alice.account(), &row.id));
    assert_eq!(row.with.as_str(), "tea@muc.a.example/Mallory");
    w.finish();
}
