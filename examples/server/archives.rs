//! Where the archives lie, for how long, and who may read those of rooms.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
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
use super::site::Site;

/// The file in the directory of `--data`.
const NAME: &str = "archive.sqlite";

/// How often what is too old is dropped.
const SWEEP: Duration = Duration::from_secs(3600);

/// For how long archives keep what is in them.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Keeping {
    /// How long archived messages are kept, in days; without it, for ever
    #[arg(long = "archive-days", value_name = "DAYS", value_parser = parse_days)]
    pub time: Option<Duration>,

    /// How many messages an archive may hold; the oldest go first
    #[arg(long = "archive-messages", value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub messages: Option<u32>,
}

/// Why there are no archives.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}: {1}")]
    Inaccessible(PathBuf, std::io::Error),
    #[error("{0}: {1}")]
    Sqlite(PathBuf, SqliteError),
}

/// The archives; their workers end when nobody holds them any more. Without a
/// directory they are in memory.
///
/// Blocks: to be called before anything is served.
pub fn open(
    directory: Option<&Path>,
    keeping: Keeping,
    workers: &mut JoinSet<()>,
) -> Result<Arc<dyn ArchiveStore>, Unusable> {
    let Some(directory) = directory else {
        let mut limits = MemoryArchiveLimits::default();
        if let Some(messages) = keeping.messages {
            limits.messages = messages as usize;
        }
        return Ok(Arc::new(MemoryArchive::new(limits)));
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
    if let Some(messages) = keeping.messages {
        settings.messages = messages.into();
    }
    let (archive, archivists) =
        SqliteArchive::open(&path, settings).map_err(|error| Unusable::Sqlite(path, error))?;
    for archivist in archivists {
        workers.spawn_blocking(|| archivist.run());
    }
    Ok(Arc::new(archive))
}

/// Drops what is too old, at once and every hour; for as long as it is polled.
pub async fn sweep(archives: Option<Arc<dyn ArchiveStore>>, keeping: Keeping) {
    let (Some(archives), Some(keep)) = (archives, keeping.time) else {
        return;
    };
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

fn parse_days(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("at least one day is expected".into()),
        Ok(days) => Ok(Duration::from_secs(u64::from(days) * 24 * 3600)),
        Err(_) => Err("a number of days is expected".into()),
    }
}
