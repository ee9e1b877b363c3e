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
//! | [`SeatStore`](crate::account_muc::SeatStore) | [`MemorySeats`] | `SqliteSeats` |
//! | [`Registrations`](crate::muc_offline::Registrations) | [`MemoryRegistrations`] | `SqliteRegistrations` |
//! | [`Targets`](crate::muc_push::Targets) | [`MemoryTargets`] | `SqliteTargets` |

#[cfg(feature = "testkit")]
pub mod contract;
#[cfg(feature = "archive")]
mod memory;
#[cfg(feature = "account-muc")]
mod memory_seats;
#[cfg(feature = "testkit")]
mod registration_contract;
#[cfg(feature = "muc-offline")]
mod registrations;
#[cfg(feature = "testkit")]
mod seat_contract;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "testkit")]
mod target_contract;
#[cfg(feature = "muc-push")]
mod targets;

#[cfg(feature = "archive")]
pub use memory::{MemoryArchive, MemoryArchiveLimits};
#[cfg(feature = "account-muc")]
pub use memory_seats::MemorySeats;
#[cfg(feature = "muc-offline")]
pub use registrations::MemoryRegistrations;
#[cfg(all(feature = "sqlite", feature = "muc-offline"))]
pub use sqlite::SqliteRegistrations;
#[cfg(all(feature = "sqlite", feature = "account-muc"))]
pub use sqlite::SqliteSeats;
#[cfg(all(feature = "sqlite", feature = "muc-push"))]
pub use sqlite::SqliteTargets;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteArchive, SqliteError, SqliteSettings};
#[cfg(feature = "muc-push")]
pub use targets::MemoryTargets;
