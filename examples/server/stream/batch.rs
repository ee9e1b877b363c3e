//! What the stack delivers in one go leaves in one go. While a driver has more
//! to deliver, the writers of the connections that it delivers to are held
//! back: a room of hundreds would else cost one system call for each occupant
//! and message, just when there is no time for them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// For how long a writer is held back at most.
const LATEST: Duration = Duration::from_millis(20);

/// How long after that writers are held back at least.
const PACE: Duration = Duration::from_millis(1);

tokio::task_local! {
    /// The writers that this driver holds back.
    static HELD: RefCell<Vec<Arc<Notify>>>;
}

/// Wakes a writer; in a driver's task, when the driver pauses.
pub fn wake(writer: &Arc<Notify>) {
    let hold = |held: &RefCell<Vec<Arc<Notify>>>| held.borrow_mut().push(writer.clone());
    if HELD.try_with(hold).is_err() {
        writer.notify_one();
    }
}

/// Runs a driver, which tells after each turn whether another follows at once.
pub async fn drive<D: Future + Unpin>(mut driver: D, has_more: impl Fn(&D) -> bool) {
    let mut held_since = None;
    let mut paced = Box::pin(sleep(Duration::ZERO));
    let turns = poll_fn(|cx| {
        let turn = Pin::new(&mut driver).poll(cx);
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            if held.is_empty() {
                return;
            }
            let since = *held_since.get_or_insert_with(Instant::now);
            // An answer to one is not delayed, nor is whoever asks one thing after another.
            let mut is_time = || held.len() == 1 || paced.as_mut().poll(cx).is_ready();
            let pauses = turn.is_ready() || !has_more(&driver) && is_time();
            if pauses || since.elapsed() >= LATEST {
                held.drain(..).for_each(|writer| writer.notify_one());
                held_since = None;
                paced.as_mut().reset(Instant::now() + PACE);
            }
        });
        turn
    });
    HELD.scope(RefCell::default(), turns).await;
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::pin;
    use std::task::Poll;

    use futures::FutureExt;
    use futures::future::join_all;

    use super::super::framing::Framing;
    use super::super::queue::{Cut, Queue, Sink};
    use super::*;

    /// What each system call would have written.
    #[derive(Default)]
    struct Writes(Vec<String>);

    impl Sink for Writes {
        async fn write(&mut self, bytes: &[u8], _: &[usize]) -> io::Result<()> {
            self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(())
        }

        async fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Delivers one word to each each turn, and says after how many it pauses. It
    /// ends after ten.
    struct Turns {
        queues: Vec<Arc<Queue>>,
        until_pause: u32,
        turn: u32,
    }

    impl Turns {
        fn has_more(&self) -> bool {
            !self.turn.is_multiple_of(self.until_pause)
        }
    }

    impl Future for Turns {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
            if self.turn == 10 {
                self.queues.iter().for_each(|queue| queue.cut(Cut::Read));
                return Poll::Ready(());
            }
            for queue in &self.queues {
                queue.words(&self.turn.to_string()).unwrap();
            }
            self.turn += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    /// What the first of so many is written.
    async fn writes(clients: usize, until_pause: u32, turn_takes: Duration) -> Vec<String> {
        let queue = || Arc::new(Queue::new(1_000, Framing::Tcp));
        let queues: Vec<_> = std::iter::repeat_with(queue).take(clients).collect();
        let writers = queues.clone().into_iter().map(|queue| async move {
            let mut sink = Writes::default();
            queue.write_to(&mut sink).await.unwrap();
            sink.0
        });
        let turns = Turns {
            queues,
            until_pause,
            turn: 0,
        };
        let (mut written, ()) = tokio::join!(join_all(writers), async {
            let mut driven = pin!(drive(turns, Turns::has_more));
            // The writer has its turn after each of the driver's.
            while driven.as_mut().now_or_never().is_none() {
                tokio::task::yield_now().await;
                tokio::time::advance(turn_takes).await;
            }
        });
        written.swap_remove(0)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_delivered_until_the_driver_pauses_leaves_in_one_go() {
        let writes = writes(1, 5, Duration::ZERO).await;
        assert_eq!(writes, ["01234", "56789"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_never_pauses_holds_nobody_back_for_long() {
        let writes = writes(1, 1_000, LATEST / 2).await;
        assert!(writes.len() > 1, "{writes:?}");
        assert_eq!(writes.concat(), "0123456789");
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_were_written_to_just_now_wait_a_moment_and_one_does_not() {
        let at_once = Duration::ZERO;
        assert_eq!(writes(2, 1, at_once).await, ["0", "123456789"]);
        assert_eq!(writes(2, 1, PACE).await.len(), 10);
        assert_eq!(writes(1, 1, at_once).await.len(), 10);
    }

    #[tokio::test]
    async fn outside_a_driver_a_writer_wakes_at_once() {
        let writer = Arc::new(Notify::new());
        wake(&writer);
        assert!(writer.notified().now_or_never().is_some());
    }
}
