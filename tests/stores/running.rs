//! An archive in a file, its workers, and a folder for it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use futures::executor::block_on;
use jid::BareJid;
use tower_xmpp::archive::{ArchiveError, ArchiveStore, Direction, Page, Row};
use tower_xmpp::stanza::Time;
use tower_xmpp::store::sqlite::Worker;
use tower_xmpp::store::{SqliteArchive, SqliteError, SqliteSettings};

/// A store with its workers, which end with it.
pub struct Running {
    store: Option<SqliteArchive>,
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn open(file: &Path) -> Self {
        Self::open_with(file, SqliteSettings::default())
    }

    pub fn open_with(file: &Path, settings: SqliteSettings) -> Self {
        let (store, workers) = SqliteArchive::open(file, settings).expect("it opens");
        Self::of(store, workers)
    }

    pub fn of(store: SqliteArchive, workers: Vec<Worker>) -> Self {
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
pub fn started(file: &Path) -> SqliteArchive {
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

pub fn refused(file: &Path) -> SqliteError {
    SqliteArchive::open(file, SqliteSettings::default())
        .map(drop)
        .expect_err("it is refused")
}

/// Appends a message and waits until it is durable.
pub fn append(store: &SqliteArchive, number: usize) -> Result<(), ArchiveError> {
    block_on(async { store.append(row(number)).await?.durable.await })
}

pub fn row(number: usize) -> Row {
    let bob: BareJid = "bob@b.example".parse().expect("a bare JID");
    let (id, at) = (format!("-{number}"), Time::from_secs(1));
    Row::new(alice(), id, at, bob, Direction::Incoming, vec![b'x'; 100])
}

pub fn ids(store: &SqliteArchive) -> Vec<String> {
    let entries = block_on(store.page(&alice(), Page::oldest(1_000))).expect("it reads");
    entries.into_iter().map(|entry| entry.row.id).collect()
}

pub fn expected(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("-{number}")).collect()
}

pub fn with(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

pub fn alice() -> BareJid {
    "alice@a.example".parse().expect("a bare JID")
}
