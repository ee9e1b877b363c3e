//! What the shell does for every layer: passing by, the guard, containment,
//! events, announcements, the switch.

mod common;

use std::borrow::Cow;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{Bottom, a_copy, alice, bob, chat, from_alice, pass, to_alice};
use tower_layer::Layer;
use tower_xmpp::flow::{Drop, Emit, End, Entity, Envelope, Event, Original, Outcome, Route, Stage};
use tower_xmpp::middleware::{Fault, Feature, Next, OnFailure, Shell, Verdict, filter, from_fn};
use tower_xmpp::stanza::{Condition, Stanza, Time, Type, ns};

/// What a layer under test does, and where it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Well,
    PanicWhenAsked,
    PanicBefore,
    FailBefore,
    PanicAfter,
    FailAfter,
    PanicOnEvent,
    PanicInAnnounces,
    TakeIn,
}

struct Sample {
    does: Does,
    on_failure: OnFailure,
    handled: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<Event>>>,
}

impl Sample {
    fn new(does: Does) -> Self {
        Self {
            does,
            on_failure: OnFailure::StepOver,
            handled: Arc::default(),
            heard: Arc::default(),
        }
    }
}

impl Feature for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        assert!(self.does != Does::PanicWhenAsked, "asked");
        envelope.as_stanza().is_some_and(Stanza::has_body)
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        match self.does {
            Does::PanicBefore => panic!("before"),
            Does::FailBefore => return Err("before".into()),
            Does::TakeIn => return Ok(Outcome::of(Original::Consumed)),
            _ => {}
        }
        let outcome = next.run(envelope).await?;
        match self.does {
            Does::PanicAfter => panic!("after"),
            Does::FailAfter => Err("after".into()),
            _ => Ok(outcome.with(a_copy())),
        }
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        assert!(self.does != Does::PanicOnEvent, "on event");
        self.heard.lock().unwrap().push(event);
        Ok(Vec::new())
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        assert!(self.does != Does::PanicInAnnounces, "announces");
        match entity {
            Entity::Account(_) => vec!["urn:example:sample".into()],
            _ => Vec::new(),
        }
    }
}

fn run(does: Does) -> (Bottom, Outcome) {
    let bottom = Bottom::default();
    let mut stack = Shell::of(Sample::new(does)).layer(bottom.clone());
    let outcome = pass(&mut stack, from_alice(chat())).unwrap();
    (bottom, outcome)
}

#[test]
fn what_does_not_concern_a_layer_leaves_as_it_came() {
    let bottom = Bottom::default();
    let sample = Sample::new(Does::PanicBefore);
    let mut stack = Shell::of(sample).layer(bottom.clone());
    let presence = Stanza::presence().with_from(alice());
    let outcome = pass(&mut stack, from_alice(presence.clone())).unwrap();
    assert!(outcome.incidents.is_empty());
    assert_eq!(bottom.last_stanza().to_xml(), presence.to_xml());
}

#[test]
fn what_a_layer_emits_bears_its_name_and_what_the_host_emits_does_not() {
    let (_, outcome) = run(Does::Well);
    assert_eq!(outcome.emits[0].by, Some("sample"));
    assert!(
        outcome.emits[0]
            .trail
            .met("sample", &Route::FromSession(alice()))
    );

    let mut stack =
        from_fn("outer", |envelope, next: Next| next_only(envelope, next)).layer(Bottom::default());
    let ping = Stanza::iq(Type::Get, "p1").with_from(alice());
    let outcome = pass(&mut stack, from_alice(ping)).unwrap();
    assert_eq!(outcome.emits[0].by, Some("host"));
    assert!(outcome.emits[0].trail.is_empty());
}

#[test]
fn a_layer_does_not_meet_its_own_work_but_its_other_half_does() {
    let sample = Sample::new(Does::Well);
    let handled = sample.handled.clone();
    let mut stack = Shell::of(sample).layer(Bottom::default());
    let route = Route::FromSession(alice());

    let mut own = from_alice(chat());
    own.trail = own.trail.after("sample", &route);
    let outcome = pass(&mut stack, own.clone()).unwrap();
    assert!(outcome.emits.is_empty());
    assert_eq!(handled.load(Ordering::SeqCst), 0);

    let mut other_half = to_alice(chat());
    other_half.trail = own.trail.clone();
    let _ = pass(&mut stack, other_half).unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 1);
}

#[test]
fn a_layer_that_breaks_before_is_stepped_over_and_the_original_goes_on_once() {
    for (does, panicked) in [
        (Does::PanicWhenAsked, true),
        (Does::PanicBefore, true),
        (Does::FailBefore, false),
    ] {
        let (bottom, outcome) = run(does);
        assert_eq!(bottom.count(), 1, "{does:?}");
        assert_eq!(bottom.last_stanza().to_xml(), chat().to_xml());
        assert_eq!(outcome.original, Original::Routed);
        let incident = &outcome.incidents[0];
        assert_eq!(
            (incident.layer, incident.stage, incident.panicked),
            ("sample", Stage::Before, panicked),
            "{does:?}"
        );
    }
}

#[test]
fn a_layer_that_breaks_after_leaves_the_inner_outcome_standing() {
    for does in [Does::PanicAfter, Does::FailAfter] {
        let (bottom, outcome) = run(does);
        assert_eq!(bottom.count(), 1, "{does:?}");
        assert_eq!(outcome.original, Original::Routed);
        assert_eq!(outcome.incidents[0].stage, Stage::After);
        assert_eq!(outcome.incidents[0].what, "after");
    }
}

#[test]
fn a_layer_that_fails_closed_refuses_instead() {
    for does in [Does::PanicWhenAsked, Does::PanicBefore, Does::FailBefore] {
        let bottom = Bottom::default();
        let sample = Sample {
            on_failure: OnFailure::Refuse,
            ..Sample::new(does)
        };
        let mut stack = Shell::of(sample).layer(bottom.clone());
        let outcome = pass(&mut stack, from_alice(chat())).unwrap();
        assert_eq!(bottom.count(), 0);
        assert_eq!(
            outcome.original,
            Original::Bounced(Condition::InternalServerError)
        );
    }
}

#[test]
fn a_panic_further_in_is_not_blamed_on_the_outer_layer() {
    async fn router(_: Envelope) -> Result<Outcome, Infallible> {
        panic!("the router")
    }
    let mut stack = Shell::of(Sample::new(Does::Well)).layer(tower::service_fn(router));
    let call = AssertUnwindSafe(|| pass(&mut stack, from_alice(chat())));
    let panic = catch_unwind(call).expect_err("it goes through");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the router"));
}

#[test]
fn an_error_of_the_inner_service_comes_out_as_it_was() {
    let inner = tower::service_fn(|_: Envelope| async { Err::<Outcome, _>("the disk is full") });
    let mut stack = Shell::of(Sample::new(Does::Well)).layer(inner);
    let error = pass(&mut stack, from_alice(chat())).unwrap_err();
    assert_eq!(error, "the disk is full");
}

#[test]
fn who_takes_the_original_in_keeps_it_from_the_inner_layers() {
    let (bottom, outcome) = run(Does::TakeIn);
    assert_eq!(bottom.count(), 0);
    assert_eq!(outcome.original, Original::Consumed);
}

#[test]
fn every_layer_hears_every_event_even_behind_one_that_panics() {
    let inner = Sample::new(Does::Well);
    let heard = inner.heard.clone();
    let mut stack = tower::ServiceBuilder::new()
        .layer(Shell::of(Sample::new(Does::PanicOnEvent)))
        .layer(Shell::of(inner))
        .service(Bottom::default());
    let outcome = pass(&mut stack, Envelope::event(Time::from_secs(1), Event::Tick)).unwrap();
    assert_eq!(*heard.lock().unwrap(), [Event::Tick]);
    assert_eq!(outcome.original, Original::Heard);
    assert_eq!(outcome.incidents[0].stage, Stage::Event);
}

#[test]
fn describing_gathers_what_all_layers_announce() {
    let mut stack = Shell::of(Sample::new(Does::Well)).layer(Bottom::default());
    let ask = |entity| Envelope::event(Time::from_secs(1), Event::Describe(entity));
    let account = Entity::Account(alice().to_bare());
    let outcome = pass(&mut stack, ask(account)).unwrap();
    assert_eq!(outcome.announced[..], ["urn:example:sample"]);
    let server = Entity::Server(alice().domain().to_owned());
    let outcome = pass(&mut stack, ask(server)).unwrap();
    assert!(outcome.announced.is_empty());
}

#[test]
fn a_layer_that_panics_over_an_event_hides_no_others_announcements() {
    let ask = || {
        let entity = Entity::Account(alice().to_bare());
        Envelope::event(Time::from_secs(1), Event::Describe(entity))
    };
    let broken_switch = Shell::of(Sample::new(Does::Well)).only_for(|_| panic!("the switch"));
    let inner = || Shell::of(Sample::new(Does::Well)).layer(Bottom::default());
    let outcome = pass(
        &mut Shell::of(Sample::new(Does::PanicInAnnounces)).layer(inner()),
        ask(),
    )
    .unwrap();
    assert_eq!(outcome.announced[..], ["urn:example:sample"]);
    assert_eq!(outcome.incidents[0].what, "announces");

    let bound = Envelope::event(Time::from_secs(1), Event::ClientActive { session: alice() });
    let outcome = pass(&mut broken_switch.layer(inner()), bound).unwrap();
    assert_eq!(outcome.incidents[0].what, "the switch");
    assert_eq!(outcome.incidents[0].stage, Stage::Event);
}

#[test]
fn a_layer_may_be_one_of_two() {
    for left in [true, false] {
        let layer = match left {
            true => tower::util::Either::Left(Shell::of(Sample::new(Does::Well))),
            false => tower::util::Either::Right(Shell::of(Sample::new(Does::TakeIn))),
        };
        let mut stack = tower::ServiceBuilder::new()
            .layer(layer)
            .service(Bottom::default());
        let outcome = pass(&mut stack, from_alice(chat())).unwrap();
        let wanted = [Original::Consumed, Original::Routed][usize::from(left)].clone();
        assert_eq!(outcome.original, wanted);
    }
}

#[test]
fn what_a_layer_announces_is_added_to_the_hosts_disco_answer_once() {
    let answered_twice = from_fn("host-disco", |envelope: Envelope, _: Next| async move {
        let stanza = envelope.as_stanza().expect("a stanza");
        let info = "<query xmlns='http://jabber.org/protocol/disco#info'>\
                    <identity category='account' type='registered'/>\
                    <feature var='urn:xmpp:ping'/></query>";
        let query = tower_xmpp::stanza::Element::parse(info.as_bytes()).expect("XML");
        Ok(Outcome::answered(stanza.reply().with_child(query)))
    });
    let mut stack = tower::ServiceBuilder::new()
        .layer(Shell::of(Sample::new(Does::Well)))
        .layer(Shell::of(Sample::new(Does::Well)))
        .layer(answered_twice)
        .service(Bottom::default());
    let query = tower_xmpp::stanza::Element::new("query", ns::DISCO_INFO);
    for to in [None, Some("alice@a.example")] {
        let mut ask = Stanza::iq(Type::Get, "d1")
            .with_from(alice())
            .with_child(query.clone());
        ask.set_to(to.map(|to| to.parse().unwrap()));
        let outcome = pass(&mut stack, from_alice(ask)).unwrap();
        let answer = &outcome.emits[0].stanza;
        let info = answer.child("query", ns::DISCO_INFO).expect("a query");
        let features: Vec<_> = info.children().filter_map(|f| f.attr("var")).collect();
        assert_eq!(features, ["urn:xmpp:ping", "urn:example:sample"]);
    }
}

#[test]
fn a_layer_that_is_off_for_an_account_lets_its_stanzas_by_and_still_hears_of_ends() {
    let sample = Sample::new(Does::Well);
    let (handled, heard) = (sample.handled.clone(), sample.heard.clone());
    let mut stack = Shell::of(sample)
        .only_for(|account| account.as_str() != "alice@a.example")
        .layer(Bottom::default());
    let _ = pass(&mut stack, from_alice(chat())).unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 0);

    let event = |event| Envelope::event(Time::from_secs(1), event);
    let bound = Event::SessionBound {
        session: alice(),
        enabled: Vec::new(),
    };
    let ended = Event::SessionEnded {
        session: alice(),
        how: End::Lost,
    };
    let _ = pass(&mut stack, event(bound)).unwrap();
    let _ = pass(&mut stack, event(ended.clone())).unwrap();
    assert_eq!(*heard.lock().unwrap(), [ended]);
}

#[test]
fn a_layer_may_be_left_out_by_an_option() {
    for wanted in [true, false] {
        let layer = wanted.then(|| Shell::of(Sample::new(Does::Well)));
        let mut stack = tower::ServiceBuilder::new()
            .option_layer(layer)
            .service(Bottom::default());
        let outcome = pass(&mut stack, from_alice(chat())).unwrap();
        assert_eq!(outcome.emits.len(), usize::from(wanted));
    }
}

#[test]
fn stacks_built_from_one_layer_share_its_state() {
    let sample = Sample::new(Does::Well);
    let handled = sample.handled.clone();
    let layer = Shell::of(sample);
    let _ = pass(&mut layer.layer(Bottom::default()), from_alice(chat())).unwrap();
    let _ = pass(&mut layer.layer(Bottom::default()), from_alice(chat())).unwrap();
    assert_eq!(handled.load(Ordering::SeqCst), 2);
}

#[test]
fn a_filter_refuses_with_its_error_and_drops_all_but_requests() {
    let judge = |verdict: Verdict| {
        let mut stack = filter("judge", move |_| verdict.clone()).layer(Bottom::default());
        move |stanza| pass(&mut stack, from_alice(stanza)).unwrap().original
    };
    let refuse = || Verdict::Refuse(Condition::PolicyViolation.into());
    assert_eq!(
        judge(refuse())(chat()),
        Original::Bounced(Condition::PolicyViolation)
    );
    assert_eq!(judge(Verdict::Pass)(chat()), Original::Routed);
    assert_eq!(
        judge(Verdict::Drop)(chat()),
        Original::Dropped(Drop::Filtered)
    );
    let ping = Stanza::iq(Type::Get, "p1")
        .with_from(alice())
        .with_to(bob());
    assert_eq!(
        judge(Verdict::Drop)(ping),
        Original::Bounced(Condition::ServiceUnavailable)
    );
}

async fn next_only(envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
    next.run(envelope).await
}
