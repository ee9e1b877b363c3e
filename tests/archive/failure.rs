//! What a broken store costs.

use tower_xmpp::testkit::{Carbon, xml};

use crate::shelf::{Shelf, stamp_of, stamps, two_hosts, two_hosts_with};

#[test]
fn if_the_store_fails_the_message_goes_on_cleansed_and_unstamped() {
    let t = two_hosts();
    let alice = &t.alice;
    t.here.broken.fail(1);
    for id in ["m1", "m2"] {
        t.bob.send(xml!(
            "<message to='{}' type='chat' id='{id}'><body>hi</body>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='{alice}' id='forged'/></message>",
            t.phone
        ));
    }
    let lost = t.phone.expect("<message id='m1'><body>hi</body></message>");
    assert_eq!(stamps(&lost.stanza), []);
    let copy = t.desk.expect_carbon(Carbon::Received, "<message id='m1'/>");
    assert_eq!(stamps(&copy.stanza), []);
    t.w.expect_broken("archive");

    // Nothing is put in later, and the next message is archived as ever.
    let got = t.phone.expect("<message id='m2'/>");
    let row = t.here.only(alice);
    assert_eq!(row.message_id.as_deref(), Some("m2"));
    assert_eq!(stamps(&got.stanza), stamp_of(alice, &row.id));
    t.desk.expect_carbon(Carbon::Received, "<message id='m2'/>");
    t.w.finish();
}

#[test]
fn if_the_store_fails_on_the_way_out_the_message_is_routed_and_its_copy_is_unstamped() {
    let t = two_hosts();
    t.here.broken.fail(1);
    t.phone.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body></message>",
        t.bob
    ));
    t.bob.expect("<message id='m1'/>");
    let copy = t.desk.expect_carbon(Carbon::Sent, "<message id='m1'/>");
    assert_eq!(stamps(&copy.stanza), []);
    t.w.expect_broken("archive");
    assert_eq!(t.here.of(&t.alice), []);
    t.w.finish();
}

#[test]
fn a_store_that_panics_costs_the_stamp_and_lets_no_forged_id_through() {
    let t = two_hosts_with(Shelf {
        panics: true,
        ..Shelf::default()
    });
    t.here.broken.fail(1);
    t.bob.send(xml!(
        "<message to='{}' type='chat' id='m1'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='forged'/></message>",
        t.phone,
        t.alice
    ));
    let got = t.phone.expect("<message id='m1'><body>hi</body></message>");
    assert_eq!(stamps(&got.stanza), []);
    t.w.expect_broken("archive");
    t.desk.expect_carbon(Carbon::Received, "<message id='m1'/>");
    t.w.finish();
}
