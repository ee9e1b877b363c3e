//! Who blocks whom: kept in the database, and in memory for every stanza to
//! be compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::RwLock;

use jid::{BareJid, Jid};
use rusqlite::Connection;
use tower_xmpp::middleware::Sieve;
use tower_xmpp::stanza::Condition;

use super::super::storage::{self, Failed, Storage, bare_jid};

/// How many addresses one account may block.
const BLOCKED: usize = 1_000;

pub struct Lists {
    storage: Storage,
    /// As in the database. Accounts that block nobody are not in it.
    known: RwLock<Known>,
    /// Says of most accounts, without a lock, that they are not in it: every
    /// stanza asks.
    owners: Sieve,
    /// Held while a change is on its way to the database and back.
    changing: tokio::sync::Mutex<()>,
}

type Known = BTreeMap<BareJid, BTreeSet<Jid>>;

#[derive(Clone)]
pub enum Change {
    Block(Vec<Jid>),
    Unblock(Vec<Jid>),
    UnblockAll,
}

impl Lists {
    pub async fn load(storage: Storage) -> Result<Self, Failed> {
        let known = storage.run(read).await?;
        let owners = Sieve::default();
        known
            .keys()
            .for_each(|account| owners.insert(account.as_str()));
        Ok(Self {
            storage,
            known: RwLock::new(known),
            owners,
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Whether the account, or the account of this session, blocks the other.
    pub fn is_blocked(&self, account: &Jid, other: &Jid) -> bool {
        let whole = account.as_str();
        let bare = match account.resource() {
            Some(resource) => &whole[..whole.len() - resource.as_str().len() - 1],
            None => whole,
        };
        if !self.owners.may_hold(bare) {
            return false;
        }
        let account = account.to_bare();
        let known = self.known.read().unwrap();
        let Some(blocked) = known.get(&account) else {
            return false;
        };
        other.to_bare() != account && blocked.iter().any(|jid| covers(jid, other))
    }

    /// The account's list, in order.
    pub fn of(&self, account: &BareJid) -> Vec<Jid> {
        let known = self.known.read().unwrap();
        let list = known.get(account).into_iter().flatten();
        list.cloned().collect()
    }

    /// Returns what was not so before.
    pub async fn change(
        &self,
        account: &BareJid,
        change: Change,
    ) -> Result<Result<Vec<Jid>, Condition>, Failed> {
        let _one_at_a_time = self.changing.lock().await;
        let before: BTreeSet<_> = self.of(account).into_iter().collect();
        let mut after = before.clone();
        match change {
            Change::Block(jids) => after.extend(jids),
            Change::Unblock(jids) => after.retain(|jid| !jids.contains(jid)),
            Change::UnblockAll => after.clear(),
        }
        if after.len() > BLOCKED {
            return Ok(Err(Condition::ResourceConstraint));
        }
        let (owner, list) = (account.clone(), after.clone());
        self.storage.run(move |db| write(db, &owner, &list)).await?;
        let changed = before.symmetric_difference(&after).cloned().collect();
        let mut known = self.known.write().unwrap();
        if !after.is_empty() {
            self.owners.insert(account.as_str());
            known.insert(account.clone(), after);
        } else {
            known.remove(account);
        }
        if !before.is_empty() {
            self.owners.remove(account.as_str());
        }
        Ok(Ok(changed))
    }
}

/// XEP-0191 §2.1 has the rules of privacy lists: an address covers all that
/// have its parts.
pub fn covers(blocked: &Jid, other: &Jid) -> bool {
    blocked.domain() == other.domain()
        && blocked.node().is_none_or(|node| other.node() == Some(node))
        && blocked
            .resource()
            .is_none_or(|resource| other.resource() == Some(resource))
}

fn read(db: &Connection) -> rusqlite::Result<Known> {
    let mut all = db.prepare("SELECT account, jid FROM blocked")?;
    let mut rows = all.query([])?;
    let mut known = Known::new();
    while let Some(row) = rows.next()? {
        let list = known.entry(bare_jid(row, 0)?).or_default();
        list.insert(storage::jid(row, 1)?);
    }
    Ok(known)
}

fn write(db: &Connection, account: &BareJid, list: &BTreeSet<Jid>) -> rusqlite::Result<()> {
    db.execute("DELETE FROM blocked WHERE account = ?1", [account.as_str()])?;
    let mut insert = db.prepare_cached("INSERT INTO blocked VALUES (?1, ?2)")?;
    for jid in list {
        insert.execute([account.as_str(), jid.as_str()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        Jid::new(text).unwrap()
    }

    #[test]
    fn an_address_covers_all_that_have_its_parts() {
        for (blocked, other, expected) in [
            ("a@x/r", "a@x/r", true),
            ("a@x/r", "a@x/s", false),
            ("a@x/r", "a@x", false),
            ("a@x", "a@x/r", true),
            ("a@x", "b@x", false),
            ("x/r", "a@x/r", true),
            ("x/r", "a@x/s", false),
            ("x", "a@x/r", true),
            ("x", "x", true),
            ("x", "a@y", false),
        ] {
            let covered = covers(&jid(blocked), &jid(other));
            assert_eq!(covered, expected, "{blocked} {other}");
        }
    }

    #[tokio::test]
    async fn a_list_is_kept_and_an_account_never_blocks_itself() {
        let storage = Storage::open(None).unwrap();
        let lists = Lists::load(storage.clone()).await.unwrap();
        let alice = BareJid::new("alice@x").unwrap();
        let change = Change::Block(vec![jid("x"), jid("bob@y")]);
        let changed = lists.change(&alice, change).await.unwrap().unwrap();
        assert_eq!(changed, [jid("bob@y"), jid("x")]);
        let lists = Lists::load(storage).await.unwrap();
        assert!(lists.is_blocked(&alice, &jid("bob@y/r")));
        assert!(lists.is_blocked(&alice, &jid("carol@x")));
        assert!(!lists.is_blocked(&alice, &jid("alice@x/r")));
        let change = Change::Unblock(vec![jid("x"), jid("z")]);
        let changed = lists.change(&alice, change).await.unwrap().unwrap();
        assert_eq!(changed, [jid("x")]);
        assert!(!lists.is_blocked(&alice, &jid("carol@x")));
    }

    #[tokio::test]
    async fn a_list_does_not_grow_without_bound() {
        let lists = Lists::load(Storage::open(None).unwrap()).await.unwrap();
        let alice = BareJid::new("alice@x").unwrap();
        let all = |count| (0..count).map(|n| jid(&format!("{n}@y"))).collect();
        let too_many = lists.change(&alice, Change::Block(all(BLOCKED + 1))).await;
        assert_eq!(too_many.unwrap(), Err(Condition::ResourceConstraint));
        let many = lists.change(&alice, Change::Block(all(BLOCKED))).await;
        assert_eq!(many.unwrap().unwrap().len(), BLOCKED);
    }
}
