//! Rooms in a world, and the room machine on a host.

use std::sync::Arc;

use jid::{BareJid, DomainPart, Jid};

use crate::flow::{Emit, Envelope, Original, Outcome, Route};
use crate::muc_push::{Doors, Standing};
use crate::stanza::Stanza;

use super::World;
use super::room::{Creation, Effect, HistoryKey, Rooms, Settings};
use super::state::{Core, State};

impl World {
    /// Adds rooms at a domain: on its own host, or on the one that was added
    /// for it before, whose layers then see what rooms get and send. Rooms are
    /// made by joining them, and open at once.
    pub fn rooms(&self, domain: &str) -> &Self {
        let settings = Settings {
            creation: Creation::Instant,
            ..Settings::default()
        };
        if self.inside.core.lock().host_of(domain).is_none() {
            self.host(domain, ());
        }
        self.rooms_with(domain, domain, settings)
    }

    /// Adds rooms at `domain` to the host of another domain, or of the same.
    pub fn rooms_with(&self, host: &str, domain: &str, settings: Settings) -> &Self {
        let index = self.inside.host(host);
        let (address, domain) = match domain.parse::<BareJid>() {
            Ok(address) => (address.clone(), address.domain().to_owned()),
            Err(error) => panic!("{domain} is not a domain: {error}"),
        };
        let service = RoomService::new(domain, Rooms::new(address, settings));
        let before = self.inside.core.lock().hosts[index].rooms.replace(service);
        assert!(before.is_none(), "{host} has rooms already");
        self
    }

    /// Who is in a room: nicks and real JIDs.
    pub fn occupants(&self, room: &str) -> Vec<(String, Vec<Jid>)> {
        self.settle();
        let room: BareJid = match room.parse() {
            Ok(room) => room,
            Err(error) => panic!("{room} is not a room: {error}"),
        };
        let index = self.inside.host(room.domain().as_str());
        let rooms = &self.inside.core.lock().hosts[index].rooms;
        let rooms = rooms.as_ref();
        let seats = rooms.map_or_else(Vec::new, |rooms| rooms.machine.occupants(&room));
        let named = seats.into_iter().map(|seat| (seat.nick, seat.sessions));
        named.collect()
    }

    /// What the rooms of a host say about who may enter, for the room's side of
    /// muc_push. The host may be added later.
    pub fn doors(&self, host: &str) -> Arc<dyn Doors> {
        Arc::new(WorldDoors {
            core: self.inside.core.clone(),
            host: host.to_owned(),
        })
    }

    /// The rooms at this domain shut down in order: everybody in them is told so,
    /// with 332 (XEP-0045 §9.1). Whoever joins then finds them started again.
    pub fn shut_down_rooms(&self, domain: &str) -> &Self {
        self.settle();
        let index = self.inside.host(domain);
        self.inside.core.lock().shut_down_rooms(index);
        self
    }

    /// A fault: the rooms at this domain start again after a crash. They know
    /// no occupants, and nobody has been told.
    pub fn restart_rooms(&self, domain: &str) -> &Self {
        self.settle();
        let index = self.inside.host(domain);
        self.inside.core.lock().restart_rooms(index);
        self
    }
}

/// The doors of a host's rooms.
struct WorldDoors {
    core: Arc<Core>,
    host: String,
}

impl Doors for WorldDoors {
    fn standing(&self, room: &BareJid, account: &BareJid) -> Option<Standing> {
        let state = self.core.lock();
        let rooms = state.hosts[state.host_of(&self.host)?].rooms.as_ref()?;
        rooms.machine.standing(room, account)
    }
}

/// The rooms of a host.
pub(super) struct RoomService {
    pub(super) domain: DomainPart,
    pub(super) machine: Rooms,
    /// Broadcasts that are in the history and still in the stack, known by
    /// their audience.
    under_way: Vec<(Arc<[Jid]>, BareJid, HistoryKey)>,
}

impl RoomService {
    pub(super) fn new(domain: DomainPart, machine: Rooms) -> Self {
        Self {
            domain,
            machine,
            under_way: Vec::new(),
        }
    }
}

impl State {
    /// Lets the machine handle what is for a room, and says what it wants sent.
    pub(super) fn serve_room(
        &mut self,
        host: usize,
        envelope: &Envelope,
        stanza: &Stanza,
    ) -> Outcome {
        let Some(rooms) = &mut self.hosts[host].rooms else {
            return Outcome::of(Original::Consumed);
        };
        let effects = rooms.machine.handle(envelope.at, stanza);
        self.room_wants(host, Some(stanza), effects)
    }

    /// What a room wants, as emits. Events enter at once, so before these.
    pub(super) fn room_wants(
        &mut self,
        host: usize,
        request: Option<&Stanza>,
        effects: Vec<Effect>,
    ) -> Outcome {
        let request = request.filter(|stanza| stanza.is_request());
        let mut outcome = Outcome::of(match request {
            Some(_) => Original::Answered,
            None => Original::Consumed,
        });
        for effect in effects {
            outcome.emits.push(match effect {
                Effect::Event(event) => {
                    self.raise(host, event);
                    continue;
                }
                Effect::Broadcast(broadcast) => {
                    if let (Some(key), Some(rooms)) = (broadcast.history, self.rooms(host)) {
                        let (audience, room) = (&broadcast.recipients, &broadcast.snapshot.room);
                        rooms.under_way.push((audience.clone(), room.clone(), key));
                    }
                    broadcast.into_emit()
                }
                // The answer to the request itself: layers add to it what
                // they announce for the room.
                Effect::Send { stanza: answer, .. }
                    if answer.is_response()
                        && request.is_some_and(|request| request.id() == answer.id()) =>
                {
                    Emit::answer(answer)
                }
                Effect::Send { room, to, stanza } => {
                    Emit::new_at(Route::FromRoom { room, to }, stanza)
                }
            });
        }
        outcome
    }

    /// The rooms of a host say goodbye.
    pub(super) fn shut_down_rooms(&mut self, host: usize) {
        let now = self.now;
        let Some(rooms) = self.rooms(host) else {
            return;
        };
        let effects = rooms.machine.shut_down(now);
        let farewell = self.room_wants(host, None, effects);
        self.hosts[host].conductor.carry_out(now, farewell.emits);
    }

    /// The rooms of a host know nobody any more.
    pub(super) fn restart_rooms(&mut self, host: usize) {
        let Some(rooms) = self.rooms(host) else {
            return;
        };
        rooms.under_way.clear();
        let effects = rooms.machine.restart();
        let outcome = self.room_wants(host, None, effects);
        debug_assert!(outcome.emits.is_empty(), "a crash says nothing");
    }

    /// A broadcast has come through the layers: what they made of it stands
    /// in the room's history.
    pub(super) fn room_has_said(&mut self, host: usize, envelope: &Envelope) {
        let (Some(audience), Some(stanza)) = (&envelope.facts.audience, envelope.as_stanza())
        else {
            return;
        };
        let Some(rooms) = self.rooms(host) else {
            return;
        };
        let known = rooms
            .under_way
            .iter()
            .position(|(known, ..)| Arc::ptr_eq(known, audience));
        if let Some(position) = known {
            let (_, room, key) = rooms.under_way.remove(position);
            rooms.machine.keep(&room, key, stanza);
        }
    }

    fn rooms(&mut self, host: usize) -> Option<&mut RoomService> {
        self.hosts[host].rooms.as_mut()
    }
}
