use std::path::Path;

use async_trait::async_trait;
use jid::BareJid;
use rusqlite::{Row, params};

use crate::muc_offline::{Registration, RegistrationError, Registrations};

use super::SqliteError;
use super::changes::Changes;
use super::error::Failed;
use super::work::Worker;

/// Registrations in a file. Each write is a transaction of its own and on
/// the disk when it returns (WAL, `synchronous=FULL`). A server that
/// is both sides of muc_offline gives each a file of its own.
///
/// Opened like [`SqliteSeats`](crate::store::SqliteSeats): the worker is the
/// host's to run.
#[derive(Debug)]
pub struct SqliteRegistrations(Changes);

impl SqliteRegistrations {
    /// Opens the file, or makes it, and brings its schema up to date. This
    /// blocks, so do it before you serve. The worker is yours to run, on a
    /// thread where it may block.
    ///
    /// # Errors
    ///
    /// [`SqliteError`] names what is wrong with the file.
    pub fn open(path: &Path) -> Result<(Self, Worker), SqliteError> {
        let (changes, worker) = Changes::open(path, None)?;
        Ok((Self(changes), worker))
    }
}

#[async_trait]
impl Registrations for SqliteRegistrations {
    async fn all(&self) -> Result<Vec<Registration>, RegistrationError> {
        let all = "SELECT room, account, paused FROM registration";
        Ok(self.0.all(all, read).await?)
    }

    async fn put(&self, registration: Registration) -> Result<(), RegistrationError> {
        let put = self.0.ask(move |connection| {
            let upsert = "INSERT OR REPLACE INTO registration (room, account, paused)
                          VALUES (?1, ?2, ?3)";
            let Registration {
                room,
                account,
                paused,
            } = &registration;
            let values = params![room.as_str(), account.as_str(), paused];
            connection.prepare_cached(upsert)?.execute(values)?;
            Ok(())
        });
        Ok(put.await?)
    }

    async fn remove(&self, room: &BareJid, account: &BareJid) -> Result<(), RegistrationError> {
        let key = [room.to_string(), account.to_string()];
        let removed = self.0.ask(move |connection| {
            let delete = "DELETE FROM registration WHERE room = ?1 AND account = ?2";
            connection.prepare_cached(delete)?.execute(key)?;
            Ok(())
        });
        Ok(removed.await?)
    }

    async fn remove_room(&self, room: &BareJid) -> Result<(), RegistrationError> {
        let key = [room.to_string()];
        let removed = self.0.ask(move |connection| {
            let delete = "DELETE FROM registration WHERE room = ?1";
            connection.prepare_cached(delete)?.execute(key)?;
            Ok(())
        });
        Ok(removed.await?)
    }
}

impl From<SqliteError> for RegistrationError {
    fn from(error: SqliteError) -> Self {
        RegistrationError::Store(error.into())
    }
}

fn read(row: &Row<'_>) -> Result<Registration, Failed> {
    let jid = |column: &str| -> Result<BareJid, Failed> {
        let text: String = row.get(column)?;
        text.parse().map_err(|_| SqliteError::Row.into())
    };
    let mut registration = Registration::new(jid("room")?, jid("account")?);
    registration.paused = row.get("paused")?;
    Ok(registration)
}
