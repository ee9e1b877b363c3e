//! Every kind of event reaches every layer.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::flow::{Affiliation, Emit, End, Entity, Envelope, Event, Original, Outcome};
use crate::stanza::Time;

use super::{Fault, Feature, Next, Pass, Shell};

#[derive(Default)]
struct Listener(Mutex<Vec<Event>>);

impl Feature for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }

    fn concerns(&self, _: &Envelope) -> bool {
        false
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        next.run(envelope).await
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        self.0.lock().unwrap().push(event);
        Ok(Vec::new())
    }
}

#[derive(Clone)]
struct Bottom;

impl Service<Envelope> for Bottom {
    type Response = Outcome;
    type Error = std::convert::Infallible;
    type Future = Pass<std::future::Ready<Result<Outcome, Self::Error>>, Self::Error>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Envelope) -> Self::Future {
        Pass::now(std::future::ready(Ok(Outcome::of(Original::Heard))))
    }
}

/// One of each kind, and whether a layer that is switched off hears of it.
fn events() -> Vec<(Event, bool)> {
    let session = || "alice@a.example/phone".parse().unwrap();
    let account = || "alice@a.example".parse().unwrap();
    let room = || "tea@muc.example".parse().unwrap();
    let domain = || jid::DomainPart::new("b.example").unwrap().into_owned();
    let bound = Event::SessionBound {
        session: session(),
        enabled: Vec::new(),
    };
    // The next of each, so that a new kind does not compile until it is here.
    let mut events = vec![(bound, false)];
    while let Some((last, _)) = events.last() {
        let (session, room) = (session(), room());
        let next = match last {
            Event::SessionBound { .. } => (Event::SessionHibernating { session }, false),
            Event::SessionHibernating { .. } => (Event::SessionResumed { session }, false),
            Event::SessionResumed { .. } => {
                let how = End::Clean;
                (Event::SessionEnded { session, how }, true)
            }
            Event::SessionEnded { .. } => (Event::ClientActive { session }, false),
            Event::ClientActive { .. } => (Event::ClientInactive { session }, false),
            // What is about a domain or the host concerns no account: a
            // switch per account has no say.
            Event::ClientInactive { .. } => (Event::LinkLost { domain: domain() }, true),
            Event::LinkLost { .. } => (Event::LinkBack { domain: domain() }, true),
            Event::LinkBack { .. } => (Event::RoomStarted { room }, false),
            Event::RoomStarted { .. } => (Event::RoomDestroyed { room }, true),
            Event::RoomDestroyed { .. } => {
                let (user, affiliation) = (account(), Affiliation::None);
                let changed = Event::AffiliationChanged {
                    room,
                    user,
                    affiliation,
                };
                (changed, false)
            }
            Event::AffiliationChanged { .. } => {
                let user = account();
                (Event::OccupantKicked { room, user }, false)
            }
            Event::OccupantKicked { .. } => {
                let account = account();
                (Event::AccountRemoved { account }, true)
            }
            Event::AccountRemoved { .. } => {
                let account = account();
                (Event::SeatSuspect { account, room }, false)
            }
            Event::SeatSuspect { .. } => (Event::Tick, true),
            Event::Tick => (Event::Describe(Entity::Account(account())), true),
            Event::Describe(_) => break,
        };
        events.push(next);
    }
    events
}

#[test]
fn every_layer_hears_every_kind_of_event_and_one_that_is_off_of_ends() {
    let outer = Shell::of(Listener::default());
    let off = Shell::of(Listener::default()).only_for(|_| false);
    let inner = Shell::of(Listener::default());
    let mut stack = outer.layer(off.layer(inner.layer(Bottom)));
    for (event, _) in events() {
        let pass = stack.call(Envelope::event(Time::from_secs(1), event));
        let outcome = pass.now_or_never().unwrap().unwrap();
        assert_eq!(outcome.original, Original::Heard);
    }
    let heard = |shell: &Shell<Listener>| shell.feature().0.lock().unwrap().clone();
    let all: Vec<_> = events().into_iter().map(|(event, _)| event).collect();
    assert_eq!(heard(&outer), all);
    assert_eq!(heard(&inner), all);
    let ends = events().into_iter().filter(|(_, off)| *off);
    assert_eq!(
        heard(&off),
        ends.map(|(event, _)| event).collect::<Vec<_>>()
    );
}
