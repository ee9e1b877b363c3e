//! The arrows of ARCHITECTURE.md: who may import whom. A wrong one fails here.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Each module of the crate, from the bottom up, and what it may import.
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

/// Crates that only one module may name.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("minidom", &["stanza"]),
    ("rxml", &["stanza"]),
    ("xmpp_parsers", &["stanza", "host"]),
];

/// What the pure parts of a feature, its rules and its state, do without.
const IMPURE: &[&str] = &[
    "futures",
    "tower",
    "tower_layer",
    "tower_service",
    "async_trait",
];

#[test]
fn every_import_goes_down() {
    for file in sources() {
        let room = file.room();
        let allowed = MAY_USE
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{}: add `{room}` to tests/house.rs", file.name))
            .1;
        for (line, path) in &file.paths {
            let Some(imported) = in_crate(path) else {
                continue;
            };
            assert!(
                imported == room || allowed.contains(&imported),
                "{}:{line}: `{room}` must not import `{imported}`",
                file.name,
            );
        }
    }
}

#[test]
fn a_crate_that_one_module_hides_is_named_there_only() {
    for file in sources() {
        for (line, path) in &file.paths {
            for (hidden, keepers) in KEPT_IN {
                assert!(
                    path[0] != *hidden || keepers.contains(&file.room()),
                    "{}:{line}: `{}` must not name `{hidden}`",
                    file.name,
                    file.room(),
                );
            }
        }
    }
}

#[test]
fn inside_a_feature_only_the_layer_knows_of_layers() {
    for file in sources() {
        let Some(part @ ("rules" | "state" | "port")) = file.module.get(1).map(String::as_str)
        else {
            continue;
        };
        for (line, path) in &file.paths {
            let layer = path.len() > 2 && path[0] == "crate" && path[2] == "layer";
            let impure = part != "port" && IMPURE.contains(&path[0].as_str());
            assert!(
                in_crate(path) != Some("middleware") && !layer && !impure,
                "{}:{line}: `{part}` must not name `{}`",
                file.name,
                path.join("::"),
            );
        }
    }
}

#[test]
fn the_check_sees_a_wrong_arrow() {
    let found = |code: &str| {
        let module = ["archive", "rules"].map(str::to_owned).to_vec();
        let file = Source::read("rules.rs".to_owned(), module, code);
        let paths = file.paths.into_iter().map(|(_, path)| path.join("::"));
        paths.collect::<Vec<_>>()
    };
    assert_eq!(
        found("use crate::{\n    flow::{Emit, Route},\n    stanza,\n};"),
        ["crate::flow::Emit", "crate::flow::Route", "crate::stanza"]
    );
    assert_eq!(
        found("fn f() { let _ = crate::fork::Fork::new(); }"),
        ["crate::fork::Fork::new"]
    );
    assert_eq!(
        found("use super::super::fork::Fork; use super::layer::X; use self::y::Z;"),
        [
            "crate::fork::Fork",
            "crate::archive::layer::X",
            "crate::archive::rules::y::Z"
        ]
    );
    assert_eq!(
        found("#[cfg(test)] mod tests { use crate::testkit::World; }\npub use minidom::Element;"),
        ["minidom::Element"]
    );
    assert_eq!(
        found("mod inner { use super::super::layer::X; }"),
        ["crate::archive::layer::X"]
    );
}

/// One file, and the paths that it names outside of its tests.
struct Source {
    name: String,
    /// Where it stands in the crate, such as `["archive", "rules"]`.
    module: Vec<String>,
    /// With the line of each. `crate` comes first in what is ours.
    paths: Vec<(usize, Vec<String>)>,
}

impl Source {
    fn read(name: String, module: Vec<String>, code: &str) -> Self {
        let file = syn::parse_file(code).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut source = Source {
            name,
            module,
            paths: Vec::new(),
        };
        source.visit_file(&file);
        source
    }

    fn room(&self) -> &str {
        &self.module[0]
    }

    fn found(&mut self, line: usize, path: &[String]) {
        let mut resolved = vec!["crate".to_owned()];
        let up = path.iter().take_while(|part| *part == "super").count();
        match path[0].as_str() {
            "self" => resolved.extend(self.module.iter().chain(&path[1..]).cloned()),
            "super" => {
                let parents = self.module.len().saturating_sub(up);
                let parents = self.module[..parents].iter();
                resolved.extend(parents.chain(&path[up..]).cloned());
            }
            _ => resolved = path.to_vec(),
        }
        self.paths.push((line, resolved));
    }

    fn found_use(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |last: &syn::Ident| [before, &[last.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.found_use(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.found_use(before, tree);
                }
            }
            syn::UseTree::Name(name) => self.found(tree.span().start().line, &with(&name.ident)),
            syn::UseTree::Rename(name) => self.found(tree.span().start().line, &with(&name.ident)),
            syn::UseTree::Glob(_) => self.found(tree.span().start().line, before),
        }
    }
}

impl<'a> Visit<'a> for Source {
    fn visit_item(&mut self, item: &'a syn::Item) {
        // Tests may look wherever they like.
        if !is_test(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, inner: &'a syn::ItemMod) {
        self.module.push(inner.ident.to_string());
        visit::visit_item_mod(self, inner);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.found_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let parts = path.segments.iter().map(|part| part.ident.to_string());
        self.found(path.span().start().line, &parts.collect::<Vec<_>>());
        visit::visit_path(self, path);
    }
}

fn is_test(item: &syn::Item) -> bool {
    let attrs = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attrs.iter().any(|attr| {
        attr.path().is_ident("cfg")
            && attr
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// The module of the crate that a path leads into.
fn in_crate(path: &[String]) -> Option<&str> {
    let name = path.get(1).filter(|_| path[0] == "crate")?;
    // What stands at the root itself is nobody's.
    MAY_USE
        .iter()
        .find(|(module, _)| module == name)
        .map(|(module, _)| *module)
}

/// Every source file but `lib.rs`, which lists the modules, and tests.
fn sources() -> Vec<Source> {
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
    let sources = files.into_iter().filter_map(|file| {
        let module = module_of(file.strip_prefix(&src).expect("below src"));
        let is_wanted = !module.is_empty() && !module.contains(&"tests".to_owned());
        let code = fs::read_to_string(&file).expect("a readable file");
        is_wanted.then(|| Source::read(file.display().to_string(), module, &code))
    });
    sources.collect()
}

fn module_of(file: &Path) -> Vec<String> {
    let path: PathBuf = file.with_extension("");
    path.iter()
        .map(|part| part.to_string_lossy().into_owned())
        .filter(|part| part != "mod" && part != "lib")
        .collect()
}
