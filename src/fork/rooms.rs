//! Which sessions are in which room, as told by the presence that passes:
//! the little that is known where nobody answers
//! [`Occupancy`](crate::flow::Occupancy).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jid::{BareJid, FullJid, Jid};

use crate::stanza::{Condition, Kind, Stanza, Type, ns};

use super::bare;

/// How many rooms are known of one session. What it joins later is not known;
/// `<x/>` in the namespace muc#user still tells.
pub(super) const ROOMS_PER_SESSION: usize = 1_000;

/// The rooms of every account that joined one.
#[derive(Debug, Default)]
pub(super) struct Rooms(HashMap<Box<str>, Seats>);

/// The rooms of each session of an account; none is empty.
type Seats = BTreeMap<FullJid, BTreeSet<BareJid>>;

/// What a presence says about a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    /// The session joins the room.
    In(BareJid),
    /// It is not in the room any more.
    Out(BareJid),
    /// It is in no room any more.
    OutOfAll,
}

impl Rooms {
    /// Whether a presence could move a session. No DOM, no allocation.
    pub(super) fn may_move(presence: &Stanza) -> bool {
        presence.kind() == Kind::Presence
            && match presence.type_() {
                None => presence.mentions(ns::MUC),
                Some(Type::Unavailable | Type::Error) => true,
                _ => false,
            }
    }

    /// A session sends a presence.
    pub(super) fn sent(&mut self, session: &FullJid, presence: &Stanza) {
        if let Some(moved) = sent(presence) {
            self.apply(session, moved);
        }
    }

    /// A presence is for one of our accounts.
    pub(super) fn received(&mut self, presence: &Stanza) {
        let session = presence.to().and_then(|to| to.try_as_full().ok());
        if let (Some(session), Some(moved)) = (session, received(presence)) {
            self.apply(session, moved);
        }
    }

    /// A session is over.
    pub(super) fn ended(&mut self, session: &FullJid) {
        self.apply(session, Move::OutOfAll);
    }

    /// An account is gone.
    pub(super) fn removed(&mut self, account: &BareJid) {
        self.0.remove(account.as_str());
    }

    /// Whether the account is in any room.
    pub(super) fn has_seats(&self, account: &Jid) -> bool {
        self.0.contains_key(bare(account))
    }

    /// The account's sessions in the room.
    pub(super) fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid> {
        self.0
            .get(account.as_str())
            .into_iter()
            .flatten()
            .filter(|(_, rooms)| rooms.contains(room))
            .map(|(session, _)| session.clone())
            .collect()
    }

    fn apply(&mut self, session: &FullJid, moved: Move) {
        let seats = self.0.entry(bare(session).into()).or_default();
        let rooms = seats.entry(session.clone()).or_default();
        match moved {
            Move::In(room) if rooms.len() < ROOMS_PER_SESSION => {
                rooms.insert(room);
            }
            Move::In(_) => {}
            Move::Out(room) => {
                rooms.remove(&room);
            }
            Move::OutOfAll => rooms.clear(),
        }
        if rooms.is_empty() {
            seats.remove(session);
        }
        if seats.is_empty() {
            self.0.remove(bare(session));
        }
    }
}

/// XEP-0045 §7.2 and §7.14; a presence to nobody reaches the rooms as well
/// (RFC 6121 §4.5.3).
fn sent(presence: &Stanza) -> Option<Move> {
    match (presence.type_(), presence.to()) {
        (None, Some(to)) if to.is_full() && presence.has_child("x", ns::MUC) => {
            Some(Move::In(to.to_bare()))
        }
        (Some(Type::Unavailable), Some(to)) => Some(Move::Out(to.to_bare())),
        (Some(Type::Unavailable), None) => Some(Move::OutOfAll),
        _ => None,
    }
}

/// The room refuses a join (XEP-0045 §7.2), or tells a session that it is out
/// (§7.14, §8.2): status 110 says that it means this session, 303 that it
/// only gets another nick.
///
/// A conflict may as well refuse a change of nick (§7.6), which leaves the
/// session where it is.
fn received(presence: &Stanza) -> Option<Move> {
    let room = presence.from()?.to_bare();
    match presence.type_()? {
        Type::Error => {
            let conflict = presence
                .error()
                .is_some_and(|error| error.condition == Condition::Conflict);
            (!conflict).then_some(Move::Out(room))
        }
        Type::Unavailable => {
            let x = presence.child("x", ns::MUC_USER)?;
            let says = |code| {
                x.children().any(|child| {
                    child.is("status", ns::MUC_USER) && child.attr("code") == Some(code)
                })
            };
            (says("110") && !says("303")).then_some(Move::Out(room))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> FullJid {
        "alice@a.example/phone".parse().unwrap()
    }

    fn room() -> BareJid {
        "room@muc.example".parse().unwrap()
    }

    fn presence(rest: &str) -> Stanza {
        Stanza::parse(format!("<presence {rest}</presence>").as_bytes()).unwrap()
    }

    fn joined() -> Rooms {
        let mut rooms = Rooms::default();
        rooms.sent(
            &phone(),
            &presence("to='room@muc.example/Alice'><x xmlns='http://jabber.org/protocol/muc'/>"),
        );
        rooms
    }

    fn from_room(type_: &str, inside: &str) -> Stanza {
        presence(&format!(
            "from='room@muc.example/Alice' to='alice@a.example/phone' type='{type_}'>{inside}"
        ))
    }

    fn is_in(rooms: &Rooms) -> bool {
        let account = phone().to_bare();
        let sessions = rooms.sessions(&account, &room());
        assert_eq!(sessions.is_empty(), !rooms.has_seats(&account));
        sessions == [phone()]
    }

    #[test]
    fn a_session_that_joins_is_in_the_room_until_it_leaves() {
        for last in [
            "to='room@muc.example/Alice' type='unavailable'>",
            "type='unavailable'>",
        ] {
            let mut rooms = joined();
            assert!(is_in(&rooms));
            rooms.sent(
                &phone(),
                &presence("to='bob@b.example' type='unavailable'>"),
            );
            assert!(is_in(&rooms));
            rooms.sent(&phone(), &presence(last));
            assert!(!is_in(&rooms), "{last}");
        }
    }

    #[test]
    fn presence_to_an_occupant_is_no_join() {
        let mut rooms = Rooms::default();
        rooms.sent(&phone(), &presence("to='room@muc.example/Alice'>"));
        rooms.sent(&phone(), &presence("to='bob@b.example/x'>"));
        assert!(rooms.0.is_empty());
    }

    #[test]
    fn a_refused_join_is_none_but_a_taken_nick_changes_nothing() {
        let error = |condition: &str| {
            from_room(
                "error",
                &format!(
                    "<error type='auth'><{condition} \
                     xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                ),
            )
        };
        let mut rooms = joined();
        rooms.received(&error("conflict"));
        assert!(is_in(&rooms));
        rooms.received(&error("forbidden"));
        assert!(!is_in(&rooms));
    }

    #[test]
    fn who_is_kicked_is_out_and_who_changes_nick_is_not() {
        let gone = |codes: &[&str]| {
            let status: String = codes
                .iter()
                .map(|code| format!("<status code='{code}'/>"))
                .collect();
            from_room(
                "unavailable",
                &format!("<x xmlns='http://jabber.org/protocol/muc#user'>{status}</x>"),
            )
        };
        let mut rooms = joined();
        rooms.received(&gone(&[]));
        rooms.received(&gone(&["110", "303"]));
        assert!(is_in(&rooms));
        rooms.received(&gone(&["110", "307"]));
        assert!(!is_in(&rooms));
    }

    #[test]
    fn the_end_of_a_session_or_account_empties_its_seats() {
        let mut rooms = joined();
        rooms.ended(&phone());
        assert!(rooms.0.is_empty());
        let mut rooms = joined();
        rooms.removed(&phone().to_bare());
        assert!(rooms.0.is_empty());
    }

    #[test]
    fn a_session_cannot_take_seats_without_end() {
        let mut rooms = Rooms::default();
        for number in 0..ROOMS_PER_SESSION + 1 {
            let join = format!(
                "to='room{number}@muc.example/A'><x xmlns='http://jabber.org/protocol/muc'/>"
            );
            rooms.sent(&phone(), &presence(&join));
        }
        let seats = &rooms.0["alice@a.example"];
        assert_eq!(seats[&phone()].len(), ROOMS_PER_SESSION);
    }
}
