//! All rooms of one domain.

use std::collections::BTreeMap;

use jid::{BareJid, Jid};

use crate::flow::{Affiliation, Event, Snapshot};
use crate::muc_push::Standing;
use crate::stanza::{Kind, Stanza, Time};

use super::disco::asked_the_service;
use super::effect::{Effect, HistoryKey, Turn};
use super::presence::Notice;
use super::state::{Lasting, Room};
use super::{Refusal, Role, Settings};

/// A multi-user chat service: all rooms of one domain.
#[derive(Debug)]
pub struct Rooms {
    pub(super) address: BareJid,
    pub(super) settings: Settings,
    pub(super) rooms: BTreeMap<BareJid, Room>,
}

/// One nick in a room, seen from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seat {
    /// The nick.
    pub nick: String,
    /// What its user is to the room.
    pub affiliation: Affiliation,
    /// What it may do in it.
    pub role: Role,
    /// The real JIDs behind it.
    pub sessions: Vec<Jid>,
}

impl Rooms {
    /// A service without any room yet. `address` is its domain.
    pub fn new(address: BareJid, settings: Settings) -> Self {
        Rooms {
            address,
            settings,
            rooms: BTreeMap::new(),
        }
    }

    /// Handles one stanza that is addressed to the service, to a room or to
    /// an occupant. Its `from` is the sender's real JID, which the host has
    /// checked; without one nothing comes of it.
    pub fn handle(&mut self, at: Time, stanza: &Stanza) -> Vec<Effect> {
        let mut turn = Turn::new(at, &self.settings);
        let Some(from) = stanza.from() else {
            return Vec::new();
        };
        let Some(to) = stanza.to() else {
            turn.refuse(&self.address, stanza, Refusal::NickMissing);
            return turn.effects;
        };
        let address = to.to_bare();
        if address.domain() != self.address.domain() {
            turn.refuse(&address, stanza, Refusal::NoSuchRoom);
        } else if address.node().is_none() {
            asked_the_service(&self.address, &self.rooms, &mut turn, stanza);
        } else if let Some(room) = self.rooms.get_mut(&address) {
            room.handle(&mut turn, from, stanza);
            bury(&mut self.rooms, &mut turn, &address);
        } else if let Err(refusal) = create(&mut self.rooms, &mut turn, from, &address, stanza) {
            turn.refuse(&address, stanza, refusal);
        }
        turn.effects
    }

    /// Puts the stamped form of a broadcast message in its place in the
    /// room's history, so that live and replayed copies bear the same ids.
    /// `false` if the history has forgotten the message.
    pub fn keep(&mut self, room: &BareJid, key: HistoryKey, stamped: &Stanza) -> bool {
        self.rooms
            .get_mut(room)
            .is_some_and(|room| room.lasting.history.replace(key, stamped))
    }

    /// The rooms, by address.
    pub fn rooms(&self) -> impl Iterator<Item = &BareJid> {
        self.rooms.keys()
    }

    /// Who is in a room, by nick. Empty for a room that does not exist.
    pub fn occupants(&self, room: &BareJid) -> Vec<Seat> {
        let Some(room) = self.rooms.get(room) else {
            return Vec::new();
        };
        room.occupants
            .iter()
            .map(|occupant| Seat {
                nick: occupant.nick().to_owned(),
                affiliation: room.affiliation(&occupant.user),
                role: occupant.role,
                sessions: occupant.sessions.iter().map(|s| s.jid.clone()).collect(),
            })
            .collect()
    }

    /// The room as a broadcast would show it to the layers.
    pub fn snapshot(&mut self, room: &BareJid) -> Option<std::sync::Arc<Snapshot>> {
        self.rooms.get_mut(room).map(Room::snapshot)
    }

    /// Whether a user may enter now, or sits there already; `None` for a room
    /// that does not exist. A password is not asked for: who would have to give
    /// one may not. This is who may read what was said (XEP-0313 §8.4).
    pub fn may_enter(&self, room: &BareJid, user: &BareJid) -> Option<bool> {
        let room = self.rooms.get(room)?;
        let config = &room.lasting.config;
        let affiliation = room.affiliation(user);
        let is_there = room.occupants.iter().any(|occupant| occupant.user == *user);
        let is_open = !config.members_only && config.password.is_none();
        let is_member = affiliation > Affiliation::None && config.password.is_none();
        Some(affiliation != Affiliation::Outcast && (is_there || is_open || is_member))
    }

    /// What a user is to a room; `None` for a room that does not exist. This is
    /// what [`Doors`](crate::muc_push::Doors) are to say.
    pub fn standing(&self, room: &BareJid, user: &BareJid) -> Option<Standing> {
        let room = self.rooms.get(room)?;
        Some(Standing {
            affiliation: room.affiliation(user),
            members_only: room.lasting.config.members_only,
        })
    }

    /// The host found out that a session is not there any more: it is removed
    /// with 333 (XEP-0045 §11.1).
    pub fn kick_ghost(&mut self, at: Time, room: &BareJid, session: &Jid) -> Vec<Effect> {
        let mut turn = Turn::new(at, &self.settings);
        if let Some(found) = self.rooms.get_mut(room) {
            found.lose(&mut turn, session);
            bury(&mut self.rooms, &mut turn, room);
        }
        turn.effects
    }

    /// The service ends: everybody is told of it with 332 (§11.2). What is
    /// persistent stays for the next start.
    pub fn shut_down(&mut self, at: Time) -> Vec<Effect> {
        let mut turn = Turn::new(at, &self.settings);
        for room in self.rooms.values_mut() {
            room.expel_all(&mut turn, &Notice::codes([332]));
        }
        self.rooms.retain(|_, room| !room.is_over());
        turn.effects
    }

    /// The service starts again after a crash: nobody has been told anything,
    /// no room knows an occupant, and what was not persistent is gone.
    pub fn restart(&mut self) -> Vec<Effect> {
        for room in self.rooms.values_mut() {
            room.forget_occupants();
        }
        self.rooms.retain(|_, room| !room.is_over());
        self.rooms
            .keys()
            .map(|room| Effect::Event(Event::RoomStarted { room: room.clone() }))
            .collect()
    }
}

/// Somebody writes to a room that is not there: an available presence creates
/// it (XEP-0045 §10.1.1). A ping to a nick in it must not look as if the room
/// were only denying it: `not-acceptable` (XEP-0410 §3.2).
fn create(
    rooms: &mut BTreeMap<BareJid, Room>,
    turn: &mut Turn<'_>,
    from: &Jid,
    address: &BareJid,
    stanza: &Stanza,
) -> Result<(), Refusal> {
    match (stanza.kind(), stanza.type_()) {
        (Kind::Presence, None) => {}
        (Kind::Presence, _) => return Ok(()),
        (Kind::Iq, _) if stanza.to().is_some_and(Jid::is_full) => {
            return Err(Refusal::NotAnOccupant);
        }
        _ => return Err(Refusal::NoSuchRoom),
    }
    let owner = from.to_bare();
    if !turn.settings.creators.admit(&owner) {
        return Err(Refusal::CreationRestricted);
    }
    if rooms.len() >= turn.settings.limits.rooms {
        return Err(Refusal::TooMuch);
    }
    let lasting = Lasting {
        config: turn.settings.new_room.clone(),
        ..Lasting::default()
    };
    let mut room = Room::new(address.clone(), lasting);
    room.created = true;
    room.locked = turn.settings.creation.locks();
    turn.event(Event::RoomStarted {
        room: address.clone(),
    });
    room.set_affiliation(turn, &owner, Affiliation::Owner, None);
    let entered = room.presence(turn, from, stanza);
    // Whoever may not enter has created nothing.
    if room.occupants.is_empty() {
        turn.effects
            .retain(|effect| !matches!(effect, Effect::Event(_)));
    } else {
        rooms.insert(address.clone(), room);
    }
    entered
}

/// Takes a room away when nothing keeps it.
fn bury(rooms: &mut BTreeMap<BareJid, Room>, turn: &mut Turn<'_>, address: &BareJid) {
    if rooms.get(address).is_some_and(Room::is_over) {
        rooms.remove(address);
        turn.event(Event::RoomDestroyed {
            room: address.clone(),
        });
    }
}
