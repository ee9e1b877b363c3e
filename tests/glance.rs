//! Layers for which a look is enough: what the shell does then, and does not.

mod common;

use std::sync::Arc;

use common::{Bottom, a_copy, alice, chat, from_alice, pass};
use tower_layer::Layer;
use tower_xmpp::flow::{Envelope, Facts, Original, Outcome, Route, Stage};
use tower_xmpp::middleware::{Fault, Feature, Glance, Next, OnFailure, Shell, together};
use tower_xmpp::stanza::Condition;

/// Looks like this; what it handles, it adds an emit to.
struct Looks {
    at: fn(&Envelope) -> Glance,
    on_failure: OnFailure,
}

impl Feature for Looks {
    fn name(&self) -> &'static str {
        "looks"
    }

    fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    fn concerns(&self, _: &Envelope) -> bool {
        true
    }

    fn glance(&self, envelope: &Envelope) -> Glance {
        (self.at)(envelope)
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        Ok(next.run(envelope).await?.with(a_copy()))
    }
}

fn looks(at: fn(&Envelope) -> Glance) -> Shell<Looks> {
    let on_failure = OnFailure::StepOver;
    Shell::of(Looks { at, on_failure })
}

fn wanted(envelope: &Envelope) -> Glance {
    let mut facts = envelope.facts.clone();
    facts.wanted = true;
    Glance::GoesOn(facts)
}

fn run(layer: Shell<Looks>, envelope: Envelope) -> (Bottom, Outcome) {
    let bottom = Bottom::default();
    let outcome = pass(&mut layer.layer(bottom.clone()), envelope).unwrap();
    (bottom, outcome)
}

/// What reached the bottom, as it was told of it.
fn facts(bottom: &Bottom) -> Vec<Facts> {
    let reached = bottom.reached.lock().unwrap();
    reached.iter().map(|it| it.facts.clone()).collect()
}

#[test]
fn what_takes_a_look_goes_on_with_what_inner_layers_are_told_and_is_not_handled() {
    let (bottom, outcome) = run(looks(wanted), from_alice(chat()));
    assert!(facts(&bottom)[0].wanted);
    assert_eq!(bottom.last_stanza().to_xml(), chat().to_xml());
    assert_eq!(outcome.original, Original::Routed);
    assert!(outcome.emits.is_empty());
}

#[test]
fn what_takes_more_is_handled_and_what_is_of_no_concern_is_not() {
    for (at, emits) in [
        ((|_| Glance::Handle) as fn(&Envelope) -> Glance, 1),
        (|_| Glance::Unconcerned, 0),
    ] {
        let (bottom, outcome) = run(looks(at), from_alice(chat()));
        assert_eq!(facts(&bottom), [Facts::default()]);
        assert_eq!(outcome.emits.len(), emits);
    }
}

#[test]
fn what_ends_at_a_look_is_kept_from_the_inner_layers_and_its_emits_bear_the_layers_name() {
    let ends = looks(|_| Glance::Ends(Outcome::of(Original::Consumed).with(a_copy())));
    let (bottom, outcome) = run(ends, from_alice(chat()));
    assert_eq!(bottom.count(), 0);
    assert_eq!(outcome.original, Original::Consumed);
    let [emit] = &outcome.emits[..] else {
        panic!("one emit");
    };
    assert_eq!(emit.by, Some("looks"));
    assert!(emit.trail.met("looks", &Route::FromSession(alice())));
}

#[test]
fn an_inner_layer_looks_at_what_an_outer_one_tells() {
    let told = |envelope: &Envelope| match envelope.facts.wanted {
        true => Glance::Ends(Outcome::of(Original::Consumed)),
        false => Glance::Unconcerned,
    };
    let bottom = Bottom::default();
    let mut both = together((looks(wanted), looks(told))).layer(bottom.clone());
    let outcome = pass(&mut both, from_alice(chat())).unwrap();
    assert_eq!(outcome.original, Original::Consumed);
    assert_eq!(bottom.count(), 0);

    let mut inner_first = together((looks(told), looks(wanted))).layer(bottom.clone());
    let _ = pass(&mut inner_first, from_alice(chat())).unwrap();
    assert!(facts(&bottom)[0].wanted);
}

#[test]
fn a_panic_over_a_look_is_stepped_over_or_refused_as_the_layer_wants() {
    let breaks = |on_failure| {
        let at = |_: &Envelope| panic!("over a look");
        run(Shell::of(Looks { at, on_failure }), from_alice(chat()))
    };
    let (bottom, outcome) = breaks(OnFailure::StepOver);
    assert_eq!(facts(&bottom), [Facts::default()]);
    assert_eq!(bottom.last_stanza().to_xml(), chat().to_xml());
    let incident = &outcome.incidents[0];
    assert_eq!((incident.layer, incident.stage), ("looks", Stage::Before));
    assert!(incident.panicked);

    let (bottom, outcome) = breaks(OnFailure::Refuse);
    assert_eq!(bottom.count(), 0);
    let refused = Original::Bounced(Condition::InternalServerError);
    assert_eq!(outcome.original, refused);
}

#[test]
fn a_layer_does_not_look_at_its_own_work_nor_where_it_is_switched_off() {
    let route = Route::FromSession(alice());
    let mut own = from_alice(chat());
    own.trail = own.trail.after("looks", &route);
    let (bottom, _) = run(looks(wanted), own);
    assert!(!facts(&bottom)[0].wanted);

    let off = looks(wanted).only_for(|_| false);
    let (bottom, _) = run(off, from_alice(chat()));
    assert!(!facts(&bottom)[0].wanted);
}

#[test]
fn a_layer_that_may_be_missing_looks_where_it_is_there() {
    for layer in [Some(looks(wanted)), None] {
        let is_there = layer.is_some();
        let bottom = Bottom::default();
        let mut stack = Shell::optional(layer).layer(bottom.clone());
        let outcome = pass(&mut stack, from_alice(chat())).unwrap();
        assert_eq!(facts(&bottom)[0].wanted, is_there);
        assert!(outcome.emits.is_empty());
    }
}
