//! Who may be notified, and who may ask for it.

use tower_xmpp::stanza::{Condition, ns};
use tower_xmpp::testkit::xml;

use super::house::{House, ROOM, SECRET, enable, refused};

const PHONE: &str = "alice@a.example/phone";

#[test]
fn rooms_and_their_service_announce_it() {
    let house = House::new();
    for entity in ["muc.example", ROOM] {
        let info = house.alice.asks(xml!(
            "<iq type='get' id='d' to='{entity}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ));
        assert!(info.to_xml().contains(ns::PUSH), "{entity}");
    }
    house.w.finish();
}

#[test]
fn what_may_not_be_asked_is_refused_and_nothing_is_stored() {
    let house = House::new();
    let long = "n".repeat(10_000);
    for (request, condition) in [
        (
            enable(ROOM, PHONE, "n", "").replace("jid='alice@a.example/phone'", ""),
            Condition::BadRequest,
        ),
        (enable(ROOM, "@", "n", ""), Condition::BadRequest),
        (enable(ROOM, PHONE, &long, ""), Condition::BadRequest),
        (
            enable(ROOM, PHONE, "n", &SECRET.replace("s3cret", &long)),
            Condition::BadRequest,
        ),
        (
            enable(ROOM, "bob@a.example/x", "n", ""),
            Condition::Forbidden,
        ),
        (enable(ROOM, "bob@a.example", "n", ""), Condition::Forbidden),
        (
            enable(ROOM, "bob@a.example", "n", SECRET),
            Condition::Forbidden,
        ),
        (
            enable(ROOM, "push.example/x", "n", SECRET),
            Condition::Forbidden,
        ),
        (enable(ROOM, "push.example", "n", ""), Condition::NotAllowed),
        (
            enable("milk@muc.example", PHONE, "n", ""),
            Condition::ItemNotFound,
        ),
    ] {
        house.alice.send(xml!("{request}"));
        house.alice.expect(refused(condition));
        assert_eq!(house.targets(), [], "{request}");
    }
    house.w.finish();
}

#[test]
fn who_may_not_enter_may_not_ask() {
    let house = House::new();
    house
        .bob
        .configures(ROOM, [("muc#roomconfig_membersonly", "1")]);
    house.alice.send(xml!("{}", enable(ROOM, PHONE, "n", "")));
    house.alice.expect(refused(Condition::RegistrationRequired));
    house.affiliates("alice@a.example", "outcast");
    house.alice.take_all();
    house.alice.send(xml!("{}", enable(ROOM, PHONE, "n", "")));
    house.alice.expect(refused(Condition::Forbidden));
    assert_eq!(house.targets(), []);
    house.w.finish();
}

#[test]
fn the_same_pair_again_is_one_entry_with_the_newest_options() {
    let house = House::new();
    house.alice.asks(enable(ROOM, PHONE, "n", ""));
    house.alice.asks(enable(ROOM, PHONE, "n", SECRET));
    let targets = house.targets();
    assert_eq!(targets.len(), 1);
    let options = targets[0].options.as_deref().unwrap_or_default();
    assert!(options.contains("s3cret"), "{targets:?}");
    house.w.finish();
}

#[test]
fn of_six_devices_the_oldest_makes_room() {
    let house = House::new();
    for number in 0..6 {
        house
            .alice
            .asks(enable(ROOM, PHONE, &format!("n{number}"), ""));
    }
    // Others' do not count.
    house.enables(&house.bob, "bob@a.example/x", "n");
    let nodes = house.targets().into_iter().filter_map(|target| target.node);
    let nodes: Vec<_> = nodes.collect();
    assert_eq!(nodes, ["n1", "n2", "n3", "n4", "n5", "n"]);
    house.w.finish();
}

#[test]
fn disabling_ends_one_node_or_all_of_a_client_and_nobody_elses() {
    let house = House::new();
    for node in ["a", "b", "c"] {
        house.alice.asks(enable(ROOM, PHONE, node, ""));
    }
    let disable = |rest: &str| {
        format!("<iq type='set' id='d' to='{ROOM}'><disable xmlns='urn:xmpp:push:0' {rest}/></iq>")
    };
    // Not enabled; somebody else's.
    house
        .alice
        .asks(disable("jid='alice@a.example/phone' node='x'"));
    house.bob.asks(disable("jid='alice@a.example/phone'"));
    assert_eq!(house.targets().len(), 3);
    house
        .alice
        .asks(disable("jid='alice@a.example/phone' node='a'"));
    assert_eq!(house.targets().len(), 2);
    house.alice.asks(disable("jid='alice@a.example/phone'"));
    assert_eq!(house.targets(), []);
    house.says("m1");
    house.w.finish();
}
