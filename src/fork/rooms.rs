//! Which sessions are in which room, as told by the presence that passes:
//! the little that is known where nobody answers
//! [`Occupancy`](crate::flow::Occupancy).

use std::collections::{BTreeMap, HashMap};

use jid::{BareJid, FullJid, Jid};

use crate::stanza::{Condition, Kind, NsSet, Stanza, Type, ns};

use super::bare;

/// How many rooms are known of one session. What it joins beyond is not known;
/// `<x/>` in the namespace muc#user still tells.
pub(super) const ROOMS_PER_SESSION: usize = 1_000;

/// The rooms of every account that joined one.
#[derive(Debug, Default)]
pub(super) struct Rooms(HashMap<Box<str>, Seats>);

/// The rooms of each session of an account; none is empty.
type Seats = BTreeMap<FullJid, BTreeMap<BareJid, Seat>>;

/// How far a session is with joining a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    /// It has asked the room to let it in.
    Asked,
    /// The room has let it in.
    Taken,
}

/// What a presence says about a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    /// The session asks the room to let it in.
    Asks(BareJid),
    /// The room says that it is in, if it has asked for that.
    In(BareJid),
    /// The room refuses what it asked for last with `conflict`.
    Conflict(BareJid),
    /// It is not in the room any more.
    Out(BareJid),
    /// It is in no room any more.
    OutOfAll,
}

/// What a presence that enters a room, or comes from one, mentions.
const OF_ROOMS: NsSet = NsSet::of(&[ns::MUC, ns::MUC_USER]);

impl Rooms {
    /// Whether a presence could move a session. No DOM, no allocation.
    #[inline]
    pub(super) fn may_move(presence: &Stanza) -> bool {
        presence.kind() == Kind::Presence
            && match presence.type_() {
                None => presence.mentions_any(&OF_ROOMS),
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

    /// Whether the account is in any room, or has asked for that.
    pub(super) fn has_seats(&self, account: &Jid) -> bool {
        self.0.contains_key(bare(account))
    }

    /// The account's sessions in the room.
    pub(super) fn sessions(&self, account: &BareJid, room: &BareJid) -> Vec<FullJid> {
        self.0
            .get(account.as_str())
            .into_iter()
            .flatten()
            .filter(|(_, rooms)| rooms.get(room) == Some(&Seat::Taken))
            .map(|(session, _)| session.clone())
            .collect()
    }

    fn apply(&mut self, session: &FullJid, moved: Move) {
        let seats = self.0.entry(bare(session).into()).or_default();
        let rooms = seats.entry(session.clone()).or_default();
        match moved {
            // Who is in may ask again (XEP-0045 §7.2): it stays in.
            Move::Asks(room) if rooms.len() < ROOMS_PER_SESSION => {
                rooms.entry(room).or_insert(Seat::Asked);
            }
            Move::Asks(_) => {}
            Move::In(room) => {
                rooms.entry(room).and_modify(|seat| *seat = Seat::Taken);
            }
            // Of who is in, a change of nick is refused (XEP-0045 §7.6), which
            // leaves the session where it is.
            Move::Conflict(room) if rooms.get(&room) == Some(&Seat::Taken) => {}
            Move::Conflict(room) | Move::Out(room) => {
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
            Some(Move::Asks(to.to_bare()))
        }
        (Some(Type::Unavailable), Some(to)) => Some(Move::Out(to.to_bare())),
        (Some(Type::Unavailable), None) => Some(Move::OutOfAll),
        _ => None,
    }
}

/// The room lets a session in or refuses it (XEP-0045 §7.2), or tells it that
/// it is out (§7.14, §8.2): status 110 says that it means this session, 303
/// that it only gets another nick.
fn received(presence: &Stanza) -> Option<Move> {
    let room = presence.from()?.to_bare();
    let says = |code| presence.has_muc_status(code);
    match presence.type_() {
        None if says(110) => Some(Move::In(room)),
        Some(Type::Unavailable) if says(110) && !says(303) => Some(Move::Out(room)),
        Some(Type::Error) => Some(match presence.error() {
            Some(error) if error.condition == Condition::Conflict => Move::Conflict(room),
            _ => Move::Out(room),
        }),
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

    fn asked() -> Rooms {
        let mut rooms = Rooms::default();
        rooms.sent(
            &phone(),
            &presence("to='room@muc.example/Alice'><x xmlns='http://jabber.org/protocol/muc'/>"),
        );
        rooms
    }

    fn joined() -> Rooms {
        let mut rooms = asked();
        rooms.received(&from_room("", &statuses(&["100", "110"])));
        rooms
    }

    fn from_room(type_: &str, inside: &str) -> Stanza {
        presence(&format!(
            "from='room@muc.example/Alice' to='alice@a.example/phone' {type_}>{inside}"
        ))
    }

    fn statuses(codes: &[&str]) -> String {
        let status: String = codes
            .iter()
            .map(|code| format!("<status code='{code}'/>"))
            .collect();
        format!("<x xmlns='http://jabber.org/protocol/muc#user'>{status}</x>")
    }

    fn refusal(condition: &str) -> Stanza {
        let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
        from_room(
            "type='error'",
            &format!("<error type='auth'><{condition} xmlns='{stanzas}'/></error>"),
        )
    }

    fn is_in(rooms: &Rooms) -> bool {
        rooms.sessions(&phone().to_bare(), &room()) == [phone()]
    }

    #[test]
    fn a_session_is_in_a_room_once_the_room_says_so() {
        let mut rooms = asked();
        assert!(!is_in(&rooms));
        rooms.received(&from_room("", &statuses(&[])));
        assert!(!is_in(&rooms));
        rooms.received(&from_room("", &statuses(&["110"])));
        assert!(is_in(&rooms));
    }

    #[test]
    fn a_room_cannot_say_so_of_who_has_not_asked() {
        let mut rooms = Rooms::default();
        rooms.received(&from_room("", &statuses(&["110"])));
        assert!(rooms.0.is_empty());
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
    fn a_refused_join_is_none_but_a_refused_nick_changes_nothing() {
        for condition in ["conflict", "forbidden"] {
            let mut rooms = asked();
            rooms.received(&refusal(condition));
            assert!(rooms.0.is_empty(), "{condition}");
        }
        let mut rooms = joined();
        rooms.received(&refusal("conflict"));
        assert!(is_in(&rooms));
        rooms.received(&refusal("forbidden"));
        assert!(!is_in(&rooms));
    }

    #[test]
    fn who_is_kicked_is_out_and_who_changes_nick_is_not() {
        let gone = |codes: &[&str]| from_room("type='unavailable'", &statuses(codes));
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
