//! Our own types as columns. What is no such thing is an error of the
//! database: nobody else writes there.

use jid::{BareJid, Jid};
use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};
use tower_xmpp::stanza::{Element, Stanza};

pub fn bare_jid(row: &Row<'_>, column: usize) -> rusqlite::Result<BareJid> {
    parse(row, column, BareJid::new)
}

pub fn jid(row: &Row<'_>, column: usize) -> rusqlite::Result<Jid> {
    parse(row, column, Jid::new)
}

pub fn stanza(row: &Row<'_>, column: usize) -> rusqlite::Result<Stanza> {
    parse(row, column, |xml| Stanza::parse(xml.as_bytes()))
}

pub fn element(row: &Row<'_>, column: usize) -> rusqlite::Result<Element> {
    parse(row, column, |xml| Element::parse(xml.as_bytes()))
}

fn parse<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str();
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error);
    let text = text.map_err(|error: FromSqlError| wrong(Box::new(error)))?;
    read(text).map_err(|error| wrong(Box::new(error)))
}
