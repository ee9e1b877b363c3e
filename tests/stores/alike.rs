//! The archive in memory is the model of the one in a file: whatever is done to
//! both, they answer alike.

use std::collections::BTreeMap;

use futures::executor::block_on;
use jid::{BareJid, Jid};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_xmpp::archive::{ArchiveError, ArchiveStore, Direction, Entry, Page, Position, Row};
use tower_xmpp::stanza::{MessageType, Time};
use tower_xmpp::store::{
    MemoryArchive, MemoryArchiveLimits, SqliteArchive, SqliteError, SqliteSettings,
};

use super::running::Folder;

const OWNERS: &[&str] = &["alice@a.example", "bob@a.example"];
const PEERS: &[&str] = &["carol@c.example", "carol@c.example/x", "dan@d.example/x"];
/// Of the server's making, and of clients'.
const IDS: &[&str] = &["-1", "-2", "-3", "token1", "token2", "token3", "-4", "-5"];
const QUOTA: u8 = 6;

/// What is done to both.
#[derive(Clone, Debug)]
enum Deed {
    Append(&'static str, Said),
    Page(&'static str, Wanted),
    Get(&'static str, &'static str),
    Replace(&'static str, &'static str),
    Expire(i64),
    Remove(&'static str),
}

#[derive(Clone, Debug)]
struct Said {
    id: &'static str,
    at: i64,
    with: &'static str,
    direction: Direction,
    type_: MessageType,
    message_id: Option<u8>,
    body: u8,
}

/// A page, with the number of an append instead of a place.
#[derive(Clone, Debug)]
struct Wanted {
    after: Option<usize>,
    before: Option<usize>,
    start: Option<i64>,
    end: Option<i64>,
    with: Option<&'static str>,
    direction: Option<Direction>,
    message_id: Option<u8>,
    groupchat: bool,
    newest: bool,
    limit: usize,
}

fn said() -> impl Strategy<Value = Said> {
    let direction = select(&[Direction::Incoming, Direction::Outgoing][..]);
    let type_ = select(&[MessageType::Chat, MessageType::Groupchat][..]);
    let message_id = proptest::option::of(0..3_u8);
    (
        select(IDS),
        0..12_i64,
        select(PEERS),
        direction,
        type_,
        message_id,
        0..2_u8,
    )
        .prop_map(|(id, at, with, direction, type_, message_id, body)| Said {
            id,
            at,
            with,
            direction,
            type_,
            message_id,
            body,
        })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let place = || proptest::option::weighted(0.3, 0..20_usize);
    let time = || proptest::option::weighted(0.5, 0..12_i64);
    let direction = select(&[Direction::Incoming, Direction::Outgoing][..]);
    let of = (
        proptest::option::of(select(PEERS)),
        proptest::option::weighted(0.3, direction),
        proptest::option::weighted(0.3, 0..3_u8),
    );
    let which = (any::<bool>(), any::<bool>(), 0..9_usize);
    ((place(), place()), (time(), time()), of, which).prop_map(
        |((after, before), (start, end), (with, direction, message_id), which)| Wanted {
            after,
            before,
            start,
            end,
            with,
            direction,
            message_id,
            groupchat: which.0,
            newest: which.1,
            limit: which.2,
        },
    )
}

fn deed() -> impl Strategy<Value = Deed> {
    let owner = || select(OWNERS);
    prop_oneof![
        12 => (owner(), said()).prop_map(|(owner, said)| Deed::Append(owner, said)),
        12 => (owner(), wanted()).prop_map(|(owner, wanted)| Deed::Page(owner, wanted)),
        2 => (owner(), select(IDS)).prop_map(|(owner, id)| Deed::Get(owner, id)),
        2 => (owner(), select(IDS)).prop_map(|(owner, id)| Deed::Replace(owner, id)),
        1 => (0..12_i64).prop_map(Deed::Expire),
        1 => owner().prop_map(Deed::Remove),
    ]
}

/// A store, and where it put what.
struct Kept<S> {
    store: S,
    /// By archive, in the order of appending.
    places: BTreeMap<&'static str, Vec<Position>>,
}

impl<S: ArchiveStore> Kept<S> {
    /// What comes of a deed, without places, which are each store's own.
    fn does(&mut self, deed: &Deed) -> String {
        match deed {
            Deed::Append(owner, said) => match block_on(self.store.append(row(owner, said))) {
                Ok(accepted) => {
                    self.places
                        .entry(owner)
                        .or_default()
                        .push(accepted.position);
                    block_on(accepted.durable).expect("it is durable");
                    "accepted".to_owned()
                }
                Err(ArchiveError::IdTaken { .. }) => "taken".to_owned(),
                Err(error) => panic!("it is refused: {error}"),
            },
            Deed::Page(owner, wanted) => {
                let page = self.page(owner, wanted);
                rows(block_on(self.store.page(&bare(owner), page)).expect("it reads"))
            }
            Deed::Get(owner, id) => {
                let got = block_on(self.store.get(&bare(owner), id));
                rows(got.expect("it reads"))
            }
            Deed::Replace(owner, id) => {
                let stanza = (*b"gone").into();
                let replaced = block_on(self.store.replace(&bare(owner), id, stanza));
                replaced.expect("it writes").to_string()
            }
            Deed::Expire(before) => {
                let gone = block_on(self.store.expire(Time::from_secs(*before)));
                gone.expect("it writes").to_string()
            }
            Deed::Remove(owner) => {
                block_on(self.store.remove(&bare(owner))).expect("it writes");
                self.places.remove(owner);
                String::new()
            }
        }
    }

    fn page(&self, owner: &str, wanted: &Wanted) -> Page {
        let place = |number: Option<usize>| self.places.get(owner)?.get(number?).copied();
        let mut page = Page::oldest(wanted.limit);
        page.after = place(wanted.after);
        page.before = place(wanted.before);
        page.start = wanted.start.map(Time::from_secs);
        page.end = wanted.end.map(Time::from_secs);
        page.with = wanted.with.map(|with| Jid::new(with).expect("a JID"));
        page.direction = wanted.direction;
        page.message_id = wanted.message_id.map(|id| id.to_string());
        page.groupchat = wanted.groupchat;
        page.newest = wanted.newest;
        page
    }
}

fn rows(entries: impl IntoIterator<Item = Entry>) -> String {
    let rows: Vec<_> = entries.into_iter().map(|entry| entry.row).collect();
    format!("{rows:?}")
}

fn row(owner: &str, said: &Said) -> Row {
    let with = Jid::new(said.with).expect("a JID");
    let (owner, at) = (bare(owner), Time::from_secs(said.at));
    let mut row = Row::new(owner, said.id, at, with, said.direction, vec![said.body]);
    row.type_ = said.type_;
    row.message_id = said.message_id.map(|id| id.to_string());
    row
}

fn bare(text: &str) -> BareJid {
    text.parse().expect("a bare JID")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn the_archive_in_a_file_answers_as_the_one_in_memory(deeds in vec(deed(), 1..120)) {
        let folder = Folder::new();
        let mut limits = MemoryArchiveLimits::default();
        limits.messages = QUOTA.into();
        let mut settings = SqliteSettings::default();
        settings.messages = QUOTA.into();
        let (file, workers) = SqliteArchive::open(&folder.file("alike"), settings)
            .map_err(|error: SqliteError| TestCaseError::fail(error.to_string()))?;
        for worker in workers {
            std::thread::spawn(move || worker.run());
        }
        let mut model = Kept { store: MemoryArchive::new(limits), places: BTreeMap::new() };
        let mut file = Kept { store: file, places: BTreeMap::new() };
        for deed in &deeds {
            prop_assert_eq!(file.does(deed), model.does(deed), "{:?}", deed);
        }
    }
}
