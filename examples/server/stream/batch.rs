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
use tokio::time::Instant;

/// For how long a writer is held back at most.
const LATEST: Duration = Duration::from_millis(20);

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
    let turns = poll_fn(|cx| {
        let turn = Pin::new(&mut driver).poll(cx);
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            if held.is_empty() {
                return;
            }
            let since = *held_since.get_or_insert_with(Instant::now);
            if turn.is_ready() || !has_more(&driver) || since.elapsed() >= LATEST {
                held.drain(..).for_each(|writer| writer.notify_one());
                held_since = None;
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

    /// Delivers one word each turn, and says after how many it pauses. It ends
    /// after ten.
    struct Turns {
        queue: Arc<Queue>,
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
                self.queue.cut(Cut::Read);
                return Poll::Ready(());
            }
            self.queue.words(&self.turn.to_string()).unwrap();
            self.turn += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    async fn writes(until_pause: u32, turn_takes: Duration) -> Vec<String> {
        let queue = Arc::new(Queue::new(1_000, Framing::Tcp));
        let turns = Turns {
            queue: queue.clone(),
            until_pause,
            turn: 0,
        };
        let mut sink = Writes::default();
        let (written, ()) = tokio::join!(queue.write_to(&mut sink), async {
            let mut driven = pin!(drive(turns, Turns::has_more));
            // The writer has its turn after each of the driver's.
            while driven.as_mut().now_or_never().is_none() {
                tokio::task::yield_now().await;
                tokio::time::advance(turn_takes).await;
            }
        });
        written.unwrap();
        sink.0
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_delivered_until_the_driver_pauses_leaves_in_one_go() {
        let writes = writes(5, Duration::ZERO).await;
        assert_eq!(writes, ["01234", "56789"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_never_pauses_holds_nobody_back_for_long() {
        let writes = writes(1_000, LATEST / 2).await;
        assert!(writes.len() > 1, "{writes:?}");
        assert_eq!(writes.concat(), "0123456789");
    }

    #[tokio::test]
    async fn outside_a_driver_a_writer_wakes_at_once() {
        let writer = Arc::new(Notify::new());
        wake(&writer);
        assert!(writer.notified().now_or_never().is_some());
    }
}
