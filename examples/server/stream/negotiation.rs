//! How a client gets from its first byte to a session (RFC 6120 §4.3): open
//! the stream, log in, open it anew, bind a resource. Pure but for the
//! accounts it asks: frames go in, what to do comes out.

use std::borrow::Cow;
use std::sync::Arc;

use jid::{BareJid, NodeRef, ResourcePart};
use tower_xmpp::stanza::{Condition, Element, ElementRef, Frame, Stanza, StreamHeader, Type, ns};
use tracing::info;

use super::super::accounts::Accounts;
use super::super::random;
use super::super::sasl::{self, Exchange, Failure, MECHANISMS, Mechanism, Refused, Step};
use super::words::{Fault, escape};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

/// How often one stream may fail to log in (RFC 6120 §6.4.5: between two and
/// five).
const TRIES: u8 = 3;

pub struct Negotiation {
    accounts: Arc<Accounts>,
    domain: BareJid,
    phase: Phase,
    tries: u8,
    is_open: bool,
}

enum Phase {
    Anonymous(Option<Exchange>),
    Authenticated(BareJid),
}

/// What to do about a frame.
#[derive(Debug)]
pub enum Next {
    /// Write this and read on.
    Say(String),
    /// Write this, then expect a new stream (RFC 6120 §6.4.6).
    SayAndRestart(String),
    /// Make a session and answer the request with [`bound`].
    Bind(Binding),
    /// The client has closed the stream.
    Close,
    /// End the stream; say this first.
    Fail(String, Fault),
}

/// A request to bind a resource (RFC 6120 §7).
#[derive(Debug)]
pub struct Binding {
    pub account: BareJid,
    pub resource: ResourcePart,
    pub request: Stanza,
}

impl Negotiation {
    pub fn new(accounts: Arc<Accounts>) -> Self {
        Self {
            domain: accounts.domain().clone(),
            accounts,
            phase: Phase::Anonymous(None),
            tries: TRIES,
            is_open: false,
        }
    }

    /// Whether our own header is out, so that a stream error may follow.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Our header, for a stream that fails before the client's was understood
    /// (RFC 6120 §4.9.1.1).
    pub fn header(&mut self) -> String {
        self.is_open = true;
        format!(
            "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' \
             from='{}' id='{}' version='1.0' xml:lang='en'>",
            ns::CLIENT,
            ns::STREAMS,
            escape(self.domain.as_str()),
            random::id(),
        )
    }

    /// Checking a password takes milliseconds of computing: call it where
    /// nobody waits for the thread.
    pub fn take(&mut self, frame: Frame) -> Next {
        match frame {
            Frame::Open(header) => self.open(&header),
            Frame::Close => Next::Close,
            Frame::Nonza(element) => self.nonza(&element),
            Frame::Stanza(stanza) => self.stanza(stanza),
            _ => Next::Fail(String::new(), Fault::UnsupportedStanzaType),
        }
    }

    fn open(&mut self, header: &StreamHeader) -> Next {
        let said = self.header();
        let to_us = header
            .to
            .as_deref()
            .is_none_or(|to| BareJid::new(to).is_ok_and(|to| to == self.domain));
        // RFC 6120 §4.7.5: what is absent is 0.9.
        let major = header
            .version
            .as_deref()
            .and_then(|version| version.split('.').next());
        let is_current = major
            .and_then(|major| major.parse::<u32>().ok())
            .is_some_and(|major| major >= 1);
        if header.content != ns::CLIENT {
            Next::Fail(said, Fault::InvalidNamespace)
        } else if !to_us {
            Next::Fail(said, Fault::HostUnknown)
        } else if !is_current {
            Next::Fail(said, Fault::UnsupportedVersion)
        } else {
            Next::Say(said + &self.features())
        }
    }

    fn features(&self) -> String {
        match &self.phase {
            Phase::Anonymous(_) => {
                let mechanisms: String = MECHANISMS
                    .iter()
                    .map(|mechanism| format!("<mechanism>{}</mechanism>", mechanism.name()))
                    .collect();
                format!(
                    "<stream:features><mechanisms xmlns='{SASL}'>{mechanisms}</mechanisms>\
                     </stream:features>"
                )
            }
            // Deliberately without the session feature of RFC 3921: clients
            // that see it wait for it. It is answered all the same.
            Phase::Authenticated(_) => {
                format!("<stream:features><bind xmlns='{BIND}'/></stream:features>")
            }
        }
    }

    fn nonza(&mut self, element: &Element) -> Next {
        let Phase::Anonymous(exchange) = &mut self.phase else {
            return Next::Fail(String::new(), Fault::UnsupportedStanzaType);
        };
        let element = element.view();
        let step = if element.is("auth", SASL) {
            begin(element.attr("mechanism"), &element.text())
        } else if element.is("response", SASL) {
            match (exchange.take(), sasl::decode(&element.text())) {
                (Some(exchange), Ok(data)) => Ok((exchange, Some(data.unwrap_or_default()))),
                (None, _) => Err(Failure::MalformedRequest),
                (_, Err(failure)) => Err(failure),
            }
        } else if element.is("abort", SASL) {
            Err(Failure::Aborted)
        } else {
            // RFC 6120 §4.9.3.12
            return Next::Fail(String::new(), Fault::NotAuthorized);
        };
        *exchange = None;
        let step = step.map_err(Refused::from);
        let step = step.and_then(|(exchange, data)| match data {
            Some(data) => exchange.respond(&data, &self.accounts, &random::id()),
            None => Ok(Step::Challenge(exchange, vec![])),
        });
        self.step(step)
    }

    fn step(&mut self, step: Result<Step, Refused>) -> Next {
        match step {
            Ok(Step::Challenge(exchange, challenge)) => {
                self.phase = Phase::Anonymous(Some(exchange));
                let challenge = sasl::encode(&challenge);
                Next::Say(format!("<challenge xmlns='{SASL}'>{challenge}</challenge>"))
            }
            Ok(Step::Success(success)) => {
                self.phase = Phase::Authenticated(success.account);
                let data = success.data.map(|data| sasl::encode(&data));
                let data = data.unwrap_or_default();
                Next::SayAndRestart(format!("<success xmlns='{SASL}'>{data}</success>"))
            }
            Err(Refused { failure, name }) => {
                self.tries -= 1;
                info!(name = name.as_deref().map(NodeRef::as_str), %failure, "login failed");
                let failure = format!("<failure xmlns='{SASL}'><{failure}/></failure>");
                match self.tries {
                    0 => Next::Fail(failure, Fault::TooManyTries),
                    _ => Next::Say(failure),
                }
            }
        }
    }

    fn stanza(&mut self, stanza: Stanza) -> Next {
        let Phase::Authenticated(account) = &self.phase else {
            return Next::Fail(String::new(), Fault::NotAuthorized);
        };
        let Some(bind) = stanza
            .child("bind", BIND)
            .filter(|_| stanza.is_type(&Type::Set))
        else {
            return Next::Fail(String::new(), Fault::NotAuthorized);
        };
        let wish = bind.child("resource", BIND).map(ElementRef::text);
        let resource = match wish.as_deref() {
            None | Some("") => ResourcePart::new(&random::id()).map(Cow::into_owned),
            Some(wish) => ResourcePart::new(wish).map(Cow::into_owned),
        };
        match resource {
            Ok(resource) => Next::Bind(Binding {
                account: account.clone(),
                resource,
                request: stanza,
            }),
            // RFC 6120 §7.7.2.1
            Err(_) => Next::Say(refused(&stanza, Condition::BadRequest)),
        }
    }
}

/// The answer to a request that was granted.
pub fn bound(request: &Stanza, session: &jid::FullJid) -> Stanza {
    let jid = Element::new("jid", BIND).with_text(session.as_str());
    let bind = Element::new("bind", BIND).with_child(jid);
    Stanza::iq(Type::Result, request.id().unwrap_or_default()).with_child(bind)
}

/// The answer to a request that was not granted.
pub fn refused(request: &Stanza, condition: Condition) -> String {
    request
        .error_reply(&condition.into())
        .map(|reply| reply.to_xml())
        .unwrap_or_default()
}

fn begin(mechanism: Option<&str>, text: &str) -> Result<(Exchange, Option<Vec<u8>>), Failure> {
    let mechanism = Mechanism::named(mechanism.unwrap_or_default())?;
    Ok((Exchange::begin(mechanism), sasl::decode(text)?))
}
