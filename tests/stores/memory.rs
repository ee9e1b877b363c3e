//! What is kept in memory.

use futures::executor::block_on;
use tower_xmpp::archive::{ArchiveError, ArchiveStore, Direction, Page, Row};
use tower_xmpp::muc_offline::{Registration, RegistrationError, Registrations};
use tower_xmpp::stanza::Time;
use tower_xmpp::store::{
    MemoryArchive, MemoryArchiveLimits, MemoryRegistrations, MemorySeats, MemoryTargets, contract,
};

#[test]
fn seats_in_memory_keep_the_contract() {
    block_on(contract::seats(|| async { MemorySeats::default() }));
}

#[test]
fn registrations_in_memory_keep_the_contract_and_their_bound() {
    block_on(contract::registrations(|| async {
        MemoryRegistrations::default()
    }));
    let store = MemoryRegistrations::new(1);
    let put = |name: &str| {
        let room = "tea@muc.example".parse().expect("a bare JID");
        block_on(store.put(Registration::new(room, account(name))))
    };
    put("alice").expect("the first");
    put("alice").expect("there already");
    let refused = put("bob");
    assert!(
        matches!(refused, Err(RegistrationError::Full(1))),
        "{refused:?}"
    );
}

#[test]
fn push_targets_in_memory_keep_the_contract() {
    block_on(contract::targets(|| async { MemoryTargets::default() }));
}

#[test]
fn the_memory_archive_keeps_the_contract() {
    block_on(contract::archive(|| async { MemoryArchive::default() }));
}

#[test]
fn a_full_memory_archive_drops_its_oldest_messages() {
    let mut limits = MemoryArchiveLimits::default();
    limits.messages = 5;
    block_on(contract::archive_quota(&MemoryArchive::new(limits), 5));
}

#[test]
fn a_memory_archive_that_is_full_of_bytes_drops_its_oldest_messages() {
    let mut limits = MemoryArchiveLimits::default();
    limits.bytes = 1_000;
    let store = MemoryArchive::new(limits);
    for number in 0..9 {
        append(&store, "alice", number, 250).expect("it fits");
    }
    assert_eq!(ids(&store, "alice"), ["-6", "-7", "-8"]);
    append(&store, "alice", 9, 900).expect("it fits");
    assert_eq!(ids(&store, "alice"), ["-9"]);
}

#[test]
fn a_message_larger_than_an_archive_is_refused_and_drops_nothing() {
    let mut limits = MemoryArchiveLimits::default();
    limits.bytes = 1_000;
    let store = MemoryArchive::new(limits);
    append(&store, "alice", 0, 250).expect("it fits");
    let refused = append(&store, "alice", 1, 1_000);
    assert!(
        matches!(refused, Err(ArchiveError::MessageTooLarge { bytes, limit: 1_000 }) if bytes > 1_000),
        "{refused:?}"
    );
    assert_eq!(ids(&store, "alice"), ["-0"]);
}

#[test]
fn one_archive_too_many_is_refused_and_the_others_go_on() {
    let mut limits = MemoryArchiveLimits::default();
    limits.accounts = 2;
    let store = MemoryArchive::new(limits);
    append(&store, "alice", 0, 10).expect("the first");
    append(&store, "bob", 0, 10).expect("the second");
    let refused = append(&store, "carol", 0, 10);
    assert!(
        matches!(refused, Err(ArchiveError::TooManyArchives(2))),
        "{refused:?}"
    );
    append(&store, "alice", 1, 10).expect("there already");
    assert_eq!(ids(&store, "alice"), ["-0", "-1"]);
    block_on(store.remove(&account("bob"))).expect("removed");
    append(&store, "carol", 0, 10).expect("there is room again");
}

fn append(
    store: &MemoryArchive,
    owner: &str,
    number: usize,
    bytes: usize,
) -> Result<(), ArchiveError> {
    let row = Row::new(
        account(owner),
        format!("-{number}"),
        Time::from_secs(0),
        account("bob"),
        Direction::Incoming,
        vec![b'x'; bytes],
    );
    block_on(store.append(row)).map(drop)
}

fn ids(store: &MemoryArchive, owner: &str) -> Vec<String> {
    let entries = block_on(store.page(&account(owner), Page::oldest(100))).expect("it reads");
    entries.into_iter().map(|entry| entry.row.id).collect()
}

fn account(name: &str) -> jid::BareJid {
    format!("{name}@a.example").parse().expect("a bare JID")
}
