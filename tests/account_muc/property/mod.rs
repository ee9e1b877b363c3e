//! Whatever happens in whatever order, the sessions end up knowing what the
//! room knows: two accounts with three sessions each; a room that kicks, bans,
//! renames, shuts down and restarts; a server that crashes; sessions that come
//! and go; links that delay, bounce and lose.
//!
//! What must hold is checked from both ends: by clients that believe what they
//! are told, and by a [`Watch`] between the layer and the room. That each check
//! can fail is seen in `what_is_planted_is_noticed`.

mod client;
mod scene;
mod step;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tower_xmpp::testkit::WhileDown;

use scene::Scene;
use step::{Step, down, step};
use watch::Plant;

const ACCOUNTS: [&str; 2] = ["alice@a.example", "carol@a.example"];
const RESOURCES: [&str; 3] = ["phone", "desk", "pad"];
const NICKS: [&str; 3] = ["Ann", "Bea", "Cat"];

fn plays(seed: u64, steps: &[Step]) {
    plays_with(seed, steps, Plant::Nothing);
}

fn plays_with(seed: u64, steps: &[Step], plant: Plant) {
    let mut scene = Scene::new(seed, plant);
    for step in steps {
        scene.happens(*step);
    }
    scene.heals();
    scene.judge();
    scene.everybody_leaves();
    scene.w.abandon();
}

/// Found by the test below, each a way in which somebody did not learn who is
/// there, or who is not.
#[test]
fn what_once_went_wrong_goes_right() {
    use Step::*;
    let scenes: [&[Step]; 6] = [
        // A restarted room takes what the account shows for a join.
        &[Joins(0, 0), TimePasses(1), RoomsRestart, Shows(0)],
        // A change of nick that nobody ever answers.
        &[
            Joins(4, 0),
            TimePasses(1),
            Renames(4, 1),
            LinkBreaks(1, WhileDown::Lose),
            RoomsRestart,
        ],
        // A room that was not reached when the account left has it still,
        // under another nick.
        &[
            Joins(1, 1),
            Settles,
            Leaves(1),
            LinkBreaks(1, WhileDown::Bounce),
            Joins(0, 0),
        ],
        // The account gets a nick that somebody else had.
        &[
            Joins(3, 1),
            Joins(1, 2),
            RoomsRestart,
            TimePasses(1),
            Renames(1, 1),
            Settles,
            RoomsRestart,
        ],
        // What the room says of who leaves is lost.
        &[
            Joins(0, 0),
            Joins(3, 1),
            TimePasses(1),
            LinkBreaks(1, WhileDown::Lose),
            Leaves(3),
            BobKicks(1),
        ],
        // Presence in the belief to be in the room, after a kick.
        &[Joins(0, 0), Settles, BobKicks(0), Shows(0)],
    ];
    for scene in scenes {
        for seed in 0..5 {
            plays(seed, scene);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn in_the_end_every_session_knows_exactly_who_is_there(
        seed in any::<u64>(),
        steps in vec(step(), 1..40),
    ) {
        plays(seed, &steps);
    }

    /// Whoever was there hears nothing, however often the account comes back.
    #[test]
    fn a_seat_that_is_taken_again_where_nothing_has_changed_tells_nobody_anything(
        seed in any::<u64>(),
        joins in vec((0..6_usize, 0..3_usize), 1..6),
        breaks in vec((1..90_u64, down(), 30..1_200_u64), 1..5),
    ) {
        let mut scene = Scene::new(seed, Plant::Nothing);
        for (who, nick) in joins {
            scene.happens(Step::Joins(who, nick));
        }
        scene.happens(Step::TimePasses(120));
        scene.happens(Step::Settles);
        let joins = scene.joins_sent();
        for (seconds, down, later) in breaks {
            scene.happens(Step::LinkBreaks(seconds, down));
            scene.keeps_silent(Duration::from_secs(seconds + later));
        }
        assert!(scene.joins_sent() > joins, "nothing was lost");
        scene.judge();
        scene.w.abandon();
    }
}

/// Each check of the above can fail.
#[test]
fn what_is_planted_is_noticed() {
    use Step::*;
    let joined = [Joins(0, 0), Settles, Says(0), BobSays, Settles];
    let gone = [Joins(0, 0), Joins(3, 1), Settles, Leaves(3), Settles];
    plays(1, &joined);
    plays(1, &gone);
    for (plant, steps, noticed) in [
        (Plant::JoinsAsSession, joined, "a session joins"),
        (Plant::JoinsTwice, joined, "two joins are in flight"),
        (
            Plant::LetsErrorsThrough,
            joined,
            "an error goes to the room",
        ),
        (
            Plant::TellsEverybody,
            joined,
            "hears a room that it is not in",
        ),
        (
            Plant::HidesWhoLeaves,
            gone,
            "knows others than the room has",
        ),
        (Plant::NeverLeaves, joined, "has left and is there"),
    ] {
        let played = catch_unwind(AssertUnwindSafe(|| plays_with(1, &steps, plant)));
        let panic = played.expect_err("it is noticed");
        let said = panic.downcast_ref::<String>().expect("it says what");
        assert!(said.contains(noticed), "{plant:?}: {said}");
    }
}
