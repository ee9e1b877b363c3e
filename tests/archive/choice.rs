//! What is archived and for whom, by hint, order, settings and switch.

use std::sync::Arc;

use futures::future::BoxFuture;
use tower_xmpp::archive::{Archive, ArchiveLayer, Settings};
use tower_xmpp::flow::{Envelope, Event, Outcome, Reach, Route};
use tower_xmpp::middleware::{Fault, Filter, FromFn, Next, Shell, Verdict, filter, from_fn};
use tower_xmpp::stanza::{Condition, Stanza, ns};
use tower_xmpp::testkit::{Carbon, World, xml};

use crate::shelf::{Shelf, stamp_of, stamps, two_hosts};

#[test]
fn store_and_no_store_together_keep_a_message_out_of_both_archives() {
    let t = two_hosts();
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body>\
         <store xmlns='urn:xmpp:hints'/><no-store xmlns='urn:xmpp:hints'/></message>",
        t.bob
    ));
    let got = t.bob.expect("<message id='m1'/>");
    assert_eq!(stamps(&got.stanza), []);
    let copy = t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    assert_eq!(stamps(&copy.stanza), []);
    assert_eq!(t.here.of(&t.alice), []);
    assert_eq!(t.there.of(&t.bob.account()), []);
    t.w.finish();
}

#[test]
fn a_retraction_is_archived_beside_what_it_retracts() {
    let t = two_hosts();
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.phone
    ));
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m2'>\
         <retract xmlns='urn:xmpp:message-retract:1' id='m1'/></message>",
        t.phone
    ));
    t.phone.expect("<message id='m1'/>");
    t.phone.expect("<message id='m2'/>");
    let ids: Vec<_> = t
        .here
        .of(&t.alice)
        .into_iter()
        .map(|e| e.row.message_id)
        .collect();
    assert_eq!(ids, [Some("m1".to_owned()), Some("m2".to_owned())]);
    t.desk.take_all();
    t.w.finish();
}

/// Refuses what has a body, as a blocking layer might.
fn blocking() -> Shell<Filter<impl Fn(&Envelope) -> Verdict + Send + Sync + 'static>> {
    filter("blocking", |envelope| match envelope.as_stanza() {
        Some(stanza) if stanza.has_body() => Verdict::Refuse(Condition::NotAcceptable.into()),
        _ => Verdict::Pass,
    })
}

/// How many rows are left of a message that such a host refuses.
fn rows_of_a_refused_message(hosted: impl FnOnce(&World, ArchiveLayer)) -> usize {
    let w = World::new();
    let shelf = Shelf::default();
    hosted(&w, shelf.layer(&w));
    w.host("b.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@b.example/x");
    bob.send(xml!(
        "<message to='{alice}' type='chat' id='m1'><body>hi</body></message>"
    ));
    bob.expect("<message id='m1' type='error'/>");
    w.finish();
    shelf.of(&alice.account()).len()
}

#[test]
fn what_a_layer_outside_rejects_is_not_archived() {
    let rows = rows_of_a_refused_message(|w, archive| {
        w.host("a.example", (blocking(), archive));
    });
    assert_eq!(rows, 0);
}

#[test]
fn the_wrong_order_archives_what_a_layer_inside_rejects() {
    let rows = rows_of_a_refused_message(|w, archive| {
        w.host("a.example", (archive, blocking()));
    });
    assert_eq!(rows, 1);
}

/// Names the phone as the only recipient.
fn to_the_phone() -> Shell<FromFn<impl Fn(Envelope, Next) -> Passing + Send + Sync + 'static>> {
    from_fn("reach", |mut envelope: Envelope, next: Next| -> Passing {
        if let Route::ToAccount(account) = &envelope.route
            && let Ok(phone) = account.with_resource_str("phone")
        {
            envelope.facts.reach = Reach::Only([phone].into());
        }
        Box::pin(next.run(envelope))
    })
}

type Passing = BoxFuture<'static, Result<Outcome, Fault>>;

#[test]
fn a_layer_on_either_side_may_name_the_recipients() {
    for outside in [true, false] {
        let w = World::new();
        let shelf = Shelf::default();
        match outside {
            true => w.host("a.example", (to_the_phone(), shelf.layer(&w))),
            false => w.host("a.example", (shelf.layer(&w), to_the_phone())),
        };
        w.host("b.example", ());
        let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
        let bob = w.session("bob@b.example/x");
        bob.send(xml!(
            "<message to='{desk}' type='chat' id='m1'><body>hi</body></message>"
        ));
        let got = phone.expect("<message id='m1'/>");
        let row = shelf.only(&phone.account());
        assert_eq!(stamps(&got.stanza), stamp_of(&phone.account(), &row.id));
        w.finish();
    }
}

#[test]
fn an_account_that_is_removed_takes_its_archive_with_it() {
    let t = two_hosts();
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.phone
    ));
    t.phone.expect("<message id='m1'/>");
    t.desk.take_all();
    assert_eq!(t.here.of(&t.alice).len(), 1);
    let account = t.alice.clone();
    t.w.event("a.example", Event::AccountRemoved { account })
        .settle();
    assert_eq!(t.here.of(&t.alice), []);
    assert_eq!(t.there.of(&t.bob.account()).len(), 1);
    t.w.finish();
}

#[test]
fn stanza_ids_are_announced_for_accounts_and_for_the_server_only_that_there_are_archives() {
    let t = two_hosts();
    let asks = |to: &str| {
        t.phone.asks(xml!(
            "<iq type='get' id='d' to='{to}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ))
    };
    let announces = |answer: &Stanza, var: &str| {
        let query = answer.child("query", ns::DISCO_INFO).expect("a query");
        query.children().any(|child| child.attr("var") == Some(var))
    };
    for (entity, var, expected) in [
        (t.alice.as_str(), ns::SID, true),
        (t.alice.as_str(), ns::MAM, true),
        ("a.example", ns::SID, false),
        ("a.example", ns::MAM, true),
        ("a.example", ns::MAM_EXTENDED, false),
    ] {
        assert_eq!(announces(&asks(entity), var), expected, "{entity} {var}");
    }
    t.w.finish();
}

#[test]
fn kinds_that_the_settings_leave_out_are_delivered_unstamped() {
    let w = World::new();
    let shelf = Shelf::default();
    let mut settings = Settings::default();
    settings.receipts = false;
    let archive = Archive::new(shelf.troubled(), Arc::new(w.entropy())).settings(settings);
    w.host("a.example", ArchiveLayer::of(archive));
    w.host("b.example", ());
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@b.example/x");
    bob.send(xml!(
        "<message to='{alice}' id='m1'><received xmlns='urn:xmpp:receipts' id='m0'/></message>"
    ));
    let got = alice.expect("<message id='m1'/>");
    assert_eq!(stamps(&got.stanza), []);
    assert_eq!(shelf.of(&alice.account()), []);
    w.finish();
}

#[test]
fn an_account_for_which_the_layer_is_off_has_no_archive_and_its_contacts_have() {
    let w = World::new();
    let shelf = Shelf::default();
    let layer = shelf
        .layer(&w)
        .only_for(|account| account.as_str() != "alice@a.example");
    w.host("a.example", layer);
    let alice = w.session("alice@a.example/phone");
    let bob = w.session("bob@a.example/x");
    alice.send(xml!(
        "<message to='{bob}' id='m1'><body>hi</body></message>"
    ));
    bob.send(xml!(
        "<message to='{alice}' id='m2'><body>ho</body></message>"
    ));
    bob.expect("<message id='m1'/>");
    alice.expect("<message id='m2'/>");
    assert_eq!(shelf.of(&alice.account()), []);
    assert_eq!(shelf.ids(&bob.account()).len(), 2);
    w.finish();
}
