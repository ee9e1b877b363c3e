//! Mediated invitations and what becomes of them (XEP-0045 §7.8.2).

use jid::Jid;

use crate::flow::Affiliation;
use crate::stanza::{Element, ElementRef, Stanza, ns};

use super::Refusal;
use super::effect::Turn;
use super::occupants::{Occupant, Role};
use super::state::Room;

impl Room {
    /// The `<x/>` of a message to the room: invitations from occupants,
    /// refusals from whoever was invited.
    pub(super) fn invitations(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        x: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        if let Some(decline) = x.child("decline", ns::MUC_USER) {
            return self.decline(turn, from, decline);
        }
        let invites: Vec<ElementRef<'_>> = x
            .children()
            .filter(|child| child.is("invite", ns::MUC_USER))
            .take(turn.settings.limits.items + 1)
            .collect();
        if invites.is_empty() {
            return Err(Refusal::Unknown);
        }
        if invites.len() > turn.settings.limits.items {
            return Err(Refusal::TooMuch);
        }
        let inviter = self.sender(from)?.clone();
        self.may_invite(&inviter)?;
        // All or none: an address that is no JID refuses them all.
        let invites = invites
            .into_iter()
            .map(|invite| Ok((address(invite)?, invite)))
            .collect::<Result<Vec<_>, Refusal>>()?;
        for (invitee, invite) in invites {
            self.invite(turn, &inviter, &invitee, invite)?;
        }
        Ok(())
    }

    /// Into a members-only room only admins invite, unless it is configured
    /// otherwise; a visitor has no say anywhere.
    fn may_invite(&self, inviter: &Occupant) -> Result<(), Refusal> {
        let config = &self.lasting.config;
        let privileged = self.affiliation(&inviter.user) >= Affiliation::Admin;
        let open = !config.members_only || config.participants_invite;
        if privileged || (open && inviter.role >= Role::Participant) {
            Ok(())
        } else {
            Err(Refusal::InvitingForbidden)
        }
    }

    fn invite(
        &mut self,
        turn: &mut Turn<'_>,
        inviter: &Occupant,
        invitee: &Jid,
        invite: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        let user = invitee.to_bare();
        if self.affiliation(&user) == Affiliation::Outcast {
            return Err(Refusal::InvitingForbidden);
        }
        if self.lasting.config.members_only && self.affiliation(&user) == Affiliation::None {
            if self.lasting.affiliations.len() >= turn.settings.limits.affiliations {
                return Err(Refusal::TooMuch);
            }
            self.set_affiliation(turn, &user, Affiliation::Member, None);
        }
        let mut passed = Element::new("invite", ns::MUC_USER)
            .with_attr("from", self.shown_to_strangers(inviter).as_str());
        for child in invite.children() {
            if child.is("reason", ns::MUC_USER) || child.is("continue", ns::MUC_USER) {
                passed.push(child.to_element());
            }
        }
        let mut x = Element::new("x", ns::MUC_USER).with_child(passed);
        if let Some(password) = &self.lasting.config.password {
            x.push(Element::new("password", ns::MUC_USER).with_text(password));
        }
        let message = Stanza::message()
            .with_from(self.address.clone())
            .with_child(x);
        turn.send(&self.address, invitee, message);
        Ok(())
    }

    /// Back to the inviter, if it is still here. A room is no relay: to
    /// anybody else nothing goes.
    fn decline(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        decline: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        let inviter = address(decline)?;
        let inviters: Vec<&Occupant> = self
            .occupants
            .iter()
            .filter(|occupant| {
                occupant.jid == inviter
                    || occupant.session(&inviter).is_some()
                    || inviter.is_bare() && occupant.user == inviter
            })
            .collect();
        if inviters.is_empty() {
            return Err(Refusal::NoSuchOccupant);
        }
        let mut passed =
            Element::new("decline", ns::MUC_USER).with_attr("from", from.to_bare().as_str());
        if let Some(reason) = decline.child("reason", ns::MUC_USER) {
            passed.push(reason.to_element());
        }
        let message = Stanza::message()
            .with_from(self.address.clone())
            .with_child(Element::new("x", ns::MUC_USER).with_child(passed));
        for session in inviters.iter().flat_map(|inviter| &inviter.sessions) {
            turn.send(&self.address, &session.jid, message.clone());
        }
        Ok(())
    }

    /// How an occupant is called towards somebody who is not in the room.
    fn shown_to_strangers(&self, occupant: &Occupant) -> Jid {
        if self.lasting.config.non_anonymous {
            occupant.user.clone().into()
        } else {
            occupant.jid.clone().into()
        }
    }
}

fn address(element: ElementRef<'_>) -> Result<Jid, Refusal> {
    element
        .attr("to")
        .and_then(|to| Jid::new(to).ok())
        .ok_or(Refusal::Malformed)
}
