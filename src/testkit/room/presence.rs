//! How a room speaks about its occupants (XEP-0045 §7.2.2 to §7.2.4).
//!
//! Each presence is what the occupant itself sent last, from its occupant
//! JID, with `<x/>`: affiliation, role, the real JID for those who may see it,
//! and status codes. What the room alone may say never comes from a client.

use jid::Jid;

use crate::stanza::{Element, ElementRef, Kind, Stanza, Type, ns};

use super::effect::Turn;
use super::occupants::{Occupant, Role};
use super::state::Room;

/// What a presence says besides who is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Notice {
    pub(super) codes: Vec<u16>,
    /// The new nick, when this one is given up (XEP-0045 §7.6).
    pub(super) nick: Option<String>,
    pub(super) reason: Option<String>,
    /// The nick of who did it.
    pub(super) actor: Option<String>,
    /// The room is gone: `<destroy/>`.
    pub(super) destroy: Option<Element>,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience<'a> {
    /// A session of the occupant itself: it sees its own JID, and 110.
    Itself(&'a Jid),
    /// Somebody who sees real JIDs.
    Trusted,
    /// Somebody who does not.
    Other,
}

impl Notice {
    pub(super) fn codes(codes: impl Into<Vec<u16>>) -> Self {
        Notice {
            codes: codes.into(),
            ..Notice::default()
        }
    }
}

impl Room {
    /// Tells all others in the room what `shown` says about an occupant.
    pub(super) fn tell_others(
        &mut self,
        turn: &mut Turn<'_>,
        about: &Occupant,
        shown: &Stanza,
        notice: &Notice,
    ) {
        let (mut trusted, mut others) = (Vec::new(), Vec::new());
        for occupant in self.occupants.iter() {
            if occupant.jid == about.jid {
                continue;
            }
            let group = match self.audience_of(occupant.role) {
                Audience::Trusted => &mut trusted,
                _ => &mut others,
            };
            let sessions = occupant.sessions.iter().map(|session| &session.jid);
            // A session that has just changed its nick is no other.
            group.extend(sessions.filter(|jid| about.session(jid).is_none()).cloned());
        }
        for (audience, recipients) in [(Audience::Trusted, trusted), (Audience::Other, others)] {
            if !recipients.is_empty() {
                let stanza = self.describe(turn, about, shown, notice, audience);
                self.broadcast_to(turn, stanza, recipients);
            }
        }
    }

    /// Tells one session what another occupant shows.
    pub(super) fn tell_one(&self, turn: &mut Turn<'_>, to: &Jid, about: &Occupant) {
        let role = self.occupants.by_jid(to).map_or(Role::None, |own| own.role);
        if let Some(primary) = about.primary() {
            let (notice, audience) = (Notice::default(), self.audience_of(role));
            let stanza = self.describe(turn, about, &primary.presence, &notice, audience);
            turn.send(&self.address, to, stanza);
        }
    }

    /// Tells one session of the occupant itself.
    pub(super) fn tell_own(
        &self,
        turn: &mut Turn<'_>,
        about: &Occupant,
        to: &Jid,
        shown: &Stanza,
        notice: &Notice,
    ) {
        let stanza = self.describe(turn, about, shown, notice, Audience::Itself(to));
        turn.send(&self.address, to, stanza);
    }

    /// Tells the others and then all sessions of the occupant what it shows
    /// now.
    pub(super) fn tell_all(&mut self, turn: &mut Turn<'_>, about: &Occupant, notice: &Notice) {
        let Some(primary) = about.primary() else {
            return;
        };
        self.tell_others(turn, about, &primary.presence, notice);
        for session in &about.sessions {
            self.tell_own(turn, about, &session.jid, &primary.presence, notice);
        }
    }

    /// How somebody of this role sees the others.
    pub(super) fn audience_of(&self, role: Role) -> Audience<'static> {
        if self.sees_real_jids(role) {
            Audience::Trusted
        } else {
            Audience::Other
        }
    }

    /// One presence about an occupant, without `to`.
    pub(super) fn describe(
        &self,
        turn: &Turn<'_>,
        about: &Occupant,
        shown: &Stanza,
        notice: &Notice,
        audience: Audience<'_>,
    ) -> Stanza {
        // After 303 the occupant is still in the room (§7.6).
        let gone = shown.is_type(&Type::Unavailable) && notice.nick.is_none();
        let role = if gone { Role::None } else { about.role };
        let mut item = Element::new("item", ns::MUC_USER)
            .with_attr("affiliation", self.affiliation(&about.user).as_str())
            .with_attr("role", role.as_str());
        let jid = match audience {
            Audience::Itself(own) => Some(own),
            Audience::Trusted => about.primary().map(|session| &session.jid),
            Audience::Other => None,
        };
        if let Some(jid) = jid {
            item.set_attr("jid", jid.as_str());
        }
        if let Some(nick) = &notice.nick {
            item.set_attr("nick", nick);
        }
        if let Some(actor) = &notice.actor {
            item.push(Element::new("actor", ns::MUC_USER).with_attr("nick", actor));
        }
        if let Some(reason) = &notice.reason {
            item.push(Element::new("reason", ns::MUC_USER).with_text(reason));
        }
        let mut x = Element::new("x", ns::MUC_USER).with_child(item);
        if let Some(destroy) = &notice.destroy {
            x.push(destroy.clone());
        }
        let own = matches!(audience, Audience::Itself(_)).then_some(110);
        for code in notice.codes.iter().copied().chain(own) {
            x.push(Element::new("status", ns::MUC_USER).with_attr("code", code.to_string()));
        }
        let mut stanza = shown.clone().with_from(about.jid.clone());
        if let Some(ids) = &turn.settings.occupant_ids {
            let id = ids.of(&self.address, &about.user);
            stanza.push(Element::new("occupant-id", ns::OCCUPANT_ID).with_attr("id", id));
        }
        stanza.with_child(x)
    }
}

/// An unavailable presence that shows nothing but that.
pub(super) fn unavailable() -> Stanza {
    Stanza::presence().with_type(Type::Unavailable)
}

/// What a client sent, without what only a room may say and what concerned
/// this room alone: neither addresses nor id are repeated.
pub(super) fn cleaned(presence: &Stanza) -> Stanza {
    debug_assert_eq!(presence.kind(), Kind::Presence);
    let mut cleaned = presence.clone();
    cleaned.set_from(None);
    cleaned.set_to(None);
    cleaned.set_id(None);
    if [ns::MUC, ns::MUC_USER, ns::OCCUPANT_ID]
        .iter()
        .any(|namespace| presence.mentions(namespace))
    {
        cleaned.remove_children(says_what_a_room_says);
    }
    cleaned
}

fn says_what_a_room_says(child: ElementRef<'_>) -> bool {
    child.is("x", ns::MUC)
        || child.is("x", ns::MUC_USER)
        || child.is("occupant-id", ns::OCCUPANT_ID)
}
