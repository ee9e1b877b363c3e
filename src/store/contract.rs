//! What every store of a port must do: run this against yours.
//!
//! Each function is one rule and panics where it is broken; one function for
//! each port runs them all.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by a panic"
)]

use std::future::Future;

use futures::future::join_all;
use jid::BareJid;

use crate::archive::{
    ArchiveError, ArchiveStore, DefaultPreference, Direction, Entry, Page, Position, Preferences,
    Row,
};
use crate::stanza::{MessageType, Stanza, Time};

pub use super::registration_contract::registrations;
pub use super::seat_contract::seats;
pub use super::target_contract::targets;

/// All rules of [`ArchiveStore`]; `empty` makes a new store for each.
pub async fn archive<S, M>(mut empty: impl FnMut() -> M)
where
    S: ArchiveStore,
    M: Future<Output = S>,
{
    what_is_appended_is_found_and_comes_back_whole(&empty().await).await;
    archives_are_in_the_order_of_appending_whatever_the_time(&empty().await).await;
    a_page_begins_after_a_place_and_ends_at_its_limit(&empty().await).await;
    appending_the_same_again_changes_nothing(&empty().await).await;
    an_id_never_comes_to_mean_another_message(&empty().await).await;
    archives_of_two_accounts_know_nothing_of_each_other(&empty().await).await;
    what_nobody_archived_is_not_there(&empty().await).await;
    the_archive_of_a_removed_account_is_gone(&empty().await).await;
    ids_are_plain_text_to_the_store(&empty().await).await;
    a_page_may_be_of_the_newest_and_end_before_a_place(&empty().await).await;
    a_page_has_what_all_its_bounds_admit(&empty().await).await;
    a_page_by_time_has_all_of_that_time_whatever_the_order(&empty().await).await;
    what_is_replaced_keeps_its_id_place_and_time(&empty().await).await;
    expiry_takes_from_the_old_end_and_leaves_no_hole(&empty().await).await;
    preferences_are_kept_per_account(&empty().await).await;
    many_may_append_at_once(&empty().await).await;
}

/// What outlives a restart, for stores that do: `open` opens the same store
/// each time, and is called when the one before has been dropped.
pub async fn archive_reopened<S, M>(mut open: impl FnMut() -> M)
where
    S: ArchiveStore,
    M: Future<Output = S>,
{
    let alice = account("alice");
    let preferences = Preferences {
        never: vec![jid("bob@b.example")],
        ..Preferences::default()
    };
    let mut rows = Vec::new();
    let mut places = Vec::new();
    {
        let store = open().await;
        for (number, id) in ["-a", "token.m1", "-c"].into_iter().enumerate() {
            let mut row = row(&alice, id, &number.to_string());
            row.at = Time::from_micros(1_234_567_890_123_456);
            let accepted = store.append(row.clone()).await.expect("it is accepted");
            places.push(accepted.position);
            accepted.durable.await.expect("it is durable");
            rows.push(row);
        }
        let set = store.set_preferences(&alice, preferences.clone()).await;
        set.expect("preferences are set");
    }
    let store = open().await;
    let there = store.page(&alice, Page::oldest(9)).await.expect("a page");
    let expected = places.iter().zip(&rows);
    let expected: Vec<_> = expected
        .map(|(&position, row)| Entry {
            position,
            row: row.clone(),
        })
        .collect();
    assert_eq!(there, expected, "every durable message is as it was");
    let again = append(&store, rows[1].clone()).await;
    assert_eq!(again, places[1], "what was durable is known again");
    let next = append(&store, row(&alice, "-d", "hi")).await;
    assert!(next > places[2], "places go on");
    let kept = store.preferences(&alice).await.expect("the store reads");
    assert_eq!(kept, Some(preferences));
}

/// A full archive, for stores with a quota: `store` is empty and takes `quota`
/// messages of an account.
pub async fn archive_quota(store: &impl ArchiveStore, quota: usize) {
    let alice = account("alice");
    for number in 0..quota + 3 {
        append(store, row(&alice, &format!("-{number}"), "hi")).await;
    }
    append(store, row(&account("bob"), "-0", "hi")).await;
    let left = ids(store, &alice, Page::oldest(quota + 3)).await;
    let newest: Vec<_> = (3..quota + 3).map(|number| format!("-{number}")).collect();
    assert_eq!(left, newest, "the oldest are dropped, and leave no holes");
    for gone in ["-0", "-1", "-2"] {
        assert_eq!(get(store, &alice, gone).await, None, "{gone} is dropped");
    }
    let carol = account("carol");
    for number in 0..=quota {
        append(store, row(&carol, &format!("token.{number}"), "hi")).await;
    }
    let reused = store.append(row(&carol, "token.0", "ho")).await;
    assert!(
        matches!(reused, Err(ArchiveError::IdTaken { .. })),
        "an ID that a client made is not used again: {reused:?}"
    );
    let bobs = ids(store, &account("bob"), Page::oldest(9)).await;
    assert_eq!(bobs, ["-0"], "one account's quota is not another's");
    let all = store.page(&alice, Page::oldest(1).after(Position(0))).await;
    let oldest = &all.expect("a page")[0];
    assert_eq!(
        oldest.row.id, "-3",
        "a place that is gone can be begun after"
    );
}

async fn what_is_appended_is_found_and_comes_back_whole(store: &impl ArchiveStore) {
    let mut row = row(&account("alice"), "-a", "hi");
    row.with = jid("room@muc.example/Bob Ä'<&>");
    row.direction = Direction::Outgoing;
    row.message_id = Some("m'1\u{2028}".to_owned());
    let position = append(store, row.clone()).await;
    let entry = store.get(&row.owner, "-a").await.expect("the store reads");
    let entry = entry.expect("what was appended is found");
    assert_eq!(entry.position, position);
    assert_eq!(entry.row, row, "it comes back whole");

    row.id = "-b".to_owned();
    row.message_id = None;
    append(store, row.clone()).await;
    let entry = store.get(&row.owner, "-b").await.expect("the store reads");
    assert_eq!(entry.map(|entry| entry.row), Some(row));
}

async fn archives_are_in_the_order_of_appending_whatever_the_time(store: &impl ArchiveStore) {
    let alice = account("alice");
    let mut places = Vec::new();
    for (id, at) in [("-a", 5), ("-b", 5), ("-c", 1), ("-d", 9)] {
        let mut row = row(&alice, id, "hi");
        row.at = Time::from_secs(at);
        places.push(append(store, row).await);
    }
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
    let read = ids(store, &alice, Page::oldest(9)).await;
    assert_eq!(read, ["-a", "-b", "-c", "-d"]);
}

async fn a_page_begins_after_a_place_and_ends_at_its_limit(store: &impl ArchiveStore) {
    let alice = account("alice");
    let mut places = Vec::new();
    for id in ["-a", "-b", "-c", "-d"] {
        places.push(append(store, row(&alice, id, "hi")).await);
    }
    assert_eq!(ids(store, &alice, Page::oldest(2)).await, ["-a", "-b"]);
    let next = Page::oldest(2).after(places[1]);
    assert_eq!(ids(store, &alice, next).await, ["-c", "-d"]);
    let last = Page::oldest(2).after(places[2]);
    assert_eq!(ids(store, &alice, last).await, ["-d"]);
    let end = Page::oldest(2).after(places[3]);
    assert_eq!(ids(store, &alice, end).await, [""; 0]);
    assert_eq!(ids(store, &alice, Page::oldest(0)).await, [""; 0]);
}

async fn appending_the_same_again_changes_nothing(store: &impl ArchiveStore) {
    let alice = account("alice");
    let first = append(store, row(&alice, "-a", "hi")).await;
    append(store, row(&alice, "-b", "hi")).await;
    assert_eq!(append(store, row(&alice, "-a", "hi")).await, first);
    assert_eq!(ids(store, &alice, Page::oldest(9)).await, ["-a", "-b"]);
}

async fn an_id_never_comes_to_mean_another_message(store: &impl ArchiveStore) {
    let alice = account("alice");
    append(store, row(&alice, "-a", "hi")).await;
    let taken = store.append(row(&alice, "-a", "ho")).await;
    assert!(
        matches!(&taken, Err(ArchiveError::IdTaken { owner, id }) if *owner == alice && id == "-a"),
        "{taken:?}"
    );
    let there = get(store, &alice, "-a").await;
    assert_eq!(there, Some(wire("hi")), "the first stays");
}

async fn archives_of_two_accounts_know_nothing_of_each_other(store: &impl ArchiveStore) {
    let (alice, bob) = (account("alice"), account("bob"));
    append(store, row(&alice, "-a", "from alice")).await;
    append(store, row(&bob, "-a", "from bob")).await;
    append(store, row(&bob, "-b", "more from bob")).await;
    assert_eq!(get(store, &alice, "-a").await, Some(wire("from alice")));
    assert_eq!(get(store, &bob, "-a").await, Some(wire("from bob")));
    assert_eq!(ids(store, &alice, Page::oldest(9)).await, ["-a"]);
    assert_eq!(get(store, &alice, "-b").await, None);
}

async fn what_nobody_archived_is_not_there(store: &impl ArchiveStore) {
    let alice = account("alice");
    assert_eq!(get(store, &alice, "-a").await, None);
    assert_eq!(ids(store, &alice, Page::oldest(9)).await, [""; 0]);
}

async fn the_archive_of_a_removed_account_is_gone(store: &impl ArchiveStore) {
    let (alice, bob) = (account("alice"), account("bob"));
    append(store, row(&alice, "-a", "hi")).await;
    append(store, row(&bob, "-a", "hi")).await;
    for _ in 0..2 {
        store.remove(&alice).await.expect("the archive is removed");
        assert_eq!(get(store, &alice, "-a").await, None);
        assert_eq!(ids(store, &alice, Page::oldest(9)).await, [""; 0]);
    }
    assert_eq!(ids(store, &bob, Page::oldest(9)).await, ["-a"]);
    append(store, row(&alice, "-b", "somebody else")).await;
    assert_eq!(ids(store, &alice, Page::oldest(9)).await, ["-b"]);
}

async fn ids_are_plain_text_to_the_store(store: &impl ArchiveStore) {
    let alice = account("alice");
    let odd = [
        "%",
        "_",
        "' OR 1=1 --",
        "\"",
        "*",
        "\u{2028}",
        "Ä",
        "A\u{308}",
        "a",
        "A",
    ];
    for id in odd {
        append(store, row(&alice, id, id)).await;
    }
    for id in odd {
        assert_eq!(get(store, &alice, id).await, Some(wire(id)), "{id:?}");
    }
    assert_eq!(ids(store, &alice, Page::oldest(99)).await, odd);
}

async fn a_page_may_be_of_the_newest_and_end_before_a_place(store: &impl ArchiveStore) {
    let alice = account("alice");
    let mut places = Vec::new();
    for id in ["-a", "-b", "-c", "-d", "-e"] {
        places.push(append(store, row(&alice, id, "hi")).await);
    }
    assert_eq!(ids(store, &alice, Page::newest(2)).await, ["-d", "-e"]);
    let before = Page::newest(2).before(places[3]);
    assert_eq!(ids(store, &alice, before).await, ["-b", "-c"]);
    let before = Page::oldest(9).before(places[2]);
    assert_eq!(ids(store, &alice, before).await, ["-a", "-b"]);
    let between = Page::oldest(9).after(places[0]).before(places[3]);
    assert_eq!(ids(store, &alice, between).await, ["-b", "-c"]);
    let nothing = Page::newest(9).after(places[3]).before(places[1]);
    assert_eq!(ids(store, &alice, nothing).await, [""; 0]);
}

async fn a_page_has_what_all_its_bounds_admit(store: &impl ArchiveStore) {
    let alice = account("alice");
    let rows = [
        (
            "-a",
            1,
            "bob@b.example/x",
            Direction::Incoming,
            MessageType::Chat,
        ),
        (
            "-b",
            2,
            "bob@b.example/y",
            Direction::Outgoing,
            MessageType::Chat,
        ),
        (
            "-c",
            3,
            "carol@b.example",
            Direction::Outgoing,
            MessageType::Normal,
        ),
        (
            "-d",
            4,
            "room@muc.example/Bob",
            Direction::Incoming,
            MessageType::Groupchat,
        ),
        (
            "-e",
            5,
            "bob@b.example",
            Direction::Incoming,
            MessageType::Chat,
        ),
        (
            "-f",
            6,
            "alice@a.example/desk",
            Direction::Incoming,
            MessageType::Chat,
        ),
    ];
    for (id, at, with, direction, type_) in rows {
        let mut row = row(&alice, id, "hi");
        (row.at, row.with, row.direction, row.type_) =
            (Time::from_secs(at), jid(with), direction, type_);
        row.message_id = Some(format!("m{at}"));
        append(store, row).await;
    }
    let with = |with: &str| Page::oldest(9).with(jid(with));
    let bare = ids(store, &alice, with("bob@b.example")).await;
    assert_eq!(bare, ["-a", "-b", "-e"], "a bare JID means its resources");
    let full = ids(store, &alice, with("bob@b.example/x")).await;
    assert_eq!(full, ["-a"], "a full JID means itself");
    let oneself = ids(store, &alice, with("alice@a.example")).await;
    assert_eq!(oneself, ["-f"]);
    let mut page = Page::oldest(9);
    (page.start, page.end) = (Some(Time::from_secs(2)), Some(Time::from_secs(4)));
    assert_eq!(ids(store, &alice, page.clone()).await, ["-b", "-c", "-d"]);
    page.groupchat = false;
    assert_eq!(ids(store, &alice, page.clone()).await, ["-b", "-c"]);
    page.direction = Some(Direction::Outgoing);
    page.message_id = Some("m3".to_owned());
    assert_eq!(ids(store, &alice, page.clone()).await, ["-c"]);
    page.message_id = Some("m4".to_owned());
    assert_eq!(ids(store, &alice, page).await, [""; 0]);
    let last = Page::newest(1).with(jid("bob@b.example"));
    assert_eq!(ids(store, &alice, last).await, ["-e"]);
}

async fn a_page_by_time_has_all_of_that_time_whatever_the_order(store: &impl ArchiveStore) {
    let (alice, bob) = (account("alice"), account("bob"));
    let times = [5, 1, 9, 3, 9, 2, 7, 12, 12, 4];
    for (number, at) in times.into_iter().enumerate() {
        for owner in [&alice, &bob] {
            let mut row = row(owner, &format!("-{number}"), "hi");
            row.at = Time::from_secs(at);
            append(store, row).await;
        }
    }
    for (start, end) in (0..14).flat_map(|start| (0..14).map(move |end| (start, end))) {
        let mut page = Page::oldest(99);
        (page.start, page.end) = (Some(Time::from_secs(start)), Some(Time::from_secs(end)));
        let within = |(_, at): &(usize, i64)| (start..=end).contains(at);
        let expected = times.into_iter().enumerate().filter(within);
        let expected: Vec<_> = expected.map(|(number, _)| format!("-{number}")).collect();
        let found = ids(store, &alice, page.clone()).await;
        assert_eq!(found, expected, "from {start} to {end}");
        (page.newest, page.limit) = (true, 2);
        let last = expected.len().saturating_sub(2);
        let found = ids(store, &alice, page).await;
        assert_eq!(found, expected[last..], "the last from {start} to {end}");
    }
}

async fn what_is_replaced_keeps_its_id_place_and_time(store: &impl ArchiveStore) {
    let alice = account("alice");
    let position = append(store, row(&alice, "-a", "secret")).await;
    append(store, row(&alice, "-b", "hi")).await;
    let replaced = store.replace(&alice, "-a", wire("gone").into()).await;
    assert!(replaced.expect("the store writes"));
    let mut expected = row(&alice, "-a", "secret");
    expected.stanza = wire("gone").into();
    let there = store.get(&alice, "-a").await.expect("the store reads");
    let expected = Entry {
        position,
        row: expected,
    };
    assert_eq!(there, Some(expected));
    assert_eq!(ids(store, &alice, Page::oldest(9)).await, ["-a", "-b"]);
    let missing = store.replace(&alice, "-z", wire("gone").into()).await;
    assert!(!missing.expect("the store reads"));
    let bob = account("bob");
    let other = store.replace(&bob, "-a", wire("gone").into()).await;
    assert!(!other.expect("the store reads"));
}

async fn expiry_takes_from_the_old_end_and_leaves_no_hole(store: &impl ArchiveStore) {
    let (alice, bob) = (account("alice"), account("bob"));
    for (id, at) in [("-a", 1), ("-b", 5), ("-c", 2), ("-d", 9)] {
        let mut row = row(&alice, id, "hi");
        row.at = Time::from_secs(at);
        append(store, row).await;
    }
    append(store, row(&bob, "-a", "hi")).await;
    let gone = store.expire(Time::from_secs(3)).await;
    assert_eq!(gone.expect("the store writes"), 2);
    assert_eq!(
        ids(store, &alice, Page::oldest(9)).await,
        ["-b", "-c", "-d"]
    );
    assert_eq!(ids(store, &bob, Page::oldest(9)).await, [""; 0]);
    assert_eq!(get(store, &alice, "-a").await, None);
    let gone = store.expire(Time::from_secs(99)).await;
    assert_eq!(gone.expect("the store writes"), 3);
    let place = append(store, row(&alice, "-e", "hi")).await;
    assert_eq!(ids(store, &alice, Page::oldest(9)).await, ["-e"]);
    let after = Page::oldest(9).after(place);
    assert_eq!(ids(store, &alice, after).await, [""; 0]);
}

async fn preferences_are_kept_per_account(store: &impl ArchiveStore) {
    let (alice, bob) = (account("alice"), account("bob"));
    let kept = async |owner| store.preferences(owner).await.expect("the store reads");
    assert_eq!(kept(&alice).await, None, "who said nothing has none");
    let never = Preferences {
        default: DefaultPreference::Never,
        always: vec![jid("carol@c.example/Ä'&<"), jid("dan@d.example")],
        never: Vec::new(),
    };
    for preferences in [never.clone(), Preferences::default(), never.clone()] {
        let set = store.set_preferences(&alice, preferences.clone()).await;
        set.expect("the store writes");
        assert_eq!(kept(&alice).await, Some(preferences));
    }
    assert_eq!(kept(&bob).await, None);
    append(store, row(&alice, "-a", "hi")).await;
    assert_eq!(kept(&alice).await, Some(never));
    store.remove(&alice).await.expect("the archive is removed");
    assert_eq!(kept(&alice).await, None);
}

async fn many_may_append_at_once(store: &impl ArchiveStore) {
    let owners = [account("alice"), account("bob"), account("carol")];
    let appended = (0..99).map(|number| {
        let owner = &owners[number % 3];
        async move {
            let row = row(owner, &format!("-{number}"), "hi");
            let accepted = store.append(row).await.expect("it is accepted");
            accepted.durable.await.expect("it is durable");
            (accepted.position, number)
        }
    });
    let mut appended = join_all(appended).await;
    appended.sort_unstable();
    for (index, owner) in owners.iter().enumerate() {
        let mine = appended.iter().filter(|(_, number)| number % 3 == index);
        let expected: Vec<_> = mine.map(|(_, number)| format!("-{number}")).collect();
        let there = ids(store, owner, Page::oldest(99)).await;
        assert_eq!(there, expected, "each once, in the order of their places");
    }
}

async fn append(store: &impl ArchiveStore, row: Row) -> Position {
    let id = row.id.clone();
    match store.append(row).await {
        Ok(accepted) => accepted.position,
        Err(error) => panic!("{id} was not appended: {error}"),
    }
}

async fn get(store: &impl ArchiveStore, owner: &BareJid, id: &str) -> Option<Vec<u8>> {
    let entry = store.get(owner, id).await.expect("the store reads");
    entry.map(|entry| entry.row.stanza.to_vec())
}

async fn ids(store: &impl ArchiveStore, owner: &BareJid, page: Page) -> Vec<String> {
    let entries = store.page(owner, page).await.expect("the store reads");
    entries.into_iter().map(|entry| entry.row.id).collect()
}

fn row(owner: &BareJid, id: &str, body: &str) -> Row {
    let mut row = Row::new(
        owner.clone(),
        id,
        Time::from_secs(1),
        jid("bob@b.example/x"),
        Direction::Incoming,
        wire(body),
    );
    row.type_ = MessageType::Chat;
    row.message_id = Some("m1".to_owned());
    row
}

fn wire(body: &str) -> Vec<u8> {
    Stanza::message()
        .with_text_child("body", body)
        .to_xml()
        .into_bytes()
}

fn account(name: &str) -> BareJid {
    jid(&format!("{name}@a.example")).to_bare()
}

fn jid(text: &str) -> jid::Jid {
    jid::Jid::new(text).expect("a JID")
}
