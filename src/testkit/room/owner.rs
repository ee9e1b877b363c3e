//! Configuration and the end of a room (XEP-0045 §10.1, §10.2, §10.9):
//! requests in the `muc#owner` namespace.

use jid::Jid;

use crate::flow::Affiliation;
use crate::stanza::{Element, ElementRef, Stanza, Type, ns};

use super::admin::News;
use super::config;
use super::effect::Turn;
use super::form::Filled;
use super::presence::Notice;
use super::state::Room;
use super::{Refusal, RoomConfig};

impl Room {
    pub(super) fn owner(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        query: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        if self.affiliation_of(from) < Affiliation::Owner {
            return Err(Refusal::PrivilegeMissing);
        }
        if stanza.is_type(&Type::Get) {
            let form = config::form(&self.lasting.config);
            let query = Element::new("query", ns::MUC_OWNER).with_child(form);
            return self.answer(turn, stanza, stanza.reply().with_child(query));
        }
        if let Some(destroy) = query.child("destroy", ns::MUC_OWNER) {
            self.destroy(turn, destroy);
            return self.answer(turn, stanza, stanza.reply());
        }
        let filled = Filled::inside(query).ok_or(Refusal::Malformed)?;
        if filled.cancelled {
            return self.cancel(turn, stanza);
        }
        let new = config::filled_in(&self.lasting.config, &filled, &turn.settings.limits)?;
        self.locked = false;
        self.unsaved = true;
        self.answer(turn, stanza, stanza.reply())?;
        self.configure(turn, new);
        Ok(())
    }

    /// Everybody is told, of itself alone (§10.9).
    fn destroy(&mut self, turn: &mut Turn<'_>, destroy: ElementRef<'_>) {
        let mut told = Element::new("destroy", ns::MUC_USER);
        if let Some(venue) = destroy.attr("jid") {
            told.set_attr("jid", venue);
        }
        for name in ["reason", "password"] {
            if let Some(child) = destroy.child(name, ns::MUC_OWNER) {
                let text = child.text();
                told.push(Element::new(name, ns::MUC_USER).with_text(&text));
            }
        }
        let notice = Notice {
            destroy: Some(told),
            ..Notice::default()
        };
        self.expel_all(turn, &notice);
        self.destroyed = true;
    }

    /// Who gives up the first configuration gives up the room (§10.1.3).
    fn cancel(&mut self, turn: &mut Turn<'_>, stanza: &Stanza) -> Result<(), Refusal> {
        if self.locked {
            let destroy = Element::new("destroy", ns::MUC_OWNER);
            self.destroy(turn, destroy.view());
        }
        self.answer(turn, stanza, stanza.reply())
    }

    /// Takes on a new configuration: whom it shuts out goes with 322, and
    /// everybody left is told what changed (§10.2.1).
    fn configure(&mut self, turn: &mut Turn<'_>, new: RoomConfig) {
        let old = std::mem::replace(&mut self.lasting.config, new);
        self.changed();
        self.unsaved = true;
        let new = &self.lasting.config;
        let mut codes = Vec::new();
        if old.logged != new.logged {
            codes.push(if new.logged { 170 } else { 171 });
        }
        if old.non_anonymous != new.non_anonymous {
            codes.push(if new.non_anonymous { 172 } else { 173 });
        }
        let otherwise = RoomConfig {
            logged: new.logged,
            non_anonymous: new.non_anonymous,
            ..old.clone()
        };
        if otherwise != *new {
            codes.push(104);
        }
        if new.members_only && !old.members_only {
            self.expel_strangers(turn);
        }
        if !codes.is_empty() && !self.occupants.is_empty() {
            self.notify(turn, &codes);
        }
    }

    fn expel_strangers(&mut self, turn: &mut Turn<'_>) {
        let strangers: Vec<String> = self
            .occupants
            .iter()
            .filter(|occupant| self.affiliation(&occupant.user) == Affiliation::None)
            .map(|occupant| occupant.nick().to_owned())
            .collect();
        let notice = Notice::codes([322]);
        let gone = strangers
            .iter()
            .filter_map(|nick| self.expel(turn, nick, &notice))
            .map(|gone| News::Gone(gone, notice.clone()))
            .collect();
        self.spread(turn, gone);
    }
}
