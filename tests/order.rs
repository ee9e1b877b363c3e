//! The order promise, raced by a seeded scheduler: two stanzas from one sender
//! to one recipient never overtake each other, whatever waits on the way; and
//! what is slow for one account is slow for that account alone.

use std::sync::Arc;
use std::time::Duration;

use jid::BareJid;
use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::Stanza;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::invariants::Invariant;
use tower_xmpp::testkit::{Carbon, Session, Sessions, Slow, TroubledArchive, World, slow, xml};

const SEEDS: std::ops::Range<u64> = 0..200;

/// An archive in memory that takes its time.
fn slow_archive(slow: &Slow) -> TroubledArchive<MemoryArchive> {
    TroubledArchive::new(Arc::default()).slow(slow)
}

fn layer(w: &World, store: TroubledArchive<MemoryArchive>) -> ArchiveLayer {
    ArchiveLayer::new(Arc::new(store), Arc::new(w.entropy()))
}

/// Two hosts whose archives and an outer layer wait as often as chance says.
fn slow_world(seed: u64) -> World {
    let w = World::seeded(seed);
    for host in ["a.example", "b.example"] {
        let archive = layer(&w, slow_archive(&w.slow(3)));
        w.host(host, (slow("outer", &w.slow(3)), archive, ForkLayer::new()));
    }
    w
}

#[test]
fn nothing_overtakes_and_nothing_is_lost_between_sessions() {
    for seed in SEEDS {
        let w = slow_world(seed);
        let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
        let bob = w.session("bob@a.example/x");
        let carol = w.session("carol@b.example/y");
        let all = [&phone, &desk, &bob, &carol];
        let mut number = 0;
        for _ in 0..4 {
            for sender in [&phone, &bob, &carol] {
                for to in ["alice@a.example", "bob@a.example", "carol@b.example"] {
                    number += 1;
                    sender.send(xml!(
                        "<message to='{to}' type='chat' id='m{number}'><body>hi</body></message>"
                    ));
                }
            }
        }
        w.settle();
        let got: usize = all.iter().map(|session| session.take_all().len()).sum();
        // To Alice, 12: both her sessions have them all. To Bob and Carol, 12
        // each; of Alice's 8 among these her other session has a copy.
        assert_eq!(got, 12 * 2 + 12 + 12 + 8, "seed {seed}");
        w.check(&Invariant::ALL)
            .unwrap_or_else(|violation| panic!("{violation}, seed {seed}"));
        w.finish();
    }
}

#[test]
fn a_link_that_breaks_on_the_way_changes_no_order() {
    for seed in SEEDS {
        let w = slow_world(seed);
        let alice = w.session("alice@a.example/phone");
        let carol = w.session("carol@b.example/y");
        for number in 0..8 {
            if number == 3 {
                w.cut("a.example", "b.example", Duration::from_secs(30));
            }
            alice.send(xml!(
                "<message to='{carol}' type='chat' id='m{number}'><body>hi</body></message>"
            ));
        }
        w.advance(Duration::from_secs(30));
        for number in 0..8 {
            carol.expect(xml!("<message id='m{number}'/>"));
        }
        w.finish();
    }
}

/// The ids of what the room said, as this session got it.
fn said(session: &Session) -> Vec<String> {
    let said = |stanza: &Stanza| stanza.has_body().then(|| stanza.id().map(str::to_owned));
    session
        .take_all()
        .iter()
        .filter_map(said)
        .flatten()
        .collect()
}

#[test]
fn everybody_in_a_room_hears_the_same_in_the_same_order_from_their_join_on() {
    for seed in SEEDS {
        let w = slow_world(seed);
        w.host("muc.example", slow("room", &w.slow(3)))
            .rooms("muc.example");
        let alice = w.session("alice@a.example/phone");
        let bob = w.session("bob@a.example/x");
        let carol = w.session("carol@b.example/y");
        alice.joins("tea@muc.example/Alice");
        bob.joins("tea@muc.example/Bob");
        alice.take_all();
        for number in 0..8 {
            for sender in [&alice, &bob] {
                sender.send(xml!(
                    "<message to='tea@muc.example' type='groupchat' id='{}-{number}'>\
                     <body>hi</body></message>",
                    sender.account()
                ));
            }
        }
        // Enters somewhere among these.
        carol.send(
            "<presence to='tea@muc.example/Carol'>\
             <x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='3'/></x></presence>",
        );
        w.settle();
        let all = said(&alice);
        assert_eq!(all.len(), 16, "seed {seed}");
        assert_eq!(said(&bob), all, "seed {seed}");
        let late = said(&carol);
        assert!(all.ends_with(&late), "seed {seed}: {late:?} of {all:?}");
        assert!(late.len() >= 3, "seed {seed}: {late:?} of {all:?}");
        w.check(&Invariant::ALL)
            .unwrap_or_else(|violation| panic!("{violation}, seed {seed}"));
        w.finish();
    }
}

#[test]
fn a_slow_store_delays_its_own_account_alone() {
    let w = World::new();
    let store = slow_archive(&w.delayed(Duration::from_secs(20)));
    let alice: BareJid = "alice@a.example".parse().expect("a bare JID");
    let archive = layer(&w, store.only_for(alice));
    w.host("a.example", (archive, ForkLayer::new()));
    let [alice, bob, carol] = [
        "alice@a.example/phone",
        "bob@a.example/x",
        "carol@a.example/y",
    ]
    .map(|jid| w.session(jid));
    for to in [&alice, &bob] {
        carol.send(xml!(
            "<message to='{to}' type='chat' id='1'><body>hi</body></message>"
        ));
        carol.send(xml!(
            "<message to='{to}' type='chat' id='2'><body>hi</body></message>"
        ));
    }
    bob.expect("<message id='1'/>");
    bob.expect("<message id='2'/>");
    alice.expect_nothing();
    w.advance(Duration::from_secs(20));
    alice.expect("<message id='1'/>");
    alice.expect_nothing();
    w.advance(Duration::from_secs(20));
    alice.expect("<message id='2'/>");
    w.finish();
}

#[test]
fn what_a_session_sends_waits_for_what_it_sent_before_and_its_copies_too() {
    let w = World::new();
    let store = slow_archive(&w.delayed(Duration::from_secs(20)));
    let alice: BareJid = "alice@a.example".parse().expect("a bare JID");
    let archive = layer(&w, store.only_for(alice));
    w.host("a.example", (archive, ForkLayer::new()));
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = w.session("bob@a.example/x");
    phone.send(xml!(
        "<message to='{bob}' type='chat' id='1'><body>hi</body></message>"
    ));
    phone.send(xml!(
        "<message to='{bob}' type='headline' id='2'><body>hi</body></message>"
    ));
    bob.expect_nothing();
    w.advance(Duration::from_secs(20));
    bob.expect("<message id='1'/>");
    bob.expect("<message id='2'/>");
    desk.expect_carbon(Carbon::Sent, "<message id='1'/>");
    w.finish();
}
