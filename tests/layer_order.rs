//! The order table of the crate's documentation, row by row, in both
//! directions. (Its last row is `tests/tower_layers.rs`.)

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use jid::FullJid;
use tower::ServiceBuilder;
use tower_xmpp::account_muc::AccountMucLayer;
use tower_xmpp::archive::{Archive, ArchiveLayer, ArchiveStore, Page};
use tower_xmpp::flow::{Envelope, Outcome, Route};
use tower_xmpp::fork::{Fork, ForkLayer};
use tower_xmpp::middleware::{Fault, Feature, Filter, Next, Shell, Verdict, filter};
use tower_xmpp::muc_offline::{
    FIELD, Limits, MucOfflineAccount, MucOfflineAccountLayer, MucOfflineRoom, Notify, Registration,
    Registrations, Settings,
};
use tower_xmpp::muc_push::{MucPushAccountLayer, MucPushRoomLayer, Targets};
use tower_xmpp::stanza::{Condition, Element, Stanza, ns};
use tower_xmpp::store::{MemoryArchive, MemoryRegistrations, MemorySeats, MemoryTargets};
use tower_xmpp::testkit::{Carbon, Session, Sessions, World, xml};

const HI: &str = "<message><body>hi</body></message>";
const UNSTAMPED: &str = "<message><body>hi</body>\
    <absent><stanza-id xmlns='urn:xmpp:sid:0'/></absent></message>";
const STAMPED: &str = "<message><body>hi</body>\
    <stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$id'/></message>";

/// How many entries Alice's archive has.
fn archived(store: &MemoryArchive) -> usize {
    let alice = "alice@a.example".parse().unwrap();
    block_on(store.page(&alice, Page::oldest(10)))
        .expect("memory does not fail")
        .len()
}

fn archive(w: &World, store: &Arc<MemoryArchive>) -> ArchiveLayer {
    ArchiveLayer::new(store.clone(), Arc::new(w.entropy()))
}

/// Refuses whatever says `spam`.
fn no_spam() -> Shell<Filter<impl Fn(&Envelope) -> Verdict + Send + Sync + 'static>> {
    filter("no-spam", |envelope| {
        let body = envelope.as_stanza().and_then(Stanza::body_text);
        match body.as_deref() {
            Some("spam") => Verdict::Refuse(Condition::PolicyViolation.into()),
            _ => Verdict::Pass,
        }
    })
}

/// Alice's desk gets what her account gets, whatever its priority.
struct DeskToo;

impl Feature for DeskToo {
    fn name(&self) -> &'static str {
        "desk-too"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        matches!(envelope.route, Route::ToAccount(_))
    }

    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let desk: FullJid = "alice@a.example/desk".parse().unwrap();
        envelope.facts.reach.widen([desk]);
        next.run(envelope).await
    }
}

/// Alice's phone, the one that RFC 6121 chooses, and her desk, with carbons.
fn alice(w: &World) -> (Session, Session) {
    let phone = w.session("alice@a.example/phone").priority(5);
    (phone, w.session("alice@a.example/desk").carbons())
}

fn bob(w: &World) -> Session {
    w.host("b.example", ());
    w.session("bob@b.example/x")
}

fn say(body: &str) -> String {
    format!("<message to='alice@a.example' type='chat' id='m1'><body>{body}</body></message>")
}

const REFUSED: &str = "<message type='error' id='m1'><error>\
    <policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";

#[test]
fn a_filter_outside_archive_keeps_what_it_refuses_out_of_it_and_inside_does_not() {
    for (is_outside, kept) in [(true, 0), (false, 1)] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let archive = archive(&w, &store);
        if is_outside {
            let stack = ServiceBuilder::new().layer(no_spam()).layer(archive);
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(archive).layer(no_spam());
            w.host("a.example", stack);
        }
        let (_phone, bob) = (w.session("alice@a.example/phone"), bob(&w));
        bob.send(xml!("{}", say("spam")));
        bob.expect(REFUSED);
        assert_eq!(archived(&store), kept, "outside: {is_outside}");
        w.finish();
    }
}

#[test]
fn a_filter_keeps_what_it_refuses_from_being_copied_on_either_side_of_fork() {
    for is_outside in [true, false] {
        let w = World::new();
        if is_outside {
            let stack = ServiceBuilder::new()
                .layer(no_spam())
                .layer(ForkLayer::new());
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new()
                .layer(ForkLayer::new())
                .layer(no_spam());
            w.host("a.example", stack);
        }
        let ((_phone, _desk), bob) = (alice(&w), bob(&w));
        bob.send(xml!("{}", say("spam")));
        bob.expect(REFUSED);
        w.finish();
    }
}

#[test]
fn copies_bear_the_archive_id_if_archive_is_outside_fork_and_not_otherwise() {
    for is_outside in [true, false] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let archive = archive(&w, &store);
        if is_outside {
            let stack = ServiceBuilder::new().layer(archive).layer(ForkLayer::new());
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(ForkLayer::new()).layer(archive);
            w.host("a.example", stack);
        }
        let ((phone, desk), bob) = (alice(&w), bob(&w));

        // Received: the original is stamped either way.
        bob.send(xml!("{}", say("hi")));
        let original = phone.expect(STAMPED);
        if is_outside {
            let copy = desk.expect_carbon(Carbon::Received, STAMPED);
            assert_eq!(original["id"], copy["id"]);
        } else {
            desk.expect_carbon(Carbon::Received, UNSTAMPED);
        }

        // Sent: only the copy is.
        phone.send(xml!(
            "<message to='{bob}' type='chat' id='m2'><body>hi</body></message>"
        ));
        bob.expect(UNSTAMPED);
        if is_outside {
            desk.expect_carbon(Carbon::Sent, STAMPED);
        } else {
            desk.expect_carbon(Carbon::Sent, UNSTAMPED);
        }
        w.finish();
    }
}

#[test]
fn whom_a_reach_names_gets_the_one_stamped_stanza_on_either_side_of_archive() {
    for is_outside in [true, false] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let archive = archive(&w, &store);
        if is_outside {
            let stack = ServiceBuilder::new()
                .layer(Shell::of(DeskToo))
                .layer(archive);
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new()
                .layer(archive)
                .layer(Shell::of(DeskToo));
            w.host("a.example", stack);
        }
        let phone = w.session("alice@a.example/phone").priority(5);
        let desk = w.session("alice@a.example/desk");
        let bob = bob(&w);
        bob.send(xml!("{}", say("hi")));
        assert_eq!(phone.expect(STAMPED)["id"], desk.expect(STAMPED)["id"]);
        assert_eq!(archived(&store), 1);
        w.finish();
    }
}

#[test]
fn whom_a_reach_names_gets_no_copy_besides_on_either_side_of_fork() {
    for is_outside in [true, false] {
        let w = World::new();
        if is_outside {
            let stack = ServiceBuilder::new()
                .layer(Shell::of(DeskToo))
                .layer(ForkLayer::new());
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new()
                .layer(ForkLayer::new())
                .layer(Shell::of(DeskToo));
            w.host("a.example", stack);
        }
        let ((phone, desk), bob) = (alice(&w), bob(&w));
        let hidden = w.bind_with("alice@a.example/hidden", &[ns::MR2]);
        bob.send(xml!("{}", say("hi")));
        for session in [phone, desk, hidden.priority(-1)] {
            session.expect(HI);
        }
        w.finish();
    }
}

fn account_muc(w: &World) -> AccountMucLayer {
    AccountMucLayer::new(Arc::new(MemorySeats::default()), Arc::new(w.entropy()))
}

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
        if is_outside {
            let stack = ServiceBuilder::new().layer(rooms).layer(archive);
            w.host("a.example", stack.layer(ForkLayer::new()));
        } else {
            let stack = ServiceBuilder::new().layer(archive).layer(rooms);
            w.host("a.example", stack.layer(ForkLayer::new()));
        }
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
        if is_outside {
            w.host("a.example", ServiceBuilder::new().layer(rooms).layer(fork));
        } else {
            w.host("a.example", ServiceBuilder::new().layer(fork).layer(rooms));
        }
        let (_phone, desk) = whisper(&w);
        desk.expect_carbon(Carbon::Sent, HI);
        w.finish();
    }
}

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
        if is_outside {
            let stack = ServiceBuilder::new().layer(stamps).layer(offline);
            w.host("muc.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(offline).layer(stamps);
            w.host("muc.example", stack);
        }
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
        if is_outside {
            let stack = ServiceBuilder::new().layer(rooms).layer(offline);
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(offline).layer(rooms);
            w.host("a.example", stack);
        }
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
        if is_outside {
            let stack = ServiceBuilder::new().layer(offline).layer(archive);
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(archive).layer(offline);
            w.host("a.example", stack);
        }
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
        if is_outside {
            let stack = ServiceBuilder::new().layer(offline).layer(push);
            w.host("muc.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(push).layer(offline);
            w.host("muc.example", stack);
        }
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
        if is_outside {
            let stack = ServiceBuilder::new().layer(push).layer(rooms);
            w.host("a.example", stack);
        } else {
            let stack = ServiceBuilder::new().layer(rooms).layer(push);
            w.host("a.example", stack);
        }
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
