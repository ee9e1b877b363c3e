//! Archive and fork, and layers that refuse or name recipients.

use std::sync::Arc;

use jid::FullJid;
use tower_xmpp::flow::{Envelope, Outcome, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::middleware::{Fault, Feature, Filter, Next, Shell, Verdict, filter};
use tower_xmpp::stanza::{Condition, Stanza, ns};
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::{Carbon, Session, World, xml};

use super::{HI, archive, archived, bob, hosts};

const UNSTAMPED: &str = "<message><body>hi</body>\
    <absent><stanza-id xmlns='urn:xmpp:sid:0'/></absent></message>";
const STAMPED: &str = "<message><body>hi</body>\
    <stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='$id'/></message>";

/// Refuses whatever says `spam`.
fn no_spam() -> Shell<Filter<impl Fn(&Envelope) -> Verdict + Send + Sync + 'static>> {
    filter("no-spam", |envelope| {
        let body = envelope.as_stanza().and_then(Stanza::body_text);
        match body.as_deref() {
            Some("spam") => Verdict::Refuse(Condition::PolicyViolation.into()),
            _ => Verdict::Pass,
        }
    })
}

/// Alice's desk gets what her account gets, whatever its priority.
struct DeskToo;

impl Feature for DeskToo {
    fn name(&self) -> &'static str {
        "desk-too"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        matches!(envelope.route, Route::ToAccount(_))
    }

    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let desk: FullJid = "alice@a.example/desk".parse().unwrap();
        envelope.facts.reach.widen([desk]);
        next.run(envelope).await
    }
}

/// Alice's phone, the one that RFC 6121 chooses, and her desk, with carbons.
fn alice(w: &World) -> (Session, Session) {
    let phone = w.session("alice@a.example/phone").priority(5);
    (phone, w.session("alice@a.example/desk").carbons())
}

fn say(body: &str) -> String {
    format!("<message to='alice@a.example' type='chat' id='m1'><body>{body}</body></message>")
}

const REFUSED: &str = "<message type='error' id='m1'><error>\
    <policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";

#[test]
fn a_filter_outside_archive_keeps_what_it_refuses_out_of_it_and_inside_does_not() {
    for (is_outside, kept) in [(true, 0), (false, 1)] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let archive = archive(&w, &store);
        hosts(&w, "a.example", is_outside, no_spam(), archive);
        let (_phone, bob) = (w.session("alice@a.example/phone"), bob(&w));
        bob.send(xml!("{}", say("spam")));
        bob.expect(REFUSED);
        assert_eq!(archived(&store), kept, "outside: {is_outside}");
        w.finish();
    }
}

#[test]
fn a_filter_keeps_what_it_refuses_from_being_copied_on_either_side_of_fork() {
    for is_outside in [true, false] {
        let w = World::new();
        hosts(&w, "a.example", is_outside, no_spam(), ForkLayer::new());
        let ((_phone, _desk), bob) = (alice(&w), bob(&w));
        bob.send(xml!("{}", say("spam")));
        bob.expect(REFUSED);
        w.finish();
    }
}

#[test]
fn copies_bear_the_archive_id_if_archive_is_outside_fork_and_not_otherwise() {
    for is_outside in [true, false] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let archive = archive(&w, &store);
        hosts(&w, "a.example", is_outside, archive, ForkLayer::new());
        let ((phone, desk), bob) = (alice(&w), bob(&w));

        // Received: the original is stamped either way.
        bob.send(xml!("{}", say("hi")));
        let original = phone.expect(STAMPED);
        if is_outside {
            let copy = desk.expect_carbon(Carbon::Received, STAMPED);
            assert_eq!(original["id"], copy["id"]);
        } else {
            desk.expect_carbon(Carbon::Received, UNSTAMPED);
        }

        // Sent: only the copy is.
        phone.send(xml!(
            "<message to='{bob}' type='chat' id='m2'><body>hi</body></message>"
        ));
        bob.expect(UNSTAMPED);
        if is_outside {
            desk.expect_carbon(Carbon::Sent, STAMPED);
        } else {
            desk.expect_carbon(Carbon::Sent, UNSTAMPED);
        }
        w.finish();
    }
}

#[test]
fn whom_a_reach_names_gets_the_one_stamped_stanza_on_either_side_of_archive() {
    for is_outside in [true, false] {
        let w = World::new();
        let store = Arc::new(MemoryArchive::default());
        let archive = archive(&w, &store);
        hosts(&w, "a.example", is_outside, Shell::of(DeskToo), archive);
        let phone = w.session("alice@a.example/phone").priority(5);
        let desk = w.session("alice@a.example/desk");
        let bob = bob(&w);
        bob.send(xml!("{}", say("hi")));
        assert_eq!(phone.expect(STAMPED)["id"], desk.expect(STAMPED)["id"]);
        assert_eq!(archived(&store), 1);
        w.finish();
    }
}

#[test]
fn whom_a_reach_names_gets_no_copy_besides_on_either_side_of_fork() {
    for is_outside in [true, false] {
        let w = World::new();
        hosts(
            &w,
            "a.example",
            is_outside,
            Shell::of(DeskToo),
            ForkLayer::new(),
        );
        let ((phone, desk), bob) = (alice(&w), bob(&w));
        let hidden = w.bind_with("alice@a.example/hidden", &[ns::MR2]);
        bob.send(xml!("{}", say("hi")));
        for session in [phone, desk, hidden.priority(-1)] {
            session.expect(HI);
        }
        w.finish();
    }
}
