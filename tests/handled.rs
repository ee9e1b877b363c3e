//! What outlives a pass, and when a stanza counts as handled.

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::house::House;
use common::{alice, chat, from_alice};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use jid::FullJid;
use tower_layer::Layer;
use tower_xmpp::flow::{Emit, Envelope, Route, Settled, Settling};
use tower_xmpp::host::{Conductor, Handled, Router, Settings, conduct};
use tower_xmpp::middleware::{Next, from_fn};
use tower_xmpp::stanza::Stanza;

/// A house whose layer leaves a commit behind for each message; the test says
/// when it is over. A message to an account whose id ends in `+` is followed by one without
/// that to bob.
struct Yard {
    house: Arc<House>,
    conductor: Conductor,
    pool: LocalPool,
    commits: Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>,
}

fn bob() -> FullJid {
    "bob@a.example/x".parse().unwrap()
}

impl Yard {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let house = House::of(&[alice(), bob()]);
        let commits: Arc<Mutex<HashMap<String, oneshot::Sender<()>>>> = Arc::default();
        let open = commits.clone();
        let layer = from_fn("commits", move |envelope: Envelope, next: Next| {
            let open = open.clone();
            async move {
                let id = envelope.as_stanza().and_then(Stanza::id);
                let id = id.map(|id| match envelope.route {
                    Route::ToAccount(_) => format!("{id} inward"),
                    _ => id.to_owned(),
                });
                let mut outcome = next.run(envelope).await?;
                let Some(id) = id else { return Ok(outcome) };
                if let Some(next) = id.strip_suffix("+ inward") {
                    let next = chat().with_id(next).with_to(bob());
                    let next = Emit::new_at(Route::ToAccount(bob().to_bare()), next);
                    outcome.emits.push(next);
                }
                let (tell, told) = oneshot::channel();
                open.lock().unwrap().insert(id.clone(), tell);
                outcome.settling.push(Settling::new(async move {
                    let _ = told.await;
                    let mut settled = Settled::default();
                    let notice = Stanza::message().with_id(format!("about {id}"));
                    settled.emits.push(Emit::copy(alice(), notice));
                    settled
                }));
                Ok(outcome)
            }
        });
        let stack = layer.layer(Router::new(house.clone()));
        let (conductor, drivers) = conduct(stack, house.clone(), settings);
        let pool = LocalPool::new();
        for driver in drivers {
            pool.spawner().spawn_local(driver).unwrap();
        }
        Self {
            house,
            conductor,
            pool,
            commits,
        }
    }

    fn sends(&mut self, handled: &mut Handled, id: &str) {
        self.enters(handled, chat().with_id(id));
    }

    fn enters(&mut self, handled: &mut Handled, stanza: Stanza) {
        handled.enter(self.conductor.enter(from_alice(stanza)));
        self.pool.run_until_stalled();
    }

    fn commits(&mut self, id: &str) {
        let commit = self.commits.lock().unwrap().remove(id);
        let _ = commit.expect("it has passed").send(());
        self.pool.run_until_stalled();
    }

    /// How many messages have left for another server.
    fn sent(&self) -> usize {
        self.house.sent.lock().unwrap().len()
    }
}

#[test]
fn what_a_stanza_leaves_behind_delays_its_count_and_not_the_next_stanza() {
    let (mut yard, mut handled) = (Yard::new(), Handled::new());
    yard.sends(&mut handled, "m1");
    yard.sends(&mut handled, "m2");
    assert_eq!(yard.sent(), 2, "both are routed");
    assert_eq!(handled.count(), 0, "none is handled");
    yard.commits("m1");
    assert_eq!(handled.count(), 1);
    yard.commits("m2");
    assert_eq!(handled.count(), 2);
    assert_eq!(handled.under_way(), 0);
}

#[test]
fn what_takes_long_delays_the_count_of_those_behind_it() {
    let (mut yard, mut handled) = (Yard::new(), Handled::new());
    let mut another = Handled::new();
    yard.sends(&mut handled, "m1");
    yard.sends(&mut handled, "m2");
    yard.sends(&mut another, "n1");
    handled.add();
    yard.commits("m2");
    yard.commits("n1");
    assert_eq!(handled.count(), 0, "m1 is not over");
    assert_eq!(another.count(), 1, "nobody else waits for it");
    yard.commits("m1");
    assert_eq!(handled.count(), 3);
}

#[test]
fn what_comes_of_it_is_in_the_queue_before_the_stanza_is_counted() {
    let (mut yard, mut handled) = (Yard::new(), Handled::new());
    yard.sends(&mut handled, "m1");
    assert!(handled.next().now_or_never().is_none());
    assert_eq!(yard.house.ids(), [""; 0]);
    yard.commits("m1");
    assert_eq!(yard.house.ids(), ["about m1"]);
    assert_eq!(handled.next().now_or_never(), Some(1));
}

#[test]
fn what_follows_for_an_account_of_ours_is_waited_for_if_that_is_wanted() {
    for to_the_end in [false, true] {
        let mut settings = Settings::default();
        settings.to_the_end = to_the_end;
        let (mut yard, mut handled) = (Yard::with(settings), Handled::new());
        let to_oneself = chat().with_id("m1").with_to(alice().to_bare());
        yard.enters(&mut handled, to_oneself);
        assert_eq!(yard.house.ids(), ["m1"], "it is delivered");
        yard.commits("m1");
        assert_eq!(handled.count(), u32::from(!to_the_end));
        yard.commits("m1 inward");
        assert_eq!(handled.count(), 1);
    }
}

#[test]
fn who_waits_for_all_that_follows_is_woken_when_the_last_of_it_is_over() {
    let mut settings = Settings::default();
    settings.to_the_end = true;
    let (mut yard, mut handled) = (Yard::with(settings), Handled::new());
    let to_oneself = chat().with_id("m1+").with_to(alice().to_bare());
    yard.enters(&mut handled, to_oneself);
    assert_eq!(yard.house.ids(), ["m1+", "m1"]);
    let told = Arc::new(Mutex::new(None));
    let waits = {
        let told = told.clone();
        async move { *told.lock().unwrap() = Some(handled.next().await) }
    };
    yard.pool.spawner().spawn_local(waits).unwrap();
    for commit in ["m1+", "m1+ inward"] {
        yard.commits(commit);
        assert_eq!(*told.lock().unwrap(), None, "{commit}");
    }
    yard.commits("m1 inward");
    assert_eq!(*told.lock().unwrap(), Some(1));
}

#[test]
fn what_is_left_behind_is_over_before_a_closed_conductor_ends() {
    let (mut yard, mut handled) = (Yard::new(), Handled::new());
    yard.sends(&mut handled, "m1");
    yard.conductor.close();
    yard.pool.run_until_stalled();
    let commit = yard.commits.lock().unwrap().remove("m1");
    let _ = commit.expect("it has passed").send(());
    yard.pool.run(); // the drivers end
    assert_eq!(handled.count(), 1);
}

#[test]
fn what_came_too_late_is_never_counted_and_neither_is_what_follows() {
    let (mut yard, mut handled) = (Yard::new(), Handled::new());
    yard.conductor.close();
    handled.enter(yard.conductor.enter(from_alice(chat())));
    handled.add();
    yard.pool.run_until_stalled();
    assert_eq!(handled.count(), 0);
}

#[test]
fn a_commit_that_panics_is_told_to_the_host_and_the_stanza_is_handled() {
    let house = House::of(&[alice()]);
    let layer = from_fn("commits", |envelope: Envelope, next: Next| async move {
        let mut outcome = next.run(envelope).await?;
        let panics = async { panic!("the disk is on fire") };
        outcome.settling.push(Settling::new(panics));
        Ok(outcome)
    });
    let stack = layer.layer(Router::new(house.clone()));
    let (conductor, drivers) = conduct(stack, house.clone(), Settings::default());
    let mut handled = Handled::new();
    handled.enter(conductor.enter(from_alice(chat())));
    conductor.close();
    futures::executor::block_on(futures::future::join_all(drivers));
    assert_eq!(handled.count(), 1);
    let broke = house.broke.lock().unwrap();
    assert_eq!(*broke, ["a service panicked: the disk is on fire"]);
}
