//! The order table of the crate's documentation, row by row, in both
//! directions. (Its last row is `tests/tower_layers.rs`.)

mod account_muc;
mod archive_and_fork;
mod away;

use std::sync::Arc;

use futures::executor::block_on;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::archive::{ArchiveLayer, ArchiveStore, Page};
use tower_xmpp::store::{MemoryArchive, MemorySeats};
use tower_xmpp::testkit::{Layers, Session, World};

const HI: &str = "<message><body>hi</body></message>";

/// A host with one layer outside the other, or the other way round.
fn hosts<A, B>(w: &World, domain: &str, is_outside: bool, one: A, other: B)
where
    (A, B): Layers,
    (B, A): Layers,
{
    match is_outside {
        true => w.host(domain, (one, other)),
        false => w.host(domain, (other, one)),
    };
}

fn archive(w: &World, store: &Arc<MemoryArchive>) -> ArchiveLayer {
    ArchiveLayer::new(store.clone(), Arc::new(w.entropy()))
}

fn account_muc(w: &World) -> AccountMucLayer {
    AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()))
}

/// How many entries Alice's archive has.
fn archived(store: &MemoryArchive) -> usize {
    let alice = "alice@a.example".parse().unwrap();
    block_on(store.page(&alice, Page::oldest(10)))
        .expect("memory does not fail")
        .len()
}

fn bob(w: &World) -> Session {
    w.host("b.example", ());
    w.session("bob@b.example/x")
}
