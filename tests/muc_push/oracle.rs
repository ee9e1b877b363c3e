//! Who a room has to notify, worked out a second time from what passes its
//! stack: written from the rules in the module's documentation, not from its code.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jid::{BareJid, Jid};
use tower_xmpp::flow::{
    Affiliation, Emit, EmitKind, Envelope, Event, Original, Outcome, Route, Snapshot,
};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::muc_push::{Limits, notified_node};
use tower_xmpp::stanza::{Condition, ElementRef, ErrorType, Stanza, Time, Type, ns};

const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));

/// What it believes, for all processes that serve the room one after the other.
#[derive(Clone)]
pub struct Oracle(Arc<Mutex<Belief>>);

struct Belief {
    limits: Limits,
    /// After so many lost answers in a row a target is given up.
    failures: u32,
    /// The oldest of an account first.
    targets: Vec<Known>,
    banned: Vec<BareJid>,
    /// Where the room did otherwise.
    faults: Vec<String>,
}

struct Known {
    jid: Jid,
    node: String,
    stands: Stands,
    lost: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Stands {
    Armed,
    Asked { id: String, at: Time },
    Woken,
    Busy { since: Time },
}

/// Whether a target has to be notified of what is said now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Must,
    May,
    MustNot,
}

impl Oracle {
    pub fn new(limits: Limits, failures: u32) -> Self {
        Self(Arc::new(Mutex::new(Belief {
            limits,
            failures,
            targets: Vec::new(),
            banned: Vec::new(),
            faults: Vec::new(),
        })))
    }

    /// The layer that watches; outside the one that is judged.
    pub fn layer(&self) -> Shell<Self> {
        Shell::of(self.clone())
    }

    /// The process was started again: where targets stand is forgotten.
    pub fn forgets(&self) {
        self.belief().targets.iter_mut().for_each(Known::rest);
    }

    /// Clients and nodes that are registered, sorted.
    pub fn targets(&self) -> Vec<(String, String)> {
        let belief = self.belief();
        let known = belief.targets.iter();
        let mut all: Vec<_> = known
            .map(|it| (it.jid.to_string(), it.node.clone()))
            .collect();
        all.sort();
        all
    }

    pub fn faults(&self) -> Vec<String> {
        self.belief().faults.clone()
    }

    fn belief(&self) -> MutexGuard<'_, Belief> {
        self.0.lock().unwrap()
    }
}

impl Feature for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        envelope.as_stanza().is_some()
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let (at, route) = (envelope.at, envelope.route.clone());
        let author = envelope.facts.author.clone();
        let audience = envelope.facts.audience.clone();
        let stanza = envelope.as_stanza().expect("nothing else concerns").clone();
        let outcome = next.run(envelope).await?;
        let mut belief = self.belief();
        match &route {
            Route::ToRoom(_) if stanza.is_request() => belief.asked(&stanza, &outcome),
            Route::ToRoom(_) if stanza.is_response() => belief.answered(at, &stanza),
            Route::FromRoom { to, .. }
                if stanza.type_().is_none() && stanza.has_muc_status(110) =>
            {
                let own = belief.targets.iter_mut().filter(|it| it.jid == *to);
                own.for_each(Known::rest);
            }
            Route::Broadcast(snapshot) if stanza.has_body() => {
                let audience = audience.as_deref().unwrap_or_default();
                belief.said(at, snapshot, audience, author.as_deref(), &outcome);
            }
            _ => {}
        }
        Ok(outcome)
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        let mut belief = self.belief();
        match event {
            // Nobody has been heard of by that: lost answers still count.
            Event::RoomStarted { .. } => {
                let all = belief.targets.iter_mut();
                all.for_each(|it| it.stands = Stands::Armed);
            }
            Event::AffiliationChanged {
                user,
                affiliation: Affiliation::Outcast,
                ..
            } => belief.targets.retain(|it| it.account() != user),
            _ => {}
        }
        Ok(Vec::new())
    }
}

impl Belief {
    /// Rules 1 to 3.
    fn asked(&mut self, request: &Stanza, outcome: &Outcome) {
        let (Some(payload), Some(from)) = (request.payload(), request.from()) else {
            return;
        };
        let is_done = outcome.original == Original::Answered;
        if is_done && payload.is("query", ns::MUC_ADMIN) {
            payload.children().for_each(|item| self.affiliated(item));
        }
        if !payload.is("enable", ns::PUSH) && !payload.is("disable", ns::PUSH) {
            return;
        }
        let jid = Jid::new(payload.attr("jid").unwrap_or_default()).unwrap();
        let node = payload.attr("node").unwrap_or_default().to_owned();
        let is_known = self
            .targets
            .iter()
            .any(|it| it.jid == jid && it.node == node);
        if payload.is("disable", ns::PUSH) {
            self.targets.retain(|it| it.jid != jid || it.node != node);
        } else if !is_done {
            let is_full = outcome.original == Original::Bounced(Condition::ResourceConstraint);
            if is_known && is_full {
                self.faults.push(format!("{jid} {node} may not renew"));
            }
        } else {
            let account = from.to_bare();
            if jid.to_bare() != account || self.banned.contains(&account) {
                self.faults.push(format!("{from} has {jid} notified"));
            }
            self.targets.retain(|it| it.jid != jid || it.node != node);
            let is_own = |it: &Known| it.account() == account;
            if self.targets.iter().filter(|it| is_own(it)).count() >= self.limits.per_account {
                let oldest = self.targets.iter().position(is_own).unwrap();
                self.targets.remove(oldest);
            }
            self.targets.push(Known {
                jid,
                node,
                stands: Stands::Armed,
                lost: 0,
            });
        }
        if self.targets.len() > self.limits.total {
            self.faults.push(format!("{} targets", self.targets.len()));
        }
    }

    /// From now on the room lets somebody register, or does not; its event of that
    /// comes later.
    fn affiliated(&mut self, item: ElementRef<'_>) {
        let user: BareJid = item.attr("jid").unwrap().parse().unwrap();
        self.banned.retain(|other| *other != user);
        if item.attr("affiliation") == Some("outcast") {
            self.banned.push(user);
        }
    }

    /// Rule 8. What nobody was asked, or somebody else, changes nothing.
    fn answered(&mut self, at: Time, answer: &Stanza) {
        let place = self.targets.iter().position(|it| {
            let is_open = matches!(&it.stands, Stands::Asked { id, .. } if answer.id() == Some(id));
            is_open && answer.from() == Some(&it.jid)
        });
        let Some(place) = place else {
            return;
        };
        let error = answer.error();
        match error.map(|error| (error.type_ == ErrorType::Wait, error.condition)) {
            None => {
                self.targets[place].rest();
                self.targets[place].stands = Stands::Woken;
            }
            Some((true, _) | (_, Condition::RemoteServerTimeout)) => {
                self.targets[place].stands = Stands::Busy { since: at };
            }
            Some(_) => {
                self.targets.remove(place);
            }
        }
    }

    /// Rules 4 to 7.
    fn said(
        &mut self,
        at: Time,
        snapshot: &Snapshot,
        audience: &[Jid],
        author: Option<&BareJid>,
        outcome: &Outcome,
    ) {
        let mut sent: Vec<(Jid, String, String)> = Vec::new();
        for emit in &outcome.emits {
            let is_new = matches!(&emit.kind, EmitKind::New(Route::FromRoom { .. }));
            if let (true, Some(node)) = (is_new, notified_node(&emit.stanza)) {
                let to = emit.stanza.to().unwrap().clone();
                let id = emit.stanza.id().unwrap().to_owned();
                sent.push((to, node, id));
            }
        }
        let failures = self.failures;
        let mut over = Vec::new();
        for (place, known) in self.targets.iter_mut().enumerate() {
            let is_its =
                |(to, node, _): &(Jid, String, String)| *to == known.jid && *node == known.node;
            let ids: Vec<String> = sent
                .extract_if(.., |it| is_its(it))
                .map(|(_, _, id)| id)
                .collect();
            let account = known.account();
            let is_banned = snapshot.affiliation(&account) == Affiliation::Outcast;
            let is_present = audience.contains(&known.jid);
            let mut due = known.due(at);
            if is_banned || author == Some(&account) {
                due = Due::MustNot;
            } else if is_present {
                known.rest();
                due = Due::MustNot;
            } else if let (Stands::Asked { .. }, Due::Must) = (&known.stands, due) {
                known.lost += 1;
                if known.lost >= failures {
                    over.push(place);
                    due = Due::MustNot;
                }
            }
            let is_right = match due {
                Due::Must => ids.len() == 1,
                Due::May => ids.len() <= 1,
                Due::MustNot => ids.is_empty(),
            };
            if !is_right {
                let (jid, stands) = (&known.jid, &known.stands);
                self.faults
                    .push(format!("{jid} stands {stands:?}, {due:?} be told: {ids:?}"));
            }
            if let Some(id) = ids.into_iter().next() {
                known.stands = Stands::Asked { id, at };
            }
        }
        for place in over.into_iter().rev() {
            self.targets.remove(place);
        }
        // To nobody who is not registered.
        let strangers = sent
            .iter()
            .map(|(to, node, _)| format!("{to} {node} is told"));
        self.faults.extend(strangers);
    }
}

impl Known {
    fn account(&self) -> BareJid {
        self.jid.to_bare()
    }

    fn rest(&mut self) {
        self.stands = Stands::Armed;
        self.lost = 0;
    }

    fn due(&self, now: Time) -> Due {
        match self.stands {
            Stands::Armed => Due::Must,
            Stands::Woken => Due::MustNot,
            Stands::Asked { at, .. } if now.since(at) >= PATIENCE => Due::Must,
            Stands::Asked { .. } => Due::MustNot,
            Stands::Busy { since } if now.since(since) < PAUSE.0 => Due::MustNot,
            Stands::Busy { since } if now.since(since) >= PAUSE.1 => Due::Must,
            Stands::Busy { .. } => Due::May,
        }
    }
}

/// An answer to a notification, as a client gives it, or somebody in its name.
pub fn answer(id: &str, room: &str, condition: Option<Condition>) -> Stanza {
    let room: Jid = room.parse().expect("a JID");
    let notification = Stanza::iq(Type::Set, id).with_from(room);
    match condition {
        None => notification.reply(),
        Some(condition) => {
            let error = notification.error_reply(&condition.into());
            error.expect("a request can be refused")
        }
    }
}
