//! The arrows of ARCHITECTURE.md: who may import whom. A wrong one fails here.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the house, from the bottom up, and what it may import.
const MAY_USE: &[(&str, &[&str])] = &[
    ("stanza", &[]),
    ("flow", &["stanza"]),
    ("middleware", &["flow", "stanza"]),
    ("archive", &["middleware", "flow", "stanza"]),
    ("fork", &["middleware", "flow", "stanza"]),
    ("csi", &["middleware", "flow", "stanza"]),
    ("account_muc", &["middleware", "flow", "stanza"]),
    ("muc_offline", &["middleware", "flow", "stanza"]),
    ("muc_push", &["middleware", "flow", "stanza"]),
    ("host", &["middleware", "flow", "stanza", "csi"]),
    (
        "store",
        &[
            "archive",
            "account_muc",
            "muc_offline",
            "muc_push",
            "middleware",
            "flow",
            "stanza",
        ],
    ),
    (
        "testkit",
        &[
            "archive",
            "fork",
            "csi",
            "account_muc",
            "muc_offline",
            "muc_push",
            "host",
            "store",
            "middleware",
            "flow",
            "stanza",
        ],
    ),
];

/// Crates that only one room may name.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("minidom", &["stanza"]),
    ("rxml", &["stanza"]),
    ("xmpp_parsers", &["stanza", "host"]),
];

#[test]
fn every_import_goes_down() {
    for (room, file, code) in rooms() {
        let allowed = MAY_USE
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{file:?} is in a room that tests/house.rs does not know"))
            .1;
        for (number, line) in code {
            for imported in crate_paths(&line) {
                assert!(
                    imported == room || allowed.contains(&imported.as_str()),
                    "{}:{number}: `{room}` must not import `{imported}`",
                    file.display(),
                );
            }
        }
    }
}

#[test]
fn a_crate_that_one_room_hides_is_named_in_that_room_only() {
    for (room, file, code) in rooms() {
        for (number, line) in code {
            for (hidden, keepers) in KEPT_IN {
                assert!(
                    keepers.contains(&room.as_str()) || !names(&line, hidden),
                    "{}:{number}: `{room}` must not name `{hidden}`",
                    file.display(),
                );
            }
        }
    }
}

#[test]
fn inside_a_feature_only_the_layer_knows_of_layers() {
    for (room, file, code) in rooms() {
        let is_pure = ["rules", "state", "port"]
            .iter()
            .any(|part| file.file_stem().is_some_and(|stem| stem == *part));
        if !is_pure {
            continue;
        }
        for (number, line) in code {
            assert!(
                !crate_paths(&line).contains(&"middleware".to_owned()),
                "{}:{number}: the pure parts of `{room}` must not import the shell",
                file.display(),
            );
        }
    }
}

#[test]
fn the_check_sees_a_wrong_arrow() {
    assert_eq!(
        crate_paths("use crate::{flow::Emit, stanza};"),
        ["flow", "stanza"]
    );
    assert_eq!(crate_paths("    crate::fork::Fork::new()"), ["fork"]);
    assert!(names("use minidom::Element;", "minidom"));
    assert!(!names("let minidoms = 1;", "minidom"));
}

/// Its room, its path, and its lines with their numbers.
type SourceFile = (String, PathBuf, Vec<(usize, String)>);

/// Every source file below a room, without comments, doc examples and unit tests.
fn rooms() -> Vec<SourceFile> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the source tree is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
        .into_iter()
        .filter_map(|file| {
            let inside = file.strip_prefix(&src).expect("below src").to_owned();
            let room = inside.components().next()?.as_os_str().to_str()?.to_owned();
            // Tests may look wherever they like; lib.rs only lists the rooms.
            let is_test = file.file_stem().is_some_and(|stem| stem == "tests")
                || inside.components().any(|part| part.as_os_str() == "tests");
            if is_test || room == "lib.rs" {
                return None;
            }
            let text = fs::read_to_string(&file).expect("a readable file");
            let code = text
                .lines()
                .enumerate()
                .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
                .map(|(number, line)| (number + 1, line.trim().to_owned()))
                .filter(|(_, line)| !line.starts_with("//"))
                .collect();
            Some((room, file, code))
        })
        .collect()
}

/// The rooms that a line names by `crate::room` or `crate::{room, …}`.
fn crate_paths(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in line.match_indices("crate::") {
        let rest = &line[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                for part in group.split(',') {
                    let head = part.trim().split("::").next().unwrap_or_default();
                    found.push(head.to_owned());
                }
            }
            None => found.push(word(rest)),
        }
    }
    // `pub(crate)` helpers and macros at the root are nobody's room.
    found.retain(|name| MAY_USE.iter().any(|(room, _)| room == name));
    found
}

fn names(line: &str, hidden: &str) -> bool {
    line.match_indices(hidden).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + hidden.len()..].chars().next();
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_word(before) && !is_word(after) && after == Some(':')
    })
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
