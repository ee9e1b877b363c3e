use std::borrow::Cow;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use jid::BareJid;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Feature, Glance, contain, disco, panic_text, telemetry};
use crate::flow::{Envelope, Event, Outcome, What};

/// A [`Feature`] as a `tower_layer::Layer`.
///
/// Cloning it, or building several stacks from it, shares the feature's state.
pub struct Shell<F> {
    feature: Arc<F>,
    switch: Option<Switch>,
}

type Switch = Arc<dyn Fn(&BareJid) -> bool + Send + Sync>;

/// A [`Feature`] around an inner service.
pub struct Middleware<F, S> {
    shell: Shell<F>,
    inner: S,
}

/// What a feature has to do with a stanza.
struct Judgement {
    concerned: bool,
    announces: Option<Vec<Cow<'static, str>>>,
}

impl<F: Feature> Shell<F> {
    /// A layer of this feature.
    pub fn of(feature: F) -> Self {
        Self {
            feature: Arc::new(feature),
            switch: None,
        }
    }

    /// Switches the layer off for accounts and rooms for which `wanted` says
    /// no. It is asked on every pass that concerns the feature, so that a
    /// user's choice holds from the next stanza on. Events that end something
    /// are heard all the same.
    #[must_use]
    pub fn only_for(mut self, wanted: impl Fn(&BareJid) -> bool + Send + Sync + 'static) -> Self {
        self.switch = Some(Arc::new(wanted));
        self
    }

    /// The feature, to ask or tell it something outside the stack.
    pub fn feature(&self) -> &Arc<F> {
        &self.feature
    }

    /// A layer that may be missing: without one, nothing concerns it. Like
    /// `ServiceBuilder::option_layer`, and it fits into
    /// [`together`](super::together).
    ///
    /// ```
    /// use tower_xmpp::fork::ForkLayer;
    /// use tower_xmpp::middleware::{Shell, together};
    ///
    /// let carbons: Option<ForkLayer> = None;
    /// let layers = together((Shell::optional(carbons), ForkLayer::new()));
    /// # let _ = layers;
    /// ```
    pub fn optional(shell: Option<Self>) -> Shell<Option<Arc<F>>> {
        let switch = shell.as_ref().and_then(|shell| shell.switch.clone());
        Shell {
            feature: Arc::new(shell.map(|shell| shell.feature)),
            switch,
        }
    }

    fn judge(&self, envelope: &Envelope, concerned: bool) -> Judgement {
        let feature = &self.feature;
        Judgement {
            concerned: concerned
                && !envelope.trail.met(feature.name(), &envelope.route)
                && self.is_on(envelope),
            announces: disco::asked(envelope)
                .filter(|_| self.is_on(envelope))
                .map(|entity| feature.announces(&entity))
                .filter(|announces| !announces.is_empty()),
        }
    }

    fn is_on(&self, envelope: &Envelope) -> bool {
        let Some(wanted) = &self.switch else {
            return true;
        };
        let owner = envelope.route.owner_bare();
        owner.is_none_or(|owner| wanted(&owner))
    }
}

impl<F, S> Middleware<F, S> {
    #[inline]
    pub(super) fn feature(&self) -> &F {
        &self.shell.feature
    }

    #[inline]
    pub(super) fn inner(&self) -> &S {
        &self.inner
    }

    #[inline]
    pub(super) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<F, S> Middleware<F, S>
where
    F: Feature,
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    /// The feature may be concerned, or it broke when it was asked.
    #[inline(never)]
    fn take_up(
        &mut self,
        envelope: Envelope,
        concerned: Result<bool, contain::Panic>,
    ) -> Pass<S::Future, S::Error> {
        let judged =
            concerned.and_then(|concerned| contain::ask(|| self.shell.judge(&envelope, concerned)));
        match judged {
            Ok(Judgement {
                concerned: false,
                announces: None,
            }) => Pass::now(self.inner.call(envelope)),
            Ok(Judgement {
                announces: None, ..
            }) => self.glance(envelope),
            Ok(Judgement {
                concerned,
                announces: Some(announces),
            }) => self.announce(envelope, concerned, announces),
            Err(panic) => self.pass_over(envelope, panic_text(&*panic)),
        }
    }

    /// The inner service that was polled ready; a fresh clone takes its place.
    fn take_ready(&mut self) -> S {
        let fresh = self.inner.clone();
        std::mem::replace(&mut self.inner, fresh)
    }

    /// The feature is concerned: a look may be all that it takes.
    fn glance(&mut self, mut envelope: Envelope) -> Pass<S::Future, S::Error> {
        let feature = &self.shell.feature;
        let layer = feature.name();
        match contain::ask(|| feature.glance(&envelope)) {
            Ok(Glance::Handle) => {
                let feature = feature.clone();
                let inner = self.take_ready();
                Pass::later(contain::handle(feature, inner, envelope))
            }
            Ok(Glance::Unconcerned) => Pass::now(self.inner.call(envelope)),
            Ok(Glance::GoesOn(facts)) => {
                telemetry::glanced(layer, &envelope);
                envelope.facts = facts;
                Pass::now(self.inner.call(envelope))
            }
            Ok(Glance::Ends(mut outcome)) => {
                telemetry::glanced(layer, &envelope);
                contain::sign(&mut outcome.emits, layer, &envelope);
                Pass::later(ready(Ok(outcome)))
            }
            Err(panic) => self.pass_over(envelope, panic_text(&*panic)),
        }
    }

    /// Somebody asks what is announced, and the feature may be concerned besides.
    fn announce(
        &mut self,
        envelope: Envelope,
        concerned: bool,
        announces: Vec<Cow<'static, str>>,
    ) -> Pass<S::Future, S::Error> {
        let feature = self.shell.feature.clone();
        let mut inner = self.take_ready();
        Pass::later(async move {
            let mut outcome = if concerned {
                contain::handle(feature, inner, envelope).await?
            } else {
                inner.call(envelope).await?
            };
            disco::add(&mut outcome, &announces);
            Ok(outcome)
        })
    }

    /// The feature panicked when asked whether the stanza concerns it.
    fn pass_over(&mut self, envelope: Envelope, what: String) -> Pass<S::Future, S::Error> {
        let feature = self.shell.feature.clone();
        let inner = self.take_ready();
        Pass::later(contain::pass_over(feature, inner, envelope, what))
    }

    #[inline(never)]
    fn tell(&mut self, event: Event, envelope: Envelope) -> Pass<S::Future, S::Error> {
        let feature = self.shell.feature.clone();
        let asked = contain::ask(|| {
            let wanted = event.is_end() || self.shell.is_on(&envelope);
            let announced = match &event {
                Event::Describe(entity) if wanted => feature.announces(entity),
                _ => Vec::new(),
            };
            (wanted, announced)
        });
        let mut inner = self.take_ready();
        Pass::later(async move {
            let ((wanted, announced), mut heard) = match asked {
                Ok(asked) => (asked, Ok(Vec::new())),
                Err(panic) => {
                    let incident = contain::deaf(feature.name(), true, panic_text(&*panic));
                    ((false, Vec::new()), Err(incident))
                }
            };
            if wanted {
                let layer = feature.name();
                heard = contain::hear(feature, envelope.at, event).await;
                if let Ok(emits) = &mut heard {
                    contain::sign(emits, layer, &envelope);
                }
            }
            let mut outcome = inner.call(envelope).await?;
            match heard {
                Ok(mut emits) => {
                    emits.append(&mut outcome.emits);
                    outcome.emits = emits;
                }
                Err(incident) => outcome.incidents.push(incident),
            }
            outcome.announced.extend(announced);
            Ok(outcome)
        })
    }
}

impl<F: Feature, S> Layer<S> for Shell<F> {
    type Service = Middleware<F, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Middleware {
            shell: self.clone(),
            inner,
        }
    }
}

impl<F, S> Service<Envelope> for Middleware<F, S>
where
    F: Feature,
    S: Service<Envelope, Response = Outcome> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Pass<S::Future, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, envelope: Envelope) -> Self::Future {
        let stanza = match &envelope.what {
            What::Stanza(stanza) => stanza,
            What::Event(event) => {
                let event = event.clone();
                return self.tell(event, envelope);
            }
        };
        // The path of every stanza: a question and a call, in a small frame.
        let concerned = match F::SCOPE.holds(stanza.kind(), envelope.route.side()) {
            true => contain::ask(|| self.shell.feature.concerns(&envelope)),
            false => Ok(false),
        };
        match concerned {
            Ok(false) if !disco::may_ask(stanza) => Pass::now(self.inner.call(envelope)),
            concerned => self.take_up(envelope, concerned),
        }
    }
}

pin_project! {
    /// One pass through a [`Middleware`].
    #[project = PassProjection]
    #[must_use = "futures do nothing unless polled"]
    pub enum Pass<I, E> {
        /// The stanza does not concern the feature.
        #[doc(hidden)]
        Through {
            #[pin]
            inner: I,
        },
        /// It does.
        #[doc(hidden)]
        Concerned {
            handled: BoxFuture<'static, Result<Outcome, E>>,
        },
    }
}

impl<I, E> Pass<I, E> {
    /// What the inner service, or a bottom of one's own, answers by itself.
    pub fn now(inner: I) -> Self {
        Pass::Through { inner }
    }

    /// What takes more than that.
    pub fn later(handled: impl Future<Output = Result<Outcome, E>> + Send + 'static) -> Self {
        Pass::Concerned {
            handled: Box::pin(handled),
        }
    }
}

impl<I, E> Future for Pass<I, E>
where
    I: Future<Output = Result<Outcome, E>>,
{
    type Output = Result<Outcome, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            PassProjection::Through { inner } => inner.poll(cx),
            PassProjection::Concerned { handled } => handled.as_mut().poll(cx),
        }
    }
}

impl<F> Clone for Shell<F> {
    fn clone(&self) -> Self {
        Self {
            feature: self.feature.clone(),
            switch: self.switch.clone(),
        }
    }
}

impl<F, S: Clone> Clone for Middleware<F, S> {
    fn clone(&self) -> Self {
        Self {
            shell: self.shell.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<F: Feature> fmt::Debug for Shell<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell")
            .field("layer", &self.feature.name())
            .finish_non_exhaustive()
    }
}

impl<F: Feature, S> fmt::Debug for Middleware<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shell.fmt(f)
    }
}
