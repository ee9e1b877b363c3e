//! One pass through the stack, from the envelope to the last delivery.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt;
use futures::channel::oneshot;
use jid::{BareJid, FullJid, Jid};
use thiserror::Error;
use tower_service::Service;

use crate::flow::{
    BoxError, Drop, Emit, EmitKind, Envelope, Facts, Fate, Few, Original, Outcome, PassId, Reach,
    Route, Settling, Target, Trail,
};
use crate::middleware::panic_text;
use crate::stanza::{Condition, ErrorType, Stanza, StanzaError, Time};

use super::conduct::{Conductor, Over, Work};
use super::direct::{Direct, Placed, keep};
use super::{Delivery, Host, Place, Undelivered};

pub(super) struct Passes<H> {
    pub(super) host: Arc<H>,
    pub(super) conductor: Conductor,
    pub(super) max_hops: u8,
    pub(super) to_the_end: bool,
}

/// What a pass left behind, and who wants to know when it is over.
pub(super) struct Unsettled {
    at: Time,
    trail: Trail,
    settling: Few<Settling>,
    following: Vec<oneshot::Receiver<Over>>,
    tell: oneshot::Sender<()>,
}

/// The passes that follow from one, if somebody wants to know when they are
/// over.
struct Following(Option<Vec<oneshot::Receiver<Over>>>);

impl Following {
    /// Nobody wants to know.
    fn unknown() -> Self {
        Self(None)
    }

    /// Another one follows.
    fn begins(&mut self) -> Option<oneshot::Sender<Over>> {
        let following = self.0.as_mut()?;
        let (tell, told) = oneshot::channel();
        following.push(told);
        Some(tell)
    }
}

#[derive(Debug, Error)]
#[error("a service panicked: {0}")]
struct Panicked(String);

impl<H: Host> Passes<H> {
    /// Lets an envelope pass, and carries out what came of it. What is left to
    /// be settled comes back.
    pub(super) async fn pass<S>(
        &self,
        stack: S,
        mut envelope: Envelope,
        ticket: Option<oneshot::Sender<Over>>,
    ) -> Option<Unsettled>
    where
        S: Service<Envelope, Response = Outcome>,
        S::Error: Into<BoxError>,
    {
        let pass = self.conductor.next_pass();
        self.contain(pass, || self.host.began(pass, &envelope));
        envelope.trail.pass = pass;
        let (at, trail) = (envelope.at, envelope.trail.clone());
        let mut outcome = self.through(stack, envelope).await;
        self.contain(pass, || self.host.ended(pass, &outcome));
        let is_awaited = self.to_the_end && ticket.is_some();
        let mut following = Following(is_awaited.then(Vec::new));
        for emit in outcome.emits.split_off(0) {
            self.carry_contained(at, &trail, emit, &mut following).await;
        }
        let settling = std::mem::take(&mut outcome.settling);
        let following = following.0.unwrap_or_default();
        let (mut unsettled, mut settled) = (None, None);
        if !settling.is_empty() || !following.is_empty() {
            let (tell, told) = oneshot::channel();
            settled = Some(told);
            unsettled = Some(Unsettled {
                at,
                trail,
                settling,
                following,
                tell,
            });
        }
        if let Some(ticket) = ticket {
            // Nobody need be waiting for it.
            let _ = ticket.send(Over { outcome, settled });
        }
        unsettled
    }

    /// Waits for what a pass left behind, and carries out what comes of it
    /// before anybody is told.
    pub(super) async fn settle(&self, unsettled: Unsettled) {
        let pass = unsettled.trail.pass;
        for future in unsettled.settling.iter().filter_map(Settling::take) {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(settled) => {
                    self.contain(pass, || self.host.settled(pass, &settled.incidents));
                    for emit in settled.emits {
                        let (at, trail) = (unsettled.at, &unsettled.trail);
                        // Boxed, since most have nothing to say, and who only
                        // waits for others needs no room for it.
                        let mut unknown = Following::unknown();
                        Box::pin(self.carry_contained(at, trail, emit, &mut unknown)).await;
                    }
                }
                Err(panic) => self.panicked(pass, &*panic),
            }
        }
        for following in unsettled.following {
            // One whose driver is gone is over, too.
            if let Ok(Over {
                settled: Some(settled),
                ..
            }) = following.await
            {
                let _ = settled.await;
            }
        }
        let _ = unsettled.tell.send(());
    }

    /// Sends what did not come out of a pass.
    pub(super) async fn carry_out(&self, at: Time, emits: Vec<Emit>) {
        for emit in emits {
            let trail = emit.trail.clone();
            self.carry_contained(at, &trail, emit, &mut Following::unknown())
                .await;
        }
    }

    /// Answers for a lane that is full. To the host it is a pass like any
    /// other, so that an admin sees what went nowhere.
    pub(super) async fn refuse(&self, work: Work) {
        let Work::Pass(envelope, ticket) = work else {
            return;
        };
        if let Some(stanza) = envelope.as_stanza() {
            let pass = self.conductor.next_pass();
            self.contain(pass, || self.host.began(pass, &envelope));
            let mut outcome = Outcome::refused(stanza, try_later());
            self.contain(pass, || self.host.ended(pass, &outcome));
            self.carry_out(envelope.at, std::mem::take(&mut outcome.emits))
                .await;
            if let Some(ticket) = ticket {
                let settled = None;
                let _ = ticket.send(Over { outcome, settled });
            }
        }
    }

    /// Through the stack. What breaks there is told to the sender as
    /// `resource-constraint`: an IQ is always answered.
    async fn through<S>(&self, mut stack: S, envelope: Envelope) -> Outcome
    where
        S: Service<Envelope, Response = Outcome>,
        S::Error: Into<BoxError>,
    {
        let pass = envelope.trail.pass;
        let spare = envelope.as_stanza().cloned();
        if envelope.trail.hops > self.max_hops {
            return match &spare {
                Some(stanza) if stanza.is_request() => Outcome::refused(stanza, try_later()),
                _ => Outcome::dropped(Drop::TooManyHops),
            };
        }
        let passed = AssertUnwindSafe(async {
            poll_fn(|cx| stack.poll_ready(cx)).await?;
            stack.call(envelope).await
        })
        .catch_unwind()
        .await;
        let what: BoxError = match passed {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(error)) => error.into(),
            Err(panic) => Box::new(Panicked(panic_text(&*panic))),
        };
        self.host.broke(pass, &*what);
        match spare {
            Some(stanza) => Outcome::refused(&stanza, try_later()),
            None => Outcome::of(Original::Heard),
        }
    }

    /// One emit that cannot be carried out does not take the others with it:
    /// the original may be among them.
    async fn carry_contained(
        &self,
        at: Time,
        parent: &Trail,
        emit: Emit,
        following: &mut Following,
    ) {
        let carried = AssertUnwindSafe(self.carry(at, parent, emit, following));
        if let Err(panic) = carried.catch_unwind().await {
            self.panicked(parent.pass, &*panic);
        }
    }

    /// Tells the host something; if that panics, it costs the pass nothing.
    fn contain(&self, pass: PassId, tell: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(tell)) {
            self.panicked(pass, &*panic);
        }
    }

    fn panicked(&self, pass: PassId, panic: &(dyn Any + Send)) {
        let what = Panicked(panic_text(panic));
        // A host that cannot even hear of it is not told again.
        let _ = catch_unwind(AssertUnwindSafe(|| self.host.broke(pass, &what)));
    }

    /// Sends one emit of a pass that had this trail.
    async fn carry(&self, at: Time, parent: &Trail, emit: Emit, following: &mut Following) {
        let (by, fate, pass) = (emit.by, emit.fate, parent.pass);
        let holders = emit.holders;
        let delivery = |session: FullJid, stanza| Delivery {
            holders: holders.clone().filter(|holders| holders.join(&session)),
            session,
            stanza,
            fate,
            by,
            pass,
            at,
        };
        let placing = |stanza| Placing {
            at,
            pass,
            by,
            stanza,
            fate,
        };
        match (emit.kind, emit.target) {
            (EmitKind::New(route), target) => {
                // What the host itself sent on is still the work of whoever
                // made it; a layer has signed its own.
                let trail = if emit.trail.is_empty() {
                    parent
                } else {
                    &emit.trail
                };
                let mut facts = Facts {
                    fate: Some(fate),
                    ..Facts::default()
                };
                match target {
                    Target::Audience { to, author } => {
                        (facts.audience, facts.author) = (Some(to), author);
                    }
                    Target::Session(session) => facts.reach = Reach::Only([session].into()),
                    Target::Sessions(sessions) => facts.reach = Reach::Only(sessions),
                    Target::Routing => {}
                }
                self.follow(at, trail, route, emit.stanza, facts, following.begins());
            }
            (_, Target::Session(session)) => {
                self.deliver(delivery(session, emit.stanza), parent).await;
            }
            (_, Target::Sessions(sessions)) => {
                for session in sessions.iter() {
                    let mut stanza = emit.stanza.clone();
                    stanza.set_to(Some(session.clone().into()));
                    self.deliver(delivery(session.clone(), stanza), parent)
                        .await;
                }
            }
            (_, Target::Audience { to, .. }) => {
                for recipient in to.iter() {
                    let stanza = emit.stanza.clone().with_to(recipient.clone());
                    self.place(placing(stanza), parent, following).await;
                }
            }
            (_, Target::Routing) => {
                let stanza = emit.stanza;
                self.place(placing(stanza), parent, following).await;
            }
        }
    }

    /// To one session. If it is gone, it has no use for a copy or an answer;
    /// but it may have been the last to have what this is a copy of.
    async fn deliver(&self, delivery: Delivery, parent: &Trail) {
        let Err(Undelivered(delivery)) = self.host.deliver(delivery) else {
            return;
        };
        let holders = delivery.holders.as_ref();
        if let Some(original) = holders.and_then(|holders| holders.lost(&delivery.session)) {
            let placing = Placing {
                at: delivery.at,
                pass: delivery.pass,
                by: None,
                stanza: original,
                fate: Fate::Reroute,
            };
            let mut following = Following::unknown();
            self.place(placing, parent, &mut following).await;
        }
    }

    /// Places a stanza without the stack, and the error that comes back for it.
    async fn place(&self, mut placing: Placing, parent: &Trail, following: &mut Following) {
        // An error is never answered, so the second round is the last.
        for _ in 0..2 {
            let Some(to) = placing.stanza.to() else {
                return;
            };
            let placed = match self.host.place(to) {
                Place::Account(account) if self.comes_from_outside(&placing.stanza, &account) => {
                    let (route, facts) = (Route::ToAccount(account), Facts::default());
                    return self.follow(
                        placing.at,
                        parent,
                        route,
                        placing.stanza,
                        facts,
                        following.begins(),
                    );
                }
                Place::Account(account) => self.to_account(&placing, &account).await,
                // A room answers by broadcasting, which is for the stack.
                Place::Room(room) => {
                    let (route, facts) = (Route::ToRoom(room), Facts::default());
                    return self.follow(
                        placing.at,
                        parent,
                        route,
                        placing.stanza,
                        facts,
                        following.begins(),
                    );
                }
                Place::Elsewhere => return self.host.send(placing.at, placing.stanza),
                Place::Server(_) => return,
            };
            let outcome = placed.unwrap_or_else(|error| {
                let error: BoxError = error.into();
                self.host.broke(placing.pass, &*error);
                Outcome::refused(&placing.stanza, try_later())
            });
            let Some(back) = outcome.emits.into_iter().next() else {
                return;
            };
            placing.stanza = back.stanza;
            placing.fate = back.fate;
        }
    }

    /// Whether an answer is to an account what one from elsewhere would be:
    /// from a room or another account of ours, or to what a layer has asked in
    /// the account's name. Its layers see it then.
    fn comes_from_outside(&self, answer: &Stanza, account: &BareJid) -> bool {
        if !answer.is_response() {
            return false;
        }
        let from = answer.from().map(|from| self.host.place(from));
        match from {
            Some(Place::Room(_)) => true,
            Some(Place::Account(other)) => other != *account,
            _ => answer.to().is_some_and(Jid::is_bare),
        }
    }

    async fn to_account(&self, placing: &Placing, account: &BareJid) -> Result<Outcome, H::Error> {
        let direct = Direct {
            at: placing.at,
            pass: placing.pass,
            by: placing.by,
            fate: placing.fate,
            reach: Reach::Rfc,
            stand_ins: &[],
            holders: None,
            archived: false,
            from_room: false,
            stanza: &placing.stanza,
        };
        match direct.place(&*self.host, account) {
            Placed::Done(outcome) => Ok(outcome),
            Placed::Keep(account) => {
                keep(&*self.host, &account, placing.at, false, &placing.stanza).await
            }
            // Nobody asks an account anything without the stack.
            Placed::Serve => Ok(Outcome::dropped(Drop::NobodyMeant)),
        }
    }

    fn follow(
        &self,
        at: Time,
        trail: &Trail,
        route: Route,
        stanza: Stanza,
        facts: Facts,
        ticket: Option<oneshot::Sender<Over>>,
    ) {
        let mut next = Envelope::stanza(at, route, stanza);
        next.facts = facts;
        // An answer is for whoever asked, which may be a layer that had a hand
        // in what led to it; and nobody answers an answer.
        let is_answer = next.as_stanza().is_some_and(Stanza::is_response);
        if !is_answer {
            next.trail = trail.clone();
        }
        next.trail.pass = trail.pass;
        next.trail.hops = trail.hops.saturating_add(1);
        self.conductor.follow(next, ticket);
    }
}

struct Placing {
    at: Time,
    pass: PassId,
    by: Option<&'static str>,
    stanza: Stanza,
    fate: Fate,
}

fn try_later() -> StanzaError {
    StanzaError::from(Condition::ResourceConstraint).with_type(ErrorType::Wait)
}
