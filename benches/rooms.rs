//! What one message costs in a large room: 1,000 occupants, 5,000 registered
//! members of whom 4,000 are away, 500 targets to be notified.
//!
//! ```sh
//! cargo bench --bench rooms
//! ```
//!
//! Machines differ and are shared: compare rows of one run, not of two.

#[path = "parts/house.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod house;
#[path = "parts/room.rs"]
mod room;

use divan::{AllocProfiler, Bencher, black_box};
use room::{Size, room};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// What is measured.
const LARGE: Size = Size {
    occupants: 1_000,
    registered: 5_000,
    targets: 500,
};

const BODY: &str = "Shall we meet at the station, or would you rather come here first?";

/// The first message after the room has started: all 500 are notified.
#[divan::bench(sample_size = 1, sample_count = 200)]
fn first_message(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| {
            let room = room(LARGE);
            let said = room.said(BODY);
            (room, said)
        })
        .bench_local_values(|(mut room, said)| {
            let outcome = room.says(said);
            assert_eq!((room.host.sent(), outcome.emits.len()), (5_000, 500));
            (room, outcome)
        });
}

/// Any later one: forwarded to 4,000 who are away, and everybody knows.
#[divan::bench(sample_size = 1, sample_count = 200)]
fn later_message(bencher: Bencher<'_, '_>) {
    measure(bencher, LARGE, false);
}

/// The same when somebody has come or gone since the last.
#[divan::bench(sample_size = 1, sample_count = 200)]
fn after_a_change(bencher: Bencher<'_, '_>) {
    measure(bencher, LARGE, true);
}

/// The same in a room without members who are away, and without targets.
#[divan::bench(sample_size = 1, sample_count = 200)]
fn nobody_away(bencher: Bencher<'_, '_>) {
    let size = Size {
        registered: 1_000,
        targets: 0,
        ..LARGE
    };
    measure(bencher, size, false);
}

fn measure(bencher: Bencher<'_, '_>, size: Size, has_changed: bool) {
    bencher
        .with_inputs(|| {
            let mut room = room(size);
            let first = room.said(BODY);
            let _ = room.says(first);
            room.host.sent();
            if has_changed {
                room.changes();
            }
            let said = room.said(BODY);
            (room, said)
        })
        .bench_local_values(|(mut room, said)| {
            let outcome = room.says(said);
            assert_eq!(room.host.sent(), size.registered);
            black_box((room, outcome))
        });
}
