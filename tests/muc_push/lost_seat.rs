//! The account's side over a keeper of seats that lost one without a word.

use std::convert::Infallible;
use std::sync::Arc;

use futures::executor::block_on;
use jid::BareJid;
use tower::{Layer, Service, service_fn};
use tower_xmpp::flow::{Envelope, Original, Outcome, Route};
use tower_xmpp::muc_push::{MucPushAccountLayer, Target, Targets};
use tower_xmpp::stanza::{Condition, Stanza, Time};
use tower_xmpp::store::MemoryTargets;

use super::house::ROOM;
use super::town::{Sits, notification};

#[test]
fn a_lost_seat_is_forgotten_by_both_sides_with_the_next_notification() {
    let room: BareJid = ROOM.parse().unwrap();
    let alice: BareJid = "alice@a.example".parse().unwrap();
    let store = Arc::new(MemoryTargets::default());
    let kept = Target {
        room: room.clone(),
        account: alice.clone(),
        jid: alice.clone().into(),
        node: Some("n".to_owned()),
        options: None,
    };
    block_on(store.put(kept)).unwrap();
    let entropy = Arc::new(|_: &mut [u8]| {});
    let layer = MucPushAccountLayer::open(store.clone(), entropy, Arc::new(Sits(false)));
    let bottom = |_: Envelope| async { Ok::<_, Infallible>(Outcome::of(Original::Routed)) };
    let mut stack = block_on(layer).unwrap().layer(service_fn(bottom));
    let asked = notification("alice@a.example", "n");
    let asked = Stanza::parse(asked.as_bytes()).unwrap().with_from(room);
    let asked = Envelope::stanza(Time::EPOCH, Route::ToAccount(alice), asked);
    let Ok(outcome) = block_on(stack.call(asked));
    // With which the room forgets it (rule 8).
    assert_eq!(outcome.original, Original::Bounced(Condition::ItemNotFound));
    assert!(block_on(store.all()).unwrap().is_empty());
}
