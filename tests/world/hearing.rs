//! A layer that writes down which events it hears.

use std::sync::{Arc, Mutex};

use tower_xmpp::flow::{Emit, Envelope, Event, Outcome};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::stanza::Time;

#[derive(Clone, Default)]
pub struct Hearing(Arc<Mutex<Vec<String>>>);

impl Hearing {
    pub fn layer(&self) -> Shell<Hearing> {
        Shell::of(self.clone())
    }

    /// What it has heard since it was asked last. Ticks are left out.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Feature for Hearing {
    fn name(&self) -> &'static str {
        "hearing"
    }

    fn concerns(&self, _: &Envelope) -> bool {
        false
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        next.run(envelope).await
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        let heard = match event {
            Event::SessionBound { session, enabled } => {
                format!("bound: {session} with {enabled:?}")
            }
            Event::SessionHibernating { session } => format!("hibernating: {session}"),
            Event::SessionResumed { session } => format!("resumed: {session}"),
            Event::SessionEnded { session, how } => format!("ended: {session}, {how:?}"),
            Event::ClientActive { session } => format!("active: {session}"),
            Event::ClientInactive { session } => format!("inactive: {session}"),
            Event::LinkLost { domain } => format!("link lost: {domain}"),
            Event::LinkBack { domain } => format!("link back: {domain}"),
            Event::Tick => return Ok(Vec::new()),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(heard);
        Ok(Vec::new())
    }
}
