//! What goes from archives: by age, by number, or with its account.

use jid::BareJid;
use rusqlite::OptionalExtension;

use crate::stanza::Time;

use super::error::Failed;
use super::write::Desk;

/// Messages, or archives, that one step of expiry looks at.
const STEP: i64 = 1_000;

/// For how long an ID that a client made is remembered after its message.
const SPENT: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

impl Desk {
    /// One step of expiry, which nobody has to wait for long: drops what is
    /// older from the old end of some archives, beginning with this one.
    /// Returns how many messages are gone, and with which archive to go on.
    pub(super) fn expire(&mut self, before: Time, from: i64) -> Result<(u64, Option<i64>), Failed> {
        self.settle()?;
        let owners: Vec<i64> = self
            .statement("SELECT number FROM owner WHERE number >= ?1 ORDER BY number LIMIT ?2")?
            .query_map([from, STEP], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let (mut gone, mut left) = (0, STEP);
        for owner in &owners {
            let young: Option<i64> = self
                .statement(
                    "SELECT position FROM
                         (SELECT place.position, at
                          FROM by_owner AS place CROSS JOIN message USING (position)
                          WHERE place.owner = ?1 ORDER BY place.position LIMIT ?3)
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
            if let Some(messages) = self.archives.get_mut(owner) {
                *messages = messages.saturating_sub(dropped);
            }
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

    pub(super) fn remove(&mut self, owner: &BareJid) -> Result<(), Failed> {
        self.settle()?;
        let number = self.owner(owner.as_str())?.number;
        self.drop_until(number, i64::MAX)?;
        self.statement("DELETE FROM spent WHERE owner = ?1")?
            .execute([number])?;
        self.statement("DELETE FROM owner WHERE number = ?1")?
            .execute([number])?;
        self.owners.remove(owner.as_str());
        self.archives.remove(&number);
        Ok(())
    }

    /// An archive has grown; if it is too large now, the oldest go.
    pub(super) fn grow(&mut self, owner: i64, grown: u64) -> Result<(), Failed> {
        let messages = match self.archives.get(&owner) {
            Some(messages) => messages + grown,
            None => self
                .statement("SELECT count(*) FROM by_owner WHERE owner = ?1")?
                .query_row([owner], |row| row.get(0))?,
        };
        if messages > self.quota {
            let many = i64::try_from(messages - self.quota).unwrap_or(i64::MAX);
            if let Some(young) = self.place(owner, many)? {
                self.drop_until(owner, young)?;
            }
        }
        self.archives.insert(owner, messages.min(self.quota));
        Ok(())
    }

    /// Where the message lies before which there are so many, if there is one.
    fn place(&self, owner: i64, many: i64) -> Result<Option<i64>, Failed> {
        Ok(self
            .statement(
                "SELECT position FROM by_owner WHERE owner = ?1 ORDER BY position LIMIT 1 OFFSET ?2",
            )?
            .query_row([owner, many], |row| row.get(0))
            .optional()?)
    }

    /// Drops an owner's messages before a position, and keeps in mind the IDs
    /// that could come again.
    fn drop_until(&self, owner: i64, position: i64) -> Result<u64, Failed> {
        self.statement(
            "INSERT OR IGNORE INTO spent SELECT owner, id, at FROM message
             WHERE position IN
                 (SELECT position FROM by_owner WHERE owner = ?1 AND position < ?2)
                 AND substr(id, 1, 1) <> '-'",
        )?
        .execute([owner, position])?;
        let gone = self
            .statement(
                "DELETE FROM message WHERE position IN
                 (SELECT position FROM by_owner WHERE owner = ?1 AND position < ?2)",
            )?
            .execute([owner, position])?;
        Ok(gone as u64)
    }
}
