#![allow(clippy::expect_used, reason = "a test fails by a panic")]

use std::future::Future;

use crate::muc_push::{Target, Targets};

/// All rules of [`Targets`]; `empty` makes a new store for each.
pub async fn targets<S, M>(mut empty: impl FnMut() -> M)
where
    S: Targets,
    M: Future<Output = S>,
{
    what_is_put_comes_back_whole_and_in_order(&empty().await).await;
    the_same_target_again_is_the_newest_with_its_new_options(&empty().await).await;
    removing_forgets_one_target_and_again_is_no_error(&empty().await).await;
}

async fn what_is_put_comes_back_whole_and_in_order(store: &impl Targets) {
    assert!(all(store).await.is_empty(), "an empty store");
    let mut one = target("phone", Some("n"));
    one.options = Some("<x xmlns='jabber:x:data' type='submit'/>".to_owned());
    let others = [target("phone", None), target("desk", Some("'; --"))];
    put(store, &one).await;
    for other in &others {
        put(store, other).await;
    }
    let [two, three] = others;
    assert_eq!(all(store).await, [one, two, three]);
}

async fn the_same_target_again_is_the_newest_with_its_new_options(store: &impl Targets) {
    let (mut one, two) = (target("phone", None), target("desk", None));
    put(store, &one).await;
    put(store, &two).await;
    one.options = Some("<x xmlns='jabber:x:data' type='submit'/>".to_owned());
    put(store, &one).await;
    assert_eq!(all(store).await, [two, one]);
}

async fn removing_forgets_one_target_and_again_is_no_error(store: &impl Targets) {
    let (one, other) = (target("phone", Some("a")), target("phone", Some("b")));
    put(store, &one).await;
    put(store, &other).await;
    for _ in 0..2 {
        store.remove(&one).await.expect("a working store");
    }
    assert_eq!(all(store).await, [other]);
}

async fn put(store: &impl Targets, target: &Target) {
    let put = store.put(target.clone()).await;
    put.expect("a working store");
}

async fn all(store: &impl Targets) -> Vec<Target> {
    store.all().await.expect("a working store")
}

fn target(resource: &str, node: Option<&str>) -> Target {
    let jid = format!("alice@a.example/{resource}");
    Target {
        room: "tea@muc.example".parse().expect("a bare JID"),
        account: "alice@a.example".parse().expect("a bare JID"),
        jid: jid.parse().expect("a JID"),
        node: node.map(str::to_owned),
        options: None,
    }
}
