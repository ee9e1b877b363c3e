//! Hosts with an archive that a test can look into, and break.

use std::sync::Arc;

use futures::executor::block_on;
use jid::BareJid;
use tower_xmpp::archive::{ArchiveLayer, ArchiveStore, Entry, Page, Row};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{Stanza, ns};
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Commits, Faulty, Session, Sessions, TroubledArchive, World, xml};

/// A host's archive: its layer, and a look into it from outside.
#[derive(Clone, Default)]
pub struct Shelf {
    pub store: Arc<MemoryArchive>,
    pub broken: Faulty,
    pub panics: bool,
    pub commits: Commits,
}

impl Shelf {
    pub fn layer(&self, w: &World) -> ArchiveLayer {
        ArchiveLayer::new(self.troubled(), Arc::new(w.entropy()))
    }

    /// The store as a layer has it.
    pub fn troubled(&self) -> Arc<dyn ArchiveStore> {
        let store = TroubledArchive::new(self.store.clone());
        let store = store.failing(&self.broken).committing(&self.commits);
        Arc::new(match self.panics {
            true => store.panicking(),
            false => store,
        })
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
