//! A layer of your own, in one file: software version (XEP-0092).
//!
//! ```sh
//! cargo run --example custom_layer
//! ```
//!
//! Rules:
//!
//! 1. A version request to the server, or to no one in particular, is answered
//!    with our name and version (§3).
//! 2. A request to anybody else goes on: it is theirs to answer.
//! 3. The server announces `jabber:iq:version` (§4).

use std::borrow::Cow;
use std::sync::Arc;

use tower_layer::Layer;
use tower_service::Service;
use tower_xmpp::flow::{Entity, Envelope, Original, Outcome, Route};
use tower_xmpp::middleware::{Fault, Feature, Next, Shell};
use tower_xmpp::stanza::{Element, Stanza, Time, Type};

const VERSION: &str = "jabber:iq:version";

/// The feature: what it knows.
struct Version {
    name: &'static str,
    version: &'static str,
}

impl Version {
    /// Rules 1 and 2, as a plain function: no async, no Tower.
    fn answer(&self, request: &Stanza, server: &str) -> Option<Stanza> {
        let is_ours = request.to().is_none_or(|to| to.as_str() == server);
        if !is_ours || !request.is_type(&Type::Get) || !request.has_child("query", VERSION) {
            return None;
        }
        let field = |name, text| Element::new(name, VERSION).with_text(text);
        let query = Element::new("query", VERSION)
            .with_child(field("name", self.name))
            .with_child(field("version", self.version));
        Some(request.reply().with_child(query))
    }
}

impl Feature for Version {
    fn name(&self) -> &'static str {
        "version"
    }

    // Asked for every stanza of the server: a look at the head, no more.
    fn concerns(&self, envelope: &Envelope) -> bool {
        envelope
            .as_stanza()
            .is_some_and(|stanza| stanza.is_request() && stanza.mentions(VERSION))
    }

    async fn handle(self: Arc<Self>, envelope: Envelope, next: Next) -> Result<Outcome, Fault> {
        let answer = match (&envelope.route, envelope.as_stanza()) {
            (Route::FromSession(session), Some(request)) => {
                self.answer(request, session.domain().as_str())
            }
            _ => None,
        };
        match answer {
            Some(answer) => Ok(Outcome::answered(answer)),
            None => next.run(envelope).await,
        }
    }

    // Rule 3: the shell adds it to the host's disco#info results.
    fn announces(&self, entity: &Entity) -> Vec<Cow<'static, str>> {
        match entity {
            Entity::Server(_) => vec![VERSION.into()],
            _ => Vec::new(),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layer = Shell::of(Version {
        name: "example",
        version: env!("CARGO_PKG_VERSION"),
    });
    // The rest of a stack; here, one that only says what reaches it.
    let mut stack = layer.layer(tower::service_fn(|envelope: Envelope| async move {
        let stanza = envelope.as_stanza().map(Stanza::to_xml);
        println!("goes on:  {}", stanza.unwrap_or_default());
        Ok::<_, std::convert::Infallible>(Outcome::of(Original::Routed))
    }));

    for to in ["a.example", "bob@b.example/desk"] {
        let xml = format!(
            "<iq type='get' id='v1' from='alice@a.example/phone' to='{to}'>\
             <query xmlns='{VERSION}'/></iq>"
        );
        let route = Route::FromSession("alice@a.example/phone".parse()?);
        let request = Envelope::stanza(Time::from_secs(0), route, Stanza::parse(xml.as_bytes())?);
        let outcome = futures::executor::block_on(stack.call(request))?;
        for emit in outcome.emits {
            println!("answered: {}", emit.stanza.to_xml());
        }
    }
    Ok(())
}
