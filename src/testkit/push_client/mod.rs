//! What a client has to do so that rooms can wake it (XEP-0357 against rooms,
//! XEP-0410), as a check for your own: implement [`PushClient`] for it and call
//! [`check_push_duties`]. [`SimulatedClient`] does what Conversations did.
//!
//! | # | When | The client |
//! |---|---|---|
//! | 1 | it joins a room whose disco#info has `urn:xmpp:push:0` | enables its own full JID with a node of that room, at every join again, since its resource may be another |
//! | 2 | it joins a room without | enables nothing |
//! | 3 | a notification comes for a room that it knows | answers with a result *first*, then pings itself in the room |
//! | 4 | another comes while it joins or pings | answers it, and no more |
//! | 5 | the ping is answered with a result, `service-unavailable`, `feature-not-implemented` or `item-not-found` | stays: it is in the room |
//! | 6 | the ping is answered with any other error | joins again, once |
//! | 7 | a notification has an unknown node, or comes from elsewhere | refuses it with `item-not-found`: whoever sent it gives up |
//! | 8 | the user closes the room | disables the node, then leaves |
//! | 9 | a notification comes for a room that was closed | refuses it like any that it does not know |
//!
//! The first message after a room's service died and came back is what starts
//! 3; with 6 the client is in the room again. A client that is not there at all
//! does nothing: its server answers `service-unavailable`, and the room gives up.
//!
//! ```
//! use tower_xmpp::testkit::push_client::{SimulatedClient, check_push_duties};
//!
//! let jid = "alice@a.example/phone".parse()?;
//! check_push_duties(&jid, || SimulatedClient::new(&jid));
//! # Ok::<(), jid::Error>(())
//! ```

mod room;
mod simulated;

use jid::{BareJid, FullJid};

use crate::stanza::{Condition, Stanza};

use room::{Heard, Ping, Room};
pub use simulated::SimulatedClient;

/// A client, as far as rooms wake it. Whatever it returns is sent in that order.
pub trait PushClient {
    /// The user opens a room: the seat is the room with the nick.
    fn opens(&mut self, seat: &FullJid) -> Vec<Stanza>;

    /// The user closes it for good.
    fn closes(&mut self, room: &BareJid) -> Vec<Stanza>;

    /// A stanza has come.
    fn gets(&mut self, stanza: &Stanza) -> Vec<Stanza>;
}

/// Plays the room's part in every line of the [table](self), each time with a
/// new client.
///
/// # Panics
///
/// If the client neglects a duty; the panic says which and what it did.
#[track_caller]
pub fn check_push_duties<C: PushClient>(jid: &FullJid, new: impl Fn() -> C) {
    enables(jid, &new);
    answers_then_looks(jid, &new);
    looks_once(jid, &new);
    for answer in [
        None,
        Some(Condition::ServiceUnavailable),
        Some(Condition::FeatureNotImplemented),
        Some(Condition::ItemNotFound),
        Some(Condition::NotAcceptable),
        Some(Condition::NotAllowed),
    ] {
        heeds(jid, &new, answer);
    }
    refuses(jid, &new);
    closes(jid, &new);
}

/// Duties 1 and 2.
#[track_caller]
fn enables<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C) {
    let mut room = Room::new(jid, true);
    let mut client = new();
    room.opened_by(&mut client);
    let enabled = room.count(is_enable);
    room.demand(1, enabled == 1, "one <enable/> for one join");
    room.demand(
        1,
        room.node().is_some(),
        "an <enable/> of its own full JID, with a node",
    );
    let mut room = Room::new(jid, false);
    room.opened_by(&mut new());
    let enabled = room.count(is_enable);
    room.demand(
        2,
        enabled == 0,
        "no <enable/> in a room that does not offer it",
    );
}

/// Duty 3.
#[track_caller]
fn answers_then_looks<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C) {
    let (mut room, mut client) = in_the_room(jid, new);
    room.forget();
    room.notifies(&mut client, "p1");
    let expected = [Heard::Answered("p1".to_owned()), Heard::Pinged];
    room.demand(
        3,
        room.heard() == expected,
        "the result, then one self-ping",
    );
}

/// Duty 4.
#[track_caller]
fn looks_once<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C) {
    let (mut room, mut client) = in_the_room(jid, new);
    room.forget();
    room.pings(Ping::Later);
    room.notifies(&mut client, "p1");
    room.notifies(&mut client, "p2");
    let answered = room.count(|heard| matches!(heard, Heard::Answered(_)));
    room.demand(4, answered == 2, "a result for each notification");
    let pings = room.count(|heard| *heard == Heard::Pinged);
    room.demand(4, pings == 1, "one ping while it is not answered");
    // It may have lost the first by now, and joins; that, too, is looking.
    room.pings(Ping::Refused(Condition::NotAcceptable));
    room.holds_joins();
    room.answers_pings(&mut client);
    room.forget();
    room.notifies(&mut client, "p3");
    let expected = [Heard::Answered("p3".to_owned())];
    room.demand(4, room.heard() == expected, "no ping while it joins");
}

/// Duties 5 and 6.
#[track_caller]
fn heeds<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C, answer: Option<Condition>) {
    let (mut room, mut client) = in_the_room(jid, new);
    let stays = !matches!(
        answer,
        Some(Condition::NotAcceptable | Condition::NotAllowed)
    );
    room.forget();
    room.pings(answer.map_or(Ping::Answered, Ping::Refused));
    room.notifies(&mut client, "p1");
    let joins = room.count(|heard| *heard == Heard::Joined);
    if stays {
        room.demand(5, joins == 0, "no join, since it is in the room");
    } else {
        room.demand(6, joins == 1, "one join, since it is not in the room");
        let enabled = room.count(is_enable);
        room.demand(1, enabled == 1, "<enable/> again at the next join");
    }
}

/// Duty 7.
#[track_caller]
fn refuses<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C) {
    let (mut room, mut client) = in_the_room(jid, new);
    let node = room.node().unwrap_or_default();
    for (from, node) in [
        ("tea@rooms.example", "unknown"),
        ("tea@elsewhere.example", &*node),
    ] {
        room.forget();
        room.notifies_as(&mut client, from, node, "p1");
        let expected = [Heard::Refused("p1".to_owned(), Condition::ItemNotFound)];
        room.demand(
            7,
            room.heard() == expected,
            "item-not-found, and nothing else",
        );
    }
}

/// Duties 8 and 9.
#[track_caller]
fn closes<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C) {
    let (mut room, mut client) = in_the_room(jid, new);
    room.forget();
    room.closed_by(&mut client);
    let expected = [Heard::Disabled, Heard::Left];
    room.demand(8, room.heard() == expected, "<disable/>, then leaving");
    room.forget();
    room.notifies(&mut client, "p1");
    let expected = [Heard::Refused("p1".to_owned(), Condition::ItemNotFound)];
    room.demand(9, room.heard() == expected, "item-not-found");
}

#[track_caller]
fn in_the_room<C: PushClient>(jid: &FullJid, new: &impl Fn() -> C) -> (Room, C) {
    let mut room = Room::new(jid, true);
    let mut client = new();
    room.opened_by(&mut client);
    (room, client)
}

fn is_enable(heard: &Heard) -> bool {
    matches!(heard, Heard::Enabled { .. })
}
