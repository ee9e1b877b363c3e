//! The test kit's own behaviour: what it lets pass, and how it fails.

mod failures;
mod hearing;
mod hosts;
mod life;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a test that does this would print when it fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("it must fail");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
