//! IDs that a client knows before it sends.

use futures::executor::block_on;
use tower_xmpp::archive::{ArchiveStore, TOKEN_LENGTH, computed_id};
use tower_xmpp::flow::Event;
use tower_xmpp::stanza::ns;
use tower_xmpp::testkit::{Carbon, Session, World, xml};

use crate::shelf::{Shelf, Two, stamp_of, stamps, token, two_hosts};

/// Alice's phone writes to Bob, who gets it.
fn says(t: &Two, id: &str, body: &str) {
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='{id}'><body>{body}</body></message>",
        t.bob
    ));
    let got = t.bob.expect(xml!("<message><body>{body}</body></message>"));
    assert!(
        stamps(&got.stanza)
            .iter()
            .all(|(by, _)| *by == t.bob.account().to_string())
    );
}

/// The ID of the copy that Alice's desk gets.
fn copied(t: &Two) -> String {
    let copy = t.desk.expect_carbon(
        Carbon::Sent,
        "<message><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$id'/></message>",
    );
    copy["id"].to_owned()
}

#[test]
fn the_id_that_a_client_computes_is_the_one_in_its_archive_and_in_the_sent_copy() {
    let t = two_hosts();
    let token = token(&t.phone, None);
    assert_eq!(token.len(), TOKEN_LENGTH);
    says(&t, "m1", "hi");
    let id = computed_id(&token, "m1").expect("a plain id");
    assert_eq!(copied(&t), id);
    assert_eq!(t.here.ids(&t.alice), [id]);
    t.w.finish();
}

#[test]
fn a_message_to_oneself_lies_under_the_computed_id_too() {
    let t = two_hosts();
    let token = token(&t.phone, None);
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>note</body></message>",
        t.desk
    ));
    let got = t.desk.expect("<message id='m1'/>");
    let id = computed_id(&token, "m1").expect("a plain id");
    assert_eq!(stamps(&got.stanza), stamp_of(&t.alice, &id));
    assert_eq!(t.here.only(&t.alice).id, id);
    t.w.finish();
}

#[test]
fn an_id_used_twice_stays_with_the_first_message_and_the_sender_is_told_of_the_other() {
    let t = two_hosts();
    let token = token(&t.phone, None);
    says(&t, "m1", "first");
    says(&t, "m1", "second");
    let first = computed_id(&token, "m1").expect("a plain id");
    assert_eq!(copied(&t), first);
    let second = copied(&t);
    assert!(second.starts_with('-'), "{second}");
    let told = t.phone.expect(
        "<message type='normal' from='alice@a.example'>\
         <archived xmlns='tower-xmpp:archive-id:0' id='m1' as='$as'/>\
         <no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/></message>",
    );
    assert_eq!(told["as"], second);
    assert_eq!(t.here.ids(&t.alice), [first, second]);
    t.w.finish();
}

#[test]
fn ids_of_which_nothing_can_be_computed_get_one_of_the_servers_and_the_sender_is_told() {
    let t = two_hosts();
    token(&t.phone, None);
    let long = "x".repeat(10_000);
    for odd in ["a&#10;b", "a&#9;b", "a b", "", "\u{2028}", &long] {
        says(&t, odd, "hi");
        let id = copied(&t);
        assert!(id.starts_with('-'), "{odd:?}");
        let told = t
            .phone
            .expect("<message><archived xmlns='tower-xmpp:archive-id:0' as='$as'/></message>");
        assert_eq!(told["as"], id);
    }
    t.w.finish();
}

#[test]
fn a_message_without_an_id_gets_one_of_the_servers_and_the_sender_is_told() {
    let t = two_hosts();
    token(&t.phone, None);
    t.phone
        .send(xml!("<message to='{}'><body>hi</body></message>", t.bob));
    t.bob.expect("<message><body>hi</body></message>");
    let told = t
        .phone
        .expect("<message><archived xmlns='tower-xmpp:archive-id:0' as='$as'/></message>");
    assert_eq!(told["as"], copied(&t));
    let archived = told
        .stanza
        .child("archived", ns::ARCHIVE_ID)
        .expect("it is told");
    assert_eq!(archived.attr("id"), None);
    t.w.finish();
}

#[test]
fn hostile_ids_are_text_like_any_other() {
    let t = two_hosts();
    let token = token(&t.phone, None);
    for (wire, id) in [
        ("&apos;;DROP--", "';DROP--"),
        ("%", "%"),
        ("&lt;&amp;&gt;&quot;", "<&>\""),
        ("alice@a.example/phone", "alice@a.example/phone"),
        ("&#233;", "é"),
        ("\\0\\u0000%00", "\\0\\u0000%00"),
        ("../../etc", "../../etc"),
    ] {
        says(&t, wire, "hi");
        assert_eq!(Some(copied(&t)), computed_id(&token, id), "{id}");
    }
    t.w.finish();
}

#[test]
fn who_did_not_ask_is_told_nothing_and_nothing_is_computed() {
    let t = two_hosts();
    for _ in 0..2 {
        says(&t, "m1", "hi");
        assert!(copied(&t).starts_with('-'));
    }
    t.w.finish();
}

#[test]
fn a_token_outlives_resumption_and_ends_with_its_session() {
    let t = two_hosts();
    let first = token(&t.phone, None);
    t.phone.hibernate().resume();
    assert_eq!(token(&t.phone, None), first);
    says(&t, "m1", "hi");
    assert_eq!(Some(copied(&t)), computed_id(&first, "m1"));
    t.phone.lose();
    let phone = t.w.session(t.phone.jid().as_str());
    assert_ne!(token(&phone, None), first);
    assert_ne!(token(&t.desk, None), first, "each session has its own");
    t.w.finish();
}

#[test]
fn what_is_sent_again_after_a_resumption_is_archived_once_under_its_id() {
    let t = two_hosts();
    let token = token(&t.phone, None);
    says(&t, "m1", "hi");
    says(&t, "m2", "ho");
    t.phone.hibernate().resume();
    // The acknowledgement of m2 was lost.
    says(&t, "m2", "ho");
    let expected = ["m1", "m2"].map(|id| computed_id(&token, id).expect("a plain id"));
    assert_eq!(t.here.ids(&t.alice), expected);
    for id in [&expected[0], &expected[1], &expected[1]] {
        assert_eq!(copied(&t), *id);
    }
    t.w.finish();
}

/// Bob's stamps come from his own archive; only Alice's matters here.
fn reconnected(t: &Two, previous: Option<&str>) -> (Session, String) {
    t.phone.lose();
    let phone = t.w.session("alice@a.example/another");
    let token = token(&phone, previous);
    (phone, token)
}

fn says_again(t: &Two, phone: &Session, body: &str) {
    phone.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>{body}</body></message>",
        t.bob
    ));
    t.bob
        .expect(xml!("<message id='m1'><body>{body}</body></message>"));
    t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
}

#[test]
fn what_is_sent_again_in_a_new_session_that_names_its_previous_token_keeps_its_id() {
    let t = two_hosts();
    let first = token(&t.phone, None);
    says(&t, "m1", "hi");
    let id = copied(&t);
    let (phone, _) = reconnected(&t, Some(&first));
    says_again(&t, &phone, "hi");
    phone.expect(xml!(
        "<message><archived xmlns='tower-xmpp:archive-id:0' id='m1' as='{id}'/></message>"
    ));
    assert_eq!(t.here.ids(&t.alice), [id]);
    t.w.finish();
}

#[test]
fn without_its_previous_token_it_is_archived_a_second_time_under_another_id() {
    let t = two_hosts();
    token(&t.phone, None);
    says(&t, "m1", "hi");
    let id = copied(&t);
    let (phone, second) = reconnected(&t, None);
    says_again(&t, &phone, "hi");
    let again = computed_id(&second, "m1").expect("a plain id");
    assert_eq!(t.here.ids(&t.alice), [id, again]);
    t.w.finish();
}

#[test]
fn another_message_under_the_same_id_in_a_new_session_is_not_taken_for_the_old_one() {
    let t = two_hosts();
    let first = token(&t.phone, None);
    says(&t, "m1", "hi");
    let id = copied(&t);
    let (phone, second) = reconnected(&t, Some(&first));
    says_again(&t, &phone, "something else");
    let other = computed_id(&second, "m1").expect("a plain id");
    assert_eq!(t.here.ids(&t.alice), [id, other]);
    t.w.finish();
}

#[test]
fn the_previous_token_counts_for_seven_days() {
    let t = two_hosts();
    let first = token(&t.phone, None);
    says(&t, "m1", "hi");
    copied(&t);
    t.w.advance(std::time::Duration::from_secs(8 * 24 * 3600));
    let (phone, _) = reconnected(&t, Some(&first));
    says_again(&t, &phone, "hi");
    assert_eq!(t.here.ids(&t.alice).len(), 2);
    t.w.finish();
}

#[test]
fn somebody_elses_token_finds_nothing() {
    let t = two_hosts();
    let carol = t.w.session("carol@a.example/x");
    let hers = token(&carol, None);
    carol.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.bob
    ));
    t.bob.expect("<message id='m1'/>");
    let (phone, second) = reconnected(&t, Some(&hers));
    says_again(&t, &phone, "hi");
    let id = computed_id(&second, "m1").expect("a plain id");
    assert_eq!(t.here.ids(&t.alice), [id]);
    t.w.finish();
}

#[test]
fn a_server_that_crashed_between_append_and_acknowledgement_does_not_archive_twice() {
    let shelf = Shelf::default();
    let run = |previous: Option<&str>| {
        let w = World::new();
        w.host("a.example", shelf.layer(&w)).host("b.example", ());
        let (alice, bob) = (w.session("alice@a.example/x"), w.session("bob@b.example/y"));
        let token = token(&alice, previous);
        alice.send(xml!(
            "<message to='{bob}' type='chat' id='m1'><body>hi</body></message>"
        ));
        bob.expect("<message id='m1'/>");
        // The server dies here: all that is left is the store.
        w.abandon();
        token
    };
    let first = run(None);
    run(Some(&first));
    let alice = "alice@a.example".parse().expect("a bare JID");
    assert_eq!(
        shelf.ids(&alice),
        [computed_id(&first, "m1").expect("a plain id")]
    );
}

#[test]
fn a_token_is_for_ones_own_sessions_and_asked_for_by_set() {
    let t = two_hosts();
    let ask = |type_: &str, to: &str| {
        t.bob.send(xml!(
            "<iq type='{type_}' id='t' to='{to}'><token xmlns='tower-xmpp:archive-id:0'/></iq>"
        ));
    };
    let refused = |condition: &str| {
        t.bob.expect(xml!(
            "<iq type='error' id='t'><error>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
    };
    ask("set", t.alice.as_str());
    refused("forbidden");
    ask("get", t.bob.account().as_str());
    refused("bad-request");
    t.w.finish();
}

#[test]
fn a_token_may_be_asked_for_while_a_session_is_bound() {
    let w = World::new();
    let shelf = Shelf::default();
    let layer = shelf.layer(&w);
    let archive = layer.feature().clone();
    w.host("a.example", layer).host("b.example", ());
    let alice = w.bind_with("alice@a.example/x", &[ns::ARCHIVE_ID]);
    let bob = w.session("bob@b.example/y");
    let told = archive.give_token(alice.jid(), None);
    assert_eq!(token(&alice, None), told);
    alice.send(xml!(
        "<message to='{bob}' id='m1'><body>hi</body></message>"
    ));
    bob.expect("<message id='m1'/>");
    assert_eq!(
        shelf.only(&alice.account()).id,
        computed_id(&told, "m1").expect("a plain id")
    );
    w.finish();
}

#[test]
fn a_token_is_never_seen_outside_the_account() {
    let t = two_hosts();
    let token = token(&t.phone, None);
    for (number, type_) in ["chat", "normal", "headline", "groupchat"]
        .iter()
        .enumerate()
    {
        t.phone.send(xml!(
            "<message to='{}' type='{type_}' id='m{number}'><body>hi</body></message>",
            t.bob
        ));
    }
    t.phone.send(xml!(
        "<message to='bob@b.example/gone' id='m9'><body>hi</body></message>"
    ));
    t.phone.send(xml!("<presence to='{}'/>", t.bob));
    let seen = t.bob.take_all();
    assert_eq!(seen.len(), 5);
    for stanza in seen {
        assert!(!stanza.to_xml().contains(&token), "{}", stanza.to_xml());
    }
    let his = block_on(
        t.there
            .store
            .page(&t.bob.account(), tower_xmpp::archive::Page::oldest(99)),
    );
    for entry in his.expect("it reads") {
        let wire = String::from_utf8(entry.row.stanza.to_vec()).expect("UTF-8");
        assert!(!entry.row.id.contains(&token) && !wire.contains(&token));
    }
    t.phone.take_all();
    t.desk.take_all();
    t.w.finish();
}

#[test]
fn an_account_that_is_removed_takes_its_tokens_with_it() {
    let t = two_hosts();
    let first = token(&t.phone, None);
    let account = t.alice.clone();
    t.w.event("a.example", Event::AccountRemoved { account })
        .settle();
    assert_ne!(token(&t.phone, None), first);
    t.w.finish();
}
