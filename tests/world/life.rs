//! What becomes of sessions: hibernating, resumed, expired, bound anew.

use tower_xmpp::flow::{Emit, Fate, Route};
use tower_xmpp::middleware::from_fn;
use tower_xmpp::stanza::Stanza;
use tower_xmpp::testkit::{World, xml};

use super::hearing::Hearing;

#[test]
fn a_resumed_session_gets_what_it_missed() {
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@a.example/x");
    alice.hibernate();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>hi</body></message>"
    ));
    alice.expect_nothing();
    alice.resume();
    alice.expect("<message id='m1'/>");
    w.finish();
}

#[test]
fn what_an_expired_session_never_acknowledged_meets_its_fate() {
    let w = World::new();
    w.host("a.example", ());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let phone = phone.priority(5);
    let bob = w.session("bob@a.example/x");
    let alice = phone.account();
    phone.withhold_acks();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>1</body></message>"
    ));
    phone.expect("<message id='m1'/>");
    phone.acks();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m2'><body>2</body></message>"
    ));
    phone.expect("<message id='m2'/>");
    phone.hibernate();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m3'><body>3</body></message>"
    ));
    bob.send(xml!(
        "<iq to='{phone}' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>"
    ));
    phone.expire();
    desk.expect("<message id='m2'/>");
    desk.expect("<message id='m3'/>");
    bob.expect(xml!("<iq from='{phone}' type='error' id='v'/>"));
    w.finish();
}

#[test]
fn who_does_not_read_is_ended_and_others_get_its_messages() {
    let w = World::new();
    w.host("a.example", ());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let phone = phone.priority(5);
    let bob = w.session("bob@a.example/x");
    let alice = phone.account();
    phone.stop_reading(2);
    for id in ["m1", "m2", "m3"] {
        bob.send(xml!(
            "<message to='{alice}' type='chat' id='{id}'><body>hi</body></message>"
        ));
    }
    for id in ["m1", "m2", "m3"] {
        desk.expect(xml!("<message id='{id}'/>"));
    }
    w.finish();
}

#[test]
fn directed_presence_is_followed_by_unavailable_presence_when_a_session_is_lost() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@b.example/x");
    alice.send(xml!("<presence to='{bob}'/>"));
    bob.expect(xml!("<presence from='{alice}' type='$none'/>"));
    alice.lose();
    bob.expect(xml!("<presence from='{alice}' type='unavailable'/>"));
    w.finish();
}

#[test]
fn layers_hear_what_becomes_of_a_session() {
    let hearing = Hearing::default();
    let w = World::new();
    w.host("a.example", hearing.layer());
    let phone = w.bind_with("alice@a.example/phone", &["urn:xmpp:carbons:2"]);
    phone.active(false).active(true).hibernate().resume();
    phone.hibernate().binds_anew(&["urn:xmpp:csi:0"]);
    phone.hibernate().expire();
    phone.binds_anew(&[]).lose();
    phone.binds_anew(&[]).close();
    w.settle();
    assert_eq!(
        hearing.heard(),
        [
            r#"bound: alice@a.example/phone with ["urn:xmpp:carbons:2"]"#,
            "inactive: alice@a.example/phone",
            "active: alice@a.example/phone",
            "hibernating: alice@a.example/phone",
            "resumed: alice@a.example/phone",
            "hibernating: alice@a.example/phone",
            "ended: alice@a.example/phone, Lost",
            r#"bound: alice@a.example/phone with ["urn:xmpp:csi:0"]"#,
            "hibernating: alice@a.example/phone",
            "ended: alice@a.example/phone, Expired",
            "bound: alice@a.example/phone with []",
            "ended: alice@a.example/phone, Lost",
            "bound: alice@a.example/phone with []",
            "ended: alice@a.example/phone, Clean",
        ]
    );
    w.finish();
}

#[test]
fn what_was_written_but_never_arrived_comes_when_the_session_is_resumed() {
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@a.example/x");
    alice.stop_reading(10);
    bob.send(xml!("<message to='{alice}' id='m1'/>"));
    alice.expect_nothing();
    alice.hibernate().resume();
    alice.expect("<message id='m1'/>");
    w.finish();
}

#[test]
fn a_client_that_cannot_resume_gets_what_it_never_acknowledged_in_its_new_session() {
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@a.example/x");
    alice.withhold_acks();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>1</body></message>"
    ));
    alice.expect("<message id='m1'/>");
    alice.hibernate();
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m2'><body>2</body></message>"
    ));
    alice.binds_anew(&[]);
    // Both name the resource, which is there again (RFC 6121 §8.5.3.1).
    for id in ["m1", "m2"] {
        alice.expect(xml!("<message id='{id}'/>"));
    }
    w.finish();
}

#[test]
fn each_copy_that_was_never_acknowledged_meets_the_fate_that_its_layer_gave_it() {
    for (fate, to_desk, to_sender) in [
        (Fate::Reroute, 1, 0),
        (Fate::Bounce, 0, 1),
        (Fate::Drop, 0, 0),
    ] {
        let copies = from_fn("copies", move |envelope, next| async move {
            let copied = envelope.as_stanza().cloned();
            let is_it = matches!(envelope.route, Route::ToAccount(_));
            let outcome = next.run(envelope).await?;
            let phone = "alice@a.example/phone".parse()?;
            Ok(match copied {
                Some(copied) if is_it && copied.id() == Some("m1") => {
                    outcome.with(Emit::copy(phone, copied.with_id("copy")).with_fate(fate))
                }
                _ => outcome,
            })
        });
        let w = World::new();
        w.host("a.example", copies);
        let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
        let bob = w.session("bob@a.example/x");
        phone.hibernate();
        bob.send(xml!(
            "<message to='{desk}' type='chat' id='m1'><body>hi</body></message>"
        ));
        desk.expect("<message id='m1'/>");
        phone.expire();
        assert_eq!(desk.take_all().len(), to_desk, "{fate:?}");
        let bounced = bob.take_all();
        assert_eq!(bounced.len(), to_sender, "{fate:?}");
        assert!(bounced.iter().all(Stanza::is_error), "{bounced:?}");
        w.finish();
    }
}
