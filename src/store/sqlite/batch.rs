//! What goes to the writer in one go.

use std::ops::Range;
use std::sync::Arc;

use crate::archive::{Direction, Row};
use crate::stanza::{MessageType, Time};

use super::moment::{Awaited, Moment};
use super::recent::Place;
use super::writer::Work;

/// What waits for the writer, in the order in which it came.
///
/// What messages consist of is written into two buffers, which are used again: so the
/// writer's thread gives back no memory that others have taken, for which they
/// and it would wait for each other.
#[derive(Default)]
pub(super) struct Batch {
    steps: Vec<Step>,
    messages: Vec<Message>,
    texts: String,
    stanzas: Vec<u8>,
    /// When its messages are on the disk; none if there are none.
    moment: Option<Arc<Moment>>,
    works: usize,
}

pub(super) enum Step {
    /// Some messages, one after the other.
    Messages(Range<usize>),
    Work(Work),
}

/// Where in the buffers a message stands.
struct Message {
    place: Place,
    at: Time,
    direction: Direction,
    type_: MessageType,
    owner: Range<usize>,
    id: Range<usize>,
    with: Range<usize>,
    message_id: Option<Range<usize>>,
    stanza: Range<usize>,
}

/// A message as the writer sees it.
pub(super) struct Line<'a> {
    pub(super) place: i64,
    pub(super) owner: &'a str,
    pub(super) id: &'a str,
    pub(super) at: Time,
    pub(super) with: &'a str,
    pub(super) direction: Direction,
    pub(super) type_: MessageType,
    pub(super) message_id: Option<&'a str>,
    pub(super) stanza: &'a [u8],
}

/// Buffers that have grown beyond this are not kept, in bytes.
const ROOM: usize = 1 << 20;

impl Batch {
    /// How much is in it.
    pub(super) fn count(&self) -> usize {
        self.messages.len() + self.works
    }

    /// Adds a message; returns when it is on the disk.
    pub(super) fn push_message(&mut self, row: &Row, place: Place) -> Awaited {
        let here = self.messages.len();
        let texts = &mut self.texts;
        let message = Message {
            place,
            at: row.at,
            direction: row.direction,
            type_: row.type_,
            owner: put(texts, row.owner.as_str()),
            id: put(texts, &row.id),
            with: put(texts, row.with.as_str()),
            message_id: row.message_id.as_deref().map(|id| put(texts, id)),
            stanza: self.stanzas.len()..self.stanzas.len() + row.stanza.len(),
        };
        self.stanzas.extend_from_slice(&row.stanza);
        self.messages.push(message);
        match self.steps.last_mut() {
            Some(Step::Messages(messages)) => messages.end = here + 1,
            _ => self.steps.push(Step::Messages(here..here + 1)),
        }
        self.moment.get_or_insert_with(Moment::new).of(place.number)
    }

    pub(super) fn push_work(&mut self, work: Work) {
        self.steps.push(Step::Work(work));
        self.works += 1;
    }

    /// What is to be done, in its order.
    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// When its messages are on the disk, if it has some.
    pub(super) fn moment(&self) -> Option<&Arc<Moment>> {
        self.moment.as_ref()
    }

    pub(super) fn places(&self, messages: Range<usize>) -> impl Iterator<Item = Place> {
        self.messages[messages].iter().map(|message| message.place)
    }

    pub(super) fn lines(&self, messages: Range<usize>) -> impl Iterator<Item = Line<'_>> {
        self.messages[messages].iter().map(|message| Line {
            place: message.place.number,
            owner: &self.texts[message.owner.clone()],
            id: &self.texts[message.id.clone()],
            at: message.at,
            with: &self.texts[message.with.clone()],
            direction: message.direction,
            type_: message.type_,
            message_id: message.message_id.clone().map(|id| &self.texts[id]),
            stanza: &self.stanzas[message.stanza.clone()],
        })
    }

    /// For other work, with the room that there is.
    pub(super) fn emptied(mut self, steps: Vec<Step>) -> Self {
        self.steps = steps;
        self.steps.clear();
        self.messages.clear();
        self.texts.clear();
        self.stanzas.clear();
        self.texts.shrink_to(ROOM);
        self.stanzas.shrink_to(ROOM);
        (self.moment, self.works) = (None, 0);
        self
    }
}

impl<'a> Line<'a> {
    pub(super) fn of(row: &'a Row, place: i64) -> Self {
        Self {
            place,
            owner: row.owner.as_str(),
            id: &row.id,
            at: row.at,
            with: row.with.as_str(),
            direction: row.direction,
            type_: row.type_,
            message_id: row.message_id.as_deref(),
            stanza: &row.stanza,
        }
    }
}

impl Line<'_> {
    /// The other end's bare JID and its resource: the first slash ends the
    /// bare JID (RFC 7622 §3.1).
    pub(super) fn peer(&self) -> (&str, Option<&str>) {
        match self.with.split_once('/') {
            Some((peer, resource)) => (peer, Some(resource)),
            None => (self.with, None),
        }
    }
}

fn put(texts: &mut String, text: &str) -> Range<usize> {
    let begin = texts.len();
    texts.push_str(text);
    begin..texts.len()
}
