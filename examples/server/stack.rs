//! What this server does with a stanza, whoever sent it and wherever it came
//! in: one stack, outermost layer first.

use std::convert::Infallible;
use std::sync::Arc;

use tower::{Service, ServiceBuilder};
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::host::Router;

use super::site::Site;

/// A stack over this server. Its layers' state is shared by all its clones.
pub fn stack(site: Arc<Site>) -> impl Stack {
    ServiceBuilder::new()
        // Inside whatever stamps, so that copies bear the stamp.
        .layer(ForkLayer::new())
        // What is left to do: RFC 6121 §8, and what the server itself answers.
        .service(Router::new(site))
}

/// What [`conduct`](tower_xmpp::host::conduct) takes.
pub trait Stack:
    Service<Envelope, Response = Outcome, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Unpin
    + 'static
{
}

impl<S> Stack for S where
    S: Service<Envelope, Response = Outcome, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Unpin
        + 'static
{
}
