//! Where Tower's own layers are safe. `design/007-tower-layers.md` shows the
//! table; every cell of it is a case here, and what is asserted is what became
//! of the stanza.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::house::House;
use common::{alice, chat, from_alice};
use jid::FullJid;
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt};
use tower_xmpp::flow::{Emit, Envelope, Outcome, Route};
use tower_xmpp::host::{Conductor, Router, Settings, conduct};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::stanza::{Condition, Stanza, Time};

type Stack = BoxCloneSyncService<Envelope, Outcome, BoxError>;

/// Has an effect before the original goes on, as archive has.
struct Ledger {
    written: Arc<Mutex<Vec<String>>>,
}

/// Has an effect after it, as fork has: a copy for Alice's desk.
struct Copier;

/// Waits forever with a stanza of this id, as a store or a router may.
struct StuckOn(&'static str);

impl Feature for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        matches!(envelope.route, Route::FromSession(_))
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        self.written.lock().unwrap().push(id(&envelope));
        next.run(envelope).await
    }
}

impl Feature for Copier {
    fn name(&self) -> &'static str {
        "copier"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        matches!(envelope.route, Route::FromSession(_))
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let copy = envelope.as_stanza().expect("a stanza").clone();
        let outcome = next.run(envelope).await?;
        Ok(outcome.with(Emit::copy(desk(), copy)))
    }
}

impl Feature for StuckOn {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        id(envelope) == self.0
    }

    async fn handle(self: Arc<Self>, _: Envelope, _: Next) -> Result<Outcome, Fault> {
        std::future::pending().await
    }
}

/// Where in the stack a layer of Tower's stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Outside everything.
    Outer,
    /// Between the ledger and the copier.
    Middle,
    /// Between the copier and the router.
    Inner,
}

const POSITIONS: [Position; 3] = [Position::Outer, Position::Middle, Position::Inner];

/// What became of one stanza.
#[derive(Debug, PartialEq, Eq)]
struct Became {
    written: bool,
    delivered: bool,
    copied: bool,
    told: bool,
}

struct Scene {
    house: Arc<House>,
    written: Arc<Mutex<Vec<String>>>,
    conductor: Conductor,
}

impl Scene {
    /// Ledger, copier and router with `layer` put in at `position`; the router
    /// never comes back from a message with the id `stuck`.
    fn new<L>(position: Position, layer: L) -> Self
    where
        L: Layer<Stack> + 'static,
        L::Service: tower::Service<Envelope, Response = Outcome> + Clone + Send + Sync + 'static,
        <L::Service as tower::Service<Envelope>>::Error: Into<BoxError>,
        <L::Service as tower::Service<Envelope>>::Future: Send,
    {
        let house = House::of(&[alice(), desk(), carol(), dave()]);
        let written = Arc::new(Mutex::new(Vec::new()));
        let ledger = Shell::of(Ledger {
            written: written.clone(),
        });
        let router = Shell::of(StuckOn("stuck")).layer(Router::new(house.clone()));
        let mut stack: Stack = boxed(router);
        for part in [Position::Inner, Position::Middle, Position::Outer] {
            if part == position {
                stack = boxed(layer.layer(stack));
            }
            stack = match part {
                Position::Inner => boxed(Shell::of(Copier).layer(stack)),
                Position::Middle => boxed(ledger.layer(stack)),
                Position::Outer => stack,
            };
        }
        let (conductor, drivers) = conduct(stack, house.clone(), Settings::default());
        drivers.into_iter().for_each(|driver| {
            tokio::spawn(driver);
        });
        Self {
            house,
            written,
            conductor,
        }
    }

    fn became(&self, id: &str) -> Became {
        let delivered = self.house.delivered.lock().unwrap();
        let to = |session: &FullJid, error: bool| {
            delivered.iter().any(|delivery| {
                delivery.session == *session
                    && delivery.stanza.id() == Some(id)
                    && delivery.stanza.is_error() == error
            })
        };
        let told = delivered.iter().any(|delivery| {
            delivery.stanza.id() == Some(id)
                && delivery
                    .stanza
                    .error()
                    .is_some_and(|error| error.condition == Condition::ResourceConstraint)
        });
        Became {
            written: self.written.lock().unwrap().iter().any(|known| known == id),
            delivered: to(&carol(), false),
            copied: to(&desk(), false),
            told,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_tells_the_sender_but_undoes_nothing_that_it_stands_outside_of() {
    for position in POSITIONS {
        let scene = Scene::new(position, TimeoutLayer::new(Duration::from_secs(5)));
        let ticket = scene.conductor.enter(from_alice(to_carol("stuck")));
        let _ = ticket.await.expect("the pass is over");
        let became = scene.became("stuck");
        assert_eq!(
            became,
            Became {
                // The ledger had written before the router got stuck. That is
                // why a layer with effects makes them idempotent by ID.
                written: true,
                delivered: false,
                copied: false,
                told: true,
            },
            "{position:?}"
        );
        // The lane is free again.
        let ticket = scene.conductor.enter(from_alice(to_carol("next")));
        let _ = ticket.await.expect("the pass is over");
        tokio::task::yield_now().await;
        assert!(scene.became("next").delivered, "{position:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_a_slow_layer_does_not_help_against_it() {
    for (position, told) in [(Position::Outer, true), (Position::Inner, false)] {
        // The copier's place is taken by a layer that is stuck itself.
        let house = House::of(&[alice(), carol()]);
        let timeout = TimeoutLayer::new(Duration::from_secs(5));
        let stuck = Shell::of(StuckOn("stuck"));
        let router = Router::new(house.clone());
        let stack: Stack = match position {
            Position::Outer => boxed(timeout.layer(stuck.layer(router))),
            _ => boxed(stuck.layer(timeout.layer(router))),
        };
        let (conductor, drivers) = conduct(stack, house.clone(), Settings::default());
        drivers.into_iter().for_each(|driver| {
            tokio::spawn(driver);
        });
        let ticket = conductor.enter(from_alice(to_carol("stuck")));
        let over = tokio::time::timeout(Duration::from_secs(3600), ticket).await;
        assert_eq!(over.is_ok(), told, "{position:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shedding_load_outside_leaves_no_trace_and_inside_leaves_half_of_one() {
    for position in POSITIONS {
        let shed = ServiceBuilder::new()
            .layer(LoadShedLayer::new())
            .layer(ConcurrencyLimitLayer::new(1))
            .into_inner();
        let scene = Scene::new(position, shed);
        scene.conductor.post(from_alice(to_carol("stuck")));
        let route = Route::FromSession(dave());
        let message = to_carol("shed").with_from(dave());
        let envelope = Envelope::stanza(Time::from_secs(1), route, message);
        let _ = scene.conductor.enter(envelope).await.expect("a refusal");
        assert_eq!(
            scene.became("shed"),
            Became {
                // Inside the ledger, a message is written and then refused.
                written: position != Position::Outer,
                delivered: false,
                copied: false,
                told: true,
            },
            "{position:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_makes_others_wait_and_loses_nothing_anywhere() {
    for position in POSITIONS {
        let limit = ServiceBuilder::new()
            .layer(TimeoutLayer::new(Duration::from_secs(5)))
            .layer(ConcurrencyLimitLayer::new(1))
            .into_inner();
        let scene = Scene::new(position, limit);
        scene.conductor.post(from_alice(to_carol("stuck")));
        let route = Route::FromSession(dave());
        let message = to_carol("waits").with_from(dave());
        let envelope = Envelope::stanza(Time::from_secs(1), route, message);
        let ticket = scene.conductor.enter(envelope);
        let _ = ticket.await.expect("it passes when the first gave up");
        tokio::task::yield_now().await;
        assert!(scene.became("stuck").told, "{position:?}");
        assert_eq!(
            scene.became("waits"),
            Became {
                written: true,
                delivered: true,
                copied: true,
                told: false,
            },
            "{position:?}"
        );
    }
}

fn boxed<S>(service: S) -> Stack
where
    S: tower::Service<Envelope, Response = Outcome> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    BoxCloneSyncService::new(service.map_err(Into::into))
}

fn id(envelope: &Envelope) -> String {
    let id = envelope.as_stanza().and_then(Stanza::id);
    id.unwrap_or_default().to_owned()
}

fn to_carol(id: &str) -> Stanza {
    chat().with_to(carol()).with_id(id)
}

fn desk() -> FullJid {
    "alice@a.example/desk".parse().unwrap()
}

fn carol() -> FullJid {
    "carol@a.example/x".parse().unwrap()
}

fn dave() -> FullJid {
    "dave@a.example/x".parse().unwrap()
}
