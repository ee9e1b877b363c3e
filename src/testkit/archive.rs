use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::channel::oneshot;
use jid::BareJid;

use crate::archive::{
    Accepted, ArchiveError, ArchiveStore, Entry, Page, Position, Preferences, Row,
};
use crate::stanza::Time;

use super::{Faulty, Slow};

/// An archive store in front of another, whose appends fail or panic, take
/// their time, or are durable when a test says so.
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
    panics: bool,
    slow: Option<Slow>,
    commits: Commits,
    only: Option<BareJid>,
}

/// When what a [`TroubledArchive`] accepted is durable: at once, or when a test
/// says so.
///
/// ```
/// use std::sync::Arc;
///
/// use tower_xmpp::archive::ArchiveLayer;
/// use tower_xmpp::store::MemoryArchive;
/// use tower_xmpp::testkit::{Commits, TroubledArchive, World, xml};
///
/// let w = World::new();
/// let commits = Commits::default();
/// let store = TroubledArchive::new(Arc::new(MemoryArchive::default())).committing(&commits);
/// w.host("a.example", ArchiveLayer::new(Arc::new(store), Arc::new(w.entropy())));
/// w.host("b.example", ());
/// let (alice, bob) = (w.session("alice@a.example/x"), w.session("bob@b.example/y"));
///
/// commits.hold();
/// let before = alice.acked();
/// alice.send(xml!("<message to='{bob}' type='chat'><body>hi</body></message>"));
/// bob.expect("<message><body>hi</body></message>"); // routing waits for nothing
/// assert_eq!(alice.acked(), before);
/// commits.succeed();
/// assert_eq!(alice.acked(), before + 1);
/// w.finish();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Commits(Arc<Mutex<Option<VecDeque<Commit>>>>);

type Commit = oneshot::Sender<Result<(), ArchiveError>>;

impl<A: ArchiveStore> TroubledArchive<A> {
    /// No trouble yet. Look at what is kept through the other handle.
    pub fn new(store: Arc<A>) -> Self {
        Self {
            store,
            fault: Faulty::default(),
            panics: false,
            slow: None,
            commits: Commits::default(),
            only: None,
        }
    }

    /// Appends fail while the fault is on; nothing is kept then.
    #[must_use]
    pub fn failing(mut self, fault: &Faulty) -> Self {
        self.fault = fault.clone();
        self
    }

    /// Appends panic while the fault is on, instead of failing.
    #[must_use]
    pub fn panicking(mut self) -> Self {
        self.panics = true;
        self
    }

    /// What was appended is durable when this says so.
    #[must_use]
    pub fn committing(mut self, commits: &Commits) -> Self {
        self.commits = commits.clone();
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
        if self.only.as_ref().is_some_and(|only| *only != row.owner) {
            return self.store.append(row).await;
        }
        if let Some(slow) = &self.slow {
            slow.wait().await;
        }
        let checked = self.fault.check();
        assert!(
            checked.is_ok() || !self.panics,
            "the test asked for a panic"
        );
        checked.map_err(|error| ArchiveError::Store(error.into()))?;
        let accepted = self.store.append(row).await?;
        Ok(self.commits.accepted(accepted.position))
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

impl Commits {
    /// From now on the test says when.
    pub fn hold(&self) {
        *self.waiting() = Some(VecDeque::new());
    }

    /// The oldest that waits is durable now.
    pub fn succeed(&self) {
        self.resolve(Ok(()));
    }

    /// The oldest that waits is lost: the disk is full.
    pub fn fail(&self) {
        self.resolve(Err(ArchiveError::NoRoom("the disk is full".into())));
    }

    fn resolve(&self, how: Result<(), ArchiveError>) {
        let commit = self.waiting().as_mut().and_then(VecDeque::pop_front);
        let told = commit.map(|commit| commit.send(how).is_ok());
        assert_eq!(told, Some(true), "somebody waits for a commit");
    }

    fn accepted(&self, position: Position) -> Accepted {
        let Some(waiting) = &mut *self.waiting() else {
            return Accepted::at(position);
        };
        let (tell, told) = oneshot::channel();
        waiting.push_back(tell);
        Accepted::until(position, async {
            let gone = |_| ArchiveError::Store("the test says nothing more".into());
            told.await.map_err(gone)?
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Option<VecDeque<Commit>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
