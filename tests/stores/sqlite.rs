//! What is kept in a file.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use futures::executor::block_on;
use futures::future::join_all;
use jid::BareJid;
use rusqlite::{Connection, OpenFlags};
use tower_xmpp::archive::{ArchiveError, ArchiveStore, Direction, Page, Row};
use tower_xmpp::stanza::Time;
use tower_xmpp::store::sqlite::Worker;
use tower_xmpp::store::{SqliteArchive, SqliteError, SqliteSettings, contract};

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
    drop(Running::open(&file));
    let mut settings = SqliteSettings::default();
    settings.file_bytes = Some(fs::metadata(&file).expect("it is there").len() + 60_000);
    let store = Running::open_with(&file, settings);
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
    drop(Running::open(&file));
    let mut settings = SqliteSettings::default();
    settings.file_bytes = Some(fs::metadata(&file).expect("it is there").len() + 60_000);
    let store = Running::open_with(&file, settings);
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

/// A store with its workers, which end with it.
struct Running {
    store: Option<SqliteArchive>,
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    fn open(file: &Path) -> Self {
        Self::open_with(file, SqliteSettings::default())
    }

    fn open_with(file: &Path, settings: SqliteSettings) -> Self {
        let (store, workers) = SqliteArchive::open(file, settings).expect("it opens");
        Self::of(store, workers)
    }

    fn of(store: SqliteArchive, workers: Vec<Worker>) -> Self {
        let run = |worker: Worker| std::thread::spawn(|| worker.run());
        Self {
            store: Some(store),
            workers: workers.into_iter().map(run).collect(),
        }
    }
}

impl Deref for Running {
    type Target = SqliteArchive;

    fn deref(&self) -> &SqliteArchive {
        self.store.as_ref().expect("it runs")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.store = None;
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker does not panic");
        }
    }
}

/// A store whose workers end by themselves.
fn started(file: &Path) -> SqliteArchive {
    let (store, workers) = SqliteArchive::open(file, SqliteSettings::default()).expect("it opens");
    for worker in workers {
        std::thread::spawn(move || worker.run());
    }
    store
}

/// A folder of its own, gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("tower-xmpp-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused(file: &Path) -> SqliteError {
    SqliteArchive::open(file, SqliteSettings::default())
        .map(drop)
        .expect_err("it is refused")
}

/// Appends a message and waits until it is durable.
fn append(store: &SqliteArchive, number: usize) -> Result<(), ArchiveError> {
    block_on(async { store.append(row(number)).await?.durable.await })
}

fn row(number: usize) -> Row {
    let bob: BareJid = "bob@b.example".parse().expect("a bare JID");
    let (id, at) = (format!("-{number}"), Time::from_secs(1));
    Row::new(alice(), id, at, bob, Direction::Incoming, vec![b'x'; 100])
}

fn ids(store: &SqliteArchive) -> Vec<String> {
    let entries = block_on(store.page(&alice(), Page::oldest(1_000))).expect("it reads");
    entries.into_iter().map(|entry| entry.row.id).collect()
}

fn expected(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("-{number}")).collect()
}

fn with(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn alice() -> BareJid {
    "alice@a.example".parse().expect("a bare JID")
}
