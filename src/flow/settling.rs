use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Emit, Incident};

/// Something that a layer began during a pass and that outlives it, such as
/// the commit of what it stored.
///
/// The pass does not wait for it: the next stanza of the lane may pass. The
/// host does before it acknowledges the stanza; [`host::conduct`] sees to it
/// ([`Ticket::handled`]) and carries out what comes of it first.
///
/// [`host::conduct`]: crate::host::conduct
/// [`Ticket::handled`]: crate::host::Ticket::handled
#[derive(Clone)]
pub struct Settling(Arc<Mutex<Option<Work>>>);

type Work = Pin<Box<dyn Future<Output = Settled> + Send>>;

/// What came of a [`Settling`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settled {
    /// What is to be sent now, before the stanza is acknowledged. Only copies
    /// to sessions are there by then; what passes the stack has entered it.
    pub emits: Vec<Emit>,
    /// What went wrong.
    pub incidents: Vec<Incident>,
}

impl Settling {
    /// Settled when `future` resolves.
    pub fn new(future: impl Future<Output = Settled> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::pin(future)))))
    }

    /// The future, for whoever takes it first: outcomes are cloned, but what
    /// comes of this is carried out once.
    pub fn take(&self) -> Option<Pin<Box<dyn Future<Output = Settled> + Send>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Settling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settling")
    }
}
