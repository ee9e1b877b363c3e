use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use jid::BareJid;

use crate::flow::{
    Archived, Emit, Entity, Entropy, Envelope, Event, Incident, Outcome, Parts, Stage, What,
};
use crate::middleware::{Fault, Feature, Next, Shell, decided, panic_text, report};
use crate::stanza::{Kind, Stanza, Time, ns};

use super::rules::{self, Decision};
use super::{ArchiveStore, Direction, Row, Settings};

/// The layer of this module: [`Archive`] in its shell.
///
/// `ArchiveLayer::new(store, entropy)` has the defaults;
/// `ArchiveLayer::of(Archive::new(store, entropy)…)` takes options.
pub type ArchiveLayer = Shell<Archive>;

/// The feature of this module; its documentation has the rules.
pub struct Archive {
    store: Arc<dyn ArchiveStore>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
}

impl ArchiveLayer {
    /// The layer with its defaults: archives in `store`, IDs from `entropy`.
    pub fn new(store: Arc<dyn ArchiveStore>, entropy: Arc<dyn Entropy>) -> Self {
        Shell::of(Archive::new(store, entropy))
    }
}

impl Archive {
    /// The feature with its defaults: archives in `store`, IDs from `entropy`.
    pub fn new(store: Arc<dyn ArchiveStore>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            entropy,
            settings: Settings::default(),
        }
    }

    /// What is archived beyond what must be.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

impl Feature for Archive {
    fn name(&self) -> &'static str {
        NAME
    }

    #[inline]
    fn concerns(&self, envelope: &Envelope) -> bool {
        match (&envelope.what, rules::direction(&envelope.route)) {
            (What::Stanza(stanza), Some(direction)) => {
                stanza.kind() == Kind::Message && rules::may_concern(stanza, direction)
            }
            _ => false,
        }
    }

    /// Nothing here returns early with an error before the original goes on:
    /// the shell would let it go on as it came, forged IDs and all.
    async fn handle(self: Arc<Self>, mut envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let incident = self.archive(&mut envelope).await.err();
        let mut outcome = next.run(envelope).await?;
        if let Some(incident) = incident {
            report(&mut outcome, incident);
        }
        Ok(outcome)
    }

    async fn hear(self: Arc<Self>, _: Time, event: Event) -> Result<Vec<Emit>, Fault> {
        if let Event::AccountRemoved { account } = event {
            self.store.remove(&account).await?;
        }
        Ok(Vec::new())
    }

    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::Account(_) => vec![ns::SID.into()],
            _ => Vec::new(),
        }
    }
}

impl Archive {
    /// Cleanses the stanza; then, if it is to be archived, does so and makes
    /// that known: by a stamp inward, by the fact alone outward.
    async fn archive(&self, envelope: &mut Envelope) -> Result<(), Incident> {
        let Parts {
            at,
            what: What::Stanza(stanza),
            route,
            facts,
            ..
        } = &mut **envelope
        else {
            return Ok(());
        };
        let (Some(owner), Some(direction)) = (route.owner(), rules::direction(route)) else {
            return Ok(());
        };
        rules::cleanse(stanza, owner, direction);
        let decision = rules::decide(stanza, owner, direction, &self.settings);
        decided(NAME, &decision);
        let Decision::Archive(_) = decision else {
            return Ok(());
        };
        let id = rules::new_id(&*self.entropy);
        let owner = owner.to_bare();
        self.append(row(&owner, &id, *at, direction, stanza))
            .await?;
        if direction == Direction::Incoming {
            stanza.push(rules::stamp(&owner, &id));
        }
        facts.archived = Some(Archived { by: owner, id });
        Ok(())
    }

    /// A store that fails and one that panics are alike to the message.
    async fn append(&self, row: Row) -> Result<(), Incident> {
        let appended = AssertUnwindSafe(async { self.store.append(row).await })
            .catch_unwind()
            .await;
        match appended {
            Ok(Ok(_accepted)) => Ok(()),
            Ok(Err(error)) => Err(Incident::new(NAME, Stage::Before, with_sources(&error))),
            Err(panic) => {
                let mut incident = Incident::new(NAME, Stage::Before, panic_text(&*panic));
                incident.panicked = true;
                Err(incident)
            }
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

const NAME: &str = "archive";

fn row(owner: &BareJid, id: &str, at: Time, direction: Direction, stanza: &Stanza) -> Row {
    let with = match direction {
        Direction::Incoming => stanza.from(),
        Direction::Outgoing => stanza.to(),
    };
    // Without `from` it is the account's own server that speaks for it
    // (RFC 6120 §8.1.2.1).
    let with = with.cloned().unwrap_or_else(|| owner.clone().into());
    let wire = stanza.to_xml().into_bytes();
    let mut row = Row::new(owner.clone(), id, at, with, direction, wire);
    row.type_ = stanza.message_type();
    row.message_id = stanza.id().map(str::to_owned);
    row
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
