//! Bookmarked rooms (XEP-0402), for who joins rooms in an account's name: it
//! reads them, and is told what became of them whenever their node changes.
//!
//! What a client publishes is kept as it came, `<extensions/>` and all. An
//! item that is no bookmark (a broken JID, another payload) stays as well, and
//! nobody is told of it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jid::BareJid;
use rusqlite::Connection;
use tower_xmpp::flow::{Bookmark, BookmarkChange, Bookmarks, BoxError};
use tower_xmpp::stanza::{Element, ElementRef};

use super::super::super::storage::{Failed, Storage};
use super::shelf::{self, Item};

/// The node, and the namespace of what is in it.
pub const NODE: &str = "urn:xmpp:bookmarks:1";

type Listener = Box<dyn Fn(BookmarkChange) + Send + Sync>;

/// The bookmarks of all accounts.
pub struct Bookmarked {
    storage: Storage,
    listeners: Mutex<Vec<Listener>>,
    /// One change of an account's at a time, so that listeners hear of them in
    /// the order in which they were kept.
    changing: [tokio::sync::Mutex<()>; 16],
}

impl Bookmarked {
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            listeners: Mutex::default(),
            changing: Default::default(),
        }
    }

    /// Does something with an account's node. If it is that of the bookmarks,
    /// listeners are told what has changed once it is kept.
    pub async fn watch<T: Send + 'static>(
        &self,
        account: &BareJid,
        node: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failed> {
        self.watch_publishing(account, node, |_| None, work).await
    }

    /// The same for what may publish an item, as `published` says. Of a bookmark
    /// that is published as it was before, listeners are told, too: every client
    /// that hears of it joins (XEP-0402 §4), so somebody wants to be there.
    pub async fn watch_publishing<T: Send + 'static>(
        &self,
        account: &BareJid,
        node: &str,
        published: impl FnOnce(&T) -> Option<String>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failed> {
        if node != NODE {
            return self.storage.run(work).await;
        }
        let mut hasher = DefaultHasher::new();
        account.hash(&mut hasher);
        let turn = hasher.finish() as usize % self.changing.len();
        let _turn = self.changing[turn].lock().await;
        let of = account.clone();
        let changed = self.storage.run(move |db| {
            let before = shelf::items(db, &of, NODE)?;
            let done = work(db)?;
            Ok((done, before, shelf::items(db, &of, NODE)?))
        });
        let (done, before, after) = changed.await?;
        self.tell(account, &before, &after, published(&done).as_deref());
        Ok(done)
    }

    fn tell(&self, account: &BareJid, before: &[Item], after: &[Item], published: Option<&str>) {
        let by_id = |items: &[Item]| -> HashMap<String, Element> {
            let items = items.iter();
            items.map(|it| (it.id.clone(), it.xml.clone())).collect()
        };
        let (known, kept) = (by_id(before), by_id(after));
        // The oldest first: as they came.
        let set = after.iter().rev();
        let is_known = |item: &&Item| known.get(&item.id) == Some(&item.xml);
        let again = after.iter().filter(is_known);
        let again = again.filter(|item| published == Some(&*item.id));
        let again = again.filter_map(|item| {
            let (account, bookmark) = (account.clone(), read(item)?);
            Some(BookmarkChange::Again { account, bookmark })
        });
        let set = set.filter(|item| !is_known(item));
        let gone = before.iter().filter(|item| !kept.contains_key(&item.id));
        let account = || account.clone();
        let set = set.filter_map(|item| match read(item) {
            Some(bookmark) => Some(BookmarkChange::Set {
                account: account(),
                bookmark,
            }),
            // Something else stands in its place: it is a bookmark no more.
            None => retracted(account(), item),
        });
        let gone = gone.filter_map(|item| retracted(account(), item));
        let listeners = self.listeners.lock();
        let listeners = listeners.unwrap_or_else(PoisonError::into_inner);
        for change in gone.chain(set).chain(again) {
            for listener in listeners.iter() {
                listener(change.clone());
            }
        }
    }
}

#[async_trait]
impl Bookmarks for Bookmarked {
    async fn list(&self, account: &BareJid) -> Result<Vec<Bookmark>, BoxError> {
        let of = account.clone();
        let items = self.storage.run(move |db| shelf::items(db, &of, NODE));
        Ok(items.await?.iter().filter_map(read).collect())
    }

    fn subscribe(&self, listener: Listener) {
        let listeners = self.listeners.lock();
        listeners
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }
}

fn retracted(account: BareJid, item: &Item) -> Option<BookmarkChange> {
    let room = room(item)?;
    Some(BookmarkChange::Retracted { account, room })
}

/// An item is named after its room (XEP-0402 §3).
fn room(item: &Item) -> Option<BareJid> {
    item.id.parse().ok()
}

/// The bookmark that an item is, if it is one.
pub fn read(item: &Item) -> Option<Bookmark> {
    let conference = item.xml.view().child("conference", NODE)?;
    let text = |name| conference.child(name, NODE).map(ElementRef::text);
    let mut bookmark = Bookmark::new(room(item)?);
    bookmark.name = conference.attr("name").map(str::to_owned);
    bookmark.autojoin = matches!(conference.attr("autojoin"), Some("true" | "1"));
    bookmark.nick = text("nick").filter(|nick| !nick.is_empty());
    bookmark.password = text("password");
    let extensions = conference.child("extensions", NODE);
    bookmark.extensions = extensions.map_or_else(Vec::new, |extensions| {
        extensions.children().map(ElementRef::to_element).collect()
    });
    Some(bookmark)
}

#[cfg(test)]
mod tests {
    use tower_xmpp::stanza::ns;

    use super::*;

    fn item(id: &str, payload: &str) -> Item {
        let xml = format!("<item xmlns='{}' id='{id}'>{payload}</item>", ns::PUBSUB);
        Item {
            id: id.to_owned(),
            xml: Element::parse(xml.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn a_bookmark_is_read_whole_and_nothing_else_is_one() {
        let full = read(&item(
            "tea@rooms.x",
            "<conference xmlns='urn:xmpp:bookmarks:1' name='Tea' autojoin='1'><nick>A</nick>\
             <password>p</password><extensions><x xmlns='y'/></extensions></conference>",
        ))
        .unwrap();
        assert_eq!(full.room.as_str(), "tea@rooms.x");
        assert_eq!(full.name.as_deref(), Some("Tea"));
        assert!(full.autojoin);
        assert_eq!(full.nick.as_deref(), Some("A"));
        assert_eq!(full.password.as_deref(), Some("p"));
        assert_eq!(full.extensions[0].to_xml(), "<x xmlns='y'/>");

        let bare = read(&item(
            "tea@rooms.x",
            "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='yes'><nick/></conference>",
        ))
        .unwrap();
        assert!(!bare.autojoin && bare.nick.is_none() && bare.extensions.is_empty());

        for (id, payload) in [
            (
                "tea@rooms.x/nick",
                "<conference xmlns='urn:xmpp:bookmarks:1'/>",
            ),
            ("@", "<conference xmlns='urn:xmpp:bookmarks:1'/>"),
            ("tea@rooms.x", "<conference xmlns='storage:bookmarks'/>"),
        ] {
            assert!(read(&item(id, payload)).is_none(), "{id} {payload}");
        }
    }
}
