//! What reaches the layer from beside the stack, and waits for the next tick.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jid::BareJid;

use crate::flow::{Bookmark, BookmarkChange};

use super::lock;

/// What somebody wants of an account's seat in a room.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// A bookmark has been set.
    Bookmark(Bookmark),
    /// A bookmark has been published as it was: the account is to be there, if
    /// it is not, and stays as it is, if it is.
    Again(Bookmark),
    /// The account is to leave: a bookmark was retracted, or the host says so.
    Leave,
}

/// Wishes, by account and room: the latest counts.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Wishes>);

pub(super) type Wishes = BTreeMap<(BareJid, BareJid), Wish>;

/// So many seats may have a wish waiting. What comes beyond that is lost until
/// the bookmarks are read again, at the account's next login.
const CAPACITY: usize = 100_000;

impl Inbox {
    pub(super) fn push(&self, account: BareJid, room: BareJid, wish: Wish) {
        let mut wishes = lock(&self.0);
        let seat = (account, room);
        if wishes.len() < CAPACITY || wishes.contains_key(&seat) {
            wishes.insert(seat, wish);
        }
    }

    /// The same for what is no news: what has changed counts more.
    pub(super) fn push_unless_waiting(&self, account: BareJid, room: BareJid, wish: Wish) {
        let seat = (account, room);
        let is_waiting = lock(&self.0).contains_key(&seat);
        if !is_waiting {
            self.push(seat.0, seat.1, wish);
        }
    }

    pub(super) fn changed(&self, change: BookmarkChange) {
        match change {
            BookmarkChange::Set { account, bookmark } => {
                self.push(account, bookmark.room.clone(), Wish::Bookmark(bookmark));
            }
            BookmarkChange::Again { account, bookmark } => {
                let room = bookmark.room.clone();
                self.push_unless_waiting(account, room, Wish::Again(bookmark));
            }
            BookmarkChange::Retracted { account, room } => self.push(account, room, Wish::Leave),
        }
    }

    pub(super) fn take(&self) -> Wishes {
        let mut wishes = lock(&self.0);
        std::mem::take(&mut wishes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_wish_for_a_seat_counts_and_the_waiting_ones_are_bounded() {
        let inbox = Inbox::default();
        let jid = |name: &str| name.parse::<BareJid>().unwrap();
        let alice = jid("alice@a.example");
        for number in 0..CAPACITY + 1 {
            let room = jid(&format!("r{number}@m.example"));
            inbox.push(alice.clone(), room, Wish::Leave);
        }
        let first = jid("r0@m.example");
        let again = Wish::Bookmark(Bookmark::new(first.clone()));
        inbox.push(alice.clone(), first.clone(), again);
        let waiting = inbox.take();
        assert_eq!(waiting.len(), CAPACITY);
        assert!(matches!(waiting[&(alice, first)], Wish::Bookmark(_)));
        assert!(inbox.take().is_empty());
    }
}
