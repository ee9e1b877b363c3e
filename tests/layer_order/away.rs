//! Who is away from a room: written to and woken, by the room and by their server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use tower_xmpp::archive::Archive;
use tower_xmpp::flow::{Envelope, Outcome, Route};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::muc_offline::{
    FIELD, Limits, MucOfflineAccount, MucOfflineAccountLayer, MucOfflineRoom, Notify, Registration,
    Registrations, Settings,
};
use tower_xmpp::muc_push::{MucPushAccountLayer, MucPushRoomLayer, Targets};
use tower_xmpp::stanza::{Element, Stanza, ns};
use tower_xmpp::store::{MemoryArchive, MemoryRegistrations, MemoryTargets};
use tower_xmpp::testkit::{World, xml};

use super::{HI, account_muc, archived, bob, hosts};

/// Whatever is for an account reaches its desk.
struct ToAll;

impl Feature for ToAll {
    fn name(&self) -> &'static str {
        "to-all"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        let is_room_traffic = |stanza: &Stanza| stanza.is_type(&"groupchat".into());
        matches!(envelope.route, Route::ToAccount(_))
            && envelope.as_stanza().is_some_and(is_room_traffic)
    }

    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let account = envelope.route.owner_bare().unwrap();
        let desk = account.with_resource_str("desk").unwrap();
        envelope.facts.reach.widen([desk]);
        next.run(envelope).await
    }
}

/// Stamps what a room broadcasts, as a room's archive would.
struct RoomStamps;

impl Feature for RoomStamps {
    fn name(&self) -> &'static str {
        "room-stamps"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        matches!(envelope.route, Route::Broadcast(_))
            && envelope.as_stanza().is_some_and(Stanza::has_body)
    }

    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        if let Some(stanza) = envelope.as_stanza_mut() {
            let stamp = Element::new("stanza-id", ns::SID).with_attr("by", "room@muc.example");
            stanza.push(stamp.with_attr("id", "s1"));
        }
        next.run(envelope).await
    }
}

#[test]
fn what_waits_for_its_turn_bears_the_stamp_of_a_layer_outside_muc_offline_and_not_otherwise() {
    for is_outside in [true, false] {
        let w = World::new();
        let mut limits = Limits::default();
        limits.copies = 1;
        let store = Arc::new(MemoryRegistrations::default());
        let opened = block_on(MucOfflineRoom::open(store, Settings::default(), limits));
        let offline = Shell::of(opened.expect("memory does not fail"));
        let stamps = Shell::of(RoomStamps);
        hosts(&w, "muc.example", is_outside, stamps, offline);
        w.rooms("muc.example").host("a.example", Shell::of(ToAll));
        let bob = bob(&w);
        bob.joins("room@muc.example/Bob");
        let [_first, later] = ["alice", "carol"].map(|name| {
            let session = w.session(&format!("{name}@a.example/desk"));
            session.asks(xml!(
                "<iq type='set' id='r' to='room@muc.example'><query xmlns='jabber:iq:register'>\
                 <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
                 <value>http://jabber.org/protocol/muc#register</value></field>\
                 <field var='muc#register_roomnick'><value>{name}</value></field>\
                 <field var='{FIELD}'><value>1</value></field></x></query></iq>"
            ));
            session
        });
        let hi = "<message to='room@muc.example' type='groupchat'><body>hi</body></message>";
        bob.send(xml!("{hi}"));
        bob.expect("<message><stanza-id xmlns='urn:xmpp:sid:0' id='s1'/></message>");
        // Carol's waits.
        later.expect_nothing();
        w.advance(Duration::from_secs(5));
        if is_outside {
            later.expect("<message><stanza-id xmlns='urn:xmpp:sid:0' id='s1'/></message>");
        } else {
            later.expect("<message><absent><stanza-id xmlns='urn:xmpp:sid:0'/></absent></message>");
        }
        w.abandon();
    }
}

/// Counts how often anybody's devices were woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Notify for Woken {
    fn notify(&self, _: &jid::BareJid, _: &Stanza) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Alice has registered with a room.
fn registered() -> MucOfflineAccount {
    let store = Arc::new(MemoryRegistrations::default());
    let (room, alice) = ("room@muc.example", "alice@a.example");
    let registration = Registration::new(room.parse().unwrap(), alice.parse().unwrap());
    block_on(store.put(registration)).expect("memory does not fail");
    let opened = block_on(MucOfflineAccount::open(store, Default::default()));
    opened.expect("memory does not fail")
}

#[test]
fn devices_are_woken_for_a_room_one_is_in_if_muc_offline_is_outside_account_muc_and_not_told() {
    for (is_outside, is_told, wakes) in [
        (true, false, false),
        (true, true, false),
        (false, true, false),
        (false, false, true),
    ] {
        let w = World::new();
        let woken = Arc::new(Woken::default());
        let rooms = account_muc(&w);
        let mut offline = registered().notify(woken.clone());
        if is_told {
            offline = offline.occupancy(rooms.feature().clone());
        }
        let offline: MucOfflineAccountLayer = Shell::of(offline);
        hosts(&w, "a.example", is_outside, rooms, offline);
        w.rooms("muc.example");
        let (phone, bob) = (w.session("alice@a.example/phone"), bob(&w));
        phone.joins("room@muc.example/Alice");
        bob.joins("room@muc.example/Bob");
        phone.take_all();
        bob.send(xml!(
            "<message to='room@muc.example' type='groupchat'><body>hi</body></message>"
        ));
        bob.expect(HI);
        phone.expect(HI);
        let woken = woken.0.load(Ordering::SeqCst) > 0;
        assert_eq!(woken, wakes, "outside: {is_outside}, told: {is_told}");
        w.finish();
    }
}

#[test]
fn a_strangers_groupchat_is_archived_if_muc_offline_is_inside_archive_and_not_otherwise() {
    for (is_outside, rows) in [(true, 0), (false, 1)] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let mut settings = tower_xmpp::archive::Settings::default();
        settings.groupchat = true; // whatever comes, so that refusing it matters
        let archive = Archive::new(store.clone(), Arc::new(w.entropy())).settings(settings);
        let (archive, offline) = (Shell::of(archive), Shell::of(registered()));
        hosts(&w, "a.example", is_outside, offline, archive);
        let bob = bob(&w);
        bob.send(xml!(
            "<message to='alice@a.example' type='groupchat' id='m1'><body>spam</body></message>"
        ));
        bob.expect("<message type='error' id='m1'/>");
        assert_eq!(archived(&store), rows, "outside: {is_outside}");
        w.finish();
    }
}

#[test]
fn who_is_away_is_written_to_and_notified_whichever_of_the_two_is_outside() {
    for is_outside in [true, false] {
        let w = World::new();
        let store = Arc::new(MemoryRegistrations::default());
        let opened = block_on(MucOfflineRoom::open(
            store,
            Settings::default(),
            Limits::default(),
        ));
        let offline = Shell::of(opened.expect("memory does not fail"));
        let targets = Arc::new(MemoryTargets::default());
        let push = block_on(MucPushRoomLayer::open(targets, Arc::new(w.entropy())));
        let push = push.expect("memory does not fail");
        hosts(&w, "muc.example", is_outside, offline, push);
        w.rooms("muc.example").host("a.example", Shell::of(ToAll));
        let bob = bob(&w);
        bob.joins("room@muc.example/Bob");
        let desk = w.session("alice@a.example/desk");
        for request in [
            format!(
                "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>\
                 <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value>\
                 </field><field var='muc#register_roomnick'><value>Alice</value></field>\
                 <field var='{FIELD}'><value>1</value></field></x></query>"
            ),
            format!("<enable xmlns='urn:xmpp:push:0' jid='{desk}' node='n'/>"),
        ] {
            desk.asks(xml!(
                "<iq type='set' id='r' to='room@muc.example'>{request}</iq>"
            ));
        }
        bob.send(xml!(
            "<message to='room@muc.example' type='groupchat'><body>hi</body></message>"
        ));
        bob.expect(HI);
        desk.expect_all([
            HI,
            "<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>",
        ]);
        w.finish();
    }
}

#[test]
fn an_account_registers_itself_if_muc_push_is_outside_account_muc_and_not_otherwise() {
    for (is_outside, registered) in [(true, 1), (false, 0)] {
        let w = World::new();
        let (ours, theirs) = (
            Arc::new(MemoryTargets::default()),
            Arc::new(MemoryTargets::default()),
        );
        let rooms = account_muc(&w);
        let seats = rooms.feature().clone();
        let push = MucPushAccountLayer::open(ours, Arc::new(w.entropy()), seats);
        let push = block_on(push).expect("memory does not fail");
        hosts(&w, "a.example", is_outside, push, rooms);
        let room = MucPushRoomLayer::open(theirs.clone(), Arc::new(w.entropy()));
        w.host("muc.example", block_on(room).expect("memory does not fail"));
        w.rooms("muc.example");
        w.session("alice@a.example/phone")
            .joins("room@muc.example/Alice");
        w.advance(Duration::from_secs(10));
        let targets = block_on(theirs.all()).expect("memory does not fail");
        assert_eq!(targets.len(), registered, "outside: {is_outside}");
        w.finish();
    }
}
