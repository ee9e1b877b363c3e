//! The chat rooms at rooms.DOMAIN. What a room does is decided by the room
//! machine of the test kit (XEP-0045), which is pure; here its effects become
//! passes through the stack, so that layers see what rooms send as they see
//! everything else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jid::BareJid;
use sha2::Sha256;
use tower_xmpp::flow::{Emit, Envelope, Original, Outcome, Route, Snapshot};
use tower_xmpp::stanza::Stanza;
use tower_xmpp::testkit::room::{self, Creation, Effect, HistoryKey, OccupantIds, Settings};

use super::random;
use super::site::Site;

/// How many broadcasts of one room may be under way, to be remembered in the
/// form in which they come out of the stack. The form in which they went in
/// is remembered of the others.
const UNDER_WAY: usize = 100;

pub struct Rooms {
    domain: BareJid,
    state: Mutex<State>,
}

struct State {
    machine: room::Rooms,
    /// By room: messages that are in its history and still in the stack.
    under_way: HashMap<BareJid, VecDeque<(HistoryKey, Stanza)>>,
}

impl Rooms {
    pub fn new(domain: &BareJid) -> Self {
        let domain = BareJid::new(&format!("rooms.{domain}"));
        let domain = domain.expect("a label before a domain makes a domain");
        let mut settings = Settings::default();
        "Chat rooms".clone_into(&mut settings.name);
        // Deliberately not locked until configured (XEP-0045 §10.1.2): many
        // clients never send the form.
        settings.creation = Creation::Instant;
        settings.occupant_ids = Some(occupant_ids());
        let state = State {
            machine: room::Rooms::new(domain.clone(), settings),
            under_way: HashMap::new(),
        };
        Self {
            domain,
            state: Mutex::new(state),
        }
    }

    pub fn domain(&self) -> &BareJid {
        &self.domain
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

    /// Whether somebody may enter now; `None` if there is no such room.
    pub fn may_enter(&self, room: &BareJid, user: &BareJid) -> Option<bool> {
        self.state().machine.may_enter(room, user)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Serves what is addressed to the service, to a room, or to somebody in it.
pub fn serve(site: &Site, envelope: &Envelope, stanza: &Stanza) -> Outcome {
    let mut state = site.rooms.state();
    let mut outcome = Outcome::of(match stanza.is_request() {
        true => Original::Answered,
        false => Original::Consumed,
    });
    for effect in state.machine.handle(envelope.at, stanza) {
        match effect {
            Effect::Broadcast(broadcast) => {
                if let Some(key) = broadcast.history {
                    let room = broadcast.snapshot.room.clone();
                    state.remember(room, key, &broadcast.stanza);
                }
                outcome.emits.push(Emit::room_broadcast(
                    broadcast.snapshot,
                    broadcast.recipients,
                    broadcast.stanza,
                ));
            }
            // The answer to this very request: layers add to it what they
            // announce for the room.
            Effect::Send { stanza: answer, .. }
                if stanza.is_request() && answer.is_response() && answer.id() == stanza.id() =>
            {
                outcome.emits.push(Emit::answer(answer));
            }
            Effect::Send { room, to, stanza } => {
                let route = Route::FromRoom { room, to };
                outcome.emits.push(Emit::new_at(route, stanza));
            }
            Effect::Event(event) => site.post(Envelope::event(envelope.at, event)),
            // An effect that we do not know yet.
            _ => {}
        }
    }
    outcome
}

impl State {
    fn remember(&mut self, room: BareJid, key: HistoryKey, stanza: &Stanza) {
        let waiting = self.under_way.entry(room).or_default();
        if waiting.len() == UNDER_WAY {
            waiting.pop_front();
        }
        waiting.push_back((key, stanza.clone()));
    }
}

/// XEP-0421 §4: stable for one user in one room, and of no use for finding
/// out who it is. The secret lives as long as the rooms do.
fn occupant_ids() -> OccupantIds {
    let secret: [u8; 32] = random::bytes();
    OccupantIds::new(move |room, user| {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&secret).expect("any key will do");
        mac.update(room.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(user.as_str().as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    })
}
