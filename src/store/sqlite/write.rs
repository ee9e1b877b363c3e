//! What the one writer does, inside its transaction.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;

use jid::BareJid;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::archive::{ArchiveError, Direction, Position, Preferences, Row};
use crate::stanza::Time;

use super::error::Failed;
use super::{SqliteError, read};

/// The writing connection, and what it knows by heart.
pub(super) struct Desk {
    connection: Connection,
    /// How many messages an archive may hold.
    quota: u64,
    owners: HashMap<BareJid, Owner>,
}

#[derive(Clone, Copy)]
struct Owner {
    number: i64,
    messages: u64,
    /// The newest time in the archive.
    latest: i64,
}

/// Owners known by heart, at most; then they are looked up anew.
const KNOWN: usize = 10_000;

/// Messages, or archives, that one step of expiry looks at.
const STEP: i64 = 1_000;

/// For how long an ID that a client made is remembered after its message.
const SPENT: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

impl Desk {
    pub(super) fn new(connection: Connection, quota: u64) -> Self {
        connection.set_prepared_statement_cache_capacity(32);
        Self {
            connection,
            quota: quota.max(1),
            owners: HashMap::new(),
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), Failed> {
        Ok(self.statement("BEGIN IMMEDIATE")?.execute(()).map(drop)?)
    }

    /// Whether the transaction is still open: some errors end it.
    pub(super) fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Commits; if that fails, nothing of the transaction was done.
    pub(super) fn commit(&mut self) -> Result<(), Failed> {
        let committed = match self.is_open() {
            true => self
                .statement("COMMIT")
                .and_then(|mut commit| Ok(commit.execute(())?)),
            // What ended it has been told to whom it happened; this is for the rest.
            false => Err(SqliteError::Other("the transaction was rolled back".to_owned()).into()),
        };
        if committed.is_err() {
            self.owners.clear();
            if self.is_open() {
                // If even this fails, the next `begin` tells.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        committed.map(drop)
    }

    /// Puts a row at the end of its archive, unless it lies there already, and
    /// drops the oldest that are too many. Returns where it lies, and whether
    /// it is new.
    pub(super) fn append(&mut self, row: &Row) -> Result<(Position, bool), ArchiveError> {
        let owner = self.owner(&row.owner)?;
        let (resource, outgoing) = (
            row.with.resource().map(jid::ResourceRef::as_str),
            row.direction == Direction::Outgoing,
        );
        let peer = row.with.to_bare();
        let latest = owner.latest.max(row.at.micros());
        let inserted = self
            .statement(
                "INSERT INTO message
                 (owner, id, at, peer, resource, outgoing, type, message_id, stanza, latest)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (owner, id) DO NOTHING",
            )?
            .execute(params![
                owner.number,
                row.id,
                row.at.micros(),
                peer.as_str(),
                resource,
                outgoing,
                read::type_number(row.type_),
                row.message_id,
                &*row.stanza,
                latest,
            ])
            .map_err(Failed::from)?;
        if inserted == 0 {
            return match read::get(&self.connection, &row.owner, &row.id)? {
                Some(there) if there.row == *row => Ok((there.position, false)),
                _ => Err(taken(row)),
            };
        }
        let position = self.connection.last_insert_rowid();
        if !is_random(&row.id) && self.is_spent(owner, &row.id)? {
            self.statement("DELETE FROM message WHERE position = ?1")?
                .execute([position])
                .map_err(Failed::from)?;
            return Err(taken(row));
        }
        let messages = owner.messages + 1;
        if messages > self.quota {
            self.drop_oldest(owner, messages - self.quota)?;
        }
        if let Some(owner) = self.owners.get_mut(&row.owner) {
            (owner.messages, owner.latest) = (messages.min(self.quota), latest);
        }
        Ok((Position(position.unsigned_abs()), true))
    }

    /// Messages that were accepted and will not be kept go again; their IDs
    /// are not used again.
    pub(super) fn take_back(
        &mut self,
        places: impl Iterator<Item = Position>,
    ) -> Result<(), Failed> {
        self.begin()?;
        for place in places {
            let place = i64::try_from(place.0).unwrap_or(i64::MAX);
            self.statement(
                "INSERT OR IGNORE INTO spent SELECT owner, id, at FROM message
                 WHERE position = ?1 AND substr(id, 1, 1) <> '-'",
            )?
            .execute([place])?;
            self.statement("DELETE FROM message WHERE position = ?1")?
                .execute([place])?;
        }
        self.owners.clear();
        self.commit()
    }

    /// Puts the whole log into the database, and both on the disk.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failed> {
        let is_blocked: bool =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
        match is_blocked {
            true => Err(SqliteError::Locked.into()),
            false => Ok(()),
        }
    }

    pub(super) fn replace(
        &mut self,
        owner: &BareJid,
        id: &str,
        stanza: &[u8],
    ) -> Result<bool, Failed> {
        let replaced = self
            .statement(
                "UPDATE message SET stanza = ?3
                 WHERE owner = (SELECT number FROM owner WHERE jid = ?1) AND id = ?2",
            )?
            .execute(params![owner.as_str(), id, stanza])?;
        Ok(replaced > 0)
    }

    /// One step of expiry, which nobody has to wait for long: drops what is
    /// older from the old end of some archives, beginning with this one.
    /// Returns how many messages are gone, and with which archive to go on.
    pub(super) fn expire(&mut self, before: Time, from: i64) -> Result<(u64, Option<i64>), Failed> {
        let owners: Vec<i64> = self
            .statement("SELECT number FROM owner WHERE number >= ?1 ORDER BY number LIMIT ?2")?
            .query_map([from, STEP], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let (mut gone, mut left) = (0, STEP);
        for owner in &owners {
            let young: Option<i64> = self
                .statement(
                    "SELECT position FROM
                         (SELECT position, at FROM message WHERE owner = ?1
                          ORDER BY position LIMIT ?3)
                     WHERE at >= ?2 ORDER BY position LIMIT 1",
                )?
                .query_row([*owner, before.micros(), left], |row| row.get(0))
                .optional()?;
            let (until, is_cut) = match young {
                Some(young) => (Some(young), false),
                None => {
                    let next = self.place(*owner, left)?;
                    (next, next.is_some())
                }
            };
            let dropped = self.drop_until(*owner, until.unwrap_or(i64::MAX))?;
            self.forget(*owner, dropped);
            gone += dropped;
            left -= i64::try_from(dropped).unwrap_or(STEP);
            if is_cut || left <= 0 {
                return Ok((gone, Some(*owner)));
            }
        }
        if let Some(last) = owners.last() {
            return Ok((gone, Some(last + 1)));
        }
        self.statement("DELETE FROM spent WHERE at < ?1")?
            .execute([(before - SPENT).micros()])?;
        Ok((gone, None))
    }

    pub(super) fn set_preferences(
        &mut self,
        owner: &BareJid,
        preferences: &Preferences,
    ) -> Result<(), Failed> {
        let number = self.owner(owner)?.number;
        let xml = preferences.to_element().to_xml();
        self.statement("UPDATE owner SET preferences = ?2 WHERE number = ?1")?
            .execute(params![number, xml])?;
        Ok(())
    }

    pub(super) fn remove(&mut self, owner: &BareJid) -> Result<(), Failed> {
        let number = self.owner(owner)?.number;
        for table in ["message", "spent"] {
            self.statement(&format!("DELETE FROM {table} WHERE owner = ?1"))?
                .execute([number])?;
        }
        self.statement("DELETE FROM owner WHERE number = ?1")?
            .execute([number])?;
        self.owners.remove(owner);
        Ok(())
    }

    fn owner(&mut self, jid: &BareJid) -> Result<Owner, Failed> {
        if let Some(owner) = self.owners.get(jid) {
            return Ok(*owner);
        }
        self.statement("INSERT INTO owner (jid) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([jid.as_str()])?;
        let number = self
            .statement("SELECT number FROM owner WHERE jid = ?1")?
            .query_row([jid.as_str()], |row| row.get(0))?;
        let messages = self
            .statement("SELECT count(*) FROM message WHERE owner = ?1")?
            .query_row([number], |row| row.get(0))?;
        let latest: Option<i64> = self
            .statement(
                "SELECT latest FROM message WHERE owner = ?1 ORDER BY position DESC LIMIT 1",
            )?
            .query_row([number], |row| row.get(0))
            .optional()?;
        if self.owners.len() >= KNOWN {
            self.owners.clear();
        }
        let owner = Owner {
            number,
            messages,
            latest: latest.unwrap_or(i64::MIN),
        };
        match self.owners.entry(jid.clone()) {
            Slot::Vacant(slot) => Ok(*slot.insert(owner)),
            Slot::Occupied(slot) => Ok(*slot.get()),
        }
    }

    fn is_spent(&self, owner: Owner, id: &str) -> Result<bool, Failed> {
        Ok(self
            .statement("SELECT 1 FROM spent WHERE owner = ?1 AND id = ?2")?
            .exists(params![owner.number, id])?)
    }

    fn drop_oldest(&self, owner: Owner, many: u64) -> Result<(), Failed> {
        let many = i64::try_from(many).unwrap_or(i64::MAX);
        if let Some(young) = self.place(owner.number, many)? {
            self.drop_until(owner.number, young)?;
        }
        Ok(())
    }

    /// Where the message lies before which there are so many, if there is one.
    fn place(&self, owner: i64, many: i64) -> Result<Option<i64>, Failed> {
        Ok(self
            .statement(
                "SELECT position FROM message WHERE owner = ?1 ORDER BY position LIMIT 1 OFFSET ?2",
            )?
            .query_row([owner, many], |row| row.get(0))
            .optional()?)
    }

    /// So many messages of an owner are gone.
    fn forget(&mut self, number: i64, gone: u64) {
        if gone == 0 {
            return;
        }
        #[expect(clippy::iter_over_hash_type, reason = "one of them is looked for")]
        for owner in self.owners.values_mut() {
            if owner.number == number {
                owner.messages = owner.messages.saturating_sub(gone);
            }
        }
    }

    /// Drops an owner's messages before a position, and keeps in mind the IDs
    /// that could come again.
    fn drop_until(&self, owner: i64, position: i64) -> Result<u64, Failed> {
        self.statement(
            "INSERT OR IGNORE INTO spent SELECT owner, id, at FROM message
             WHERE owner = ?1 AND position < ?2 AND substr(id, 1, 1) <> '-'",
        )?
        .execute([owner, position])?;
        let gone = self
            .statement("DELETE FROM message WHERE owner = ?1 AND position < ?2")?
            .execute([owner, position])?;
        Ok(gone as u64)
    }

    /// For a look into what was written.
    #[cfg(test)]
    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, Failed> {
        Ok(self.connection.prepare_cached(sql)?)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// An ID that the server made never comes a second time.
fn is_random(id: &str) -> bool {
    id.starts_with('-')
}

fn taken(row: &Row) -> ArchiveError {
    ArchiveError::IdTaken {
        owner: row.owner.clone(),
        id: row.id.clone(),
    }
}
