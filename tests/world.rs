//! The test kit's own behaviour: what it lets pass, and how it fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tower_xmpp::flow::{Emit, Route, Stage};
use tower_xmpp::middleware::from_fn;
use tower_xmpp::stanza::Element;
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::{Faulty, WhileDown, World, panicking, slow, xml};

/// What a test that does this would print when it fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("it must fail");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_message_reaches_the_sessions_of_another_host() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let bob = w.session("bob@b.example/x");
    let alice = phone.account();

    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>hi</body></message>"
    ));
    for session in [&phone, &desk] {
        session.expect(xml!(
            "<message from='{bob}' type='chat'><body>hi</body></message>"
        ));
    }
    w.finish();
}

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
            "1 that nobody expected",
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

#[test]
fn what_does_not_come_is_named() {
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", ());
        let alice = w.session("alice@a.example/phone");
        alice.expect("<message id='m1'/>");
    });
    assert_has(
        &text,
        &[
            "alice@a.example/phone expected",
            "<message id=",
            "but nothing came",
        ],
    );
}

#[test]
fn what_comes_different_is_named_with_the_difference() {
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", ());
        let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
        phone.send(xml!(
            "<message to='{desk}' id='m1'><body>hi</body></message>"
        ));
        desk.expect("<message id='m2'/>");
    });
    assert_has(
        &text,
        &[
            "attribute id of <message>: expected 'm2', is 'm1'",
            "<body>hi</body>",
        ],
    );
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
fn a_cut_link_keeps_bounces_or_loses_what_is_sent() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@b.example/x");
    let message = |id| xml!("<message to='{bob}' type='chat' id='{id}'><body>hi</body></message>");
    let half_a_minute = Duration::from_secs(30);

    w.cut("a.example", "b.example", half_a_minute);
    alice.send(message("m1"));
    w.advance(Duration::from_secs(29));
    bob.expect_nothing();
    w.advance(Duration::from_secs(1));
    bob.expect("<message id='m1'/>");

    w.cut_with("a.example", "b.example", half_a_minute, WhileDown::Bounce);
    alice.send(message("m2"));
    alice.expect(
        "<message type='error' id='m2'><error type='wait'>\
         <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    w.advance(half_a_minute);

    w.cut_with("a.example", "b.example", half_a_minute, WhileDown::Lose);
    alice.send(message("m3"));
    w.advance(half_a_minute);
    alice.send(message("m4"));
    bob.expect("<message id='m4'/>");
    w.finish();
}

#[test]
fn a_domain_that_nobody_hosts_is_not_found() {
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    alice.send("<message to='eve@nowhere.example' id='m1'><body>hi</body></message>");
    alice.expect(
        "<message from='eve@nowhere.example' type='error' id='m1'><error>\
         <remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    w.finish();
}

#[test]
fn an_address_that_is_none_comes_back_as_malformed() {
    let w = World::new();
    w.host("a.example", ());
    let alice = w.session("alice@a.example/phone");
    alice.send("<message to='@@' id='m1'><body>hi</body></message>");
    alice.expect(
        "<message to='alice@a.example/phone' type='error' id='m1'><error>\
         <jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    w.finish();
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
fn a_room_tells_everybody_who_comes_and_what_is_said() {
    for rooms_on_their_own_host in [true, false] {
        let w = World::new();
        w.host("a.example", ()).host("b.example", ());
        if rooms_on_their_own_host {
            w.rooms("muc.example");
        } else {
            let mut settings = Settings::default();
            settings.creation = Creation::Instant;
            w.rooms_with("a.example", "muc.example", settings);
        }
        let alice = w.session("alice@a.example/phone");
        let bob = w.session("bob@b.example/x");
        let came = alice.joins("tea@muc.example/Alice");
        assert_eq!(came.len(), 2, "itself and the subject: {came:?}");
        bob.joins("tea@muc.example/Bob");
        alice.expect("<presence from='tea@muc.example/Bob' to='alice@a.example/phone'/>");

        bob.send(
            "<message to='tea@muc.example' type='groupchat' id='m1'><body>tea?</body></message>",
        );
        for session in [&alice, &bob] {
            session.expect(xml!(
                "<message from='tea@muc.example/Bob' to='{session}' type='groupchat' id='m1'>\
                 <body>tea?</body></message>"
            ));
        }
        let carol = w.session("carol@b.example/y");
        let history = carol.joins("tea@muc.example/Carol");
        assert!(history.iter().any(|stanza| stanza.id() == Some("m1")));
        for session in [&alice, &bob] {
            session.expect("<presence from='tea@muc.example/Carol'/>");
        }
        carol.lose();
        for session in [&alice, &bob] {
            session.expect("<presence from='tea@muc.example/Carol' type='unavailable'/>");
        }
        assert_eq!(w.occupants("tea@muc.example").len(), 2);
        w.finish();
    }
}

#[test]
fn layers_of_the_rooms_host_see_one_broadcast_and_the_history_keeps_what_they_make_of_it() {
    let stamp = from_fn("stamp", |mut envelope, next| {
        if let (Route::Broadcast(_), Some(stanza)) =
            (&envelope.route.clone(), envelope.as_stanza_mut())
        {
            stanza.push(Element::new("stamped", "urn:example:stamp"));
        }
        next.run(envelope)
    });
    let w = World::new();
    w.host("a.example", ())
        .host("muc.example", stamp)
        .rooms("muc.example");
    let alice = w.session("alice@a.example/phone");
    alice.joins("tea@muc.example/Alice");
    alice.send("<message to='tea@muc.example' type='groupchat' id='m1'><body>hi</body></message>");
    alice.expect("<message id='m1'><stamped xmlns='urn:example:stamp'/></message>");
    let bob = w.session("bob@a.example/x");
    bob.send(
        "<presence to='tea@muc.example/Bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    bob.expect_all([
        "<presence from='tea@muc.example/Alice'/>",
        "<presence from='tea@muc.example/Bob'/>",
        "<message id='m1'><stamped xmlns='urn:example:stamp'/><delay xmlns='urn:xmpp:delay'/></message>",
        "<message><subject/></message>",
    ]);
    alice.expect("<presence from='tea@muc.example/Bob'/>");
    w.finish();
}

#[test]
fn rooms_that_start_again_know_nobody() {
    let w = World::new();
    w.host("a.example", ()).rooms("muc.example");
    let alice = w.session("alice@a.example/phone");
    alice.joins("tea@muc.example/Alice");
    w.restart_rooms("muc.example");
    assert!(w.occupants("tea@muc.example").is_empty());
    alice.send("<message to='tea@muc.example' type='groupchat' id='m1'><body>hi</body></message>");
    alice.expect("<message from='tea@muc.example' type='error' id='m1'/>");
    w.finish();
}

#[test]
fn a_flow_is_drawn_as_a_sequence_diagram() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@b.example/x");
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m;1'><body>hi</body></message>"
    ));
    alice.expect("<message/>");
    bob.send("<message to='alice@a.example/gone' id='m2'><body>hi</body></message>");
    bob.expect("<message type='error'/>");
    assert_eq!(
        w.mermaid(),
        "sequenceDiagram
    participant p0 as alice@a.example/phone
    participant p1 as bob@b.example/x
    participant h0 as a.example
    participant h1 as b.example
    Note over h0: SessionBound
    p0->>h0: presence (priority)
    Note over h1: SessionBound
    p1->>h1: presence (priority)
    p1->>h1: chat message m#59;1 to alice@a.example/phone
    h1->>h0: chat message m#59;1
    h0->>p0: chat message m#59;1
    p1->>h1: message m2 to alice@a.example/gone
    h1->>h0: message m2
    Note over h0: Bounced(ServiceUnavailable)
    h0->>h1: error message m2 (error)
    h1->>p1: error message m2 (error)
"
    );
    w.finish();
}
