//! Hosts with an archive that a test can look into, and break.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::channel::oneshot;
use futures::executor::block_on;
use jid::BareJid;
use tower_xmpp::archive::{
    Accepted, ArchiveError, ArchiveLayer, ArchiveStore, Entry, Page, Position, Preferences, Row,
};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{Stanza, Time, ns};
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Faulty, Session, Sessions, World, xml};

/// A host's archive: its layer, and a look into it from outside.
#[derive(Clone, Default)]
pub struct Shelf {
    pub store: Arc<MemoryArchive>,
    pub broken: Faulty,
    pub panics: bool,
    pub commits: Commits,
}

/// When what was accepted is durable: at once, or when a test says so.
#[derive(Clone, Default)]
pub struct Commits(Arc<Mutex<Option<VecDeque<Commit>>>>);

type Commit = oneshot::Sender<Result<(), ArchiveError>>;

impl Commits {
    /// From now on the test says when.
    pub fn hold(&self) {
        *self.0.lock().unwrap() = Some(VecDeque::new());
    }

    /// The oldest that waits is durable now.
    pub fn succeed(&self) {
        self.resolve(Ok(()));
    }

    /// The oldest that waits is lost.
    pub fn fail(&self) {
        self.resolve(Err(ArchiveError::NoRoom("the disk is full".into())));
    }

    fn resolve(&self, how: Result<(), ArchiveError>) {
        let commit = self
            .0
            .lock()
            .unwrap()
            .as_mut()
            .and_then(VecDeque::pop_front);
        let _ = commit.expect("something waits").send(how);
    }

    fn accepted(&self, position: Position) -> Accepted {
        let Some(waiting) = &mut *self.0.lock().unwrap() else {
            return Accepted::at(position);
        };
        let (tell, told) = oneshot::channel();
        waiting.push_back(tell);
        Accepted::until(position, async {
            told.await.expect("a test says how it ends")
        })
    }
}

impl Shelf {
    pub fn layer(&self, w: &World) -> ArchiveLayer {
        ArchiveLayer::new(Arc::new(self.clone()), Arc::new(w.entropy()))
    }

    pub fn of(&self, account: &BareJid) -> Vec<Entry> {
        block_on(self.store.page(account, Page::oldest(100))).expect("it reads")
    }

    /// The archive IDs of an account, oldest first.
    pub fn ids(&self, account: &BareJid) -> Vec<String> {
        let entries = self.of(account).into_iter();
        entries.map(|entry| entry.row.id).collect()
    }

    /// The only message of an archive.
    #[track_caller]
    pub fn only(&self, account: &BareJid) -> Row {
        let mut entries = self.of(account);
        assert_eq!(entries.len(), 1, "one row for {account}: {entries:?}");
        entries.remove(0).row
    }
}

/// The shelf is a store that can fail.
#[async_trait]
impl ArchiveStore for Shelf {
    async fn append(&self, row: Row) -> Result<Accepted, ArchiveError> {
        if let Err(error) = self.broken.check() {
            assert!(!self.panics, "the disk is on fire");
            return Err(ArchiveError::Store(error.into()));
        }
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

/// Alice has a phone and a desk on one host, Bob is on another. Both hosts
/// archive, then fork.
pub struct Two {
    pub w: World,
    pub here: Shelf,
    pub there: Shelf,
    pub phone: Session,
    pub desk: Session,
    pub bob: Session,
    pub alice: BareJid,
}

pub fn two_hosts() -> Two {
    two_hosts_with(Shelf::default())
}

pub fn two_hosts_with(here: Shelf) -> Two {
    let w = World::new();
    let there = Shelf::default();
    w.host("a.example", (here.layer(&w), ForkLayer::new()));
    w.host("b.example", (there.layer(&w), ForkLayer::new()));
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = w.session("bob@b.example/x");
    let alice = phone.account();
    Two {
        w,
        here,
        there,
        phone,
        desk,
        bob,
        alice,
    }
}

/// A session asks for its token, and may name the one it had before.
#[track_caller]
pub fn token(session: &Session, previous: Option<&str>) -> String {
    let previous = previous.map_or_else(String::new, |token| format!("previous='{token}'"));
    let answer = session.asks(xml!(
        "<iq type='set' id='token'><token xmlns='tower-xmpp:archive-id:0' {previous}/></iq>"
    ));
    let token = answer.child("token", ns::ARCHIVE_ID).expect("a token");
    token.text()
}

/// The stanza-ids that a stanza bears: by whom, and which.
pub fn stamps(stanza: &Stanza) -> Vec<(String, String)> {
    let children = stanza.children().filter(|c| c.is("stanza-id", ns::SID));
    children
        .map(|child| {
            let of = |name| child.attr(name).unwrap_or_default().to_owned();
            (of("by"), of("id"))
        })
        .collect()
}

pub fn stamp_of(account: &BareJid, id: &str) -> Vec<(String, String)> {
    vec![(account.to_string(), id.to_owned())]
}
