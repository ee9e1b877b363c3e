//! What answers mean.

use tower_xmpp::stanza::Condition;
use tower_xmpp::testkit::xml;

use super::house::{House, ROOM, answers, notified, refuses};

#[test]
fn a_client_that_is_gone_or_not_interested_is_forgotten() {
    for condition in [Condition::ItemNotFound, Condition::NotAcceptable] {
        let house = House::new();
        house.alice_sleeps();
        house.says("m1");
        let got = notified(&house.alice, "n1");
        refuses(&house.alice, &got, condition);
        assert_eq!(house.targets(), [], "{condition:?}");
        house.says("m2");
        house.w.finish();
    }
    // No session: its server answers for it.
    let house = House::new();
    house.alice_sleeps();
    house.alice.lose();
    house.says("m1");
    assert_eq!(house.targets(), []);
    house.w.finish();
}

#[test]
fn a_hibernating_client_keeps_the_question_and_answers_when_it_is_back() {
    let house = House::new();
    house.alice_sleeps();
    house.alice.hibernate();
    house.says("m1");
    assert_eq!(house.targets().len(), 1);
    house.w.advance(std::time::Duration::from_secs(300));
    house.alice.resume();
    let got = notified(&house.alice, "n1");
    answers(&house.alice, &got);
    house.says("m2");
    assert_eq!(house.targets().len(), 1);
    house.w.finish();
}

#[test]
fn a_client_that_does_not_come_back_from_hibernation_is_forgotten() {
    let house = House::new();
    house.alice_sleeps();
    house.alice.hibernate();
    house.says("m1");
    house.alice.expire();
    assert_eq!(house.targets(), []);
    house.w.finish();
}

#[test]
fn what_may_be_better_later_is_asked_again_after_a_pause() {
    let house = House::new();
    house.alice_sleeps();
    house.says("m1");
    let got = notified(&house.alice, "n1");
    refuses(&house.alice, &got, Condition::ResourceConstraint);
    house.says("m2");
    house.alice.expect_nothing();
    house.w.advance(std::time::Duration::from_secs(60));
    house.says("m3");
    let again = notified(&house.alice, "n1");
    assert_ne!(got["id"], again["id"]);
    house.w.finish();
}

#[test]
fn no_answer_at_all_is_asked_again_after_ten_minutes() {
    let house = House::new();
    house.alice_sleeps();
    house.says("m1");
    notified(&house.alice, "n1");
    house.w.advance(std::time::Duration::from_secs(599));
    house.says("m2");
    house.alice.expect_nothing();
    house.w.advance(std::time::Duration::from_secs(1));
    house.says("m3");
    notified(&house.alice, "n1");
    house.w.finish();
}

#[test]
fn an_answer_counts_however_late_it_comes() {
    for condition in [None, Some(Condition::ItemNotFound)] {
        let house = House::new();
        house.alice_sleeps();
        house.says("m1");
        let got = notified(&house.alice, "n1");
        house.w.advance(std::time::Duration::from_secs(86_400));
        match condition {
            None => answers(&house.alice, &got),
            Some(condition) => refuses(&house.alice, &got, condition),
        }
        let left = usize::from(condition.is_none());
        assert_eq!(house.targets().len(), left, "{condition:?}");
        house.says("m2");
        house.alice.expect_nothing();
        house.w.finish();
    }
}

#[test]
fn a_server_that_cannot_be_reached_now_keeps_the_registration() {
    let house = House::new();
    house.alice_sleeps();
    for minutes in [1, 2, 4] {
        house.says("m1");
        let got = notified(&house.alice, "n1");
        refuses(&house.alice, &got, Condition::RemoteServerTimeout);
        house.says("m2");
        house.alice.expect_nothing();
        house
            .w
            .advance(std::time::Duration::from_secs(60 * minutes));
    }
    assert_eq!(house.targets().len(), 1);
    house.w.finish();
}

#[test]
fn an_answer_by_somebody_else_or_to_another_question_changes_nothing() {
    let house = House::new();
    house.alice_sleeps();
    house.says("m1");
    let got = notified(&house.alice, "n1");
    let desk = house.w.session("alice@a.example/desk");
    for (session, id) in [
        (&desk, &got["id"]),
        (&house.bob, &got["id"]),
        (&house.alice, "other"),
    ] {
        session.send(xml!(
            "<iq type='error' id='{id}' to='{ROOM}'><error type='cancel'>\
             <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    }
    assert_eq!(house.targets().len(), 1);
    // The one that counts still does.
    refuses(&house.alice, &got, Condition::ItemNotFound);
    assert_eq!(house.targets(), []);
    house.w.finish();
}
