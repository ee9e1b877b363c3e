//! What is asked of an archive, and of the layer, by IQ.

use std::sync::{Arc, PoisonError};

use jid::{BareJid, Jid};

use crate::flow::{Emit, Envelope, Original, Outcome, Route};
use crate::stanza::{Condition, Element, NsSet, Stanza, Type, ns};

use super::layer::Archive;
use super::port::Access;
use super::query::{self, Query};
use super::{ArchiveError, DefaultPreference, Entry, Page, Preferences, answer, notice};

/// Whose archive is asked, by whom.
enum Asked {
    /// A session asks its own account's.
    Own(BareJid),
    /// Somebody asks a room's.
    Room(BareJid, Jid),
    /// Somebody asks an account's that is not theirs.
    Foreign,
}

/// What is asked stands in one of these.
const ASKED: NsSet = NsSet::of(&[ns::MAM, ns::ARCHIVE_ID]);

/// Whether an IQ is for this layer, from the head and the names of the
/// children alone.
#[inline]
pub(super) fn concerns(route: &Route, stanza: &Stanza, has_rooms: bool) -> bool {
    stanza.mentions_any(&ASKED)
        && stanza.is_request()
        && match (route, stanza.to()) {
            (Route::FromSession(_), None) => true,
            (Route::FromSession(session), Some(to)) => to.is_bare() && session.to_bare() == *to,
            (Route::ToAccount(_), to) => to.is_some_and(Jid::is_bare),
            (Route::ToRoom(_), to) => {
                has_rooms && to.is_some_and(|to| to.is_bare() && to.node().is_some())
            }
            _ => false,
        }
}

impl Archive {
    /// Answers an IQ that [`concerns`] the layer.
    pub(super) async fn answer(&self, envelope: &Envelope, request: &Stanza) -> Outcome {
        let asked = match &envelope.route {
            Route::FromSession(session) => Asked::Own(session.to_bare()),
            Route::ToRoom(room) => match request.from() {
                Some(from) => Asked::Room(room.clone(), from.clone()),
                None => Asked::Foreign,
            },
            _ => Asked::Foreign,
        };
        let answered = match (&asked, request.payload()) {
            // XEP-0313 §8.1.
            (Asked::Foreign, _) | (_, None) => Err(Condition::Forbidden),
            (Asked::Own(_), Some(token)) if token.is("token", ns::ARCHIVE_ID) => {
                self.token_asked(envelope, request, token.attr("previous"))
            }
            (Asked::Own(account), Some(prefs)) if prefs.is("prefs", ns::MAM) => {
                match request.is_type(&Type::Set) {
                    true => {
                        self.set_preferences(account, Preferences::read(prefs))
                            .await
                    }
                    false => self.get_preferences(account).await,
                }
                .map(|prefs| answered(request, prefs))
            }
            (Asked::Own(account), Some(_)) => {
                let asker = envelope
                    .route
                    .session()
                    .map(|session| Jid::from(session.clone()));
                let asker = asker.unwrap_or_else(|| account.clone().into());
                self.look(account, &asker, request).await
            }
            (Asked::Room(room, asker), Some(_)) => match self.access(room, asker) {
                Access::Granted => self.look(room, asker, request).await,
                Access::Denied => Err(Condition::Forbidden),
                Access::NoSuchRoom => Err(Condition::ItemNotFound),
            },
        };
        answered.unwrap_or_else(|condition| Outcome::refused(request, condition))
    }

    /// A session asks for its token.
    fn token_asked(
        &self,
        envelope: &Envelope,
        request: &Stanza,
        previous: Option<&str>,
    ) -> Result<Outcome, Condition> {
        let session = envelope.route.session().ok_or(Condition::Forbidden)?;
        if !request.is_type(&Type::Set) {
            return Err(Condition::BadRequest);
        }
        let token = self.give_token(session, previous);
        Ok(answered(
            request,
            Element::new("token", ns::ARCHIVE_ID).with_text(&token),
        ))
    }

    async fn get_preferences(&self, account: &BareJid) -> Result<Element, Condition> {
        let said = self.preferences(account).await.map_err(unreadable)?;
        Ok(said.map_or_else(
            || Preferences::default().to_element(),
            |said| said.to_element(),
        ))
    }

    async fn set_preferences(
        &self,
        account: &BareJid,
        wanted: Result<Preferences, super::InvalidPreferences>,
    ) -> Result<Element, Condition> {
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(super::InvalidPreferences::TooMany) => return Err(Condition::PolicyViolation),
            Err(_) => return Err(Condition::BadRequest),
        };
        if wanted.default == DefaultPreference::Roster && self.contacts.is_none() {
            return Err(Condition::FeatureNotImplemented);
        }
        let set = self.store.set_preferences(account, wanted.clone()).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match set {
            Ok(()) => {
                let element = wanted.to_element();
                known.learn(account.clone(), Some(Arc::new(wanted)));
                Ok(element)
            }
            // Whether it was set after all, the store knows.
            Err(error) => {
                known.forget(account);
                Err(notice::condition(&error))
            }
        }
    }

    /// A query, a question about queries, or one about the archive's ends.
    async fn look(
        &self,
        archive: &BareJid,
        asker: &Jid,
        request: &Stanza,
    ) -> Result<Outcome, Condition> {
        let payload = request.payload().ok_or(Condition::BadRequest)?;
        let is_get = request.is_type(&Type::Get);
        match payload.name() {
            "query" if is_get => Ok(answered(request, answer::form(self.settings.groupchat))),
            "query" => {
                let query = query::read(payload, self.settings.groupchat);
                let query = query.map_err(query::Refusal::condition)?;
                self.query(archive, asker, request, &query).await
            }
            "metadata" if is_get => {
                let ends = self.ends(archive).await.map_err(unreadable)?;
                let ends = ends.as_ref().map(|(oldest, newest)| (oldest, newest));
                Ok(answered(request, answer::metadata(ends)))
            }
            _ => Err(Condition::FeatureNotImplemented),
        }
    }

    /// The oldest and the newest message of an archive.
    pub(super) async fn ends(
        &self,
        archive: &BareJid,
    ) -> Result<Option<(Entry, Entry)>, ArchiveError> {
        let oldest = self.store.page(archive, Page::oldest(1)).await?.pop();
        let newest = self.store.page(archive, Page::newest(1)).await?.pop();
        Ok(oldest.zip(newest))
    }

    async fn query(
        &self,
        archive: &BareJid,
        asker: &Jid,
        request: &Stanza,
        query: &Query,
    ) -> Result<Outcome, Condition> {
        let limit = query
            .set
            .max
            .unwrap_or(self.page.usual)
            .min(self.page.messages);
        let page = self.page_of(archive, query, limit).await?;
        let mut found = match &query.ids {
            Some(ids) => self.by_ids(archive, ids, &page).await?,
            None => self
                .store
                .page(archive, page.clone())
                .await
                .map_err(unreadable)?,
        };
        let is_complete = self.cut(&mut found, limit, page.newest);
        let mut results = found
            .iter()
            .map(|entry| answer::result(archive, asker, query, entry))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Condition::InternalServerError)?;
        if query.flipped {
            results.reverse();
        }
        let mut outcome = Outcome::of(Original::Answered);
        outcome.emits = results.into_iter().map(Emit::answer).collect();
        let fin = request.reply().with_child(answer::fin(&found, is_complete));
        Ok(outcome.with(Emit::answer(fin)))
    }

    /// The bounds of a query, with one message more than wanted, to see
    /// whether there is more. Each ID that it names must be there.
    async fn page_of(
        &self,
        archive: &BareJid,
        query: &Query,
        limit: usize,
    ) -> Result<Page, Condition> {
        let mut page = match query.set.before {
            Some(_) => Page::newest(limit.saturating_add(1)),
            None => Page::oldest(limit.saturating_add(1)),
        };
        page.with = query.with.clone();
        (page.start, page.end) = (query.start, query.end);
        page.groupchat = !query.without_groupchat;
        for id in query.after.iter().chain(&query.set.after) {
            let position = self.there(archive, id).await?.position;
            page.after = page.after.max(Some(position));
        }
        for id in query.before.iter().chain(query.set.before.iter().flatten()) {
            let position = self.there(archive, id).await?.position;
            page.before = Some(page.before.map_or(position, |before| before.min(position)));
        }
        Ok(page)
    }

    /// Messages by ID, in the order of the archive, within the other bounds.
    async fn by_ids(
        &self,
        archive: &BareJid,
        ids: &[String],
        page: &Page,
    ) -> Result<Vec<Entry>, Condition> {
        let mut found = Vec::new();
        for id in ids {
            found.push(self.there(archive, id).await?);
        }
        found.retain(|entry| page.admits(entry));
        found.sort_by_key(|entry| entry.position);
        found.dedup_by_key(|entry| entry.position);
        if page.newest {
            found.drain(..found.len().saturating_sub(page.limit));
        }
        found.truncate(page.limit);
        Ok(found)
    }

    /// XEP-0313 §4.1.3, §4.3.2: an unknown ID is item-not-found.
    async fn there(&self, archive: &BareJid, id: &str) -> Result<Entry, Condition> {
        let entry = self.store.get(archive, id).await.map_err(unreadable)?;
        entry.ok_or(Condition::ItemNotFound)
    }

    /// Cuts what was found down to a page, from the end that is paged towards:
    /// to so many messages, and to as many bytes as a page may have, but to
    /// one message at least. Whether nothing had to go.
    fn cut(&self, found: &mut Vec<Entry>, limit: usize, newest: bool) -> bool {
        let before = found.len();
        let mut bytes = 0;
        let mut fits = |entry: &Entry| {
            bytes += entry.row.stanza.len();
            bytes <= self.page.bytes
        };
        let keep = match newest {
            true => found.iter().rev().take_while(|entry| fits(entry)).count(),
            false => found.iter().take_while(|entry| fits(entry)).count(),
        };
        let keep = keep.max(1).min(limit).min(before);
        match newest {
            true => drop(found.drain(..before - keep)),
            false => found.truncate(keep),
        }
        keep == before
    }
}

fn answered(request: &Stanza, with: Element) -> Outcome {
    Outcome::answered(request.reply().with_child(with))
}

fn unreadable(error: ArchiveError) -> Condition {
    notice::condition(&error)
}
