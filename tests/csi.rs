//! Clients that are not looked at, as their users see it afterwards.

use std::time::Duration;

use tower_xmpp::fork::ForkLayer;
use tower_xmpp::testkit::{Carbon, Session, Sessions, World, xml};

const COMPOSING: &str = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
const DELAY: &str = "<delay xmlns='urn:xmpp:delay' from='a.example' stamp='$since'/>";
const NO_DELAY: &str = "<absent><delay xmlns='urn:xmpp:delay'/></absent>";

/// Alice's phone and desk, with carbons, and Bob.
fn world() -> (World, Session, Session, Session) {
    let w = World::new();
    w.host("a.example", ForkLayer::new()).host("b.example", ());
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    let bob = w.session("bob@b.example/x");
    (w, phone, desk, bob)
}

#[test]
fn chat_states_wait_until_a_message_comes_and_say_since_when() {
    let (w, phone, desk, bob) = world();
    desk.active(false);
    for id in ["1", "2", "3"] {
        bob.send(xml!(
            "<message to='{phone}' type='chat' id='{id}'>{COMPOSING}</message>"
        ));
        phone.expect(xml!("<message id='{id}'>{COMPOSING}{NO_DELAY}</message>"));
    }
    desk.expect_nothing();
    w.advance(Duration::from_secs(30));
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='4'><body>hi</body></message>"
    ));
    phone.expect("<message id='4'/>");
    for id in ["1", "2", "3"] {
        let came = desk.expect(xml!(
            "<message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' id='{id}'>{NO_DELAY}</message></forwarded></received>\
             {DELAY}</message>"
        ));
        assert_eq!(&came["since"], "2026-01-01T00:00:00.000Z");
    }
    desk.expect_carbon(
        Carbon::Received,
        xml!("<message id='4'><body>hi</body>{NO_DELAY}</message>"),
    );
    w.finish();
}

#[test]
fn whoever_becomes_active_and_asks_gets_what_waited_before_the_answer() {
    let (w, _, desk, bob) = world();
    desk.active(false);
    bob.send(xml!("<presence to='{desk}'/>"));
    desk.expect_nothing();
    desk.active(true);
    desk.send("<iq type='get' id='p1' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    desk.expect(xml!("<presence from='{bob}'>{DELAY}</presence>"));
    desk.expect("<iq id='p1'/>");
    w.finish();
}

#[test]
fn an_answer_flushes_too_so_that_it_overtakes_nothing() {
    let (w, _, desk, bob) = world();
    desk.active(false);
    bob.send(xml!("<presence to='{desk}'/>"));
    desk.send("<iq type='get' id='p1' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    desk.expect(xml!("<presence from='{bob}'>{DELAY}</presence>"));
    desk.expect("<iq id='p1'/>");
    w.finish();
}

#[test]
fn of_a_contact_that_comes_and_goes_only_the_last_word_comes() {
    let (w, _, desk, bob) = world();
    desk.active(false);
    for show in ["away", "dnd", "xa"] {
        bob.send(xml!("<presence to='{desk}'><show>{show}</show></presence>"));
    }
    w.settle();
    desk.active(true);
    desk.expect("<presence><show>xa</show></presence>");
    w.finish();
}

#[test]
fn the_copy_of_an_answer_does_not_overtake_the_copy_of_what_it_answers() {
    let (w, phone, desk, bob) = world();
    desk.active(false);
    let question = "<received xmlns='urn:xmpp:receipts' id='m0'/>";
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='1'>{question}</message>"
    ));
    phone.expect("<message id='1'/>");
    phone.send(xml!(
        "<message to='{bob}' type='chat' id='2'><body>hi</body></message>"
    ));
    bob.expect("<message id='2'/>");
    desk.expect_carbon(Carbon::Received, "<message id='1'/>");
    desk.expect_carbon(Carbon::Sent, "<message id='2'/>");
    w.finish();
}

#[test]
fn a_resumed_client_is_active_and_gets_what_waited() {
    let (w, phone, desk, bob) = world();
    desk.active(false);
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='1'>{COMPOSING}</message>"
    ));
    phone.expect("<message id='1'/>");
    desk.hibernate();
    w.settle();
    desk.resume();
    desk.expect_carbon(Carbon::Received, "<message id='1'/>");
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='2'>{COMPOSING}</message>"
    ));
    phone.expect("<message id='2'/>");
    desk.expect_carbon(Carbon::Received, "<message id='2'/>");
    w.finish();
}

#[test]
fn what_waits_for_a_client_that_never_comes_back_meets_its_fate() {
    let w = World::new();
    w.host("a.example", ()).host("b.example", ());
    let phone = w.session("alice@a.example/phone").priority(5);
    let bob = w.session("bob@b.example/x");
    phone.active(false);
    bob.send(xml!("<presence to='{phone}'/>"));
    bob.send(xml!(
        "<message to='alice@a.example' type='chat' id='1'>{COMPOSING}</message>"
    ));
    w.settle();
    let desk = w.session("alice@a.example/desk");
    phone.expire();
    desk.expect(xml!("<message id='1'>{COMPOSING}{NO_DELAY}</message>"));
    w.finish();
}

#[test]
fn nothing_waits_for_longer_than_an_hour() {
    let (w, phone, desk, bob) = world();
    desk.active(false);
    bob.send(xml!(
        "<message to='{phone}' type='chat' id='1'>{COMPOSING}</message>"
    ));
    phone.expect("<message id='1'/>");
    w.advance(Duration::from_secs(30 * 60));
    desk.expect_nothing();
    w.advance(Duration::from_secs(30 * 60));
    desk.expect_carbon(Carbon::Received, "<message id='1'/>");
    w.finish();
}
