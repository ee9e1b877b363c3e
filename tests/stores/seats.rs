//! Seats in a file: the contract, and what only a file can suffer.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use tower_xmpp::account_muc::{Seat, SeatError, SeatStore};
use tower_xmpp::store::{SqliteError, SqliteSeats, contract};

use super::running::Folder;

/// The store, whose worker ends with it.
fn started(file: &Path) -> SqliteSeats {
    let (seats, worker) = SqliteSeats::open(file).expect("the file can be opened");
    std::thread::spawn(move || worker.run());
    seats
}

fn seat(number: usize) -> Seat {
    let occupant = format!("r{number}@muc.example/Alice").parse().unwrap();
    Seat::new("alice@a.example".parse().unwrap(), occupant)
}

#[test]
fn seats_in_a_file_keep_the_contract() {
    let folder = Folder::new();
    let mut number = 0;
    block_on(contract::seats(|| {
        number += 1;
        let store = started(&folder.file(&number.to_string()));
        async move { store }
    }));
}

#[test]
fn a_seat_that_was_put_when_the_process_died_is_there() {
    let folder = Folder::new();
    let file = folder.file("seats");
    let store = started(&file);
    for number in 0..3 {
        block_on(store.put(seat(number))).expect("it is put");
    }
    // What a killed process leaves behind: the file and its log as they are.
    let left = folder.file("left");
    for ending in ["", "-wal"] {
        let from = format!("{}{ending}", file.display());
        fs::copy(from, format!("{}{ending}", left.display())).expect("it is copied");
    }
    let found = block_on(started(&left).list()).expect("it can be read");
    assert_eq!(found, [seat(0), seat(1), seat(2)]);
}

#[test]
fn writers_at_once_lose_nothing() {
    let folder = Folder::new();
    let store = Arc::new(started(&folder.file("seats")));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let store = store.clone();
            std::thread::spawn(move || {
                for number in 0..10 {
                    block_on(store.put(seat(thread * 10 + number))).expect("it is put");
                    if number % 2 == 1 {
                        let gone = seat(thread * 10 + number);
                        block_on(store.remove(&gone.account, &gone.room())).expect("it goes");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    assert_eq!(block_on(store.list()).expect("it can be read").len(), 20);
}

#[test]
fn a_full_disk_refuses_a_seat_and_keeps_the_others() {
    let folder = Folder::new();
    let file = folder.file("seats");
    let (store, worker) = SqliteSeats::open_within(&file, Some(96 * 1024)).expect("it opens");
    std::thread::spawn(move || worker.run());
    let mut kept = 0;
    let refused = loop {
        let mut large = seat(kept);
        large.password = Some("x".repeat(8 * 1024));
        match block_on(store.put(large)) {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
        assert!(kept < 100, "96 KiB hold no 100 seats of 8 KiB");
    };
    let SeatError::Store(source) = refused else {
        panic!("{refused}");
    };
    assert_eq!(source.downcast_ref(), Some(&SqliteError::DiskFull));
    let found = block_on(store.list()).expect("it can be read");
    assert_eq!(found.len(), kept);
    block_on(store.remove(&found[0].account, &found[0].room())).expect("it goes");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    let file = folder.file("seats");
    fs::write(
        &file,
        "not a database, but long enough for a header. ".repeat(50),
    )
    .expect("it is written");
    let refused = SqliteSeats::open(&file).expect_err("it is damaged");
    assert_eq!(refused, SqliteError::Damaged);
}

#[test]
fn a_file_that_was_cut_off_is_refused_and_not_taken_for_an_empty_one() {
    let folder = Folder::new();
    let file = folder.file("seats");
    let store = started(&file);
    for number in 0..200 {
        block_on(store.put(seat(number))).expect("it is put");
    }
    drop(store);
    // The worker may still be about to let go of the file.
    let wal = format!("{}-wal", file.display());
    while Path::new(&wal).exists() {
        std::thread::yield_now();
    }
    let whole = fs::read(&file).expect("it is there");
    for (name, length) in [("half", whole.len() / 2), ("page", 4_096), ("head", 60)] {
        let cut = folder.file(name);
        fs::write(&cut, &whole[..length]).expect("it is written");
        // Said at once, or when the seats are read: before anything is served.
        let said = match SqliteSeats::open(&cut) {
            Err(said) => Some(said),
            Ok((store, worker)) => {
                std::thread::spawn(move || worker.run());
                match block_on(store.list()) {
                    Err(SeatError::Store(said)) => said.downcast_ref().cloned(),
                    _ => None,
                }
            }
        };
        assert_eq!(said, Some(SqliteError::Damaged), "{name}");
    }
}

#[test]
fn of_a_log_that_was_cut_off_what_is_whole_is_there() {
    let folder = Folder::new();
    let file = folder.file("seats");
    let store = started(&file);
    for number in 0..40 {
        block_on(store.put(seat(number))).expect("it is put");
    }
    let left = folder.file("left");
    let log = fs::read(format!("{}-wal", file.display())).expect("the log is there");
    fs::copy(&file, &left).expect("it is copied");
    fs::write(format!("{}-wal", left.display()), &log[..log.len() / 2]).expect("it is written");
    let found = block_on(started(&left).list()).expect("it can be read");
    // Those that were put first, none of them halved.
    assert!((1..40).contains(&found.len()), "{}", found.len());
    for kept in &found {
        assert_eq!(kept.account.as_str(), "alice@a.example");
    }
    block_on(started(&left).put(seat(99))).expect("it goes on");
}

#[test]
fn without_its_worker_the_store_says_so() {
    let folder = Folder::new();
    let (store, worker) = SqliteSeats::open(&folder.file("seats")).expect("it opens");
    drop(worker);
    let SeatError::Store(source) = block_on(store.list()).expect_err("nobody works") else {
        panic!("of the store");
    };
    assert_eq!(source.downcast_ref(), Some(&SqliteError::NoWorker));
}
