//! What must hold in every world, whoever sends what to whom.
//!
//! [`World::check`] looks at everything that happened so far.
//! [`scenes`] generates accounts, devices and stanzas, [`hold`] plays many of
//! them and checks each; each invariant has a [`Plant`] that breaks it, so
//! that a check which cannot fail is noticed.
//!
//! ```
//! use tower_xmpp::testkit::World;
//! use tower_xmpp::testkit::invariants::{Invariant, hold};
//!
//! hold(1, 20, |scene| {
//!     let w = World::seeded(scene.seed);
//!     w.host("a.example", ()).host("b.example", ());
//!     scene.play(&w);
//!     let checked = w.check(&[Invariant::OnceEach, Invariant::InOrder]);
//!     w.abandon();
//!     checked
//! });
//! ```

mod plant;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, FullJid, Jid};
use thiserror::Error;

use crate::stanza::{Kind, Stanza, Type, ns};

use super::World;
use super::expect::forwarded;
use super::record::{EntryId, Happening, Record};

pub use plant::Plant;
pub use scene::{Device, Forgery, Scene, Step, To, hold, scenes};

/// Something that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invariant {
    /// No session gets a message twice, whether as it is or as a copy.
    OnceEach,
    /// A message does not come back to the session that sent it, unless it
    /// was sent to the own account. What a room broadcasts is not meant.
    NotToSender,
    /// A `stanza-id` by the own account was made by the own server, and that
    /// of the peer's account stays with the peer (XEP-0313 §3.5, XEP-0359 §6).
    OwnArchiveIds,
    /// What one session sends to one address reaches each session in order.
    InOrder,
    /// Nothing passes a stack because of itself, over and over.
    NoLoop,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Against [`Invariant::OnceEach`].
    #[error("{session} got message {id} twice")]
    Twice {
        /// Who got it.
        session: FullJid,
        /// The `id` of the message.
        id: String,
    },
    /// Against [`Invariant::NotToSender`].
    #[error("message {id} came back to {session}, which sent it")]
    BackToSender {
        /// Who sent it.
        session: FullJid,
        /// The `id` of the message.
        id: String,
    },
    /// Against [`Invariant::OwnArchiveIds`].
    #[error("message {id} brought {session} an archive ID {archive_id} by {by}, which is {why}")]
    ForeignArchiveId {
        /// Who got it.
        session: FullJid,
        /// The `id` of the message.
        id: String,
        /// Whose archive ID it claims to be.
        by: BareJid,
        /// The archive ID.
        archive_id: String,
        /// What is wrong with it.
        why: Foreign,
    },
    /// Against [`Invariant::InOrder`].
    #[error("{session} got message {late} after {early}, which was sent later")]
    Overtaken {
        /// Who got them.
        session: FullJid,
        /// The `id` of the one sent first.
        late: String,
        /// The `id` of the one that came first.
        early: String,
    },
    /// Against [`Invariant::NoLoop`].
    #[error("{passes} passes in a chain followed from one stanza")]
    Loop {
        /// How many.
        passes: u8,
    },
}

/// What is wrong with an archive ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// The sender wrote it.
    Forged,
    /// It is that of the sender's archive.
    Leaked,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Invariant; 5] = [
        Invariant::OnceEach,
        Invariant::NotToSender,
        Invariant::OwnArchiveIds,
        Invariant::InOrder,
        Invariant::NoLoop,
    ];
}

impl World {
    /// Settles, and checks everything that happened so far.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self, invariants: &[Invariant]) -> Result<(), Violation> {
        self.settle();
        let record = &self.inside.core.lock().record;
        let wanted = |invariant| invariants.contains(&invariant);
        if wanted(Invariant::NoLoop) {
            no_loop(record)?;
        }
        let mut got = BTreeSet::new();
        let mut latest = BTreeMap::new();
        for arrival in arrivals(record) {
            if wanted(Invariant::OnceEach) {
                once_each(&arrival, &mut got)?;
            }
            if wanted(Invariant::NotToSender) {
                not_to_sender(&arrival)?;
            }
            if wanted(Invariant::OwnArchiveIds) {
                own_archive_ids(&arrival)?;
            }
            if wanted(Invariant::InOrder) {
                in_order(&arrival, &mut latest)?;
            }
        }
        Ok(())
    }
}

/// A message that a client sent, on its arrival at a session.
struct Arrival<'a> {
    root: EntryId,
    sender: &'a FullJid,
    sent: &'a Stanza,
    session: &'a FullJid,
    /// As it arrived, and what is forwarded in it.
    layers: Vec<Stanza>,
}

/// Deliveries of messages that clients sent, answers and notices left out.
fn arrivals(record: &Record) -> impl Iterator<Item = Arrival<'_>> {
    record
        .entries
        .iter()
        .enumerate()
        .filter_map(|(entry, known)| {
            let Happening::Delivered {
                session, stanza, ..
            } = &known.what
            else {
                return None;
            };
            let root = record.root(entry);
            let Happening::Sent {
                session: sender,
                stanza: sent,
            } = &record.entries[root].what
            else {
                return None;
            };
            // A forged wrapper is a message like any other.
            let from_own = stanza.from().is_some_and(|from| *from == session.to_bare());
            let is_carbon = from_own && stanza.children().any(|child| child.has_ns(ns::CARBONS));
            let carbon = forwarded(stanza).filter(|_| is_carbon);
            let mut layers = vec![stanza.clone()];
            layers.extend(carbon);
            let message = layers.last()?;
            let is_it = sent.kind() == Kind::Message
                && message.kind() == Kind::Message
                && !message.is_error()
                && message.id() == sent.id();
            is_it.then_some(Arrival {
                root,
                sender,
                sent,
                session,
                layers,
            })
        })
}

fn once_each<'a>(
    arrival: &Arrival<'a>,
    got: &mut BTreeSet<(EntryId, &'a FullJid)>,
) -> Result<(), Violation> {
    if got.insert((arrival.root, arrival.session)) {
        return Ok(());
    }
    Err(Violation::Twice {
        session: arrival.session.clone(),
        id: arrival.id(),
    })
}

fn not_to_sender(arrival: &Arrival<'_>) -> Result<(), Violation> {
    let to_itself = match arrival.sent.to() {
        None => true,
        Some(to) => to.to_bare() == arrival.sender.to_bare(),
    };
    if arrival.session != arrival.sender || to_itself || arrival.sent.is_type(&Type::Groupchat) {
        return Ok(());
    }
    Err(Violation::BackToSender {
        session: arrival.session.clone(),
        id: arrival.id(),
    })
}

fn own_archive_ids(arrival: &Arrival<'_>) -> Result<(), Violation> {
    let (own, peer) = (arrival.session.to_bare(), arrival.sender.to_bare());
    let written: Vec<_> = arrival
        .sent
        .children()
        .filter(|child| child.is("stanza-id", ns::SID))
        .filter_map(|child| child.attr("id").map(str::to_owned))
        .collect();
    for (by, id) in arrival.layers.iter().flat_map(stanza_ids) {
        let forged = written.contains(&id);
        let why = if by == own && forged {
            Foreign::Forged
        } else if by == peer && own != peer && !forged {
            Foreign::Leaked
        } else {
            continue;
        };
        return Err(Violation::ForeignArchiveId {
            session: arrival.session.clone(),
            id: arrival.id(),
            by,
            archive_id: id,
            why,
        });
    }
    Ok(())
}

fn stanza_ids(stanza: &Stanza) -> impl Iterator<Item = (BareJid, String)> {
    let ids = stanza
        .children()
        .filter(|child| child.is("stanza-id", ns::SID));
    ids.filter_map(|id| {
        let by: BareJid = id.attr("by")?.trim().parse().ok()?;
        Some((by, id.attr("id")?.to_owned()))
    })
}

/// The newest message for each sender, address and recipient.
type Latest<'a> = BTreeMap<(&'a FullJid, Option<BareJid>, &'a FullJid), (EntryId, String)>;

fn in_order<'a>(arrival: &Arrival<'a>, latest: &mut Latest<'a>) -> Result<(), Violation> {
    let to = arrival.sent.to().map(Jid::to_bare);
    let key = (arrival.sender, to, arrival.session);
    let this = (arrival.root, arrival.id());
    match latest.get(&key) {
        Some((root, early)) if *root > this.0 => Err(Violation::Overtaken {
            session: arrival.session.clone(),
            late: this.1,
            early: early.clone(),
        }),
        _ => {
            latest.insert(key, this);
            Ok(())
        }
    }
}

/// What follows from one stanza by way of layers takes a few passes.
const MANY_PASSES: u8 = 10;

fn no_loop(record: &Record) -> Result<(), Violation> {
    let hops = record.entries.iter().filter_map(|entry| match entry.what {
        Happening::Pass { hops, .. } => Some(hops),
        _ => None,
    });
    match hops.max() {
        Some(passes) if passes >= MANY_PASSES => Err(Violation::Loop { passes }),
        _ => Ok(()),
    }
}

impl Arrival<'_> {
    fn id(&self) -> String {
        self.sent.id().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Foreign::Forged => "forged by the sender",
            Foreign::Leaked => "that of the sender's archive",
        })
    }
}
