//! When messages that were taken in together are on the disk.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::archive::ArchiveError;

use super::SqliteError;

/// One for all messages of a batch: what becomes of them is told once. Whoever
/// is to tell holds this; when the last one lets go of it, nobody waits any longer.
pub(super) struct Moment(Arc<Shared>);

/// Resolves when one message of a batch is on the disk, or never will be.
pub(super) struct Awaited {
    shared: Arc<Shared>,
    place: i64,
    /// Where its waker is among the others'.
    waker: Option<usize>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// What holds for all that is not among the lost.
    told: Option<Result<(), SqliteError>>,
    lost: HashMap<i64, SqliteError>,
    waiting: Vec<Waker>,
}

impl Moment {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Arc::default()))
    }

    /// For the message at this place.
    pub(super) fn of(&self, place: i64) -> Awaited {
        Awaited {
            shared: self.0.clone(),
            place,
            waker: None,
        }
    }

    /// All messages that are not lost are on the disk.
    pub(super) fn kept(&self) {
        self.tell(Ok(()));
    }

    /// The messages at these places are not kept.
    pub(super) fn lost(&self, places: impl Iterator<Item = i64>, error: &SqliteError) {
        let mut state = self.0.lock();
        state
            .lost
            .extend(places.map(|place| (place, error.clone())));
        // Those that are not lost wait again.
        let waiting = state.waiting.clone();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn tell(&self, what: Result<(), SqliteError>) {
        let mut state = self.0.lock();
        if state.told.is_none() {
            state.told = Some(what);
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// Whoever had to tell is gone.
impl Drop for Moment {
    fn drop(&mut self) {
        self.tell(Err(SqliteError::NoWorker));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, except out of memory.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Awaited {
    type Output = Result<(), ArchiveError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut state = this.shared.lock();
        if let Some(error) = state.lost.get(&this.place) {
            return Poll::Ready(Err(error.clone().into()));
        }
        if let Some(told) = &state.told {
            return Poll::Ready(told.clone().map_err(ArchiveError::from));
        }
        match this.waker {
            Some(waker) => state.waiting[waker].clone_from(cx.waker()),
            None => {
                this.waker = Some(state.waiting.len());
                state.waiting.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn one_word_is_for_all_but_those_that_are_lost() {
        let moment = Moment::new();
        let (mut first, mut second, mut third) = (moment.of(1), moment.of(2), moment.of(3));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        moment.lost([2].into_iter(), &SqliteError::DiskFull);
        assert!((&mut first).now_or_never().is_none());
        let lost = (&mut second).now_or_never();
        assert!(matches!(lost, Some(Err(ArchiveError::NoRoom(_)))));
        moment.kept();
        assert!(matches!((&mut first).now_or_never(), Some(Ok(()))));
        assert!(matches!((&mut third).now_or_never(), Some(Ok(()))));
    }

    #[test]
    fn when_nobody_is_left_to_tell_nobody_waits() {
        let moment = Moment::new();
        let waiting = std::thread::spawn({
            let awaited = moment.of(1);
            || futures::executor::block_on(awaited)
        });
        let other = moment.clone();
        drop(moment);
        drop(other);
        let told = waiting.join().expect("it does not panic");
        assert!(matches!(told, Err(ArchiveError::Store(_))));
    }
}
