use rusqlite::ErrorCode;
use thiserror::Error;

use crate::archive::ArchiveError;

/// What is wrong with a database, as far as its admin can do something.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqliteError {
    /// There is no room on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// The file, its folder or the disk may not be written.
    #[error("the database may not be written")]
    ReadOnly,
    /// The file cannot be opened: it, or its folder, is not there or not ours.
    #[error("the database cannot be opened")]
    CannotOpen,
    /// Another process keeps the database locked.
    #[error("the database is locked by another process")]
    Locked,
    /// The file is damaged, cut off, or no database at all.
    #[error("the file is damaged or no database")]
    Damaged,
    /// A later version of this crate has written the file.
    #[error("the database has schema {found}; this version knows up to {known}")]
    TooNew {
        /// What the file says.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// What stands in a row cannot be read back.
    #[error("a row holds what was never written there")]
    Row,
    /// No worker runs, or the one that had this to do broke.
    #[error("no worker does what the store was asked")]
    NoWorker,
    /// Too much waits for the workers.
    #[error("too much waits for the database")]
    Overloaded,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// A [`SqliteError`] inside this module, where `?` makes one of SQLite's own
/// errors. They are no type of our API, so it has no such conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed(SqliteError);

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Failed(match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SqliteError::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => SqliteError::ReadOnly,
            Some(ErrorCode::CannotOpen) => SqliteError::CannotOpen,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqliteError::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SqliteError::Damaged,
            // The text is SQLite's or rusqlite's own, never a user's.
            _ => SqliteError::Other(error.to_string()),
        })
    }
}

impl From<SqliteError> for Failed {
    fn from(error: SqliteError) -> Self {
        Failed(error)
    }
}

impl From<Failed> for SqliteError {
    fn from(Failed(error): Failed) -> Self {
        error
    }
}

impl From<Failed> for ArchiveError {
    fn from(Failed(error): Failed) -> Self {
        error.into()
    }
}

impl From<SqliteError> for ArchiveError {
    fn from(error: SqliteError) -> Self {
        match error {
            SqliteError::DiskFull => ArchiveError::NoRoom(error.into()),
            error => ArchiveError::Store(error.into()),
        }
    }
}
