//! Messages to a room and to one of its occupants (XEP-0045 §7.4, §7.5, §8.1).

use jid::{Jid, ResourceRef};

use crate::flow::Affiliation;
use crate::stanza::{Element, ElementRef, MessageType, Stanza, Type, ns};

use super::effect::Turn;
use super::history::is_historic;
use super::leave::means_gone;
use super::occupants::{Occupant, Role};
use super::state::{Room, Subject};
use super::{PrivateMessages, Refusal};

impl Room {
    pub(super) fn message(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        let nick = stanza.to().and_then(Jid::resource);
        match (stanza.message_type(), nick) {
            (MessageType::Error, nick) => {
                self.failed(turn, from, stanza, nick.map(ResourceRef::as_str));
                Ok(())
            }
            (MessageType::Groupchat, None) => self.groupchat(turn, from, stanza),
            (MessageType::Groupchat, Some(_)) => Err(Refusal::PrivateGroupchat),
            (_, Some(nick)) => self.private(turn, from, stanza, nick.as_str()),
            (_, None) => self.asked_by_message(turn, from, stanza),
        }
    }

    /// To everybody, the sender included, with the id that it gave.
    fn groupchat(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        let sender = self.sender(from)?;
        let subject = stanza
            .child("subject", ns::CLIENT)
            .filter(|_| !stanza.has_body() && !stanza.has_child("thread", ns::CLIENT))
            .map(ElementRef::text);
        if let Some(text) = &subject {
            self.may_change_subject(sender, text, turn)?;
        } else if sender.role < Role::Participant {
            return Err(Refusal::NoVoice);
        }
        let message = self.reflected(turn, sender, stanza);
        let mut history = None;
        if subject.is_some() {
            self.unsaved = true;
            self.lasting.subject = Some(Subject {
                stanza: message.clone(),
                at: turn.at,
            });
        } else if is_historic(&message) {
            let limits = &turn.settings.limits;
            let (most, bytes) = (limits.history, limits.history_bytes);
            history = self.lasting.history.push(turn.at, &message, most, bytes);
        }
        self.broadcast(turn, message, Some(from.to_bare()), history);
        Ok(())
    }

    /// Who may change the subject (§8.1): moderators, and by configuration
    /// everybody who has voice.
    fn may_change_subject(
        &self,
        sender: &Occupant,
        text: &str,
        turn: &Turn<'_>,
    ) -> Result<(), Refusal> {
        let enough = if self.lasting.config.participants_change_subject {
            Role::Participant
        } else {
            Role::Moderator
        };
        if sender.role < enough {
            return Err(Refusal::SubjectForbidden);
        }
        if text.len() > turn.settings.limits.subject {
            return Err(Refusal::SubjectTooLong);
        }
        Ok(())
    }

    /// To one occupant, all its sessions (§7.5).
    fn private(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        nick: &str,
    ) -> Result<(), Refusal> {
        let sender = self.sender(from)?;
        let enough = match self.lasting.config.private_messages {
            PrivateMessages::Anyone => Role::Visitor,
            PrivateMessages::Participants => Role::Participant,
            PrivateMessages::Moderators => Role::Moderator,
            PrivateMessages::Nobody => return Err(Refusal::PrivateMessagesForbidden),
        };
        if sender.role < enough {
            return Err(Refusal::PrivateMessagesForbidden);
        }
        let recipient = self
            .occupants
            .by_nick(nick)
            .ok_or(Refusal::NoSuchOccupant)?;
        let mut message = self.reflected(turn, sender, stanza);
        // Says that it came through a room (§7.5).
        message.push(Element::new("x", ns::MUC_USER));
        for session in &recipient.sessions {
            turn.send(&self.address, &session.jid, message.clone());
        }
        Ok(())
    }

    /// An error about something the room delivered. Where the recipient is
    /// gone, so is its session (§11.1); what else went wrong with a private
    /// message is for its sender.
    fn failed(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza, nick: Option<&str>) {
        let Some(sender) = self.occupants.by_jid(from) else {
            return;
        };
        if means_gone(stanza) {
            self.lose(turn, from);
        } else if let Some(recipient) = nick.and_then(|nick| self.occupants.by_nick(nick)) {
            let error = self.reflected(turn, sender, stanza);
            for session in &recipient.sessions {
                turn.send(&self.address, &session.jid, error.clone());
            }
        }
    }

    /// What a room asks for by message: invitations, and the right to speak.
    fn asked_by_message(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        if let Some(x) = stanza.child("x", ns::MUC_USER) {
            return self.invitations(turn, from, x);
        }
        match stanza.child("x", ns::DATA_FORMS) {
            Some(x) => self.voice(turn, from, x),
            None => Err(Refusal::Unknown),
        }
    }

    /// What an occupant sent, as the room repeats it: from its occupant JID,
    /// without anything that only a room may say.
    pub(super) fn reflected(&self, turn: &Turn<'_>, sender: &Occupant, stanza: &Stanza) -> Stanza {
        let mut message = stanza.clone().with_from(sender.jid.clone());
        message.set_to(None);
        // In whatever spelling, and what is no address is nobody's to say.
        let is_room = |by: Option<&str>| {
            by.is_none_or(|by| Jid::new(by).map_or(true, |by| by.to_bare() == self.address))
        };
        if [ns::MUC_USER, ns::OCCUPANT_ID, ns::DELAY, ns::SID]
            .iter()
            .any(|namespace| stanza.mentions(namespace))
        {
            message.remove_children(|child| {
                child.is("x", ns::MUC_USER)
                    || child.is("occupant-id", ns::OCCUPANT_ID)
                    || (child.is("delay", ns::DELAY)
                        && child.attr("from").is_some()
                        && is_room(child.attr("from")))
                    || (child.is("stanza-id", ns::SID) && is_room(child.attr("by")))
            });
        }
        if let Some(ids) = &turn.settings.occupant_ids {
            let id = ids.of(&self.address, &sender.user);
            message.push(Element::new("occupant-id", ns::OCCUPANT_ID).with_attr("id", id));
        }
        message
    }

    /// A word from the room itself to everybody, of status codes alone
    /// (§10.2.1).
    pub(super) fn notify(&mut self, turn: &mut Turn<'_>, codes: &[u16]) {
        let mut x = Element::new("x", ns::MUC_USER);
        for code in codes {
            x.push(Element::new("status", ns::MUC_USER).with_attr("code", code.to_string()));
        }
        let message = Stanza::message()
            .with_type(Type::Groupchat)
            .with_from(self.address.clone())
            .with_child(x);
        self.broadcast(turn, message, None, None);
    }

    /// Tells somebody who is away what it is to the room now (§18.1, 101).
    pub(super) fn notify_absent(&self, turn: &mut Turn<'_>, user: &Jid, affiliation: Affiliation) {
        let item = Element::new("item", ns::MUC_USER)
            .with_attr("affiliation", affiliation.as_str())
            .with_attr("jid", user.as_str())
            .with_attr("role", Role::None.as_str());
        let status = Element::new("status", ns::MUC_USER).with_attr("code", "101");
        let x = Element::new("x", ns::MUC_USER)
            .with_child(item)
            .with_child(status);
        let message = Stanza::message()
            .with_from(self.address.clone())
            .with_child(x);
        turn.send(&self.address, user, message);
    }
}
