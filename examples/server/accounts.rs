//! Who may log in. Passwords are not kept, only what SCRAM needs to check
//! them (RFC 5802 §3), and a name that does not exist cannot be told from a
//! wrong password.

use std::collections::BTreeMap;

use jid::{BareJid, NodePart, NodeRef};
use rusqlite::{Connection, Row};

use super::options::NewAccount;
use super::random;
use super::sasl::scram::{Hash, Keys};
use super::storage::{Failed, Storage};

/// RFC 7677 §4 asks for at least 4,096. Deliberately no more: the load tests
/// of this example log in thousands of clients.
const ITERATIONS: u32 = 4_096;

pub struct Accounts {
    domain: BareJid,
    credentials: BTreeMap<NodePart, Credentials>,
    /// Makes up salts for names that do not exist.
    decoy: [u8; 32],
}

#[derive(Clone)]
struct Credentials {
    sha1: Keys,
    sha256: Keys,
}

impl Accounts {
    /// These accounts and no others.
    pub fn new(domain: BareJid, accounts: &[NewAccount]) -> Self {
        let mut new = Self {
            domain,
            credentials: BTreeMap::new(),
            decoy: random::bytes(),
        };
        for account in accounts {
            new.admit(account);
        }
        new
    }

    /// Those that are kept, and these, which are kept from now on. If there
    /// is none at all, alice and bob move in.
    pub async fn load(
        domain: BareJid,
        storage: &Storage,
        named: &[NewAccount],
    ) -> Result<Self, Failed> {
        let mut accounts = Self::new(domain.clone(), &[]);
        accounts.decoy = storage.secret("salts of nobody").await?;
        let of_domain = domain.clone();
        accounts.credentials = storage.run(move |db| read(db, &of_domain)).await?;

        let named = match (named, accounts.credentials.is_empty()) {
            ([], true) => NewAccount::examples(),
            _ => named.to_vec(),
        };
        let mut changed = vec![];
        for account in named {
            if let Some(credentials) = accounts.admit(&account) {
                changed.push((accounts.address(&account.name), credentials));
            }
        }
        storage.run(move |db| write(db, &changed)).await?;
        Ok(accounts)
    }

    /// The names of all accounts.
    pub fn names(&self) -> impl Iterator<Item = &NodePart> {
        self.credentials.keys()
    }

    /// The domain that is served.
    pub fn domain(&self) -> &BareJid {
        &self.domain
    }

    /// The address of the account with this name, whether it exists or not.
    pub fn address(&self, name: &NodeRef) -> BareJid {
        BareJid::from_parts(Some(name), self.domain.domain())
    }

    pub fn exists(&self, account: &BareJid) -> bool {
        account.domain() == self.domain.domain()
            && account
                .node()
                .is_some_and(|name| self.credentials.contains_key(name))
    }

    /// The keys of the account with this name. One that does not exist gets
    /// keys that no password fits, with a salt that is the same every time
    /// it is asked for, as that of a real account would be.
    pub fn keys(&self, name: &NodeRef, hash: Hash) -> Keys {
        match (self.credentials.get(name), hash) {
            (Some(known), Hash::Sha1) => known.sha1.clone(),
            (Some(known), Hash::Sha256) => known.sha256.clone(),
            (None, hash) => Keys::decoy(hash, name.as_str(), &self.decoy, ITERATIONS),
        }
    }
}

impl Accounts {
    /// Adds an account, or gives it another password; nothing if it is there
    /// with this one.
    fn admit(&mut self, account: &NewAccount) -> Option<Credentials> {
        let known = self.credentials.get(&account.name);
        if known.is_some_and(|known| known.sha256.fit(Hash::Sha256, &account.password)) {
            return None;
        }
        let new = Credentials::derive(&account.password);
        self.credentials.insert(account.name.clone(), new.clone());
        Some(new)
    }
}

impl Credentials {
    fn derive(password: &str) -> Self {
        let keys = |hash| Keys::derive(hash, password, random::bytes::<16>().to_vec(), ITERATIONS);
        Self {
            sha1: keys(Hash::Sha1),
            sha256: keys(Hash::Sha256),
        }
    }
}

const SHA1: &str = "SCRAM-SHA-1";
const SHA256: &str = "SCRAM-SHA-256";

fn read(db: &Connection, domain: &BareJid) -> rusqlite::Result<BTreeMap<NodePart, Credentials>> {
    let both = "SELECT one.account,
                       one.salt, one.iterations, one.stored, one.server,
                       other.salt, other.iterations, other.stored, other.server
                FROM scram_keys AS one JOIN scram_keys AS other USING (account)
                WHERE one.hash = ?1 AND other.hash = ?2";
    let mut query = db.prepare(both)?;
    let mut rows = query.query([SHA1, SHA256])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let account: String = row.get(0)?;
        // Of another domain, if the server had another name before.
        if let Ok(account) = BareJid::new(&account)
            && account.domain() == domain.domain()
            && let Some(name) = account.node()
        {
            let credentials = Credentials {
                sha1: keys(row, 1)?,
                sha256: keys(row, 5)?,
            };
            found.insert(name.to_owned(), credentials);
        }
    }
    Ok(found)
}

fn keys(row: &Row<'_>, first: usize) -> rusqlite::Result<Keys> {
    Ok(Keys {
        salt: row.get(first)?,
        iterations: row.get(first + 1)?,
        stored: row.get(first + 2)?,
        server: row.get(first + 3)?,
    })
}

fn write(db: &Connection, accounts: &[(BareJid, Credentials)]) -> rusqlite::Result<()> {
    let mut insert =
        db.prepare("INSERT OR REPLACE INTO scram_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (account, credentials) in accounts {
        for (hash, keys) in [(SHA1, &credentials.sha1), (SHA256, &credentials.sha256)] {
            let account = account.as_str();
            let iterations = keys.iterations;
            insert.execute((
                account,
                hash,
                &keys.salt,
                iterations,
                &keys.stored,
                &keys.server,
            ))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let account = |name: &str| NewAccount {
            name: NodePart::new(name).unwrap().into_owned(),
            password: name.into(),
        };
        let domain = BareJid::new("example.org").unwrap();
        Accounts::new(domain, &[account("alice"), account("bob")])
    }

    #[test]
    fn only_accounts_of_our_domain_exist() {
        let accounts = accounts();
        for (address, exists) in [
            ("alice@example.org", true),
            ("carol@example.org", false),
            ("alice@example.net", false),
            ("example.org", false),
        ] {
            let address = BareJid::new(address).unwrap();
            assert_eq!(accounts.exists(&address), exists, "{address}");
        }
    }

    #[test]
    fn each_account_has_a_salt_of_its_own_and_a_made_up_one_stays_the_same() {
        let accounts = accounts();
        let salt = |name, hash| {
            let name = NodePart::new(name).unwrap();
            accounts.keys(&name, hash).salt
        };
        let mut salts = vec![];
        for name in ["alice", "bob", "carol", "dan"] {
            for hash in [Hash::Sha1, Hash::Sha256] {
                assert_eq!(salt(name, hash).len(), 16);
                assert_eq!(salt(name, hash), salt(name, hash));
                salts.push(salt(name, hash));
            }
        }
        salts.sort();
        salts.dedup();
        assert_eq!(salts.len(), 8);
    }

    fn fits(accounts: &Accounts, name: &str, password: &str) -> bool {
        let name = NodePart::new(name).unwrap();
        [Hash::Sha1, Hash::Sha256]
            .map(|hash| accounts.keys(&name, hash).fit(hash, password))
            .iter()
            .all(|fits| *fits)
    }

    #[tokio::test]
    async fn accounts_are_kept_and_the_command_line_wins() {
        let domain = BareJid::new("example.org").unwrap();
        let storage = Storage::open(None).unwrap();
        let named = |name: &str, password: &str| NewAccount {
            name: NodePart::new(name).unwrap().into_owned(),
            password: password.into(),
        };
        let load = async |named: &[NewAccount]| {
            let accounts = Accounts::load(domain.clone(), &storage, named).await;
            accounts.unwrap()
        };
        let first = load(&[named("carol", "old"), named("dan", "dan")]).await;
        assert!(fits(&first, "carol", "old") && fits(&first, "dan", "dan"));
        let second = load(&[named("carol", "new")]).await;
        assert!(fits(&second, "carol", "new") && fits(&second, "dan", "dan"));
        let third = load(&[]).await;
        assert!(fits(&third, "carol", "new") && !fits(&third, "carol", "old"));
        assert_eq!(third.names().count(), 2);

        let salt = |accounts: &Accounts| {
            let nobody = NodePart::new("nobody").unwrap();
            accounts.keys(&nobody, Hash::Sha1).salt
        };
        assert_eq!(salt(&first), salt(&third));
    }

    #[tokio::test]
    async fn no_password_is_kept() {
        let domain = BareJid::new("example.org").unwrap();
        let storage = Storage::open(None).unwrap();
        let secret = NewAccount {
            name: NodePart::new("carol").unwrap().into_owned(),
            password: "correct horse".into(),
        };
        Accounts::load(domain, &storage, &[secret]).await.unwrap();
        let found = storage.run(|db| {
            let all = "SELECT count(*) FROM scram_keys WHERE instr(stored || server || salt, ?1)";
            db.query_row(all, [&b"correct horse"[..]], |row| row.get::<_, u32>(0))
        });
        assert_eq!(found.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn where_there_is_nobody_alice_and_bob_move_in() {
        let domain = BareJid::new("example.org").unwrap();
        let storage = Storage::open(None).unwrap();
        let accounts = Accounts::load(domain, &storage, &[]).await.unwrap();
        let names: Vec<_> = accounts.names().map(|name| name.as_str()).collect();
        assert_eq!(names, ["alice", "bob"]);
    }
}
