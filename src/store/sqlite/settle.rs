//! Brings what finds messages up to date with the messages.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::SqliteError;
use super::error::Failed;

/// The messages that no index has yet, by heart.
#[derive(Default)]
pub(super) struct Unsettled {
    messages: Vec<Message>,
    texts: String,
}

/// What indexes say of a message.
struct Message {
    owner: i64,
    place: i64,
    at: i64,
    latest: i64,
    id: Range<usize>,
    peer: Range<usize>,
}

/// What was accepted although another message has its ID: a random one came
/// twice. The first stays.
const TWICE: &str = "DELETE FROM message WHERE position > ?1 AND position <>
     (SELECT by_id.position FROM by_id
      WHERE by_id.owner = message.owner AND by_id.id = message.id)";

/// Rows of an index that one statement inserts: beginning and ending it costs as much
/// as two of them.
const ROWS: usize = 16;

/// The place up to which all is found.
pub(super) fn settled(connection: &Connection) -> Result<i64, Failed> {
    let mut statement = connection.prepare_cached("SELECT place FROM settled")?;
    Ok(statement.query_row((), |row| row.get(0))?)
}

/// The last place that was given, in this life or before.
pub(super) fn last_place(connection: &Connection) -> Result<i64, Failed> {
    let sql = "SELECT max(place, coalesce((SELECT max(position) FROM message), 0)) FROM settled";
    Ok(connection.query_row(sql, (), |row| row.get(0))?)
}

impl Unsettled {
    /// Those that the file has.
    pub(super) fn load(connection: &Connection, settled: i64) -> Result<Self, Failed> {
        let mut all = Self::default();
        let mut statement = connection.prepare_cached(
            "SELECT owner, position, at, latest, id, peer FROM message
             WHERE position > ?1 ORDER BY position",
        )?;
        let mut rows = statement.query([settled])?;
        while let Some(row) = rows.next()? {
            let text = |column| {
                Ok::<_, Failed>(
                    row.get_ref(column)?
                        .as_str()
                        .map_err(|_| SqliteError::Row)?,
                )
            };
            let (id, peer) = (text(4)?, text(5)?);
            all.add(
                [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?],
                id,
                peer,
            );
        }
        Ok(all)
    }

    /// A message has been written: its owner, place, time, and the newest time
    /// of its archive.
    pub(super) fn add(&mut self, [owner, place, at, latest]: [i64; 4], id: &str, peer: &str) {
        let mut put = |text: &str| {
            let begin = self.texts.len();
            self.texts.push_str(text);
            begin..self.texts.len()
        };
        let (id, peer) = (put(id), put(peer));
        self.messages.push(Message {
            owner,
            place,
            at,
            latest,
            id,
            peer,
        });
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.texts.clear();
    }

    /// Makes all of them found, which are what the file has after `settled`. Each index is
    /// written in its own order, so that each of its pages is touched once. What
    /// is there already is passed over: another message with that ID, or what is
    /// left of a settling that failed. Returns of how many messages each archive has
    /// grown.
    pub(super) fn settle(
        &mut self,
        connection: &Connection,
        settled: i64,
        last: i64,
    ) -> Result<BTreeMap<i64, u64>, Failed> {
        if self.insert_ids(connection)? < self.len() {
            connection.prepare_cached(TWICE)?.execute([settled])?;
            *self = Self::load(connection, settled)?;
        }
        self.insert_others(connection)?;
        connection
            .prepare_cached("UPDATE settled SET place = ?1")?
            .execute([last])?;
        let mut grown = BTreeMap::new();
        for message in &self.messages {
            *grown.entry(message.owner).or_default() += 1;
        }
        self.clear();
        Ok(grown)
    }

    fn insert_ids(&self, connection: &Connection) -> Result<usize, Failed> {
        let order = |a: &Message, b: &Message| {
            let by_id = self.text(&a.id).cmp(self.text(&b.id));
            by_id.then(a.place.cmp(&b.place))
        };
        let rows = self.sorted(order).into_iter();
        let rows = rows.map(|one| {
            [
                number(one.owner),
                text(self.text(&one.id)),
                number(one.place),
            ]
        });
        insert(connection, "by_id", rows)
    }

    fn insert_others(&self, connection: &Connection) -> Result<(), Failed> {
        let by_place = self.sorted(|a, b| a.place.cmp(&b.place));
        let rows = by_place.iter();
        let rows = rows.map(|one| [number(one.owner), number(one.place), number(one.latest)]);
        insert(connection, "by_owner", rows)?;

        let by_peer = self.sorted(|a, b| {
            let by_peer = self.text(&a.peer).cmp(self.text(&b.peer));
            by_peer.then(a.place.cmp(&b.place))
        });
        let rows = by_peer.iter();
        let rows = rows.map(|one| {
            [
                number(one.owner),
                text(self.text(&one.peer)),
                number(one.place),
            ]
        });
        insert(connection, "by_peer", rows)?;

        let late = by_place.iter().filter(|one| one.at < one.latest);
        let rows = late.map(|one| [number(one.owner), number(one.at), number(one.place)]);
        insert(connection, "late", rows)?;
        Ok(())
    }

    /// In the order of an index, in which the owner comes first.
    fn sorted(&self, order: impl Fn(&Message, &Message) -> Ordering) -> Vec<&Message> {
        let mut sorted: Vec<_> = self.messages.iter().collect();
        sorted.sort_unstable_by(|a, b| a.owner.cmp(&b.owner).then_with(|| order(a, b)));
        sorted
    }

    fn text(&self, range: &Range<usize>) -> &str {
        &self.texts[range.clone()]
    }
}

/// Inserts rows into an index; returns how many were not there.
fn insert<'a>(
    connection: &Connection,
    table: &str,
    mut rows: impl Iterator<Item = [ToSqlOutput<'a>; 3]>,
) -> Result<usize, Failed> {
    let mut new = 0;
    let mut some = Vec::with_capacity(ROWS);
    loop {
        some.clear();
        some.extend(rows.by_ref().take(ROWS));
        let Some(more) = some.len().checked_sub(1) else {
            return Ok(new);
        };
        let more = ", (?, ?, ?)".repeat(more);
        let sql = format!("INSERT OR IGNORE INTO {table} VALUES (?, ?, ?){more}");
        let mut statement = connection.prepare_cached(&sql)?;
        for (index, value) in some.iter().flatten().enumerate() {
            statement.raw_bind_parameter(index + 1, value)?;
        }
        new += statement.raw_execute()?;
    }
}

fn number(number: i64) -> ToSqlOutput<'static> {
    number.into()
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::from(text))
}
