//! What archives cost: durable appends, pages out of a million messages, and
//! the layer without any storage.
//!
//! ```sh
//! cargo bench --bench archive
//! ```
//!
//! The file lies where `TMPDIR` says; on a disk in memory nothing is waited
//! for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use divan::{Bencher, black_box, counter::ItemsCount};
use futures::executor::block_on;
use futures::future::join_all;
use jid::{BareJid, Jid};
use tower::{Layer, Service};
use tower_xmpp::archive::{
    Accepted, ArchiveError, ArchiveLayer, ArchiveStore, Direction, Entry, Page, Position,
    Preferences, Row,
};
use tower_xmpp::flow::{Envelope, Original, Outcome, Route};
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::store::{SqliteArchive, SqliteSettings};

fn main() {
    divan::main();
    if let Some((file, _)) = LARGE.get() {
        file.remove();
    }
}

/// Appends that are on the disk, by so many senders at once: one each.
#[divan::bench(args = [1, 64], sample_size = 10)]
fn durable_append(bencher: Bencher<'_, '_>, senders: usize) {
    let file = File::new("append");
    let store = file.open();
    let mut number = 0;
    bencher
        .counter(ItemsCount::new(senders))
        .bench_local(move || {
            let appended = (0..senders).map(|sender| {
                number += 1;
                let row = row(sender, number);
                let store = &store;
                async move { store.append(row).await?.durable.await }
            });
            for appended in block_on(join_all(appended)) {
                appended.expect("the disk has room");
            }
        });
    file.remove();
}

/// A hundred messages of one lane: the next is appended when the last has been
/// accepted. Then all of them are on the disk.
#[divan::bench(sample_size = 1)]
fn a_hundred_in_one_lane(bencher: Bencher<'_, '_>) {
    let file = File::new("lane");
    let store = file.open();
    let mut number = 0;
    bencher
        .counter(ItemsCount::new(100_usize))
        .bench_local(move || {
            block_on(async {
                let mut accepted = Vec::new();
                for _ in 0..100 {
                    number += 1;
                    let one = store.append(row(0, number)).await;
                    accepted.push(one.expect("the disk has room").durable);
                }
                for durable in join_all(accepted).await {
                    durable.expect("the disk has room");
                }
            });
        });
    file.remove();
}

const MILLION: usize = 1_000_000;

/// With so many others the conversations are, evenly.
const PEERS: usize = 1_000;

/// Fifty messages out of an archive of a million, one a minute.
#[divan::bench(
    args = [
        "oldest", "newest", "middle",
        "with, oldest", "with, newest", "with, middle",
        "since", "until", "between",
        "with, since",
    ],
    sample_count = 50,
    sample_size = 10,
)]
fn page_of_fifty_out_of_a_million(bencher: Bencher<'_, '_>, which: &str) {
    let (_, store) = LARGE.get_or_init(large);
    let middle = || Position(MILLION as u64 / 2);
    let end = which.rsplit(", ").next().unwrap_or(which);
    let mut page = match end {
        "middle" => Page::oldest(50).after(middle()),
        "newest" | "until" => Page::newest(50),
        _ => Page::oldest(50),
    };
    if which.starts_with("with") {
        page = page.with(peer(PEERS / 2));
    }
    if matches!(end, "since" | "between") {
        page.start = Some(time(MILLION / 2));
    }
    if matches!(end, "until" | "between") {
        page.end = Some(time(MILLION / 2 + 60));
    }
    let owner = owner(0);
    let found = block_on(store.page(&owner, page.clone())).expect("it reads");
    assert_eq!(found.len(), 50, "{which}");
    bencher.bench_local(|| block_on(store.page(black_box(&owner), page.clone())));
}

/// One message through the layer, in front of a store that keeps nothing:
/// cleansed, decided about, given an ID, written as bytes, stamped.
#[divan::bench(args = ["without the layer", "archived and stamped", "not archived"])]
fn a_message_without_storage(bencher: Bencher<'_, '_>, which: &str) {
    let bottom = tower::service_fn(|envelope: Envelope| {
        black_box(envelope);
        std::future::ready(Ok::<_, std::convert::Infallible>(Outcome::of(
            Original::Routed,
        )))
    });
    let entropy = Arc::new(|bytes: &mut [u8]| {
        getrandom::fill(bytes).expect("the system has randomness");
    });
    let mut stack = tower::util::Either::Left(bottom);
    if which != "without the layer" {
        stack =
            tower::util::Either::Right(ArchiveLayer::new(Arc::new(Nowhere), entropy).layer(bottom));
    }
    let inside = match which {
        "not archived" => "<no-store xmlns='urn:xmpp:hints'/>",
        _ => "<active xmlns='http://jabber.org/protocol/chatstates'/>",
    };
    let xml = format!(
        "<message xmlns='jabber:client' from='romeo@montague.example/orchard' \
         to='juliet@capulet.example/balcony' type='chat' id='x1'>\
         <body>Neither, fair saint, if either thee dislike.</body>{inside}\
         <request xmlns='urn:xmpp:receipts'/></message>"
    );
    let message = Stanza::parse(xml.as_bytes()).expect("a stanza");
    let juliet: BareJid = "juliet@capulet.example".parse().expect("a bare JID");
    bencher.bench_local(|| {
        let route = Route::ToAccount(juliet.clone());
        let envelope = Envelope::stanza(Time::from_secs(0), route, message.clone());
        block_on(stack.call(envelope))
    });
}

static LARGE: OnceLock<(File, SqliteArchive)> = OnceLock::new();

/// The archive of a million messages.
fn large() -> (File, SqliteArchive) {
    let file = File::new("page");
    let store = file.open();
    for first in (0..MILLION).step_by(5_000) {
        let appended = (first..first + 5_000).map(|number| store.append(row(0, number)));
        for accepted in block_on(join_all(appended)) {
            drop(accepted.expect("the disk has room"));
        }
    }
    (file, store)
}

fn owner(number: usize) -> BareJid {
    format!("user{number}@a.example")
        .parse()
        .expect("a bare JID")
}

fn peer(number: usize) -> Jid {
    Jid::new(&format!("peer{}@b.example", number % PEERS)).expect("a JID")
}

fn time(number: usize) -> Time {
    Time::from_secs(60 * i64::try_from(number).expect("a time"))
}

fn row(sender: usize, number: usize) -> Row {
    let (id, wire) = (format!("-{number:026}"), vec![b'x'; 304]);
    let direction = Direction::Outgoing;
    Row::new(
        owner(sender),
        id,
        time(number),
        peer(number),
        direction,
        wire,
    )
}

/// A file that is removed in the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("tower-xmpp-bench-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn open(&self) -> SqliteArchive {
        let settings = SqliteSettings::default();
        let (store, workers) = SqliteArchive::open(self.path(), settings).expect("it opens");
        for worker in workers {
            std::thread::spawn(move || worker.run());
        }
        store
    }

    fn remove(&self) {
        for ending in ["", "-wal", "-shm"] {
            let mut path = self.path().as_os_str().to_owned();
            path.push(ending);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Accepts everything and keeps nothing.
struct Nowhere;

#[async_trait]
impl ArchiveStore for Nowhere {
    async fn append(&self, row: Row) -> Result<Accepted, ArchiveError> {
        black_box(row);
        Ok(Accepted::at(Position(1)))
    }

    async fn get(&self, _: &BareJid, _: &str) -> Result<Option<Entry>, ArchiveError> {
        Ok(None)
    }

    async fn page(&self, _: &BareJid, _: Page) -> Result<Vec<Entry>, ArchiveError> {
        Ok(Vec::new())
    }

    async fn replace(&self, _: &BareJid, _: &str, _: Arc<[u8]>) -> Result<bool, ArchiveError> {
        Ok(false)
    }

    async fn expire(&self, _: Time) -> Result<u64, ArchiveError> {
        Ok(0)
    }

    async fn preferences(&self, _: &BareJid) -> Result<Option<Preferences>, ArchiveError> {
        Ok(None)
    }

    async fn set_preferences(&self, _: &BareJid, _: Preferences) -> Result<(), ArchiveError> {
        Ok(())
    }

    async fn remove(&self, _: &BareJid) -> Result<(), ArchiveError> {
        Ok(())
    }
}
