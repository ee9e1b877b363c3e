//! The file: how it is opened, and what stands in it.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::SqliteError;
use super::error::Failed;

/// What leads from each version to the next. Entries are never changed, only
/// added; a new file passes them all.
const MIGRATIONS: &[&str] = &[
    // `position` is never given twice, whatever is deleted. Every index ends
    // in it, so a page is read in order from whichever one serves.
    "CREATE TABLE owner (
         number INTEGER PRIMARY KEY,
         jid TEXT NOT NULL UNIQUE,
         preferences TEXT
     ) STRICT;
     CREATE TABLE message (
         position INTEGER PRIMARY KEY AUTOINCREMENT,
         owner INTEGER NOT NULL,
         id TEXT NOT NULL,
         at INTEGER NOT NULL,
         peer TEXT NOT NULL,
         resource TEXT,
         outgoing INTEGER NOT NULL,
         type INTEGER NOT NULL,
         message_id TEXT,
         stanza BLOB NOT NULL
     ) STRICT;
     CREATE UNIQUE INDEX message_id ON message (owner, id);
     CREATE INDEX message_peer ON message (owner, peer);
     CREATE INDEX message_owner ON message (owner);
     -- IDs that clients made, of messages that are gone.
     CREATE TABLE spent (
         owner INTEGER NOT NULL,
         id TEXT NOT NULL,
         at INTEGER NOT NULL,
         PRIMARY KEY (owner, id)
     ) STRICT, WITHOUT ROWID;",
    // Where accounts sit in rooms.
    "CREATE TABLE seat (
         account TEXT NOT NULL,
         room TEXT NOT NULL,
         nick TEXT NOT NULL,
         state INTEGER NOT NULL,
         password TEXT,
         autojoin INTEGER NOT NULL,
         heard INTEGER,
         PRIMARY KEY (account, room)
     ) STRICT, WITHOUT ROWID;",
    // Who wants to hear of rooms while away.
    "CREATE TABLE registration (
         room TEXT NOT NULL,
         account TEXT NOT NULL,
         paused INTEGER NOT NULL,
         PRIMARY KEY (room, account)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE target (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         room TEXT NOT NULL,
         account TEXT NOT NULL,
         jid TEXT NOT NULL,
         node TEXT,
         options TEXT
     ) STRICT;
     CREATE INDEX target_key ON target (room, account);",
    // `latest` is the newest time of an archive up to that message: it never
    // falls along the archive, so a time leads to a place by one step. Those
    // that came after a younger one are few, and found by themselves.
    "ALTER TABLE message ADD COLUMN latest INTEGER NOT NULL DEFAULT 0;
     UPDATE message SET latest = newest
         FROM (SELECT position AS place,
                      max(at) OVER (PARTITION BY owner ORDER BY position) AS newest
               FROM message)
         WHERE position = place;
     CREATE INDEX message_latest ON message (owner, latest);
     CREATE INDEX message_late ON message (owner, at) WHERE at < latest;",
    // How the account came into the room decides how it leaves.
    "ALTER TABLE seat ADD COLUMN by_request INTEGER NOT NULL DEFAULT 0;",
    // Messages are only written one after the other; what finds them is brought
    // up to date seldom, for many of them at once, and then in its own order. All
    // up to `settled` is found, and no place up to there is given again; to go on
    // from there is all that is left to do after a crash. The trigger is the one
    // place where what is gone is taken out again.
    "ALTER TABLE message RENAME TO old;
     CREATE TABLE message (
         position INTEGER PRIMARY KEY,
         owner INTEGER NOT NULL,
         id TEXT NOT NULL,
         at INTEGER NOT NULL,
         latest INTEGER NOT NULL,
         peer TEXT NOT NULL,
         resource TEXT,
         outgoing INTEGER NOT NULL,
         type INTEGER NOT NULL,
         message_id TEXT,
         stanza BLOB NOT NULL
     ) STRICT;
     INSERT INTO message
         SELECT position, owner, id, at, latest, peer, resource, outgoing, type, message_id, stanza
         FROM old ORDER BY position;
     CREATE TABLE settled (place INTEGER NOT NULL) STRICT;
     INSERT INTO settled
         SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name IN ('message', 'old');
     DROP TABLE old;
     CREATE TABLE by_id (
         owner INTEGER NOT NULL,
         id TEXT NOT NULL,
         position INTEGER NOT NULL,
         PRIMARY KEY (owner, id)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE by_owner (
         owner INTEGER NOT NULL,
         position INTEGER NOT NULL,
         latest INTEGER NOT NULL,
         PRIMARY KEY (owner, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE by_peer (
         owner INTEGER NOT NULL,
         peer TEXT NOT NULL,
         position INTEGER NOT NULL,
         PRIMARY KEY (owner, peer, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE late (
         owner INTEGER NOT NULL,
         at INTEGER NOT NULL,
         position INTEGER NOT NULL,
         PRIMARY KEY (owner, at, position)
     ) STRICT, WITHOUT ROWID;
     INSERT INTO by_id SELECT owner, id, position FROM message ORDER BY 1, 2;
     INSERT INTO by_owner SELECT owner, position, latest FROM message ORDER BY 1, 2;
     INSERT INTO by_peer SELECT owner, peer, position FROM message ORDER BY 1, 2, 3;
     INSERT INTO late SELECT owner, at, position FROM message WHERE at < latest;
     CREATE TRIGGER message_gone AFTER DELETE ON message BEGIN
         DELETE FROM by_id
             WHERE owner = old.owner AND id = old.id AND position = old.position;
         DELETE FROM by_owner WHERE owner = old.owner AND position = old.position;
         DELETE FROM by_peer
             WHERE owner = old.owner AND peer = old.peer AND position = old.position;
         DELETE FROM late
             WHERE owner = old.owner AND at = old.at AND position = old.position;
     END;",
];

/// The newest version that this crate knows.
const VERSION: i64 = 6;
const _: () = assert!(MIGRATIONS.len() == 6, "each migration is a version");

/// How long a lock that another process holds is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pages of the log (4 KiB each) after which it is put into the database: the
/// longer that waits, the fewer pages are written twice.
const CHECKPOINT: i64 = 4_000;

/// KiB of pages that the writer keeps in memory, so that it need not read again
/// what it has written since the last settling.
const CACHE: i64 = 8_192;

/// A connection that writes, to a file that is up to date then.
pub(super) fn open_writer(path: &Path, file_bytes: Option<u64>) -> Result<Connection, Failed> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    // What was taken back is not to be found in the file any more.
    connection.pragma_update(None, "secure_delete", "on")?;
    migrate(&mut connection)?;
    if let Some(bytes) = file_bytes {
        let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes / page.max(1)).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(connection)
}

/// The log of a connection that writes, for a worker that waits for the disk:
/// the connection itself does so from now on only when the log goes into the
/// database.
pub(super) fn log(connection: &Connection, path: &Path) -> Result<File, Failed> {
    connection.pragma_update(None, "synchronous", "normal")?;
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    // Where folders can be opened, the log's name is to be there after a crash, too.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
    let log = OpenOptions::new().write(true).open(name);
    Ok(log.map_err(|_| SqliteError::CannotOpen)?)
}

/// A connection that reads, to a file that a writer has opened.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Failed> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// Brings the file up to date, or leaves it as it is.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Failed> {
    let found = version(connection)?;
    if found == VERSION {
        // Also tells whether the file may be written, before anybody relies on it.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found = version(&transaction)?;
    let known = VERSION;
    let missing = usize::try_from(found)
        .ok()
        .and_then(|found| MIGRATIONS.get(found..))
        .ok_or(SqliteError::TooNew { found, known })?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> Result<i64, Failed> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_the_newest_schema_and_migrating_it_again_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        for _ in 0..2 {
            migrate(&mut connection).unwrap();
            assert_eq!(version(&connection), Ok(VERSION));
        }
    }

    #[test]
    fn each_older_schema_is_brought_up_to_date_with_what_it_holds() {
        for old in 1..=MIGRATIONS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            for migration in &MIGRATIONS[..old] {
                connection.execute_batch(migration).unwrap();
            }
            connection.pragma_update(None, "user_version", old).unwrap();
            let insert = "INSERT INTO owner (jid) VALUES ('alice@a.example')";
            connection.execute(insert, ()).unwrap();
            migrate(&mut connection).unwrap();
            assert_eq!(version(&connection), Ok(VERSION));
            let owners = connection.query_row("SELECT count(*) FROM owner", (), |row| row.get(0));
            assert_eq!(owners, Ok(1));
        }
    }

    #[test]
    fn messages_that_were_there_before_times_led_to_places_are_found_by_time_too() {
        let mut connection = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..3] {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "user_version", 3).unwrap();
        for (owner, at) in [(1, 5), (2, 1), (1, 3), (1, 9), (2, 2)] {
            let insert = "INSERT INTO message (owner, id, at, peer, outgoing, type, stanza)
                          VALUES (?1, hex(randomblob(9)), ?2, 'bob@b.example', 0, 1, x'')";
            connection.execute(insert, (owner, at)).unwrap();
        }
        migrate(&mut connection).unwrap();
        let mut latest = connection
            .prepare("SELECT latest FROM message ORDER BY position")
            .unwrap();
        let latest: Result<Vec<i64>, _> = latest.query_map((), |row| row.get(0)).unwrap().collect();
        assert_eq!(latest, Ok(vec![5, 1, 5, 9, 2]));
    }

    #[test]
    fn messages_that_were_there_before_indexes_were_tables_are_found_and_their_places_not_given_again()
     {
        let mut connection = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..5] {
            connection.execute_batch(migration).unwrap();
        }
        connection.pragma_update(None, "user_version", 5).unwrap();
        for (id, at, latest) in [("-a", 5, 5), ("-b", 3, 5), ("-c", 9, 9), ("-d", 9, 9)] {
            let insert = "INSERT INTO message
                          (owner, id, at, latest, peer, outgoing, type, stanza)
                          VALUES (1, ?1, ?2, ?3, 'bob@b.example', 0, 1, x'00')";
            connection.execute(insert, (id, at, latest)).unwrap();
        }
        let newest = "DELETE FROM message WHERE id = '-d'";
        connection.execute(newest, ()).unwrap();
        migrate(&mut connection).unwrap();
        let places = |sql: &str| -> Vec<i64> {
            let mut places = connection.prepare(sql).unwrap();
            let places = places.query_map((), |row| row.get(0)).unwrap();
            places.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(places("SELECT position FROM message"), [1, 2, 3]);
        assert_eq!(places("SELECT position FROM by_id ORDER BY id"), [1, 2, 3]);
        assert_eq!(places("SELECT latest FROM by_owner"), [5, 5, 9]);
        assert_eq!(places("SELECT position FROM by_peer"), [1, 2, 3]);
        assert_eq!(places("SELECT position FROM late"), [2]);
        assert_eq!(places("SELECT place FROM settled"), [4]);
        // What goes is taken out of all of them.
        connection.execute("DELETE FROM message", ()).unwrap();
        for table in ["by_id", "by_owner", "by_peer", "late"] {
            let left = places(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(left, [0], "{table}");
        }
    }

    #[test]
    fn a_file_of_a_later_version_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        let (found, known) = (VERSION + 1, VERSION);
        assert_eq!(
            migrate(&mut connection),
            Err(SqliteError::TooNew { found, known }.into())
        );
        assert_eq!(version(&connection), Ok(VERSION + 1));
    }
}
