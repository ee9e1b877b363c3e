//! Opening the database: a file that is new, ours and whole, or a reason that
//! names it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

/// The file in the directory of `--data`.
const NAME: &str = "server.sqlite";

/// Marks the file as ours (`PRAGMA application_id`): "txmp".
const OURS: i32 = 0x7478_6d70;

/// What makes version n + 1 of version n. A step is never changed once it was
/// released; what changes is added as another.
const STEPS: [&str; 1] = [include_str!("schema_1.sql")];

/// Why there is nothing to keep things in.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}: {1}")]
    Inaccessible(PathBuf, std::io::Error),
    #[error("{0} is not a database")]
    NotADatabase(PathBuf),
    #[error("{0} is a database, but not of this server")]
    NotOurs(PathBuf),
    #[error("{0} is damaged: {1}")]
    Damaged(PathBuf, String),
    #[error("{0} is in use by another server")]
    InUse(PathBuf),
    #[error("{0} is of version {1}; this server knows versions up to {latest}", latest = STEPS.len())]
    TooNew(PathBuf, usize),
    #[error("{0}: {1}")]
    Sqlite(PathBuf, rusqlite::Error),
}

pub(super) fn open(directory: &Path) -> Result<Connection, Unusable> {
    let path = directory.join(NAME);
    let inaccessible = |error| Unusable::Inaccessible(path.clone(), error);
    fs::create_dir_all(directory).map_err(inaccessible)?;
    // Made here and not by SQLite: nobody else may read what is in it.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(inaccessible)?;
    let usable = Connection::open(&path).and_then(|mut database| {
        // Its log stands beside it (`-wal`); only one process has both.
        database.busy_timeout(Duration::from_secs(1))?;
        database.pragma_update(None, "locking_mode", "exclusive")?;
        database.pragma_update(None, "journal_mode", "wal")?;
        // Kept even if the power fails.
        database.pragma_update(None, "synchronous", "full")?;
        let damage: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if damage != "ok" {
            return Ok(Err(Unusable::Damaged(path.clone(), damage)));
        }
        prepare(&mut database, &path).map(|prepared| prepared.map(|()| database))
    });
    usable.unwrap_or_else(|error| {
        Err(match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Unusable::NotADatabase(path),
            Some(ErrorCode::DatabaseCorrupt) => Unusable::Damaged(path, error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Unusable::InUse(path),
            _ => Unusable::Sqlite(path, error),
        })
    })
}

pub(super) fn in_memory() -> Result<Connection, Unusable> {
    let path = PathBuf::from("the database in memory");
    let failed = |error| Unusable::Sqlite(path.clone(), error);
    let mut database = Connection::open_in_memory().map_err(failed)?;
    prepare(&mut database, &path).map_err(failed)??;
    Ok(database)
}

/// Brings the tables to the latest version.
fn prepare(database: &mut Connection, path: &Path) -> rusqlite::Result<Result<(), Unusable>> {
    database.pragma_update(None, "foreign_keys", "on")?;
    let number = |name| database.pragma_query_value(None, name, |row| row.get(0));
    let (id, version): (i32, usize) = (
        number("application_id")?,
        usize::try_from(number("user_version")?).unwrap_or_default(),
    );
    let tables: u32 =
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != OURS && tables > 0 {
        return Ok(Err(Unusable::NotOurs(path.to_owned())));
    }
    if version > STEPS.len() {
        return Ok(Err(Unusable::TooNew(path.to_owned(), version)));
    }
    for (done, step) in STEPS.iter().enumerate().skip(version) {
        let transaction = database.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", OURS)?;
        transaction.pragma_update(None, "user_version", done + 1)?;
        transaction.commit()?;
    }
    Ok(Ok(()))
}
