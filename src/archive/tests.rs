//! The rules, one by one. What becomes of whole conversations stands in
//! `tests/archive/`.

use jid::Jid;

use super::rules::{direction, may_concern};
use super::*;
use crate::flow::{Entropy, Route};
use crate::stanza::{Stanza, ns};

use Decision::{Archive as Keep, Skip as Leave};

const ALICE: &str = "alice@a.example";

fn jid(text: &str) -> Jid {
    Jid::new(text).expect("a JID")
}

fn message(attributes: &str, children: &str) -> Stanza {
    let xml = format!("<message {attributes}>{children}</message>");
    Stanza::parse(xml.as_bytes()).expect("a message")
}

/// What Alice's archive does with a message of this type that Bob sends her.
fn incoming(type_: &str, children: &str) -> Decision {
    let head = format!("from='bob@b.example/x' to='{ALICE}' type='{type_}'");
    let stanza = message(&head, children);
    let decision = decide(
        &stanza,
        &jid(ALICE),
        Direction::Incoming,
        &Settings::default(),
    );
    asked_about(&stanza, Direction::Incoming, decision);
    decision
}

/// What Alice's archive does with what she sends.
fn outgoing(attributes: &str, children: &str) -> Decision {
    let stanza = message(attributes, children);
    let sender = jid("alice@a.example/phone");
    let decision = decide(&stanza, &sender, Direction::Outgoing, &Settings::default());
    asked_about(&stanza, Direction::Outgoing, decision);
    decision
}

/// The cheap question must never hide what the decision would keep.
fn asked_about(stanza: &Stanza, direction: Direction, decision: Decision) {
    if let Keep(_) = decision {
        assert!(
            may_concern(stanza, direction, &Settings::default()),
            "{stanza:?}"
        );
    }
}

/// The children that are left after Alice's archive removed what is forged.
fn cleansed(children: &str) -> Vec<String> {
    cleansed_for(ALICE, Direction::Incoming, children)
}

fn cleansed_for(owner: &str, direction: Direction, children: &str) -> Vec<String> {
    let mut stanza = message("", children);
    let before = stanza.children().count();
    let removed = cleanse(&mut stanza, &jid(owner), direction);
    if removed > 0 {
        assert!(may_concern(
            &message("", children),
            direction,
            &Settings::default()
        ));
    }
    let left: Vec<_> = stanza
        .children()
        .map(|child| child.attr("id").unwrap_or(child.name()).to_owned())
        .collect();
    assert_eq!(left.len() + removed, before);
    left
}

/// A stanza-id with the ID `x`.
fn by(by: &str) -> String {
    format!("<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='x'/>")
}

const BODY: &str = "<body>hi</body>";

#[test]
fn chat_and_normal_with_a_body_are_archived_in_either_direction() {
    for type_ in ["chat", "normal", "something-new"] {
        assert_eq!(incoming(type_, BODY), Keep(Why::Body), "{type_}");
        let out = format!("to='bob@b.example' type='{type_}'");
        assert_eq!(outgoing(&out, BODY), Keep(Why::Body), "{type_}");
    }
    assert_eq!(outgoing("to='bob@b.example'", BODY), Keep(Why::Body));
}

#[test]
fn what_means_something_without_a_body_is_archived() {
    for (child, why) in [
        (
            "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:example'/>",
            Why::Encrypted,
        ),
        (
            "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
            Why::Encrypted,
        ),
        ("<encrypted xmlns='urn:xmpp:omemo:2'/>", Why::Encrypted),
        (
            "<received xmlns='urn:xmpp:receipts' id='m1'/>",
            Why::Receipt,
        ),
        (
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
            Why::Marker,
        ),
        (
            "<x xmlns='jabber:x:conference' jid='r@muc.example'/>",
            Why::Invitation,
        ),
        (
            "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='bob@b.example'/></x>",
            Why::Invitation,
        ),
        (
            "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>",
            Why::Call,
        ),
        (
            "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>",
            Why::Retraction,
        ),
        ("<subject>plans</subject>", Why::Subject),
    ] {
        assert_eq!(incoming("normal", child), Keep(why), "{child}");
        assert_eq!(incoming("chat", child), Keep(why), "{child}");
    }
}

#[test]
fn what_only_asks_for_a_sign_of_life_is_not_archived() {
    for child in [
        "<request xmlns='urn:xmpp:receipts'/>",
        "<markable xmlns='urn:xmpp:chat-markers:0'/>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<x xmlns='http://jabber.org/protocol/muc#user'/>",
        "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
        "",
    ] {
        assert_eq!(incoming("chat", child), Leave(Skip::Passing), "{child}");
    }
}

#[test]
fn the_kinds_that_the_settings_leave_out_are_not_archived() {
    let none = Settings {
        groupchat: false,
        receipts: false,
        markers: false,
        invitations: false,
        calls: false,
    };
    for (child, expected) in [
        (
            "<received xmlns='urn:xmpp:receipts' id='m1'/>",
            Leave(Skip::Unwanted(Why::Receipt)),
        ),
        (
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
            Leave(Skip::Unwanted(Why::Marker)),
        ),
        (
            "<x xmlns='jabber:x:conference' jid='r@muc.example'/>",
            Leave(Skip::Unwanted(Why::Invitation)),
        ),
        (
            "<accept xmlns='urn:xmpp:jingle-message:0' id='c1'/>",
            Leave(Skip::Unwanted(Why::Call)),
        ),
        (BODY, Keep(Why::Body)),
        (
            "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>",
            Keep(Why::Retraction),
        ),
        ("<store xmlns='urn:xmpp:hints'/>", Keep(Why::StoreHint)),
    ] {
        let stanza = message("type='chat'", child);
        let decision = decide(&stanza, &jid(ALICE), Direction::Incoming, &none);
        assert_eq!(decision, expected, "{child}");
    }
}

#[test]
fn a_store_hint_archives_what_would_not_be() {
    let hint = "<store xmlns='urn:xmpp:hints'/>";
    let reaction = format!(
        "<reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>+</reaction></reactions>{hint}"
    );
    assert_eq!(incoming("chat", &reaction), Keep(Why::StoreHint));
    assert_eq!(incoming("headline", hint), Keep(Why::StoreHint));
}

#[test]
fn headlines_are_not_archived() {
    assert_eq!(incoming("headline", BODY), Leave(Skip::Headline));
}

#[test]
fn groupchat_is_left_to_the_archive_of_the_room() {
    let hinted = format!("{BODY}<store xmlns='urn:xmpp:hints'/>");
    assert_eq!(incoming("groupchat", &hinted), Leave(Skip::Groupchat));
}

#[test]
fn a_private_message_of_a_room_is_archived_as_any_chat() {
    let child = format!("{BODY}<x xmlns='http://jabber.org/protocol/muc#user'/>");
    assert_eq!(incoming("chat", &child), Keep(Why::Body));
    let out = "to='room@muc.example/Bob' type='chat'";
    assert_eq!(outgoing(out, &child), Keep(Why::Body));
}

#[test]
fn an_error_with_a_store_hint_is_not_archived() {
    let child = format!("{BODY}<store xmlns='urn:xmpp:hints'/>");
    assert_eq!(incoming("error", &child), Leave(Skip::Error));
    let out = "to='bob@b.example' type='error'";
    assert_eq!(outgoing(out, &child), Leave(Skip::Error));
}

#[test]
fn no_store_and_no_permanent_store_keep_a_message_out() {
    for (hint, skip) in [
        ("no-store", Skip::NoStore),
        ("no-permanent-store", Skip::NoPermanentStore),
    ] {
        let child = format!("{BODY}<{hint} xmlns='urn:xmpp:hints'/>");
        assert_eq!(incoming("chat", &child), Leave(skip));
        assert_eq!(outgoing("to='bob@b.example'", &child), Leave(skip));
        // The same words in another namespace are somebody else's.
        let child = format!("{BODY}<{hint} xmlns='urn:example'/>");
        assert_eq!(incoming("chat", &child), Keep(Why::Body));
    }
}

#[test]
fn no_store_wins_over_store() {
    for hints in [
        "<store xmlns='urn:xmpp:hints'/><no-store xmlns='urn:xmpp:hints'/>",
        "<no-store xmlns='urn:xmpp:hints'/><store xmlns='urn:xmpp:hints'/>",
    ] {
        assert_eq!(
            incoming("chat", &format!("{BODY}{hints}")),
            Leave(Skip::NoStore)
        );
    }
    let both = "<store xmlns='urn:xmpp:hints'/><no-permanent-store xmlns='urn:xmpp:hints'/>";
    assert_eq!(
        incoming("chat", &format!("{BODY}{both}")),
        Leave(Skip::NoPermanentStore)
    );
}

#[test]
fn a_message_to_oneself_is_left_to_the_pass_inward() {
    for to in [
        "to='alice@a.example'",
        "to='alice@a.example/desk'",
        "to='alice@a.example/phone'",
        "",
    ] {
        assert_eq!(outgoing(to, BODY), Leave(Skip::ToSelf), "{to}");
    }
    assert_eq!(outgoing("to='alice@b.example'", BODY), Keep(Why::Body));
    assert_eq!(outgoing("to='a.example'", BODY), Keep(Why::Body));
    assert_eq!(incoming("chat", BODY), Keep(Why::Body));
}

#[test]
fn a_message_to_something_that_is_no_address_is_not_archived() {
    assert_eq!(outgoing("to='@@'", BODY), Leave(Skip::Unaddressed));
}

#[test]
fn a_stanza_id_of_the_account_is_removed_however_the_address_is_spelled() {
    for spelling in [
        "alice@a.example",
        "ALICE@a.example",
        "Alice@A.Example",
        "alice@a.example.",
        // Not normalised, so no address at all.
        " alice@a.example ",
        "alice@a.example&#10;",
    ] {
        assert_eq!(cleansed(&by(spelling)), [""; 0], "{spelling:?}");
    }
}

#[test]
fn the_two_spellings_of_an_international_domain_are_one() {
    let (unicode, ascii) = ("alice@bücher.example", "alice@xn--bcher-kva.example");
    let shouted = "alice@BÜCHER.example";
    for (owner, forged) in [
        (unicode, unicode),
        (unicode, shouted),
        (unicode, ascii),
        (ascii, unicode),
        (ascii, "alice@XN--bcher-kva.example"),
        (ascii, "alice@bücher.example."),
    ] {
        let left = cleansed_for(owner, Direction::Incoming, &by(forged));
        assert_eq!(left, [""; 0], "{forged} for {owner}");
    }
    let left = cleansed_for(unicode, Direction::Incoming, &by("alice@bucher.example"));
    assert_eq!(left, ["x"]);
}

#[test]
fn a_stanza_id_of_the_account_with_a_resource_is_removed() {
    assert_eq!(cleansed(&by("alice@a.example/phone")), [""; 0]);
}

#[test]
fn a_stanza_id_without_by_or_by_no_address_is_removed() {
    for forged in [
        "<stanza-id xmlns='urn:xmpp:sid:0' id='x'/>".to_owned(),
        "<stanza-id xmlns='urn:xmpp:sid:0'/>".to_owned(),
        by(""),
        by("@"),
        by("a b@c"),
    ] {
        assert_eq!(cleansed(&forged), [""; 0], "{forged}");
    }
}

#[test]
fn stanza_ids_of_others_stay() {
    for other in [
        "room@muc.example",
        "room@a.example",
        "a.example",
        "bob@a.example",
        "alice@b.example",
        "alice@a.example.org",
    ] {
        assert_eq!(cleansed(&by(other)), ["x"], "{other}");
    }
}

#[test]
fn every_forged_stanza_id_goes_and_everything_else_stays() {
    let forged = by(ALICE);
    let others = format!(
        "{BODY}{forged}<origin-id xmlns='urn:xmpp:sid:0' id='mine'/>{forged}\
         <stanza-id xmlns='urn:example' by='{ALICE}' id='other'/>{forged}"
    );
    for direction in [Direction::Incoming, Direction::Outgoing] {
        let left = cleansed_for(ALICE, direction, &others);
        assert_eq!(left, ["body", "mine", "other"]);
    }
    // On the way out, the owner is known by its session.
    let left = cleansed_for("alice@a.example/phone", Direction::Outgoing, &others);
    assert_eq!(left, ["body", "mine", "other"]);
}

#[test]
fn a_forged_stanza_id_inside_forwarded_is_untouched() {
    let forged = by(ALICE);
    let forwarded = format!(
        "<forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client'>{BODY}{forged}</message></forwarded>"
    );
    let mut stanza = message("", &format!("{forwarded}{forged}"));
    assert_eq!(cleanse(&mut stanza, &jid(ALICE), Direction::Incoming), 1);
    let inside = stanza
        .child("forwarded", ns::FORWARD)
        .and_then(|forwarded| forwarded.child("message", ns::CLIENT))
        .and_then(|message| message.child("stanza-id", ns::SID));
    assert_eq!(inside.and_then(|id| id.attr("by")), Some(ALICE));
}

#[test]
fn a_delay_in_the_name_of_the_own_server_is_removed_on_the_way_in() {
    let delay = |from: &str| {
        format!("<delay xmlns='urn:xmpp:delay' from='{from}' stamp='2002-09-10T23:08:25Z' id='d'/>")
    };
    for forged in ["a.example", "A.example", "alice@a.example", "a.example/x"] {
        assert_eq!(cleansed(&delay(forged)), [""; 0], "{forged}");
    }
    for genuine in ["b.example", "room@muc.example", "room@a.example", "@@"] {
        assert_eq!(cleansed(&delay(genuine)), ["d"], "{genuine}");
    }
    let unsigned = "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z' id='d'/>";
    assert_eq!(cleansed(unsigned), ["d"]);
    let left = cleansed_for(ALICE, Direction::Outgoing, &delay("a.example"));
    assert_eq!(left, ["d"]);
}

#[test]
fn what_cannot_be_archived_and_mentions_no_id_is_not_asked_about() {
    for (type_, children) in [
        ("error", BODY),
        ("groupchat", BODY),
        (
            "chat",
            "<active xmlns='http://jabber.org/protocol/chatstates'/>",
        ),
        (
            "headline",
            "<event xmlns='http://jabber.org/protocol/pubsub#event'/>",
        ),
    ] {
        let stanza = message(&format!("type='{type_}'"), children);
        assert!(
            !may_concern(&stanza, Direction::Incoming, &Settings::default()),
            "{type_} {children}"
        );
    }
}

#[test]
fn only_accounts_have_archives() {
    let alice = jid(ALICE).to_bare();
    let phone = "alice@a.example/phone".parse().expect("a full JID");
    assert_eq!(
        direction(&Route::FromSession(phone)),
        Some(Direction::Outgoing)
    );
    assert_eq!(
        direction(&Route::FromAccount(alice.clone())),
        Some(Direction::Outgoing)
    );
    assert_eq!(
        direction(&Route::ToAccount(alice.clone())),
        Some(Direction::Incoming)
    );
    assert_eq!(direction(&Route::ToRoom(alice)), None);
    assert_eq!(direction(&Route::Host), None);
}

#[test]
fn an_id_is_a_dash_and_130_random_bits() {
    let counter = std::sync::atomic::AtomicU8::new(0);
    let entropy = move |bytes: &mut [u8]| {
        for byte in bytes {
            *byte = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let id = new_id(&entropy);
    assert_eq!(id, "-abcdefghijklmnopqrstuvwxyz");
    assert_ne!(new_id(&entropy), id);
    assert!(!entropy.token(26).starts_with('-'));
}
