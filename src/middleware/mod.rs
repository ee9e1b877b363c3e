//! The shell: everything about Tower, written once.
//!
//! A layer of this crate, or of yours, is a [`Feature`]: a name, a cheap
//! question ([`concerns`](Feature::concerns)), and what it does
//! ([`handle`](Feature::handle), or [`glance`](Feature::glance) where a look is
//! enough). [`Shell`] makes a `tower_layer::Layer` of it and [`Middleware`] the
//! `tower_service::Service` behind it. They see to these, for all features alike:
//!
//! 1. What does not concern the feature goes on without an allocation.
//! 2. The feature does not meet its own work: a stanza whose
//!    [`Trail`](crate::flow::Trail) names this layer, side and owner goes on.
//! 3. The original goes on at most once: [`Next::run`] consumes itself.
//! 4. A feature that panics or returns [`Fault::Own`] before it let the
//!    original go on is stepped over, and the original goes on without it
//!    (or is refused, where the feature says [`OnFailure::Refuse`]). After
//!    that, the outcome of the inner layers stands. Either way an
//!    [`Incident`](crate::flow::Incident) is put in the outcome, counted and traced.
//!    With `panic = "abort"` there is nothing to step over.
//! 5. Events are heard by every layer; no layer can keep one from the others.
//! 6. What a feature announces for an entity (XEP-0030) is added to
//!    [`Event::Describe`](crate::flow::Event::Describe), and to disco#info
//!    results that the host answers with.
//! 7. A feature can be switched off for an account: [`Shell::only_for`], and
//!    left out of a stack: [`Shell::optional`].
//! 8. Layers that stand inside each other may be asked [`together`]: what
//!    concerns none of them goes straight to what they surround.
//!
//! # What an admin sees
//!
//! With the feature `tracing`, what a layer does with a stanza stands in a span
//! `layer` (level debug) with the layer's name, the number of the pass and the
//! side; its decisions are events of level trace, and a layer that broke is one
//! of level error. With the feature `metrics` there are two counters:
//! `tower_xmpp_layer_stanzas_total{layer}`, stanzas that concerned the layer,
//! and `tower_xmpp_layer_incidents_total{layer, panicked}`, how often it broke.
//! Neither ever contains what a user wrote.
//!
//! # A layer of your own
//!
//! For one function, [`from_fn`] and [`filter`]:
//!
//! ```
//! use tower_xmpp::flow::Outcome;
//! use tower_xmpp::middleware::{Verdict, filter, from_fn};
//! use tower_xmpp::stanza::Condition;
//!
//! let quiet = filter("no-headlines", |envelope| match envelope.as_stanza() {
//!     Some(stanza) if stanza.is_type(&"headline".into()) => Verdict::Refuse(Condition::NotAcceptable.into()),
//!     _ => Verdict::Pass,
//! });
//! let counted = from_fn("count", |envelope, next| async move {
//!     let outcome = next.run(envelope).await?;
//!     println!("{} to send besides", outcome.emits.len());
//!     Ok(outcome)
//! });
//! let stack = tower::ServiceBuilder::new().layer(quiet).layer(counted);
//! # let _ = stack;
//! ```
//!
//! For more, implement [`Feature`], whose documentation has one;
//! `examples/custom_layer.rs` is another, with what it announces.

mod contain;
mod disco;
mod feature;
mod functions;
#[allow(dead_code, reason = "used by features, which may all be off")]
mod hashed;
mod next;
mod pending;
mod questions;
mod scope;
mod service;
mod sieve;
mod telemetry;
#[cfg(test)]
mod tests;
mod together;

pub(crate) use contain::panic_text;
pub use contain::report;
pub use feature::{Fault, Feature, Glance, OnFailure};
pub use functions::{Filter, FromFn, Verdict, filter, from_fn};
#[allow(unused_imports, reason = "used by features, which may all be off")]
pub(crate) use hashed::Hashed;
pub use next::Next;
pub use pending::{Pending, PendingFull, PendingLimits};
pub use questions::Questions;
pub use scope::Scope;
pub use service::{Middleware, Pass, Shell};
pub use sieve::Sieve;
#[allow(unused_imports, reason = "used by features, which may all be off")]
pub(crate) use telemetry::{broke, decided};
pub use together::{Asked, Base, Nest, Together, Way, together};
