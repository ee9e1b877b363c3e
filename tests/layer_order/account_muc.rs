//! Accounts in rooms, archive and fork.

use std::sync::Arc;

use tower_xmpp::fork::{Fork, ForkLayer};
use tower_xmpp::middleware::Shell;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Carbon, Session, Sessions, World, xml};

use super::{HI, account_muc, archive, archived, bob, hosts};

/// Alice's phone and desk, with carbons, and Bob, in one room; then the phone
/// writes to Bob alone.
fn whisper(w: &World) -> (Session, Session) {
    w.rooms("muc.example");
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = bob(w);
    for (session, nick) in [(&bob, "Bob"), (&phone, "Alice"), (&desk, "Alice")] {
        session.joins(&format!("room@muc.example/{nick}"));
    }
    bob.take_all();
    phone.send(xml!(
        "<message to='room@muc.example/Bob' type='chat' id='m1'><body>hi</body></message>"
    ));
    bob.expect(HI);
    (phone, desk)
}

#[test]
fn a_private_message_is_archived_once_if_account_muc_is_outside_archive_and_twice_otherwise() {
    for (is_outside, rows) in [(true, 1), (false, 2)] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let (archive, rooms) = (archive(&w, &store), account_muc(&w));
        let fork = ForkLayer::new();
        match is_outside {
            true => w.host("a.example", (rooms, archive, fork)),
            false => w.host("a.example", (archive, rooms, fork)),
        };
        whisper(&w);
        assert_eq!(archived(&store), rows, "outside: {is_outside}");
        w.abandon();
    }
}

#[test]
fn a_private_message_is_copied_to_who_is_in_the_room_on_either_side_of_fork() {
    for is_outside in [true, false] {
        let w = World::new();
        let rooms = account_muc(&w);
        let fork: ForkLayer = Shell::of(Fork::new().occupancy(rooms.feature().clone()));
        hosts(&w, "a.example", is_outside, rooms, fork);
        let (_phone, desk) = whisper(&w);
        desk.expect_carbon(Carbon::Sent, HI);
        w.finish();
    }
}
