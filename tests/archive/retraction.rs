//! Messages that are taken back (XEP-0424, XEP-0425).

use tower_xmpp::stanza::{Stanza, ns};
use tower_xmpp::testkit::xml;

use crate::shelf::two_hosts;

/// Whether a tombstone stands there, and by which message it came.
pub fn buried_by(wire: &[u8]) -> Option<String> {
    let stanza = Stanza::parse(wire).expect("a stanza");
    let by = stanza
        .child("retracted", ns::RETRACT)?
        .attr("id")?
        .to_owned();
    assert!(
        !stanza.has_body(),
        "nothing is left of it: {}",
        stanza.to_xml()
    );
    Some(by)
}

#[test]
fn a_retracted_message_is_a_tombstone_under_the_same_id_and_the_retraction_is_archived() {
    let t = two_hosts();
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>secret</body></message>",
        t.phone
    ));
    t.phone.expect("<message id='m1'/>");
    let before = t.here.of(&t.alice).remove(0);
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='r1'><retract xmlns='urn:xmpp:message-retract:1' id='m1'/>\
         <body>I take that back</body></message>",
        t.phone
    ));
    t.phone.expect("<message id='r1'/>");
    let after = t.here.of(&t.alice);
    assert_eq!(after.len(), 2);
    assert_eq!(buried_by(&after[0].row.stanza).as_deref(), Some("r1"));
    assert_eq!(buried_by(&after[1].row.stanza), None);
    let same = |entry: &tower_xmpp::archive::Entry| {
        let row = &entry.row;
        (
            entry.position,
            row.id.clone(),
            row.at,
            row.with.clone(),
            row.message_id.clone(),
        )
    };
    assert_eq!(same(&after[0]), same(&before));
    // In Bob's own archive, too.
    let his = t.there.of(&t.bob.account());
    assert_eq!(buried_by(&his[0].row.stanza).as_deref(), Some("r1"));
    t.desk.take_all();
    t.w.finish();
}

#[test]
fn nobody_takes_back_what_somebody_else_said() {
    let t = two_hosts();
    let mallory = t.w.session("mallory@b.example/x");
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.phone
    ));
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='m2'><body>ho</body></message>",
        t.bob
    ));
    for (session, id, own) in [
        (&mallory, "m1", "r1"),
        (&t.bob, "m2", "r2"),
        (&t.bob, "r3", "r3"),
    ] {
        session.send(xml!(
            "<message to='{}' type='chat' id='{own}'>\
             <retract xmlns='urn:xmpp:message-retract:1' id='{id}'/></message>",
            t.phone
        ));
    }
    t.w.settle();
    for entry in t.here.of(&t.alice) {
        assert_eq!(buried_by(&entry.row.stanza), None);
    }
    for session in [&t.phone, &t.desk, &t.bob] {
        session.take_all();
    }
    t.w.finish();
}

#[test]
fn of_two_messages_with_one_id_the_newer_is_taken_back() {
    let t = two_hosts();
    for body in ["first", "second"] {
        t.phone.send(xml!(
            "<message to='{}' type='chat' id='m1'><body>{body}</body></message>",
            t.bob
        ));
    }
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='r1'>\
         <retract xmlns='urn:xmpp:message-retract:1' id='m1'/></message>",
        t.bob
    ));
    t.w.settle();
    let buried: Vec<_> = t
        .here
        .of(&t.alice)
        .iter()
        .map(|e| buried_by(&e.row.stanza))
        .collect();
    assert_eq!(buried, [None, Some("r1".to_owned()), None]);
    t.bob.take_all();
    t.desk.take_all();
    t.w.finish();
}

#[test]
fn an_occupant_of_a_room_takes_back_its_own_private_messages_only() {
    let t = two_hosts();
    let pm = |from: &str, id: &str, inside: &str| {
        let message = format!(
            "<message from='tea@b.example/{from}' to='{}' type='chat' id='{id}'>{inside}\
             <x xmlns='http://jabber.org/protocol/muc#user'/></message>",
            t.phone
        );
        Stanza::parse(message.as_bytes()).expect("a message")
    };
    let retract = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>";
    let layer = t.here.layer(&t.w);
    let mut stack = tower_layer::Layer::layer(&layer, crate::common::Bottom::default());
    for message in [
        pm("Bob", "m1", "<body>hi</body>"),
        pm("Mallory", "r1", retract),
    ] {
        let envelope = crate::common::to_alice(message);
        let _ = crate::common::pass(&mut stack, envelope);
    }
    assert_eq!(buried_by(&t.here.of(&t.alice)[0].row.stanza), None);
    let envelope = crate::common::to_alice(pm("Bob", "r2", retract));
    let _ = crate::common::pass(&mut stack, envelope);
    let first = &t.here.of(&t.alice)[0].row.stanza;
    assert_eq!(buried_by(first).as_deref(), Some("r2"));
    t.w.finish();
}
