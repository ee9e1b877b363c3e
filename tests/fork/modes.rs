//! Message Routing 2.0, Goal and IM-NG. Who gets what of which message is
//! judged cell by cell in `src/fork/tests/`; here is what a cell does not say.

use std::sync::Arc;

use futures::executor::block_on;
use tower_xmpp::archive::{Archive, ArchiveLayer, ArchiveStore, Page};
use tower_xmpp::fork::{ForkLayer, Mode};
use tower_xmpp::stanza::ns;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Carbon, Session, World, xml};

use super::{HI, bob, joins, world};

const RAW_MODES: [Mode; 3] = [Mode::Mr2, Mode::Goal, Mode::ImNg];

fn in_mode(w: &World, resource: &str, mode: Mode) -> Session {
    w.bind_with(&format!("alice@a.example/{resource}"), &[mode.namespace()])
}

fn chat(to: &str, id: &str) -> String {
    format!("<message to='{to}' type='chat' id='{id}'><body>hi</body></message>")
}

/// A copy in the wrapper of this mode.
fn copy(direction: &str, mode: Mode) -> String {
    let namespace = mode.namespace();
    format!(
        "<message from='alice@a.example' type='chat'><{direction} xmlns='{namespace}'>\
         <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>hi</body>\
         </message></forwarded></{direction}></message>"
    )
}

const UNAVAILABLE: &str = "<message type='error'><error type='cancel'>\
    <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";

#[test]
fn a_session_of_negative_priority_gets_what_is_for_the_account_and_nothing_is_kept() {
    for mode in RAW_MODES {
        let w = world();
        w.offline_storage();
        let phone = in_mode(&w, "phone", mode).priority(-1);
        bob(&w).send(xml!("{}", chat("alice@a.example", "m1")));
        phone.expect("<message from='bob@b.example/x' to='alice@a.example' type='chat'><body>hi</body></message>");
        // What had been kept would come now.
        let _later = w.session("alice@a.example/desk");
        w.finish();
    }
}

#[test]
fn a_session_that_is_not_available_at_all_gets_it_too() {
    let w = world();
    let phone = in_mode(&w, "phone", Mode::Mr2);
    bob(&w).send(xml!("{}", chat("alice@a.example", "m1")));
    phone.expect(HI);
    w.finish();
}

#[test]
fn a_session_that_takes_part_in_two_ways_gets_the_greater_one_only() {
    let w = world();
    let desk = w.bind_with("alice@a.example/desk", &[ns::CARBONS, ns::MR2]);
    let phone = w.session("alice@a.example/phone");
    let bob = bob(&w);
    bob.send(xml!("{}", chat(phone.jid().as_str(), "m1")));
    phone.expect(HI);
    desk.expect(xml!("{}", copy("received", Mode::Mr2)));
    // Carbons can be taken back, MR2 cannot.
    let off = "<iq type='set' id='c1'><disable xmlns='urn:xmpp:carbons:2'/></iq>";
    desk.asks(xml!("{off}"));
    bob.send(xml!("{}", chat(phone.jid().as_str(), "m2")));
    phone.expect(HI);
    desk.expect(xml!("{}", copy("received", Mode::Mr2)));
    w.finish();
}

#[test]
fn each_of_an_accounts_sessions_takes_part_in_its_own_way() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let carbons = w.session("alice@a.example/carbons").carbons();
    let [mr2, goal, ng] = RAW_MODES.map(|mode| in_mode(&w, mode.namespace(), mode));
    let bob = bob(&w);
    bob.send(xml!("{}", chat(phone.jid().as_str(), "m1")));
    phone.expect(HI);
    carbons.expect_carbon(Carbon::Received, HI);
    mr2.expect(xml!("{}", copy("received", Mode::Mr2)));
    goal.expect(xml!("{}", copy("received", Mode::Goal)));
    ng.expect(xml!(
        "<message from='{bob}' to='{phone}'><body>hi</body></message>"
    ));

    phone.send(xml!("{}", chat(bob.jid().as_str(), "m2")));
    bob.expect(HI);
    carbons.expect_carbon(Carbon::Sent, HI);
    mr2.expect(xml!("{}", copy("sent", Mode::Mr2)));
    goal.expect(xml!("{}", copy("sent", Mode::Goal)));
    ng.expect(xml!(
        "<message from='{phone}' to='{bob}'><body>hi</body></message>"
    ));
    w.finish();
}

#[test]
fn im_ng_is_switched_on_by_iq_as_often_as_one_likes_and_by_nobody_else() {
    let w = world();
    let (phone, bob) = (w.session("alice@a.example/phone"), bob(&w));
    let enable = "<enable xmlns='urn:xmpp:im-ng:0'/>";
    for to in ["", " to='alice@a.example'"] {
        phone.asks(xml!("<iq type='set' id='e1'{to}>{enable}</iq>"));
    }
    bob.send(xml!(
        "<iq type='set' id='e2' to='alice@a.example'>{enable}</iq>"
    ));
    bob.expect("<iq type='error' id='e2'><error><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    phone.send("<iq type='set' id='e3'><disable xmlns='urn:xmpp:im-ng:0'/></iq>");
    phone.expect("<iq type='error' id='e3'><error><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    // The sender, too, gets the message as everybody has it.
    phone.send(xml!("{}", chat(bob.jid().as_str(), "m1")));
    bob.expect(HI);
    phone.expect(xml!(
        "<message from='{phone}' to='{bob}' id='m1'><body>hi</body></message>"
    ));
    w.finish();
}

#[test]
fn what_was_negotiated_outlives_a_resumption_and_ends_with_the_session() {
    for mode in Mode::ALL {
        let w = world();
        let phone = w.session("alice@a.example/phone");
        let desk = in_mode(&w, "desk", mode);
        let bob = bob(&w);
        desk.hibernate();
        bob.send(xml!("{}", chat(phone.jid().as_str(), "m1")));
        phone.expect(HI);
        desk.expect_nothing();
        desk.resume();
        assert_eq!(desk.take_all().len(), 1, "{mode:?}");
        bob.send(xml!("{}", chat(phone.jid().as_str(), "m2")));
        phone.expect(HI);
        assert_eq!(desk.take_all().len(), 1, "{mode:?}");

        desk.hibernate().expire();
        w.settle();
        let _desk = w.bind("alice@a.example/desk");
        bob.send(xml!("{}", chat(phone.jid().as_str(), "m3")));
        phone.expect(HI);
        w.finish();
    }
}

#[test]
fn a_marked_message_is_for_the_session_it_names_or_comes_back() {
    let w = world();
    w.offline_storage();
    let desk = w.session("alice@a.example/desk");
    let _phone = in_mode(&w, "phone", Mode::ImNg).priority(5);
    let bob = bob(&w);
    let marked = "type='chat'><body>hi</body><im-ng xmlns='urn:xmpp:im-ng:0'/></message>";
    bob.send(xml!("<message to='{desk}' {marked}"));
    desk.expect(HI);
    bob.send(xml!("<message to='alice@a.example/gone' {marked}"));
    bob.expect(UNAVAILABLE);
    w.finish();
}

#[test]
fn without_im_ng_the_marker_means_nothing() {
    let w = world();
    let desk = w.session("alice@a.example/desk").carbons();
    let phone = w.session("alice@a.example/phone").priority(5);
    let marked = "type='chat'><body>hi</body><im-ng xmlns='urn:xmpp:im-ng:0'/></message>";
    bob(&w).send(xml!("<message to='alice@a.example/gone' {marked}"));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    w.finish();
}

#[test]
fn an_error_about_what_others_got_too_never_reaches_who_wrote_it() {
    for mode in RAW_MODES {
        let w = world();
        let phone = in_mode(&w, "phone", mode).priority(5);
        let desk = in_mode(&w, "desk", mode).priority(1);
        let bob = bob(&w);
        bob.send(xml!("{}", chat("alice@a.example", "m1")));
        let error =
            "<message to='bob@b.example/x' type='error' id='m1'><error type='cancel'/></message>";
        for session in [&phone, &desk] {
            session.expect(HI);
            session.send(error);
        }
        bob.expect_nothing();
        w.finish();
    }
}

#[test]
fn the_session_that_a_message_was_for_may_answer_it_with_an_error() {
    let w = world();
    let [phone, desk] = ["phone", "desk"].map(|name| in_mode(&w, name, Mode::ImNg));
    let bob = bob(&w);
    let error = |id: &str| {
        xml!("<message to='{bob}' type='error' id='{id}'><error type='cancel'/></message>")
    };
    bob.send(xml!("{}", chat(phone.jid().as_str(), "m1")));
    phone.expect(HI);
    desk.expect(HI);
    desk.send(error("m1"));
    bob.expect_nothing();
    phone.send(error("m1"));
    bob.expect("<message type='error' id='m1'/>");

    // And whoever was the only one to get it.
    desk.close();
    bob.send(xml!("{}", chat("alice@a.example", "m2")));
    phone.expect(HI);
    phone.send(error("m2"));
    bob.expect("<message type='error' id='m2'/>");
    w.finish();
}

#[test]
fn what_im_ng_reflects_bears_the_archive_id_and_what_leaves_does_not() {
    let w = World::new();
    let archive = ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(w.entropy()));
    w.host("a.example", (archive, ForkLayer::new())) // archived first: all get the ID
        .host("b.example", ());
    let [phone, desk] = ["phone", "desk"].map(|name| in_mode(&w, name, Mode::ImNg));
    let bob = bob(&w);
    phone.send(xml!("{}", chat(bob.jid().as_str(), "m1")));
    bob.expect(
        "<message><body>hi</body><absent><stanza-id xmlns='urn:xmpp:sid:0'/></absent></message>",
    );
    let stamped = "<message id='m1'><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$id'/></message>";
    assert_eq!(phone.expect(stamped)["id"], desk.expect(stamped)["id"]);
    bob.send(xml!("{}", chat("alice@a.example", "m2")));
    let stamped = stamped.replace("m1", "m2");
    let ids = [&phone, &desk].map(|session| session.expect(xml!("{stamped}"))["id"].to_owned());
    assert_eq!(ids[0], ids[1]);
    w.finish();
}

#[test]
fn a_private_message_of_a_room_is_for_its_session_in_every_mode() {
    for mode in Mode::ALL {
        let w = world();
        let phone = in_mode(&w, "phone", mode);
        let _desk = in_mode(&w, "desk", mode);
        let occupant = w.session("room@muc.example/Bob");
        joins(&w, &phone, "room@muc.example/Alice");
        w.settle();
        occupant.take_all();
        occupant.send(xml!("{}", chat(phone.jid().as_str(), "m1")));
        phone.expect(HI);
        w.finish();
    }
}

#[test]
fn who_named_all_recipients_outside_is_not_widened() {
    use tower_xmpp::flow::{Envelope, Reach, Route};
    use tower_xmpp::middleware::{Next, from_fn};

    let w = World::new();
    let desk_only = from_fn("desk-only", |mut envelope: Envelope, next: Next| {
        if matches!(envelope.route, Route::ToAccount(_)) {
            let desk = "alice@a.example/desk".parse().expect("a JID");
            envelope.facts.reach = Reach::Only([desk].into());
        }
        next.run(envelope)
    });
    w.host("a.example", (desk_only, ForkLayer::new()))
        .host("b.example", ());
    let desk = in_mode(&w, "desk", Mode::Mr2);
    let _phone = in_mode(&w, "phone", Mode::Mr2);
    let bob = bob(&w);
    for to in ["alice@a.example", "alice@a.example/gone"] {
        bob.send(xml!("{}", chat(to, "m1")));
        desk.expect(HI);
    }
    w.finish();
}

#[test]
fn what_is_marked_is_archived_only_while_nobody_speaks_im_ng() {
    let w = World::new();
    let store = Arc::new(MemoryArchive::default());
    let fork = ForkLayer::new();
    let archive = Archive::new(store.clone(), Arc::new(w.entropy())).im_ng(fork.feature().clone());
    // Archived before it is forked: all get the ID.
    w.host("a.example", (ArchiveLayer::of(archive), fork))
        .host("b.example", ());
    let alice = "alice@a.example".parse().expect("a JID");
    let kept = || {
        block_on(store.page(&alice, Page::oldest(10)))
            .expect("memory")
            .len()
    };
    let (desk, bob) = (w.session("alice@a.example/desk"), bob(&w));
    let marked = "type='chat'><body>hi</body><im-ng xmlns='urn:xmpp:im-ng:0'/></message>";
    bob.send(xml!("<message to='{desk}' {marked}"));
    desk.expect(HI);
    assert_eq!(kept(), 1);

    let ng = in_mode(&w, "ng", Mode::ImNg);
    bob.send(xml!("<message to='{desk}' {marked}"));
    desk.expect(HI);
    desk.send(xml!("<message to='{bob}' {marked}"));
    bob.expect(HI);
    assert_eq!(kept(), 1);
    bob.send(xml!("{}", chat(desk.jid().as_str(), "m1")));
    desk.expect(HI);
    ng.expect(HI);
    assert_eq!(kept(), 2);
    w.finish();
}
