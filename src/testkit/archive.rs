use std::sync::Arc;

use async_trait::async_trait;
use jid::BareJid;

use crate::archive::{Accepted, ArchiveError, ArchiveStore, Entry, Page, Preferences, Row};
use crate::stanza::Time;

use super::{Faulty, Slow};

/// An archive store in front of another, whose appends fail or take their time.
///
/// ```
/// use std::sync::Arc;
///
/// use tower_xmpp::archive::ArchiveLayer;
/// use tower_xmpp::store::MemoryArchive;
/// use tower_xmpp::testkit::{Faulty, TroubledArchive, World, xml};
///
/// let w = World::new();
/// let disk = Faulty::default();
/// let store = TroubledArchive::new(Arc::new(MemoryArchive::default())).failing(&disk);
/// w.host("a.example", ArchiveLayer::new(Arc::new(store), Arc::new(w.entropy())));
/// let [alice, bob] = ["alice", "bob"].map(|name| w.session(&format!("{name}@a.example/x")));
///
/// disk.fail(2); // for the sender's archive, and for the recipient's
/// for stamped in ["<absent><stanza-id xmlns='urn:xmpp:sid:0'/></absent>",
///                 "<stanza-id xmlns='urn:xmpp:sid:0'/>"] {
///     bob.send(xml!("<message to='{alice}' type='chat'><body>hi</body></message>"));
///     alice.expect(xml!("<message><body>hi</body>{stamped}</message>"));
/// }
/// w.expect_broken("archive");
/// w.finish();
/// ```
#[derive(Debug)]
pub struct TroubledArchive<A> {
    store: Arc<A>,
    fault: Faulty,
    slow: Option<Slow>,
    only: Option<BareJid>,
}

impl<A: ArchiveStore> TroubledArchive<A> {
    /// No trouble yet. Look at what is kept through the other handle.
    pub fn new(store: Arc<A>) -> Self {
        Self {
            store,
            fault: Faulty::default(),
            slow: None,
            only: None,
        }
    }

    /// Appends fail while the fault is on; nothing is kept then.
    #[must_use]
    pub fn failing(mut self, fault: &Faulty) -> Self {
        self.fault = fault.clone();
        self
    }

    /// Appends wait before they are made.
    #[must_use]
    pub fn slow(mut self, slow: &Slow) -> Self {
        self.slow = Some(slow.clone());
        self
    }

    /// Only this account has trouble.
    #[must_use]
    pub fn only_for(mut self, account: BareJid) -> Self {
        self.only = Some(account);
        self
    }
}

#[async_trait]
impl<A: ArchiveStore> ArchiveStore for TroubledArchive<A> {
    async fn append(&self, row: Row) -> Result<Accepted, ArchiveError> {
        if self.only.as_ref().is_none_or(|only| *only == row.owner) {
            if let Some(slow) = &self.slow {
                slow.wait().await;
            }
            let checked = self.fault.check();
            checked.map_err(|error| ArchiveError::Store(error.into()))?;
        }
        self.store.append(row).await
    }

    async fn get(&self, owner: &BareJid, id: &str) -> Result<Option<Entry>, ArchiveError> {
        self.store.get(owner, id).await
    }

    async fn page(&self, owner: &BareJid, page: Page) -> Result<Vec<Entry>, ArchiveError> {
        self.store.page(owner, page).await
    }

    async fn replace(
        &self,
        owner: &BareJid,
        id: &str,
        stanza: Arc<[u8]>,
    ) -> Result<bool, ArchiveError> {
        self.store.replace(owner, id, stanza).await
    }

    async fn expire(&self, before: Time) -> Result<u64, ArchiveError> {
        self.store.expire(before).await
    }

    async fn preferences(&self, owner: &BareJid) -> Result<Option<Preferences>, ArchiveError> {
        self.store.preferences(owner).await
    }

    async fn set_preferences(
        &self,
        owner: &BareJid,
        preferences: Preferences,
    ) -> Result<(), ArchiveError> {
        self.store.set_preferences(owner, preferences).await
    }

    async fn remove(&self, owner: &BareJid) -> Result<(), ArchiveError> {
        self.store.remove(owner).await
    }
}
