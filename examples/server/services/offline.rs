//! Messages that wait for their recipient (XEP-0160).
//!
//! 1. What is in the account's archive waits there: clients ask for it. That
//!    it is shows in the archive ID that it bears (XEP-0359).
//! 2. All else waits here, with the time it came (XEP-0203), until one of the
//!    account's clients is available with a priority that is not negative.
//!    Without the archive layer, that is everything.
//! 3. Who is full is told on: the sender gets `service-unavailable`.

use jid::{BareJid, Jid};
use rusqlite::Connection;
use tower_xmpp::stanza::{Element, Stanza, Time, ns};

use super::super::site::Site;
use super::super::storage::{Failed, Storage, stanza};

/// How many messages may wait for one account.
const MESSAGES: usize = 100;

/// How many bytes of them.
const BYTES: usize = 1 << 20;

pub struct Offline(Storage);

impl Offline {
    pub fn new(storage: Storage) -> Self {
        Self(storage)
    }

    /// Takes what has waited for the account, the oldest first. Whoever takes
    /// it has to deliver it: it is gone here.
    pub async fn take(&self, account: &BareJid) -> Result<Vec<Stanza>, Failed> {
        let account = account.clone();
        self.0.run(move |db| take(db, &account)).await
    }

    /// Whether there was room for it.
    async fn put(&self, account: &BareJid, message: String) -> Result<bool, Failed> {
        let account = account.clone();
        self.0.run(move |db| put(db, &account, &message)).await
    }
}

/// Keeps a message for an account without a client that would take it, or
/// says that it does not.
pub async fn keep(
    site: &Site,
    account: &BareJid,
    at: Time,
    message: &Stanza,
) -> Result<bool, Failed> {
    if !site.accounts.exists(account) {
        return Ok(false);
    }
    if is_archived(message, account) {
        return Ok(true);
    }
    let delay = Element::new("delay", ns::DELAY)
        .with_attr("from", site.domain().as_str())
        .with_attr("stamp", at.to_string());
    let message = message.clone().with_child(delay).to_xml();
    site.offline.put(account, message).await
}

/// Forged IDs are gone when a message gets here.
fn is_archived(message: &Stanza, account: &BareJid) -> bool {
    let by = |by: &str| Jid::new(by).is_ok_and(|by| by == *account);
    message
        .children()
        .any(|child| child.is("stanza-id", ns::SID) && child.attr("by").is_some_and(by))
}

fn take(db: &Connection, account: &BareJid) -> rusqlite::Result<Vec<Stanza>> {
    let all = "SELECT xml FROM offline_messages WHERE account = ?1 ORDER BY position";
    let mut all = db.prepare_cached(all)?;
    let taken = all.query_map([account.as_str()], |row| stanza(row, 0))?;
    let taken = taken.collect::<Result<Vec<_>, _>>()?;
    if !taken.is_empty() {
        let delete = "DELETE FROM offline_messages WHERE account = ?1";
        db.execute(delete, [account.as_str()])?;
    }
    Ok(taken)
}

fn put(db: &Connection, account: &BareJid, message: &str) -> rusqlite::Result<bool> {
    let held = "SELECT count(*), total(octet_length(xml)) FROM offline_messages WHERE account = ?1";
    let (count, bytes): (usize, f64) = db
        .prepare_cached(held)?
        .query_row([account.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if count >= MESSAGES || bytes + message.len() as f64 > BYTES as f64 {
        return Ok(false);
    }
    let insert = "INSERT INTO offline_messages (account, xml) VALUES (?1, ?2)";
    db.prepare_cached(insert)?
        .execute([account.as_str(), message])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_taken_once() {
        let offline = Offline::new(Storage::open(None).unwrap());
        let alice = BareJid::new("alice@x").unwrap();
        for number in 0..=MESSAGES {
            let message = Stanza::message().with_id(number.to_string()).to_xml();
            let kept = offline.put(&alice, message).await.unwrap();
            assert_eq!(kept, number < MESSAGES);
        }
        let taken = offline.take(&alice).await.unwrap();
        assert_eq!(taken.len(), MESSAGES);
        assert_eq!(taken[1].id(), Some("1"));
        assert!(offline.take(&alice).await.unwrap().is_empty());

        let half = Stanza::message().with_text_child("body", &"x".repeat(BYTES / 2));
        assert!(offline.put(&alice, half.to_xml()).await.unwrap());
        assert!(!offline.put(&alice, half.to_xml()).await.unwrap());
    }

    #[test]
    fn an_archive_id_counts_if_it_is_of_the_account() {
        let alice = BareJid::new("alice@x").unwrap();
        for (by, expected) in [("alice@x", true), ("room@x", false), ("@", false)] {
            let id = Element::new("stanza-id", ns::SID).with_attr("by", by);
            let message = Stanza::message().with_child(id);
            assert_eq!(is_archived(&message, &alice), expected, "{by}");
        }
    }
}
