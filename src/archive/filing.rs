//! What happens to a message on its way: it is cleansed, put into its archive,
//! and stamped.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use jid::{BareJid, FullJid, Jid};

use crate::flow::{
    Archived, Emit, Envelope, Incident, Outcome, Parts, Route, Settled, Settling, Stage, What,
};
use crate::middleware::{broke, decided, panic_text, report};
use crate::stanza::{Stanza, Time};

use super::id::{computed_id, new_id};
use super::layer::{Archive, NAME};
use super::rules::{self, Decision, Skip};
use super::state::Asked;
use super::{
    Accepted, ArchiveError, Direction, Durable, Entry, Page, Position, Preferences, Row, Settings,
    notice,
};

/// For how long a message may be sent again under the previous token.
const RESENT_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is left to do about a message when it has gone on.
#[derive(Default)]
pub(super) struct Filed {
    notice: Option<Emit>,
    settling: Option<Settling>,
    incidents: Vec<Incident>,
}

/// A message that has its place.
struct Placed {
    id: String,
    position: Position,
    durable: Durable,
    /// Whether a client that computes IDs knows this one.
    is_expected: bool,
    /// Whether it lay there before: it was sent again.
    is_resent: bool,
}

impl Filed {
    /// Adds it to what became of the message.
    pub(super) fn add_to(self, outcome: &mut Outcome) {
        // In front of what the message leads to, so before its acknowledgement.
        if let Some(notice) = self.notice {
            outcome.emits.insert(0, notice);
        }
        outcome.settling.extend(self.settling);
        for incident in self.incidents {
            report(outcome, incident);
        }
    }
}

impl Archive {
    /// Cleanses the stanza; then, if it is to be archived, does so and makes
    /// that known: by a stamp inward and in rooms, by the fact alone outward.
    pub(super) async fn file(&self, envelope: &mut Envelope) -> Filed {
        let Parts {
            at,
            what: What::Stanza(stanza),
            route,
            facts,
            ..
        } = &mut **envelope
        else {
            return Filed::default();
        };
        let Some(owner) = route.owner_bare() else {
            return Filed::default();
        };
        let direction = match &*route {
            Route::Broadcast(_) => Direction::Incoming,
            route => match rules::direction(route) {
                Some(direction) => direction,
                None => return Filed::default(),
            },
        };
        rules::cleanse(stanza, &owner, direction);
        let asked = self.asked(route, stanza, &owner);
        let settings = Settings {
            groupchat: self.settings.groupchat || facts.wanted,
            ..self.settings
        };
        let decision = match &*route {
            Route::Broadcast(_) => rules::decide_room(stanza),
            _ => rules::decide(stanza, &owner, direction, &settings),
        };
        let filed = AssertUnwindSafe(self.place(&owner, route, decision, *at, stanza, &asked))
            .catch_unwind()
            .await;
        let mut filed_now = Filed::default();
        let placed = match filed {
            Ok(Ok(Some(placed))) => placed,
            Ok(Ok(None)) => return filed_now,
            Ok(Err(error)) => {
                filed_now.incidents.push(failed(&error));
                filed_now.notice = asked.map(|asked| asked.not_archived(stanza.id(), &error));
                return filed_now;
            }
            // A store that fails and one that panics are alike to the message.
            Err(panic) => {
                let mut incident = Incident::new(NAME, Stage::Before, panic_text(&*panic));
                incident.panicked = true;
                filed_now.incidents.push(incident);
                let error = ArchiveError::Store("it panicked".into());
                filed_now.notice = asked.map(|asked| asked.not_archived(stanza.id(), &error));
                return filed_now;
            }
        };
        if !placed.is_resent
            && let Some(target) = rules::retracts(stanza)
            && let Err(error) = Box::pin(self.bury(
                (&owner, route),
                (target, direction, placed.position),
                *at,
                stanza,
            ))
            .await
        {
            filed_now.incidents.push(failed(&error));
        }
        let id = placed.id;
        if !placed.is_expected {
            let unexpected = asked.as_ref();
            filed_now.notice =
                unexpected.map(|asked| notice::archived(&asked.session, stanza.id(), &id));
        }
        if !placed.durable.is_now() {
            filed_now.settling = Some(settling(placed.durable, asked, stanza.id()));
        }
        let archived = Archived { by: owner, id };
        if direction == Direction::Incoming {
            stanza.push(archived.stamp());
        }
        facts.archived = Some(archived);
        filed_now
    }

    /// The session that sends it, if it asked for its token. A message to
    /// oneself is archived on its way in, from the same session.
    fn asked(&self, route: &Route, stanza: &Stanza, owner: &BareJid) -> Option<Sender> {
        let session = match route {
            Route::FromSession(session) => session.clone(),
            Route::ToAccount(_) => {
                let from = stanza.from()?;
                let is_own = rules::same_account(from, owner);
                from.try_as_full().ok().filter(|_| is_own)?.clone()
            }
            _ => return None,
        };
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = tokens.of(&session)?.clone();
        Some(Sender { session, asked })
    }

    /// Puts the message where it belongs, if it belongs anywhere.
    async fn place(
        &self,
        owner: &BareJid,
        route: &Route,
        mut decision: Decision,
        at: Time,
        stanza: &Stanza,
        asked: &Option<Sender>,
    ) -> Result<Option<Placed>, ArchiveError> {
        let direction = rules::direction(route).unwrap_or(Direction::Incoming);
        let is_room = matches!(route, Route::Broadcast(_));
        if matches!(decision, Decision::Archive(_))
            && rules::is_for_one_session(stanza)
            && self
                .im_ng
                .as_ref()
                .is_some_and(|im_ng| im_ng.is_spoken_by(owner))
        {
            decision = Decision::Skip(Skip::ForOneSession);
        }
        if !is_room && matches!(decision, Decision::Archive(_)) {
            let peer = peer(owner, direction, stanza);
            if !self.is_wanted(owner, &peer).await? {
                decision = Decision::Skip(Skip::Preference);
            }
        }
        decided(NAME, &decision);
        let Decision::Archive(_) = decision else {
            return Ok(None);
        };
        let row = match is_room {
            true => room_row(owner, at, stanza),
            false => row(owner, at, direction, stanza),
        };
        let asked = asked.as_ref().map(|sender| &sender.asked);
        self.append(row, asked).await.map(Some)
    }

    /// Appends a row under the ID that its sender computes, if it does and if
    /// that is free; else under one of our own.
    async fn append(&self, mut row: Row, asked: Option<&Asked>) -> Result<Placed, ArchiveError> {
        if let Some(asked) = asked
            && let Some(placed) = Box::pin(self.append_computed(&mut row, asked)).await?
        {
            return Ok(placed);
        }
        let id = new_id(&*self.entropy);
        row.id.clone_from(&id);
        let accepted = self.store.append(row).await?;
        Ok(Placed::new(id, accepted, false))
    }

    /// The same under the ID that its sender computes, if that is free.
    async fn append_computed(
        &self,
        row: &mut Row,
        asked: &Asked,
    ) -> Result<Option<Placed>, ArchiveError> {
        let computed = |token: &str| computed_id(token, row.message_id.as_deref()?);
        let previous = asked.previous.as_deref().and_then(computed);
        let expected = computed(&asked.token);
        // Sent under the previous token, never acknowledged, and sent again.
        // Nobody else's message can be there: it is the account's own archive.
        // A store that cannot be read now costs a second copy, not the message.
        if let Some(id) = previous
            && let Ok(Some(there)) = self.store.get(&row.owner, &id).await
            && row.at.since(there.row.at) <= RESENT_WITHIN
            && rules::is_resent(&there.row, row)
        {
            return Ok(Some(Placed::again(there, false)));
        }
        let Some(expected) = expected else {
            return Ok(None);
        };
        row.id.clone_from(&expected);
        match self.store.append(row.clone()).await {
            Ok(accepted) => Ok(Some(Placed::new(expected, accepted, true))),
            Err(ArchiveError::IdTaken { .. }) => {
                let there = self.store.get(&row.owner, &row.id).await?;
                let there = there.filter(|there| rules::is_resent(&there.row, row));
                Ok(there.map(|there| Placed::again(there, true)))
            }
            Err(error) => Err(error),
        }
    }

    /// If the message takes another one back, a tombstone stands in that one's
    /// place from now on (XEP-0424 §4).
    async fn bury(
        &self,
        (owner, route): (&BareJid, &Route),
        (target, direction, position): (String, Direction, Position),
        at: Time,
        stanza: &Stanza,
    ) -> Result<(), ArchiveError> {
        let there = match route {
            Route::Broadcast(snapshot) => {
                let there = self.store.get(owner, &target).await?;
                there.filter(|there| rules::may_retract_in_room(&there.row, stanza, &snapshot.room))
            }
            _ => {
                // By the same author: the same direction and other end. Of a
                // room's occupants each is one of its own.
                let is_occupant = stanza.mentions(crate::stanza::ns::MUC_USER);
                let peer = peer(owner, direction, stanza);
                let with = match is_occupant {
                    true => peer,
                    false => peer.to_bare().into(),
                };
                let mut page = Page::newest(1).with(with).before(position);
                page.direction = Some(direction);
                page.message_id = Some(target);
                page.groupchat = false;
                self.store.page(owner, page).await?.pop()
            }
        };
        if let Some(there) = there
            && let Some(tombstone) = rules::tombstone(&there.row, stanza, at)
        {
            let id = &there.row.id;
            self.store.replace(owner, id, tombstone.into()).await?;
        }
        Ok(())
    }

    /// Whether the user wants messages with this address kept.
    async fn is_wanted(&self, owner: &BareJid, peer: &Jid) -> Result<bool, ArchiveError> {
        let Some(preferences) = self.preferences(owner).await? else {
            return Ok(true);
        };
        let in_roster = || {
            let contacts = self.contacts.as_ref();
            contacts.is_none_or(|contacts| contacts.has(owner, &peer.to_bare()))
        };
        Ok(preferences.want(peer, in_roster))
    }

    /// What the user said, read once.
    pub(super) async fn preferences(
        &self,
        owner: &BareJid,
    ) -> Result<Option<Arc<Preferences>>, ArchiveError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(preferences) = known().of(owner) {
            return Ok(preferences);
        }
        let read = self.store.preferences(owner).await?.map(Arc::new);
        known().learn(owner.clone(), read.clone());
        Ok(read)
    }
}

/// A session that sends a message and has asked for its token.
struct Sender {
    session: FullJid,
    asked: Asked,
}

impl Sender {
    fn not_archived(&self, message_id: Option<&str>, error: &ArchiveError) -> Emit {
        notice::not_archived(&self.session, message_id, error)
    }
}

impl Placed {
    fn new(id: String, accepted: Accepted, is_expected: bool) -> Self {
        Self {
            id,
            position: accepted.position,
            durable: accepted.durable,
            is_expected,
            is_resent: false,
        }
    }

    fn again(there: Entry, is_expected: bool) -> Self {
        Self {
            id: there.row.id,
            position: there.position,
            durable: Durable::now(),
            is_expected,
            is_resent: true,
        }
    }
}

/// Waits for the commit. Should it fail, the sender is told, if it asked; the
/// message is on its way already, and its ID stands for nothing.
fn settling(durable: Durable, asked: Option<Sender>, message_id: Option<&str>) -> Settling {
    let asked = asked.map(|asked| (asked, message_id.map(str::to_owned)));
    Settling::new(async move {
        let mut settled = Settled::default();
        if let Err(error) = durable.await {
            let mut incident = failed(&error);
            incident.stage = Stage::After;
            broke(&incident);
            settled.incidents.push(incident);
            settled.emits.extend(asked.map(|(asked, message_id)| {
                let mut notice = asked.not_archived(message_id.as_deref(), &error);
                notice.by = Some(NAME);
                notice
            }));
        }
        settled
    })
}

fn row(owner: &BareJid, at: Time, direction: Direction, stanza: &Stanza) -> Row {
    let with = peer(owner, direction, stanza);
    let wire = stanza.to_xml().into_bytes();
    let mut row = Row::new(owner.clone(), String::new(), at, with, direction, wire);
    row.type_ = stanza.message_type();
    row.message_id = stanza.id().map(str::to_owned);
    row
}

/// In a room's archive no message has a recipient, and what rooms say about
/// occupants is for those who were there (XEP-0313 §6.1.2).
fn room_row(room: &BareJid, at: Time, stanza: &Stanza) -> Row {
    let mut said = stanza.clone();
    said.set_to(None);
    said.remove_child("x", crate::stanza::ns::MUC_USER);
    row(room, at, Direction::Incoming, &said)
}

fn peer(owner: &BareJid, direction: Direction, stanza: &Stanza) -> Jid {
    let peer = match direction {
        Direction::Incoming => stanza.from(),
        Direction::Outgoing => stanza.to(),
    };
    // Without `from` it is the account's own server that speaks for it
    // (RFC 6120 §8.1.2.1).
    peer.cloned().unwrap_or_else(|| owner.clone().into())
}

fn failed(error: &ArchiveError) -> Incident {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    Incident::new(NAME, Stage::Before, text)
}
