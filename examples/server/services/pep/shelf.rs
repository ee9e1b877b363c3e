//! Where nodes and their items are kept.

use jid::BareJid;
use rusqlite::{Connection, OptionalExtension, Row};
use tower_xmpp::stanza::{Condition, Element, StanzaError};

use super::super::super::storage::element;
use super::node::{Access, Config, SendsLast, error};

/// How many nodes one account may have.
pub const NODES: usize = 256;

/// How many bytes of items one account may keep.
const BYTES: usize = 4 << 20;

/// How long the name of a node or an item may be, in bytes.
const NAME: usize = 1_023;

pub type Done<T> = rusqlite::Result<Result<T, StanzaError>>;

pub struct Item {
    pub id: String,
    /// The whole `<item/>`.
    pub xml: Element,
}

/// Keeps an item, and makes its node if there is none. Returns how the node
/// is configured; `options` are a demand then, a precondition else
/// (XEP-0060 §7.1.5).
pub fn publish(
    db: &Connection,
    account: &BareJid,
    name: &str,
    item: &Item,
    options: impl FnOnce(Config) -> Option<Config>,
) -> Done<Config> {
    let refused = |condition: Condition| Ok(Err(StanzaError::from(condition)));
    let unmet = || Ok(Err(error(Condition::Conflict, "precondition-not-met")));
    let xml = item.xml.to_xml();
    if item.id.len() > NAME || name.len() > NAME {
        return refused(Condition::NotAcceptable);
    }
    if bytes(db, account)? + xml.len() > BYTES {
        return refused(Condition::ResourceConstraint);
    }
    let config = match node(db, account, name)? {
        Some(config) => match options(config.clone()) {
            Some(wanted) if wanted == config => config,
            _ => return unmet(),
        },
        None => {
            let Some(config) = options(Config::default()) else {
                return unmet();
            };
            if nodes(db, account)?.len() >= NODES {
                return refused(Condition::ResourceConstraint);
            }
            put_node(db, account, name, &config)?;
            config
        }
    };
    retract(db, account, name, &item.id)?;
    if config.persists {
        let insert = "INSERT INTO pep_items (account, node, id, xml) VALUES (?1, ?2, ?3, ?4)";
        let row = (account.as_str(), name, &item.id, &xml);
        db.prepare_cached(insert)?.execute(row)?;
        trim(db, account, name, config.max_items)?;
    }
    Ok(Ok(config))
}

/// Makes a node, or configures it anew. What is too many then is forgotten.
pub fn configure(db: &Connection, account: &BareJid, name: &str, config: &Config) -> Done<()> {
    let is_new = node(db, account, name)?.is_none();
    if name.len() > NAME {
        return Ok(Err(Condition::NotAcceptable.into()));
    }
    if is_new && nodes(db, account)?.len() >= NODES {
        return Ok(Err(Condition::ResourceConstraint.into()));
    }
    put_node(db, account, name, config)?;
    trim(db, account, name, config.max_items)?;
    Ok(Ok(()))
}

pub fn node(db: &Connection, account: &BareJid, name: &str) -> rusqlite::Result<Option<Config>> {
    let find = "SELECT access, max_items, persists, sends_last, notifies_retractions
                FROM pep_nodes WHERE account = ?1 AND node = ?2";
    let mut find = db.prepare_cached(find)?;
    find.query_row([account.as_str(), name], config).optional()
}

/// The names of the account's nodes.
pub fn nodes(db: &Connection, account: &BareJid) -> rusqlite::Result<Vec<String>> {
    let all = "SELECT node FROM pep_nodes WHERE account = ?1 ORDER BY node";
    let mut all = db.prepare_cached(all)?;
    let names = all.query_map([account.as_str()], |row| row.get(0))?;
    names.collect()
}

/// The node's items, the newest first.
pub fn items(db: &Connection, account: &BareJid, name: &str) -> rusqlite::Result<Vec<Item>> {
    let all = "SELECT id, xml FROM pep_items WHERE account = ?1 AND node = ?2
               ORDER BY position DESC";
    let mut all = db.prepare_cached(all)?;
    let items = all.query_map([account.as_str(), name], |row| {
        let (id, xml) = (row.get(0)?, element(row, 1)?);
        Ok(Item { id, xml })
    })?;
    items.collect()
}

/// Whether there was such an item.
pub fn retract(db: &Connection, account: &BareJid, name: &str, id: &str) -> rusqlite::Result<bool> {
    let delete = "DELETE FROM pep_items WHERE account = ?1 AND node = ?2 AND id = ?3";
    let mut delete = db.prepare_cached(delete)?;
    Ok(delete.execute([account.as_str(), name, id])? > 0)
}

/// Forgets all items of a node, or the node with them.
pub fn clear(
    db: &Connection,
    account: &BareJid,
    name: &str,
    and_the_node: bool,
) -> rusqlite::Result<()> {
    let delete = match and_the_node {
        true => "DELETE FROM pep_nodes WHERE account = ?1 AND node = ?2",
        false => "DELETE FROM pep_items WHERE account = ?1 AND node = ?2",
    };
    db.execute(delete, [account.as_str(), name])?;
    Ok(())
}

fn put_node(
    db: &Connection,
    account: &BareJid,
    name: &str,
    config: &Config,
) -> rusqlite::Result<()> {
    let put = "INSERT INTO pep_nodes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT DO UPDATE SET
               access = ?3, max_items = ?4, persists = ?5, sends_last = ?6,
               notifies_retractions = ?7";
    db.prepare_cached(put)?.execute((
        account.as_str(),
        name,
        config.access.as_str(),
        config.max_items,
        config.persists,
        config.sends_last.as_str(),
        config.notifies_retractions,
    ))?;
    Ok(())
}

fn trim(db: &Connection, account: &BareJid, name: &str, most: usize) -> rusqlite::Result<()> {
    let delete = "DELETE FROM pep_items WHERE account = ?1 AND node = ?2 AND position NOT IN
                  (SELECT position FROM pep_items WHERE account = ?1 AND node = ?2
                   ORDER BY position DESC LIMIT ?3)";
    let mut delete = db.prepare_cached(delete)?;
    delete.execute((account.as_str(), name, most))?;
    Ok(())
}

fn bytes(db: &Connection, account: &BareJid) -> rusqlite::Result<usize> {
    let sum = "SELECT coalesce(sum(octet_length(xml)), 0) FROM pep_items WHERE account = ?1";
    db.prepare_cached(sum)?
        .query_row([account.as_str()], |row| row.get(0))
}

fn config(row: &Row<'_>) -> rusqlite::Result<Config> {
    let (access, sends_last): (String, String) = (row.get(0)?, row.get(3)?);
    let unknown = |column| {
        move || {
            rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Text)
        }
    };
    Ok(Config {
        access: Access::named(&access).ok_or_else(unknown(0))?,
        max_items: row.get(1)?,
        persists: row.get(2)?,
        sends_last: SendsLast::named(&sends_last).ok_or_else(unknown(3))?,
        notifies_retractions: row.get(4)?,
    })
}
