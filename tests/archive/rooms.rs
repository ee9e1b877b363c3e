//! Archives of rooms: the same layer, at the room's address.

use std::sync::Arc;

use jid::{BareJid, Jid};
use tower_xmpp::archive::{Access, Archive, ArchiveLayer, RoomAccess};
use tower_xmpp::flow::{Envelope, Route, Snapshot};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{Stanza, ns};
use tower_xmpp::testkit::{Session, World, room, xml};

use crate::common::{Bottom, pass};
use crate::query::query_at;
use crate::retraction::buried_by;
use crate::shelf::{Shelf, stamps};

/// Everybody but Mallory may enter `tea`, and there is no other room.
struct Door;

impl RoomAccess for Door {
    fn access(&self, room: &BareJid, asker: &Jid) -> Access {
        match (room.as_str(), asker.node().map(jid::NodeRef::as_str)) {
            ("tea@muc.a.example", Some("mallory")) => Access::Denied,
            ("tea@muc.a.example", _) => Access::Granted,
            _ => Access::NoSuchRoom,
        }
    }
}

struct Scene {
    w: World,
    shelf: Shelf,
    layer: ArchiveLayer,
    room: BareJid,
    alice: Session,
    bob: Session,
}

const ROOM: &str = "tea@muc.a.example";

fn scene() -> Scene {
    let w = World::new();
    let shelf = Shelf::default();
    let archive = Archive::new(shelf.troubled(), Arc::new(w.entropy())).rooms(Arc::new(Door));
    let layer = ArchiveLayer::of(archive);
    w.host("a.example", (layer.clone(), ForkLayer::new()))
        .rooms_with("a.example", "muc.a.example", instant());
    w.host("b.example", ());
    let alice = w.session("alice@a.example/x");
    let bob = w.session("bob@b.example/y");
    alice.joins(&format!("{ROOM}/Alice"));
    bob.joins(&format!("{ROOM}/Bob"));
    alice.take_all();
    Scene {
        room: ROOM.parse().expect("a bare JID"),
        w,
        shelf,
        layer,
        alice,
        bob,
    }
}

fn instant() -> room::Settings {
    let mut settings = room::Settings::default();
    settings.creation = room::Creation::Instant;
    let occupant_id = |_: &BareJid, user: &BareJid| format!("o-{}", user.as_str().len());
    settings.occupant_ids = Some(room::OccupantIds::new(occupant_id));
    settings
}

impl Scene {
    fn bob_says(&self, id: &str, inside: &str) -> Stanza {
        self.bob.send(xml!(
            "<message to='{ROOM}' type='groupchat' id='{id}'>{inside}</message>"
        ));
        self.bob
            .expect(xml!("<message type='groupchat' id='{id}'/>"));
        self.alice
            .expect(xml!("<message type='groupchat' id='{id}'/>"))
            .stanza
    }

    /// The stamp that the room put on a message.
    fn stamp(&self, stanza: &Stanza) -> String {
        let mut stamps = stamps(stanza);
        stamps.retain(|(by, _)| by == ROOM);
        assert_eq!(stamps.len(), 1, "{}", stanza.to_xml());
        stamps.remove(0).1
    }
}

#[test]
fn live_archived_and_replayed_copies_of_a_rooms_message_bear_one_id() {
    let s = scene();
    let live = s.bob_says("m1", "<body>hi</body>");
    let id = s.stamp(&live);
    let found = query_at(&s.alice, &format!("to='{ROOM}'"), &[], "");
    let (ids, bodies) = (found.ids, found.bodies);
    assert_eq!(ids.last(), Some(&id));
    assert_eq!(bodies.last().map(String::as_str), Some("hi"));
    let carol = s.w.session("carol@a.example/z");
    let came = carol.joins(&format!("{ROOM}/Carol"));
    let replayed = came
        .iter()
        .find(|stanza| stanza.has_body())
        .expect("the history");
    assert_eq!(s.stamp(replayed), id);
    s.bob.take_all();
    s.alice.take_all();
    s.w.finish();
}

#[test]
fn results_of_a_room_have_no_recipient_and_come_from_who_said_it() {
    let s = scene();
    s.bob_says(
        "m1",
        "<body>hi</body><x xmlns='http://jabber.org/protocol/muc#user'><item jid='forged@x.example'/></x>",
    );
    s.bob.send(xml!(
        "<iq type='set' id='q' to='{ROOM}'><query xmlns='urn:xmpp:mam:2' queryid='1'>\
         <set xmlns='http://jabber.org/protocol/rsm'><before/><max>1</max></set></query></iq>"
    ));
    let result = s.bob.expect(xml!(
        "<message from='{ROOM}'><result xmlns='urn:xmpp:mam:2'/></message>"
    ));
    let result = result.stanza.child("result", ns::MAM).expect("a result");
    let forwarded = result
        .child("forwarded", ns::FORWARD)
        .expect("it is forwarded");
    let message = forwarded.child("message", ns::CLIENT).expect("a message");
    assert_eq!(message.attr("to"), None);
    assert_eq!(message.attr("from"), Some("tea@muc.a.example/Bob"));
    assert!(!message.has_child("x", ns::MUC_USER));
    s.bob.expect("<iq type='result' id='q'/>");
    s.w.finish();
}

#[test]
fn who_may_not_enter_may_not_read_and_a_room_that_is_not_there_has_no_archive() {
    let s = scene();
    let mallory = s.w.session("mallory@b.example/m");
    for (room, condition) in [
        (ROOM, "forbidden"),
        ("gone@muc.a.example", "item-not-found"),
    ] {
        mallory.send(xml!(
            "<iq type='set' id='q' to='{room}'><query xmlns='urn:xmpp:mam:2'/></iq>"
        ));
        mallory.expect(xml!(
            "<iq type='error' id='q'><error>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
    s.w.finish();
}

#[test]
fn private_messages_presence_and_what_asks_not_to_be_kept_are_not_in_a_rooms_archive() {
    let s = scene();
    let before = s.shelf.of(&s.room).len();
    s.bob.send(xml!(
        "<message to='{ROOM}/Alice' type='chat' id='p'><body>psst</body></message>"
    ));
    s.alice.expect("<message id='p'/>");
    s.bob_says("m1", "<body>hi</body><no-store xmlns='urn:xmpp:hints'/>");
    s.bob_says(
        "m2",
        "<active xmlns='http://jabber.org/protocol/chatstates'/>",
    );
    assert_eq!(s.shelf.of(&s.room).len(), before);
    s.w.finish();
}

#[test]
fn a_forged_id_in_the_rooms_name_gives_way_to_the_rooms_own() {
    let s = scene();
    let live = s.bob_says(
        "m1",
        "<body>hi</body><stanza-id xmlns='urn:xmpp:sid:0' by='tea@muc.a.example' id='forged'/>",
    );
    assert_ne!(s.stamp(&live), "forged");
    s.w.finish();
}

#[test]
fn a_message_in_a_room_is_taken_back_by_who_sent_it_and_by_nobody_else() {
    let s = scene();
    let id = s.stamp(&s.bob_says("m1", "<body>hi</body>"));
    let retract = format!("<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>");
    s.alice.send(xml!(
        "<message to='{ROOM}' type='groupchat' id='r1'>{retract}</message>"
    ));
    s.bob.expect("<message id='r1'/>");
    s.alice.expect("<message id='r1'/>");
    let buried = || {
        let rows = s.shelf.of(&s.room);
        let row = rows
            .iter()
            .find(|entry| entry.row.id == id)
            .expect("it is there");
        buried_by(&row.row.stanza)
    };
    assert_eq!(buried(), None);
    s.bob_says("r2", &retract);
    assert_eq!(buried().as_deref(), Some("r2"));
    s.w.finish();
}

#[test]
fn a_moderators_word_which_the_room_itself_says_takes_any_message_back() {
    let s = scene();
    let id = s.stamp(&s.bob_says("m1", "<body>spam</body>"));
    let said = |from: &str, id: &str, moderated: &str| {
        let message = format!(
            "<message from='{from}' type='groupchat' id='{id}'>\
             <retract xmlns='urn:xmpp:message-retract:1' id='{moderated}'>\
             <moderated xmlns='urn:xmpp:message-moderate:1' by='{ROOM}/Alice'/>\
             <reason>spam</reason></retract></message>"
        );
        let snapshot = Snapshot {
            room: s.room.clone(),
            occupants: Vec::new(),
            members: Vec::new(),
            members_only: false,
            revision: 1,
        };
        let message = Stanza::parse(message.as_bytes()).expect("a message");
        let mut stack = tower_layer::Layer::layer(&s.layer, Bottom::default());
        let route = Route::Broadcast(Arc::new(snapshot));
        let _ = pass(&mut stack, Envelope::stanza(s.w.now(), route, message));
        let rows = s.shelf.of(&s.room);
        let row = rows.into_iter().find(|entry| entry.row.id == moderated);
        row.expect("it is there").row.stanza
    };
    let wire = said(&format!("{ROOM}/Alice"), "x1", &id);
    assert_eq!(
        buried_by(&wire),
        None,
        "an occupant cannot speak as the room"
    );
    let wire = said(ROOM, "x2", &id);
    assert_eq!(buried_by(&wire).as_deref(), Some("x2"));
    let tombstone = Stanza::parse(&wire).expect("a stanza");
    let retracted = tombstone
        .child("retracted", ns::RETRACT)
        .expect("a tombstone");
    assert!(retracted.has_child("moderated", ns::MODERATE));
    assert!(retracted.has_child("reason", ns::RETRACT));
    s.w.finish();
}

#[test]
fn a_room_that_is_destroyed_takes_its_archive_with_it() {
    let s = scene();
    s.bob_says("m1", "<body>hi</body>");
    assert!(!s.shelf.of(&s.room).is_empty());
    let room = s.room.clone();
    s.w.event("a.example", tower_xmpp::flow::Event::RoomDestroyed { room })
        .settle();
    assert!(s.shelf.of(&s.room).is_empty());
    s.w.finish();
}

#[test]
fn the_archive_of_a_room_is_announced_if_there_are_any() {
    let s = scene();
    s.bob.send(xml!(
        "<iq type='get' id='d' to='{ROOM}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    ));
    let info = s.bob.expect("<iq type='result' id='d'/>").stanza;
    let query = info.child("query", ns::DISCO_INFO).expect("a query");
    for var in [ns::MAM, ns::MAM_EXTENDED, ns::SID] {
        assert!(
            query.children().any(|child| child.attr("var") == Some(var)),
            "{var}"
        );
    }
    s.w.finish();
}
