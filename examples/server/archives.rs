//! Where the archives lie, and who may read those of rooms.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jid::{BareJid, Jid};
use tokio::task::JoinSet;
use tower_xmpp::archive::{Access, ArchiveStore, RoomAccess};
use tower_xmpp::store::{MemoryArchive, SqliteArchive, SqliteError, SqliteSettings};

use super::site::Site;

/// The file in the directory of `--data`.
const NAME: &str = "archive.sqlite";

/// Why there are no archives.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}: {1}")]
    Inaccessible(PathBuf, std::io::Error),
    #[error("{0}: {1}")]
    Sqlite(PathBuf, SqliteError),
}

/// The archives, and what works for them.
pub type Opened = (Option<Arc<dyn ArchiveStore>>, JoinSet<()>);

/// The archives, and what works for them: tasks that end when nobody holds
/// the archives any more. Without a directory they are in memory.
///
/// Blocks: to be called before anything is served.
pub fn open(directory: Option<&Path>) -> Result<Opened, Unusable> {
    let mut archivists = JoinSet::new();
    let Some(directory) = directory else {
        return Ok((Some(Arc::new(MemoryArchive::default())), archivists));
    };
    let path = directory.join(NAME);
    // Made here and not by SQLite: nobody else may read what is in it.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Unusable::Inaccessible(path.clone(), error))?;
    let (archive, workers) = SqliteArchive::open(&path, SqliteSettings::default())
        .map_err(|error| Unusable::Sqlite(path, error))?;
    for worker in workers {
        archivists.spawn_blocking(|| worker.run());
    }
    Ok((Some(Arc::new(archive)), archivists))
}

/// Who may enter a room may read its archive.
pub struct Doors(pub Arc<Site>);

impl RoomAccess for Doors {
    fn access(&self, room: &BareJid, asker: &Jid) -> Access {
        match self.0.rooms.may_enter(room, &asker.to_bare()) {
            Some(true) => Access::Granted,
            Some(false) => Access::Denied,
            None => Access::NoSuchRoom,
        }
    }
}
