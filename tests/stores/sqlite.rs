//! What an archive in a file keeps, and how it pages, forgets and ends.

use std::fs;

use futures::executor::block_on;
use futures::future::join_all;
use jid::BareJid;
use rusqlite::{Connection, OpenFlags};
use tower_xmpp::archive::{ArchiveError, ArchiveStore, Page};
use tower_xmpp::stanza::Time;
use tower_xmpp::store::sqlite::Worker;
use tower_xmpp::store::{SqliteArchive, SqliteSettings, contract};

use super::running::{Folder, Running, alice, append, expected, ids, row, started, with};

#[test]
fn the_sqlite_archive_keeps_the_contract() {
    let folder = Folder::new();
    let mut number = 0;
    block_on(contract::archive(|| {
        number += 1;
        let store = started(&folder.file(&number.to_string()));
        async move { store }
    }));
}

#[test]
fn what_is_durable_outlives_a_restart() {
    let folder = Folder::new();
    let file = folder.file("archive");
    block_on(contract::archive_reopened(|| {
        let store = started(&file);
        async move { store }
    }));
}

#[test]
fn a_full_sqlite_archive_drops_its_oldest_messages() {
    let folder = Folder::new();
    let mut settings = SqliteSettings::default();
    settings.messages = 5;
    let store = Running::open_with(&folder.file("archive"), settings);
    block_on(contract::archive_quota(&*store, 5));
}

#[test]
fn a_random_id_that_comes_twice_leaves_one_message_the_first() {
    let folder = Folder::new();
    let store = Running::open(&folder.file("archive"));
    let twice = |body: &[u8]| {
        let mut row = row(0);
        row.id = format!("-{:026}", 7);
        row.stanza = body.into();
        block_on(async { store.append(row).await?.durable.await })
    };
    let bodies = || -> Vec<Vec<u8>> {
        let there = block_on(store.page(&alice(), Page::oldest(9))).expect("it reads");
        let bodies = there.iter().map(|entry| entry.row.stanza.to_vec());
        bodies.collect()
    };
    twice(b"first").expect("it is accepted");
    // At once it is known, and refused if it is another.
    twice(b"first").expect("it lies there");
    let other = twice(b"other");
    assert!(
        matches!(other, Err(ArchiveError::IdTaken { .. })),
        "{other:?}"
    );
    assert_eq!(bodies(), [b"first"]);
    // Later it is found out when the message is brought into the indexes.
    twice(b"first").expect("nobody has looked");
    twice(b"first").expect("it lies there");
    assert_eq!(bodies(), [b"first"]);
    append(&store, 1).expect("it is accepted");
    assert_eq!(bodies().len(), 2);
}

#[test]
fn more_messages_than_wait_for_the_indexes_are_all_found_and_the_quota_holds() {
    let folder = Folder::new();
    let mut settings = SqliteSettings::default();
    settings.messages = 6_000;
    let store = Running::open_with(&folder.file("archive"), settings);
    let id = |number: usize| format!("-{number:026}");
    let mut appended = Vec::new();
    for number in 0..10_000 {
        let mut row = row(number);
        row.id = id(number);
        let accepted = block_on(store.append(row)).expect("it is accepted");
        appended.push(accepted.durable);
    }
    for durable in block_on(join_all(appended)) {
        durable.expect("it is durable");
    }
    let there = block_on(store.page(&alice(), Page::oldest(9_999))).expect("it reads");
    let there: Vec<_> = there.into_iter().map(|entry| entry.row.id).collect();
    let expected: Vec<_> = (4_000..10_000).map(id).collect();
    assert_eq!(there, expected);
    for (number, is_there) in [(3_999, false), (4_000, true), (9_999, true)] {
        let found = block_on(store.get(&alice(), &id(number))).expect("it reads");
        assert_eq!(found.is_some(), is_there, "{number}");
    }
}

#[test]
fn much_that_expires_goes_in_steps_and_all_of_it_goes() {
    let folder = Folder::new();
    let store = Running::open(&folder.file("archive"));
    let owners: Vec<BareJid> = ["alice", "bob", "carol"]
        .map(|name| format!("{name}@a.example").parse().expect("a bare JID"))
        .into();
    let appended = (0..2_500).flat_map(|number| {
        let store = &store;
        owners.iter().map(move |owner| {
            let mut row = row(number);
            row.owner = owner.clone();
            row.at = Time::from_secs(i64::try_from(number).expect("few"));
            store.append(row)
        })
    });
    for accepted in block_on(join_all(appended)) {
        drop(accepted.expect("it is accepted"));
    }
    let gone = block_on(store.expire(Time::from_secs(2_400)));
    assert_eq!(gone.expect("it expires"), 3 * 2_400);
    for owner in &owners {
        let left = block_on(store.page(owner, Page::oldest(9_999))).expect("it reads");
        let left: Vec<_> = left.into_iter().map(|entry| entry.row.id).collect();
        assert_eq!(left, expected(2_400..2_500));
    }
    let gone = block_on(store.expire(Time::from_secs(2_400)));
    assert_eq!(gone.expect("it expires"), 0);
}

#[test]
fn what_was_durable_when_the_process_died_is_there_and_nothing_else() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = Running::open(&file);
    for number in 0..50 {
        append(&store, number).expect("it is accepted");
    }
    // What a killed process leaves behind: the file and its log as they are.
    let left = folder.file("left");
    for ending in ["", "-wal"] {
        let (from, to) = (with(&file, ending), with(&left, ending));
        fs::copy(from, to).expect("it is copied");
    }
    append(&store, 50).expect("it is accepted");
    assert_eq!(ids(&Running::open(&left)), expected(0..50));

    // A log that was cut off while it was written ends with its last commit.
    let cut = folder.file("cut");
    fs::copy(&file, &cut).expect("it is copied");
    let log = fs::read(with(&file, "-wal")).expect("there is a log");
    fs::write(with(&cut, "-wal"), &log[..log.len() - 2_000]).expect("it is written");
    assert_eq!(ids(&Running::open(&cut)), expected(0..50));
}

#[test]
fn threads_that_append_at_once_each_find_all_that_they_were_told_is_there() {
    let folder = Folder::new();
    let store = Running::open(&folder.file("archive"));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..25 {
                    let number = thread * 25 + number;
                    append(store, number).expect("it is accepted");
                    let there = block_on(store.get(&alice(), &format!("-{number}")));
                    assert!(there.expect("it reads").is_some(), "{number}");
                }
            });
        }
    });
    let mut there = ids(&store);
    there.sort_by_key(|id| id[1..].parse::<usize>().expect("a number"));
    assert_eq!(there, expected(0..200));
}

#[test]
fn a_message_that_is_accepted_is_found_before_it_is_durable() {
    let folder = Folder::new();
    let store = Running::open(&folder.file("archive"));
    for number in 0..50 {
        let accepted = block_on(store.append(row(number))).expect("it is accepted");
        let there = block_on(store.get(&alice(), &format!("-{number}")));
        let there = there.expect("it reads").expect("it is there");
        assert_eq!(there.position, accepted.position);
    }
}

#[test]
fn when_the_workers_have_ended_everything_stands_in_one_file() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let (store, workers) = SqliteArchive::open(&file, SqliteSettings::default()).expect("opens");
    let run = |worker: Worker| std::thread::spawn(|| worker.run());
    let workers: Vec<_> = workers.into_iter().map(run).collect();
    // Who reads keeps the file open longer than the writer does, and may not write.
    let other = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let other = Connection::open_with_flags(&file, other).expect("it opens");
    let many = || other.query_row("SELECT count(*) FROM message", (), |row| row.get(0));
    assert_eq!(many(), Ok(0));
    append(&store, 0).expect("it is accepted");
    drop(store);
    for worker in workers {
        worker.join().expect("a worker does not panic");
    }
    let log = fs::metadata(with(&file, "-wal")).expect("it is in use");
    assert_eq!(log.len(), 0);
    assert_eq!(many(), Ok(1));
}

#[test]
fn what_is_replaced_is_not_to_be_found_in_the_files() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = Running::open(&file);
    let mut secret = row(0);
    secret.stanza = b"the password is swordfish".as_slice().into();
    let accepted = block_on(store.append(secret)).expect("it is accepted");
    block_on(accepted.durable).expect("it is durable");
    let replaced = block_on(store.replace(&alice(), "-0", b"gone".as_slice().into()));
    assert!(replaced.expect("it writes"));
    drop(store);
    let left = fs::read(&file).expect("it is there");
    assert!(!left.windows(9).any(|part| part == b"swordfish"));
}
