//! Who is in whose roster, in memory: the archive asks it of every message of
//! an account that wants no others archived (XEP-0441, `default='roster'`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::RwLock;

use jid::BareJid;
use rusqlite::Connection;
use tower_xmpp::archive::Contacts;

use super::super::super::storage::bare_jid;

/// By account: the contacts that its clients are shown.
#[derive(Debug)]
pub struct Listed(RwLock<BTreeMap<BareJid, BTreeSet<BareJid>>>);

impl Listed {
    pub fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut all = db.prepare("SELECT account, contact FROM contacts WHERE is_listed")?;
        let mut rows = all.query([])?;
        let mut listed = BTreeMap::<_, BTreeSet<_>>::new();
        while let Some(row) = rows.next()? {
            let contacts = listed.entry(bare_jid(row, 0)?).or_default();
            contacts.insert(bare_jid(row, 1)?);
        }
        Ok(Self(RwLock::new(listed)))
    }

    /// Called where the roster changes, so that changes come in their order.
    pub fn note(&self, account: &BareJid, contact: &BareJid, is_listed: bool) {
        let mut listed = self.0.write().unwrap();
        if is_listed {
            let contacts = listed.entry(account.clone()).or_default();
            contacts.insert(contact.clone());
        } else if let Some(contacts) = listed.get_mut(account) {
            contacts.remove(contact);
            if contacts.is_empty() {
                listed.remove(account);
            }
        }
    }
}

impl Contacts for Listed {
    fn has(&self, account: &BareJid, contact: &BareJid) -> bool {
        let listed = self.0.read().unwrap();
        listed
            .get(account)
            .is_some_and(|contacts| contacts.contains(contact))
    }
}
