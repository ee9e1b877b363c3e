//! Who may log in. Passwords are not kept, only what SCRAM needs to check
//! them (RFC 5802 §3), and a name that does not exist cannot be told from a
//! wrong password.

use std::collections::HashMap;

use jid::{BareJid, NodePart, NodeRef};

use super::options::NewAccount;
use super::random;
use super::sasl::scram::{Hash, Keys};

/// RFC 7677 §4 asks for at least 4,096. Deliberately no more: the load tests
/// of this example log in thousands of clients.
const ITERATIONS: u32 = 4_096;

pub struct Accounts {
    domain: BareJid,
    credentials: HashMap<NodePart, Credentials>,
    /// Makes up salts for names that do not exist.
    decoy: [u8; 32],
}

struct Credentials {
    sha1: Keys,
    sha256: Keys,
}

impl Accounts {
    pub fn new(domain: BareJid, accounts: &[NewAccount]) -> Self {
        let credentials = accounts
            .iter()
            .map(|account| (account.name.clone(), Credentials::derive(&account.password)))
            .collect();
        Self {
            domain,
            credentials,
            decoy: random::bytes(),
        }
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

impl Credentials {
    fn derive(password: &str) -> Self {
        let keys = |hash| Keys::derive(hash, password, random::bytes::<16>().to_vec(), ITERATIONS);
        Self {
            sha1: keys(Hash::Sha1),
            sha256: keys(Hash::Sha256),
        }
    }
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
}
