//! Archives in a file, with SQLite.
//!
//! The library starts no threads, and SQLite waits for the disk: so the work
//! is done by [`Worker`]s, which the host runs wherever it lets things block,
//! as it runs the drivers of [`conduct`](crate::host::conduct).
//!
//! 1. **One writer.** It puts all that comes into one transaction, and commits
//!    when the disk is free: what many sessions send at the same time costs one
//!    `fsync` (group commit). Another worker waits for the disk, so the writer
//!    never does; when much comes, both pause for a few milliseconds, so that more
//!    goes in one go.
//! 2. **Accepted, then durable.** A message has its place at once if its ID is one
//!    of [`new_id`], since nobody else has that; otherwise as soon as the writer has
//!    looked the ID up. [`Accepted::durable`] resolves when the message is committed
//!    and the log on the disk (WAL). A crash in between loses the message, and
//!    nobody was told it was kept.
//! 3. **Messages are written one after the other; indexes follow.** What finds
//!    messages is brought up to date for thousands of them in one go, or when
//!    somebody asks for that archive. So is the quota kept. An ID of [`new_id`] that
//!    is appended a second time is found out at once among the newest, and then: the
//!    first message stays, the other one goes.
//! 4. **Readers do not wait for the writer**, nor it for them (WAL), but for what
//!    was accepted before they were asked and is not in the indexes: who has seen
//!    an ID can ask for it. Where the disk has no room for that, they look through
//!    what is left.
//! 5. **What goes wrong has a name**: [`SqliteError`]. A transaction that fails
//!    fails for all that was in it; the next one begins anew, so a disk that
//!    has room again is used again. Until then a message is accepted only when it
//!    is durable, so a full disk refuses messages, and what is refused leaves
//!    nothing behind in memory.
//! 6. **The schema has a version**, and an older file is brought up to date when
//!    it is opened. A newer one is refused and left alone.
//!
//! When the last [`SqliteArchive`] is dropped, the workers do what still waits
//! and end. Wait for that before your process does: then the log is empty, and all
//! stands in the one file.
//!
//! ```
//! use tower_xmpp::archive::{ArchiveStore, Direction, Page, Row};
//! use tower_xmpp::stanza::Time;
//! use tower_xmpp::store::{SqliteArchive, SqliteSettings};
//!
//! # let folder = std::env::temp_dir().join(format!("tower-xmpp-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("archive.sqlite");
//! let (archive, workers) = SqliteArchive::open(&path, SqliteSettings::default())?;
//! // Threads of the host's own; `tokio::task::spawn_blocking` is as good.
//! let workers: Vec<_> = workers
//!     .into_iter()
//!     .map(|worker| std::thread::spawn(move || worker.run()))
//!     .collect();
//!
//! # futures::executor::block_on(async {
//! let alice: jid::BareJid = "alice@a.example".parse()?;
//! let bob: jid::Jid = "bob@b.example/x".parse()?;
//! let message = b"<message xmlns='jabber:client'><body>hi</body></message>";
//! let row = Row::new(alice.clone(), "-a", Time::from_secs(0), bob, Direction::Incoming, &message[..]);
//! archive.append(row).await?.durable.await?; // on the disk
//! assert_eq!(archive.page(&alice, Page::oldest(10)).await?.len(), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! drop(archive);
//! for worker in workers {
//!     worker.join().expect("a worker does not panic");
//! }
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Accepted::durable`]: crate::archive::Accepted
//! [`new_id`]: crate::archive::new_id

mod archive;
mod batch;
#[cfg(any(feature = "account-muc", feature = "muc-offline", feature = "muc-push"))]
mod changes;
mod error;
mod expiry;
mod inbox;
mod moment;
mod read;
mod recent;
#[cfg(feature = "muc-offline")]
mod registrations;
mod schema;
#[cfg(feature = "account-muc")]
mod seats;
mod settle;
mod syncs;
#[cfg(feature = "muc-push")]
mod targets;
mod work;
mod write;
mod writer;

pub use archive::{SqliteArchive, SqliteSettings};
pub use error::SqliteError;
#[cfg(feature = "muc-offline")]
pub use registrations::SqliteRegistrations;
#[cfg(feature = "account-muc")]
pub use seats::SqliteSeats;
#[cfg(feature = "muc-push")]
pub use targets::SqliteTargets;
pub use work::Worker;
