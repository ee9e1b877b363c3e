//! Which rooms an account registered with, and what has come already. Pure.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use jid::{BareJid, Jid};

use crate::stanza::{Kind, Stanza, Type, ns};

use super::AccountLimits;

/// The rooms of every account that registered with one; none is empty.
#[derive(Debug)]
pub(super) struct Known {
    limits: AccountLimits,
    rooms: HashMap<BareJid, BTreeSet<BareJid>>,
    count: usize,
}

/// What came lately, as numbers.
#[derive(Debug, Default)]
pub(super) struct Seen {
    there: HashSet<u64>,
    order: VecDeque<u64>,
}

/// How many messages, of all accounts together, are known again.
pub(super) const REMEMBERED: usize = 65_536;

impl Known {
    pub(super) fn new(limits: AccountLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            count: 0,
        }
    }

    pub(super) fn knows(&self, account: &BareJid, room: &BareJid) -> bool {
        let rooms = self.rooms.get(account);
        rooms.is_some_and(|rooms| rooms.contains(room))
    }

    /// Whether one more room may be known of this account.
    pub(super) fn has_space(&self, account: &BareJid) -> bool {
        self.rooms.get(account).map_or(0, BTreeSet::len) < self.limits.per_account
            && self.count < self.limits.total
    }

    /// Says whether it is the account's first.
    pub(super) fn put(&mut self, account: &BareJid, room: &BareJid) -> bool {
        let rooms = self.rooms.entry(account.clone()).or_default();
        let is_first = rooms.is_empty();
        self.count += usize::from(rooms.insert(room.clone()));
        is_first
    }

    /// Says whether it was the account's last.
    pub(super) fn remove(&mut self, account: &BareJid, room: &BareJid) -> bool {
        let Some(rooms) = self.rooms.get_mut(account) else {
            return false;
        };
        self.count -= usize::from(rooms.remove(room));
        let was_last = rooms.is_empty();
        if was_last {
            self.rooms.remove(account);
        }
        was_last
    }

    /// The account's rooms.
    pub(super) fn rooms(&self, account: &BareJid) -> Vec<BareJid> {
        let rooms = self.rooms.get(account).into_iter().flatten();
        rooms.cloned().collect()
    }
}

impl Seen {
    /// Whether this message of the room has come before; from now on it has.
    /// One that has no name cannot be known again.
    pub(super) fn has_come(&mut self, account: &BareJid, room: &BareJid, message: &Stanza) -> bool {
        let Some(name) = name(room, message) else {
            return false;
        };
        let mut hasher = DefaultHasher::new();
        (account.as_str(), room.as_str(), name).hash(&mut hasher);
        let number = hasher.finish();
        if !self.there.insert(number) {
            return true;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.there.remove(&oldest);
        }
        self.order.push_back(number);
        false
    }
}

/// The room's own ID; without one, the occupant and the id it gave.
fn name(room: &BareJid, message: &Stanza) -> Option<(String, String)> {
    let stamp = message
        .children()
        .find(|child| child.is("stanza-id", ns::SID) && child.attr("by") == Some(room.as_str()));
    if let Some(id) = stamp.and_then(|stamp| stamp.attr("id")) {
        return Some((String::new(), id.to_owned()));
    }
    Some((message.from()?.to_string(), message.id()?.to_owned()))
}

/// Whether a room says that it has nothing more to do with the account: what
/// the account is to it has changed while it was away (status 101), or one of
/// its sessions was banned (301), is no member any more (321, 322), or the
/// room is gone (XEP-0045 §9.1, §9.4, §10.9, §18.1).
pub(super) fn is_over(stanza: &Stanza) -> bool {
    let Some(x) = stanza.child("x", ns::MUC_USER) else {
        return false;
    };
    let says = |code| stanza.has_muc_status(code);
    match stanza.kind() {
        Kind::Message => {
            let item = x.child("item", ns::MUC_USER);
            let affiliation = item.and_then(|item| item.attr("affiliation"));
            stanza.from().is_some_and(Jid::is_bare)
                && says(101)
                && matches!(affiliation, Some("none" | "outcast"))
        }
        Kind::Presence if stanza.type_() == Some(&Type::Unavailable) => {
            x.has_child("destroy", ns::MUC_USER)
                || (says(110) && [301, 321, 322].into_iter().any(says))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> BareJid {
        text.parse().unwrap()
    }

    fn message(inside: &str) -> Stanza {
        let xml = format!(
            "<message from='tea@muc.example/Bob' type='groupchat' id='m1'>{inside}</message>"
        );
        Stanza::parse(xml.as_bytes()).unwrap()
    }

    #[test]
    fn a_message_is_known_again_by_the_rooms_id_and_by_nobody_elses() {
        let (alice, room) = (jid("alice@a.example"), jid("tea@muc.example"));
        let stamped = |by: &str, id: &str| {
            message(&format!(
                "<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id}'/>"
            ))
        };
        let mut seen = Seen::default();
        let mut came = |message: &Stanza| seen.has_come(&alice, &room, message);
        assert!(!came(&stamped("tea@muc.example", "s1")));
        assert!(came(&stamped("tea@muc.example", "s1")));
        assert!(!came(&stamped("tea@muc.example", "s2")));
        // By another it is no name; then the occupant and its id are one.
        assert!(!came(&stamped("milk@muc.example", "s1")));
        assert!(came(&message("")));
        let other = jid("bob@a.example");
        assert!(!seen.has_come(&other, &room, &message("")));
    }

    #[test]
    fn only_so_many_messages_are_remembered() {
        let (alice, room) = (jid("alice@a.example"), jid("tea@muc.example"));
        let mut seen = Seen::default();
        for number in 0..=REMEMBERED {
            seen.has_come(&alice, &room, &message("").with_id(number.to_string()));
        }
        assert_eq!(seen.order.len(), REMEMBERED);
        assert_eq!(seen.there.len(), REMEMBERED);
        assert!(!seen.has_come(&alice, &room, &message("").with_id("0")));
    }

    #[test]
    fn the_table_of_what_ends_a_registration() {
        let x =
            |inside: &str| format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x>");
        let gone = "<status code='110'/><status code='301'/>";
        let none = "<item affiliation='none'/><status code='101'/>";
        let cases = [
            ("presence", "/A' type='unavailable", x(gone), true),
            (
                "presence",
                "/A' type='unavailable",
                x("<status code='301'/>"),
                false,
            ),
            ("presence", "/A' type='unavailable", x("<destroy/>"), true),
            (
                "presence",
                "/A' type='unavailable",
                x("<status code='110'/><status code='307'/>"),
                false,
            ),
            ("presence", "/A", x(gone), false),
            ("message", "", x(none), true),
            ("message", "/A", x(none), false),
            (
                "message",
                "",
                x("<item affiliation='member'/><status code='101'/>"),
                false,
            ),
            ("message", "", String::new(), false),
        ];
        for (kind, from, inside, over) in cases {
            let xml = format!("<{kind} from='tea@muc.example{from}'>{inside}</{kind}>");
            assert_eq!(
                is_over(&Stanza::parse(xml.as_bytes()).unwrap()),
                over,
                "{xml}"
            );
        }
    }
}
