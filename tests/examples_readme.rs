//! What `examples/README.md` quotes stands in the examples, word for word.

use std::fs;
use std::path::Path;

/// Stands in a quotation for lines that are left out.
const OMISSION: &str = "// …";

/// Some lines of code, and the file that the text before them names last.
struct Quotation {
    /// The number of its first line in the document.
    line: usize,
    file: Option<String>,
    code: Vec<String>,
}

#[test]
fn every_quotation_stands_in_the_file_that_is_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let text = fs::read_to_string(folder.join("README.md")).unwrap();
    let quotations = quotations(&text);
    assert!(
        quotations.len() >= 8,
        "the document quotes less than it did"
    );
    for Quotation { line, file, code } in quotations {
        let first = format!("README.md:{line} ({})", code[0]);
        let file = file.unwrap_or_else(|| panic!("{first}: which file?"));
        let source = fs::read_to_string(folder.join(&file));
        let source = source.unwrap_or_else(|error| panic!("{first}: {file}: {error}"));
        assert!(
            stands_in(&source, &code),
            "{first} is not in {file} any more"
        );
    }
}

#[test]
fn every_step_shows_its_code() {
    let text = fs::read_to_string("examples/README.md").unwrap();
    let steps: Vec<_> = text
        .split("\n## ")
        .filter(|it| it.starts_with("Step "))
        .collect();
    assert_eq!(steps.len(), 4);
    for step in steps {
        assert!(
            !quotations(step).is_empty(),
            "{}",
            step.lines().next().unwrap()
        );
    }
}

#[test]
fn a_stale_quotation_is_noticed() {
    let source = "fn a() {\n    one();\n    two {\n        inner();\n    }\n    three();\n}\n";
    let stands = |code: &str| {
        let code: Vec<_> = code.lines().map(str::to_owned).collect();
        stands_in(source, &code)
    };
    assert!(stands("one();\ntwo {\n    inner();"));
    assert!(stands("fn a() {\n// …\n    three();"));
    for stale in [
        "one()",
        "two {\ninner();",
        "three();\n// …\none();",
        "one();\nthree();",
    ] {
        assert!(!stands(stale), "{stale}");
    }
}

fn quotations(text: &str) -> Vec<Quotation> {
    let (mut found, mut file) = (vec![], None);
    let mut lines = text.lines().enumerate();
    while let Some((above, said)) = lines.next() {
        if said != "```rust" {
            file = named(said).or(file);
            continue;
        }
        let code = lines.by_ref().map(|(_, code)| code.to_owned());
        found.push(Quotation {
            line: above + 2,
            file: file.clone(),
            code: code.take_while(|code| code != "```").collect(),
        });
    }
    found
}

/// The file that a line of text links to, the last if there are several.
fn named(said: &str) -> Option<String> {
    let (_, link) = said.rsplit_once("](")?;
    let (path, _) = link.split_once(')')?;
    path.ends_with(".rs").then(|| path.to_owned())
}

/// Whether the pieces between omissions stand there in their order, each
/// indented as a whole by however much.
fn stands_in(source: &str, code: &[String]) -> bool {
    let source: Vec<_> = source.lines().collect();
    let mut rest = &source[..];
    code.split(|line| line.trim() == OMISSION).all(|piece| {
        let place = rest
            .windows(piece.len())
            .position(|there| is_quoted(there, piece));
        place.is_some_and(|place| {
            rest = &rest[place + piece.len()..];
            true
        })
    })
}

fn is_quoted(there: &[&str], piece: &[String]) -> bool {
    let margin = |line: &str| line.len() - line.trim_start().len();
    let (Some(original), Some(quoted)) = (there.first(), piece.first()) else {
        return false;
    };
    let Some(by) = margin(original).checked_sub(margin(quoted)) else {
        return false;
    };
    let indented = |line: &str| match line.is_empty() {
        true => String::new(),
        false => " ".repeat(by) + line,
    };
    there
        .iter()
        .zip(piece)
        .all(|(there, line)| *there == indented(line))
}
