//! What moves next.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::task::{ArcWake, waker_ref};
use jid::FullJid;

use super::state::{Core, State};

/// The stacks of a world, each behind its driver.
#[derive(Default)]
pub(super) struct Stacks(Mutex<Vec<Stack>>);

struct Stack {
    driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

/// Something that can move.
enum Move {
    /// A host's stack goes on as far as it can.
    Stack(usize),
    /// The oldest stanza of a link arrives.
    Link(usize, usize),
    /// A client does the next thing that the test told it to do.
    Client(FullJid),
    /// A slow future goes on.
    Sleeper(u64),
}

/// More moves than any test needs: something runs in circles.
const TOO_MANY: usize = 200_000;

impl Stacks {
    pub(super) fn add(&self, driver: impl Future<Output = ()> + Send + 'static) {
        self.locked().push(Stack::new(driver));
    }

    /// Drops the driver of a host, with all that is under way in it.
    pub(super) fn replace(&self, host: usize, driver: impl Future<Output = ()> + Send + 'static) {
        self.locked()[host] = Stack::new(driver);
    }

    /// Moves until nothing moves. Returns whether that was reached.
    pub(super) fn settle(&self, core: &Core) -> bool {
        let mut stacks = self.locked();
        for _ in 0..TOO_MANY {
            let mut state = core.lock();
            let Some(next) = choose(&mut state, &stacks) else {
                return true;
            };
            match next {
                Move::Stack(host) => {
                    // The stack calls back into the state.
                    drop(state);
                    stacks[host].poll();
                }
                Move::Link(from, to) => state.cross(from, to),
                Move::Client(session) => {
                    let todo = &mut state.client(&session).todo;
                    if let Some((_, action)) = todo.pop_front() {
                        state.act(&session, action);
                    }
                }
                Move::Sleeper(id) => {
                    let sleepers = &mut state.sleepers;
                    let found = sleepers.iter().position(|sleeper| sleeper.id == id);
                    let sleeper = found.map(|position| sleepers.remove(position));
                    drop(state);
                    if let Some(sleeper) = sleeper {
                        sleeper.waker.wake();
                    }
                }
            }
        }
        false
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Stack>> {
        match self.0.try_lock() {
            Ok(stacks) => stacks,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => {
                panic!("a layer must not settle the world that it is part of")
            }
        }
    }
}

impl Stack {
    fn new(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            driver: Box::pin(driver),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }

    fn poll(&mut self) {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = waker_ref(&self.woken);
        let mut cx = Context::from_waker(&waker);
        // A conductor that nobody closes has work for ever.
        let _: Poll<()> = self.driver.as_mut().poll(&mut cx);
    }
}

impl ArcWake for Woken {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.store(true, Ordering::SeqCst);
    }
}

/// Without a seed, what has begun is finished before the next thing begins,
/// and things begin in the order in which the test did them. With a seed, any
/// of them may be next.
fn choose(state: &mut State, stacks: &[Stack]) -> Option<Move> {
    let woken = |(host, stack): (usize, &Stack)| {
        stack
            .woken
            .0
            .load(Ordering::SeqCst)
            .then_some(Move::Stack(host))
    };
    let stacks = stacks.iter().enumerate().filter_map(woken);
    let links = state
        .links
        .iter()
        .filter(|(_, link)| link.down.is_none() && !link.queue.is_empty())
        .map(|((from, to), _)| Move::Link(*from, *to));
    let in_turn = state.seed.is_none();
    let clients = || {
        state
            .clients
            .iter()
            .filter_map(|(session, client)| Some((client.todo.front()?.0, session)))
    };
    let sleepers = state
        .sleepers
        .iter()
        .filter(|sleeper| sleeper.until.is_none())
        .map(|sleeper| Move::Sleeper(sleeper.id));
    if in_turn {
        let first = clients().min_by_key(|(number, _)| *number);
        let first = first.map(|(_, session)| Move::Client(session.clone()));
        return stacks.chain(links).chain(first).chain(sleepers).next();
    }
    let clients = clients().map(|(_, session)| Move::Client(session.clone()));
    let mut moves: Vec<_> = stacks.chain(links).chain(clients).chain(sleepers).collect();
    match moves.len() {
        0 => None,
        many => Some(moves.swap_remove(state.chance.below(many))),
    }
}
