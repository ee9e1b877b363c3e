//! A room on its way to a file and back: what a host keeps so that a
//! persistent room is there after a restart (XEP-0045 §10.1.1).

use jid::BareJid;

use crate::flow::Affiliation;
use crate::stanza::{Element, Stanza, Time};

use super::affiliations::Affiliations;
use super::config;
use super::form::Filled;
use super::state::{Lasting, Room, Subject};
use super::{Rooms, Settings};

/// What outlives a persistent room's occupants, its history apart.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SavedRoom {
    /// Its address.
    pub room: BareJid,
    /// Its configuration, as the form that an owner would submit
    /// (`muc#roomconfig`). It has the password in it.
    pub config: Element,
    /// The message that set the subject, and when.
    pub subject: Option<(Stanza, Time)>,
    /// The affiliation lists, by address.
    pub users: Vec<SavedUser>,
}

/// What a room knows about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedUser {
    /// Who it is.
    pub jid: BareJid,
    /// Never [`Affiliation::None`].
    pub affiliation: Affiliation,
    /// The nick that is registered (XEP-0045 §7.10).
    pub nick: Option<String>,
    /// Why it is so.
    pub reason: Option<String>,
}

impl SavedRoom {
    /// A room with this configuration, and nothing else yet.
    pub fn new(room: BareJid, config: Element) -> Self {
        SavedRoom {
            room,
            config,
            subject: None,
            users: Vec::new(),
        }
    }
}

impl Rooms {
    /// Whether what [`Rooms::saved`] returns has become something else since
    /// this was last asked.
    pub fn take_changed(&mut self, room: &BareJid) -> bool {
        self.rooms
            .get_mut(room)
            .is_some_and(|room| std::mem::take(&mut room.unsaved))
    }

    /// What is to be kept of a room. `None` for one that is not persistent,
    /// or not there: nothing is to be kept of it.
    pub fn saved(&self, room: &BareJid) -> Option<SavedRoom> {
        let room = self.rooms.get(room)?;
        let lasting = &room.lasting;
        if !lasting.config.persistent || room.locked {
            return None;
        }
        let mut form = config::form(&lasting.config);
        form.set_attr("type", "submit");
        let mut saved = SavedRoom::new(room.address.clone(), form);
        saved.subject = lasting
            .subject
            .as_ref()
            .map(|subject| (subject.stanza.clone(), subject.at));
        saved.users = lasting.affiliations.saved();
        Some(saved)
    }

    /// Puts a room in its place. `false` if there is one already, if it is
    /// not of this service, or if its configuration cannot be read.
    pub fn restore(&mut self, saved: SavedRoom) -> bool {
        let room = saved.room.clone();
        let is_ours = room.domain() == self.address.domain() && room.node().is_some();
        if !is_ours || self.rooms.contains_key(&room) {
            return false;
        }
        let Some(lasting) = lasting(saved, &self.settings) else {
            return false;
        };
        self.rooms.insert(room.clone(), Room::new(room, lasting));
        true
    }
}

fn lasting(saved: SavedRoom, settings: &Settings) -> Option<Lasting> {
    let filled = Filled::read(saved.config.view())?;
    let config = config::filled_in(&settings.new_room, &filled, &settings.limits).ok()?;
    let subject = saved.subject.map(|(stanza, at)| Subject { stanza, at });
    Some(Lasting {
        config,
        affiliations: Affiliations::restored(saved.users),
        subject,
        ..Lasting::default()
    })
}
