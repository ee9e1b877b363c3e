//! Questions to an archive, and what comes back (XEP-0313).

use std::sync::Arc;
use std::time::Duration;

use tower_xmpp::archive::{Archive, ArchiveLayer, PageSettings, Settings, computed_id};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{ElementRef, Stanza, ns};
use tower_xmpp::testkit::{Session, World, xml};

use crate::shelf::{Shelf, Two, token, two_hosts};

/// What a query brought: bodies and IDs of the results, and the last word.
pub struct Answer {
    pub bodies: Vec<String>,
    pub ids: Vec<String>,
    pub fin: Stanza,
}

impl Answer {
    pub fn is_complete(&self) -> bool {
        let fin = self.fin.child("fin", ns::MAM).expect("a fin");
        fin.attr("complete") == Some("true")
    }

    /// `<first/>` and `<last/>`.
    pub fn ends(&self) -> (Option<String>, Option<String>) {
        let fin = self.fin.child("fin", ns::MAM).expect("a fin");
        let set = fin.child("set", ns::RSM).expect("a set");
        let text = |name| set.child(name, ns::RSM).map(ElementRef::text);
        (text("first"), text("last"))
    }
}

/// A query with form fields and a result set, sent to `to` (`to='…'` or empty).
pub fn query_at(session: &Session, to: &str, fields: &[(&str, &str)], set: &str) -> Answer {
    let inside = |(name, value): &(&str, &str)| {
        let values: String = value
            .split('|')
            .map(|value| format!("<value>{value}</value>"))
            .collect();
        format!("<field var='{name}'>{values}</field>")
    };
    let fields: String = fields.iter().map(inside).collect();
    session.send(xml!(
        "<iq type='set' id='q1' {to}><query xmlns='urn:xmpp:mam:2' queryid='f27'>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
         <value>urn:xmpp:mam:2</value></field>{fields}</x>\
         <set xmlns='http://jabber.org/protocol/rsm'>{set}</set></query></iq>"
    ));
    let mut came = session.take_all();
    let fin = came.pop().expect("an answer");
    assert_eq!(fin.id(), Some("q1"), "the answer is last: {}", fin.to_xml());
    let mut answer = Answer {
        bodies: Vec::new(),
        ids: Vec::new(),
        fin,
    };
    for stanza in came {
        let result = stanza.child("result", ns::MAM).expect("a result");
        assert_eq!(result.attr("queryid"), Some("f27"));
        let forwarded = result
            .child("forwarded", ns::FORWARD)
            .expect("what was archived");
        assert!(forwarded.has_child("delay", ns::DELAY));
        let message = forwarded.child("message", ns::CLIENT).expect("a message");
        let body = message.child("body", ns::CLIENT).map(ElementRef::text);
        answer.bodies.push(body.unwrap_or_default());
        answer
            .ids
            .push(result.attr("id").expect("an ID").to_owned());
    }
    answer
}

pub fn query(session: &Session, fields: &[(&str, &str)], set: &str) -> Answer {
    query_at(session, "", fields, set)
}

/// The condition with which a query is refused.
fn refused(session: &Session, fields: &[(&str, &str)], set: &str) -> String {
    let answer = query(session, fields, set);
    assert_eq!(answer.ids, [""; 0]);
    let error = answer.fin.error().expect("an error");
    error.condition.as_str().to_owned()
}

/// Bob has sent Alice six messages, `0` to `5`, each a minute after the other.
fn six() -> (Two, Vec<String>) {
    let t = two_hosts();
    for number in 0..6 {
        t.bob.send(xml!(
            "<message to='{}' type='chat' id='m{number}'><body>{number}</body></message>",
            t.phone
        ));
        t.w.advance(Duration::from_secs(60));
    }
    t.phone.take_all();
    t.desk.take_all();
    let ids = t.here.ids(&t.alice);
    (t, ids)
}

#[test]
fn an_archive_is_paged_forward_from_its_oldest_message() {
    let (t, ids) = six();
    let first = query(&t.desk, &[], "<max>4</max>");
    assert_eq!(first.bodies, ["0", "1", "2", "3"]);
    assert_eq!(first.ids, ids[..4]);
    assert_eq!(first.ends(), (Some(ids[0].clone()), Some(ids[3].clone())));
    assert!(!first.is_complete());
    let second = query(
        &t.desk,
        &[],
        &format!("<max>4</max><after>{}</after>", ids[3]),
    );
    assert_eq!(second.bodies, ["4", "5"]);
    assert!(second.is_complete());
    let end = query(&t.desk, &[], &format!("<after>{}</after>", ids[5]));
    assert_eq!(end.bodies, [""; 0]);
    assert_eq!(end.ends(), (None, None));
    assert!(end.is_complete());
    t.w.finish();
}

#[test]
fn the_last_page_comes_in_order_and_is_complete_only_if_there_is_no_more() {
    let (t, ids) = six();
    let last = query(&t.desk, &[], "<max>2</max><before/>");
    assert_eq!(last.bodies, ["4", "5"]);
    assert!(!last.is_complete());
    let before = query(
        &t.desk,
        &[],
        &format!("<max>4</max><before>{}</before>", ids[4]),
    );
    assert_eq!(before.bodies, ["0", "1", "2", "3"]);
    assert!(before.is_complete());
    t.w.finish();
}

#[test]
fn a_flipped_page_is_sent_backwards_and_means_the_same() {
    let (t, ids) = six();
    t.desk.send(xml!(
        "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><flip-page/>\
         <set xmlns='http://jabber.org/protocol/rsm'><max>2</max><before/></set></query></iq>"
    ));
    for (id, body) in [(&ids[5], "5"), (&ids[4], "4")] {
        t.desk.expect(xml!(
            "<message><result xmlns='urn:xmpp:mam:2' id='{id}'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client'><body>{body}</body></message></forwarded></result></message>"
        ));
    }
    t.desk.expect(xml!(
        "<iq type='result' id='q'><fin xmlns='urn:xmpp:mam:2'>\
         <set xmlns='http://jabber.org/protocol/rsm'><first>{}</first><last>{}</last></set></fin></iq>",
        ids[4],
        ids[5]
    ));
    t.w.finish();
}

#[test]
fn a_query_may_be_bounded_by_time_other_end_and_ids_together() {
    let (t, ids) = six();
    t.phone.send(xml!(
        "<message to='carol@c.example' id='c' type='chat'><body>c</body></message>"
    ));
    t.phone.take_all();
    t.desk.take_all();
    let minute = |minute: u32| format!("2026-01-01T00:{minute:02}:00.000Z");
    let bounded = query(&t.desk, &[("start", &minute(1)), ("end", &minute(3))], "");
    assert_eq!(bounded.bodies, ["1", "2", "3"]);
    let with = query(&t.desk, &[("with", "carol@c.example")], "");
    assert_eq!(with.bodies, ["c"]);
    let full = query(&t.desk, &[("with", "bob@b.example/other")], "");
    assert_eq!(full.bodies, [""; 0]);
    let between = query(
        &t.desk,
        &[("after-id", &ids[1]), ("before-id", &ids[4])],
        "<max>1</max>",
    );
    assert_eq!(between.bodies, ["2"]);
    let picked = format!("{}|{}|{}", ids[4], ids[0], ids[2]);
    let picked = query(&t.desk, &[("ids", &picked)], "");
    assert_eq!(
        picked.bodies,
        ["0", "2", "4"],
        "in the order of the archive"
    );
    t.w.finish();
}

#[test]
fn with_the_own_address_only_messages_to_oneself_are_meant() {
    let (t, _) = six();
    t.phone.send(xml!(
        "<message to='{}' id='s'><body>note</body></message>",
        t.alice
    ));
    t.phone.take_all();
    t.desk.take_all();
    let own = query(&t.desk, &[("with", t.alice.as_str())], "");
    assert_eq!(own.bodies, ["note"]);
    t.w.finish();
}

#[test]
fn messages_of_one_moment_keep_their_order() {
    let t = two_hosts();
    for number in 0..5 {
        t.bob.send(xml!(
            "<message to='{}' type='chat'><body>{number}</body></message>",
            t.phone
        ));
    }
    t.phone.take_all();
    t.desk.take_all();
    let mut seen = Vec::new();
    let mut set = "<max>1</max>".to_owned();
    loop {
        let page = query(&t.desk, &[], &set);
        seen.extend(page.bodies.clone());
        if page.is_complete() {
            break;
        }
        set = format!("<max>1</max><after>{}</after>", page.ids[0]);
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    t.w.finish();
}

#[test]
fn an_id_that_is_not_there_is_item_not_found_wherever_it_stands() {
    let (t, ids) = six();
    let token = token(&t.phone, None);
    t.phone.send(xml!(
        "<message to='{}' id='m1'><body>hi</body><no-store xmlns='urn:xmpp:hints'/></message>",
        t.bob
    ));
    t.bob.expect("<message id='m1'/>");
    t.desk.take_all();
    let unarchived = computed_id(&token, "m1").expect("a plain id");
    let some = format!("{}|{unarchived}", ids[0]);
    for (fields, set) in [
        (vec![("after-id", &*unarchived)], String::new()),
        (vec![("before-id", "-nobody")], String::new()),
        (vec![("ids", &*some)], String::new()),
        (vec![], format!("<after>{unarchived}</after>")),
        (vec![], "<before>' OR 1=1 --</before>".to_owned()),
    ] {
        assert_eq!(
            refused(&t.desk, &fields, &set),
            "item-not-found",
            "{fields:?} {set}"
        );
    }
    t.w.finish();
}

#[test]
fn bad_queries_are_refused_with_the_error_that_names_it() {
    let (t, _) = six();
    let long = "x".repeat(10_000);
    for (fields, set, condition) in [
        (vec![("full-text", "hi")], "", "feature-not-implemented"),
        (
            vec![("include-groupchat", "true")],
            "",
            "feature-not-implemented",
        ),
        (vec![("with", "@@")], "", "bad-request"),
        (vec![("start", "yesterday")], "", "bad-request"),
        (vec![("", "")], "", "feature-not-implemented"),
        (vec![], "<max>-1</max>", "bad-request"),
        (vec![], "<max>many</max>", "bad-request"),
        (
            vec![],
            "<max>99999999999999999999999999</max>",
            "bad-request",
        ),
        (vec![], "<index>2</index>", "feature-not-implemented"),
        (vec![], "<before/><after>x</after>", "bad-request"),
        (vec![("after-id", &*long)], "", "item-not-found"),
        (vec![("ids", "\u{2028}|'\"%_\\0")], "", "item-not-found"),
    ] {
        assert_eq!(
            refused(&t.desk, &fields, set),
            condition,
            "{fields:?} {set}"
        );
    }
    t.w.finish();
}

#[test]
fn a_page_is_bounded_in_messages_and_bytes_however_much_is_asked() {
    let w = World::new();
    let shelf = Shelf::default();
    let mut pages = PageSettings::default();
    (pages.usual, pages.messages, pages.bytes) = (2, 3, 1_000);
    let archive = Archive::new(shelf.troubled(), Arc::new(w.entropy())).pages(pages);
    w.host("a.example", ArchiveLayer::of(archive))
        .host("b.example", ());
    let (alice, bob) = (w.session("alice@a.example/x"), w.session("bob@b.example/y"));
    for body in ["0", "1", "2", "3", &"x".repeat(600), &"y".repeat(2_000)] {
        bob.send(xml!(
            "<message to='{alice}' type='chat'><body>{body}</body></message>"
        ));
    }
    alice.take_all();
    assert_eq!(query(&alice, &[], "").bodies, ["0", "1"]);
    let most = query(&alice, &[], "<max>18446744073709551615</max>");
    assert_eq!(most.bodies, ["0", "1", "2"]);
    assert!(!most.is_complete());
    let heavy = query(&alice, &[], "<max>3</max><before/>");
    assert_eq!(heavy.bodies.len(), 1, "one message always comes");
    assert!(!heavy.is_complete());
    let light = query(
        &alice,
        &[],
        &format!("<max>3</max><before>{}</before>", heavy.ids[0]),
    );
    assert_eq!(light.bodies.len(), 3);
    let none = query(&alice, &[], "<max>0</max>");
    assert!(none.ids.is_empty() && !none.is_complete());
    w.finish();
}

#[test]
fn what_arrives_while_an_archive_is_read_waits_for_one_page_and_no_more() {
    let (t, ids) = six();
    let ask = |after: &str| {
        t.phone.send(xml!(
            "<iq type='set' id='{after}'><query xmlns='urn:xmpp:mam:2'>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>2</max><after>{after}</after></set>\
             </query></iq>"
        ));
    };
    // All pages are asked for, and a message comes while the first is sent.
    ask(&ids[0]);
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='live'><body>live</body></message>",
        t.phone
    ));
    ask(&ids[2]);
    let results = |came: &[Stanza]| {
        came.iter()
            .filter(|one| one.has_child("result", ns::MAM))
            .count()
    };
    let came = t.phone.take_all();
    let live = came.iter().position(|one| one.id() == Some("live"));
    let before = &came[..live.expect("it came")];
    assert!(results(before) <= 2, "{} before it", results(before));
    assert_eq!(results(&came), 4);
    t.desk.take_all();
    t.w.finish();
}

#[test]
fn nobody_reads_the_archive_of_somebody_else() {
    let (t, _) = six();
    let carol = t.w.session("carol@a.example/x");
    for (asker, place) in [(&t.bob, "abroad"), (&carol, "at home")] {
        for payload in [
            "<query xmlns='urn:xmpp:mam:2'/>",
            "<metadata xmlns='urn:xmpp:mam:2'/>",
            "<prefs xmlns='urn:xmpp:mam:2' default='never'/>",
        ] {
            for type_ in ["get", "set"] {
                asker.send(xml!(
                    "<iq type='{type_}' id='q' to='{}'>{payload}</iq>",
                    t.alice
                ));
                asker.expect(xml!(
                    "<iq type='error' id='q'><error type='auth'>\
                     <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                ));
            }
        }
        asker.expect_nothing();
        assert_eq!(t.here.of(&t.alice).len(), 6, "{place}");
    }
    t.w.finish();
}

#[test]
fn an_own_archive_is_asked_with_or_without_its_address() {
    let (t, _) = six();
    let to = format!("to='{}'", t.alice);
    for to in ["", &to] {
        assert_eq!(query_at(&t.desk, to, &[], "<max>9</max>").bodies.len(), 6);
    }
    t.w.finish();
}

#[test]
fn what_can_be_asked_is_told_in_a_form() {
    let t = two_hosts();
    let form = t.phone.asks(xml!(
        "<iq type='get' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>"
    ));
    let query = form.child("query", ns::MAM).expect("a query");
    let form = query.child("x", ns::DATA_FORMS).expect("a form");
    let fields: Vec<_> = form
        .children()
        .filter_map(|field| field.attr("var"))
        .collect();
    let expected = [
        "FORM_TYPE",
        "with",
        "start",
        "end",
        "before-id",
        "after-id",
        "ids",
    ];
    assert_eq!(fields, expected);
    t.w.finish();
}

#[test]
fn both_ends_of_an_archive_are_told() {
    let t = two_hosts();
    let ask = || {
        t.phone.asks(xml!(
            "<iq type='get' id='q'><metadata xmlns='urn:xmpp:mam:2'/></iq>"
        ))
    };
    let empty = ask();
    let metadata = empty.child("metadata", ns::MAM).expect("metadata");
    assert_eq!(metadata.children().count(), 0);
    t.w.finish();

    let (t, ids) = six();
    t.phone.send(xml!(
        "<iq type='get' id='q'><metadata xmlns='urn:xmpp:mam:2'/></iq>"
    ));
    t.phone.expect(xml!(
        "<iq type='result' id='q'><metadata xmlns='urn:xmpp:mam:2'>\
         <start id='{}' timestamp='2026-01-01T00:00:00.000Z'/>\
         <end id='{}' timestamp='2026-01-01T00:05:00.000Z'/></metadata></iq>",
        ids[0],
        ids[5]
    ));
    t.w.finish();
}

#[test]
fn a_query_that_the_store_cannot_answer_is_refused() {
    let (t, ids) = six();
    futures::executor::block_on(async {
        use tower_xmpp::archive::ArchiveStore;
        // What nobody wrote there: a row that is no stanza.
        let broken = b"<message".as_slice().into();
        t.here
            .store
            .replace(&t.alice, &ids[0], broken)
            .await
            .expect("it is memory");
    });
    assert_eq!(refused(&t.desk, &[], ""), "internal-server-error");
    t.w.finish();
}

#[test]
fn what_rooms_say_is_in_a_users_archive_if_that_is_wanted_and_can_be_left_out() {
    let w = World::new();
    let shelf = Shelf::default();
    let mut settings = Settings::default();
    settings.groupchat = true;
    let archive = Archive::new(shelf.troubled(), Arc::new(w.entropy())).settings(settings);
    w.host("a.example", (ArchiveLayer::of(archive), ForkLayer::new()));
    w.rooms("muc.example");
    let alice = w.session("alice@a.example/x");
    let bob = w.session("bob@a.example/y");
    alice.joins("tea@muc.example/Alice");
    alice.send("<message to='tea@muc.example' type='groupchat' id='g'><body>room</body></message>");
    bob.send(xml!(
        "<message to='{alice}' type='chat'><body>chat</body></message>"
    ));
    alice.take_all();
    let bodies = |fields: &[(&str, &str)]| {
        let mut bodies = query(&alice, fields, "").bodies;
        bodies.retain(|body| !body.is_empty());
        bodies
    };
    assert_eq!(bodies(&[]), ["room", "chat"]);
    assert_eq!(bodies(&[("include-groupchat", "true")]), ["room", "chat"]);
    assert_eq!(bodies(&[("include-groupchat", "false")]), ["chat"]);
    assert_eq!(bodies(&[("with", "tea@muc.example")]), ["room"]);
    w.finish();
}
