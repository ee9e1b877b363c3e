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
const COLUMNS: &str = "message.position, message.id, at, message.peer, resource, outgoing, type, \
                       message_id, stanza";

/// The message with this ID.
pub(super) fn get(
    connection: &Connection,
    owner: &BareJid,
    id: &str,
) -> Result<Option<Entry>, Failed> {
    let sql = format!(
        "SELECT {COLUMNS} FROM by_id AS place CROSS JOIN message USING (position)
         WHERE place.owner = (SELECT number FROM owner WHERE jid = ?1) AND place.id = ?2"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(params![owner.as_str(), id], |row| Ok(entry(owner, row)))
        .optional()?
        .transpose()
}

/// The same among the messages that are in no index yet.
pub(super) fn get_unsettled(
    connection: &Connection,
    owner: &BareJid,
    id: &str,
) -> Result<Option<Entry>, Failed> {
    let mut found = unsettled(connection, owner)?;
    found.retain(|entry| entry.row.id == id);
    // Should a random ID have come twice, the first stays.
    Ok(found.into_iter().next())
}

/// The messages of a page together with those that are in no index yet, which
/// all come after the others.
pub(super) fn page_unsettled(
    connection: &Connection,
    owner: &BareJid,
    page: &Page,
) -> Result<Vec<Entry>, Failed> {
    let mut found = self::page(connection, owner, page)?;
    let mut newest = unsettled(connection, owner)?;
    newest.retain(|entry| page.admits(entry));
    found.append(&mut newest);
    match page.newest {
        true => drop(found.drain(..found.len().saturating_sub(page.limit))),
        false => found.truncate(page.limit),
    }
    Ok(found)
}

/// All of an archive that is in no index yet: for when there is no room for
/// indexes on the disk.
fn unsettled(connection: &Connection, owner: &BareJid) -> Result<Vec<Entry>, Failed> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message
         WHERE position > (SELECT place FROM settled)
             AND owner = (SELECT number FROM owner WHERE jid = ?1)
         ORDER BY position"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([owner.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(entry(owner, row)?);
    }
    Ok(found)
}

/// The messages of a page, the oldest first. Every page is a walk along one
/// index, from a place that is found by a few steps, however large the archive.
pub(super) fn page(
    connection: &Connection,
    owner: &BareJid,
    page: &Page,
) -> Result<Vec<Entry>, Failed> {
    let number: Option<i64> = connection
        .prepare_cached("SELECT number FROM owner WHERE jid = ?1")?
        .query_row([owner.as_str()], |row| row.get(0))
        .optional()?;
    let Some(number) = number else {
        return Ok(Vec::new());
    };
    let Some(span) = Span::of(connection, number, page)? else {
        return Ok(Vec::new());
    };
    let (sql, values) = query(number, page, span);
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

/// The newest time of an archive never falls, so its place is found in steps.
const NEXT: &str = "SELECT position, latest FROM by_owner
     WHERE owner = ?1 AND position >= ?2 ORDER BY position LIMIT 1";

const NEWEST: &str = "SELECT position, latest FROM by_owner
     WHERE owner = ?1 ORDER BY position DESC LIMIT 1";

/// What came late, after a younger one.
const LATE_UNTIL: &str = "SELECT max(position) FROM late WHERE owner = ?1 AND at <= ?2";

impl Span {
    /// The whole archive, if the page has no bounds in time; none, if nothing
    /// is within them.
    fn of(connection: &Connection, owner: i64, page: &Page) -> Result<Option<Self>, Failed> {
        let mut span = Self::default();
        if let Some(start) = page.start {
            span.first = since(connection, owner, start.micros())?;
            if span.first.is_none() {
                return Ok(None);
            }
        }
        if let Some(end) = page.end
            && let Some(after) = since(connection, owner, end.micros().saturating_add(1))?
        {
            let late: Option<i64> = connection
                .prepare_cached(LATE_UNTIL)?
                .query_row(params![owner, end.micros()], |row| row.get(0))?;
            span.last = late.max(Some(after - 1));
        }
        Ok(Some(span))
    }
}

/// The place from which on everything lies that was taken in then or later;
/// before it nothing does, but for what is earlier and came late.
fn since(connection: &Connection, owner: i64, time: i64) -> Result<Option<i64>, Failed> {
    let mut next = connection.prepare_cached(NEXT)?;
    let mut next = |place: i64| -> Result<Option<(i64, i64)>, Failed> {
        let found = next.query_row([owner, place], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(found.optional()?)
    };
    let newest: Option<(i64, i64)> = connection
        .prepare_cached(NEWEST)?
        .query_row([owner], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (Some((mut least, mut earliest)), Some((mut most, mut latest))) = (next(0)?, newest) else {
        return Ok(None);
    };
    if latest < time {
        return Ok(None);
    }
    let mut by_halves = false;
    while least < most {
        // Places follow time about evenly: mostly that leads there in a few
        // steps. Where it does not, every other step halves what is left.
        let (places, times) = (most - least, latest.saturating_sub(earliest).max(1));
        let passed = time.saturating_sub(earliest).clamp(0, times);
        let share = i128::from(places) * i128::from(passed) / i128::from(times);
        let share = i64::try_from(share).unwrap_or(places);
        let step = if by_halves { places / 2 } else { share };
        let middle = least + step.min(places - 1);
        by_halves = !by_halves;
        match next(middle)? {
            Some((place, at)) if at < time => (least, earliest) = (place + 1, at),
            Some((_, at)) => (most, latest) = (middle, at),
            None => most = middle,
        }
    }
    Ok(Some(least))
}

/// The bounds of a page as SQL; what others wrote stands in the values alone.
fn query(owner: i64, page: &Page, span: Span) -> (String, Vec<Value>) {
    let with = page.with.as_ref();
    let index = match with {
        Some(_) => "by_peer",
        None => "by_owner",
    };
    let mut sql = format!(
        "SELECT {COLUMNS} FROM {index} AS place CROSS JOIN message USING (position)
         WHERE place.owner = ?"
    );
    let mut values = vec![Value::from(owner)];
    let mut bound = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(sql, " AND {condition} ?");
            values.push(value);
        }
    };
    bound(
        "place.peer =",
        with.map(|with| with.to_bare().as_str().to_owned().into()),
    );
    let (after, before) = (page.after.map(place), page.before.map(place));
    let first = after.map(|place| place.saturating_add(1)).max(span.first);
    let last = before.map(|place| place.saturating_sub(1));
    let last = [last, span.last].into_iter().flatten().min();
    bound("place.position >=", first.map(Value::from));
    bound("place.position <=", last.map(Value::from));
    bound("at >=", page.start.map(|start| start.micros().into()));
    bound("at <=", page.end.map(|end| end.micros().into()));
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
    let _ = write!(sql, " ORDER BY place.position {order} LIMIT ?");
    values.push(i64::try_from(page.limit).unwrap_or(i64::MAX).into());
    (sql, values)
}

fn place(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
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

    use super::super::recent::Doubt;
    use super::super::schema::migrate;
    use super::super::write::Desk;
    use super::*;

    const PEERS: usize = 10;

    /// The first owner.
    const ALICE: i64 = 1;

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
        let mut desk = Desk::open(connection, u64::MAX, 0).expect("a new file");
        desk.begin().expect("a transaction");
        let mut place = 0;
        for number in 0..messages {
            let peer: Jid = format!("peer{}@b.example/x", number % PEERS)
                .parse()
                .expect("a JID");
            let late = if number % 100 == 99 { 60 } else { 0 };
            for owner in [alice(), "bob@a.example".parse().expect("a bare JID")] {
                let (id, at) = (format!("-{number}"), time(number.saturating_sub(late)));
                let direction = Direction::Incoming;
                let row = Row::new(owner, id, at, peer.clone(), direction, &b"<message/>"[..]);
                place += 1;
                let appended = desk.append(&row, place, Doubt::None);
                appended.expect("it is appended");
            }
        }
        desk.settle().expect("it is settled");
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
            let span = Span::of(&connection, ALICE, &page).expect("it is read");
            let (sql, values) = query(ALICE, &page, span.unwrap_or_default());
            statements.push((sql, values));
        }
        for sql in [NEXT, LATE_UNTIL] {
            statements.push((sql.to_owned(), vec![ALICE.into(), 7.into()]));
        }
        statements.push((NEWEST.to_owned(), vec![ALICE.into()]));
        for (sql, values) in statements {
            let plan = plan(&connection, &sql, values).join("\n");
            assert!(plan.contains("PRIMARY KEY (owner=?"), "{sql}\n{plan}");
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
                let span = Span::of(&connection, ALICE, &page).expect("it is read");
                let (sql, values) = query(ALICE, &page, span.unwrap_or_default());
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
