//! Registrations and push targets in files: the contracts, and what is there
//! when the process has died.

use std::fs;
use std::path::{Path, PathBuf};

use futures::executor::block_on;
use tower_xmpp::muc_offline::{Registration, RegistrationError, Registrations};
use tower_xmpp::muc_push::{Target, TargetError, Targets};
use tower_xmpp::store::{SqliteRegistrations, SqliteTargets, contract};

use super::running::Folder;

/// The stores, whose workers end with them.
fn registrations(file: &Path) -> SqliteRegistrations {
    let (store, worker) = SqliteRegistrations::open(file).expect("the file can be opened");
    std::thread::spawn(move || worker.run());
    store
}

fn targets(file: &Path) -> SqliteTargets {
    let (store, worker) = SqliteTargets::open(file).expect("the file can be opened");
    std::thread::spawn(move || worker.run());
    store
}

fn registration() -> Registration {
    let (room, alice) = ("tea@muc.example", "alice@a.example");
    let mut registration = Registration::new(room.parse().unwrap(), alice.parse().unwrap());
    registration.paused = true;
    registration
}

fn target() -> Target {
    Target {
        room: "tea@muc.example".parse().unwrap(),
        account: "alice@a.example".parse().unwrap(),
        jid: "push.example".parse().unwrap(),
        node: None,
        options: Some("<x xmlns='jabber:x:data'/>".to_owned()),
    }
}

/// What a killed process leaves behind: the file and its log as they are.
fn left_behind(folder: &Folder, file: &Path) -> PathBuf {
    let left = folder.file("left");
    for ending in ["", "-wal"] {
        let from = format!("{}{ending}", file.display());
        fs::copy(from, format!("{}{ending}", left.display())).expect("it is copied");
    }
    left
}

#[test]
fn registrations_and_targets_in_a_file_keep_their_contracts() {
    let folder = Folder::new();
    let mut number = 0;
    let mut file = || {
        number += 1;
        folder.file(&number.to_string())
    };
    block_on(contract::registrations(|| {
        let store = registrations(&file());
        async move { store }
    }));
    block_on(contract::targets(|| {
        let store = targets(&file());
        async move { store }
    }));
}

#[test]
fn what_was_put_when_the_process_died_is_there() {
    let folder = Folder::new();
    let file = folder.file("away");
    // One file for both.
    let stores = (registrations(&file), targets(&file));
    block_on(stores.0.put(registration())).expect("it is put");
    block_on(stores.1.put(target())).expect("it is put");
    let left = left_behind(&folder, &file);
    let found = block_on(registrations(&left).all()).expect("it can be read");
    assert_eq!(found, [registration()]);
    let found = block_on(targets(&left).all()).expect("it can be read");
    assert_eq!(found, [target()]);
}

#[test]
fn a_store_without_its_worker_says_so() {
    let folder = Folder::new();
    let (store, worker) = SqliteRegistrations::open(&folder.file("r")).expect("it opens");
    drop(worker);
    let refused = block_on(store.put(registration()));
    assert!(
        matches!(refused, Err(RegistrationError::Store(_))),
        "{refused:?}"
    );
    let (store, worker) = SqliteTargets::open(&folder.file("t")).expect("it opens");
    drop(worker);
    let refused = block_on(store.put(target()));
    assert!(matches!(refused, Err(TargetError::Store(_))), "{refused:?}");
}
