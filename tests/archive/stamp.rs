//! Who gets which stamp, and one row for each.

use tower_xmpp::archive::Direction;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{Element, MessageType};
use tower_xmpp::testkit::{Carbon, Sessions, World, xml};

use crate::shelf::{Shelf, stamp_of, stamps, two_hosts};

#[test]
fn an_incoming_message_is_archived_and_stamped() {
    let t = two_hosts();
    let (bob, alice) = (&t.bob, &t.alice);
    bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.phone
    ));
    let got = t
        .phone
        .expect("<message type='chat' id='m1'><body>hi</body></message>");
    let row = t.here.only(alice);
    assert_eq!(stamps(&got.stanza), stamp_of(alice, &row.id));
    assert_eq!(row.with, *bob.jid());
    assert_eq!(row.direction, Direction::Incoming);
    assert_eq!(row.type_, MessageType::Chat);
    assert_eq!(row.message_id.as_deref(), Some("m1"));
    assert_eq!(row.at, t.w.now());
    t.desk.expect_carbon(Carbon::Received, "<message id='m1'/>");
    t.w.finish();
}

#[test]
fn the_archive_holds_the_whole_stanza_without_any_stamp_of_its_own() {
    let t = two_hosts();
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1' xml:lang='en'><body>a &lt; b</body>\
         <x xmlns='urn:example' y='1'>text<z/></x></message>",
        t.phone
    ));
    t.phone.expect("<message id='m1'/>");
    t.desk.expect_carbon(Carbon::Received, "<message id='m1'/>");
    let wire = t.here.only(&t.alice).stanza;
    let expected = format!(
        "<message xmlns='jabber:client' from='bob@b.example/x' to='{}' type='chat' id='m1' \
         xml:lang='en'><body>a &lt; b</body><x xmlns='urn:example' y='1'>text<z/></x></message>",
        t.phone
    );
    let parse = |xml: &[u8]| Element::parse(xml).expect("an element");
    assert_eq!(parse(&wire), parse(expected.as_bytes()));
    t.w.finish();
}

#[test]
fn an_outgoing_message_leaves_unstamped_and_its_sent_copy_is_stamped() {
    let t = two_hosts();
    let (alice, bob) = (&t.alice, &t.bob);
    t.phone.send(xml!(
        "<message to='{bob}' type='chat' id='m1'><body>hi</body></message>"
    ));
    let copy = t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    let row = t.here.only(alice);
    assert_eq!(row.direction, Direction::Outgoing);
    assert_eq!(row.with, *bob.jid());
    assert_eq!(stamps(&copy.stanza), stamp_of(alice, &row.id));
    let got = bob.expect("<message id='m1'/>");
    assert_eq!(
        stamps(&got.stanza),
        stamp_of(&bob.account(), &t.there.only(&bob.account()).id),
        "nothing of alice's"
    );
    t.w.finish();
}

#[test]
fn two_accounts_on_one_server_have_unrelated_ids_and_neither_leaks() {
    let w = World::new();
    let shelf = Shelf::default();
    w.host("a.example", (shelf.layer(&w), ForkLayer::new()));
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let [home, work] = w.sessions("bob@a.example", ["home", "work"]).carbons();
    let (alice, bob) = (phone.account(), home.account());
    phone.send(xml!(
        "<message to='{home}' type='chat' id='m1'><body>hi</body></message>"
    ));
    w.settle();
    let (hers, his) = (shelf.only(&alice), shelf.only(&bob));
    assert_ne!(hers.id, his.id);
    let got = home.expect("<message id='m1'/>");
    assert_eq!(stamps(&got.stanza), stamp_of(&bob, &his.id));
    let copy = work.expect_carbon(Carbon::Received, "<message id='m1'/>");
    assert_eq!(stamps(&copy.stanza), stamp_of(&bob, &his.id));
    let copy = desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    assert_eq!(stamps(&copy.stanza), stamp_of(&alice, &hers.id));
    w.finish();
}

#[test]
fn a_message_to_the_bare_jid_forked_to_three_clients_is_one_row_with_one_id() {
    let w = World::new();
    let shelf = Shelf::default();
    w.host("a.example", (shelf.layer(&w), ForkLayer::new()));
    w.host("b.example", ());
    let [phone, desk, tablet] = w
        .sessions("alice@a.example", ["phone", "desk", "tablet"])
        .carbons();
    let phone = phone.priority(5);
    let bob = w.session("bob@b.example/x");
    let alice = phone.account();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>hi</body></message>"
    ));
    let got = phone.expect("<message id='m1'/>");
    let expected = stamp_of(&alice, &shelf.only(&alice).id);
    assert_eq!(stamps(&got.stanza), expected);
    for session in [&desk, &tablet] {
        let copy = session.expect_carbon(Carbon::Received, "<message id='m1'/>");
        assert_eq!(stamps(&copy.stanza), expected);
    }
    w.finish();
}

#[test]
fn a_message_to_oneself_is_one_row_and_every_view_bears_its_id() {
    for to in ["to='alice@a.example'", "to='alice@a.example/desk'", ""] {
        let w = World::new();
        let shelf = Shelf::default();
        w.host("a.example", (shelf.layer(&w), ForkLayer::new()));
        let [phone, desk, tablet] = w
            .sessions("alice@a.example", ["phone", "desk", "tablet"])
            .carbons();
        let desk = desk.priority(5);
        let alice = phone.account();
        phone.send(xml!(
            "<message {to} type='chat' id='m1'><body>note</body></message>"
        ));
        let got = desk.expect("<message id='m1'/>");
        let row = shelf.only(&alice);
        assert_eq!(stamps(&got.stanza), stamp_of(&alice, &row.id));
        assert_eq!(row.with, *phone.jid());
        let copy = tablet.expect_carbon(Carbon::Sent, "<message id='m1'/>");
        assert_eq!(stamps(&copy.stanza), stamp_of(&alice, &row.id));
        w.finish();
    }
}

#[test]
fn what_only_the_archive_took_does_not_come_back() {
    // Its sender would send it again, and it would lie there twice.
    for to in ["dora@a.example/gone", "dora@a.example"] {
        let t = two_hosts();
        t.bob.send(xml!(
            "<message to='{to}' type='normal' id='m1'><body>hi</body></message>"
        ));
        t.w.settle();
        let owner = to.split('/').next().unwrap().parse().unwrap();
        assert_eq!(t.here.only(&owner).message_id.as_deref(), Some("m1"));
        t.w.finish();
    }
}
