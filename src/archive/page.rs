use jid::Jid;

use crate::stanza::{MessageType, Time};

use super::{Direction, Entry, Position};

/// Which part of an archive is wanted: every bound narrows it, and the limit
/// cuts from the end that is not wanted.
///
/// ```
/// use tower_xmpp::archive::{Page, Position};
///
/// let next = Page::oldest(50).after(Position(7));
/// let last_with_bob = Page::newest(50).with("bob@b.example".parse::<jid::Jid>()?);
/// # let _ = (next, last_with_bob);
/// # Ok::<(), jid::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Only what comes after this place. It need not be taken any more.
    pub after: Option<Position>,
    /// Only what comes before this place. It need not be taken any more.
    pub before: Option<Position>,
    /// Only what was taken in then or later.
    pub start: Option<Time>,
    /// Only what was taken in then or earlier.
    pub end: Option<Time>,
    /// Only messages with this other end: a bare JID admits its resources as
    /// well, a full one only itself (XEP-0313 §4.1.1).
    pub with: Option<Jid>,
    /// Only messages that went this way.
    pub direction: Option<Direction>,
    /// Only messages to which their sender gave this id.
    pub message_id: Option<String>,
    /// Whether messages of type groupchat count.
    pub groupchat: bool,
    /// Which of the messages that all this admits are wanted, if the limit
    /// does not admit all: the newest ones instead of the oldest.
    pub newest: bool,
    /// At most so many.
    pub limit: usize,
}

/// How much one query may bring. A client that wants more asks for the next
/// page when it has this one, so that no query fills its queue and what
/// arrives meanwhile stands between two pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageSettings {
    /// Messages, if the query does not say how many. Default 50.
    pub usual: usize,
    /// Messages, however many the query wants. Default 100.
    pub messages: usize,
    /// Bytes of archived stanzas; but one message is always sent. Default
    /// 256 KiB.
    pub bytes: usize,
}

impl Default for PageSettings {
    fn default() -> Self {
        Self {
            usual: 50,
            messages: 100,
            bytes: 256 << 10,
        }
    }
}

impl Page {
    /// The oldest `limit` messages.
    pub fn oldest(limit: usize) -> Self {
        Self {
            after: None,
            before: None,
            start: None,
            end: None,
            with: None,
            direction: None,
            message_id: None,
            groupchat: true,
            newest: false,
            limit,
        }
    }

    /// The newest `limit` messages; they, too, come with the oldest first.
    pub fn newest(limit: usize) -> Self {
        Self {
            newest: true,
            ..Self::oldest(limit)
        }
    }

    /// The same, beginning after a place.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.after = Some(position);
        self
    }

    /// The same, ending before a place.
    #[must_use]
    pub fn before(mut self, position: Position) -> Self {
        self.before = Some(position);
        self
    }

    /// The same, with this other end.
    #[must_use]
    pub fn with(mut self, with: impl Into<Jid>) -> Self {
        self.with = Some(with.into());
        self
    }

    /// Whether a message is within the bounds; the limit is not asked. For
    /// stores without an index.
    pub fn admits(&self, entry: &Entry) -> bool {
        let row = &entry.row;
        self.after.is_none_or(|after| entry.position > after)
            && self.before.is_none_or(|before| entry.position < before)
            && self.start.is_none_or(|start| row.at >= start)
            && self.end.is_none_or(|end| row.at <= end)
            && self
                .with
                .as_ref()
                .is_none_or(|with| covers(with, &row.with))
            && self.direction.is_none_or(|way| row.direction == way)
            && (self.message_id.is_none() || self.message_id == row.message_id)
            && (self.groupchat || row.type_ != MessageType::Groupchat)
    }
}

/// Whether an address that somebody named means this one.
pub(super) fn covers(named: &Jid, jid: &Jid) -> bool {
    match named.resource() {
        Some(_) => named == jid,
        None => named.node() == jid.node() && named.domain() == jid.domain(),
    }
}
