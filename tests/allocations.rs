//! What must not cost an allocation (`allocation-counter` is this binary's
//! allocator), through the stack that is measured in `benches/`.

#[path = "../benches/parts/house.rs"]
#[allow(dead_code, reason = "the benches use the rest")]
mod house;
#[path = "../benches/parts/room.rs"]
mod room;
#[path = "../benches/parts/seats.rs"]
mod seats;

use allocation_counter::measure;
use futures::FutureExt;
use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::stanza::Stanza;

#[test]
fn what_concerns_nobody_passes_five_layers_without_an_allocation() {
    let mut stack = house::five_layers(house::Nowhere);
    for kind in house::UNCONCERNED {
        let envelope = house::unconcerned(kind);
        let spent = measure(|| {
            let outcome = stack.call(envelope).now_or_never();
            assert!(outcome.is_some_and(|outcome| outcome.is_ok()), "{kind}");
        });
        assert_eq!(spent.count_total, 0, "{kind}: {spent:?}");
    }
}

/// What the last of so many copies of a message of this weight costs.
fn last_copy(copies: usize, body: usize) -> (u64, u64) {
    let [fewer, more] = [copies - 1, copies].map(|copies| {
        let sessions = house::sessions(copies + 1);
        let bottom = house::OneSession(sessions[0].clone());
        let mut stack = house::carbons(&sessions, bottom);
        let message = format!(
            "<message from='bob@b.example/x' to='alice7@a.example' type='chat' id='m1'>\
             <body>{}</body></message>",
            "x".repeat(body)
        );
        let stanza = Stanza::parse(message.as_bytes()).expect("XML");
        let envelope = house::inward(stanza);
        // What a thread needs once is there when it counts.
        assert!(stack.call(envelope.clone()).now_or_never().is_some());
        measure(|| {
            let outcome = stack.call(envelope).now_or_never();
            let outcome = outcome.expect("nothing waits").expect("nothing breaks");
            assert_eq!(outcome.emits.len(), copies);
        })
    });
    let bytes = more.bytes_total - fewer.bytes_total;
    (more.count_total - fewer.count_total, bytes)
}

#[test]
fn all_copies_of_a_message_share_one_body() {
    // Not at a power of two, where the list of what is sent grows.
    for copies in [3, 7, 11] {
        let (light, heavy) = (last_copy(copies, 10), last_copy(copies, 30_000));
        assert_eq!(light, heavy, "copy {copies}: allocations and bytes");
        assert!(light.1 < 1_000, "copy {copies}: {light:?}");
    }
}

/// What a room says to the last of so many accounts, each with so many sessions
/// in it, when the others have heard it.
fn dispatched(accounts: usize, sessions: usize) -> u64 {
    let layer = seats::layer();
    let accounts: Vec<_> = (0..accounts).map(|it| format!("alice{it}")).collect();
    let mut stack = layer.layer(house::Nowhere);
    for account in &accounts {
        seats::seated(&layer, account, sessions, 50);
    }
    let mut spent = Vec::new();
    for number in 0..131 {
        let counts = accounts.iter().map(|account| {
            let said = seats::said(account, number);
            let spent = measure(|| {
                let outcome = stack.call(said).now_or_never().expect("nothing waits");
                assert!(outcome.expect("nothing breaks").emits.is_empty());
            });
            spent.count_total
        });
        spent.extend(counts.last());
    }
    // Since when the history is full, and its oldest goes. Now and then a table
    // makes room, at moments that hang on its hasher: the most frequent figure is
    // that of a message.
    let spent = &mut spent[100..];
    spent.sort_unstable();
    spent[spent.len() / 2]
}

#[test]
fn what_a_room_says_costs_the_place_where_it_is_kept_and_the_next_account_nothing() {
    for sessions in [1, 3, 10] {
        assert_eq!(dispatched(1, sessions), 2, "{sessions} sessions");
        assert_eq!(dispatched(2, sessions), 0, "{sessions} sessions");
    }
}

/// What each of so many accounts in a room of fifty weighs that has heard so
/// many messages there, when all has come to rest.
fn weight_of_a_seat(accounts: usize, messages: usize) -> i64 {
    let layer = seats::layer();
    let mut stack = layer.layer(house::Nowhere);
    let weighed = measure(|| {
        for number in 0..accounts {
            seats::seated(&layer, &format!("alice{number}"), 1, 50);
        }
        for message in 0..messages {
            for number in 0..accounts {
                let said = seats::said(&format!("alice{number}"), message);
                assert!(stack.call(said).now_or_never().is_some());
            }
        }
        for _ in 0..20 {
            seats::tick(&layer);
        }
    });
    weighed.bytes_current / i64::try_from(accounts).expect("a few")
}

#[test]
fn a_seat_among_fifty_weighs_less_than_4_kb_where_accounts_share_the_room() {
    let shared = weight_of_a_seat(50, 0);
    assert!(shared <= 4_096, "{shared} bytes");
    // Nearly all that an account has for itself are pointers; alone, it keeps
    // everybody's presence.
    let alone = weight_of_a_seat(1, 0);
    assert!(alone > 50 * 400, "{alone} bytes");
}

#[test]
fn a_full_history_weighs_pointers_and_times_where_accounts_share_the_room() {
    // Longer than any history: the oldest has gone.
    let [empty, full] = [0, 120].map(|messages| weight_of_a_seat(50, messages));
    assert!(full <= 4_096, "{full} bytes");
    assert!(full - empty <= 50 * 20, "{empty} and {full} bytes");
    let [empty, full] = [0, 120].map(|messages| weight_of_a_seat(1, messages));
    assert!(full - empty > 50 * 400, "{empty} and {full} bytes");
}

/// What the first tick costs at which nothing is due, with so many seats.
fn idle_tick(accounts: usize) -> u64 {
    let layer = seats::layer();
    for number in 0..accounts {
        seats::seated(&layer, &format!("alice{number}"), 1, 0);
    }
    seats::tick(&layer);
    measure(|| seats::tick(&layer)).count_total
}

#[test]
fn a_tick_looks_at_no_seat_where_nothing_is_due() {
    assert_eq!(idle_tick(3), idle_tick(300));
}

#[test]
fn the_counter_counts() {
    let spent = measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(spent.count_total, 1);
}

/// What a message costs a room with so many members who are away, when
/// nothing has changed since the last.
fn broadcast(away: usize, body: usize) -> (u64, u64) {
    let mut room = room::room(room::Size {
        occupants: 10,
        registered: 10 + away,
        targets: 10,
    });
    let first = room.said("first");
    let _ = room.says(first);
    room.host.sent();
    let said = room.said(&"x".repeat(body));
    let spent = measure(|| {
        let outcome = room.says(said);
        assert!(outcome.emits.is_empty(), "who is notified knows");
    });
    assert_eq!(room.host.sent(), 10 + away);
    (spent.count_total, spent.bytes_total)
}

#[test]
fn a_copy_for_who_is_away_costs_two_allocations_at_most_and_no_body() {
    let (fewer, more) = (broadcast(100, 10), broadcast(1_100, 10));
    let (count, bytes) = (more.0 - fewer.0, more.1 - fewer.1);
    assert!(count <= 2 * 1_000, "{count} allocations for 1,000 copies");
    assert!(bytes < 1_000 * 1_000, "{bytes} bytes for 1,000 copies");
    // Ten thousand times as long, and the copies weigh the same.
    let (fewer, more) = (broadcast(100, 100_000), broadcast(1_100, 100_000));
    assert_eq!(more.1 - fewer.1, bytes);
}

/// What the first message after a start costs a room with so many to notify.
fn notifications(targets: usize) -> u64 {
    let mut room = room::room(room::Size {
        occupants: 10,
        registered: 1_500,
        targets,
    });
    let said = room.said("first");
    let spent = measure(|| {
        let outcome = room.says(said);
        assert_eq!(outcome.emits.len(), targets);
    });
    spent.count_total
}

#[test]
fn a_notification_costs_thirteen_allocations_at_most() {
    let count = notifications(1_100) - notifications(100);
    // And lists that grow.
    assert!(count <= 13_010, "{count} allocations for 1,000");
}

/// What a message costs when somebody has come or gone since the last.
fn after_a_change(away: usize) -> u64 {
    let mut room = room::room(room::Size {
        occupants: 10,
        registered: 10 + away,
        targets: 0,
    });
    let first = room.said("first");
    let _ = room.says(first);
    room.changes();
    let said = room.said("second");
    let spent = measure(|| drop(room.says(said)));
    assert_eq!(room.host.sent(), 2 * (10 + away));
    spent.count_total
}

#[test]
fn who_is_away_is_worked_out_anew_without_a_copy_of_any_address() {
    // The copies themselves, and a list of places that grows.
    let count = after_a_change(1_100) - after_a_change(100);
    assert!(count <= 1_010, "{count} allocations for 1,000");
}
