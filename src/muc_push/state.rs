//! Who is notified of which room, and where each notification stands. Pure.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::time::Duration;

use jid::{BareJid, Jid};

use crate::stanza::{RawXml, Stanza, Time};

use super::audience::{Audience, Place, Said};
use super::rules::{self, Notice, Verdict};
use super::{Limits, Settings, Target};

/// The rooms of one server that anybody wants to be notified of; a service
/// stands for all its rooms.
#[derive(Debug)]
pub(super) struct Rooms {
    limits: Limits,
    /// None is empty; the oldest target first.
    rooms: HashMap<BareJid, Vec<Entry>>,
    targets: usize,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    /// Its options, read once and not for each notification.
    options: Option<RawXml>,
    state: State,
    /// In a row.
    failures: u32,
    pause: Duration,
}

/// Where a target stands.
///
/// ```text
///          message, absent            result
///  Armed ─────────────────► Asked ───────────────► Woken
///    ▲                      │   ▲                    │
///    │          error: wait │   │ message, later     │
///    │                      ▼   │                    │
///    │                     Paused                    │
///    └──────────── enters the room ──────────────────┘
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The next message that it misses is told.
    Armed,
    /// It has been told under the id that this makes, and has not answered.
    Asked { under: u64, at: Time },
    /// It knows; nothing more until it has been back.
    Woken,
    /// It could not be told; not again before this time.
    Paused(Time),
}

/// What comes of a message that a room broadcasts.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Notifications to send.
    pub(super) send: Vec<Stanza>,
    /// Registrations that are over.
    pub(super) over: Vec<Target>,
}

/// How long an answer may take before the next message asks again.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// The first pause after an error, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));

impl Rooms {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            targets: 0,
        }
    }

    /// Whether this target may be taken in: there is space, or another of its
    /// account makes it.
    pub(super) fn has_space(&self, target: &Target) -> bool {
        let entries = self.rooms.get(&target.room).into_iter().flatten();
        let mut own = 0;
        for entry in entries.filter(|entry| entry.target.account == target.account) {
            own += 1;
            if entry.target.is_same(target) {
                return true;
            }
        }
        self.targets < self.limits.total || own >= self.limits.per_account
    }

    /// Takes a target in as the newest of its account. Returns what made room
    /// for it: the same with other options, or the oldest.
    pub(super) fn put(&mut self, target: Target) -> Vec<Target> {
        let entries = self.rooms.entry(target.room.clone()).or_default();
        let mut gone: Vec<Entry> = entries
            .extract_if(.., |entry| entry.target.is_same(&target))
            .collect();
        let own = |entry: &Entry| entry.target.account == target.account;
        let mut many = entries.iter().filter(|entry| own(entry)).count();
        while many >= self.limits.per_account
            && let Some(oldest) = entries.iter().position(own)
        {
            gone.push(entries.remove(oldest));
            many -= 1;
        }
        let options = target.options.as_ref();
        let options = options.and_then(|form| RawXml::parse(form.as_bytes()).ok());
        entries.push(Entry {
            target,
            options,
            state: State::Armed,
            failures: 0,
            pause: PAUSE.0,
        });
        self.targets = self.targets + 1 - gone.len();
        gone.into_iter().map(|entry| entry.target).collect()
    }

    /// Forgets the targets of a room that this says yes to, and says which.
    pub(super) fn remove(
        &mut self,
        room: &BareJid,
        mut doomed: impl FnMut(&Target) -> bool,
    ) -> Vec<Target> {
        let Some(entries) = self.rooms.get_mut(room) else {
            return Vec::new();
        };
        let gone: Vec<_> = entries
            .extract_if(.., |entry| doomed(&entry.target))
            .map(|entry| entry.target)
            .collect();
        self.targets -= gone.len();
        if entries.is_empty() {
            self.rooms.remove(room);
        }
        gone
    }

    /// The room has lost its occupants: whoever misses something is told. That
    /// says nothing of targets, so what failed before still counts.
    pub(super) fn started(&mut self, room: &BareJid) {
        for entry in self.entries_mut(room, |_| true) {
            entry.state = State::Armed;
        }
    }

    /// A session, or the account, is in the room now.
    pub(super) fn entered(&mut self, room: &BareJid, seat: &Jid) {
        let account = seat.to_bare();
        let is_meant = |target: &Target| {
            target.account == account && (target.jid == *seat || !target.jid.is_full())
        };
        let service = service(room);
        for key in [room, &service] {
            for entry in self.entries_mut(key, is_meant) {
                entry.rest();
            }
        }
    }

    /// A room broadcasts a message. `draw` gives random numbers, which ids are
    /// made of.
    pub(super) fn say(
        &mut self,
        said: Said<'_>,
        settings: &Settings,
        mut draw: impl FnMut() -> u64,
    ) -> Told {
        let address = &said.snapshot.room;
        let mut told = Told::default();
        if !rules::wakes(said.message) {
            return told;
        }
        let notice = LazyCell::new(|| Notice::of(address, said.message, &settings.summary));
        let audience = Audience::new(said, settings);
        for key in [address, &service(address)] {
            for entry in self.entries_mut(key, |_| true) {
                match audience.place(&entry.target) {
                    Place::Banned => told.over.push(entry.target.clone()),
                    Place::Outside | Place::Author | Place::Unmentioned => {}
                    Place::Present => entry.rest(),
                    Place::Absent if !entry.is_due(said.at) => {}
                    Place::Absent if entry.has_not_answered(said.at, settings.failures) => {
                        told.over.push(entry.target.clone());
                    }
                    Place::Absent => {
                        let under = draw();
                        let options = entry.options.as_ref();
                        told.send.push(notice.to(&entry.target, options, id(under)));
                        entry.state = State::Asked { under, at: said.at };
                    }
                }
            }
        }
        self.drop_all(&told.over);
        told
    }

    /// Somebody answers a notification of this room. `None` if it is none of
    /// ours; otherwise the registration, if it is over.
    pub(super) fn answered(
        &mut self,
        at: Time,
        room: &BareJid,
        from: &Jid,
        answer: &Stanza,
        settings: &Settings,
    ) -> Option<(Verdict, Option<Target>)> {
        let asked = answer.id()?;
        let service = service(room);
        let judged = [room, &service].into_iter().find_map(|key| {
            let mut entries = self.entries_mut(key, |target| target.jid == *from);
            let entry = entries.find(|entry| entry.is_asked(asked))?;
            let verdict = rules::judge(answer, &entry.target);
            let is_over = entry.hears(at, verdict, settings.failures);
            Some((verdict, is_over.then(|| entry.target.clone())))
        });
        let (verdict, over) = judged?;
        self.drop_all(over.as_slice());
        Some((verdict, over))
    }

    fn drop_all(&mut self, over: &[Target]) {
        for target in over {
            self.remove(&target.room, |other| other.is_same(target));
        }
    }

    fn entries_mut(
        &mut self,
        room: &BareJid,
        mut wanted: impl FnMut(&Target) -> bool,
    ) -> impl Iterator<Item = &mut Entry> {
        let entries = self.rooms.get_mut(room).into_iter().flatten();
        entries.filter(move |entry| wanted(&entry.target))
    }

    /// How many targets there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.targets
    }
}

impl Entry {
    /// It is in the room, or knows: whatever went wrong before is over.
    fn rest(&mut self) {
        self.state = State::Armed;
        self.failures = 0;
        self.pause = PAUSE.0;
    }

    fn is_asked(&self, asked: &str) -> bool {
        matches!(self.state, State::Asked { under, .. } if id(under) == asked)
    }

    /// Says whether the registration is over.
    fn hears(&mut self, at: Time, verdict: Verdict, failures: u32) -> bool {
        match verdict {
            Verdict::Woken => {
                self.rest();
                self.state = State::Woken;
                false
            }
            Verdict::Gone => true,
            Verdict::Failed => self.fails(at, failures),
            Verdict::Later => {
                self.pause(at);
                false
            }
        }
    }

    fn is_due(&self, at: Time) -> bool {
        match &self.state {
            State::Armed => true,
            State::Asked { at: asked, .. } => at.since(*asked) >= PATIENCE,
            State::Woken => false,
            State::Paused(until) => at >= *until,
        }
    }

    /// It has been asked and is asked again, which is a failure. Says whether
    /// that was once too often.
    fn has_not_answered(&mut self, at: Time, limit: u32) -> bool {
        matches!(self.state, State::Asked { .. }) && self.fails(at, limit)
    }

    fn pause(&mut self, at: Time) {
        self.state = State::Paused(at + self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// Says whether that was once too often.
    fn fails(&mut self, at: Time, limit: u32) -> bool {
        self.failures += 1;
        self.pause(at);
        self.failures >= limit
    }
}

/// The id of a notification: 16 characters. Written by hand, which costs a fifth of
/// what a format does; a message may make thousands.
fn id(under: u64) -> String {
    let bytes = under.to_be_bytes().into_iter();
    let digits = bytes.flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

fn service(room: &BareJid) -> BareJid {
    BareJid::from_parts(None, room.domain())
}
