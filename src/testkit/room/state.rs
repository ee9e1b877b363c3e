//! One room: its state, and what every part of it needs.

use std::sync::Arc;

use jid::{BareJid, Jid};

use crate::flow::{Affiliation, Event, Snapshot};
use crate::stanza::{Kind, Stanza, Time};

use super::affiliations::Affiliations;
use super::effect::{Broadcast, Effect, HistoryKey, Turn};
use super::history::History;
use super::occupants::{Occupant, Occupants, Role};
use super::{Refusal, RoomConfig};

/// A room. What `lasting` holds outlives a restart if the room is persistent.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) address: BareJid,
    pub(super) lasting: Lasting,
    pub(super) occupants: Occupants,
    /// Waits for its first configuration (XEP-0045 §10.1).
    pub(super) locked: bool,
    /// New, and its creator is about to enter.
    pub(super) created: bool,
    /// What is lasting has changed, and nobody has asked yet.
    pub(super) unsaved: bool,
    /// An owner has destroyed it.
    pub(super) destroyed: bool,
    revision: u64,
    audience: Option<Audience>,
}

/// What a room is without its occupants.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    pub(super) config: RoomConfig,
    pub(super) affiliations: Affiliations,
    pub(super) subject: Option<Subject>,
    pub(super) history: History,
}

/// The subject as it was set: from the occupant that set it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) stanza: Stanza,
    pub(super) at: Time,
}

/// Whom a message to everybody reaches, until somebody comes or goes.
#[derive(Clone, Debug)]
struct Audience {
    snapshot: Arc<Snapshot>,
    recipients: Arc<[Jid]>,
}

impl Room {
    pub(super) fn new(address: BareJid, lasting: Lasting) -> Self {
        Room {
            address,
            lasting,
            occupants: Occupants::default(),
            locked: false,
            created: false,
            unsaved: false,
            destroyed: false,
            revision: 0,
            audience: None,
        }
    }

    /// Handles one stanza addressed to the room or to a nick in it.
    pub(super) fn handle(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza) {
        let handled = match stanza.kind() {
            Kind::Presence => self.presence(turn, from, stanza),
            Kind::Message => self.message(turn, from, stanza),
            Kind::Iq => self.iq(turn, from, stanza),
        };
        if let Err(refusal) = handled {
            self.refuse(turn, stanza, refusal);
        }
    }

    /// Is there nothing left to keep it for? A temporary room ends with its
    /// last occupant, a locked one when its creator leaves (XEP-0045 §10.1.3).
    pub(super) fn is_over(&self) -> bool {
        self.destroyed
            || (self.occupants.is_empty() && (self.locked || !self.lasting.config.persistent))
    }

    /// Makes it as it is after a restart of the service: nobody is there.
    pub(super) fn forget_occupants(&mut self) {
        self.occupants.clear();
        self.changed();
    }

    pub(super) fn affiliation(&self, user: &BareJid) -> Affiliation {
        self.lasting.affiliations.of(user)
    }

    /// The affiliation of a sender, who may have a resource.
    pub(super) fn affiliation_of(&self, jid: &Jid) -> Affiliation {
        self.affiliation(&jid.to_bare())
    }

    /// The occupant that sends, or the reason to refuse.
    pub(super) fn sender(&self, from: &Jid) -> Result<&Occupant, Refusal> {
        self.occupants.by_jid(from).ok_or(Refusal::NotAnOccupant)
    }

    /// The role a user comes with (XEP-0045 §5.1.2).
    pub(super) fn default_role(&self, affiliation: Affiliation) -> Role {
        match affiliation {
            Affiliation::Outcast => Role::None,
            Affiliation::None if self.lasting.config.moderated => Role::Visitor,
            Affiliation::None | Affiliation::Member => Role::Participant,
            Affiliation::Admin | Affiliation::Owner => Role::Moderator,
        }
    }

    /// Does somebody of this role see real JIDs (XEP-0045 §4.2)?
    pub(super) fn sees_real_jids(&self, role: Role) -> bool {
        self.lasting.config.non_anonymous || role == Role::Moderator
    }

    /// Changes an affiliation and tells the stack. What follows from it for
    /// occupants is the caller's.
    pub(super) fn set_affiliation(
        &mut self,
        turn: &mut Turn<'_>,
        user: &BareJid,
        affiliation: Affiliation,
        reason: Option<String>,
    ) {
        let before = self.affiliation(user);
        self.lasting.affiliations.set(user, affiliation, reason);
        self.unsaved = true;
        self.changed();
        if before != affiliation {
            turn.event(Event::AffiliationChanged {
                room: self.address.clone(),
                user: user.clone(),
                affiliation,
            });
        }
    }

    /// To be called after each change of occupants, affiliations or
    /// openness: the next broadcast takes a new snapshot.
    pub(super) fn changed(&mut self) {
        self.revision += 1;
        self.audience = None;
    }

    /// One stanza to every session in the room.
    pub(super) fn broadcast(
        &mut self,
        turn: &mut Turn<'_>,
        stanza: Stanza,
        author: Option<BareJid>,
        history: Option<HistoryKey>,
    ) {
        let Audience {
            snapshot,
            recipients,
        } = self.audience();
        turn.effects.push(Effect::Broadcast(Broadcast {
            snapshot,
            stanza,
            recipients,
            author,
            history,
        }));
    }

    /// One stanza to some of the sessions in the room.
    pub(super) fn broadcast_to(
        &mut self,
        turn: &mut Turn<'_>,
        stanza: Stanza,
        recipients: Vec<Jid>,
    ) {
        if recipients.is_empty() {
            return;
        }
        let snapshot = self.audience().snapshot;
        turn.effects.push(Effect::Broadcast(Broadcast {
            snapshot,
            stanza,
            recipients: recipients.into(),
            author: None,
            history: None,
        }));
    }

    /// The room as it is now.
    pub(super) fn snapshot(&mut self) -> Arc<Snapshot> {
        self.audience().snapshot
    }

    fn audience(&mut self) -> Audience {
        if let Some(audience) = &self.audience {
            return audience.clone();
        }
        let mut present: Vec<BareJid> = self
            .occupants
            .iter()
            .map(|occupant| occupant.user.clone())
            .collect();
        present.sort();
        present.dedup();
        let audience = Audience {
            snapshot: Arc::new(Snapshot {
                room: self.address.clone(),
                occupants: present,
                members: self.lasting.affiliations.members(),
                members_only: self.lasting.config.members_only,
                revision: self.revision,
            }),
            recipients: self.occupants.real_jids().cloned().collect(),
        };
        self.audience = Some(audience.clone());
        audience
    }

    fn refuse(&self, turn: &mut Turn<'_>, stanza: &Stanza, refusal: Refusal) {
        turn.refuse(&self.address, stanza, refusal);
    }
}
