//! Brings what finds messages up to date with the messages.

use rusqlite::Connection;

use super::error::Failed;

/// For each index, what is new in it, in its own order: so each of its pages is
/// touched once. What is there already is passed over: another message with that
/// ID, or what is left of a settling that failed.
const IDS: &str = "INSERT OR IGNORE INTO by_id
     SELECT owner, id, position FROM message WHERE position > ?1 ORDER BY owner, id, position";
const OTHERS: [&str; 3] = [
    "INSERT OR IGNORE INTO by_owner
     SELECT owner, position, latest FROM message WHERE position > ?1 ORDER BY owner, position",
    "INSERT OR IGNORE INTO by_peer
     SELECT owner, peer, position FROM message WHERE position > ?1 ORDER BY owner, peer, position",
    "INSERT OR IGNORE INTO late
     SELECT owner, at, position FROM message WHERE position > ?1 AND at < latest",
];

/// What was accepted although another message has its ID: a random one came
/// twice. The first stays.
const TWICE: &str = "DELETE FROM message WHERE position > ?1 AND position <>
     (SELECT by_id.position FROM by_id
      WHERE by_id.owner = message.owner AND by_id.id = message.id)";

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

/// Makes everything after `settled` found. Returns of how many messages each
/// archive has grown.
pub(super) fn settle(
    connection: &Connection,
    settled: i64,
    last: i64,
) -> Result<Vec<(i64, u64)>, Failed> {
    let run = |sql: &str| -> Result<usize, Failed> {
        Ok(connection.prepare_cached(sql)?.execute([settled])?)
    };
    let new = run(IDS)?;
    let mut grown = connection
        .prepare_cached("SELECT owner, count(*) FROM message WHERE position > ?1 GROUP BY owner")?;
    let mut grown = || -> Result<Vec<(i64, u64)>, Failed> {
        let rows = grown.query_map([settled], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let mut found = grown()?;
    if found.iter().map(|(_, many)| many).sum::<u64>() > new as u64 {
        run(TWICE)?;
        found = grown()?;
    }
    for sql in OTHERS {
        run(sql)?;
    }
    connection
        .prepare_cached("UPDATE settled SET place = ?1")?
        .execute([last])?;
    Ok(found)
}
