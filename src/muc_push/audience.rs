//! Who hears a message, and who misses it. Pure.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jid::{BareJid, Jid};

use crate::flow::{Affiliation, Snapshot};
use crate::stanza::{Stanza, Time};

use super::mentions::mentioned;
use super::{Settings, Standing, Target};

/// A message that a room broadcasts.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) at: Time,
    pub(super) snapshot: &'a Snapshot,
    pub(super) audience: Option<&'a Arc<[Jid]>>,
    pub(super) author: Option<&'a BareJid>,
    pub(super) message: &'a Stanza,
}

/// The room at the moment of a message, as far as targets are concerned.
pub(super) struct Audience<'a> {
    said: Said<'a>,
    /// Whom it is broadcast to, where the host says so.
    present: Option<HashSet<&'a Jid>>,
    /// Who is mentioned, where services hear of nothing else.
    mentioned: Option<BTreeSet<BareJid>>,
}

/// Where a target stands to a message: rules 4, 5 and 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its account is banned from the room: the registration is over.
    Banned,
    /// Its account may not enter the room, or is registered with the service
    /// and does not belong to the room.
    Outside,
    /// Its account wrote the message.
    Author,
    /// It hears the message.
    Present,
    /// A service, and its user is not mentioned.
    Unmentioned,
    /// It misses the message.
    Absent,
}

impl<'a> Audience<'a> {
    pub(super) fn new(said: Said<'a>, settings: &Settings) -> Self {
        let mentions = settings.mentions_only;
        Self {
            said,
            present: said.audience.map(|all| all.iter().collect()),
            mentioned: mentions.then(|| mentioned(said.message, said.snapshot)),
        }
    }

    pub(super) fn place(&self, target: &Target) -> Place {
        let standing = Standing {
            affiliation: self.said.snapshot.affiliation(&target.account),
            members_only: self.said.snapshot.members_only,
        };
        let is_of_service = target.room.node().is_none();
        // Banned from one room, a registration with all of them goes on.
        if standing.affiliation == Affiliation::Outcast && !is_of_service {
            return Place::Banned;
        }
        let belongs = !is_of_service || standing.affiliation >= Affiliation::Member;
        if !standing.may_enter() || !belongs {
            return Place::Outside;
        }
        if self.said.author == Some(&target.account) {
            return Place::Author;
        }
        if self.is_present(target) {
            return Place::Present;
        }
        let mentioned = self.mentioned.as_ref();
        let is_mentioned = mentioned.is_none_or(|all| all.contains(&target.account));
        match is_mentioned || target.is_direct() {
            true => Place::Absent,
            false => Place::Unmentioned,
        }
    }

    /// A client is present if it is itself in the room; an account, or who has a
    /// push service, if any of its sessions is. An account that is in the room as
    /// such is present for all its clients.
    fn is_present(&self, target: &Target) -> bool {
        let account: &Jid = &target.account;
        match &self.present {
            Some(present) if target.is_direct() && target.jid.is_full() => {
                present.contains(&target.jid) || present.contains(account)
            }
            // A host that does not say whom it broadcasts to is believed as far
            // as its snapshot goes.
            _ => self.said.snapshot.is_present(&target.account),
        }
    }
}
