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

/// The messages of a page, the oldest first.
pub(super) fn page(
    connection: &Connection,
    owner: &BareJid,
    page: &Page,
) -> Result<Vec<Entry>, Failed> {
    let (sql, values) = query(owner, page);
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

/// The bounds of a page as SQL; what others wrote stands in the values alone.
fn query(owner: &BareJid, page: &Page) -> (String, Vec<Value>) {
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
    bound("at >=", page.start.map(|start| start.micros().into()));
    bound("at <=", page.end.map(|end| end.micros().into()));
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
