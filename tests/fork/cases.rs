//! The cases of the digest: which dialogue plays which, and those that are
//! played nowhere else.

use tower_xmpp::fork::{Mode, Negotiation};
use tower_xmpp::stanza::{Element, ns};
use tower_xmpp::testkit::{Carbon, Session, World, xml};

use super::{HI, bob, world};

/// Number, file, test. Cases 10, 12, 13 and 26 are cells of the table as well.
const CASES: &[(u8, &str, &str)] = &[
    (
        1,
        CARBONS,
        "of_three_sessions_one_gets_the_chat_one_a_copy_and_one_that_did_not_ask_nothing",
    ),
    (
        2,
        CARBONS,
        "a_chat_to_the_account_goes_to_the_highest_priority_and_as_a_copy_to_the_other",
    ),
    (
        3,
        CARBONS,
        "a_chat_that_every_session_gets_anyway_is_not_copied",
    ),
    (
        4,
        CARBONS,
        "a_session_of_negative_priority_gets_its_copy_of_a_chat_to_the_account",
    ),
    (
        5,
        MODES,
        "a_session_of_negative_priority_gets_what_is_for_the_account_and_nothing_is_kept",
    ),
    (
        6,
        CARBONS,
        "what_a_session_without_carbons_sends_is_copied_to_one_with_them",
    ),
    (7, CARBONS, "the_sender_gets_nothing_back"),
    (
        8,
        CARBONS,
        "what_is_private_reaches_its_session_alone_and_stays_marked",
    ),
    (
        9,
        CARBONS,
        "what_is_private_reaches_its_session_alone_and_stays_marked",
    ),
    (
        10,
        HERE,
        "normal_without_a_body_is_forked_by_mr2_and_not_copied_by_carbons",
    ),
    (
        11,
        CARBONS,
        "a_normal_message_is_copied_if_it_has_a_body_or_a_receipt_and_else_not",
    ),
    (
        12,
        HERE,
        "a_headline_to_the_account_comes_as_it_is_and_with_mr2_to_negative_priorities_too",
    ),
    (13, HERE, "a_headline_that_is_sent_is_copied_in_goal_alone"),
    (
        14,
        CARBONS,
        "groupchat_to_the_account_is_refused_and_not_copied",
    ),
    (
        15,
        CARBONS,
        "an_error_that_answers_a_chat_reaches_the_other_session_as_a_copy",
    ),
    (
        16,
        CARBONS,
        "the_bounce_of_a_copy_never_reaches_who_wrote_the_message",
    ),
    (
        17,
        CARBONS,
        "a_private_message_of_a_room_reaches_the_session_that_it_is_for_alone",
    ),
    (
        17,
        CARBONS,
        "a_private_message_to_an_occupant_is_copied_to_the_sessions_in_that_room_only",
    ),
    (18, CARBONS, "an_invitation_reaches_every_session_once"),
    (
        19,
        SWITCHING,
        "enabling_twice_and_disabling_twice_gives_four_results",
    ),
    (20, SWITCHING, "nobody_switches_carbons_of_somebody_else"),
    (21, HERE, "who_asks_too_late_is_told_and_gets_what_it_got"),
    (
        22,
        MODES,
        "what_was_negotiated_outlives_a_resumption_and_ends_with_the_session",
    ),
    (
        23,
        SWITCHING,
        "carbons_switched_on_while_binding_copy_the_first_message_after_it",
    ),
    (
        24,
        HERE,
        "binding_beside_a_resumption_that_succeeds_changes_nothing",
    ),
    (
        25,
        MODES,
        "a_marked_message_is_for_the_session_it_names_or_comes_back",
    ),
    (
        26,
        HERE,
        "an_error_for_one_session_reaches_all_that_speak_im_ng",
    ),
    (
        27,
        CARBONS,
        "a_message_to_oneself_reaches_each_other_session_exactly_once",
    ),
    (
        28,
        CSI,
        "chat_states_wait_until_a_message_comes_and_say_since_when",
    ),
    (29, CSI, "a_resumed_client_is_active_and_gets_what_waited"),
    (
        30,
        SWITCHING,
        "the_copies_of_a_session_that_expires_are_forgotten",
    ),
    (
        31,
        SWITCHING,
        "the_chat_of_a_session_that_expires_goes_to_another_exactly_once",
    ),
    (
        32,
        CSI,
        "whoever_becomes_active_and_asks_gets_what_waited_before_the_answer",
    ),
    (
        33,
        CARBONS,
        "a_forged_copy_from_somebody_else_is_a_message_like_any_other",
    ),
    (
        34,
        CARBONS,
        "the_copy_of_an_archived_message_bears_the_archive_id_and_what_leaves_does_not",
    ),
    (
        35,
        CARBONS,
        "what_came_on_a_server_stream_is_copied_as_a_client_has_it",
    ),
    (
        36,
        MODES,
        "a_session_that_takes_part_in_two_ways_gets_the_greater_one_only",
    ),
];

const HERE: &str = include_str!("cases.rs");
const CARBONS: &str = include_str!("carbons.rs");
const SWITCHING: &str = include_str!("switching.rs");
const MODES: &str = include_str!("modes.rs");
const CSI: &str = include_str!("../csi.rs");

#[test]
fn every_case_is_played() {
    for number in 1..=36 {
        assert!(CASES.iter().any(|case| case.0 == number), "{number}");
    }
    for (number, file, test) in CASES {
        let is_there = file.contains(&format!("#[test]\nfn {test}()"));
        assert!(is_there, "case {number}: there is no {test}");
    }
}

fn in_mode(w: &World, resource: &str, mode: Mode) -> Session {
    w.bind_with(&format!("alice@a.example/{resource}"), &[mode.namespace()])
}

#[test]
fn normal_without_a_body_is_forked_by_mr2_and_not_copied_by_carbons() {
    let w = world();
    let phone = w.session("alice@a.example/phone").priority(5);
    let _carbons = w.session("alice@a.example/carbons").carbons();
    let mr2 = in_mode(&w, "mr2", Mode::Mr2);
    let data = "<data xmlns='http://jabber.org/protocol/ibb'/>";
    bob(&w).send(xml!("<message to='alice@a.example'>{data}</message>"));
    phone.expect(xml!("<message>{data}</message>"));
    mr2.expect(xml!("<message>{data}</message>"));
    w.finish();
}

#[test]
fn a_headline_to_the_account_comes_as_it_is_and_with_mr2_to_negative_priorities_too() {
    let w = world();
    let [carbons, mr2, goal, ng] = Mode::ALL.map(|mode| in_mode(&w, mode.namespace(), mode));
    let carbons = carbons.priority(0);
    let [mr2, _goal, ng] = [mr2, goal, ng].map(|session| session.priority(-1));
    bob(&w).send("<message to='alice@a.example' type='headline'><body>hi</body></message>");
    for session in [carbons, mr2, ng] {
        session.expect("<message from='bob@b.example/x' type='headline'><body>hi</body></message>");
    }
    w.finish();
}

#[test]
fn a_headline_that_is_sent_is_copied_in_goal_alone() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let [_carbons, _mr2, goal, _ng] = Mode::ALL.map(|mode| in_mode(&w, mode.namespace(), mode));
    let bob = bob(&w);
    phone.send(xml!(
        "<message to='{bob}' type='headline'><body>hi</body></message>"
    ));
    bob.expect(HI);
    goal.expect(
        "<message type='headline'><sent xmlns='tower-xmpp:goal:0'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' type='headline'/></forwarded></sent></message>",
    );
    w.finish();
}

#[test]
fn an_error_for_one_session_reaches_all_that_speak_im_ng() {
    let w = world();
    let [phone, desk] = ["phone", "desk"].map(|name| in_mode(&w, name, Mode::ImNg));
    let _other = in_mode(&w, "other", Mode::Goal);
    bob(&w).send(xml!(
        "<message to='{phone}' type='error' id='m1'><error type='cancel'/></message>"
    ));
    for session in [phone, desk] {
        session.expect("<message type='error' id='m1'/>");
    }
    w.finish();
}

/// What a client says between login and binding.
fn enable(mode: Mode) -> Element {
    Element::new("enable", mode.namespace())
}

#[test]
fn who_asks_too_late_is_told_and_gets_what_it_got() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let mut stream = Negotiation::new();
    stream.authenticated();
    let desk = w.bind_with("alice@a.example/desk", &names(&stream.bound()));
    let answer = stream
        .nonza(enable(Mode::Mr2).view())
        .expect("it is about forking");
    assert!(answer.view().has_child("unexpected-request", ns::STANZAS));
    bob(&w).send(xml!(
        "<message to='{phone}' type='chat'><body>hi</body></message>"
    ));
    phone.expect(HI);
    // The stream is up.
    desk.asks("<iq type='get' id='p1' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    w.finish();
}

#[test]
fn binding_beside_a_resumption_that_succeeds_changes_nothing() {
    let bind = Element::parse(
        b"<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:mr2:0'/>\
          <enable xmlns='urn:xmpp:carbons:2'/></bind>",
    )
    .expect("XML");
    for had_carbons in [true, false] {
        let w = world();
        let phone = w.session("alice@a.example/phone");
        let desk = match had_carbons {
            true => in_mode(&w, "desk", Mode::Carbons),
            false => w.bind("alice@a.example/desk"),
        };
        desk.hibernate();
        w.settle();

        let mut stream = Negotiation::new();
        stream.authenticated();
        stream.bind2(bind.view());
        stream.resumed();
        desk.resume();
        assert!(stream.bound().is_empty());

        bob(&w).send(xml!(
            "<message to='{phone}' type='chat'><body>hi</body></message>"
        ));
        phone.expect(HI);
        if had_carbons {
            desk.expect_carbon(Carbon::Received, HI);
        }
        w.finish();
    }
}

#[test]
fn what_a_stream_negotiated_is_what_the_session_has() {
    let w = world();
    let phone = w.session("alice@a.example/phone");
    let mut stream = Negotiation::new();
    stream.authenticated();
    let answer = stream.nonza(enable(Mode::Goal).view());
    assert!(answer.is_some_and(|answer| answer.view().is("enabled", ns::GOAL)));
    let enabled = stream.bound();
    assert_eq!(enabled, [ns::GOAL]);
    let desk = w.bind_with("alice@a.example/desk", &names(&enabled));
    bob(&w).send(xml!("<message to='{phone}'><body>hi</body></message>"));
    phone.expect(HI);
    desk.expect("<message><received xmlns='tower-xmpp:goal:0'/></message>");
    w.finish();
}

fn names(enabled: &[String]) -> Vec<&str> {
    enabled.iter().map(String::as_str).collect()
}
