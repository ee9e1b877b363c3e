//! The invariants, over generated scenes; and that each check can fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tower_xmpp::testkit::invariants::{Foreign, Invariant, Plant, Violation, hold};
use tower_xmpp::testkit::{World, xml};

/// Set `SEED` to try other scenes; a failure prints it.
fn seed() -> u64 {
    let given = std::env::var("SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(2026)
}

#[test]
fn a_host_without_layers_keeps_what_does_not_need_them() {
    hold(seed(), 10_000, |scene| {
        let w = World::seeded(scene.seed);
        w.host("a.example", ()).host("b.example", ());
        scene.play(&w);
        let checked = w.check(&[
            Invariant::OnceEach,
            Invariant::NotToSender,
            Invariant::InOrder,
            Invariant::NoLoop,
        ]);
        w.abandon();
        checked
    });
}

/// One account with two sessions, and one that writes to it, on another host.
fn planted(fault: Plant) -> Result<(), Violation> {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let bob = w.session("bob@b.example/x");
    let alice = phone.account();
    w.plant(fault);
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>1</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='carol@c.example' id='forged'/></message>"
    ));
    bob.send(xml!(
        "<message to='{desk}' type='chat' id='m2'><body>2</body></message>"
    ));
    w.settle();
    let checked = w.check(&Invariant::ALL);
    w.abandon();
    checked
}

#[test]
fn a_message_that_comes_twice_is_found() {
    let violation = planted(Plant::Twice).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "alice@a.example/phone got message m1 twice"
    );
}

#[test]
fn a_message_that_comes_back_is_found() {
    let violation = planted(Plant::BackToSender).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "message m1 came back to bob@b.example/x, which sent it"
    );
}

#[test]
fn an_archive_id_of_somebody_else_is_found() {
    for (fault, expected) in [
        (Plant::ForgedArchiveId, Foreign::Forged),
        (Plant::LeakedArchiveId, Foreign::Leaked),
    ] {
        match planted(fault) {
            Err(Violation::ForeignArchiveId { why, .. }) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_that_is_overtaken_is_found() {
    let violation = planted(Plant::Overtaking).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "alice@a.example/desk got message m1 after m2, which was sent later"
    );
}

#[test]
fn a_loop_is_found() {
    let violation = planted(Plant::Loop).unwrap_err();
    assert!(matches!(violation, Violation::Loop { .. }), "{violation}");
}

#[test]
fn generated_scenes_find_every_planted_fault_and_print_the_seed() {
    for fault in [
        Plant::Twice,
        Plant::BackToSender,
        Plant::ForgedArchiveId,
        Plant::LeakedArchiveId,
        Plant::Overtaking,
        Plant::Loop,
    ] {
        let panic = catch_unwind(AssertUnwindSafe(|| {
            hold(seed(), 1_000, |scene| {
                let w = World::seeded(scene.seed);
                w.host("a.example", ()).host("b.example", ());
                w.plant(fault);
                scene.play(&w);
                let checked = w.check(&Invariant::ALL);
                w.abandon();
                checked
            });
        }));
        let text = panic.expect_err("the fault is found");
        let text = text.downcast_ref::<String>().expect("a text");
        assert!(text.contains("found with seed"), "{fault:?}: {text}");
    }
}
