//! What comes of a pass is carried out: to sessions, to where it leads, or into
//! the stack again.
//!
//! Nearly all of it is done at once. Only what the host has to keep is waited
//! for, so that comes back as [`Kept`]: a pass is a future for every stanza,
//! and had better not have room for what few of them do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use jid::{BareJid, FullJid, Jid};

use crate::flow::{
    BoxError, Drop, Emit, EmitKind, Envelope, Facts, Fate, Outcome, PassId, Reach, Route, Target,
    Trail,
};
use crate::stanza::{Stanza, Time};

use super::conduct::{Asker, Hold, Released};
use super::direct::{Direct, Placed, keep};
use super::pass::{Passes, try_later};
use super::{Delivery, Host, Place, Undelivered};

/// The passes that follow from one, if somebody wants to know when they are
/// over.
pub(super) struct Following {
    is_wanted: bool,
    /// For each of them.
    hold: Option<Hold>,
    /// When they are over, if there are any and this is the first pass.
    pub(super) released: Option<Released>,
}

/// What no session takes: the host may keep it.
struct Kept {
    placing: Placing,
    account: BareJid,
}

/// A stanza to be placed without the stack.
struct Placing {
    at: Time,
    pass: PassId,
    by: Option<&'static str>,
    stanza: Stanza,
    fate: Fate,
}

impl Following {
    /// Nobody wants to know.
    pub(super) fn unknown() -> Self {
        Self {
            is_wanted: false,
            hold: None,
            released: None,
        }
    }

    /// Whoever asked for the pass wants to know of all that follows.
    pub(super) fn wanted() -> Self {
        Self {
            is_wanted: true,
            ..Self::unknown()
        }
    }

    /// The pass follows from another one itself.
    pub(super) fn part_of(chain: &Hold) -> Self {
        Self {
            hold: Some(chain.clone()),
            ..Self::unknown()
        }
    }

    /// Another one follows.
    fn begins(&mut self) -> Asker {
        if self.is_wanted && self.hold.is_none() {
            let (hold, released) = Hold::new();
            (self.hold, self.released) = (Some(hold), Some(released));
        }
        self.hold.clone().map_or(Asker::Nobody, Asker::Chain)
    }
}

impl<H: Host> Passes<H> {
    /// Sends what came of a pass that had this trail, one after the other. One
    /// emit that cannot be carried out does not take the others with it: the
    /// original may be among them.
    pub(super) async fn carry_all(
        &self,
        at: Time,
        parent: &Trail,
        emits: Vec<Emit>,
        following: &mut Following,
    ) {
        let mut kept = Vec::new();
        for emit in emits {
            let carrying = || self.carry(at, parent, emit, following, &mut kept);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(carrying)) {
                self.panicked(parent.pass, &*panic);
            }
        }
        if !kept.is_empty() {
            // Boxed, since every pass would have room for it.
            self.keep_all(kept, parent, following).boxed().await;
        }
    }

    /// Lets the host keep what is left, or sends back the error that says that
    /// it did not.
    async fn keep_all(&self, kept: Vec<Kept>, parent: &Trail, following: &mut Following) {
        for kept in kept {
            let pass = kept.placing.pass;
            let keeping = AssertUnwindSafe(self.keep(kept, parent, following));
            if let Err(panic) = keeping.catch_unwind().await {
                self.panicked(pass, &*panic);
            }
        }
    }

    /// Sends one emit, and puts what is left to be kept to the rest of it.
    fn carry(
        &self,
        at: Time,
        parent: &Trail,
        emit: Emit,
        following: &mut Following,
        kept: &mut Vec<Kept>,
    ) {
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
                self.follow(at, trail, route, emit.stanza, facts, following);
            }
            (_, Target::Session(session)) => {
                kept.extend(self.deliver(delivery(session, emit.stanza), parent));
            }
            (_, Target::Sessions(sessions)) => {
                for session in sessions.iter() {
                    let mut stanza = emit.stanza.clone();
                    stanza.set_to(Some(session.clone().into()));
                    kept.extend(self.deliver(delivery(session.clone(), stanza), parent));
                }
            }
            (_, Target::Audience { to, .. }) => {
                for recipient in to.iter() {
                    let stanza = emit.stanza.clone().with_to(recipient.clone());
                    kept.extend(self.place(placing(stanza), parent, following));
                }
            }
            (_, Target::Routing) => {
                kept.extend(self.place(placing(emit.stanza), parent, following));
            }
        }
    }

    /// To one session. If it is gone, it has no use for a copy or an answer;
    /// but it may have been the last to have what this is a copy of.
    fn deliver(&self, delivery: Delivery, parent: &Trail) -> Option<Kept> {
        let Err(Undelivered(delivery)) = self.host.deliver(delivery) else {
            return None;
        };
        let original = delivery.holders.as_ref()?.lost(&delivery.session)?;
        let placing = Placing {
            at: delivery.at,
            pass: delivery.pass,
            by: None,
            stanza: original,
            fate: Fate::Reroute,
        };
        self.place(placing, parent, &mut Following::unknown())
    }

    /// Places a stanza without the stack, and the error that comes back for it.
    fn place(
        &self,
        mut placing: Placing,
        parent: &Trail,
        following: &mut Following,
    ) -> Option<Kept> {
        // An error is never answered, so the second round is the last.
        for _ in 0..2 {
            let route = match self.host.place(placing.stanza.to()?) {
                Place::Account(account) if !self.comes_from_outside(&placing.stanza, &account) => {
                    let outcome = match self.to_account(&placing, &account) {
                        Placed::Done(outcome) => outcome,
                        Placed::Keep(account) => return Some(Kept { placing, account }),
                        // Nobody asks an account anything without the stack.
                        Placed::Serve => Outcome::dropped(Drop::NobodyMeant),
                    };
                    placing = placing.back(outcome)?;
                    continue;
                }
                Place::Account(account) => Route::ToAccount(account),
                // A room answers by broadcasting, which is for the stack.
                Place::Room(room) => Route::ToRoom(room),
                Place::Elsewhere => {
                    self.host.send(placing.at, placing.stanza);
                    return None;
                }
                Place::Server(_) => return None,
            };
            let facts = Facts::default();
            self.follow(placing.at, parent, route, placing.stanza, facts, following);
            return None;
        }
        None
    }

    async fn keep(&self, kept: Kept, parent: &Trail, following: &mut Following) {
        let Kept { placing, account } = kept;
        let keeping = keep(&*self.host, &account, placing.at, false, &placing.stanza);
        let outcome = keeping.await.unwrap_or_else(|error| {
            let error: BoxError = error.into();
            self.host.broke(placing.pass, &*error);
            Outcome::refused(&placing.stanza, try_later())
        });
        if let Some(back) = placing.back(outcome) {
            // Nobody keeps an error.
            let _ = self.place(back, parent, following);
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

    fn to_account(&self, placing: &Placing, account: &BareJid) -> Placed {
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
        direct.place(&*self.host, account)
    }

    fn follow(
        &self,
        at: Time,
        trail: &Trail,
        route: Route,
        stanza: Stanza,
        facts: Facts,
        following: &mut Following,
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
        self.conductor.follow(next, following.begins());
    }
}

impl Placing {
    /// What comes back for it: an error, if anything.
    fn back(self, outcome: Outcome) -> Option<Self> {
        let back = outcome.emits.into_iter().next()?;
        Some(Self {
            stanza: back.stanza,
            fate: back.fate,
            ..self
        })
    }
}
