//! The chat rooms at rooms.DOMAIN. What a room does is decided by the room
//! machine of the test kit (XEP-0045), which is pure; here its effects become
//! passes through the stack, so that layers see what rooms send as they see
//! everything else. What is persistent is kept before anybody is told of it.

mod kept;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jid::{BareJid, Jid};
use sha2::Sha256;
use tower_xmpp::flow::{Emit, Envelope, Event, Original, Outcome, Route, Snapshot};
use tower_xmpp::muc_push::Standing;
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::testkit::room::{
    self, Creation, Effect, HistoryKey, OccupantIds, SavedRoom, Settings,
};
use tracing::{info, warn};

use super::storage::{Failed, Storage};

/// How many broadcasts of one room may be under way, to be remembered in the
/// form in which they come out of the stack. The form in which they went in
/// is remembered of the others.
const UNDER_WAY: usize = 100;

/// How many may be in a room whose owner has not said otherwise.
const MAX_USERS: usize = 1_000;

pub struct Rooms {
    domain: BareJid,
    storage: Storage,
    state: Mutex<State>,
}

/// What a stanza for a room led to.
pub struct Served {
    pub outcome: Outcome,
    /// To be heard by the layers, before what the outcome sends.
    pub events: Vec<Event>,
}

struct State {
    machine: room::Rooms,
    /// By room: messages that are in its history and still in the stack.
    under_way: HashMap<BareJid, VecDeque<(HistoryKey, Stanza)>>,
}

impl Rooms {
    /// The service at this domain, with the rooms that are kept.
    pub async fn load(domain: BareJid, storage: Storage) -> Result<Self, Failed> {
        let mut settings = Settings::default();
        "Chat rooms".clone_into(&mut settings.name);
        // Deliberately not locked until configured (XEP-0045 §10.1.2): many
        // clients never send the form.
        settings.creation = Creation::Instant;
        settings.new_room.max_users = MAX_USERS;
        settings.occupant_ids = Some(occupant_ids(storage.secret("occupant ids").await?));
        let mut machine = room::Rooms::new(domain.clone(), settings);
        let service = domain.clone();
        for saved in storage.run(move |db| kept::read(db, &service)).await? {
            let room = saved.room.clone();
            if !machine.restore(saved) {
                warn!(%room, "stored room cannot be read, skipped");
            }
        }
        let state = State {
            machine,
            under_way: HashMap::new(),
        };
        Ok(Self {
            domain,
            storage,
            state: Mutex::new(state),
        })
    }

    pub fn domain(&self) -> &BareJid {
        &self.domain
    }

    /// How many there are.
    #[allow(dead_code, reason = "the example without accounts shows no figures")]
    pub fn count(&self) -> usize {
        self.state().machine.rooms().count()
    }

    /// Whether somebody may enter now; `None` if there is no such room.
    pub fn may_enter(&self, room: &BareJid, user: &BareJid) -> Option<bool> {
        self.state().machine.may_enter(room, user)
    }

    /// What somebody is to a room; `None` if there is no such room.
    pub fn standing(&self, room: &BareJid, user: &BareJid) -> Option<Standing> {
        self.state().machine.standing(room, user)
    }

    /// A message has come through the stack: as the layers left it, it is
    /// shown to those who come later.
    pub fn keep(&self, room: &Snapshot, stanza: &Stanza) {
        let mut state = self.state();
        let State { machine, under_way } = &mut *state;
        let Some(waiting) = under_way.get_mut(&room.room) else {
            return;
        };
        // They come in the order in which they went, but for those that a
        // layer took in.
        let is_it = |(_, sent): &(_, Stanza)| {
            sent.from() == stanza.from()
                && sent.id() == stanza.id()
                && sent.type_() == stanza.type_()
        };
        let Some(place) = waiting.iter().position(is_it) else {
            return;
        };
        if let Some((key, _)) = waiting.drain(..=place).next_back() {
            machine.keep(&room.room, key, stanza);
        }
        if waiting.is_empty() {
            under_way.remove(&room.room);
        }
    }

    /// Serves what is addressed to the service, to a room, or to somebody in it.
    pub async fn serve(&self, envelope: &Envelope, stanza: &Stanza) -> Result<Served, Failed> {
        let (served, changed) = self.decide(envelope, stanza);
        if let Some((room, saved)) = changed {
            self.storage
                .run(move |db| kept::write(db, &room, saved.as_ref()))
                .await?;
        }
        Ok(served)
    }

    /// The service ends: all occupants are told with 332 (XEP-0045 §11.2).
    pub fn shut_down(&self, at: Time) -> Vec<Emit> {
        let mut state = self.state();
        let effects = state.machine.shut_down(at);
        let mut served = Served {
            outcome: Outcome::of(Original::Heard),
            events: vec![],
        };
        for effect in effects {
            state.carry_out(&mut served, None, effect);
        }
        served.outcome.emits
    }

    /// What follows, and how the room is to be kept if it is not as it was.
    fn decide(&self, envelope: &Envelope, stanza: &Stanza) -> (Served, Option<Changed>) {
        let mut state = self.state();
        let mut served = Served {
            outcome: Outcome::of(match stanza.is_request() {
                true => Original::Answered,
                false => Original::Consumed,
            }),
            events: vec![],
        };
        for effect in state.machine.handle(envelope.at, stanza) {
            state.carry_out(&mut served, Some(stanza), effect);
        }
        let Some(room) = stanza.to().map(Jid::to_bare) else {
            return (served, None);
        };
        for event in &served.events {
            log(event, stanza.from());
        }
        let is_gone = |event: &Event| matches!(event, Event::RoomDestroyed { .. });
        let is_changed = state.machine.take_changed(&room) || served.events.iter().any(is_gone);
        let changed = is_changed.then(|| {
            let saved = state.machine.saved(&room);
            (room, saved)
        });
        (served, changed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A room, and what is to be kept of it.
type Changed = (BareJid, Option<SavedRoom>);

impl State {
    fn carry_out(&mut self, served: &mut Served, cause: Option<&Stanza>, effect: Effect) {
        let emits = &mut served.outcome.emits;
        match effect {
            Effect::Broadcast(broadcast) => {
                if let Some(key) = broadcast.history {
                    let room = broadcast.snapshot.room.clone();
                    self.remember(room, key, &broadcast.stanza);
                }
                emits.push(broadcast.into_emit());
            }
            // The answer to this very request: layers add to it what they
            // announce for the room.
            Effect::Send { stanza: answer, .. }
                if answer.is_response()
                    && cause
                        .is_some_and(|cause| cause.is_request() && answer.id() == cause.id()) =>
            {
                emits.push(Emit::answer(answer));
            }
            Effect::Send { room, to, stanza } => {
                let route = Route::FromRoom { room, to };
                emits.push(Emit::new_at(route, stanza));
            }
            Effect::Event(event) => served.events.push(event),
            // An effect that we do not know yet.
            _ => {}
        }
    }

    fn remember(&mut self, room: BareJid, key: HistoryKey, stanza: &Stanza) {
        let waiting = self.under_way.entry(room).or_default();
        if waiting.len() == UNDER_WAY {
            waiting.pop_front();
        }
        waiting.push_back((key, stanza.clone()));
    }
}

/// Tells an admin what becomes of rooms, and by whom.
fn log(event: &Event, by: Option<&Jid>) {
    let by = by.map(Jid::as_str);
    match event {
        Event::RoomStarted { room } => info!(%room, by, "room created"),
        Event::RoomDestroyed { room } => info!(%room, by, "room gone"),
        Event::AffiliationChanged {
            room,
            user,
            affiliation,
        } => info!(%room, %user, ?affiliation, by, "affiliation changed"),
        _ => {}
    }
}

/// XEP-0421 §4: stable for one user in one room, and of no use for finding
/// out who it is. The secret is kept with the rooms.
fn occupant_ids(secret: [u8; 32]) -> OccupantIds {
    OccupantIds::new(move |room, user| {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&secret).expect("any key will do");
        mac.update(room.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(user.as_str().as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    })
}
