use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use jid::{BareJid, Jid};
use tower_service::Service;

use crate::flow::{
    Away, Drop, Emit, Envelope, Fate, Original, Outcome, Route, What, bare, to_bare,
};
use crate::stanza::{AddressFault, Condition, Kind, Stanza, Time};

use super::delivery::is_subscription;
use super::direct::{Direct, Placed, keep};
use super::{Host, Place};

/// The bottom of a stack: routing as RFC 6121 §8 and RFC 6120 §10 have it.
///
/// * What a session or account sends goes on to where its `to` leads. If that
///   is on this server, it goes on as [`Emit`] that enters the stack again on
///   the other side; if not, through [`Host::send`].
/// * What is for an account is delivered by [`delivery`](super::delivery), or
///   to the [`Reach`](crate::flow::Reach) that a layer has set.
/// * What a room of ours broadcasts goes to its
///   [audience](crate::flow::Facts::audience), and to the members that are
///   [away](crate::flow::Facts::away).
/// * What is for the host itself is served by [`Host::serve`].
pub struct Router<H>(Arc<H>);

impl<H: Host> Router<H> {
    /// A router over this host.
    pub fn new(host: Arc<H>) -> Self {
        Self(host)
    }

    fn route(&self, envelope: &Envelope, stanza: &Stanza) -> Placed {
        // RFC 6120 §8.3.3.8. It is not the same as no address: that means the
        // own account.
        if stanza.address_fault() == Some(AddressFault::To) {
            return Placed::Done(Outcome::refused(stanza, Condition::JidMalformed));
        }
        match &envelope.route {
            Route::FromSession(session) => {
                let to_itself = stanza.to().is_none_or(|to| to.as_str() == bare(session));
                match stanza.kind() {
                    // RFC 6120 §10.3.1: a message to nobody is to the own account.
                    Kind::Message if to_itself => to_account(session, stanza),
                    Kind::Iq if to_itself => Placed::Serve,
                    Kind::Presence if stanza.to().is_none() || is_subscription(stanza) => {
                        Placed::Serve
                    }
                    kind => {
                        if kind == Kind::Presence {
                            self.0.directed(session, stanza);
                        }
                        self.forward(envelope, stanza)
                    }
                }
            }
            Route::FromAccount(_) if stanza.to().is_none() => Placed::Serve,
            Route::FromAccount(_) | Route::FromRoom { .. } => self.forward(envelope, stanza),
            Route::ToAccount(account) => Direct {
                at: envelope.at,
                pass: envelope.trail.pass,
                by: None,
                fate: envelope
                    .facts
                    .fate
                    .unwrap_or_else(|| Fate::of_original(stanza)),
                reach: envelope.facts.reach.clone(),
                stand_ins: &envelope.facts.stand_ins,
                holders: envelope.facts.holders.clone(),
                archived: is_archived(envelope, account),
                from_room: envelope.facts.from_room,
                stanza,
            }
            .place(&*self.0, account),
            Route::ToRoom(_) => Placed::Serve,
            Route::Broadcast(snapshot) => match &envelope.facts.audience {
                Some(audience) => {
                    self.0.broadcast(snapshot, stanza);
                    let away = envelope.facts.away.iter().flat_map(Away::iter);
                    let all = audience.iter().chain(away);
                    Placed::Done(self.to_audience(envelope.at, all, stanza))
                }
                None => Placed::Serve,
            },
            Route::Host => Placed::Done(Outcome::dropped(Drop::NobodyMeant)),
        }
    }

    fn forward(&self, envelope: &Envelope, stanza: &Stanza) -> Placed {
        let Some(to) = stanza.to() else {
            return Placed::Done(Outcome::dropped(Drop::NobodyMeant));
        };
        match self.0.place(to) {
            Place::Account(account) => on_this_server(Route::ToAccount(account), stanza),
            Place::Room(room) => on_this_server(Route::ToRoom(room), stanza),
            Place::Server(_) => Placed::Serve,
            Place::Elsewhere => {
                self.0.send(envelope.at, stanza.clone());
                Placed::Done(Outcome::of(Original::Routed))
            }
        }
    }

    /// A stanza of a room to each of its audience. Accounts of ours get theirs
    /// through the stack, as they would from anybody else's room.
    fn to_audience<'a>(
        &self,
        at: Time,
        audience: impl Iterator<Item = &'a Jid>,
        stanza: &Stanza,
    ) -> Outcome {
        let mut outcome = Outcome::of(Original::Routed);
        outcome.emits.reserve(audience.size_hint().0);
        for recipient in audience {
            let stanza = stanza.clone().with_to(recipient.clone());
            match self.0.place(recipient) {
                Place::Account(account) => {
                    let emit = Emit::new_at(Route::ToAccount(account), stanza);
                    outcome.emits.push(emit);
                }
                Place::Elsewhere => self.0.send(at, stanza),
                // Neither a room nor a server sits in a room.
                Place::Room(_) | Place::Server(_) => {}
            }
        }
        outcome
    }
}

fn is_archived(envelope: &Envelope, account: &BareJid) -> bool {
    let archived = envelope.facts.archived.as_ref();
    archived.is_some_and(|archived| archived.by == *account)
}

fn to_account(session: &Jid, stanza: &Stanza) -> Placed {
    let account = to_bare(session);
    let stanza = stanza.clone().with_to(account.clone());
    on_this_server(Route::ToAccount(account), &stanza)
}

fn on_this_server(route: Route, stanza: &Stanza) -> Placed {
    Placed::Done(Outcome::of(Original::Routed).with(Emit::new_at(route, stanza.clone())))
}

impl<H: Host> Service<Envelope> for Router<H> {
    type Response = Outcome;
    type Error = H::Error;
    type Future = Routing<H>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), H::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, envelope: Envelope) -> Routing<H> {
        Routing(Step::First(self.clone(), envelope))
    }
}

/// An envelope at the bottom of the stack. Nothing is done with it before the
/// first poll: until then layers hand two words on, not an outcome.
#[must_use = "futures do nothing unless polled"]
pub struct Routing<H: Host>(Step<H>);

enum Step<H: Host> {
    First(Router<H>, Envelope),
    Waiting(Routed<H>),
    Over,
}

type Routed<H> = BoxFuture<'static, Result<Outcome, <H as Host>::Error>>;

impl<H: Host> Router<H> {
    /// What became of the envelope, or what has to be waited for.
    fn take(self, envelope: Envelope) -> Result<Outcome, Routed<H>> {
        let What::Stanza(stanza) = &envelope.what else {
            return Ok(Outcome::of(Original::Heard));
        };
        match self.route(&envelope, stanza) {
            Placed::Done(outcome) => Ok(outcome),
            Placed::Serve => Err(async move { self.0.serve(envelope).await }.boxed()),
            Placed::Keep(account) => {
                let stanza = stanza.clone();
                let (at, archived) = (envelope.at, is_archived(&envelope, &account));
                Err(async move { keep(&*self.0, &account, at, archived, &stanza).await }.boxed())
            }
        }
    }
}

impl<H: Host> Future for Routing<H> {
    type Output = Result<Outcome, H::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waiting = match std::mem::replace(&mut self.0, Step::Over) {
            Step::First(router, envelope) => match router.take(envelope) {
                Ok(outcome) => return Poll::Ready(Ok(outcome)),
                Err(waiting) => waiting,
            },
            Step::Waiting(waiting) => waiting,
            // Whoever polls what is over waits in vain.
            Step::Over => return Poll::Pending,
        };
        let polled = waiting.poll_unpin(cx);
        if polled.is_pending() {
            self.0 = Step::Waiting(waiting);
        }
        polled
    }
}

impl<H: Host> std::fmt::Debug for Routing<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Routing")
    }
}

impl<H> Clone for Router<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> std::fmt::Debug for Router<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Router")
    }
}
