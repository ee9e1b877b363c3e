//! Who has carbons: they are announced, switched on and off, and last as long
//! as the session.

use tower_xmpp::stanza::ns;
use tower_xmpp::testkit::{Carbon, Sessions, xml};

use super::{HI, bob, world};

#[test]
fn the_server_says_that_it_copies_and_by_which_rules() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    phone.send("<iq type='get' id='d1' to='a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    phone.expect(
        "<iq type='result' id='d1'><query xmlns='http://jabber.org/protocol/disco#info'>\
         <feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:carbons:rules:0'/>\
         <feature var='urn:xmpp:im-ng:0'/></query></iq>",
    );
    w.finish();
}

#[test]
fn enabling_twice_and_disabling_twice_gives_four_results() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let bob = bob(&w);
    let asks = |what: &str, id: &str, to: &str| {
        desk.send(xml!(
            "<iq type='set' id='{id}'{to}><{what} xmlns='urn:xmpp:carbons:2'/></iq>"
        ));
        desk.expect(xml!(
            "<iq type='result' id='{id}' from='alice@a.example' to='{desk}'/>"
        ));
    };
    asks("enable", "c1", "");
    // To nobody and to the own account mean the same.
    asks("enable", "c2", " to='alice@a.example'");
    bob.send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    asks("disable", "c3", " to='alice@a.example'");
    asks("disable", "c4", "");
    bob.send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    w.finish();
}

#[test]
fn nobody_switches_carbons_of_somebody_else() {
    let w = world();
    let [phone, _desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    let bob = bob(&w);
    let carol = w.session("carol@a.example/home");
    for stranger in [&bob, &carol] {
        stranger.send(
            "<iq type='set' id='c1' to='alice@a.example'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
        );
        stranger.expect(
            "<iq type='error' id='c1' from='alice@a.example'><error type='cancel'>\
             <not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        );
    }
    bob.send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    w.finish();
}

#[test]
fn a_request_that_carbons_do_not_know_is_a_bad_request() {
    let w = world();
    let desk = w.session("alice@a.example/desk");
    for request in [
        "<iq type='get' id='c1'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
        "<iq type='set' id='c1'><perhaps xmlns='urn:xmpp:carbons:2'/></iq>",
    ] {
        desk.send(request);
        desk.expect(
            "<iq type='error' id='c1'><error type='modify'>\
             <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        );
    }
    w.finish();
}

#[test]
fn carbons_switched_on_while_binding_copy_the_first_message_after_it() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let desk = w.bind_with("alice@a.example/desk", &[ns::CARBONS]);
    bob(&w).send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    w.finish();
}

#[test]
fn a_resumed_session_keeps_what_it_had_and_what_came_meanwhile() {
    let w = world();
    let [phone, tv] = w.sessions("alice@a.example", ["phone", "tv"]);
    let desk = w.session("alice@a.example/desk").carbons();
    let bob = bob(&w);
    desk.hibernate();
    tv.hibernate();
    w.settle();
    bob.send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_nothing();
    desk.resume();
    tv.resume();
    desk.expect_carbon(Carbon::Received, HI);
    bob.send(xml!(
        "<message to='{phone}' type='chat'><body>ho</body></message>"
    ));
    phone.expect("<message><body>ho</body></message>");
    desk.expect_carbon(Carbon::Received, "<message><body>ho</body></message>");
    w.finish();
}

#[test]
fn a_session_after_a_failed_resumption_has_carbons_off() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    w.session("alice@a.example/desk")
        .carbons()
        .hibernate()
        .expire();
    w.settle();
    let _desk = w.session("alice@a.example/desk");
    bob(&w).send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    w.finish();
}

#[test]
fn the_copies_of_a_session_that_expires_are_forgotten() {
    let w = world();
    let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]).carbons();
    desk.withhold_acks();
    bob(&w).send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    desk.expect_carbon(Carbon::Received, HI);
    desk.hibernate().expire();
    w.finish();
}

#[test]
fn the_chat_of_a_session_that_expires_goes_to_another_exactly_once() {
    let w = world();
    let phone = w.session("alice@a.example/phone").carbons();
    let desk = w.session("alice@a.example/desk");
    phone.withhold_acks();
    bob(&w).send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    phone.hibernate().expire();
    desk.expect(HI);
    w.finish();
}
