//! Where the archives lie, for how long, and who may read those of rooms.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, Jid};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tower_xmpp::archive::{Access, ArchiveStore, RoomAccess};
use tower_xmpp::store::{
    MemoryArchive, MemoryArchiveLimits, SqliteArchive, SqliteError, SqliteSettings,
};
use tracing::{info, warn};

use super::clock::now;
use super::options::Options;
use super::site::Site;

/// The file in the directory of `--data`.
const NAME: &str = "archive.sqlite";

/// How often what is too old is dropped.
const SWEEP: Duration = Duration::from_secs(3600);

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
/// the archives any more. Without a directory they are in memory; or there
/// are to be none.
///
/// Blocks: to be called before anything is served.
pub fn open(options: &Options) -> Result<Opened, Unusable> {
    let mut archivists = JoinSet::new();
    if options.no_archive {
        return Ok((None, archivists));
    }
    let Some(directory) = &options.data else {
        let mut limits = MemoryArchiveLimits::default();
        if let Some(messages) = options.archive_messages {
            limits.messages = messages as usize;
        }
        return Ok((Some(Arc::new(MemoryArchive::new(limits))), archivists));
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
    let mut settings = SqliteSettings::default();
    if let Some(messages) = options.archive_messages {
        settings.messages = messages.into();
    }
    let (archive, workers) =
        SqliteArchive::open(&path, settings).map_err(|error| Unusable::Sqlite(path, error))?;
    for worker in workers {
        archivists.spawn_blocking(|| worker.run());
    }
    Ok((Some(Arc::new(archive)), archivists))
}

/// Drops what is older than this, at once and every hour, until it is told to
/// stop by being dropped.
pub async fn sweep(archives: Arc<dyn ArchiveStore>, keep: Duration) {
    let mut hours = interval(SWEEP);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        hours.tick().await;
        match archives.expire(now() - keep).await {
            Ok(0) => {}
            Ok(messages) => info!(messages, "archived messages expired"),
            Err(error) => warn!(%error, "archived messages cannot be dropped"),
        }
    }
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
