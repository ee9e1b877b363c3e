//! What waits to be written to one client: a buffer that many append to and
//! one task writes out, as much as there is in one go. It is bounded; a
//! client that does not read loses its own connection and holds up nobody.

use std::sync::Mutex;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

/// A buffer that grew beyond this is given back once it is written.
const KEEP: usize = 16 * 1024;

pub struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes the reader of the stream, which then ends too.
    finished: Notify,
    limit: usize,
    /// Written in place of what there is no room for.
    overflow: String,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    finished: bool,
}

/// The stream is over, or is now, because there was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Full,
    Finished,
}

impl Queue {
    /// At most `limit` bytes wait. What does not fit is not written; instead
    /// `overflow` ends the stream.
    pub fn new(limit: usize, overflow: String) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            finished: Notify::new(),
            limit,
            overflow,
        }
    }

    /// Appends what `write` writes: all of it or nothing. Never waits.
    pub fn append(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refused> {
        let mut state = self.state.lock().unwrap();
        if state.finished {
            return Err(Refused::Finished);
        }
        let before = state.waiting.len();
        write(&mut state.waiting);
        if state.waiting.len() > self.limit {
            state.waiting.truncate(before);
            state.waiting.extend_from_slice(self.overflow.as_bytes());
            state.finished = true;
            self.finished.notify_one();
            self.filled.notify_one();
            return Err(Refused::Full);
        }
        if before == 0 {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Ends the stream after what waits and these last words. Who comes
    /// second is not heard.
    pub fn finish(&self, last_words: &str) {
        let mut state = self.state.lock().unwrap();
        if !state.finished {
            state.waiting.extend_from_slice(last_words.as_bytes());
            state.finished = true;
            self.finished.notify_one();
            self.filled.notify_one();
        }
    }

    /// Resolves, once, when the stream was finished by whomever.
    pub async fn finished(&self) {
        self.finished.notified().await;
    }

    /// Writes until the stream is finished and all is written.
    pub async fn write_to(&self, mut sink: impl AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut chunk = Vec::new();
        while self.take(&mut chunk).await {
            sink.write_all(&chunk).await?;
            chunk.clear();
            chunk.shrink_to(KEEP);
        }
        sink.shutdown().await
    }

    /// Swaps what waits into the empty `chunk`; false when nothing will come.
    async fn take(&self, chunk: &mut Vec<u8>) -> bool {
        loop {
            {
                let mut state = self.state.lock().unwrap();
                if !state.waiting.is_empty() {
                    std::mem::swap(&mut state.waiting, chunk);
                    return true;
                }
                if state.finished {
                    return false;
                }
            }
            self.filled.notified().await;
            // Who is just writing to this client may have more for it: under
            // load many stanzas leave with one system call.
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(8, "FULL".into())
    }

    fn put(queue: &Queue, text: &str) -> Result<(), Refused> {
        queue.append(|out| out.extend_from_slice(text.as_bytes()))
    }

    async fn written(queue: &Queue) -> String {
        let mut sink = vec![];
        queue.write_to(&mut sink).await.unwrap();
        String::from_utf8(sink).unwrap()
    }

    #[tokio::test]
    async fn what_is_appended_is_written_in_order_and_then_the_last_words() {
        let queue = queue();
        assert_eq!(put(&queue, "abc"), Ok(()));
        assert_eq!(put(&queue, "def"), Ok(()));
        queue.finish("the end");
        assert_eq!(put(&queue, "g"), Err(Refused::Finished));
        queue.finish("once more");
        queue.finished().await;
        assert_eq!(written(&queue).await, "abcdefthe end");
    }

    #[tokio::test]
    async fn what_does_not_fit_ends_the_stream_behind_what_did() {
        let queue = queue();
        assert_eq!(put(&queue, "abcdefgh"), Ok(()));
        assert_eq!(put(&queue, "i"), Err(Refused::Full));
        assert_eq!(put(&queue, "j"), Err(Refused::Finished));
        queue.finished().await;
        assert_eq!(written(&queue).await, "abcdefghFULL");
    }

    #[tokio::test]
    async fn a_writer_that_waits_is_woken() {
        let queue = queue();
        let (text, ()) = tokio::join!(written(&queue), async {
            tokio::task::yield_now().await;
            put(&queue, "abc").unwrap();
            tokio::task::yield_now().await;
            queue.finish("");
        });
        assert_eq!(text, "abc");
    }
}
