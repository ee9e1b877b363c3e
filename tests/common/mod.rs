//! A bottom of the stack that remembers what reached it, for the tests of the
//! shell itself. (Flows are tested with the test kit's World.)
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod house;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::future::{Ready, ready};
use jid::{FullJid, Jid};
use tower_service::Service;
use tower_xmpp::flow::{Emit, Envelope, Original, Outcome, Route};
use tower_xmpp::stanza::{Stanza, Time, Type};

#[derive(Clone, Default)]
pub struct Bottom {
    pub reached: Arc<Mutex<Vec<Envelope>>>,
}

impl Bottom {
    pub fn count(&self) -> usize {
        self.reached.lock().unwrap().len()
    }

    pub fn last_stanza(&self) -> Stanza {
        let reached = self.reached.lock().unwrap();
        let last = reached.last().expect("something reached the bottom");
        last.as_stanza().expect("a stanza").clone()
    }
}

impl Service<Envelope> for Bottom {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Ready<Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, envelope: Envelope) -> Self::Future {
        let outcome = match envelope.as_stanza() {
            Some(stanza) if stanza.is_request() => Outcome::answered(stanza.reply()),
            Some(_) => Outcome::of(Original::Routed),
            None => Outcome::of(Original::Heard),
        };
        self.reached.lock().unwrap().push(envelope);
        ready(Ok(outcome))
    }
}

pub fn alice() -> FullJid {
    "alice@a.example/phone".parse().unwrap()
}

pub fn bob() -> Jid {
    "bob@b.example/desk".parse().unwrap()
}

/// A chat message from Alice's phone to Bob's desk.
pub fn chat() -> Stanza {
    Stanza::message()
        .with_type(Type::Chat)
        .with_from(alice())
        .with_to(bob())
        .with_id("m1")
        .with_text_child("body", "hi")
}

pub fn from_alice(stanza: Stanza) -> Envelope {
    Envelope::stanza(Time::from_secs(1), Route::FromSession(alice()), stanza)
}

pub fn to_alice(stanza: Stanza) -> Envelope {
    let route = Route::ToAccount(alice().to_bare());
    Envelope::stanza(Time::from_secs(1), route, stanza)
}

pub fn a_copy() -> Emit {
    Emit::copy(alice(), chat())
}

/// Lets one envelope pass a service, readiness included.
pub fn pass<S>(service: &mut S, envelope: Envelope) -> Result<Outcome, S::Error>
where
    S: Service<Envelope, Response = Outcome>,
{
    futures::executor::block_on(async {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(envelope).await
    })
}
