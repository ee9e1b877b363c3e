//! Whose account sits in which room, for the layer that joins rooms in an
//! account's name: kept beside the database of the services, in a file of its
//! own, or in memory without a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use tower_xmpp::account_muc::{AccountMuc, AccountMucLayer, SeatError, SeatStore};
use tower_xmpp::flow::Bookmarks;
use tower_xmpp::store::{MemorySeats, SqliteError, SqliteSeats};
use tracing::info;

use super::random;

/// Why nobody can take a seat.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}: {1}")]
    File(PathBuf, SqliteError),
    #[error("the seats in rooms cannot be read: {0}")]
    Read(#[from] SeatError),
}

/// The layer, with the seats that were kept; bookmarks say which rooms an
/// account is to be in.
pub async fn layer(
    directory: Option<&Path>,
    bookmarks: Arc<dyn Bookmarks>,
    workers: &mut JoinSet<()>,
) -> Result<AccountMucLayer, Unusable> {
    let store: Arc<dyn SeatStore> = match directory {
        None => Arc::new(MemorySeats::default()),
        Some(directory) => {
            let path = directory.join("seats.sqlite");
            let (store, worker) =
                SqliteSeats::open(&path).map_err(|error| Unusable::File(path, error))?;
            // Ends when the layer is dropped.
            workers.spawn_blocking(|| worker.run());
            Arc::new(store)
        }
    };
    let feature = AccountMuc::new(store, Arc::new(random::fill)).bookmarks(bookmarks);
    let layer = AccountMucLayer::of(feature);
    // Before anything enters: rooms that speak to a seat that is not known
    // here are refused, and then the seat is lost.
    let seats = layer.feature().restore().await?;
    info!(seats, "room occupancies of accounts restored");
    Ok(layer)
}
