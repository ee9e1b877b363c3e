//! Who was away catches up: the end of the wiki's page on the state of 1:1
//! chats. Two hosts, four clients; afterwards both clients of each side hold
//! the same conversation, in the same order, nothing twice.

use std::sync::Arc;

use tower_xmpp::archive::{Archive, computed_id};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::stanza::{ElementRef, Stanza, ns};
use tower_xmpp::testkit::{Session, World, xml};

use crate::query::query;
use crate::shelf::{Shelf, token};

/// A client that keeps its conversation, as IDs and bodies.
struct Client {
    session: Session,
    token: String,
    sent: usize,
    /// In the order in which it learned of them.
    kept: Vec<(String, String)>,
}

impl Client {
    fn new(session: Session, previous: Option<&str>) -> Self {
        let session = session.carbons();
        let token = token(&session, previous);
        Self {
            session,
            token,
            sent: 0,
            kept: Vec::new(),
        }
    }

    /// Writes, and knows the ID of what it writes.
    fn says(&mut self, to: &str, body: &str) {
        self.hears();
        self.sent += 1;
        let id = format!("m{}", self.sent);
        self.session.send(xml!(
            "<message to='{to}' type='chat' id='{id}'><body>{body}</body></message>"
        ));
        let id = computed_id(&self.token, &id).expect("a plain id");
        self.keeps(id, body.to_owned());
    }

    /// Takes in what came, originals and copies alike.
    fn hears(&mut self) {
        let came = self.session.take_all();
        self.takes_in(came);
    }

    fn takes_in(&mut self, came: Vec<Stanza>) {
        let account = self.session.account();
        for stanza in came {
            let wrapped = ["sent", "received"]
                .iter()
                .find_map(|name| stanza.child(name, ns::CARBONS));
            let (id, body) = match wrapped {
                Some(copy) => {
                    let forwarded = copy.child("forwarded", ns::FORWARD).expect("a copy");
                    read(
                        forwarded.child("message", ns::CLIENT).expect("a message"),
                        account.as_str(),
                    )
                }
                None => {
                    let element = tower_xmpp::stanza::Element::parse(stanza.to_xml().as_bytes());
                    read(element.expect("a stanza").view(), account.as_str())
                }
            };
            self.keeps(id, body);
        }
    }

    fn keeps(&mut self, id: String, body: String) {
        if !self.kept.iter().any(|(known, _)| *known == id) {
            self.kept.push((id, body));
        }
    }

    /// Asks for everything after the newest that it knows, page by page.
    fn catches_up(&mut self) {
        loop {
            let after = self.kept.last().map(|(id, _)| id.clone());
            let set = after.map_or_else(String::new, |id| format!("<after>{id}</after>"));
            let page = query(&self.session, &[], &format!("<max>2</max>{set}"));
            for (id, body) in page.ids.iter().zip(&page.bodies) {
                assert!(
                    !self.kept.iter().any(|(known, _)| known == id),
                    "twice: {body}"
                );
                self.kept.push((id.clone(), body.clone()));
            }
            if page.is_complete() {
                return;
            }
        }
    }

    fn bodies(&self) -> Vec<&str> {
        self.kept.iter().map(|(_, body)| &**body).collect()
    }
}

fn read(message: ElementRef<'_>, account: &str) -> (String, String) {
    let stamp = message
        .children()
        .find(|child| child.is("stanza-id", ns::SID) && child.attr("by") == Some(account));
    let id = stamp
        .and_then(|stamp| stamp.attr("id"))
        .expect("a stamp")
        .to_owned();
    let body = message.child("body", ns::CLIENT).expect("a body").text();
    (id, body)
}

struct Scene {
    w: World,
    a: Shelf,
    archive: Arc<Archive>,
    alice: [Client; 2],
    bob: [Client; 2],
}

const ALICE: &str = "alice@a.example";
const BOB: &str = "bob@b.example";

fn scene() -> Scene {
    let w = World::new();
    let (a, b) = (Shelf::default(), Shelf::default());
    let layer = a.layer(&w);
    let archive = layer.feature().clone();
    w.host("a.example", (layer, ForkLayer::new()));
    w.host("b.example", (b.layer(&w), ForkLayer::new()));
    let clients = |account: &str| {
        ["phone", "desk"]
            .map(|resource| Client::new(w.session(&format!("{account}/{resource}")), None))
    };
    let (alice, bob) = (clients(ALICE), clients(BOB));
    Scene {
        w,
        a,
        archive,
        alice,
        bob,
    }
}

impl Scene {
    fn everybody_hears(&mut self) {
        self.w.settle();
        for client in self.alice.iter_mut().chain(&mut self.bob) {
            client.hears();
        }
    }

    /// Both clients of a side hold the same, in the same order, once.
    fn ends_with(self, bodies: &[&str]) {
        for [one, other] in [&self.alice, &self.bob] {
            assert_eq!(one.kept, other.kept);
            assert_eq!(one.bodies(), bodies);
        }
        self.w.finish();
    }
}

#[test]
fn a_client_that_was_away_holds_the_whole_conversation_afterwards() {
    let mut s = scene();
    s.alice[0].says(BOB, "1");
    s.everybody_hears();
    s.bob[1].says(ALICE, "2");
    s.everybody_hears();
    s.alice[1].session.close();
    for number in ["3", "5", "7"] {
        s.alice[0].says(BOB, number);
        s.everybody_hears();
        let next = (number.parse::<u8>().expect("a digit") + 1).to_string();
        s.bob[0].says(ALICE, &next);
        s.everybody_hears();
    }
    // The newest that it knows is an incoming message.
    let back = s.w.session("alice@a.example/desk");
    let kept = std::mem::take(&mut s.alice[1].kept);
    s.alice[1] = Client::new(back, None);
    s.alice[1].kept = kept;
    s.alice[1].catches_up();
    s.ends_with(&["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn the_newest_that_a_client_knows_may_be_its_own_message_whose_id_it_computed() {
    let mut s = scene();
    s.bob[0].says(ALICE, "1");
    s.everybody_hears();
    s.alice[1].says(BOB, "2");
    s.everybody_hears();
    let own = s.alice[1].kept.last().expect("its own").0.clone();
    assert!(own.starts_with(&s.alice[1].token));
    s.alice[1].session.lose();
    s.alice[0].says(BOB, "3");
    s.everybody_hears();
    let back = s.w.session("alice@a.example/desk");
    let kept = std::mem::take(&mut s.alice[1].kept);
    s.alice[1] = Client::new(back, None);
    s.alice[1].kept = kept;
    s.alice[1].catches_up();
    s.ends_with(&["1", "2", "3"]);
}

#[test]
fn after_a_failed_resumption_what_is_sent_again_is_nowhere_twice() {
    let mut s = scene();
    s.alice[0].says(BOB, "1");
    s.everybody_hears();
    // The acknowledgement is lost with the connection, and so is the session.
    let previous = s.alice[0].token.clone();
    let kept = std::mem::take(&mut s.alice[0].kept);
    s.alice[0].session.lose();
    s.bob[0].says(ALICE, "2");
    s.everybody_hears();
    let back = s.w.session("alice@a.example/new");
    s.alice[0] = Client::new(back, Some(&previous));
    s.alice[0].kept = kept;
    // It is sent again: the first one may never have arrived.
    s.alice[0].session.send(xml!(
        "<message to='{BOB}' type='chat' id='m1'><body>1</body></message>"
    ));
    let told = s.alice[0]
        .session
        .expect("<message><archived xmlns='tower-xmpp:archive-id:0' id='m1' as='$as'/></message>");
    assert_eq!(told["as"], s.alice[0].kept[0].0);
    s.alice[0].catches_up();
    // Alice's archive and clients have it once; Bob's client sees one `id`
    // from one sender twice, which is all that XEP-0198 leaves him.
    s.alice[1].hears();
    assert_eq!(s.alice[0].kept, s.alice[1].kept);
    assert_eq!(s.alice[0].bodies(), ["1", "2"]);
    let account = ALICE.parse().expect("a bare JID");
    assert_eq!(s.a.ids(&account).len(), 2);
    for client in &s.bob {
        client.session.take_all();
    }
    s.w.finish();
}

#[test]
fn what_is_newer_than_the_snapshot_of_bind_2_comes_live_and_what_is_older_from_the_archive() {
    let w = World::new();
    let shelf = Shelf::default();
    let layer = shelf.layer(&w);
    let archive = layer.feature().clone();
    w.host("a.example", (layer, ForkLayer::new()))
        .host("b.example", ());
    let bob = w.session("bob@b.example/x");
    let phone = w.session("alice@a.example/phone");
    let says = |body: &str| {
        bob.send(xml!(
            "<message to='{ALICE}' type='chat'><body>{body}</body></message>"
        ));
        w.settle();
    };
    says("1");
    says("2");
    // What the host does for Bind 2: it binds, then takes the snapshot.
    let desk = w.bind_with("alice@a.example/desk", &[ns::CARBONS, ns::ARCHIVE_ID]);
    let account = desk.account();
    let metadata = futures::executor::block_on(archive.metadata(&account)).expect("it reads");
    let newest = metadata.child("end", ns::MAM).expect("an end");
    let newest = newest.attr("id").expect("an ID").to_owned();
    assert_eq!(shelf.ids(&account).last(), Some(&newest));
    says("3");
    let live: Vec<Stanza> = desk.take_all();
    assert_eq!(
        live.len(),
        1,
        "what came after the snapshot came live, once"
    );
    let until = query(&desk, &[], &format!("<before>{newest}</before>"));
    assert_eq!(until.bodies, ["1"]);
    let named = query(&desk, &[("ids", &newest)], "");
    assert_eq!(named.bodies, ["2"]);
    phone.take_all();
    w.finish();
}

#[test]
fn a_client_that_returns_with_bind_2_reads_up_to_the_snapshot_and_hears_the_rest() {
    let mut s = scene();
    s.alice[0].says(BOB, "1");
    s.everybody_hears();
    s.bob[1].says(ALICE, "2");
    s.everybody_hears();
    // Its session is lost, and cannot be resumed.
    let previous = s.alice[1].token.clone();
    let mut kept = std::mem::take(&mut s.alice[1].kept);
    s.alice[1].session.lose();
    for (number, next) in [("3", "4"), ("5", "6")] {
        s.alice[0].says(BOB, number);
        s.everybody_hears();
        s.bob[0].says(ALICE, next);
        s.everybody_hears();
    }
    // What the host does for Bind 2: carbons and token inline, then the ends.
    let session = s.w.bind_with("alice@a.example/desk", &[ns::CARBONS]);
    let token = s.archive.give_token(session.jid(), Some(&previous));
    let account = session.account();
    let ends = futures::executor::block_on(s.archive.metadata(&account)).expect("it reads");
    let end = ends.child("end", ns::MAM).expect("an end");
    let end = end.attr("id").expect("an ID").to_owned();
    // The conversation goes on before the client has read anything.
    s.bob[0].says(ALICE, "7");
    s.w.settle();
    s.alice[0].hears();
    s.alice[0].says(BOB, "8");
    s.w.settle();
    // From the last that it knows up to the snapshot, and the snapshot itself;
    // everything after it has come live.
    let after = kept.last().expect("something").0.clone();
    let set = format!("<max>100</max><after>{after}</after>");
    let live = session.take_all();
    let missed = query(&session, &[("before-id", &end)], &set);
    let newest = query(&session, &[("ids", &end)], "");
    for page in [missed, newest] {
        assert!(page.is_complete());
        kept.extend(page.ids.into_iter().zip(page.bodies));
    }
    s.alice[1] = Client {
        session,
        token,
        sent: 0,
        kept,
    };
    s.alice[1].takes_in(live);
    s.everybody_hears();
    // Nothing came in two ways.
    let ids: std::collections::BTreeSet<_> = s.alice[1].kept.iter().collect();
    assert_eq!(ids.len(), s.alice[1].kept.len());
    // And what it says now, it knows the ID of.
    s.alice[1].says(BOB, "9");
    s.everybody_hears();
    s.ends_with(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}
