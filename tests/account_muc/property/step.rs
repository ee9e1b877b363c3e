//! What happens in a scene.

use proptest::prelude::*;
use tower_xmpp::testkit::WhileDown;

/// Something happens. Numbers choose a session, or a nick, by their remainder.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Joins(usize, usize),
    Leaves(usize),
    Renames(usize, usize),
    Shows(usize),
    Says(usize),
    IsUnavailable(usize),
    Closes(usize),
    Hibernates(usize),
    ComesBack(usize),
    /// By MUC2-PAM.
    JoinsByRequest(usize, usize),
    /// The same, with the whole account.
    Parts(usize),
    BobSays,
    BobKicks(usize),
    /// Takes another nick.
    BobRenames(usize),
    /// Bob leaves, or comes back.
    BobLeaves,
    BobComes,
    /// Ends the room; whoever joins makes another.
    BobDestroys,
    /// Makes an account an outcast, or nothing special.
    BobAffiliates(usize, bool),
    RoomsRestart,
    RoomsShutDown,
    /// The accounts' server, which keeps its seats.
    ServerCrashes,
    /// A client answers what it got with an error.
    Errs(usize),
    LinkBreaks(u64, WhileDown),
    TimePasses(u64),
    Settles,
}

/// What becomes of what is sent meanwhile.
pub fn down() -> impl Strategy<Value = WhileDown> {
    prop_oneof![
        Just(WhileDown::Wait),
        Just(WhileDown::Bounce),
        Just(WhileDown::Lose)
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let session = 0..6_usize;
    let nick = 0..3_usize;
    prop_oneof![
        6 => (session.clone(), nick.clone()).prop_map(|(s, n)| Step::Joins(s, n)),
        3 => session.clone().prop_map(Step::Leaves),
        2 => (session.clone(), nick.clone()).prop_map(|(s, n)| Step::Renames(s, n)),
        1 => session.clone().prop_map(Step::Shows),
        2 => session.clone().prop_map(Step::Says),
        1 => session.clone().prop_map(Step::IsUnavailable),
        1 => session.clone().prop_map(Step::Closes),
        1 => session.clone().prop_map(Step::Hibernates),
        2 => session.clone().prop_map(Step::ComesBack),
        2 => (session.clone(), nick.clone()).prop_map(|(s, n)| Step::JoinsByRequest(s, n)),
        1 => session.clone().prop_map(Step::Parts),
        1 => (0..2_usize).prop_map(Step::BobRenames),
        1 => Just(Step::BobLeaves),
        1 => Just(Step::BobComes),
        1 => Just(Step::BobDestroys),
        2 => Just(Step::BobSays),
        1 => nick.prop_map(Step::BobKicks),
        1 => (0..2_usize, any::<bool>()).prop_map(|(a, b)| Step::BobAffiliates(a, b)),
        1 => Just(Step::RoomsRestart),
        1 => Just(Step::RoomsShutDown),
        1 => Just(Step::ServerCrashes),
        1 => (0..6_usize).prop_map(Step::Errs),
        1 => (1..90_u64, down()).prop_map(|(s, d)| Step::LinkBreaks(s, d)),
        1 => (1..120_u64).prop_map(Step::TimePasses),
        3 => Just(Step::Settles),
    ]
}
