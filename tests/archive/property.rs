//! What holds whatever anybody sends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use jid::{BareJid, Jid};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_layer::Layer;
use tower_xmpp::archive::{Archive, ArchiveLayer, Entry};
use tower_xmpp::flow::{Envelope, Outcome, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::middleware::{Fault, FromFn, Next, Shell, from_fn};
use tower_xmpp::stanza::{ElementRef, Stanza, Time, ns};
use tower_xmpp::testkit::World;
use tower_xmpp::testkit::invariants::{Invariant, hold};

use crate::common::{Bottom, pass};
use crate::shelf::{Shelf, stamps};

const ALICE: &str = "alice@bücher.example";

/// Ways to write Alice's address, some of them no address at all, and others'.
const SPELLINGS: &[&str] = &[
    ALICE,
    "alice@xn--bcher-kva.example",
    "ALICE@BÜCHER.EXAMPLE",
    "alice@bücher.example.",
    "Alice@XN--BCHER-KVA.example/phone",
    " alice@bücher.example",
    "alice@bu\u{308}cher.example",
    "\u{ff41}lice@bücher.example",
    "alice@b\u{ad}ücher.example",
    "",
    "@",
    "bob@bücher.example",
    "room@muc.bücher.example",
    "bücher.example",
];

fn children() -> impl Strategy<Value = String> {
    let id = "[a-z]{0,3}";
    let stanza_id = (select(SPELLINGS), id)
        .prop_map(|(by, id)| format!("<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id}'/>"));
    let other = select(
        &[
            "<body>hi</body>",
            "<stanza-id xmlns='urn:xmpp:sid:0'/>",
            "<s:stanza-id xmlns:s='urn:xmpp:sid:0' by='alice@bücher.example' id='p'/>",
            "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@bücher.example' id='n'><body/></stanza-id>",
            "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>",
            "<no-store xmlns='urn:xmpp:hints'/>",
            "<store xmlns='urn:xmpp:hints'/>",
            "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='alice@bücher.example' id='f'/>\
             </message></forwarded>",
            "<active xmlns='http://jabber.org/protocol/chatstates'/>",
        ][..],
    );
    let child = prop_oneof![stanza_id, other.prop_map(str::to_owned)];
    vec(child, 0..8).prop_map(|children| children.concat())
}

fn messages() -> impl Strategy<Value = String> {
    let types = &["chat", "normal", "groupchat", "headline", "error", "odd"][..];
    let to = &["bob@bücher.example", "alice@bücher.example", "@@"][..];
    (select(types), select(to), children()).prop_map(|(type_, to, children)| {
        format!("<message from='bob@b.example/x' to='{to}' type='{type_}'>{children}</message>")
    })
}

/// The stamps by Alice, as a client would take them that normalises addresses
/// as well as anybody can.
fn by_alice(stanza: &Stanza) -> Vec<String> {
    let readings = ["alice@bücher.example", "alice@xn--bcher-kva.example"];
    let mine = |by: &str| match Jid::new(by.trim().trim_end_matches('.')) {
        Ok(by) => readings.contains(&by.to_bare().as_str()),
        Err(_) => true,
    };
    let stamps = stamps(stanza).into_iter().filter(|(by, _)| mine(by));
    stamps.map(|(_, id)| id).collect()
}

/// Everything but stanza-ids, in order.
fn rest(stanza: &Stanza) -> Vec<String> {
    let children = stanza
        .children()
        .filter(|child| !child.is("stanza-id", ns::SID));
    children.map(ElementRef::to_xml).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_message_has_at_most_one_id_of_the_account_and_that_is_ours(
        message in messages(),
        inward: bool,
        broken in 0..2_usize,
    ) {
        let shelf = Shelf::default();
        shelf.broken.fail(broken);
        let entropy = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let bottom = Bottom::default();
        let mut stack = ArchiveLayer::new(shelf.troubled(), entropy).layer(bottom.clone());

        let alice: BareJid = ALICE.parse().unwrap();
        let route = match inward {
            true => Route::ToAccount(alice.clone()),
            false => Route::FromAccount(alice.clone()),
        };
        let sent = Stanza::parse(message.as_bytes()).unwrap();
        let _ = pass(&mut stack, Envelope::stanza(Time::from_secs(0), route, sent.clone()));

        let went_on = bottom.last_stanza();
        let archived = shelf.ids(&alice);
        prop_assert!(archived.len() <= 1);
        match inward {
            true => prop_assert_eq!(&by_alice(&went_on), &archived),
            false => prop_assert_eq!(by_alice(&went_on), [""; 0]),
        }
        prop_assert_eq!(rest(&went_on), rest(&sent), "the rest stays as it is");
        if !archived.is_empty() {
            let wire = &shelf.only(&alice).stanza;
            let kept = Stanza::parse(wire).unwrap();
            prop_assert_eq!(by_alice(&kept), [""; 0]);
            prop_assert_eq!(rest(&kept), rest(&sent));
        }
    }
}

#[test]
fn every_stamp_that_anybody_sees_is_of_one_archive_and_every_archive_has_each_message_once() {
    hold(seed(), 1_000, |scene| {
        let w = World::seeded(scene.seed);
        let (a, b) = (Shelf::default(), Shelf::default());
        w.host("a.example", (a.layer(&w), ForkLayer::new()));
        w.host("b.example", (b.layer(&w), ForkLayer::new()));
        scene.play(&w);
        for (shelf, account) in [
            (&a, "alice@a.example"),
            (&a, "bob@a.example"),
            (&b, "carol@b.example"),
        ] {
            let entries = shelf.of(&account.parse().expect("a bare JID"));
            let messages: BTreeSet<_> = entries.iter().map(|entry| &entry.row.message_id).collect();
            assert_eq!(messages.len(), entries.len(), "{account}: {entries:?}");
            let ids: BTreeSet<_> = entries.iter().map(|entry| &entry.row.id).collect();
            assert_eq!(ids.len(), entries.len(), "{account}: {entries:?}");
        }
        let checked = w.check(&Invariant::ALL);
        w.abandon();
        checked
    });
}

/// What entered for an account, as it stood on the way, and which tokens its
/// own sessions and all sessions have.
#[derive(Clone, Default)]
struct Watched {
    entered: Arc<Mutex<Vec<(BareJid, String)>>>,
    tokens: Arc<Mutex<BTreeMap<String, BareJid>>>,
}

impl Watched {
    /// Outside everything: whoever sends has asked for its token, and what is
    /// for an account has left whoever sent it.
    fn layer(
        &self,
        archive: Arc<Archive>,
    ) -> Shell<FromFn<impl Fn(Envelope, Next) -> Passing + use<>>> {
        let watched = self.clone();
        from_fn("watched", move |envelope: Envelope, next: Next| {
            if let Some(session) = envelope.route.session() {
                let token = archive.give_token(session, None);
                let mut tokens = watched.tokens.lock().expect("nobody panicked");
                tokens.insert(token, session.to_bare());
            }
            if let (Route::ToAccount(account), Some(stanza)) =
                (&envelope.route, envelope.as_stanza())
            {
                let mut entered = watched.entered.lock().expect("nobody panicked");
                entered.push((account.clone(), stanza.to_xml()));
            }
            next.run(envelope).boxed()
        })
    }

    /// Whose tokens stand in this, other than the account's own.
    fn foreign(&self, account: &BareJid, text: &str) -> Vec<String> {
        let tokens = self.tokens.lock().expect("nobody panicked");
        let seen = tokens
            .iter()
            .filter(|(token, owner)| *owner != account && text.contains(*token));
        seen.map(|(_, owner)| owner.to_string()).collect()
    }
}

type Passing = BoxFuture<'static, Result<Outcome, Fault>>;

#[test]
fn whatever_is_sent_no_token_reaches_another_account_or_its_archive() {
    let computed = std::cell::Cell::new(0);
    hold(seed(), 500, |scene| {
        let w = World::seeded(scene.seed);
        let watched = Watched::default();
        let shelves = ["a.example", "b.example"].map(|domain| {
            let shelf = Shelf::default();
            let archive = shelf.layer(&w);
            let outer = watched.layer(archive.feature().clone());
            w.host(domain, (outer, archive, ForkLayer::new()));
            shelf
        });
        scene.play(&w);
        for (account, xml) in &*watched.entered.lock().expect("nobody panicked") {
            assert_eq!(watched.foreign(account, xml), [""; 0], "in {xml}");
        }
        for (shelf, account) in [
            (&shelves[0], "alice@a.example"),
            (&shelves[0], "bob@a.example"),
            (&shelves[1], "carol@b.example"),
        ] {
            let account = account.parse().expect("a bare JID");
            for Entry { row, .. } in shelf.of(&account) {
                let wire = String::from_utf8_lossy(&row.stanza);
                assert_eq!(watched.foreign(&account, &row.id), [""; 0], "{row:?}");
                assert_eq!(watched.foreign(&account, &wire), [""; 0], "{row:?}");
                computed.set(computed.get() + usize::from(!row.id.starts_with('-')));
            }
        }
        let checked = w.check(&[Invariant::OwnArchiveIds]);
        w.abandon();
        checked
    });
    assert!(
        computed.get() > 100,
        "IDs are computed of tokens: {}",
        computed.get()
    );
}

/// Set `SEED` to try other scenes; a failure prints it.
fn seed() -> u64 {
    let given = std::env::var("SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(313)
}
