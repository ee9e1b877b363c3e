//! Lanes, the hop budget, and what becomes of a pass whose caller has gone.

mod breaking;
#[path = "../common/mod.rs"]
mod common;
mod delivering;
mod lanes;

use std::convert::Infallible;
use std::sync::Arc;

use common::house::House;
use common::{alice, chat};
use futures::future::join_all;
use jid::FullJid;
use tower_layer::Layer;
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::host::{Conductor, Router, Settings, conduct};
use tower_xmpp::stanza::Stanza;

/// Sets up a stack of one layer over the house, lets `enter` use it, and runs
/// until everything that entered is through.
fn run<L>(layer: L, house: &Arc<House>, settings: Settings, enter: impl FnOnce(&Conductor))
where
    L: Layer<Router<House>>,
    L::Service: tower_service::Service<Envelope, Response = Outcome, Error = Infallible>
        + Clone
        + Send
        + Unpin
        + 'static,
    <L::Service as tower_service::Service<Envelope>>::Future: Send,
{
    let stack = layer.layer(Router::new(house.clone()));
    let (conductor, drivers) = conduct(stack, house.clone(), settings);
    enter(&conductor);
    conductor.close();
    futures::executor::block_on(join_all(drivers));
}

fn plain() -> tower_layer::Identity {
    tower_layer::Identity::new()
}

fn session(jid: &str) -> FullJid {
    jid.parse().unwrap()
}

fn numbered(number: usize) -> Stanza {
    chat().with_to(alice()).with_id(format!("m{number}"))
}
