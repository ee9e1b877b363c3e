//! The field in the form, and who may have it.

use tower_xmpp::muc_offline::{Limits, Settings};
use tower_xmpp::stanza::{Condition, ns};
use tower_xmpp::testkit::xml;

use super::house::{GET, House, ROOM, form, query, refused, shown, submit};

#[test]
fn who_is_not_registered_is_shown_the_field_and_it_says_no() {
    let house = House::new();
    let alice = house.w.session("alice@a.example/phone");
    alice.send(xml!("{GET}"));
    let form = alice.expect(shown("0")).stanza.to_xml();
    assert!(form.contains("muc#register_roomnick"), "{form}");
    assert!(!form.contains("<registered"), "{form}");
    house.finish();
}

#[test]
fn who_is_registered_is_shown_the_form_with_its_current_values() {
    let house = House::new();
    let alice = house.alice("true");
    alice.send(xml!("{GET}"));
    let form = alice.expect(shown("1")).stanza.to_xml();
    assert!(
        form.contains("<registered") && form.contains("Alice"),
        "{form}"
    );
    house.finish();
}

#[test]
fn the_flag_alone_can_be_changed_with_the_same_nick() {
    let house = House::new();
    let alice = house.alice("1");
    assert_eq!(house.registrations().len(), 1);
    for (value, count, now) in [("0", 0, "0"), ("true", 1, "1"), ("false", 0, "0")] {
        alice.asks(submit("Alice", Some(value)));
        assert_eq!(house.registrations().len(), count);
        alice.send(xml!("{GET}"));
        alice.expect(shown(now));
    }
    house.finish();
}

#[test]
fn a_form_without_the_field_changes_the_nick_and_not_the_flag() {
    let house = House::new();
    let alice = house.alice("1");
    alice.asks(submit("Alicia", None));
    alice.send(xml!("{GET}"));
    let form = alice.expect(shown("1")).stanza.to_xml();
    assert!(form.contains("Alicia"), "{form}");
    house.finish();
}

#[test]
fn without_the_field_nobody_is_forwarded_anything() {
    let house = House::new();
    house
        .w
        .session("alice@a.example/phone")
        .asks(submit("Alice", None));
    house.says("m1");
    house.finish();
}

#[test]
fn remove_ends_it_and_leaves_owners_what_they_are() {
    let house = House::new();
    let alice = house.alice("1");
    house.sets("<item affiliation='owner' jid='alice@a.example'/>");
    house.w.settle();
    alice.take_all();
    alice.asks(query("<remove/>"));
    assert_eq!(house.registrations(), []);
    house.says("m1");
    alice.send(xml!("{GET}"));
    alice.expect(shown("0"));
    // Still an owner: she may ask for the configuration.
    alice.asks(xml!(
        "<iq type='get' id='c' to='tea@muc.example'>\
         <query xmlns='http://jabber.org/protocol/muc#owner'/></iq>"
    ));
    house.finish();
}

#[test]
fn remove_ends_the_membership_that_came_with_it() {
    let house = House::new();
    let alice = house.alice("1");
    alice.asks(query("<remove/>"));
    assert_eq!(house.registrations(), []);
    house.says("m1");
    house
        .bob
        .configures(ROOM, [("muc#roomconfig_membersonly", "1")]);
    alice.send(xml!("{GET}"));
    alice.expect(refused(Condition::RegistrationRequired));
    house.finish();
}

#[test]
fn what_the_service_refuses_is_not_stored() {
    let house = House::new();
    let alice = house.w.session("alice@a.example/phone");
    let yes = "<field var='{http://tigase.org/protocol/muc}offline'><value>1</value></field>";
    let form_type =
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>";
    let nick = "<field var='muc#register_roomnick'><value>Alice</value></field>";
    for (request, condition) in [
        // Without a nick; of no type; of another type; no form at all.
        (form(&format!("{form_type}{yes}")), Condition::BadRequest),
        (form(&format!("{nick}{yes}")), Condition::BadRequest),
        (
            form(&format!(
                "<field var='FORM_TYPE'><value>urn:x</value></field>{nick}{yes}"
            )),
            Condition::BadRequest,
        ),
        (query(""), Condition::BadRequest),
        // A nick that is none; one that is Bob's, who is there.
        (submit(" ", Some("1")), Condition::BadRequest),
        (submit("Ali\u{202a}ce", Some("1")), Condition::BadRequest),
        (submit("Bob", Some("1")), Condition::Conflict),
        // The field itself: nonsense, twice, with two values.
        (submit("Alice", Some("maybe")), Condition::BadRequest),
        (
            form(&format!("{form_type}{nick}{yes}{yes}")),
            Condition::BadRequest,
        ),
        (
            submit("Alice", Some("1</value><value>0")),
            Condition::BadRequest,
        ),
    ] {
        alice.send(xml!("{request}"));
        alice.expect(refused(condition));
        assert_eq!(house.registrations(), [], "{request}");
    }
    house.finish();
}

#[test]
fn a_nick_that_somebody_else_registered_is_a_conflict() {
    let house = House::new();
    house.alice("1");
    let carol = house.w.session("carol@a.example/x");
    carol.send(xml!("{}", submit("Alice", Some("1"))));
    carol.expect(refused(Condition::Conflict));
    // From another session of one's own it is the own nick.
    let desk = house.w.session("alice@a.example/desk");
    desk.asks(submit("Alice", Some("1")));
    assert_eq!(house.registrations().len(), 1);
    house.finish();
}

#[test]
fn outcasts_strangers_at_closed_doors_and_unknown_rooms() {
    let house = House::new();
    let alice = house.w.session("alice@a.example/phone");
    house.sets("<item affiliation='outcast' jid='alice@a.example'/>");
    alice.take_all();
    alice.send(xml!("{}", submit("Alice", Some("1"))));
    alice.expect(refused(Condition::NotAllowed));
    house
        .bob
        .configures(ROOM, [("muc#roomconfig_membersonly", "1")]);
    let carol = house.w.session("carol@a.example/x");
    carol.send(xml!("{}", submit("Carol", Some("1"))));
    carol.expect(refused(Condition::RegistrationRequired));
    carol.send(xml!(
        "{}",
        submit("Carol", Some("1")).replace("tea@", "coffee@")
    ));
    carol.expect(refused(Condition::ItemNotFound));
    assert_eq!(house.registrations(), []);
    house.finish();
}

#[test]
fn who_registers_becomes_a_member_before_all_who_are_there() {
    let house = House::new();
    let alice = house.w.session("alice@a.example/phone");
    alice.joins("tea@muc.example/Alice");
    house.bob.expect("<presence/>");
    alice.send(xml!("{}", submit("Alice", Some("1"))));
    house.bob.expect(
        "<presence from='tea@muc.example/Alice'>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member'/></x></presence>",
    );
    let came = alice.take_all();
    assert!(
        came.iter().any(|stanza| stanza.id() == Some("r")),
        "{came:?}"
    );
    house.finish();
}

#[test]
fn a_registrant_who_is_away_does_not_show_in_the_room() {
    let house = House::new();
    house.alice("1");
    let carol = house.w.session("carol@a.example/x");
    let came = carol.joins("tea@muc.example/Carol");
    let shown = came
        .iter()
        .filter_map(|stanza| stanza.from())
        .any(|from| from.as_str() == "tea@muc.example/Alice");
    assert!(!shown, "{came:?}");
    house.bob.expect("<presence from='tea@muc.example/Carol'/>");
    house.finish();
}

#[test]
fn rooms_and_their_service_announce_it() {
    let house = House::new();
    let alice = house.w.session("alice@a.example/phone");
    for entity in ["muc.example", "tea@muc.example"] {
        let info = alice.asks(xml!(
            "<iq type='get' id='d' to='{entity}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ));
        assert!(info.to_xml().contains(ns::MUC_OFFLINE), "{entity}");
    }
    house.finish();
}

#[test]
fn one_registrant_more_than_a_room_may_have_is_refused_and_the_others_stay() {
    let mut limits = Limits::default();
    limits.per_room = 1;
    let house = House::with(Settings::default(), limits);
    let alice = house.alice("1");
    let carol = house.w.session("carol@a.example/x");
    carol.send(xml!("{}", submit("Carol", Some("1"))));
    carol.expect(refused(Condition::ResourceConstraint));
    // Who is registered already may say it again, and others may decline.
    alice.asks(submit("Alice", Some("1")));
    carol.asks(submit("Carol", Some("0")));
    assert_eq!(house.registrations().len(), 1);
    house.finish();
}
