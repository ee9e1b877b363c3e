use std::path::Path;

use async_trait::async_trait;
use jid::{BareJid, Jid};
use rusqlite::{Connection, Row, params};

use crate::muc_push::{Target, TargetError, Targets};

use super::SqliteError;
use super::changes::Changes;
use super::error::Failed;
use super::work::Worker;

/// Push targets in a file. Each write is a transaction of its own and on
/// the disk when it returns (WAL, `synchronous=FULL`). The file may be
/// that of other stores.
///
/// Opened like [`SqliteSeats`](crate::store::SqliteSeats): the worker is the
/// host's to run.
#[derive(Debug)]
pub struct SqliteTargets(Changes);

impl SqliteTargets {
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
impl Targets for SqliteTargets {
    async fn all(&self) -> Result<Vec<Target>, TargetError> {
        let all = "SELECT room, account, jid, node, options FROM target ORDER BY number";
        Ok(self.0.all(all, read).await?)
    }

    async fn put(&self, target: Target) -> Result<(), TargetError> {
        let put = self.0.ask(move |connection| {
            let transaction = connection.unchecked_transaction()?;
            delete(&transaction, &target)?;
            let insert = "INSERT INTO target (room, account, jid, node, options)
                          VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction.prepare_cached(insert)?.execute(params![
                target.room.as_str(),
                target.account.as_str(),
                target.jid.as_str(),
                target.node,
                target.options,
            ])?;
            Ok(transaction.commit()?)
        });
        Ok(put.await?)
    }

    async fn remove(&self, target: &Target) -> Result<(), TargetError> {
        let target = target.clone();
        let removed = self.0.ask(move |connection| delete(connection, &target));
        Ok(removed.await?)
    }
}

impl From<SqliteError> for TargetError {
    fn from(error: SqliteError) -> Self {
        TargetError::Store(error.into())
    }
}

fn delete(connection: &Connection, target: &Target) -> Result<(), Failed> {
    let delete = "DELETE FROM target
                  WHERE room = ?1 AND account = ?2 AND jid = ?3 AND node IS ?4";
    connection.prepare_cached(delete)?.execute(params![
        target.room.as_str(),
        target.account.as_str(),
        target.jid.as_str(),
        target.node,
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Target, Failed> {
    let text = |column: &str| -> Result<String, rusqlite::Error> { row.get(column) };
    let bare = |text: String| text.parse::<BareJid>().map_err(|_| SqliteError::Row);
    Ok(Target {
        room: bare(text("room")?)?,
        account: bare(text("account")?)?,
        jid: Jid::new(&text("jid")?).map_err(|_| SqliteError::Row)?,
        node: row.get("node")?,
        options: row.get("options")?,
    })
}
