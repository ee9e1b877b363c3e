use std::borrow::Cow;
use std::sync::Arc;

use jid::FullJid;

use crate::stanza::{Condition, Stanza, StanzaError};

use super::{Emit, Few, Settling};

/// What became of an envelope.
#[derive(Clone, Debug)]
#[must_use = "an outcome lists what still has to be sent"]
#[non_exhaustive]
pub struct Outcome {
    /// What became of the original.
    pub original: Original,
    /// What is to be sent besides, in this order.
    pub emits: Vec<Emit>,
    /// What the layers announce; filled for [`Event::Describe`](super::Event::Describe) only.
    pub announced: Few<Cow<'static, str>>,
    /// Layers that broke on the way and were stepped over.
    pub incidents: Few<Incident>,
    /// What goes on although the pass is over, and must be over as well before
    /// the host counts the stanza as handled (XEP-0198 §4).
    pub settling: Few<Settling>,
}

/// What became of the original stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Original {
    /// It reached these sessions. A hibernating session counts: enqueueing is delivery.
    Delivered(Arc<[FullJid]>),
    /// It went on to where its `to` leads.
    Routed,
    /// It waits in offline storage.
    Stored,
    /// It was a request, and one of the emits is its answer.
    Answered,
    /// It came back to its sender with this error.
    Bounced(Condition),
    /// A layer or the host took it in; there is nothing to answer.
    Consumed,
    /// It went nowhere, and nobody is told.
    Dropped(Drop),
    /// It was an event, and everybody has heard it.
    Heard,
}

/// Why a stanza went nowhere in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Drop {
    /// An error or a result may not be answered with an error (RFC 6120 §8.3.1).
    Unanswerable,
    /// RFC 6121 §8 has it ignored: no session is meant by it.
    NobodyMeant,
    /// It answers a copy that we made; its sender must not hear of it (XEP-0280 §10.3).
    AnswerToCopy,
    /// It passed through too many hands: a loop.
    TooManyHops,
    /// A filter of the host's own refused it without an answer.
    Filtered,
    /// Its sender is gone, and so is who could be told.
    SenderGone,
}

/// A layer that panicked or failed and was stepped over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incident {
    /// The layer.
    pub layer: &'static str,
    /// Whether the original had already gone on.
    pub stage: Stage,
    /// Whether it panicked; otherwise it returned an error.
    pub panicked: bool,
    /// What it said.
    pub what: String,
}

/// When a layer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before it let the original go on: the original went on without it.
    Before,
    /// After: the outcome of the inner layers stands.
    After,
    /// While it was told of an event.
    Event,
}

impl Incident {
    /// A layer failed at this stage, and says so.
    pub fn new(layer: &'static str, stage: Stage, what: impl Into<String>) -> Self {
        Self {
            layer,
            stage,
            panicked: false,
            what: what.into(),
        }
    }
}

impl Outcome {
    /// An outcome without emits.
    pub fn of(original: Original) -> Self {
        Self {
            original,
            emits: Vec::new(),
            announced: Few::default(),
            incidents: Few::default(),
            settling: Few::default(),
        }
    }

    /// The original was a request, and this answers it.
    pub fn answered(answer: Stanza) -> Self {
        Self::of(Original::Answered).with(Emit::answer(answer))
    }

    /// The original is refused: an error goes back to its sender, unless it
    /// may not be answered (RFC 6120 §8.3.1).
    ///
    /// ```
    /// use tower_xmpp::flow::{Drop, Original, Outcome};
    /// use tower_xmpp::stanza::{Condition, Stanza, Type};
    ///
    /// let from: jid::Jid = "bob@b.example/x".parse()?;
    /// let message = Stanza::message().with_from(from);
    /// let refused = Outcome::refused(&message, Condition::ServiceUnavailable);
    /// assert_eq!(refused.original, Original::Bounced(Condition::ServiceUnavailable));
    ///
    /// let error = message.with_type(Type::Error);
    /// let refused = Outcome::refused(&error, Condition::ServiceUnavailable);
    /// assert_eq!(refused.original, Original::Dropped(Drop::Unanswerable));
    /// # Ok::<(), jid::Error>(())
    /// ```
    pub fn refused(original: &Stanza, error: impl Into<StanzaError>) -> Self {
        let error = error.into();
        match original.error_reply(&error) {
            Some(reply) => Self::of(Original::Bounced(error.condition)).with(Emit::answer(reply)),
            None => Self::dropped(Drop::Unanswerable),
        }
    }

    /// The original goes nowhere.
    pub fn dropped(why: Drop) -> Self {
        Self::of(Original::Dropped(why))
    }

    /// Adds an emit.
    pub fn with(mut self, emit: Emit) -> Self {
        self.emits.push(emit);
        self
    }
}
