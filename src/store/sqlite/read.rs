//! What is read, by readers and by the writer.

use std::fmt::Write as _;

use jid::{BareJid, Jid};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::archive::{Direction, Entry, Page, Position, Preferences, Row};
use crate::stanza::{Element, MessageType, Time};

use super::SqliteError;
use super::error::Failed;

/// In the order in which [`entry`] reads them.
const COLUMNS: &str = "position, id, at, peer, resource, outgoing, type, message_id, stanza";

/// The message with this ID.
pub(super) fn get(
    connection: &Connection,
    owner: &BareJid,
    id: &str,
) -> Result<Option<Entry>, Failed> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message
         WHERE owner = (SELECT number FROM owner WHERE jid = ?1) AND id = ?2"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(params![owner.as_str(), id], |row| Ok(entry(owner, row)))
        .optional()?
        .transpose()
}

/// The messages of a page, the oldest first. Every page is a walk along one
/// index, from a place that is found by a few steps, however large the archive.
pub(super) fn page(
    connection: &Connection,
    owner: &BareJid,
    page: &Page,
) -> Result<Vec<Entry>, Failed> {
    let Some(span) = Span::of(connection, owner, page)? else {
        return Ok(Vec::new());
    };
    let (sql, values) = query(owner, page, span);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(entry(owner, row)?);
    }
    if page.newest {
        found.reverse();
    }
    Ok(found)
}

/// What the user wants archived.
pub(super) fn preferences(
    connection: &Connection,
    owner: &BareJid,
) -> Result<Option<Preferences>, Failed> {
    let xml: Option<Option<String>> = connection
        .prepare_cached("SELECT preferences FROM owner WHERE jid = ?1")?
        .query_row([owner.as_str()], |row| row.get(0))
        .optional()?;
    let Some(xml) = xml.flatten() else {
        return Ok(None);
    };
    let element = Element::parse(xml.as_bytes()).map_err(|_| SqliteError::Row)?;
    let preferences = Preferences::read(element.view()).map_err(|_| SqliteError::Row)?;
    Ok(Some(preferences))
}

pub(super) fn type_number(type_: MessageType) -> i64 {
    match type_ {
        MessageType::Normal => 0,
        MessageType::Chat => 1,
        MessageType::Groupchat => 2,
        MessageType::Headline => 3,
        MessageType::Error => 4,
    }
}

/// The places between which everything lies that was taken in at some time.
#[derive(Clone, Copy, Default)]
struct Span {
    first: Option<i64>,
    last: Option<i64>,
}

/// From here on everything lies that was taken in then or later.
const SINCE: &str = "SELECT position FROM message
     WHERE owner = (SELECT number FROM owner WHERE jid = ?1) AND latest >= ?2
     ORDER BY latest, position LIMIT 1";

/// Up to here everything lies that was taken in then or earlier, but for …
const UNTIL: &str = "SELECT position FROM message
     WHERE owner = (SELECT number FROM owner WHERE jid = ?1) AND latest <= ?2
     ORDER BY latest DESC, position DESC LIMIT 1";

/// … what came late, after a younger one.
const LATE_UNTIL: &str = "SELECT max(position) FROM message
     WHERE owner = (SELECT number FROM owner WHERE jid = ?1) AND at <= ?2 AND at < latest";

impl Span {
    /// The whole archive, if the page has no bounds in time; none, if nothing
    /// is within them.
    fn of(connection: &Connection, owner: &BareJid, page: &Page) -> Result<Option<Self>, Failed> {
        let find = |sql: &str, time: Time| -> Result<Option<i64>, Failed> {
            let mut statement = connection.prepare_cached(sql)?;
            let place = statement
                .query_row(params![owner.as_str(), time.micros()], |row| row.get(0))
                .optional()?;
            Ok(place.flatten())
        };
        let mut span = Self::default();
        if let Some(start) = page.start {
            span.first = find(SINCE, start)?;
            if span.first.is_none() {
                return Ok(None);
            }
        }
        if let Some(end) = page.end {
            span.last = find(UNTIL, end)?.max(find(LATE_UNTIL, end)?);
            if span.last.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(span))
    }
}

/// The bounds of a page as SQL; what others wrote stands in the values alone.
fn query(owner: &BareJid, page: &Page, span: Span) -> (String, Vec<Value>) {
    let mut sql = format!(
        "SELECT {COLUMNS} FROM message WHERE owner = (SELECT number FROM owner WHERE jid = ?)"
    );
    let mut values = vec![Value::from(owner.as_str().to_owned())];
    let mut bound = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(sql, " AND {condition} ?");
            values.push(value);
        }
    };
    bound("position >", page.after.map(place));
    bound("position <", page.before.map(place));
    bound("position >=", span.first.map(Value::from));
    bound("position <=", span.last.map(Value::from));
    // With a `+` no index serves these: places do.
    bound("+at >=", page.start.map(|start| start.micros().into()));
    bound("+at <=", page.end.map(|end| end.micros().into()));
    let with = page.with.as_ref();
    bound(
        "peer =",
        with.map(|with| with.to_bare().as_str().to_owned().into()),
    );
    let resource = with.and_then(Jid::resource);
    bound(
        "resource =",
        resource.map(|part| part.as_str().to_owned().into()),
    );
    let outgoing = page.direction.map(|way| way == Direction::Outgoing);
    bound(
        "outgoing =",
        outgoing.map(|outgoing| i64::from(outgoing).into()),
    );
    bound("message_id =", page.message_id.clone().map(Value::from));
    let groupchat = (!page.groupchat).then(|| type_number(MessageType::Groupchat).into());
    bound("type <>", groupchat);
    let order = if page.newest { "DESC" } else { "ASC" };
    let _ = write!(sql, " ORDER BY position {order} LIMIT ?");
    values.push(i64::try_from(page.limit).unwrap_or(i64::MAX).into());
    (sql, values)
}

fn place(position: Position) -> Value {
    i64::try_from(position.0).unwrap_or(i64::MAX).into()
}

fn entry(owner: &BareJid, row: &rusqlite::Row<'_>) -> Result<Entry, Failed> {
    let peer: String = row.get(3)?;
    let peer: BareJid = peer.parse().map_err(|_| SqliteError::Row)?;
    let resource: Option<String> = row.get(4)?;
    let with = match resource {
        Some(resource) => peer
            .with_resource_str(&resource)
            .map_err(|_| SqliteError::Row)?
            .into(),
        None => Jid::from(peer),
    };
    let direction = match row.get(5)? {
        true => Direction::Outgoing,
        false => Direction::Incoming,
    };
    let type_ = match row.get::<_, i64>(6)? {
        0 => MessageType::Normal,
        1 => MessageType::Chat,
        2 => MessageType::Groupchat,
        3 => MessageType::Headline,
        4 => MessageType::Error,
        _ => return Err(SqliteError::Row.into()),
    };
    let (id, at, stanza): (String, i64, Vec<u8>) = (row.get(1)?, row.get(2)?, row.get(8)?);
    let mut found = Row::new(
        owner.clone(),
        id,
        Time::from_micros(at),
        with,
        direction,
        stanza,
    );
    found.type_ = type_;
    found.message_id = row.get(7)?;
    let position = Position(row.get::<_, i64>(0)?.unsigned_abs());
    Ok(Entry {
        position,
        row: found,
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::schema::migrate;
    use super::super::write::Desk;
    use super::*;

    const PEERS: usize = 10;

    fn alice() -> BareJid {
        "alice@a.example".parse().expect("a bare JID")
    }

    fn time(number: usize) -> Time {
        Time::from_secs(i64::try_from(number).expect("few"))
    }

    /// An archive of so many messages, one a second; every hundredth came a
    /// minute late.
    fn archive(messages: usize) -> Connection {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection).expect("a new file");
        let mut desk = Desk::new(connection, u64::MAX);
        desk.begin().expect("a transaction");
        for number in 0..messages {
            let peer: Jid = format!("peer{}@b.example/x", number % PEERS)
                .parse()
                .expect("a JID");
            let late = if number % 100 == 99 { 60 } else { 0 };
            for owner in [alice(), "bob@a.example".parse().expect("a bare JID")] {
                let (id, at) = (format!("-{number}"), time(number.saturating_sub(late)));
                let direction = Direction::Incoming;
                let row = Row::new(owner, id, at, peer.clone(), direction, &b"<message/>"[..]);
                desk.append(&row).expect("it is appended");
            }
        }
        desk.commit().expect("it is committed");
        desk.into_connection()
    }

    /// Every kind of page, in an archive of so many messages.
    fn pages(messages: usize) -> Vec<Page> {
        let middle = Position(messages as u64);
        let with = |page: Page| page.with("peer3@b.example".parse::<Jid>().expect("a JID"));
        let mut pages = vec![
            Page::oldest(50),
            Page::newest(50),
            Page::oldest(50).after(middle),
            Page::newest(50).before(middle),
        ];
        pages.extend(pages.clone().into_iter().map(with));
        for mut page in pages.clone() {
            page.start = Some(time(messages / 2));
            pages.push(page.clone());
            page.end = Some(time(messages / 2 + 200));
            pages.push(page.clone());
            page.start = None;
            pages.push(page);
        }
        pages
    }

    fn plan(connection: &Connection, sql: &str, values: Vec<Value>) -> Vec<String> {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = connection.prepare(&explain).expect("a statement");
        let lines = statement.query_map(params_from_iter(values), |row| row.get("detail"));
        let lines: Result<_, _> = lines.expect("a plan").collect();
        lines.expect("lines")
    }

    #[test]
    fn every_page_is_a_walk_along_an_index() {
        let connection = archive(1_000);
        let mut statements = Vec::new();
        for page in pages(1_000) {
            let span = Span::of(&connection, &alice(), &page).expect("it is read");
            let (sql, values) = query(&alice(), &page, span.unwrap_or_default());
            let index = if page.with.is_some() {
                "message_peer"
            } else {
                "message_owner"
            };
            statements.push((sql, values, index));
        }
        for (sql, index) in [
            (SINCE, "message_latest"),
            (UNTIL, "message_latest"),
            (LATE_UNTIL, "message_late"),
        ] {
            let values = vec!["alice@a.example".to_owned().into(), 7.into()];
            statements.push((sql.to_owned(), values, index));
        }
        for (sql, values, index) in statements {
            let plan = plan(&connection, &sql, values).join("\n");
            assert!(
                plan.contains(&format!("INDEX {index} (owner=?")),
                "{sql}\n{plan}"
            );
            for costly in ["SCAN", "TEMP B-TREE"] {
                assert!(!plan.contains(costly), "{sql}\n{plan}");
            }
        }
    }

    #[test]
    fn a_page_costs_no_more_steps_in_a_large_archive_than_in_a_small_one() {
        let steps = |messages: usize| -> Vec<i32> {
            let connection = archive(messages);
            let cost = |page: Page| {
                let span = Span::of(&connection, &alice(), &page).expect("it is read");
                let (sql, values) = query(&alice(), &page, span.unwrap_or_default());
                let mut statement = connection.prepare(&sql).expect("a statement");
                let mut rows = statement.query(params_from_iter(values)).expect("rows");
                while rows.next().expect("a row").is_some() {}
                drop(rows);
                statement.get_status(StatementStatus::VmStep)
            };
            pages(messages).into_iter().map(cost).collect()
        };
        let (small, large) = (steps(1_000), steps(20_000));
        for ((small, large), page) in small.iter().zip(large).zip(pages(20_000)) {
            assert!(large <= small + small / 2, "{small} {large} {page:?}");
        }
    }
}
