//! What a user wants archived (XEP-0441), and that it is obeyed.

use std::sync::Arc;

use jid::BareJid;
use tower_xmpp::archive::{Archive, ArchiveLayer, Contacts};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{Stanza, ns};
use tower_xmpp::testkit::{Session, World, xml};

use crate::shelf::{Shelf, stamps};

/// Bob alone is Alice's contact.
struct BobAlone;

impl Contacts for BobAlone {
    fn has(&self, _: &BareJid, contact: &BareJid) -> bool {
        contact.as_str() == "bob@b.example"
    }
}

struct Scene {
    w: World,
    shelf: Shelf,
    alice: Session,
    bob: Session,
    carol: Session,
}

fn scene(contacts: bool) -> Scene {
    let w = World::new();
    let shelf = Shelf::default();
    let mut archive = Archive::new(shelf.troubled(), Arc::new(w.entropy()));
    if contacts {
        archive = archive.contacts(Arc::new(BobAlone));
    }
    w.host("a.example", (ArchiveLayer::of(archive), ForkLayer::new()));
    w.host("b.example", ());
    let alice = w.session("alice@a.example/x");
    let bob = w.session("bob@b.example/y");
    let carol = w.session("carol@b.example/z");
    Scene {
        w,
        shelf,
        alice,
        bob,
        carol,
    }
}

impl Scene {
    fn wants(&self, prefs: &str) -> Stanza {
        self.alice.asks(xml!("<iq type='set' id='p'>{prefs}</iq>"))
    }

    /// Who wrote, of everybody who writes to Alice and to whom she writes.
    fn archived(&self) -> Vec<String> {
        for peer in [&self.bob, &self.carol] {
            peer.send(xml!(
                "<message to='{}' id='m'><body>hi</body>\
                <stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='forged'/></message>",
                self.alice
            ));
            let got = self.alice.expect("<message id='m'/>");
            assert!(stamps(&got.stanza).iter().all(|(_, id)| id != "forged"));
            self.alice.send(xml!(
                "<message to='{peer}' id='m'><body>hi</body></message>"
            ));
            peer.expect("<message id='m'/>");
        }
        let account = self.alice.account();
        let rows = self.shelf.of(&account);
        let with = rows
            .into_iter()
            .map(|entry| entry.row.with.to_string())
            .collect();
        futures::executor::block_on(async {
            use tower_xmpp::archive::ArchiveStore;
            self.shelf
                .store
                .expire(tower_xmpp::stanza::Time::from_micros(i64::MAX))
                .await
        })
        .expect("it empties");
        with
    }
}

const BOB: &str = "bob@b.example/y";
const CAROL: &str = "carol@b.example/z";

#[test]
fn without_a_word_everything_is_archived_and_the_answer_says_so() {
    let s = scene(true);
    s.alice
        .send("<iq type='get' id='p'><prefs xmlns='urn:xmpp:mam:2'/></iq>");
    s.alice.expect(
        "<iq type='result' id='p'><prefs xmlns='urn:xmpp:mam:2' default='always'>\
         <always/><never/></prefs></iq>",
    );
    assert_eq!(s.archived(), [BOB, BOB, CAROL, CAROL]);
    s.w.finish();
}

#[test]
fn what_a_user_wants_holds_from_the_next_message_on_in_both_directions() {
    let s = scene(true);
    for (prefs, expected) in [
        ("default='never'><never/>", &[][..]),
        (
            "default='always'><never><jid>carol@b.example</jid></never>",
            &[BOB, BOB],
        ),
        (
            "default='always'><never><jid>carol@b.example/other</jid></never>",
            &[BOB, BOB, CAROL, CAROL],
        ),
        (
            "default='never'><always><jid>carol@b.example</jid></always>",
            &[CAROL, CAROL],
        ),
        ("default='roster'>", &[BOB, BOB]),
        (
            "default='roster'><always><jid>carol@b.example</jid></always>",
            &[BOB, BOB, CAROL, CAROL],
        ),
        ("default='always'>", &[BOB, BOB, CAROL, CAROL]),
    ] {
        let answer = s.wants(&format!("<prefs xmlns='urn:xmpp:mam:2' {prefs}</prefs>"));
        let prefs_there = answer.child("prefs", ns::MAM).expect("prefs");
        assert!(
            prefs_there.has_child("always", ns::MAM) && prefs_there.has_child("never", ns::MAM)
        );
        assert_eq!(s.archived(), expected, "{prefs}");
    }
    s.w.finish();
}

#[test]
fn preferences_outlive_the_layer() {
    let s = scene(true);
    s.wants("<prefs xmlns='urn:xmpp:mam:2' default='never'/>");
    let w = World::new();
    w.host("a.example", s.shelf.layer(&w));
    let alice = w.session("alice@a.example/x");
    alice.send("<iq type='get' id='p'><prefs xmlns='urn:xmpp:mam:2'/></iq>");
    alice.expect("<iq type='result' id='p'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>");
    w.finish();
    s.w.finish();
}

#[test]
fn preferences_that_cannot_be_followed_are_refused_and_the_old_ones_hold() {
    let s = scene(false);
    s.wants("<prefs xmlns='urn:xmpp:mam:2' default='never'/>");
    let many = "<jid>a@b.example</jid>".repeat(1_001);
    for (prefs, condition) in [
        ("default='roster'>".to_owned(), "feature-not-implemented"),
        ("default='maybe'>".to_owned(), "bad-request"),
        (">".to_owned(), "bad-request"),
        (
            "default='always'><never><jid>@</jid></never>".to_owned(),
            "bad-request",
        ),
        (
            format!("default='always'><never>{many}</never>"),
            "policy-violation",
        ),
    ] {
        s.alice.send(xml!(
            "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' {prefs}</prefs></iq>"
        ));
        s.alice.expect(xml!(
            "<iq type='error' id='p'><error>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        ));
        assert_eq!(s.archived(), [""; 0]);
    }
    s.w.finish();
}
