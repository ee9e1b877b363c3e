//! The dialogues of `tests/scs`, for whoever plays them.

use std::path::Path;

use tower_xmpp::testkit::script::Script;

/// The scripts with their file names, in order of these.
pub fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scs");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|file| file.expect("it can be listed").path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
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
