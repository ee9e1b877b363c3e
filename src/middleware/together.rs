//! Several layers that are asked at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Feature, Middleware, contain, disco};
use crate::flow::{Envelope, Outcome, Side, What};
use crate::stanza::Kind;

/// These layers, outermost first, asked together: a stanza that concerns none
/// of them goes straight to what they surround.
///
/// Nothing else differs from layers that stand one inside the other, which
/// each ask for themselves: with five layers that costs twice as much. It takes
/// [`Shell`](super::Shell)s, as a tuple or in a `ServiceBuilder`; Tower's own
/// layers go outside or inside of them all.
///
/// ```
/// use tower_xmpp::middleware::{Verdict, filter, from_fn, together};
///
/// let stack = tower::ServiceBuilder::new().layer(together((
///     filter("outer", |_| Verdict::Pass),
///     from_fn("inner", |envelope, next| next.run(envelope)),
/// )));
/// # let _ = stack;
/// ```
pub fn together<L>(layers: L) -> Together<L> {
    Together(layers)
}

/// The layer that [`together`] makes.
#[derive(Clone, Copy)]
pub struct Together<L>(L);

/// The service that [`Together`] makes.
#[derive(Clone)]
pub struct Asked<N>(N);

/// What a service of [`Together`] surrounds.
#[derive(Clone)]
pub struct Base<S>(S);

/// Services of features, one inside the other, down to a [`Base`].
#[doc(hidden)]
pub trait Nest {
    /// What they surround.
    type Base;

    /// Whether the stanza concerns any of the features.
    fn concerned(&self, envelope: &Envelope, kind: Kind, side: Side) -> bool;

    /// What they surround, ready if they are.
    fn base(&mut self) -> &mut Self::Base;
}

impl<L, S> Layer<S> for Together<L>
where
    L: Layer<Base<S>>,
    L::Service: Nest<Base = S>,
{
    type Service = Asked<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        Asked(self.0.layer(Base(inner)))
    }
}

impl<N: Nest> Asked<N> {
    #[inline]
    fn is_for_nobody(&self, envelope: &Envelope) -> bool {
        let What::Stanza(stanza) = &envelope.what else {
            return false;
        };
        let (kind, side) = (stanza.kind(), envelope.route.side());
        // A feature that panics is dealt with where it stands.
        let concerned = contain::ask(|| self.0.concerned(envelope, kind, side));
        matches!(concerned, Ok(false)) && !disco::may_ask(stanza)
    }
}

impl<N, E> Service<Envelope> for Asked<N>
where
    N: Nest + Service<Envelope, Response = Outcome, Error = E>,
    N::Base: Service<Envelope, Response = Outcome, Error = E>,
{
    type Response = Outcome;
    type Error = E;
    type Future = Way<<N::Base as Service<Envelope>>::Future, N::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, envelope: Envelope) -> Self::Future {
        if self.is_for_nobody(&envelope) {
            Way::Straight {
                base: self.0.base().call(envelope),
            }
        } else {
            Way::Through {
                nest: self.0.call(envelope),
            }
        }
    }
}

impl<F, S> Nest for Middleware<F, S>
where
    F: Feature,
    S: Nest,
{
    type Base = S::Base;

    #[inline]
    fn concerned(&self, envelope: &Envelope, kind: Kind, side: Side) -> bool {
        (F::SCOPE.holds(kind, side) && self.feature().concerns(envelope))
            || self.inner().concerned(envelope, kind, side)
    }

    #[inline]
    fn base(&mut self) -> &mut S::Base {
        self.inner_mut().base()
    }
}

impl<S> Nest for Base<S> {
    type Base = S;

    #[inline]
    fn concerned(&self, _: &Envelope, _: Kind, _: Side) -> bool {
        false
    }

    #[inline]
    fn base(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S: Service<Envelope>> Service<Envelope> for Base<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, envelope: Envelope) -> S::Future {
        self.0.call(envelope)
    }
}

pin_project! {
    /// One pass through [`Asked`].
    #[project = WayProjection]
    #[must_use = "futures do nothing unless polled"]
    pub enum Way<B, N> {
        /// The stanza concerns none of the features.
        #[doc(hidden)]
        Straight {
            #[pin]
            base: B,
        },
        /// It may concern one.
        #[doc(hidden)]
        Through {
            #[pin]
            nest: N,
        },
    }
}

impl<B, N> Future for Way<B, N>
where
    B: Future,
    N: Future<Output = B::Output>,
{
    type Output = B::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        match self.project() {
            WayProjection::Straight { base } => base.poll(cx),
            WayProjection::Through { nest } => nest.poll(cx),
        }
    }
}

impl<L> fmt::Debug for Together<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Together")
    }
}

impl<N: fmt::Debug> fmt::Debug for Asked<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asked").field(&self.0).finish()
    }
}

impl<S> fmt::Debug for Base<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base")
    }
}
