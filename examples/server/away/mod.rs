//! Who is away from a room: the layers by which rooms write to them and wake
//! them, and the layers by which their accounts take that in.

mod accounts;
mod rooms;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use tower_xmpp::muc_offline::{RegistrationError, Registrations};
use tower_xmpp::muc_push::{TargetError, Targets};
use tower_xmpp::store::{
    MemoryRegistrations, MemoryTargets, SqliteError, SqliteRegistrations, SqliteTargets,
};

pub use accounts::{OfAccounts, of_accounts};
pub use rooms::{OfRooms, of_rooms};

/// What is switched off.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Switches {
    /// Rooms do not write to members who are away, and nobody takes in what
    /// rooms elsewhere write to them
    #[arg(long)]
    pub no_muc_offline: bool,

    /// Rooms do not notify anybody who is away, and accounts do not ask rooms
    /// elsewhere to be notified
    #[arg(long)]
    pub no_muc_push: bool,
}

/// Why nothing can be kept of it.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}: {1}")]
    File(PathBuf, SqliteError),
    #[error("registrations cannot be read: {0}")]
    Registrations(#[from] RegistrationError),
    #[error("push targets cannot be read: {0}")]
    Targets(#[from] TargetError),
}

/// Registrations in a file of this name, or in memory without a directory.
fn registrations(
    directory: Option<&Path>,
    name: &'static str,
    workers: &mut JoinSet<()>,
) -> Result<Arc<dyn Registrations>, Unusable> {
    let Some(directory) = directory else {
        return Ok(Arc::new(MemoryRegistrations::default()));
    };
    let path = directory.join(name);
    let opened = SqliteRegistrations::open(&path);
    let (store, worker) = opened.map_err(|error| Unusable::File(path, error))?;
    // Ends when the layer is dropped.
    workers.spawn_blocking(|| worker.run());
    Ok(Arc::new(store))
}

/// Push targets in a file of this name, or in memory without a directory.
fn targets(
    directory: Option<&Path>,
    name: &'static str,
    workers: &mut JoinSet<()>,
) -> Result<Arc<dyn Targets>, Unusable> {
    let Some(directory) = directory else {
        return Ok(Arc::new(MemoryTargets::default()));
    };
    let path = directory.join(name);
    let opened = SqliteTargets::open(&path);
    let (store, worker) = opened.map_err(|error| Unusable::File(path, error))?;
    // Ends when the layer is dropped.
    workers.spawn_blocking(|| worker.run());
    Ok(Arc::new(store))
}
