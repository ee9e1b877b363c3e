//! What the one writer does, inside its transaction.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use jid::BareJid;
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};

use crate::archive::{ArchiveError, Direction, Position, Preferences, Row};

use super::batch::Line;
use super::error::Failed;
use super::recent::{Doubt, is_random};
use super::settle::{Unsettled, settled};
use super::{SqliteError, read};

/// The writing connection, and what it knows by heart.
pub(super) struct Desk {
    pub(super) connection: Connection,
    /// How many messages an archive may hold.
    pub(super) quota: u64,
    /// What is known by heart of archives. It is forgotten only when nothing is
    /// left to settle: what there is to know stands in the indexes then.
    pub(super) owners: HashMap<String, Owner>,
    /// How many messages of an archive the indexes have; asked for only when
    /// they grow.
    pub(super) archives: HashMap<i64, u64>,
    /// Whether what is known by heart may be wrong.
    in_doubt: bool,
    /// The newest place that was written to.
    last: i64,
    /// Messages that the indexes do not have yet.
    unsettled: Unsettled,
    /// All up to this place is in the indexes.
    settled: i64,
}

pub(super) struct Owner {
    pub(super) number: i64,
    /// The newest time in the archive.
    latest: i64,
}

/// Owners known by heart, at most; then they are looked up anew.
const KNOWN: usize = 10_000;

/// Messages that one statement inserts, at most: beginning and ending it is a third of
/// what one costs.
pub(super) const MESSAGES: usize = 8;

/// Messages that are written before the indexes are brought up to date, if
/// nobody asks sooner. The more there are, the fewer pages are written for
/// each; and the longer has to wait who asks next.
const UNSETTLED: usize = 8_192;

impl Desk {
    /// Everything that was written before is settled.
    pub(super) fn open(connection: Connection, quota: u64, last: i64) -> Result<Self, Failed> {
        connection.set_prepared_statement_cache_capacity(64);
        let mut desk = Self {
            connection,
            quota: quota.max(1),
            owners: HashMap::new(),
            archives: HashMap::new(),
            in_doubt: true,
            last,
            unsettled: Unsettled::default(),
            settled: 0,
        };
        desk.begin()?;
        desk.commit()?;
        Ok(desk)
    }

    pub(super) fn begin(&mut self) -> Result<(), Failed> {
        self.statement("BEGIN IMMEDIATE")?.execute(())?;
        if self.in_doubt
            && let Err(error) = self.learn_anew()
        {
            let _ = self.connection.execute_batch("ROLLBACK");
            return Err(error);
        }
        Ok(())
    }

    fn learn_anew(&mut self) -> Result<(), Failed> {
        self.owners.clear();
        self.archives.clear();
        self.settled = settled(&self.connection)?;
        self.unsettled = Unsettled::load(&self.connection, self.settled)?;
        self.settle()?;
        self.in_doubt = false;
        Ok(())
    }

    /// Whether the transaction is still open: some errors end it.
    pub(super) fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Commits; if that fails, nothing of the transaction was done.
    pub(super) fn commit(&mut self) -> Result<(), Failed> {
        let committed = match self.is_open() {
            true => self.settle_if_much().and_then(|()| {
                self.statement("COMMIT")?.execute(())?;
                Ok(())
            }),
            // What ended it has been told to whom it happened; this is for the rest.
            false => Err(SqliteError::Other("the transaction was rolled back".to_owned()).into()),
        };
        if committed.is_err() {
            self.in_doubt = true;
            if self.is_open() {
                // If even this fails, the next `begin` tells.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        committed
    }

    /// All up to this place is in the indexes, once what is open is committed.
    pub(super) fn settled(&self) -> i64 {
        self.settled
    }

    /// Brings the indexes up to date, and drops the oldest where an archive has
    /// grown too large.
    pub(super) fn settle(&mut self) -> Result<(), Failed> {
        if self.unsettled.len() == 0 {
            return Ok(());
        }
        // Until all of it is done.
        let was_in_doubt = std::mem::replace(&mut self.in_doubt, true);
        let unsettled = &mut self.unsettled;
        for (owner, grown) in unsettled.settle(&self.connection, self.settled, self.last)? {
            self.grow(owner, grown)?;
        }
        (self.settled, self.in_doubt) = (self.last, was_in_doubt);
        Ok(())
    }

    fn settle_if_much(&mut self) -> Result<(), Failed> {
        match self.unsettled.len() >= UNSETTLED || self.owners.len() >= KNOWN {
            true => self.settle(),
            false => Ok(()),
        }?;
        if self.owners.len() >= KNOWN {
            self.owners.clear();
            self.archives.clear();
        }
        Ok(())
    }

    /// Puts a row at this place, the end of its archive, unless it lies there
    /// already; then returns where.
    pub(super) fn append(
        &mut self,
        row: &Row,
        place: i64,
        doubt: Doubt,
    ) -> Result<Option<Position>, ArchiveError> {
        if doubt == Doubt::Likely {
            self.settle()?;
        }
        if doubt != Doubt::None && read::get(&self.connection, &row.owner, &row.id)?.is_some() {
            // It may be one of those that are too many.
            self.settle()?;
            match read::get(&self.connection, &row.owner, &row.id)? {
                Some(there) if there.row == *row => return Ok(Some(there.position)),
                Some(_) => return Err(taken(row)),
                None => {}
            }
        }
        if doubt != Doubt::None && !is_random(&row.id) {
            let owner = self.owner(row.owner.as_str())?.number;
            if self.is_spent(owner, &row.id)? {
                return Err(taken(row));
            }
        }
        self.append_all(&[Line::of(row, place)])?;
        Ok(None)
    }

    /// Puts messages at the ends of their archives, all of them or none. Nothing has
    /// their IDs.
    pub(super) fn append_all(&mut self, lines: &[Line<'_>]) -> Result<(), Failed> {
        let appended = self.try_to_append(lines);
        // Else what is known by heart may have more than the file.
        self.in_doubt |= appended.is_err();
        appended
    }

    fn try_to_append(&mut self, lines: &[Line<'_>]) -> Result<(), Failed> {
        let mut numbers = Vec::with_capacity(lines.len());
        for line in lines {
            let owner = self.owner(line.owner)?;
            owner.latest = owner.latest.max(line.at.micros());
            numbers.push((owner.number, owner.latest));
        }
        let mut statement = self.statement(insert_sql(lines.len()))?;
        let mut column = 0;
        let mut bind = |value: &dyn ToSql| {
            column += 1;
            statement.raw_bind_parameter(column, value)
        };
        for (line, (owner, latest)) in lines.iter().zip(&numbers) {
            let (peer, resource) = line.peer();
            let values: [&dyn ToSql; 11] = [
                &line.place,
                owner,
                &line.id,
                &line.at.micros(),
                latest,
                &peer,
                &resource,
                &(line.direction == Direction::Outgoing),
                &read::type_number(line.type_),
                &line.message_id,
                &line.stanza,
            ];
            values.into_iter().try_for_each(&mut bind)?;
        }
        statement.raw_execute()?;
        drop(statement);
        for (line, (owner, latest)) in lines.iter().zip(numbers) {
            let numbers = [owner, line.place, line.at.micros(), latest];
            self.unsettled.add(numbers, line.id, line.peer().0);
            self.last = self.last.max(line.place);
        }
        Ok(())
    }

    /// Messages that were accepted and will not be kept go again; their IDs
    /// are not used again.
    pub(super) fn take_back(&mut self, places: impl Iterator<Item = i64>) -> Result<(), Failed> {
        self.begin()?;
        for place in places {
            self.statement(
                "INSERT OR IGNORE INTO spent SELECT owner, id, at FROM message
                 WHERE position = ?1 AND substr(id, 1, 1) <> '-'",
            )?
            .execute([place])?;
            self.statement("DELETE FROM message WHERE position = ?1")?
                .execute([place])?;
        }
        self.commit()?;
        self.in_doubt = true;
        Ok(())
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
        self.settle()?;
        let replaced = self
            .statement(
                "UPDATE message SET stanza = ?3 WHERE position =
                 (SELECT position FROM by_id
                  WHERE owner = (SELECT number FROM owner WHERE jid = ?1) AND id = ?2)",
            )?
            .execute(params![owner.as_str(), id, stanza])?;
        Ok(replaced > 0)
    }

    pub(super) fn set_preferences(
        &mut self,
        owner: &BareJid,
        preferences: &Preferences,
    ) -> Result<(), Failed> {
        let number = self.owner(owner.as_str())?.number;
        let xml = preferences.to_element().to_xml();
        self.statement("UPDATE owner SET preferences = ?2 WHERE number = ?1")?
            .execute(params![number, xml])?;
        Ok(())
    }

    /// What is known of an owner, who gets a number if there is none.
    pub(super) fn owner(&mut self, jid: &str) -> Result<&mut Owner, Failed> {
        if !self.owners.contains_key(jid) {
            let owner = self.learn(jid)?;
            self.owners.insert(jid.to_owned(), owner);
        }
        // It is there by now.
        self.owners.get_mut(jid).ok_or(SqliteError::Row.into())
    }

    fn learn(&self, jid: &str) -> Result<Owner, Failed> {
        self.statement("INSERT INTO owner (jid) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([jid])?;
        let number = self
            .statement("SELECT number FROM owner WHERE jid = ?1")?
            .query_row([jid], |row| row.get(0))?;
        let latest: Option<i64> = self
            .statement(
                "SELECT latest FROM by_owner WHERE owner = ?1 ORDER BY position DESC LIMIT 1",
            )?
            .query_row([number], |row| row.get(0))
            .optional()?;
        Ok(Owner {
            number,
            latest: latest.unwrap_or(i64::MIN),
        })
    }

    fn is_spent(&self, owner: i64, id: &str) -> Result<bool, Failed> {
        Ok(self
            .statement("SELECT 1 FROM spent WHERE owner = ?1 AND id = ?2")?
            .exists(params![owner, id])?)
    }

    /// For a look into what was written.
    #[cfg(test)]
    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, Failed> {
        Ok(self.connection.prepare_cached(sql)?)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// Inserts so many messages. A statement that fails takes the transaction with it, and
/// so needs no way back of its own.
fn insert_sql(messages: usize) -> &'static str {
    const COLUMNS: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    static SQL: LazyLock<[String; MESSAGES]> = LazyLock::new(|| {
        std::array::from_fn(|more| {
            let more = format!(", {COLUMNS}").repeat(more);
            format!(
                "INSERT OR ROLLBACK INTO message (position, owner, id, at, latest, peer, \
                 resource, outgoing, type, message_id, stanza) VALUES {COLUMNS}{more}"
            )
        })
    });
    &SQL[messages - 1]
}

fn taken(row: &Row) -> ArchiveError {
    ArchiveError::IdTaken {
        owner: row.owner.clone(),
        id: row.id.clone(),
    }
}
