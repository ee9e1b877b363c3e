//! The layer over routers that answer differently: what became of the
//! original decides about the copies. Flows between several parties are in
//! `tests/fork/`.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use jid::FullJid;
use tower_layer::Layer;
use tower_service::Service;

use crate::flow::{
    Archived, Drop, Emit, End, Entity, Envelope, Event, Incident, Occupancy, Original, Outcome,
    Route,
};
use crate::fork::{Fork, ForkLayer};
use crate::middleware::Feature;
use crate::stanza::{Condition, Stanza, Time, Type, ns};

type Router = tower::util::BoxCloneService<Envelope, Outcome, Infallible>;

/// A layer over a router that answers every stanza with this outcome, and
/// what reached the router.
struct Stack {
    service: Box<dyn FnMut(Envelope) -> BoxFuture<'static, Outcome>>,
    routed: Arc<Mutex<Vec<Stanza>>>,
}

impl Stack {
    fn over(outcome: Outcome) -> Self {
        Self::of(ForkLayer::new(), outcome)
    }

    fn of(layer: ForkLayer, outcome: Outcome) -> Self {
        let routed = Arc::new(Mutex::new(Vec::new()));
        let seen = routed.clone();
        let router = tower::service_fn(move |envelope: Envelope| {
            let outcome = match envelope.as_stanza() {
                Some(stanza) => {
                    seen.lock().unwrap().push(stanza.clone());
                    outcome.clone()
                }
                None => Outcome::of(Original::Heard),
            };
            async move { Ok::<_, Infallible>(outcome) }
        });
        let mut service = layer.layer(Router::new(router));
        Self {
            service: Box::new(move |envelope| {
                let passing = service.call(envelope);
                async move { passing.await.unwrap() }.boxed()
            }),
            routed,
        }
    }

    /// With these sessions of Alice's, and copies switched on.
    fn bound(mut self, resources: &[&str]) -> Self {
        for resource in resources {
            let enabled = vec![ns::CARBONS.to_owned()];
            self.hear(Event::SessionBound {
                session: session(resource),
                enabled,
            });
        }
        self
    }

    fn hear(&mut self, event: Event) -> Vec<Incident> {
        self.pass(Envelope::event(Time::from_secs(0), event))
            .incidents
            .into_iter()
            .collect()
    }

    fn pass(&mut self, envelope: Envelope) -> Outcome {
        (self.service)(envelope)
            .now_or_never()
            .expect("it does not wait")
    }

    /// To whom copies of this message go.
    fn inward(&mut self, to: &str) -> Vec<String> {
        let outcome = self.pass(to_alice(chat("bob@b.example/x", to)));
        copied(&outcome.emits)
    }

    fn outward(&mut self) -> Vec<String> {
        let outcome = self.pass(from_phone(chat("alice@a.example/phone", "bob@b.example")));
        copied(&outcome.emits)
    }
}

#[test]
fn who_got_the_original_gets_no_copy() {
    let delivered = Original::Delivered([session("desk"), session("tv")].into());
    let mut stack = Stack::over(Outcome::of(delivered)).bound(&["desk", "phone", "tablet"]);
    assert_eq!(stack.inward("alice@a.example"), ["phone", "tablet"]);
}

#[test]
fn what_is_kept_for_later_is_copied_to_whoever_is_there() {
    for original in [Original::Stored, Original::Dropped(Drop::NobodyMeant)] {
        let mut stack = Stack::over(Outcome::of(original)).bound(&["desk"]);
        assert_eq!(stack.inward("alice@a.example"), ["desk"]);
    }
}

#[test]
fn what_is_refused_or_taken_in_is_not_copied() {
    for original in [
        Original::Bounced(Condition::ServiceUnavailable),
        Original::Consumed,
        Original::Dropped(Drop::Filtered),
        Original::Dropped(Drop::Unanswerable),
    ] {
        let mut stack = Stack::over(Outcome::of(original)).bound(&["desk", "phone"]);
        assert!(stack.inward("alice@a.example").is_empty());
        assert!(stack.outward().is_empty());
    }
}

#[test]
fn a_router_that_does_not_say_who_got_it_leaves_copies_of_what_was_for_one_session() {
    let mut stack = Stack::over(Outcome::of(Original::Routed)).bound(&["desk", "phone"]);
    assert_eq!(stack.inward("alice@a.example/phone"), ["desk"]);
    assert!(stack.inward("alice@a.example").is_empty());
}

#[test]
fn sent_copies_leave_before_the_message_does() {
    let on = Emit::new_at(
        Route::ToAccount("bob@b.example".parse().unwrap()),
        chat("alice@a.example/phone", "bob@b.example"),
    );
    let mut stack = Stack::over(Outcome::of(Original::Routed).with(on)).bound(&["desk"]);
    let outcome = stack.pass(from_phone(chat("alice@a.example/phone", "bob@b.example")));
    assert!(outcome.emits[0].stanza.has_child("sent", ns::CARBONS));
    assert_eq!(outcome.emits.len(), 2);
}

#[test]
fn the_sender_is_told_by_the_route_even_where_the_message_does_not_name_it() {
    let mut stack = Stack::over(Outcome::of(Original::Routed)).bound(&["desk", "phone"]);
    let mut nameless = chat("alice@a.example/phone", "bob@b.example");
    nameless.set_from(None);
    let outcome = stack.pass(from_phone(nameless));
    assert_eq!(copied(&outcome.emits), ["desk"]);
}

#[test]
fn only_the_copies_bear_the_archive_id_of_the_sender() {
    let mut stack = Stack::over(Outcome::of(Original::Routed)).bound(&["desk"]);
    for (by, stamped) in [("alice@a.example", true), ("room@muc.example", false)] {
        let mut envelope = from_phone(chat("alice@a.example/phone", "bob@b.example"));
        envelope.facts.archived = Some(Archived {
            by: by.parse().unwrap(),
            id: "s1".to_owned(),
        });
        let outcome = stack.pass(envelope);
        let copy = outcome.emits[0].stanza.to_xml();
        let stamp = "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='s1'/>";
        assert_eq!(copy.contains(stamp), stamped, "{copy}");
    }
    let routed = stack.routed.lock().unwrap();
    assert!(routed.iter().all(|stanza| !stanza.mentions(ns::SID)));
}

#[test]
fn an_account_without_copies_switched_on_concerns_nobody() {
    let fork = Fork::new();
    let messages = [
        to_alice(chat("bob@b.example/x", "alice@a.example")),
        from_phone(chat("alice@a.example/phone", "bob@b.example")),
    ];
    for envelope in &messages {
        assert!(!fork.concerns(envelope));
    }
    let layer = ForkLayer::of(fork);
    let mut stack = Stack::of(layer.clone(), Outcome::of(Original::Routed)).bound(&["desk"]);
    for envelope in &messages {
        assert!(layer.feature().concerns(envelope));
    }
    stack.hear(Event::SessionEnded {
        session: session("desk"),
        how: End::Clean,
    });
    for envelope in &messages {
        assert!(!layer.feature().concerns(envelope));
    }
}

#[test]
fn what_is_switched_on_ends_with_the_account() {
    let mut stack = Stack::over(Outcome::of(Original::Stored)).bound(&["desk"]);
    stack.hear(Event::AccountRemoved {
        account: session("desk").to_bare(),
    });
    assert!(stack.inward("alice@a.example").is_empty());
}

#[test]
fn an_address_taken_over_by_a_new_session_has_nothing_switched_on() {
    let mut stack = Stack::over(Outcome::of(Original::Stored)).bound(&["desk"]);
    stack.hear(Event::SessionBound {
        session: session("desk"),
        enabled: Vec::new(),
    });
    assert!(stack.inward("alice@a.example").is_empty());
}

#[test]
fn one_session_too_many_is_told_to_wait() {
    let many: Vec<_> = (0..256).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let mut stack = Stack::over(Outcome::of(Original::Routed)).bound(&many);
    let enable =
        Stanza::parse(b"<iq type='set' id='c1'><enable xmlns='urn:xmpp:carbons:2'/></iq>").unwrap();
    let outcome = stack.pass(from_phone(enable));
    assert_eq!(
        outcome.original,
        Original::Bounced(Condition::ResourceConstraint)
    );
    let heard = stack.hear(Event::SessionBound {
        session: session("one more"),
        enabled: vec![ns::CARBONS.to_owned()],
    });
    assert_eq!(heard[0].layer, "fork");
}

#[test]
fn whoever_knows_the_rooms_is_asked_instead_of_guessing() {
    struct InRoom;
    impl Occupancy for InRoom {
        fn known(&self, _: &jid::BareJid, room: &jid::BareJid) -> bool {
            room.as_str() == "room@muc.example"
        }
        fn sessions(&self, _: &jid::BareJid, _: &jid::BareJid) -> Vec<FullJid> {
            vec![session("phone"), session("desk")]
        }
    }
    let layer = ForkLayer::of(Fork::new().occupancy(Arc::new(InRoom)));
    let presence = Stanza::parse(
        b"<presence to='room@muc.example/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    )
    .unwrap();
    assert!(!layer.feature().concerns(&from_phone(presence)));

    let mut stack =
        Stack::of(layer, Outcome::of(Original::Routed)).bound(&["desk", "phone", "tablet"]);
    let to_occupant = chat("alice@a.example/phone", "room@muc.example/Bob");
    let outcome = stack.pass(from_phone(to_occupant));
    assert_eq!(copied(&outcome.emits), ["desk"]);
}

#[test]
fn carbons_and_im_ng_are_announced_for_the_server_alone() {
    let fork = Fork::new();
    let announced = fork.announces(&Entity::Server("a.example".parse().unwrap()));
    assert_eq!(
        announced,
        [
            "urn:xmpp:carbons:2",
            "urn:xmpp:carbons:rules:0",
            "urn:xmpp:im-ng:0"
        ]
    );
    let account = Entity::Account("alice@a.example".parse().unwrap());
    assert!(fork.announces(&account).is_empty());
}

fn session(resource: &str) -> FullJid {
    format!("alice@a.example/{resource}").parse().unwrap()
}

fn chat(from: &str, to: &str) -> Stanza {
    Stanza::message()
        .with_type(Type::Chat)
        .with_from(from.parse::<jid::Jid>().unwrap())
        .with_to(to.parse::<jid::Jid>().unwrap())
        .with_id("m1")
        .with_text_child("body", "hi")
}

fn to_alice(stanza: Stanza) -> Envelope {
    let route = Route::ToAccount(session("phone").to_bare());
    Envelope::stanza(Time::from_secs(0), route, stanza)
}

fn from_phone(stanza: Stanza) -> Envelope {
    let route = Route::FromSession(session("phone"));
    Envelope::stanza(Time::from_secs(0), route, stanza)
}

/// The resources to which copies go.
fn copied(emits: &[Emit]) -> Vec<String> {
    emits
        .iter()
        .filter(|emit| emit.stanza.mentions(ns::CARBONS))
        .map(|emit| emit.stanza.to().unwrap().resource().unwrap().to_string())
        .collect()
}
