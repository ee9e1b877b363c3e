//! What an acknowledgement says about the archive.

use std::sync::Arc;
use std::time::Duration;

use tower_xmpp::archive::{Archive, ArchiveLayer};
use tower_xmpp::stanza::ns;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Carbon, TroubledArchive, World, xml};

use crate::shelf::{Shelf, stamp_of, stamps, token, two_hosts};

const TO_BOB: &str = "to='bob@b.example/x' type='chat'";

#[test]
fn a_slow_commit_delays_acknowledgements_in_order_and_neither_routing_nor_other_sessions() {
    let t = two_hosts();
    let carol = t.w.session("carol@a.example/x");
    let (before, others) = (t.phone.acked(), carol.acked());
    t.here.commits.hold();
    for id in ["m1", "m2"] {
        t.phone.send(xml!(
            "<message {TO_BOB} id='{id}'><body>hi</body></message>"
        ));
        t.bob.expect(xml!("<message id='{id}'/>"));
        t.desk
            .expect_carbon(Carbon::Sent, xml!("<message id='{id}'/>"));
    }
    carol.send(xml!("<message {TO_BOB} id='c1'><active xmlns='http://jabber.org/protocol/chatstates'/></message>"));
    t.bob.expect("<message id='c1'/>");
    assert_eq!(t.phone.acked(), before, "neither is durable");
    assert_eq!(carol.acked(), others + 1, "nobody else waits");
    t.here.commits.succeed();
    assert_eq!(t.phone.acked(), before + 1);
    t.here.commits.succeed();
    assert_eq!(t.phone.acked(), before + 2);
    t.w.finish();
}

#[test]
fn a_slow_append_delays_what_its_session_sends_in_order_and_no_other_session() {
    let w = World::new();
    let store = TroubledArchive::new(Arc::new(MemoryArchive::default()));
    let store = store
        .slow(&w.delayed(Duration::from_secs(20)))
        .only_for("alice@a.example".parse().expect("a bare JID"));
    w.host(
        "a.example",
        ArchiveLayer::new(Arc::new(store), Arc::new(w.entropy())),
    );
    w.host("b.example", ());
    let [phone, desk, carol] = [
        "alice@a.example/phone",
        "alice@a.example/desk",
        "carol@a.example/x",
    ]
    .map(|jid| w.session(jid));
    let bob = w.session("bob@b.example/x");
    let before = phone.acked();
    for id in ["m1", "m2"] {
        phone.send(xml!(
            "<message {TO_BOB} id='{id}'><body>hi</body></message>"
        ));
    }
    // Who has nothing to archive, and who has an archive of its own, go on.
    let (at_desk, at_carols) = (desk.acked(), carol.acked());
    desk.send(xml!(
        "<message {TO_BOB} id='d1'><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    ));
    carol.send(xml!("<message {TO_BOB} id='c1'><body>hi</body></message>"));
    bob.expect("<message id='d1'/>");
    bob.expect("<message id='c1'/>");
    assert_eq!((desk.acked(), carol.acked()), (at_desk + 1, at_carols + 1));
    bob.expect_nothing();
    for (number, id) in ["m1", "m2"].into_iter().enumerate() {
        assert_eq!(phone.acked(), before + u32::try_from(number).expect("few"));
        w.advance(Duration::from_secs(20));
        bob.expect(xml!("<message id='{id}'/>"));
    }
    assert_eq!(phone.acked(), before + 2);
    w.finish();
}

#[test]
fn if_the_archive_refuses_the_message_is_routed_and_its_sender_told_before_it_is_acknowledged() {
    let t = two_hosts();
    token(&t.phone, None);
    let before = t.phone.acked();
    t.here.broken.fail(1);
    t.phone
        .send(xml!("<message {TO_BOB} id='m1'><body>hi</body></message>"));
    t.bob.expect("<message id='m1'/>");
    let copy = t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    assert_eq!(stamps(&copy.stanza), []);
    t.phone.expect(
        "<message type='normal' from='alice@a.example' to='alice@a.example/phone'>\
         <not-archived xmlns='tower-xmpp:archive-id:0' id='m1'>\
         <internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></not-archived>\
         <no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/></message>",
    );
    t.w.expect_broken("archive");
    assert_eq!(t.phone.acked(), before + 1);
    assert_eq!(t.here.of(&t.alice), []);
    t.w.finish();
}

#[test]
fn if_a_commit_fails_after_routing_the_sender_is_told_before_it_is_acknowledged() {
    let t = two_hosts();
    token(&t.phone, None);
    let before = t.phone.acked();
    t.here.commits.hold();
    t.phone
        .send(xml!("<message {TO_BOB} id='m1'><body>hi</body></message>"));
    t.bob.expect("<message id='m1'/>");
    t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    t.phone.expect_nothing();
    assert_eq!(t.phone.acked(), before);
    t.here.commits.fail();
    t.phone.expect(
        "<message><not-archived xmlns='tower-xmpp:archive-id:0' id='m1'>\
         <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></not-archived></message>",
    );
    assert_eq!(t.phone.acked(), before + 1);
    t.w.expect_broken("archive");
    t.w.finish();
}

#[test]
fn who_did_not_ask_for_its_token_is_not_told() {
    let t = two_hosts();
    t.here.broken.fail(1);
    t.phone
        .send(xml!("<message {TO_BOB} id='m1'><body>hi</body></message>"));
    t.bob.expect("<message id='m1'/>");
    t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    t.w.expect_broken("archive");
    t.w.finish();
}

#[test]
fn what_comes_in_is_delivered_stamped_though_its_commit_fails_later() {
    let t = two_hosts();
    t.here.commits.hold();
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.phone
    ));
    let got = t.phone.expect("<message id='m1'/>");
    let row = t.here.only(&t.alice);
    assert_eq!(stamps(&got.stanza), stamp_of(&t.alice, &row.id));
    t.desk.expect_carbon(Carbon::Received, "<message id='m1'/>");
    t.here.commits.fail();
    t.w.expect_broken("archive");
    t.w.finish();
}

#[test]
fn what_policy_keeps_out_of_the_archive_is_acknowledged_without_a_word() {
    let t = two_hosts();
    token(&t.phone, None);
    let before = t.phone.acked();
    t.phone.send(xml!(
        "<message {TO_BOB} id='m1'><body>hi</body><no-store xmlns='urn:xmpp:hints'/></message>"
    ));
    t.bob.expect("<message id='m1'/>");
    t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    assert_eq!(t.phone.acked(), before + 1);
    t.w.finish();
}

#[test]
fn that_an_acknowledgement_means_archived_is_announced_by_whoever_promises_it() {
    for promised in [false, true] {
        let w = World::new();
        let mut archive = Archive::new(Shelf::default().troubled(), Arc::new(w.entropy()));
        if promised {
            archive = archive.acked_means_archived();
        }
        w.host("a.example", ArchiveLayer::of(archive));
        let alice = w.session("alice@a.example/x");
        let info = alice.asks(xml!(
            "<iq type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ));
        let query = info.child("query", ns::DISCO_INFO).expect("a query");
        let announced = |var: &str| query.children().any(|child| child.attr("var") == Some(var));
        assert_eq!(announced(ns::ACK), promised);
        for var in [ns::MAM, ns::MAM_EXTENDED, ns::SID, ns::ARCHIVE_ID] {
            assert!(announced(var), "{var}");
        }
        w.finish();
    }
}
