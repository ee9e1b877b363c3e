//! Hosts, the links between them, their rooms, and their crashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use jid::{BareJid, FullJid};
use tower_xmpp::archive::{ArchiveLayer, ArchiveStore, Page};
use tower_xmpp::flow::{Emit, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::middleware::from_fn;
use tower_xmpp::stanza::{Element, Kind, Stanza, Type};
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::{Carbon, WhileDown, World, xml};

use super::hearing::Hearing;
use super::{assert_has, failure};

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
fn an_answer_of_a_room_to_an_account_of_its_own_host_comes_through_the_stack() {
    let w = World::new();
    let answered = Arc::new(AtomicUsize::new(0));
    let seen = answered.clone();
    // Whatever is said to Alice's account, it pings a room, in its own name.
    let asks = from_fn("asks", move |envelope, next| {
        let account = "alice@a.example".parse::<BareJid>().unwrap();
        let is_inward = matches!(envelope.route, Route::ToAccount(_));
        let (is_answer, is_message) = envelope.as_stanza().map_or((false, false), |stanza| {
            (stanza.is_response(), stanza.kind() == Kind::Message)
        });
        if is_inward && is_answer {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        let ping = (is_inward && is_message).then(|| {
            let ping = Stanza::iq(Type::Get, "p1")
                .with_from(account.clone())
                .with_to("tea@muc.example/Alice".parse::<FullJid>().unwrap())
                .with_child(Element::new("ping", "urn:xmpp:ping"));
            Emit::new_at(Route::FromAccount(account), ping)
        });
        async move {
            let mut outcome = next.run(envelope).await?;
            outcome.emits.extend(ping);
            Ok(outcome)
        }
    });
    w.host("a.example", asks);
    w.rooms_with("a.example", "muc.example", Settings::default());
    let phone = w.session("alice@a.example/phone");
    phone.send("<message to='alice@a.example' id='m1'/>");
    phone.expect("<message id='m1'/>");
    // Although the question is the layer's own work, the answer is not.
    assert_eq!(answered.load(Ordering::SeqCst), 1);
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
fn rooms_that_shut_down_say_so_and_are_there_for_who_joins_again() {
    let w = World::new();
    w.host("a.example", ()).rooms("muc.example");
    let alice = w.session("alice@a.example/phone");
    alice.joins("room@muc.example/Alice");
    w.shut_down_rooms("muc.example");
    alice.expect(
        "<presence from='room@muc.example/Alice' type='unavailable'>\
         <x xmlns='http://jabber.org/protocol/muc#user'><status code='332'/></x></presence>",
    );
    assert!(w.occupants("room@muc.example").is_empty());
    alice.joins("room@muc.example/Alice");
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

#[test]
fn layers_hear_that_a_link_is_lost_and_back() {
    let (here, there) = (Hearing::default(), Hearing::default());
    let w = World::new();
    w.host("a.example", here.layer());
    w.host("b.example", there.layer());
    w.host("c.example", ());
    w.cut("a.example", "b.example", Duration::from_secs(3));
    w.advance(Duration::from_secs(4));
    assert_eq!(
        here.heard(),
        ["link lost: b.example", "link back: b.example"]
    );
    assert_eq!(
        there.heard(),
        ["link lost: a.example", "link back: a.example"]
    );
    w.finish();
}

#[test]
fn a_host_that_crashes_starts_again_from_what_its_ports_kept() {
    let store = Arc::new(MemoryArchive::default());
    let hearing = Hearing::default();
    let w = World::new();
    let layers = || {
        let archive = ArchiveLayer::new(store.clone(), Arc::new(w.entropy()));
        (hearing.layer(), archive, ForkLayer::new())
    };
    w.host("a.example", layers());
    w.host("b.example", ());
    let phone = w.session("alice@a.example/phone");
    let desk = w.session("alice@a.example/desk").carbons();
    let bob = w.session("bob@b.example/x");
    let message =
        |id| xml!("<message to='{phone}' type='chat' id='{id}'><body>hi</body></message>");
    bob.send(message("m1"));
    phone.expect("<message id='m1'><stanza-id xmlns='urn:xmpp:sid:0'/></message>");
    desk.expect_carbon(Carbon::Received, "<message id='m1'/>");

    // What it had not delivered is gone; what is sent meanwhile waits.
    phone.stop_reading(10);
    bob.send(message("lost"));
    desk.expect_carbon(Carbon::Received, "<message id='lost'/>");
    hearing.heard();
    w.crash("a.example");
    bob.send(message("m2"));
    w.advance(Duration::from_secs(60));
    assert!(hearing.heard().is_empty(), "a crash is told to nobody");

    w.start_again("a.example", layers());
    // Nobody was there for it, and the archive has it.
    bob.expect_nothing();
    let alice = phone.account();
    let kept = block_on(store.page(&alice, Page::oldest(10))).expect("memory does not fail");
    let kept: Vec<_> = kept
        .iter()
        .map(|entry| entry.row.message_id.as_deref())
        .collect();
    assert_eq!(kept, [Some("m1"), Some("lost"), Some("m2")]);
    phone.binds_anew(&[]);
    desk.binds_anew(&[]);
    bob.send(message("m3"));
    phone.expect("<message id='m3'><stanza-id xmlns='urn:xmpp:sid:0'/></message>");
    desk.expect_nothing();
    assert_eq!(
        hearing.heard(),
        [
            "bound: alice@a.example/phone with []",
            "bound: alice@a.example/desk with []"
        ]
    );
    w.finish();
}

#[test]
fn the_rooms_of_a_host_that_crashed_know_nobody_and_are_joined_anew() {
    let w = World::new();
    w.host("a.example", ()).rooms("muc.example");
    let alice = w.session("alice@a.example/phone");
    alice.joins("tea@muc.example/Alice");
    w.crash("muc.example");
    w.start_again("muc.example", ());
    assert!(w.occupants("tea@muc.example").is_empty());
    alice.joins("tea@muc.example/Alice");
    assert_eq!(w.occupants("tea@muc.example").len(), 1);
    w.finish();
}

#[test]
fn nobody_binds_at_a_host_that_is_down() {
    let text = failure(|| {
        let w = World::new();
        w.host("a.example", ());
        w.crash("a.example");
        w.session("alice@a.example/phone");
    });
    assert_has(
        &text,
        &["alice@a.example/phone cannot be bound: a.example is down"],
    );
}

#[test]
fn hosts_that_crash_together_are_linked_when_both_are_back() {
    let w = World::new();
    w.host("a.example", ())
        .host("b.example", ())
        .host("c.example", ());
    w.crash("a.example").crash("b.example");
    let carol = w.session("carol@c.example/x");
    carol.send("<message to='bob@b.example/x' id='m1'/>");
    w.start_again("a.example", ());
    carol.expect_nothing();
    let alice = w.session("alice@a.example/x");
    alice.send("<message to='bob@b.example/x' id='m2'/>");
    w.start_again("b.example", ());
    // Bob is not back yet.
    carol.expect("<message type='error' id='m1'/>");
    alice.expect("<message type='error' id='m2'/>");
    w.finish();
}
