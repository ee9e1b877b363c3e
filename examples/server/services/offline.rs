//! Messages that wait for their recipient (XEP-0160).
//!
//! 1. What is in the account's archive waits there: clients ask for it. That
//!    it is shows in the archive ID that it bears (XEP-0359).
//! 2. All else waits here, with the time it came (XEP-0203), until one of the
//!    account's clients is available with a priority that is not negative.
//!    Without the archive layer, that is everything.
//! 3. It is lent to that client, and forgotten when the client has
//!    acknowledged it (XEP-0198), or, if it does not acknowledge, when it is
//!    written. What a session ends without is for the next client, in its
//!    place and with its time; after a crash it is there once more.
//! 4. Who is full is told on: the sender gets `service-unavailable`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use jid::{BareJid, Jid};
use rusqlite::Connection;
use tower_xmpp::flow::Fate;
use tower_xmpp::host::Delivery;
use tower_xmpp::stanza::{Element, Stanza, Time, ns};

use super::super::clock::now;
use super::super::session::Session;
use super::super::site::Site;
use super::super::storage::{Failed, Storage, stanza};

/// Who a delivery is by that has waited.
pub const BY: &str = "offline";

/// How many messages may wait for one account.
const MESSAGES: usize = 100;

/// How many bytes of them.
const BYTES: usize = 1 << 20;

/// What waits, of all accounts; cloning it is cheap.
#[derive(Clone)]
pub struct Offline {
    storage: Storage,
    /// What some session has, and nobody else shall get.
    lent: Arc<Mutex<BTreeSet<Position>>>,
}

/// Of a message, among all that wait.
pub type Position = i64;

/// What one session has of what waited, in the order in which it got it.
#[derive(Default)]
pub struct Loan {
    positions: VecDeque<Position>,
    /// How much its stream must have written for the first of them to have
    /// arrived: what went out before the client began to acknowledge.
    marks: VecDeque<usize>,
}

impl Offline {
    pub fn new(storage: Storage) -> Self {
        let lent = Arc::default();
        Self { storage, lent }
    }

    /// Gives a session what waits for its account, the oldest first. Not
    /// emitted, but put into the session's hands: what is lent and what is
    /// delivered have one order.
    pub async fn hand_over(&self, session: &Session) -> Result<(), Failed> {
        for (position, message) in self.lend(session.jid().to_bare()).await? {
            let mut delivery = Delivery::new(session.jid().clone(), message, Fate::Drop, now());
            delivery.by = Some(BY);
            if !session.lend(position, delivery) {
                self.give_back(&[position]);
            }
        }
        Ok(())
    }

    /// It has arrived.
    pub async fn forget(&self, positions: Vec<Position>) -> Result<(), Failed> {
        let gone = positions.clone();
        let forget = self.storage.run(move |db| {
            let mut delete =
                db.prepare_cached("DELETE FROM offline_messages WHERE position = ?1")?;
            for position in gone {
                delete.execute([position])?;
            }
            Ok(())
        });
        forget.await?;
        self.give_back(&positions);
        Ok(())
    }

    /// Nobody has it any more.
    pub fn give_back(&self, positions: &[Position]) {
        let mut lent = self.lent();
        for position in positions {
            lent.remove(position);
        }
    }

    async fn lend(&self, account: BareJid) -> Result<Vec<(Position, Stanza)>, Failed> {
        let offline = self.clone();
        let lend = self.storage.run(move |db| {
            let mut waiting = waiting(db, &account)?;
            let mut lent = offline.lent();
            waiting.retain(|(position, _)| lent.insert(*position));
            Ok(waiting)
        });
        lend.await
    }

    /// Whether there was room for it.
    async fn put(&self, account: &BareJid, message: String) -> Result<bool, Failed> {
        let account = account.clone();
        let put = self.storage.run(move |db| put(db, &account, &message));
        put.await
    }

    fn lent(&self) -> MutexGuard<'_, BTreeSet<Position>> {
        self.lent.lock().unwrap()
    }
}

impl Loan {
    pub fn add(&mut self, position: Position) {
        self.positions.push_back(position);
    }

    /// One more of it goes to a client that does not acknowledge: it will have
    /// arrived when so much is written.
    pub fn arrives_at(&mut self, mark: usize) {
        self.marks.push_back(mark);
    }

    /// The client has acknowledged so many of it, and therefore has all that
    /// it got before it began to.
    pub fn acknowledged(&mut self, count: usize) -> Vec<Position> {
        let arrived = count + std::mem::take(&mut self.marks).len();
        self.first(arrived)
    }

    /// So much is written.
    pub fn written(&mut self, bytes: usize) -> Vec<Position> {
        let arrived = self.marks.partition_point(|mark| *mark <= bytes);
        self.marks.drain(..arrived);
        self.first(arrived)
    }

    /// The rest.
    pub fn into_positions(self) -> Vec<Position> {
        self.positions.into()
    }

    fn first(&mut self, count: usize) -> Vec<Position> {
        let count = count.min(self.positions.len());
        self.positions.drain(..count).collect()
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

fn waiting(db: &Connection, account: &BareJid) -> rusqlite::Result<Vec<(Position, Stanza)>> {
    let all = "SELECT position, xml FROM offline_messages WHERE account = ?1 ORDER BY position";
    let mut all = db.prepare_cached(all)?;
    let waiting = all.query_map([account.as_str()], |row| Ok((row.get(0)?, stanza(row, 1)?)))?;
    waiting.collect()
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
    async fn what_waits_is_bounded_and_lent_to_one_until_it_has_arrived_or_is_given_back() {
        let offline = Offline::new(Storage::open(None).unwrap());
        let alice = BareJid::new("alice@x").unwrap();
        for number in 0..=MESSAGES {
            let message = Stanza::message().with_id(number.to_string()).to_xml();
            let kept = offline.put(&alice, message).await.unwrap();
            assert_eq!(kept, number < MESSAGES);
        }
        let lend = async || offline.lend(alice.clone()).await.unwrap();
        let lent = lend().await;
        assert_eq!(lent.len(), MESSAGES);
        assert!(lend().await.is_empty());
        offline.give_back(&[lent[1].0]);
        assert_eq!(lend().await[0].1.id(), Some("1"));
        let all = lent.iter().map(|(position, _)| *position).collect();
        offline.forget(all).await.unwrap();
        assert!(lend().await.is_empty());

        let half = Stanza::message().with_text_child("body", &"x".repeat(BYTES / 2));
        assert!(offline.put(&alice, half.to_xml()).await.unwrap());
        assert!(!offline.put(&alice, half.to_xml()).await.unwrap());
    }

    #[test]
    fn of_a_loan_arrives_what_is_acknowledged_or_written_the_first_first() {
        let mut loan = Loan::default();
        (1..=5).for_each(|position| loan.add(position));
        for mark in [100, 200, 300] {
            loan.arrives_at(mark);
        }
        assert_eq!(loan.written(299), [1, 2]);
        assert!(loan.written(299).is_empty());
        assert_eq!(loan.acknowledged(1), [3, 4]);
        assert!(loan.acknowledged(0).is_empty());
        assert_eq!(loan.into_positions(), [5]);
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
