//! Stores: what implements the features' ports.
//!
//! Each feature says in its own words what it needs kept
//! ([`ArchiveStore`](crate::archive::ArchiveStore)); here it is kept. Every
//! store of a port passes the same suite, which stores of your own can run as
//! well: `contract`, with the feature `testkit`.
//!
//! | Port | In memory |
//! |---|---|
//! | [`ArchiveStore`](crate::archive::ArchiveStore) | [`MemoryArchive`] |

#[cfg(feature = "testkit")]
pub mod contract;
mod memory;

pub use memory::{MemoryArchive, MemoryArchiveLimits};
