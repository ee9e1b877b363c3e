//! Lists and changes of roles and affiliations (XEP-0045 §8, §9, §10):
//! requests in the `muc#admin` namespace.
//!
//! A request is done as a whole or not at all. What follows from it is told
//! in the order of §8.2: those who are removed, the answer, the others.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, Jid};

use crate::flow::{Affiliation, Event};
use crate::stanza::{Element, ElementRef, Stanza, Type, ns};

use super::effect::Turn;
use super::occupants::Occupant;
use super::presence::{Notice, unavailable};
use super::privileges::{Standing, may_change_affiliation, may_change_role};
use super::state::Room;
use super::{Refusal, Role};

/// One `<item/>` of a request, understood.
#[derive(Clone, Debug)]
enum Change {
    Role {
        nick: String,
        role: Role,
        reason: Option<String>,
    },
    Affiliation {
        user: BareJid,
        affiliation: Affiliation,
        reason: Option<String>,
    },
}

/// Somebody that everybody is to be told of after the answer.
#[derive(Debug)]
pub(super) enum News {
    /// It has been removed.
    Gone(Occupant, Notice),
    /// It is something else now: the nick.
    Changed(String, Notice),
    /// It was not in the room.
    Absent(BareJid, Affiliation),
}

impl News {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, News::Absent(..))
    }
}

impl Room {
    pub(super) fn admin(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        query: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        let items: Vec<ElementRef<'_>> = query
            .children()
            .filter(|child| child.is("item", ns::MUC_ADMIN))
            .take(turn.settings.limits.items + 1)
            .collect();
        if items.len() > turn.settings.limits.items {
            return Err(Refusal::TooMuch);
        }
        let first = *items.first().ok_or(Refusal::Malformed)?;
        if stanza.is_type(&Type::Get) {
            let list = self.list(from, first)?;
            return self.answer(turn, stanza, stanza.reply().with_child(list));
        }
        let changes = items
            .into_iter()
            .map(|item| self.understand(turn, item))
            .collect::<Result<Vec<_>, _>>()?;
        self.authorise(turn, from, &changes)?;
        let actor = self.occupants.by_jid(from).map(|o| o.nick().to_owned());
        let news: Vec<News> = changes
            .into_iter()
            .flat_map(|change| self.apply(turn, change, actor.as_deref()))
            .collect();
        self.answer(turn, stanza, stanza.reply())?;
        self.spread(turn, news);
        Ok(())
    }

    fn list(&self, from: &Jid, item: ElementRef<'_>) -> Result<Element, Refusal> {
        let mut query = Element::new("query", ns::MUC_ADMIN);
        if let Some(word) = item.attr("affiliation") {
            let wanted = Affiliation::parse(word).ok_or(Refusal::Malformed)?;
            self.may_see_list(from, wanted)?;
            for (user, entry) in self.lasting.affiliations.list(wanted) {
                let mut item = Element::new("item", ns::MUC_ADMIN)
                    .with_attr("affiliation", wanted.as_str())
                    .with_attr("jid", user.as_str());
                if let Some(nick) = &entry.nick {
                    item.set_attr("nick", nick);
                }
                if let Some(reason) = &entry.reason {
                    item.push(Element::new("reason", ns::MUC_ADMIN).with_text(reason));
                }
                query.push(item);
            }
        } else {
            let wanted = item
                .attr("role")
                .and_then(Role::parse)
                .ok_or(Refusal::Malformed)?;
            if self.standing(from).role < Role::Moderator {
                return Err(Refusal::PrivilegeMissing);
            }
            for occupant in self.occupants.iter().filter(|o| o.role == wanted) {
                let affiliation = self.affiliation(&occupant.user);
                let mut item = Element::new("item", ns::MUC_ADMIN)
                    .with_attr("affiliation", affiliation.as_str())
                    .with_attr("nick", occupant.nick())
                    .with_attr("role", wanted.as_str());
                if let Some(primary) = occupant.primary() {
                    item.set_attr("jid", primary.jid.as_str());
                }
                query.push(item);
            }
        }
        Ok(query)
    }

    /// Admins see every list; where everybody sees real JIDs, members and
    /// occupants see who belongs to the room (§9.5).
    fn may_see_list(&self, from: &Jid, wanted: Affiliation) -> Result<(), Refusal> {
        let own = self.affiliation_of(from);
        let belongs = own >= Affiliation::Member || self.occupants.by_jid(from).is_some();
        let open = self.lasting.config.non_anonymous && wanted >= Affiliation::Member;
        if own >= Affiliation::Admin || (open && belongs) {
            Ok(())
        } else {
            Err(Refusal::PrivilegeMissing)
        }
    }

    fn understand(&self, turn: &Turn<'_>, item: ElementRef<'_>) -> Result<Change, Refusal> {
        let reason = item
            .child("reason", ns::MUC_ADMIN)
            .map(ElementRef::text)
            .filter(|reason| !reason.is_empty());
        if reason
            .as_ref()
            .is_some_and(|reason| reason.len() > turn.settings.limits.text)
        {
            return Err(Refusal::TooLarge);
        }
        let named = item
            .attr("nick")
            .map(|nick| self.occupants.by_nick(nick).ok_or(Refusal::NoSuchOccupant));
        match (item.attr("role"), item.attr("affiliation")) {
            (Some(role), None) => Ok(Change::Role {
                nick: named.ok_or(Refusal::Malformed)??.nick().to_owned(),
                role: Role::parse(role).ok_or(Refusal::Malformed)?,
                reason,
            }),
            (None, Some(affiliation)) => Ok(Change::Affiliation {
                user: match item.attr("jid") {
                    Some(jid) => Jid::new(jid)
                        .map_err(|_| Refusal::AddressMalformed)?
                        .to_bare(),
                    None => named.ok_or(Refusal::Malformed)??.user.clone(),
                },
                affiliation: Affiliation::parse(affiliation).ok_or(Refusal::Malformed)?,
                reason,
            }),
            _ => Err(Refusal::Malformed),
        }
    }

    fn authorise(&self, turn: &Turn<'_>, from: &Jid, changes: &[Change]) -> Result<(), Refusal> {
        let actor = self.standing(from);
        let mut planned: BTreeMap<&BareJid, Affiliation> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Role { nick, role, .. } => {
                    let target = self
                        .occupants
                        .by_nick(nick)
                        .ok_or(Refusal::NoSuchOccupant)?;
                    let target = Standing {
                        role: target.role,
                        affiliation: self.affiliation(&target.user),
                    };
                    may_change_role(actor, target, *role)?;
                }
                Change::Affiliation {
                    user, affiliation, ..
                } => {
                    let own = from.to_bare() == *user;
                    let before = self.affiliation(user);
                    may_change_affiliation(actor.affiliation, own, before, *affiliation)?;
                    planned.insert(user, *affiliation);
                }
            }
        }
        self.keeps_an_owner(&planned)?;
        let grown = planned
            .iter()
            .filter(|(user, _)| self.affiliation(user) == Affiliation::None)
            .count();
        if self.lasting.affiliations.len() + grown > turn.settings.limits.affiliations {
            return Err(Refusal::TooMuch);
        }
        Ok(())
    }

    /// A room that has an owner keeps one (§10.4).
    fn keeps_an_owner(&self, planned: &BTreeMap<&BareJid, Affiliation>) -> Result<(), Refusal> {
        let owners: BTreeSet<&BareJid> = self
            .lasting
            .affiliations
            .list(Affiliation::Owner)
            .map(|(user, _)| user)
            .collect();
        let made = planned
            .values()
            .any(|affiliation| *affiliation == Affiliation::Owner);
        let stays = owners.iter().any(|owner| !planned.contains_key(*owner));
        if owners.is_empty() || made || stays {
            Ok(())
        } else {
            Err(Refusal::LastOwner)
        }
    }

    fn apply(&mut self, turn: &mut Turn<'_>, change: Change, actor: Option<&str>) -> Vec<News> {
        let notice = |codes: &[u16], reason| Notice {
            reason,
            actor: actor.map(str::to_owned),
            ..Notice::codes(codes)
        };
        match change {
            Change::Role {
                nick,
                role: Role::None,
                reason,
            } => {
                let notice = notice(&[307], reason);
                if let Some(kicked) = self.occupants.by_nick(&nick) {
                    turn.event(Event::OccupantKicked {
                        room: self.address.clone(),
                        user: kicked.user.clone(),
                    });
                }
                let gone = self.expel(turn, &nick, &notice);
                gone.map(|gone| News::Gone(gone, notice))
                    .into_iter()
                    .collect()
            }
            Change::Role { nick, role, reason } => {
                self.occupants.set_role(&nick, role);
                self.changed();
                vec![News::Changed(nick, notice(&[], reason))]
            }
            Change::Affiliation {
                user,
                affiliation,
                reason,
            } => self.affiliate(turn, &user, affiliation, &notice(&[], reason)),
        }
    }

    /// Changes an affiliation with all that follows for the user's occupants:
    /// an outcast is removed with 301 (§9.1), who may not be in a members-only
    /// room any more with 321 (§9.4); others get the role that goes with it.
    pub(super) fn affiliate(
        &mut self,
        turn: &mut Turn<'_>,
        user: &BareJid,
        affiliation: Affiliation,
        notice: &Notice,
    ) -> Vec<News> {
        let before = self.affiliation(user);
        self.set_affiliation(turn, user, affiliation, notice.reason.clone());
        if before == affiliation {
            return Vec::new();
        }
        let nicks: Vec<String> = self
            .occupants
            .by_user(user)
            .map(|occupant| occupant.nick().to_owned())
            .collect();
        if nicks.is_empty() {
            return vec![News::Absent(user.clone(), affiliation)];
        }
        let code = match affiliation {
            Affiliation::Outcast => Some(301),
            Affiliation::None if self.lasting.config.members_only => Some(321),
            _ => None,
        };
        let role = self.default_role(affiliation);
        nicks
            .into_iter()
            .filter_map(|nick| match code {
                Some(code) => {
                    let mut notice = notice.clone();
                    notice.codes.push(code);
                    let gone = self.expel(turn, &nick, &notice)?;
                    Some(News::Gone(gone, notice))
                }
                None => {
                    self.occupants.set_role(&nick, role);
                    Some(News::Changed(nick, notice.clone()))
                }
            })
            .collect()
    }

    /// Tells the others.
    pub(super) fn spread(&mut self, turn: &mut Turn<'_>, news: Vec<News>) {
        for news in news {
            match news {
                News::Gone(gone, notice) => {
                    self.tell_others(turn, &gone, &unavailable(), &notice);
                }
                // It may have been removed by a later item.
                News::Changed(nick, notice) => {
                    if let Some(occupant) = self.occupants.by_nick(&nick).cloned() {
                        self.tell_all(turn, &occupant, &notice);
                    }
                }
                News::Absent(user, affiliation) => {
                    self.notify_absent(turn, &user.into(), affiliation);
                }
            }
        }
    }

    /// What the rules know of a sender.
    pub(super) fn standing(&self, from: &Jid) -> Standing {
        Standing {
            role: self.occupants.by_jid(from).map_or(Role::None, |o| o.role),
            affiliation: self.affiliation_of(from),
        }
    }
}
