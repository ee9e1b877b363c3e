//! The whole server's behaviour towards a stanza, as one stack. Every
//! entrance calls this one.

use std::sync::Arc;

use tower::{Service, ServiceBuilder};
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::host::Router;

use super::site::Site;

pub fn stack(
    site: Arc<Site>,
) -> impl Service<Envelope, Response = Outcome, Error = std::convert::Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    ServiceBuilder::new().service(Router::new(site))
}
