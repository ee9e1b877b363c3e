//! What archives cost: durable appends, and a page out of a large archive.
//!
//! ```sh
//! cargo bench --bench archive
//! ```
//!
//! The file lies where `TMPDIR` says; on a disk in memory nothing is waited
//! for. What a stamp costs without storage is in `benches/stack.rs`.

use std::path::PathBuf;

use divan::{Bencher, black_box, counter::ItemsCount};
use futures::executor::block_on;
use futures::future::join_all;
use jid::BareJid;
use tower_xmpp::archive::{ArchiveStore, Direction, Page, Position, Row};
use tower_xmpp::stanza::Time;
use tower_xmpp::store::{SqliteArchive, SqliteSettings};

fn main() {
    divan::main();
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
}

/// The newest 50 messages, and 50 in the middle, of an archive of a million.
#[divan::bench(args = ["newest", "middle"], sample_count = 20, sample_size = 10)]
fn page_of_fifty_out_of_a_million(bencher: Bencher<'_, '_>, which: &str) {
    const MILLION: usize = 1_000_000;
    let file = File::new("page");
    let store = file.open();
    for first in (0..MILLION).step_by(5_000) {
        let appended = (first..first + 5_000).map(|number| store.append(row(0, number)));
        for accepted in block_on(join_all(appended)) {
            drop(accepted.expect("the disk has room"));
        }
    }
    let page = match which {
        "newest" => Page::newest(50),
        _ => Page::oldest(50).after(Position(MILLION as u64 / 2)),
    };
    let owner = owner(0);
    bencher.bench_local(|| block_on(store.page(black_box(&owner), page.clone())));
}

fn owner(number: usize) -> BareJid {
    format!("user{number}@a.example")
        .parse()
        .expect("a bare JID")
}

fn row(sender: usize, number: usize) -> Row {
    let bob: BareJid = "bob@b.example".parse().expect("a bare JID");
    let wire = vec![b'x'; 304];
    let (id, at) = (format!("-{number}"), Time::from_secs(0));
    Row::new(owner(sender), id, at, bob, Direction::Outgoing, wire)
}

/// A file that goes away in the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("tower-xmpp-bench-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> SqliteArchive {
        let settings = SqliteSettings::default();
        let (store, workers) = SqliteArchive::open(&self.0, settings).expect("it opens");
        for worker in workers {
            std::thread::spawn(move || worker.run());
        }
        store
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(ending);
            let _ = std::fs::remove_file(path);
        }
    }
}
