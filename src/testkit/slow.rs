//! Futures that take their time, by the scheduler's choice or by the clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::stanza::Time;

use super::state::{Core, Sleeper};

/// Makes a port, a layer or a service slow. Made by
/// [`World::slow`](super::World::slow) and
/// [`World::delayed`](super::World::delayed).
#[derive(Clone)]
pub struct Slow {
    core: Arc<Core>,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Turns(usize),
    For(Duration),
}

impl Slow {
    pub(super) fn turns(core: Arc<Core>, most: usize) -> Self {
        let how = How::Turns(most);
        Self { core, how }
    }

    pub(super) fn lasting(core: Arc<Core>, time: Duration) -> Self {
        let how = How::For(time);
        Self { core, how }
    }

    /// Waits. What else there is to do in the world may go first.
    pub async fn wait(&self) {
        match self.how {
            How::For(time) => {
                let until = self.core.lock().now + time;
                self.sleep(Some(until)).await;
            }
            How::Turns(most) => {
                let turns = match &mut *self.core.lock() {
                    state if state.seed.is_some() => state.chance.below(most + 1),
                    _ => most,
                };
                for _ in 0..turns {
                    self.sleep(None).await;
                }
            }
        }
    }

    fn sleep(&self, until: Option<Time>) -> Sleep {
        Sleep {
            core: self.core.clone(),
            until,
            id: None,
        }
    }
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

/// Over when the scheduler has taken its sleeper away.
struct Sleep {
    core: Arc<Core>,
    until: Option<Time>,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let core = self.core.clone();
        let mut state = core.lock();
        let waker = cx.waker().clone();
        let Some(id) = self.id else {
            state.next_sleeper += 1;
            let id = state.next_sleeper;
            self.id = Some(id);
            let until = self.until;
            state.sleepers.push(Sleeper { id, until, waker });
            return Poll::Pending;
        };
        match state.sleepers.iter_mut().find(|sleeper| sleeper.id == id) {
            Some(sleeper) => {
                sleeper.waker = waker;
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let id = self.id;
        let sleepers = &mut self.core.lock().sleepers;
        sleepers.retain(|sleeper| Some(sleeper.id) != id);
    }
}
