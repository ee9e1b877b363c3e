//! What waits to be written to one client: a buffer that many append to and
//! one task writes out, as much as there is in one go. It is bounded; a
//! client that does not read loses its own connection and holds up nobody.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tower_xmpp::stanza::Stanza;

use super::super::figures;
use super::batch;
use super::framing::Framing;
use super::words::Fault;

/// How large a buffer begins, so that what gathers under load is not copied
/// again and again while it grows. An idle client has none.
const FIRST: usize = 16 * 1024;

/// What it grew beyond that is given back once it is written.
const KEEP: usize = 64 * 1024;

pub struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Arc<Notify>,
    /// Wakes the reader of the stream, which then ends too.
    cut: Notify,
    limit: usize,
    framing: Framing,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Where each message ends, where the framing has messages.
    ends: Vec<usize>,
    /// Bytes that were taken and may not be written yet.
    taken: usize,
    /// Bytes that were written before.
    written: usize,
    /// How many stanzas wait.
    stanzas: u64,
    cut: Option<Cut>,
}

/// Who ended a stream, and thereby what becomes of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    #[error("its reader has ended it")]
    Read,
    #[error("it could not be written to")]
    Broken,
    #[error("too much waited for a client that does not read")]
    Overflow,
    #[error("another client has bound the resource")]
    Conflict,
    #[error("the session goes on in another stream")]
    Resumed,
    #[error("the server is shutting down")]
    Shutdown,
}

/// The stream is over, or is now, because there was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Full,
    Finished,
}

/// Where what waits is written to.
pub trait Sink: Send {
    /// Writes all of it; `ends` says where each message ends, if the framing
    /// has messages.
    fn write(
        &mut self,
        bytes: &[u8],
        ends: &[usize],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Nothing more will come.
    fn close(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Queue {
    /// At most `limit` bytes wait. What does not fit is not written; instead
    /// the stream ends.
    pub fn new(limit: usize, framing: Framing) -> Self {
        Self {
            state: Mutex::default(),
            filled: Arc::default(),
            cut: Notify::new(),
            limit,
            framing,
        }
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Appends a stanza: all of it or nothing. Never waits.
    pub fn stanza(&self, stanza: &Stanza) -> Result<(), Refused> {
        let mut state = self.state();
        self.append(&mut state, |out| stanza.write(out, self.framing.form()))?;
        state.stanzas += 1;
        Ok(())
    }

    /// The same for an element that is no stanza, or our header.
    pub fn words(&self, words: &str) -> Result<(), Refused> {
        self.append(&mut self.state(), |out| {
            out.extend_from_slice(words.as_bytes());
        })
    }

    fn append(&self, state: &mut State, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refused> {
        if state.cut.is_some() {
            return Err(Refused::Finished);
        }
        let before = state.waiting.len();
        if before == 0 {
            state.waiting.reserve(FIRST);
        }
        write(&mut state.waiting);
        if state.waiting.len() > self.limit {
            state.waiting.truncate(before);
            self.say_last(state, Some(Fault::QueueFull));
            self.finish(state, Cut::Overflow);
            return Err(Refused::Full);
        }
        self.mark_end(state);
        if before == 0 {
            batch::wake(&self.filled);
        }
        Ok(())
    }

    /// Ends the stream after what waits, with an error if there is a fault.
    /// Who comes second is not heard.
    pub fn close(&self, fault: Option<Fault>, cut: Cut) {
        let mut state = self.state();
        if state.cut.is_none() {
            self.say_last(&mut state, fault);
            self.finish(&mut state, cut);
        }
    }

    /// Ends it without a word.
    pub fn cut(&self, cut: Cut) {
        let mut state = self.state();
        if state.cut.is_none() {
            self.finish(&mut state, cut);
        }
    }

    /// Whether the stream has ended.
    pub fn is_cut(&self) -> bool {
        self.state().cut.is_some()
    }

    /// How many bytes were appended so far.
    pub fn appended(&self) -> usize {
        let state = self.state();
        state.written + state.taken + state.waiting.len()
    }

    /// How many of them have been written for certain.
    pub fn written(&self) -> usize {
        self.state().written
    }

    /// Resolves when the stream was ended by whomever.
    pub async fn when_cut(&self) -> Cut {
        loop {
            if let Some(cut) = self.state().cut {
                return cut;
            }
            self.cut.notified().await;
        }
    }

    /// Writes until the stream has ended and all is written.
    pub async fn write_to(&self, sink: &mut impl Sink) -> io::Result<()> {
        let mut chunk = State::default();
        while self.take(&mut chunk).await {
            figures::written(std::mem::take(&mut chunk.stanzas));
            sink.write(&chunk.waiting, &chunk.ends).await?;
            chunk.waiting.clear();
            chunk.waiting.shrink_to(KEEP);
            chunk.ends.clear();
            chunk.ends.shrink_to(KEEP / size_of::<usize>());
        }
        Ok(())
    }

    /// Swaps what waits into the empty `chunk`; false when nothing will come.
    async fn take(&self, chunk: &mut State) -> bool {
        loop {
            {
                let mut state = self.state();
                // Whoever takes more has written what it took before.
                state.written += std::mem::take(&mut state.taken);
                if !state.waiting.is_empty() {
                    state.taken = state.waiting.len();
                    std::mem::swap(&mut state.waiting, &mut chunk.waiting);
                    std::mem::swap(&mut state.ends, &mut chunk.ends);
                    std::mem::swap(&mut state.stanzas, &mut chunk.stanzas);
                    return true;
                }
                if state.cut.is_some() {
                    return false;
                }
            }
            // An idle client keeps no buffer.
            chunk.waiting = Vec::new();
            chunk.ends = Vec::new();
            self.filled.notified().await;
        }
    }

    fn say_last(&self, state: &mut State, fault: Option<Fault>) {
        if let Some(fault) = fault {
            let error = self.framing.error(fault);
            state.waiting.extend_from_slice(error.as_bytes());
            self.mark_end(state);
        }
        let close = self.framing.close();
        state.waiting.extend_from_slice(close.as_bytes());
        self.mark_end(state);
    }

    fn finish(&self, state: &mut State, cut: Cut) {
        state.cut = Some(cut);
        self.cut.notify_one();
        self.filled.notify_one();
    }

    fn mark_end(&self, state: &mut State) {
        if self.framing == Framing::WebSocket {
            state.ends.push(state.waiting.len());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Written(String, Vec<usize>);

    impl Sink for Written {
        async fn write(&mut self, bytes: &[u8], ends: &[usize]) -> io::Result<()> {
            self.0.push_str(std::str::from_utf8(bytes).unwrap());
            self.1.extend(ends);
            Ok(())
        }

        async fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn written(queue: &Queue) -> Written {
        let mut sink = Written::default();
        queue.write_to(&mut sink).await.unwrap();
        sink
    }

    #[tokio::test]
    async fn what_is_appended_is_written_in_order_and_then_the_last_words() {
        let queue = Queue::new(8, Framing::Tcp);
        assert_eq!(queue.words("abc"), Ok(()));
        assert_eq!(queue.words("def"), Ok(()));
        queue.close(None, Cut::Read);
        assert_eq!(queue.words("g"), Err(Refused::Finished));
        queue.close(None, Cut::Shutdown);
        queue.cut(Cut::Broken);
        assert_eq!(queue.when_cut().await, Cut::Read);
        assert_eq!(written(&queue).await.0, "abcdef</stream:stream>");
    }

    #[tokio::test]
    async fn what_does_not_fit_ends_the_stream_behind_what_did() {
        let queue = Queue::new(8, Framing::Tcp);
        assert_eq!(queue.words("abcdefgh"), Ok(()));
        assert_eq!(queue.words("i"), Err(Refused::Full));
        assert_eq!(queue.words("j"), Err(Refused::Finished));
        assert_eq!(queue.when_cut().await, Cut::Overflow);
        let text = written(&queue).await.0;
        assert!(text.starts_with("abcdefgh<stream:error><policy-violation "));
        assert!(text.ends_with("</stream:error></stream:stream>"), "{text}");
    }

    #[tokio::test]
    async fn where_there_are_messages_their_ends_are_kept() {
        let queue = Queue::new(100, Framing::WebSocket);
        for words in ["abc", "de"] {
            assert_eq!(queue.words(words), Ok(()));
        }
        queue.close(None, Cut::Read);
        let Written(text, ends) = written(&queue).await;
        assert_eq!(ends, [3, 5, text.len()]);
    }

    #[tokio::test]
    async fn a_writer_that_waits_is_woken() {
        let queue = Queue::new(8, Framing::Tcp);
        let (written, ()) = tokio::join!(written(&queue), async {
            tokio::task::yield_now().await;
            queue.words("abc").unwrap();
            assert_eq!((queue.appended(), queue.written()), (3, 0));
            while queue.written() < 3 {
                tokio::task::yield_now().await;
            }
            queue.cut(Cut::Read);
        });
        assert_eq!(written.0, "abc");
    }
}
