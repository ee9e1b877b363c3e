//! The dialogues of `tests/scs`, in a world; and how a script fails.
//!
//! To play them against a server: `SCS_SERVER=localhost:5222 cargo test --test
//! scripts`, where alice and bob at localhost have the passwords `alice` and
//! `bob`, and rooms are at `rooms.localhost`.

use std::path::Path;
use std::sync::Arc;

use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::World;
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::script::{Patience, Script, ScriptError};

/// The scripts with their file names, in order of these.
fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scs");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|file| file.expect("it can be listed").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("a text");
            let name = file.display().to_string();
            let script = Script::parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
            (name, script)
        })
        .collect()
}

/// A world like the example server.
fn world() -> World {
    let w = World::new();
    let archive = ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(w.entropy()));
    let mut settings = Settings::default();
    settings.creation = Creation::Instant;
    w.host("localhost", (archive, ForkLayer::new()))
        .rooms_with("localhost", "rooms.localhost", settings)
        .own_presence();
    w
}

#[test]
fn every_script_plays_in_a_world_to_its_end() {
    let scripts = scripts();
    assert!(scripts.len() >= 4, "{scripts:?}");
    for (name, script) in scripts {
        let w = world();
        script
            .run_in(&w)
            .unwrap_or_else(|why| panic!("{name}: {why}\n{w:?}"));
        w.finish();
    }
}

#[test]
fn every_script_plays_at_the_server_that_is_named() {
    let Ok(server) = std::env::var("SCS_SERVER") else {
        return; // Nobody named one.
    };
    for (name, script) in scripts() {
        let played = script.run_at(&server, Patience::default());
        played.unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// A dialogue with one client, and these lines in it.
fn alone(dialogue: &str) -> Result<(), ScriptError> {
    let script = Script::parse(&format!(
        "[Client] Alice\n\tjid: alice@localhost\n\tpassword: alice\n---\n{dialogue}"
    ))?;
    let w = world();
    let played = script.run_in(&w);
    w.abandon();
    played
}

fn why(dialogue: &str) -> String {
    alone(dialogue).expect_err("it must fail").to_string()
}

#[test]
fn what_is_no_script_is_refused_with_its_line() {
    let cases = [
        (
            "Bob connects",
            "line 5: no client is called so: Bob connects",
        ),
        ("Alice dances", "line 5: nobody can do this: dances"),
        ("\t<presence/>", "line 5: an indented line belongs to"),
        ("Alice sends:", "line 5: no stanza stands below"),
    ];
    for (dialogue, expected) in cases {
        let why = why(dialogue);
        assert!(why.starts_with(expected), "{why}");
    }
    let nameless = Script::parse("[Client] Alice\n\tpassword: x\n---\n").unwrap_err();
    assert_eq!(nameless.to_string(), "line 1: the client has no 'jid:'");
}

#[test]
fn a_script_that_goes_otherwise_fails_at_its_line() {
    let cases = [
        (
            "Alice sends:\n\t<presence/>",
            "line 5, Alice: is not connected",
        ),
        (
            "Alice connects\nAlice receives:\n\t<message/>",
            "line 6, Alice: expected\n  <message/>\nbut nothing came",
        ),
        (
            "Alice connects\nAlice sends:\n\t<presence/>\nAlice receives nothing",
            "line 8, Alice: expected nothing, but got\n  <presence",
        ),
        (
            "Alice connects\nAlice sends:\n\t<presence/>\nAlice receives:\n\t<presence type='probe'/>",
            "line 8, Alice: expected\n  <presence type=",
        ),
        (
            "Alice connects\nAlice sends:\n\t<presence to=\"${Bob's JID}\"/>",
            "line 6, Alice: nobody knows ${Bob's JID} yet",
        ),
    ];
    for (dialogue, expected) in cases {
        let why = why(dialogue);
        assert!(why.starts_with(expected), "{why}");
    }
}

#[test]
fn a_strict_element_has_nothing_that_is_not_named() {
    let dialogue = |strict| {
        alone(&format!(
            "Alice connects\n\
             Alice sends:\n\t<message to=\"${{Alice's full JID}}\"><x xmlns='u:x' a='1'><y/></x></message>\n\
             Alice receives:\n\t<message><x xmlns='u:x' scansion:strict='{strict}'/></message>"
        ))
    };
    assert_eq!(dialogue(false), Ok(()));
    let why = dialogue(true).unwrap_err().to_string();
    assert!(why.contains("there is more in <x"), "{why}");
}
