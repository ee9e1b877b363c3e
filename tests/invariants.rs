//! The invariants, over generated scenes; and that each check can fail.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::middleware::together;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::invariants::{Foreign, Invariant, Plant, Scene, Violation, hold};
use tower_xmpp::testkit::{World, slow, xml};

/// Set `SEED` to try other scenes. A failure prints it, with the smallest scene
/// that fails; the same seed leads to the same scene again.
fn seed() -> u64 {
    let Ok(given) = std::env::var("SEED") else {
        return 2026;
    };
    given
        .parse()
        .unwrap_or_else(|_| panic!("SEED={given} is not a number"))
}

/// All of them but one, which needs an archive outside whatever copies.
const WITHOUT_ARCHIVE: [Invariant; 4] = [
    Invariant::OnceEach,
    Invariant::NotToSender,
    Invariant::InOrder,
    Invariant::NoLoop,
];

/// Each kind of stack gets its share of 10,000 cases.
const CASES: u32 = 2_000;

fn archive(w: &World) -> ArchiveLayer {
    ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(w.entropy()))
}

/// Plays scenes in a world whose hosts `add` adds.
fn holds(invariants: &[Invariant], add: impl Fn(&World, &Scene, &str)) {
    let seed = seed();
    // Past the test harness, which hides what a test prints that succeeds.
    let line = format!("{CASES} scenes from SEED={seed}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    hold(seed, CASES, |scene| {
        let w = World::seeded(scene.seed);
        for domain in ["a.example", "b.example"] {
            add(&w, scene, domain);
        }
        scene.play(&w);
        let checked = w.check(invariants);
        w.abandon();
        checked
    });
}

#[test]
fn a_host_without_layers_keeps_what_does_not_need_them() {
    holds(&WITHOUT_ARCHIVE, |w, _, domain| {
        w.host(domain, ());
    });
}

#[test]
fn archive_alone_keeps_them_all() {
    holds(&Invariant::ALL, |w, _, domain| {
        w.host(domain, archive(w));
    });
}

#[test]
fn archive_outside_fork_keeps_them_all_with_slow_ports_in_between() {
    holds(&Invariant::ALL, |w, _, domain| {
        let between = slow("between", &w.slow(2));
        w.host(domain, (archive(w), between, ForkLayer::new()));
    });
}

#[test]
fn layers_that_are_asked_together_keep_them_all() {
    holds(&Invariant::ALL, |w, _, domain| {
        w.host(domain, together((archive(w), ForkLayer::new())));
    });
}

#[test]
fn fork_alone_or_outside_archive_keeps_all_but_the_archive_ids_in_copies() {
    holds(&WITHOUT_ARCHIVE, |w, scene, domain| {
        if scene.swapped {
            w.host(domain, (ForkLayer::new(), archive(w)));
        } else {
            w.host(domain, ForkLayer::new());
        }
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

/// What [`hold`] prints about hosts with this fault.
fn found(fault: Plant, seed: u64) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        hold(seed, 200, |scene| {
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
    text.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn generated_scenes_find_every_planted_fault_and_the_same_seed_finds_it_again() {
    for fault in [
        Plant::Twice,
        Plant::BackToSender,
        Plant::ForgedArchiveId,
        Plant::LeakedArchiveId,
        Plant::Overtaking,
        Plant::Loop,
    ] {
        let text = found(fault, seed());
        let seed = format!("found with SEED={}", seed());
        assert!(text.contains(&seed), "{fault:?}: {text}");
        assert!(text.contains("in Scene {"), "{fault:?}: {text}");
    }
    assert_eq!(found(Plant::Twice, 7), found(Plant::Twice, 7));
}

#[test]
fn the_scene_that_is_printed_is_the_smallest() {
    let text = found(Plant::Twice, seed());
    // One message, to one device, though scenes have up to twelve and six.
    assert_eq!(text.matches("Step {").count(), 1, "{text}");
    assert_eq!(text.matches("Device {").count(), 1, "{text}");
}
