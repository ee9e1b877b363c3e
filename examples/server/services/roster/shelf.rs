//! Where rosters are kept.

use std::collections::BTreeSet;

use jid::BareJid;
use rusqlite::{Connection, OptionalExtension, Row};
use tower_xmpp::stanza::{Element, Stanza, ns};

use super::super::super::storage::{bare_jid, stanza};
use super::subscription::{Half, Subscription};

/// How many contacts one account may have, people who only ask included.
pub const CONTACTS: usize = 1_000;

/// What one account knows of one contact.
#[derive(Clone, Debug)]
pub struct Item {
    pub contact: BareJid,
    pub name: Option<String>,
    pub groups: BTreeSet<String>,
    pub subscription: Subscription,
    /// The account put it there, or asked or agreed to something; else it is
    /// only somebody who asks, and not shown (RFC 6121 §3.1.3).
    pub is_listed: bool,
    /// What they asked with, for clients that come later.
    pub request: Option<Stanza>,
}

impl Item {
    pub fn new(contact: BareJid) -> Self {
        Self {
            contact,
            name: None,
            groups: BTreeSet::new(),
            subscription: Subscription::default(),
            is_listed: false,
            request: None,
        }
    }

    pub fn show(&self) -> Element {
        let mut shown = Element::new("item", ns::ROSTER)
            .with_attr("jid", self.contact.as_str())
            .with_attr("subscription", self.subscription.as_str());
        if let Some(name) = &self.name {
            shown.set_attr("name", name);
        }
        if self.subscription.to == Half::Pending {
            shown.set_attr("ask", "subscribe");
        }
        for group in &self.groups {
            shown.push(Element::new("group", ns::ROSTER).with_text(group));
        }
        shown
    }
}

pub fn get(
    db: &Connection,
    account: &BareJid,
    contact: &BareJid,
) -> rusqlite::Result<Option<Item>> {
    let find = "SELECT contact, hears, is_heard, name, is_listed, request
                FROM contacts WHERE account = ?1 AND contact = ?2";
    let mut find = db.prepare_cached(find)?;
    let found = find
        .query_row([account.as_str(), contact.as_str()], item)
        .optional()?;
    let Some(mut item) = found else {
        return Ok(None);
    };
    let groups = "SELECT name FROM contact_groups WHERE account = ?1 AND contact = ?2";
    let mut groups = db.prepare_cached(groups)?;
    let groups = groups.query_map([account.as_str(), contact.as_str()], |row| row.get(0))?;
    item.groups = groups.collect::<Result<_, _>>()?;
    Ok(Some(item))
}

/// All that clients are shown.
pub fn listed(db: &Connection, account: &BareJid) -> rusqlite::Result<Vec<Item>> {
    let all = "SELECT contact, hears, is_heard, name, is_listed, request
               FROM contacts WHERE account = ?1 AND is_listed ORDER BY contact";
    let mut all = db.prepare_cached(all)?;
    let items = all.query_map([account.as_str()], item)?;
    let mut items = items.collect::<Result<Vec<_>, _>>()?;

    let all = "SELECT contact, name FROM contact_groups WHERE account = ?1 ORDER BY contact";
    let mut all = db.prepare_cached(all)?;
    let mut groups = all.query([account.as_str()])?;
    while let Some(row) = groups.next()? {
        let contact = row.get_ref(0)?.as_str()?;
        let place = items.binary_search_by(|item| item.contact.as_str().cmp(contact));
        if let Ok(place) = place {
            items[place].groups.insert(row.get(1)?);
        }
    }
    Ok(items)
}

pub fn subscriptions(
    db: &Connection,
    account: &BareJid,
) -> rusqlite::Result<Vec<(BareJid, Subscription)>> {
    let all = "SELECT contact, hears, is_heard FROM contacts WHERE account = ?1 ORDER BY contact";
    let mut all = db.prepare_cached(all)?;
    let found = all.query_map([account.as_str()], |row| {
        Ok((bare_jid(row, 0)?, subscription(row)?))
    })?;
    found.collect()
}

/// The subscription requests that have no answer.
pub fn requests(db: &Connection, account: &BareJid) -> rusqlite::Result<Vec<Stanza>> {
    let all = "SELECT request FROM contacts WHERE account = ?1 AND request IS NOT NULL
               ORDER BY contact";
    let mut all = db.prepare_cached(all)?;
    let found = all.query_map([account.as_str()], |row| stanza(row, 0))?;
    found.collect()
}

pub fn is_full(db: &Connection, account: &BareJid) -> rusqlite::Result<bool> {
    let count = "SELECT count(*) FROM contacts WHERE account = ?1";
    let count: usize = db
        .prepare_cached(count)?
        .query_row([account.as_str()], |row| row.get(0))?;
    Ok(count >= CONTACTS)
}

pub fn put(db: &Connection, account: &BareJid, item: &Item) -> rusqlite::Result<()> {
    // With the old row go its groups.
    remove(db, account, &item.contact)?;
    let insert = "INSERT INTO contacts
                  (account, contact, name, hears, is_heard, is_listed, request)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (account, contact) = (account.as_str(), item.contact.as_str());
    db.prepare_cached(insert)?.execute((
        account,
        contact,
        &item.name,
        item.subscription.to as u8,
        item.subscription.from as u8,
        item.is_listed,
        item.request.as_ref().map(Stanza::to_xml),
    ))?;
    let insert = "INSERT INTO contact_groups VALUES (?1, ?2, ?3)";
    let mut insert = db.prepare_cached(insert)?;
    for group in &item.groups {
        insert.execute((account, contact, group))?;
    }
    Ok(())
}

pub fn remove(db: &Connection, account: &BareJid, contact: &BareJid) -> rusqlite::Result<()> {
    let delete = "DELETE FROM contacts WHERE account = ?1 AND contact = ?2";
    let mut delete = db.prepare_cached(delete)?;
    delete.execute([account.as_str(), contact.as_str()])?;
    Ok(())
}

/// Contact, both halves, name, whether listed, request; no groups.
fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let is_asked: Option<String> = row.get(5)?;
    Ok(Item {
        contact: bare_jid(row, 0)?,
        subscription: subscription(row)?,
        name: row.get(3)?,
        is_listed: row.get(4)?,
        request: is_asked.map(|_| stanza(row, 5)).transpose()?,
        groups: BTreeSet::new(),
    })
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    let half = |column| -> rusqlite::Result<Half> {
        Ok(match row.get(column)? {
            0 => Half::No,
            1 => Half::Pending,
            2 => Half::Yes,
            other => return Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
        })
    };
    Ok(Subscription {
        to: half(1)?,
        from: half(2)?,
    })
}
