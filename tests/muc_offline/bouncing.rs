//! What the account's server says to it.

use tower_xmpp::stanza::{Condition, StanzaError};
use tower_xmpp::testkit::xml;

use super::house::{House, ROOM, submit};

#[test]
fn an_unreachable_server_ends_nothing() {
    let house = House::new();
    house.alice("1");
    for condition in [
        Condition::RemoteServerTimeout,
        Condition::RemoteServerNotFound,
        Condition::ResourceConstraint,
    ] {
        house.mail.refuse(StanzaError::new(condition));
        for number in 0..5 {
            house.says(&format!("m{number}"));
        }
        assert_eq!(house.forwarded().len(), 5);
    }
    house.finish();
}

#[test]
fn a_server_that_refuses_three_times_in_a_row_is_left_alone_and_nobody_else_suffers() {
    let house = House::new();
    house.alice("1");
    let carol = house.w.session("carol@a.example/x");
    carol.joins("tea@muc.example/Carol");
    house.bob.expect("<presence/>");
    house
        .mail
        .refuse(StanzaError::new(Condition::ServiceUnavailable));
    for number in 0..5 {
        let id = format!("m{number}");
        house.says(&id);
        carol.expect(xml!("<message id='{id}'/>"));
    }
    assert_eq!(house.forwarded(), ["m0", "m1", "m2"]);
    assert_eq!(house.registrations(), []);
    assert_eq!(house.w.occupants(ROOM).len(), 2);
    house.finish();
}

#[test]
fn one_message_that_was_taken_begins_the_count_anew() {
    let house = House::new();
    house.alice("1");
    for number in 0..9 {
        let refused = number % 3 != 2;
        let error = refused.then(|| StanzaError::new(Condition::ServiceUnavailable));
        house.mail.refuse(error);
        house.says(&format!("m{number}"));
    }
    assert_eq!(house.forwarded().len(), 9);
    house.finish();
}

#[test]
fn whoever_has_been_in_the_room_begins_the_count_anew() {
    let house = House::new();
    let alice = house.alice("1");
    house
        .mail
        .refuse(StanzaError::new(Condition::ServiceUnavailable));
    for number in 0..2 {
        house.says(&format!("m{number}"));
    }
    alice.joins("tea@muc.example/Alice");
    alice.send(xml!("<presence type='unavailable' to='{ROOM}/Alice'/>"));
    alice.take_all();
    house.bob.take_all();
    for number in 2..6 {
        house.says(&format!("m{number}"));
    }
    assert_eq!(house.forwarded(), ["m0", "m1", "m2", "m3", "m4"]);
    house.finish();
}

#[test]
fn an_account_that_is_not_there_ends_it_at_once() {
    for condition in [
        Condition::ItemNotFound,
        Condition::Gone,
        Condition::Forbidden,
        Condition::JidMalformed,
    ] {
        let house = House::new();
        house.alice("1");
        house.mail.refuse(StanzaError::new(condition));
        house.says("m1");
        house.says("m2");
        assert_eq!(house.forwarded(), ["m1"], "{condition:?}");
        house.finish();
    }
}

#[test]
fn an_error_about_something_else_or_from_somebody_else_ends_nothing() {
    let house = House::new();
    let alice = house.alice("1");
    let carol = house.w.session("carol@a.example/x");
    carol.asks(submit("Carol", Some("0")));
    house.says("m1");
    for (from, id) in [(&alice, "other"), (&alice, "m1"), (&carol, "m1")] {
        // From a session it is not the account's server that speaks.
        from.send(xml!(
            "<message type='error' to='{ROOM}/Bob' id='{id}'><error type='cancel'>\
             <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ));
    }
    house.says("m2");
    assert_eq!(house.forwarded(), ["m1", "m2"]);
    house.finish();
}
