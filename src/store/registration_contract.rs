#![allow(clippy::expect_used, reason = "a test fails by a panic")]

use std::future::Future;

use jid::BareJid;

use crate::muc_offline::{Registration, Registrations};

/// All rules of [`Registrations`]; `empty` makes a new store for each.
pub async fn registrations<S, M>(mut empty: impl FnMut() -> M)
where
    S: Registrations,
    M: Future<Output = S>,
{
    what_is_put_comes_back_whole(&empty().await).await;
    a_later_registration_takes_the_place_of_an_earlier_one(&empty().await).await;
    removing_forgets_one_registration_and_again_is_no_error(&empty().await).await;
    a_room_that_is_removed_takes_its_own_with_it(&empty().await).await;
}

async fn what_is_put_comes_back_whole(store: &impl Registrations) {
    assert!(all(store).await.is_empty(), "an empty store");
    let one = registration("tea", "alice");
    let mut other = registration("tea", "bob");
    other.paused = true;
    put(store, &one).await;
    put(store, &other).await;
    assert_eq!(all(store).await, [one, other]);
}

async fn a_later_registration_takes_the_place_of_an_earlier_one(store: &impl Registrations) {
    let mut one = registration("tea", "alice");
    put(store, &one).await;
    put(store, &one).await;
    one.paused = true;
    put(store, &one).await;
    assert_eq!(all(store).await, [one]);
}

async fn removing_forgets_one_registration_and_again_is_no_error(store: &impl Registrations) {
    let (tea, milk) = (registration("tea", "alice"), registration("milk", "alice"));
    put(store, &tea).await;
    put(store, &milk).await;
    for _ in 0..2 {
        let removed = store.remove(&tea.room, &tea.account).await;
        removed.expect("a working store");
    }
    assert_eq!(all(store).await, [milk]);
}

async fn a_room_that_is_removed_takes_its_own_with_it(store: &impl Registrations) {
    let milk = registration("milk", "alice");
    for registration in [
        &registration("tea", "alice"),
        &registration("tea", "bob"),
        &milk,
    ] {
        put(store, registration).await;
    }
    for _ in 0..2 {
        let removed = store.remove_room(&registration("tea", "alice").room).await;
        removed.expect("a working store");
    }
    assert_eq!(all(store).await, [milk]);
}

async fn put(store: &impl Registrations, registration: &Registration) {
    let put = store.put(registration.clone()).await;
    put.expect("a working store");
}

async fn all(store: &impl Registrations) -> Vec<Registration> {
    let mut all = store.all().await.expect("a working store");
    all.sort();
    all
}

fn registration(room: &str, account: &str) -> Registration {
    Registration::new(jid(room, "muc.example"), jid(account, "a.example"))
}

fn jid(name: &str, domain: &str) -> BareJid {
    format!("{name}@{domain}").parse().expect("a bare JID")
}
