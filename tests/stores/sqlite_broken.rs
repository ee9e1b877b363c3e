//! Files that are full, locked, damaged or not there.

use std::fs;
use std::path::Path;

use futures::executor::block_on;
use rusqlite::Connection;
use tower_xmpp::archive::{ArchiveError, ArchiveStore, Page};
use tower_xmpp::store::{SqliteArchive, SqliteError, SqliteSettings};

use super::running::{Folder, Running, alice, append, ids, refused, row};

/// A new file that may become 60 kB larger than it is.
fn open_with_little_room(file: &Path) -> Running {
    drop(Running::open(file));
    let mut settings = SqliteSettings::default();
    settings.file_bytes = Some(fs::metadata(file).expect("it is there").len() + 60_000);
    Running::open_with(file, settings)
}

#[test]
fn a_full_disk_is_named_and_what_fits_later_is_taken() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = Running::open(&file);
    append(&store, 0).expect("it is accepted");
    drop(store);

    // SQLite's own limit stands for the disk's.
    let mut settings = SqliteSettings::default();
    settings.file_bytes = Some(100_000);
    let store = Running::open_with(&file, settings);
    let large = |number| {
        let mut large = row(number);
        large.stanza = vec![b'x'; 200_000].into();
        block_on(async { store.append(large).await?.durable.await })
    };
    let full = large(1);
    assert!(matches!(full, Err(ArchiveError::NoRoom(_))), "{full:?}");
    append(&store, 2).expect("a small one fits");
    assert_eq!(ids(&store), ["-0", "-2"]);
}

#[test]
fn what_was_taken_before_the_disk_was_full_is_found_though_there_is_no_room_for_indexes() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = open_with_little_room(&file);
    let durable: Vec<_> = (0..1_000)
        .filter(|number| append(&store, *number).is_ok())
        .collect();
    assert!(durable.len() < 1_000, "there was room for everything");
    let page = |page| {
        let there = block_on(store.page(&alice(), page)).expect("it reads");
        let ids = there.into_iter().map(|entry| entry.row.id);
        ids.collect::<Vec<_>>()
    };
    let kept: Vec<_> = durable.iter().map(|number| format!("-{number}")).collect();
    assert_eq!(page(Page::oldest(9_999)), kept);
    assert_eq!(page(Page::oldest(3)), kept[..3]);
    assert_eq!(page(Page::newest(3)), kept[kept.len() - 3..]);
    let last = kept.last().expect("some fit");
    let there = block_on(store.get(&alice(), last)).expect("it reads");
    assert_eq!(there.map(|entry| entry.row.id).as_ref(), Some(last));
    drop(store);
    assert_eq!(ids(&Running::open(&file)), kept);
}

#[test]
fn after_a_message_for_which_there_was_no_room_others_are_refused_until_there_is() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = open_with_little_room(&file);
    let append = |number: usize| {
        let mut row = row(number);
        row.id = format!("-{number:026}");
        block_on(store.append(row)).map(|accepted| block_on(accepted.durable))
    };
    let mut after_acceptance = 0;
    let mut first_refused = None;
    for number in 0..5_000 {
        match append(number) {
            Ok(Ok(())) => assert_eq!(first_refused, None, "there is no room"),
            Ok(Err(_)) => after_acceptance += 1,
            Err(error) => {
                assert!(matches!(error, ArchiveError::NoRoom(_)), "{error:?}");
                first_refused = first_refused.or(Some(number));
            }
        }
    }
    assert_eq!(after_acceptance, 1);
    let first_refused = first_refused.expect("there was room for everything");
    // What was refused is not kept in mind.
    let shown = format!("{:?}", *store);
    let known = shown.split_once("ids: ").expect("it is shown").1;
    let known = known.split(',').next().and_then(|known| known.parse().ok());
    assert_eq!(known, Some(first_refused - 1), "{shown}");
    assert!(shown.contains("in_trouble: true"), "{shown}");

    let other = Connection::open(&file).expect("it opens");
    let make_room = "DELETE FROM message WHERE position > 20";
    other.execute(make_room, ()).expect("it is deleted");
    for number in 5_000..5_002 {
        let appended = append(number).expect("there is room");
        appended.expect("there is room");
    }
    let shown = format!("{:?}", *store);
    assert!(shown.contains("in_trouble: false"), "{shown}");
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let text = b"Dear diary, this is not a database, whatever its name says.".repeat(20);
    fs::write(&file, &text).expect("it is written");
    assert_eq!(refused(&file), SqliteError::Damaged);
    assert_eq!(fs::read(&file).expect("it is there"), text);
}

#[test]
fn a_file_that_was_cut_off_is_named_and_does_not_take_the_process_down() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = Running::open(&file);
    for number in 0..200 {
        append(&store, number).expect("it is accepted");
    }
    drop(store);
    let whole = fs::read(&file).expect("it is there");
    fs::write(&file, &whole[..whole.len() / 2]).expect("it is written");
    match SqliteArchive::open(&file, SqliteSettings::default()) {
        Err(error) => assert_eq!(error, SqliteError::Damaged),
        Ok((archive, workers)) => {
            let store = Running::of(archive, workers);
            let read = block_on(store.page(&alice(), Page::oldest(1_000)));
            let Err(ArchiveError::Store(error)) = read else {
                panic!("half a file reads as a whole one: {read:?}");
            };
            assert_eq!(error.downcast_ref(), Some(&SqliteError::Damaged));
        }
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let refused = refused(&folder.file("missing").join("archive"));
    assert_eq!(refused, SqliteError::CannotOpen);
}

#[test]
fn a_file_that_another_process_keeps_locked_is_named_and_used_when_it_is_free() {
    let folder = Folder::new();
    let file = folder.file("archive");
    let store = Running::open(&file);
    append(&store, 0).expect("it is accepted");
    let other = Connection::open(&file).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    let locked = append(&store, 1);
    let Err(ArchiveError::Store(error)) = locked else {
        panic!("a locked file was written: {locked:?}");
    };
    assert_eq!(error.downcast_ref(), Some(&SqliteError::Locked));
    other.execute_batch("ROLLBACK").expect("it is open");
    append(&store, 2).expect("it is accepted");
    assert_eq!(ids(&store), ["-0", "-2"]);
}

#[test]
fn a_store_whose_workers_never_run_says_so() {
    let folder = Folder::new();
    let settings = SqliteSettings::default();
    let (store, workers) = SqliteArchive::open(&folder.file("archive"), settings).expect("opens");
    drop(workers);
    let failed = block_on(store.append(row(0)));
    let Err(ArchiveError::Store(error)) = failed else {
        panic!("nobody can have written it: {failed:?}");
    };
    assert_eq!(error.downcast_ref(), Some(&SqliteError::NoWorker));
}
