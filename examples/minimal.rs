//! The smallest host: a stack over sessions that print what they get.
//!
//! ```sh
//! cargo run --example minimal
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use jid::{BareJid, FullJid, Jid};
use tower::ServiceBuilder;
use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::flow::{Envelope, Event, Outcome, Route};
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::host::{Availability, Delivery, Host, Place, Router, Undelivered, conduct};
use tower_xmpp::stanza::{Condition, Stanza, Time, ns};
use tower_xmpp::store::MemoryArchive;

/// A server of one domain whose sessions are known from the start.
struct Hall {
    domain: &'static str,
    sessions: BTreeMap<FullJid, i8>,
}

// Step 1: what the stack asks the host.
impl Host for Hall {
    type Error = Infallible;

    fn place(&self, jid: &Jid) -> Place {
        match jid.node() {
            _ if jid.domain().as_str() != self.domain => Place::Elsewhere,
            Some(_) => Place::Account(jid.to_bare()),
            None => Place::Server(jid.domain().to_owned()),
        }
    }

    fn sessions(&self, account: &BareJid) -> Vec<Availability> {
        self.sessions
            .iter()
            .filter(|(session, _)| session.to_bare() == *account)
            .map(|(session, priority)| Availability {
                session: session.clone(),
                priority: Some(*priority),
            })
            .collect()
    }

    // A server puts it into the session's outbox; it never waits here.
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        println!("{} gets {}", delivery.session, delivery.stanza.to_xml());
        Ok(())
    }

    fn send(&self, _: Time, stanza: Stanza) {
        println!("to another server: {}", stanza.to_xml());
    }

    // A server answers discovery, roster and so on here.
    async fn serve(&self, envelope: Envelope) -> Result<Outcome, Infallible> {
        let stanza = envelope.as_stanza().expect("only stanzas are served");
        Ok(Outcome::refused(stanza, Condition::ServiceUnavailable))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let phone: FullJid = "alice@a.example/phone".parse()?;
    let desk: FullJid = "alice@a.example/desk".parse()?;
    let hall = Arc::new(Hall {
        domain: "a.example",
        sessions: BTreeMap::from([(phone, 5), (desk.clone(), 0)]),
    });

    // Step 2: the layers, and the router at the bottom.
    let entropy = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system has randomness");
    let store = Arc::new(MemoryArchive::default());
    let stack = ServiceBuilder::new()
        .layer(ArchiveLayer::new(store, Arc::new(entropy))) // once, before it is copied
        .layer(ForkLayer::new()) // so copies bear the archive ID
        .service(Router::new(hall.clone()));

    // Step 3: on whatever runtime.
    let (conductor, drivers) = conduct(stack, hall, Default::default());
    let drivers: Vec<_> = drivers.into_iter().map(tokio::spawn).collect();

    // Step 4: everything enters here. The desk has switched carbons on …
    let now = Time::from(std::time::SystemTime::now());
    let bound = Event::SessionBound {
        session: desk,
        enabled: vec![ns::CARBONS.to_owned()],
    };
    conductor.post(Envelope::event(now, bound));
    // … and a message arrives from another server.
    let message = Stanza::parse(
        b"<message from='bob@b.example/x' to='alice@a.example' type='chat'>\
          <body>hi</body></message>",
    )?;
    let to_alice = Route::ToAccount("alice@a.example".parse()?);
    let outcome = conductor
        .enter(Envelope::stanza(now, to_alice, message))
        .await?;
    println!("{:?}", outcome.original);

    conductor.close();
    for driver in drivers {
        driver.await?;
    }
    Ok(())
}
