use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use crate::flow::{BoxError, Emit, Entity, Envelope, Event, Facts, Outcome};
use crate::stanza::Time;

use super::{Next, Scope};

/// One XMPP capability: what a layer does, without the plumbing.
///
/// State that outlives a pass lives in `self`; stacks built from one
/// [`Shell`](super::Shell) share it.
///
/// One that counts the messages for which nobody was there:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tower_xmpp::flow::{Envelope, Original, Outcome, Route};
/// use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
/// use tower_xmpp::stanza::Kind;
/// use tower_xmpp::testkit::{World, xml};
///
/// #[derive(Default)]
/// struct Missed(AtomicU64);
///
/// impl Feature for Missed {
///     fn name(&self) -> &'static str {
///         "missed"
///     }
///
///     fn concerns(&self, envelope: &Envelope) -> bool {
///         let kind = envelope.as_stanza().map(|stanza| stanza.kind());
///         matches!(envelope.route, Route::ToAccount(_)) && kind == Some(Kind::Message)
///     }
///
///     async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
///         let outcome = next.run(envelope).await?;
///         if !matches!(outcome.original, Original::Delivered(_)) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///         Ok(outcome)
///     }
/// }
///
/// let layer = Shell::of(Missed::default());
/// let missed = layer.feature().clone();
/// let w = World::new();
/// w.host("a.example", layer);
/// let bob = w.session("bob@a.example/x");
/// bob.send(xml!("<message to='alice@a.example' type='chat' id='m1'><body>hi</body></message>"));
/// bob.expect("<message type='error' id='m1'/>");
/// assert_eq!(missed.0.load(Ordering::Relaxed), 1);
/// w.finish();
/// ```
pub trait Feature: Send + Sync + 'static {
    /// What can concern the feature at all. [`concerns`](Feature::concerns)
    /// is not asked about anything else.
    const SCOPE: Scope = Scope::ALL;

    /// The layer's name in trails, logs and figures: unique in a stack.
    fn name(&self) -> &'static str;

    /// What happens to a stanza if this feature breaks before it let it go on.
    fn on_failure(&self) -> OnFailure {
        OnFailure::StepOver
    }

    /// Whether the feature has anything to do for this stanza. Asked for every
    /// stanza of the server that is in the [`SCOPE`](Feature::SCOPE): look at the
    /// head, at [`mentions`](crate::stanza::Stanza::mentions), then at your state;
    /// never at the children's insides, and do not allocate.
    fn concerns(&self, envelope: &Envelope) -> bool;

    /// Looks at a stanza that concerns the feature, and says whether that was all.
    /// It may change the feature's state, tell inner layers something or end the
    /// stanza; it cannot wait, change the stanza, or learn what becomes of it.
    /// What is done here needs neither the boxes nor the copy of the envelope that
    /// [`handle`](Feature::handle) takes.
    ///
    /// Not everything that concerns the feature comes by here, so `handle` must
    /// be able to do all of it. A panic is dealt with as
    /// [`on_failure`](Feature::on_failure) says.
    #[inline]
    fn glance(&self, envelope: &Envelope) -> Glance {
        let _ = envelope;
        Glance::Handle
    }

    /// Does it. The envelope carries a stanza, never an event.
    ///
    /// Call `next.run(envelope)` to let the original go on, at most once; do
    /// not call it to take the original in. Add what is to be sent besides to
    /// the outcome.
    fn handle(
        self: Arc<Self>,
        envelope: Envelope,
        next: Next,
    ) -> impl Future<Output = Result<Outcome, Fault>> + Send;

    /// Hears of an event, before the inner layers do, and says what is to be
    /// sent because of it.
    fn hear(
        self: Arc<Self>,
        at: Time,
        event: Event,
    ) -> impl Future<Output = Result<Vec<Emit>, Fault>> + Send {
        let _ = (at, event);
        async { Ok(Vec::new()) }
    }

    /// The disco#info features (XEP-0030) that an entity has because of this layer.
    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        let _ = entity;
        Vec::new()
    }
}

/// What came of a [`glance`](Feature::glance).
#[derive(Debug)]
#[non_exhaustive]
pub enum Glance {
    /// There is more to do than that, and nothing of it has been done:
    /// [`handle`](Feature::handle) is called.
    Handle,
    /// It does not concern the feature after all: it goes on as it came. So
    /// [`concerns`](Feature::concerns) may say yes too often, where to be certain
    /// would take as long as the look does.
    Unconcerned,
    /// That was all: it goes on, and inner layers are told these facts instead of
    /// the envelope's. So begin with a clone of those.
    GoesOn(Facts),
    /// That was all: it ends here, and this became of it. Emits get the layer's
    /// name as those of `handle` do.
    Ends(Outcome),
}

/// What becomes of a stanza whose layer broke before it let the stanza go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It goes on as it came (fail-open): the user's message matters more.
    StepOver,
    /// It is refused with `internal-server-error` (fail-closed): half a change
    /// of membership would be worse than none.
    Refuse,
}

/// Why [`Feature::handle`] could not finish.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The inner service returned an error. It is kept by the shell, which
    /// returns it from the service; the feature only passes this on.
    Inner,
    /// The feature itself failed. It is stepped over.
    Own(BoxError),
}

impl<E: Into<BoxError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault::Own(error.into())
    }
}

/// A feature that may be missing; made by
/// [`Shell::optional`](super::Shell::optional).
impl<F: Feature> Feature for Option<Arc<F>> {
    const SCOPE: Scope = F::SCOPE;

    fn name(&self) -> &'static str {
        self.as_ref().map_or("missing", |feature| feature.name())
    }

    fn on_failure(&self) -> OnFailure {
        self.as_ref()
            .map_or(OnFailure::StepOver, |feature| feature.on_failure())
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        self.as_ref()
            .is_some_and(|feature| feature.concerns(envelope))
    }

    #[inline]
    fn glance(&self, envelope: &Envelope) -> Glance {
        self.as_ref()
            .map_or(Glance::Unconcerned, |feature| feature.glance(envelope))
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        match &*self {
            Some(feature) => feature.clone().handle(envelope, next).await,
            None => next.run(envelope).await,
        }
    }

    async fn hear(self: Arc<Self>, at: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        match &*self {
            Some(feature) => feature.clone().hear(at, event).await,
            None => Ok(Vec::new()),
        }
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        self.as_ref()
            .map_or_else(Vec::new, |feature| feature.announces(entity))
    }
}
