//! Composable Tower layers that process XMPP stanzas inside any host server.
//!
//! A server puts its own router at the bottom and stacks layers on top; each
//! layer is one XMPP capability. Every entrance calls the same stack.
//!
//! ```text
//!  client TCP, WebSocket, s2s, own rooms
//!        │  Envelope: a stanza or an event, and its route
//!        ▼
//!  account_muc  the account joins rooms, not the client
//!  archive      archive once, stamp, keep forged archive IDs out, answer queries
//!  fork         every message on every client of the account
//!  muc_offline  rooms write to members who are away
//!  muc_push     rooms wake who believes to be there and is not
//!  your own     a function, or a middleware::Feature
//!  Router       RFC 6121 §8, sessions, other domains
//!        │  Outcome: what became of the original, what to send besides
//!        ▼
//!  sessions, s2s, rooms
//! ```
//!
//! * **To embed layers in a server**, read [`host`]: four steps, a contract, and the
//!   smallest host, whole. `examples/server/` is one in earnest.
//! * **To test stanza flows**, of a server, of these layers or of a client,
//!   read [`testkit`]: several parties, no sockets, no sleeps.
//! * **To write a layer**, read [`middleware`]; `examples/custom_layer.rs` is
//!   one in a file, and CONTRIBUTING.md leads through one of the crate's own.
//!
//! What else a host needs is `tower`, for its `ServiceBuilder`, and a runtime.
//! Addresses are those of [`jid`], which is here under its own name.
//!
//! # The order of layers
//!
//! Any subset works, and any order does something sensible. The order of the
//! picture is the best for rooms and clients; the layers by which accounts take in
//! what `muc_offline` and `muc_push` of other servers' rooms say stand further out.
//! With all of them, outermost first: `muc_push` (account), `account_muc`,
//! `muc_offline` (account), `archive`, `fork`, `muc_offline` (room), `muc_push`
//! (room). This is what is lost when two are swapped; a test in
//! `tests/layer_order/` proves each row, in both directions.
//!
//! | Outside | Inside | Swapped |
//! |---|---|---|
//! | a filter (blocking, spam) | `archive` | what is refused is archived |
//! | a filter | `fork` | nothing: what was refused is not copied |
//! | `account_muc` | `archive` | a private message in a room is archived twice |
//! | `account_muc` | `fork` | nothing: who is in the room gets the copy |
//! | `archive` | `fork` | copies for the sender's other sessions bear no archive ID; received ones neither |
//! | a layer that sets [`flow::Reach`] | `archive` | nothing: the stamp is on the one stanza that all get |
//! | a layer that sets [`flow::Reach`] | `fork` | nothing, if it widens the reach it finds; copies go to whom the router did not deliver |
//! | `account_muc` | `muc_offline` (account) | devices are woken for a room that the account is in, unless `muc_offline` is told who is where |
//! | `muc_push` (account) | `account_muc` | no account is woken: `account_muc` takes in what rooms answer it |
//! | `muc_offline` (account) | `archive` | what is refused is archived |
//! | a layer that stamps a room's messages | `muc_offline` (room) | what a room may not send at once goes without the stamp later |
//! | `muc_offline` (room) | `muc_push` (room) | nothing: who is forwarded the message is notified as well |
//! | Tower's `timeout`, `load_shed` | the first layer with effects | effects stay though the sender is told to try again |
//!
//! # Features
//!
//! Nothing is on by default; `full` is every layer.
//!
//! | Feature | Brings |
//! |---|---|
//! | `account-muc` | [`account_muc`] and [`store::MemorySeats`] |
//! | `archive` | [`archive`] and [`store::MemoryArchive`] |
//! | `fork` | [`fork`] |
//! | `muc-offline` | [`muc_offline`], both sides, and [`store::MemoryRegistrations`] |
//! | `muc-push` | [`muc_push`], both sides, and [`store::MemoryTargets`] |
//! | `csi` | [`csi`]: [`host::Outbox`] can hold what can wait |
//! | `sqlite` | `store::SqliteArchive` and its like: archives, seats, registrations and push targets in files, SQLite compiled in |
//! | `testkit` | [`testkit`] |
//! | `tracing`, `metrics` | spans and events, figures per layer, through those crates |
//! | `minidom-0_19`, `xmpp-parsers-0_23` | conversions between [`stanza::Stanza`] and that crate's types |
//!
//! # What a layer may not do to you
//!
//! It cannot send the original twice ([`middleware::Next`] consumes itself),
//! meet its own work ([`flow::Trail`]), take the others down (a panic is
//! contained and counted), or leave an IQ unanswered by breaking. It has no clock, no
//! randomness, no runtime and no socket: those are arguments.

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
// docs.rs says at each item which feature brings it.
#![cfg_attr(docsrs, feature(doc_cfg))]
// `pub` means public: what stays inside says `pub(crate)` or nothing.
#![warn(unreachable_pub, missing_debug_implementations)]

pub use jid;

#[cfg(feature = "account-muc")]
pub mod account_muc;
#[cfg(feature = "archive")]
pub mod archive;
#[cfg(feature = "csi")]
pub mod csi;
pub mod flow;
#[cfg(feature = "fork")]
pub mod fork;
pub mod host;
pub mod middleware;
#[cfg(feature = "muc-offline")]
pub mod muc_offline;
#[cfg(feature = "muc-push")]
pub mod muc_push;
pub mod stanza;
#[cfg(any(
    feature = "account-muc",
    feature = "archive",
    feature = "muc-offline",
    feature = "muc-push"
))]
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
