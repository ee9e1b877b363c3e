//! What becomes of a message whose sessions die before they acknowledge it
//! (XEP-0198 §4): the original goes on exactly once, and never to somebody who
//! has it.

use tower_xmpp::fork::{ForkLayer, Mode};
use tower_xmpp::testkit::{Carbon, Session, World, xml};

use super::{HI, bob, world};

const CHAT: &str = "<message to='alice@a.example' type='chat' id='m1'><body>hi</body></message>";
const UNAVAILABLE: &str = "<message type='error' id='m1'><error type='cancel'>\
    <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";

/// A session that gets what the account gets, and acknowledges nothing.
fn silent(w: &World, resource: &str) -> Session {
    let session = w.session(&format!("alice@a.example/{resource}"));
    session.withhold_acks();
    session
}

/// The same with a mode, and a priority that gets nothing by itself.
fn silent_in(w: &World, resource: &str, mode: Mode) -> Session {
    let session = w.bind_with(&format!("alice@a.example/{resource}"), &[mode.namespace()]);
    session.withhold_acks();
    session.priority(-1)
}

fn expires(session: &Session) {
    session.hibernate().expire();
}

/// Nobody is there; whoever comes next gets what was kept.
fn kept(w: &World) {
    let later = w.session("alice@a.example/later");
    later.expect(HI);
}

#[test]
fn what_two_sessions_got_goes_on_when_both_have_died() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    w.offline_storage();
    let [phone, desk] = ["phone", "desk"].map(|name| silent(&w, name));
    bob(&w).send(CHAT);
    phone.expect(HI);
    desk.expect(HI);
    expires(&phone);
    desk.expect_nothing();
    expires(&desk);
    kept(&w);
    w.finish();
}

#[test]
fn what_one_of_two_sessions_acknowledged_goes_nowhere() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    w.offline_storage();
    let [phone, desk] = ["phone", "desk"].map(|name| silent(&w, name));
    bob(&w).send(CHAT);
    phone.expect(HI);
    desk.expect(HI);
    desk.acks();
    expires(&desk);
    expires(&phone);
    let _later = w.session("alice@a.example/later");
    w.finish();
}

#[test]
fn a_session_that_has_a_copy_does_not_get_the_original_besides() {
    for mode in [Mode::Carbons, Mode::Mr2, Mode::Goal, Mode::ImNg] {
        let w = world();
        let phone = silent(&w, "phone");
        let desk = silent_in(&w, "desk", mode).priority(0);
        bob(&w).send(xml!(
            "<message to='{phone}' type='chat' id='m1'><body>hi</body></message>"
        ));
        phone.expect(HI);
        assert_eq!(desk.take_all().len(), 1);
        expires(&phone);
        w.finish();
    }
}

#[test]
fn the_original_goes_on_when_the_session_with_the_copy_has_died_as_well() {
    for phone_first in [true, false] {
        let w = world();
        w.offline_storage();
        let phone = silent(&w, "phone");
        let desk = silent_in(&w, "desk", Mode::Carbons);
        let bob = bob(&w);
        bob.send(CHAT);
        phone.expect(HI);
        desk.expect_carbon(Carbon::Received, HI);
        let (first, second) = match phone_first {
            true => (&phone, &desk),
            false => (&desk, &phone),
        };
        expires(first);
        w.settle();
        expires(second);
        w.settle();
        let later = w.session("alice@a.example/later");
        later.expect(
            "<message from='bob@b.example/x' type='chat' id='m1'><body>hi</body></message>",
        );
        w.finish();
    }
}

#[test]
fn who_acknowledged_the_copy_has_the_message() {
    let w = world();
    w.offline_storage();
    let phone = silent(&w, "phone");
    let desk = silent_in(&w, "desk", Mode::Carbons);
    bob(&w).send(CHAT);
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    desk.acks();
    expires(&desk);
    expires(&phone);
    let _later = w.session("alice@a.example/later");
    w.finish();
}

#[test]
fn a_session_without_a_copy_gets_the_original_of_one_that_died() {
    let w = world();
    let phone = silent(&w, "phone").priority(5);
    let desk = w.session("alice@a.example/desk");
    bob(&w).send(CHAT);
    phone.expect(HI);
    expires(&phone);
    desk.expect(HI);
    w.finish();
}

#[test]
fn what_was_for_one_session_comes_back_once_when_all_who_had_it_are_gone() {
    let w = world();
    let phone = silent(&w, "phone");
    let desk = silent_in(&w, "desk", Mode::Carbons);
    let bob = bob(&w);
    bob.send(xml!(
        "<message to='{phone}' id='m1'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    expires(&phone);
    bob.expect_nothing();
    expires(&desk);
    bob.expect(UNAVAILABLE);
    w.finish();
}

#[test]
fn what_all_got_as_it_is_goes_on_once_when_the_last_has_died() {
    for mode in [Mode::Mr2, Mode::Goal, Mode::ImNg] {
        let w = world();
        w.offline_storage();
        let sessions = ["phone", "desk", "tablet"].map(|name| silent_in(&w, name, mode));
        bob(&w).send(CHAT);
        for session in &sessions {
            session.expect(HI);
        }
        for session in &sessions {
            expires(session);
            w.settle();
        }
        kept(&w);
        w.finish();
    }
}

#[test]
fn copies_of_what_the_account_sent_are_forgotten() {
    for mode in Mode::ALL {
        let w = world();
        w.offline_storage();
        let phone = w.session("alice@a.example/phone");
        let desk = silent_in(&w, "desk", mode);
        let bob = bob(&w);
        phone.send(xml!(
            "<message to='{bob}' type='chat' id='m1'><body>hi</body></message>"
        ));
        bob.expect(HI);
        assert_eq!(desk.take_all().len(), 1);
        expires(&desk);
        w.finish();
    }
}

#[test]
fn the_archive_id_of_what_goes_on_is_that_of_the_copies() {
    use std::sync::Arc;
    use tower_xmpp::archive::ArchiveLayer;
    use tower_xmpp::store::MemoryArchive;

    let w = World::new();
    let archive = ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(w.entropy()));
    w.host("a.example", (archive, ForkLayer::new()))
        .host("b.example", ());
    w.offline_storage();
    let phone = silent(&w, "phone");
    let desk = silent_in(&w, "desk", Mode::Carbons);
    bob(&w).send(CHAT);
    let stamp =
        "<message><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$id'/></message>";
    let original = phone.expect(stamp);
    let copy = desk.expect_carbon(Carbon::Received, stamp);
    expires(&phone);
    w.settle();
    expires(&desk);
    let later = w.session("alice@a.example/later").expect(stamp);
    assert_eq!([&original["id"], &copy["id"]], [&later["id"]; 2]);
    w.finish();
}
