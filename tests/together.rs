//! Layers that are asked together do what they do one inside the other.

mod common;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Bottom, a_copy, alice, chat, from_alice, pass, to_alice};
use tower::limit::ConcurrencyLimit;
use tower_layer::Layer;
use tower_xmpp::flow::{Entity, Envelope, Event, Outcome, Side};
use tower_xmpp::middleware::{Fault, Feature, Next, Scope, Shell, together};
use tower_xmpp::stanza::{Element, Kind, Stanza, Time, Type, ns};

/// Adds a copy to every message with a body that a session sends.
#[derive(Default)]
struct Copies {
    asked: AtomicUsize,
    handled: AtomicUsize,
    breaks: bool,
}

impl Feature for Copies {
    const SCOPE: Scope = Scope::of(&[Kind::Message, Kind::Iq], &[Side::Sender]);

    fn name(&self) -> &'static str {
        "copies"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.breaks, "asked");
        envelope.as_stanza().is_some_and(Stanza::has_body)
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        Ok(next.run(envelope).await?.with(a_copy()))
    }

    fn announces(&self, _: &Entity) -> Vec<Cow<'static, str>> {
        vec!["urn:example:copies".into()]
    }
}

fn copies() -> Shell<Copies> {
    Shell::of(Copies::default())
}

/// One of everything that a stack may be given.
fn everything() -> Vec<Envelope> {
    let disco = Stanza::iq(Type::Get, "d1")
        .with_from(alice())
        .with_child(Element::new("query", ns::DISCO_INFO));
    let typing = Stanza::message().with_from(alice()).with_type(Type::Chat);
    let presence = Stanza::presence().with_from(alice());
    let described = Event::Describe(Entity::Account(alice().to_bare()));
    vec![
        from_alice(chat()),
        to_alice(chat()),
        from_alice(typing),
        from_alice(presence),
        from_alice(disco),
        Envelope::event(Time::from_secs(1), Event::Tick),
        Envelope::event(Time::from_secs(1), described),
    ]
}

#[test]
fn whatever_comes_becomes_what_it_would_become_one_inside_the_other() {
    for envelope in everything() {
        let (nested, flat) = (Bottom::default(), Bottom::default());
        let one_by_one = pass(
            &mut (copies(), copies()).layer(nested.clone()),
            envelope.clone(),
        );
        let at_once = pass(
            &mut together((copies(), copies())).layer(flat.clone()),
            envelope.clone(),
        );
        assert_eq!(format!("{at_once:?}"), format!("{one_by_one:?}"));
        let reached = |bottom: &Bottom| format!("{:?}", bottom.reached.lock().unwrap());
        assert_eq!(reached(&flat), reached(&nested), "{envelope:?}");
    }
}

#[test]
fn what_is_outside_its_scope_is_not_asked_of_a_feature() {
    let (alone, first) = (copies(), copies());
    let mut nested = alone.layer(Bottom::default());
    let mut flat = together((first.clone(),)).layer(Bottom::default());
    for envelope in [to_alice(chat()), from_alice(Stanza::presence())] {
        assert!(pass(&mut nested, envelope.clone()).is_ok());
        assert!(pass(&mut flat, envelope).is_ok());
    }
    assert_eq!(alone.feature().asked.load(Ordering::SeqCst), 0);
    assert_eq!(first.feature().asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_feature_that_panics_when_asked_is_stepped_over_alone() {
    let broken = Shell::of(Copies {
        breaks: true,
        ..Copies::default()
    });
    let inner = copies();
    let bottom = Bottom::default();
    let mut stack = together((broken, inner.clone())).layer(bottom.clone());
    let outcome = pass(&mut stack, from_alice(chat())).unwrap();
    assert_eq!(bottom.count(), 1);
    assert_eq!(outcome.incidents[0].what, "asked");
    assert_eq!(inner.feature().handled.load(Ordering::SeqCst), 1);
}

#[test]
fn a_feature_that_is_missing_does_nothing_and_one_that_is_there_everything() {
    for (there, copies_made) in [(false, 0), (true, 1)] {
        let maybe = Shell::optional(there.then(copies));
        let mut stack = together((maybe,)).layer(Bottom::default());
        let outcome = pass(&mut stack, from_alice(chat())).unwrap();
        assert_eq!(outcome.emits.len(), copies_made);
        let described = Event::Describe(Entity::Account(alice().to_bare()));
        let described = Envelope::event(Time::from_secs(1), described);
        let outcome = pass(&mut stack, described).unwrap();
        assert_eq!(outcome.announced.len(), copies_made);
    }
}

#[test]
fn a_missing_feature_keeps_the_switch_of_its_shell() {
    let off = copies().only_for(|_| false);
    let mut stack = Shell::optional(Some(off)).layer(Bottom::default());
    let outcome = pass(&mut stack, from_alice(chat())).unwrap();
    assert!(outcome.emits.is_empty());
}

#[test]
fn what_they_surround_is_called_only_when_it_is_ready() {
    // A `ConcurrencyLimit` that is called without having been ready panics.
    let limited = ConcurrencyLimit::new(Bottom::default(), 1);
    let mut stack = together((copies(), copies())).layer(limited);
    for envelope in everything().into_iter().chain(everything()) {
        assert!(pass(&mut stack, envelope).is_ok());
    }
}
