//! How the test kit fails, and what it prints then.

use std::time::Duration;

use tower_xmpp::flow::{Emit, Route, Stage};
use tower_xmpp::middleware::from_fn;
use tower_xmpp::testkit::{Carbon, Faulty, Session, World, panicking, slow, xml};

use super::{assert_has, failure};

#[test]
fn what_nobody_expected_fails_and_shows_what_led_to_it() {
    let shout = from_fn("shout", |envelope, next| async move {
        let loud = envelope.as_stanza().cloned();
        let desk = "alice@a.example/desk".parse()?;
        let is_inward = matches!(envelope.route, Route::ToAccount(_));
        let outcome = next.run(envelope).await?;
        Ok(match loud {
            Some(loud) if is_inward => outcome.with(Emit::copy(desk, loud)),
            _ => outcome,
        })
    });
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", shout).host("b.example", ());
        let [phone, _desk] = w.sessions("alice@a.example", ["phone", "desk"]);
        let bob = w.session("bob@b.example/x");
        bob.send(xml!(
            "<message to='{phone}' type='chat'><body>hi</body></message>"
        ));
        phone.expect("<message><body>hi</body></message>");
        w.finish();
    });
    assert_has(
        &text,
        &[
            "the world did not end in silence: 1 left",
            "bob@b.example/x sends <message",
            "at b.example, from session bob@b.example/x → Routed",
            "b.example to a.example: <message",
            "at a.example, to account alice@a.example → Delivered",
            "   ├─ alice@a.example/phone gets <message",
            "   └─ shout: alice@a.example/desk gets <message",
            "◄── nobody expected this",
        ],
    );
    let marked: Vec<_> = text.lines().filter(|line| line.contains('◄')).collect();
    assert_eq!(marked.len(), 1, "{text}");
    assert!(marked[0].contains("shout"), "{text}");
}

/// What is printed when bob sends these to alice, and she expects otherwise.
fn failure_after(sent: &[&str], expecting: impl FnOnce(&Session)) -> String {
    failure(|| {
        let w = World::new();
        w.host("a.example", ());
        let alice = w.session("alice@a.example/phone");
        let bob = w.session("bob@a.example/x");
        for stanza in sent {
            bob.send(*stanza);
        }
        expecting(&alice);
        w.abandon();
    })
}

const M1: &str = "<message to='alice@a.example/phone' id='m1'><body>hi</body></message>";

/// How what led to `M1` is shown.
const TREE: &str = "2026-01-01T00:00:00.000Z bob@a.example/x sends \
    <message from='bob@a.example/x' id='m1' to='alice@a.example/phone'><body>hi</body></message>\n\
    └─ at a.example, from session bob@a.example/x → Routed\n   \
    └─ at a.example, to account alice@a.example → Delivered(alice@a.example/phone)\n      \
    └─ alice@a.example/phone gets \
    <message from='bob@a.example/x' id='m1' to='alice@a.example/phone'><body>hi</body></message>   ◄── ";

#[test]
fn what_does_not_come_is_named() {
    let text = failure_after(&["<presence to='alice@a.example'/>"], |alice| {
        alice.take_all();
        alice.expect("<message id='m1'/>");
    });
    assert_has(
        &text,
        &["alice@a.example/phone expected\n  <message id='m1'/>\n\
             but nothing came; what happened last:\n\
             2026-01-01T00:00:00.000Z bob@a.example/x sends <presence"],
    );
}

#[test]
fn an_attribute_that_is_wrong_is_named_with_both_values_and_what_led_to_it() {
    let text = failure_after(&[M1], |alice| {
        alice.expect("<message id='m2'/>");
    });
    let expected = format!(
        "alice@a.example/phone expected\n  <message id='m2'/>\nbut got\n  \
         <message from='bob@a.example/x' id='m1' to='alice@a.example/phone'><body>hi</body></message>\n\
         which differs: attribute id of <message>: expected 'm2', is 'm1'\n\
         what led to it:\n{TREE}this came"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_stanza_where_nothing_is_expected_is_shown_with_what_led_to_it() {
    let text = failure_after(&[M1], |alice| {
        alice.expect_nothing();
    });
    let expected = format!(
        "alice@a.example/phone expected nothing more, but something came\n\
         {TREE}nobody expected this"
    );
    assert_eq!(text, expected);
}

#[test]
fn one_that_came_cannot_be_expected_twice() {
    let text = failure_after(&[M1], |alice| {
        alice.expect_all(["<message/>", "<message id='m1'/>"]);
    });
    assert_has(
        &text,
        &["expected\n  <message/>\n  <message id='m1'/>\nbut no more than this came"],
    );
}

#[test]
fn those_expected_in_any_order_are_the_next_ones_and_no_later_one() {
    let m2 = M1.replace("m1", "m2");
    let m3 = M1.replace("m1", "m3");
    let text = failure_after(&[M1, &m2, &m3], |alice| {
        alice.expect_all(["<message id='m1'/>", "<message id='m3'/>"]);
    });
    assert_has(
        &text,
        &[
            "<message id='m1'/>\n  <message id='m3'/>\nbut got",
            "attribute id of <message>: expected 'm3', is 'm2'",
        ],
    );
    // The first pattern fits both; it leaves the second the one that it needs.
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    alice.send(M1).send(m2.as_str());
    let [any, second] = alice.expect_all(["<message id='$id'/>", "<message id='m1'/>"]);
    assert_eq!((&any["id"], second.stanza.id()), ("m2", Some("m1")));
    w.finish();
}

#[test]
fn what_is_forwarded_is_compared_too() {
    let forwarding = "<message to='alice@a.example/phone'>\
        <result xmlns='urn:xmpp:mam:2' id='r1'><forwarded xmlns='urn:xmpp:forward:0'>\
        <delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>\
        <message xmlns='jabber:client' id='m1'><body>hi</body></message>\
        </forwarded></result></message>";
    let wrapper = "<message><result xmlns='urn:xmpp:mam:2' id='$id'/></message>";
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    alice.send(forwarding);
    let (outer, inner) = alice.expect_forwarded(wrapper, "<message><body>$text</body></message>");
    assert_eq!((&outer["id"], &inner["text"]), ("r1", "hi"));
    w.finish();

    let text = failure_after(&[forwarding], |alice| {
        alice.expect_forwarded(wrapper, "<message id='m2'/>");
    });
    assert_has(
        &text,
        &["got another stanza forwarded: attribute id of <message>: expected 'm2', is 'm1'"],
    );
    let text = failure_after(&[M1], |alice| {
        alice.expect_forwarded("<message/>", "<message/>");
    });
    assert_has(&text, &["no stanza is forwarded in\n  <message"]);
}

#[test]
fn a_pass_that_is_never_over_fails() {
    let stuck = from_fn("stuck", |envelope, next| async move {
        if envelope
            .as_stanza()
            .is_some_and(|stanza| stanza.id() == Some("m1"))
        {
            std::future::pending::<()>().await;
        }
        next.run(envelope).await
    });
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", stuck);
        let alice = w.session("alice@a.example/phone");
        alice.send("<message to='bob@a.example' id='m1'/>");
        w.finish();
    });
    assert_has(
        &text,
        &[
            "1 left",
            "└─ at a.example, from session alice@a.example/phone → under way   ◄── not over",
        ],
    );
}

#[test]
fn what_still_waits_for_its_link_fails() {
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", ()).host("b.example", ());
        let alice = w.session("alice@a.example/phone");
        w.cut("a.example", "b.example", Duration::from_secs(30));
        alice.send("<message to='bob@b.example' id='m1'/>");
        w.finish();
    });
    assert_has(&text, &["1 left", "◄── still waits for its link"]);
}

#[test]
fn a_world_that_is_not_finished_fails() {
    let text = failure(|| drop(World::new()));
    assert_has(&text, &["a world ends with `finish`"]);
}

#[test]
fn a_failure_in_a_seeded_world_prints_the_seed() {
    let text = failure(|| {
        let w = World::seeded(77);
        w.host("a.example", ());
        w.session("alice@a.example/phone").expect("<message/>");
    });
    assert_has(&text, &["World::seeded(77)"]);
}

#[test]
fn a_malformed_literal_is_shown() {
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", ());
        w.session("alice@a.example/phone")
            .send("<message><body></message>");
    });
    assert_has(
        &text,
        &["this is not a stanza", "<message><body></message>"],
    );
}

#[test]
fn a_layer_that_panics_is_stepped_over_and_must_be_expected() {
    for stage in [Stage::Before, Stage::After] {
        let fault = Faulty::default();
        let w = World::new();
        w.host("a.example", panicking("shaky", stage, &fault));
        let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
        fault.fail(1);
        phone.send(xml!(
            "<message to='{desk}' id='m1'><body>hi</body></message>"
        ));
        desk.expect("<message id='m1'/>");
        w.expect_broken("shaky");
        w.finish();
    }
    let text = failure(|| {
        let fault = Faulty::default();
        let w = World::new();
        w.host("a.example", panicking("shaky", Stage::Before, &fault));
        let alice = w.session("alice@a.example/phone");
        fault.fail(1);
        alice.send("<presence/>");
        w.finish();
    });
    assert_has(
        &text,
        &["shaky: at a.example, broke", "the test asked for a panic"],
    );
}

#[test]
fn a_slow_layer_waits_for_the_clock() {
    let w = World::new();
    let wait = w.delayed(Duration::from_secs(3));
    w.host("a.example", slow("slow", &wait));
    let [phone, desk] = {
        let sessions = ["phone", "desk"].map(|name| w.bind(&format!("alice@a.example/{name}")));
        w.advance(Duration::from_secs(10));
        sessions
    };
    phone.send(xml!(
        "<message to='{desk}' id='m1'><body>hi</body></message>"
    ));
    w.advance(Duration::from_secs(5));
    desk.expect_nothing();
    w.advance(Duration::from_secs(1));
    desk.expect("<message id='m1'/>");
    w.finish();
}

#[test]
fn a_slow_future_that_is_left_fails() {
    let text = failure(|| {
        let w = World::new();
        let wait = w.delayed(Duration::from_secs(3));
        w.host("a.example", slow("slow", &wait));
        w.session("alice@a.example/phone");
        w.finish();
    });
    assert_has(&text, &["1 slow futures still wait"]);
}

#[test]
fn a_session_where_nobody_is_host_fails_and_says_what_is_missing() {
    for (session, missing) in [
        ("alice@a.example", "alice@a.example is not a full JID"),
        ("alice@b.example/phone", "nobody hosts b.example"),
    ] {
        let text = failure(|| {
            let w = World::new();
            w.host("a.example", ());
            w.session(session);
        });
        assert_has(&text, &[missing]);
    }
}

#[test]
fn a_copy_that_does_not_come_is_named_with_what_it_was_to_copy() {
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", ());
        let alice = w.session("alice@a.example/phone");
        alice.expect_carbon(Carbon::Sent, "<message><body>hi</body></message>");
    });
    let wanted = ["<sent xmlns", "that forwards", "<body>hi</body>"];
    assert_has(&text, &wanted);
}
