//! Stores: what implements the features' ports.
//!
//! Each feature says in its own words what it needs kept
//! ([`ArchiveStore`](crate::archive::ArchiveStore)); here it is kept. Every
//! store of a port passes the same suite, which stores of your own can run as
//! well: `contract`, with the feature `testkit`.
//!
//! | Port | In memory | In a file, with the feature `sqlite` |
//! |---|---|---|
//! | [`ArchiveStore`](crate::archive::ArchiveStore) | [`MemoryArchive`] | `SqliteArchive` |

#[cfg(feature = "testkit")]
pub mod contract;
mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use memory::{MemoryArchive, MemoryArchiveLimits};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteArchive, SqliteError, SqliteSettings};
