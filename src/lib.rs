//! Composable Tower layers that process XMPP stanzas inside any host server.

// What library code keeps besides the lints of Cargo.toml; its own tests may
// panic and cast. Input is hostile, so nothing here panics because of it: where
// a value is certain, `#[expect(clippy::expect_used, reason = "…")]` says why.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::print_stdout,
        clippy::print_stderr,
        // Time, chance and sockets are arguments; the list is in clippy.toml.
        clippy::disallowed_methods,
        // A length or counter from the wire that is cut off is a forged number.
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        // One long function is what this crate replaces.
        clippy::too_many_lines,
        // What a caller must know stands in the documentation.
        clippy::missing_errors_doc,
        clippy::missing_panics_doc,
    )
)]
// `pub` means public: what stays inside says `pub(crate)` or nothing.
#![warn(unreachable_pub, missing_debug_implementations)]

#[cfg(feature = "archive")]
pub mod archive;
pub mod flow;
#[cfg(feature = "fork")]
pub mod fork;
pub mod host;
pub mod middleware;
pub mod stanza;
#[cfg(feature = "archive")]
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
