//! A host of the world: what `host::Host` asks of a server.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use jid::{BareJid, FullJid, Jid};
use tower_service::Service;

use crate::flow::{Emit, Envelope, Incident, Outcome, PassId, What};
use crate::host::{Availability, Delivery, Host, Place, Router, Undelivered};
use crate::stanza::{Stanza, Time};

use super::faults::Injected;
use super::record::Happening;
use super::serve;
use super::state::{Core, Kept};

/// One host of a [`World`](super::World), as its stack sees it.
pub struct Server {
    core: Arc<Core>,
    index: usize,
}

/// What stands below the layers of a host: the router of this crate.
#[derive(Clone, Debug)]
pub struct Bottom {
    router: Router<Server>,
    server: Arc<Server>,
}

impl Server {
    pub(super) fn new(core: Arc<Core>, index: usize) -> Arc<Self> {
        Arc::new(Self { core, index })
    }
}

impl Bottom {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self {
            router: Router::new(server.clone()),
            server,
        }
    }
}

impl Service<Envelope> for Bottom {
    type Response = Outcome;
    type Error = Injected;
    type Future = BoxFuture<'static, Result<Outcome, Injected>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Injected>> {
        self.router.poll_ready(cx)
    }

    fn call(&mut self, envelope: Envelope) -> Self::Future {
        let mut bottom = self.clone();
        async move {
            let looping = bottom.notes(&envelope);
            let outcome = bottom.router.call(envelope).await?;
            Ok(match looping {
                Some(emit) => outcome.with(emit),
                None => outcome,
            })
        }
        .boxed()
    }
}

impl Bottom {
    /// Notes what is about to be routed. What is planted to loop is returned.
    fn notes(&self, envelope: &Envelope) -> Option<Emit> {
        let mut state = self.server.core.lock();
        // `Host::send` is not told which pass sends; the router sends when it
        // is first polled, which is next.
        state.hosts[self.server.index].sending = envelope.trail.pass;
        state.room_has_said(self.server.index, envelope);
        let stanza = envelope.as_stanza()?;
        state.looping(&envelope.route, stanza)
    }
}

impl Host for Server {
    type Error = Injected;

    fn place(&self, jid: &Jid) -> Place {
        let state = self.core.lock();
        let host = &state.hosts[self.index];
        let domain = &host.domain;
        match jid.node() {
            _ if host.has_rooms_at(jid.domain().as_str()) => Place::Room(jid.to_bare()),
            _ if *jid.domain() != **domain => Place::Elsewhere,
            None => Place::Server(domain.clone()),
            Some(_) => Place::Account(jid.to_bare()),
        }
    }

    fn sessions(&self, account: &BareJid) -> Vec<Availability> {
        self.core.lock().hosts[self.index].availability(account)
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        self.core.lock().deliver(self.index, delivery)
    }

    fn send(&self, _: Time, stanza: Stanza) {
        self.core.lock().send(self.index, stanza);
    }

    async fn serve(&self, envelope: Envelope) -> Result<Outcome, Injected> {
        Ok(serve::serve(&mut self.core.lock(), self.index, &envelope))
    }

    async fn keep_offline(
        &self,
        account: &BareJid,
        at: Time,
        stanza: &Stanza,
    ) -> Result<bool, Injected> {
        let mut state = self.core.lock();
        let Some(offline) = &mut state.offline else {
            return Ok(false);
        };
        offline.push(Kept {
            account: account.clone(),
            at,
            stanza: stanza.clone(),
        });
        Ok(true)
    }

    fn directed(&self, session: &FullJid, presence: &Stanza) {
        self.core.lock().directed(session, presence);
    }

    fn began(&self, pass: PassId, envelope: &Envelope) {
        let stanza = match &envelope.what {
            What::Stanza(stanza) => Some(stanza.clone()),
            What::Event(_) => None,
        };
        let what = Happening::Pass {
            host: self.index,
            route: envelope.route.clone(),
            hops: envelope.trail.hops,
            stanza,
            original: None,
        };
        let (at, trail) = (envelope.at, &envelope.trail);
        let record = &mut self.core.lock().record;
        record.pass_began(self.index, pass, at, trail, what);
    }

    fn ended(&self, pass: PassId, outcome: &Outcome) {
        let mut state = self.core.lock();
        state.hosts[self.index].sending = pass;
        state.record.pass_ended(self.index, pass, &outcome.original);
        state.incidents(self.index, pass, &outcome.incidents);
    }

    fn settled(&self, pass: PassId, incidents: &[Incident]) {
        let mut state = self.core.lock();
        state.incidents(self.index, pass, incidents);
    }

    fn broke(&self, pass: PassId, what: &(dyn std::error::Error + Send + Sync)) {
        let mut state = self.core.lock();
        state.broke(self.index, pass, None, what.to_string());
    }
}

impl super::state::State {
    fn incidents(&mut self, host: usize, pass: PassId, incidents: &[Incident]) {
        for incident in incidents {
            let what = format!("{} ({:?})", incident.what, incident.stage);
            self.broke(host, pass, Some(incident.layer), what);
        }
    }

    fn broke(&mut self, host: usize, pass: PassId, layer: Option<&'static str>, what: String) {
        let because = self.record.entry_of(host, pass);
        let what = Happening::Broke {
            host,
            what,
            expected: false,
        };
        self.record.add(self.now, because, layer, what);
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.index).finish()
    }
}
