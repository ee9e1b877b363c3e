//! What an account's seat in a room costs: `cargo bench --bench stack -- account_muc`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use divan::{Bencher, black_box};
use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::flow::{Envelope, Original, Outcome, Reach};

use super::{now, seats};

/// A bottom that hands a stanza to each session of the reach, as the router does.
#[derive(Clone)]
struct Handing;

impl Service<Envelope> for Handing {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Ready<Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, envelope: Envelope) -> Self::Future {
        let sessions = match &envelope.facts.reach {
            Reach::Only(sessions) => sessions.clone(),
            _ => [].into(),
        };
        for _ in sessions.iter() {
            black_box(envelope.as_stanza().cloned());
        }
        ready(Ok(Outcome::of(Original::Delivered(sessions))))
    }
}

/// Groupchat from the room to each session of the account.
#[divan::bench(args = [1, 3, 10], sample_size = 100)]
fn dispatch_to_sessions(bencher: Bencher<'_, '_>, sessions: usize) {
    let layer = seats::layer();
    seats::seated(&layer, "alice", sessions, 0);
    let mut stack = layer.layer(Handing);
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            seats::said("alice", number)
        })
        .bench_local_values(|envelope| now(stack.call(envelope)));
}

/// Fifty accounts of a server join a room of fifty. What is allocated and not
/// freed is what fifty seats weigh.
#[divan::bench(sample_size = 1, sample_count = 5)]
fn fifty_seats_in_a_room_of_fifty(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(seats::layer).bench_local_refs(|layer| {
        for account in 0..50 {
            seats::seated(layer, &format!("alice{account}"), 1, 50);
        }
    });
}
