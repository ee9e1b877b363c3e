use std::path::Path;

use async_trait::async_trait;
use jid::BareJid;
use rusqlite::{Connection, Row, params};

use crate::account_muc::{Seat, SeatError, SeatState, SeatStore};
use crate::stanza::Time;

use super::SqliteError;
use super::changes::Changes;
use super::error::Failed;
use super::work::Worker;

/// Seats in a file. Each write is a transaction of its own and on the disk when
/// it returns (WAL, `synchronous=FULL`), since an account is to know where it
/// sits whatever happens next. Seats change seldom.
///
/// The file may be the archive's, or one of its own, which is never waited for
/// by an archive that is busy.
///
/// ```
/// use tower_xmpp::account_muc::{Seat, SeatStore};
/// use tower_xmpp::store::SqliteSeats;
///
/// # let folder = std::env::temp_dir().join(format!("tower-xmpp-seats-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("seats.sqlite");
/// let (seats, worker) = SqliteSeats::open(&path)?;
/// // A thread of the host's own; `tokio::task::spawn_blocking` is as good.
/// let worker = std::thread::spawn(move || worker.run());
///
/// # futures::executor::block_on(async {
/// let seat = Seat::new("alice@a.example".parse()?, "tea@muc.example/Alice".parse()?);
/// seats.put(seat.clone()).await?; // on the disk
/// assert_eq!(seats.list().await?, [seat]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// drop(seats);
/// worker.join().expect("a worker does not panic");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteSeats(Changes);

impl SqliteSeats {
    /// Opens the file, or makes it, and brings its schema up to date. This
    /// blocks, so do it before you serve. The worker is yours to run, on a
    /// thread where it may block.
    ///
    /// # Errors
    ///
    /// [`SqliteError`] names what is wrong with the file.
    pub fn open(path: &Path) -> Result<(Self, Worker), SqliteError> {
        Self::open_within(path, None)
    }

    /// The same for a file that may not become larger than this; then it is as
    /// if the disk were full.
    ///
    /// # Errors
    ///
    /// [`SqliteError`] names what is wrong with the file.
    pub fn open_within(
        path: &Path,
        file_bytes: Option<u64>,
    ) -> Result<(Self, Worker), SqliteError> {
        let (changes, worker) = Changes::open(path, file_bytes)?;
        Ok((Self(changes), worker))
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, SeatError> {
        Ok(self.0.ask(work).await?)
    }
}

#[async_trait]
impl SeatStore for SqliteSeats {
    async fn put(&self, seat: Seat) -> Result<(), SeatError> {
        self.ask(move |connection| put(connection, &seat)).await
    }

    async fn remove(&self, account: &BareJid, room: &BareJid) -> Result<(), SeatError> {
        let (account, room) = (account.clone(), room.clone());
        self.ask(move |connection| {
            let delete = "DELETE FROM seat WHERE account = ?1 AND room = ?2";
            connection
                .prepare_cached(delete)?
                .execute([account.as_str(), room.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn remove_account(&self, account: &BareJid) -> Result<(), SeatError> {
        let account = account.clone();
        self.ask(move |connection| {
            let delete = "DELETE FROM seat WHERE account = ?1";
            connection
                .prepare_cached(delete)?
                .execute([account.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Seat>, SeatError> {
        let all = "SELECT account, room, nick, state, password, autojoin, heard, by_request
                   FROM seat ORDER BY account, room";
        Ok(self.0.all(all, read).await?)
    }
}

impl From<SqliteError> for SeatError {
    fn from(error: SqliteError) -> Self {
        SeatError::Store(error.into())
    }
}

fn put(connection: &Connection, seat: &Seat) -> Result<(), Failed> {
    let upsert = "INSERT OR REPLACE INTO seat
                  (account, room, nick, state, password, autojoin, heard, by_request)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(upsert)?.execute(params![
        seat.account.as_str(),
        seat.room().as_str(),
        seat.occupant.resource().as_str(),
        number(seat.state),
        seat.password,
        seat.autojoin,
        seat.heard.map(Time::micros),
        seat.by_request,
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Seat, Failed> {
    let text = |column: &str| -> Result<String, rusqlite::Error> { row.get(column) };
    let jid = |text: String| text.parse::<BareJid>().map_err(|_| SqliteError::Row);
    let (account, room) = (jid(text("account")?)?, jid(text("room")?)?);
    let occupant = room
        .with_resource_str(&text("nick")?)
        .map_err(|_| SqliteError::Row)?;
    let mut seat = Seat::new(account, occupant);
    seat.state = match row.get("state")? {
        0 => SeatState::Joining,
        1 => SeatState::Joined,
        2 => SeatState::Leaving,
        _ => return Err(SqliteError::Row.into()),
    };
    seat.password = row.get("password")?;
    seat.autojoin = row.get("autojoin")?;
    seat.by_request = row.get("by_request")?;
    seat.heard = row.get::<_, Option<i64>>("heard")?.map(Time::from_micros);
    Ok(seat)
}

/// How a state is written. What is written is never given another meaning.
fn number(state: SeatState) -> i64 {
    match state {
        SeatState::Joining => 0,
        SeatState::Joined => 1,
        SeatState::Leaving => 2,
    }
}
