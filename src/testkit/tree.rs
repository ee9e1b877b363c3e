//! What led to what, as a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::flow::Original;
use crate::stanza::Stanza;

use super::pattern::short;
use super::record::{EntryId, Happening, Record};
use super::state::State;

/// What is marked in a tree, and with which words.
pub(super) type Marks = BTreeMap<EntryId, &'static str>;

/// Everything that nobody expected, or `None`.
pub(super) fn leftovers(state: &State) -> Option<String> {
    let mut marks = Marks::new();
    let clients = state.clients.values();
    let read = clients.flat_map(|client| client.inbox.iter().map(|arrived| arrived.entry));
    let seats = state.hosts.iter().flat_map(|host| &host.seats);
    let unread = seats.flat_map(|seat| seat.outbox.iter().map(|queued| queued.entry));
    marks.extend(
        read.chain(unread)
            .map(|entry| (entry, "nobody expected this")),
    );
    let links = state.links.values().flat_map(|link| &link.queue);
    marks.extend(links.map(|(because, _)| (*because, "still waits for its link")));
    let open = state.record.under_way();
    marks.extend(open.map(|entry| (entry, "not over")));
    for (entry, known) in state.record.entries.iter().enumerate() {
        if let Happening::Broke {
            expected: false, ..
        } = known.what
        {
            marks.insert(entry, "nobody expected this");
        }
    }
    let waiting = state.sleepers.len();
    if marks.is_empty() && waiting == 0 {
        return None;
    }
    let mut text = String::from("the world did not end in silence:");
    if !marks.is_empty() {
        let _ = write!(text, " {} left\n{}", marks.len(), of(state, &marks));
    }
    if waiting > 0 {
        let _ = write!(text, "\n{waiting} slow futures still wait for the clock");
    }
    Some(text)
}

/// The same mark for several entries.
pub(super) fn marks(entries: impl IntoIterator<Item = EntryId>, words: &'static str) -> Marks {
    entries.into_iter().map(|entry| (entry, words)).collect()
}

/// The trees with marked entries in them.
pub(super) fn of(state: &State, marks: &Marks) -> String {
    let roots = marks.keys().map(|entry| state.record.root(*entry));
    Tree::new(state, marks).print(roots.collect())
}

/// The tree of the newest entry.
pub(super) fn newest(state: &State) -> String {
    let newest = state.record.entries.len().checked_sub(1);
    let roots = newest.map(|entry| state.record.root(entry));
    let mut text = Tree::new(state, &Marks::new()).print(roots.into_iter().collect());
    let cut = text.char_indices().nth(4_000).map(|(at, _)| at);
    text.truncate(cut.unwrap_or(text.len()));
    text
}

/// All trees.
pub(super) fn everything(state: &State) -> String {
    let entries = state.record.entries.iter().enumerate();
    let roots = entries.filter(|(_, entry)| entry.because.is_none());
    Tree::new(state, &Marks::new()).print(roots.map(|(entry, _)| entry).collect())
}

struct Tree<'a> {
    state: &'a State,
    record: &'a Record,
    children: BTreeMap<EntryId, Vec<EntryId>>,
    marks: &'a Marks,
}

impl<'a> Tree<'a> {
    fn new(state: &'a State, marks: &'a Marks) -> Self {
        let mut children: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
        for (entry, known) in state.record.entries.iter().enumerate() {
            if let Some(because) = known.because {
                children.entry(because).or_default().push(entry);
            }
        }
        Self {
            state,
            record: &state.record,
            children,
            marks,
        }
    }

    fn print(&self, roots: BTreeSet<EntryId>) -> String {
        let mut text = String::new();
        for root in roots {
            let _ = write!(text, "{} ", self.record.entries[root].at);
            text.push_str(&self.line(root));
            self.below(root, "", &mut text);
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn below(&self, entry: EntryId, indent: &str, text: &mut String) {
        let children = self.children.get(&entry).map_or(&[][..], Vec::as_slice);
        for (position, child) in children.iter().enumerate() {
            let last = position + 1 == children.len();
            let (branch, deeper) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let _ = write!(text, "{indent}{branch}{}", self.line(*child));
            self.below(*child, &format!("{indent}{deeper}"), text);
        }
    }

    fn line(&self, entry: EntryId) -> String {
        let known = &self.record.entries[entry];
        let by = known.by.map(|by| format!("{by}: ")).unwrap_or_default();
        let domain = |host: &usize| &self.state.hosts[*host].domain;
        let what = match &known.what {
            Happening::Sent { session, stanza } => format!("{session} sends {}", brief(stanza)),
            Happening::Event { host, event } => format!("{} hears {event:?}", domain(host)),
            Happening::Made { host, stanza } => {
                format!("{} makes {}", domain(host), brief(stanza))
            }
            Happening::Crossed { from, to, stanza } => {
                format!("{} to {}: {}", domain(from), domain(to), brief(stanza))
            }
            Happening::Pass {
                host,
                route,
                stanza,
                original,
                ..
            } => {
                let became = match original {
                    Some(Original::Delivered(sessions)) => {
                        let sessions: Vec<_> = sessions.iter().map(|to| to.as_str()).collect();
                        format!("Delivered({})", sessions.join(", "))
                    }
                    Some(original) => format!("{original:?}"),
                    None => "under way".to_owned(),
                };
                match (stanza, known.by) {
                    // Shown again only where a layer made it.
                    (Some(stanza), Some(_)) => {
                        format!("at {}, {route}: {} → {became}", domain(host), brief(stanza))
                    }
                    _ => format!("at {}, {route} → {became}", domain(host)),
                }
            }
            Happening::Delivered {
                session, stanza, ..
            } => format!("{session} gets {}", brief(stanza)),
            Happening::Broke { host, what, .. } => format!("at {}, broke: {what}", domain(host)),
        };
        let mark = self.marks.get(&entry);
        let mark = mark
            .map(|words| format!("   ◄── {words}"))
            .unwrap_or_default();
        format!("{by}{what}{mark}\n")
    }
}

/// A stanza on one line, cut off where it is long.
fn brief(stanza: &Stanza) -> String {
    const ENOUGH: usize = 400;
    let xml = short(&stanza.to_xml()).replace('\n', " ");
    match xml.char_indices().nth(ENOUGH) {
        Some((cut, _)) => format!("{}…", &xml[..cut]),
        None => xml,
    }
}
