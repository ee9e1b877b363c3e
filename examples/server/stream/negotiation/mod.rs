//! How a client gets from its first byte to a session (RFC 6120 §4.3): open
//! the stream, secure it, log in, open it anew, bind a resource or resume a
//! session; or all in one go, with SASL2. Pure but for the accounts it asks:
//! frames go in, what to do comes out.

mod login;

use std::borrow::Cow;
use std::sync::Arc;

use jid::{BareJid, ResourcePart};
use tower_xmpp::fork;
use tower_xmpp::stanza::{
    Condition, Element, ElementRef, Frame, RawXml, Stanza, StreamHeader, Type, ns,
};

use super::super::accounts::Accounts;
use super::super::random;
use super::super::sasl::{MECHANISMS, Success};
use super::framing::Framing;
use super::sasl2::{self, Wishes};
use super::words::Fault;
use login::Attempt;
pub use login::{Judged, Proof};

/// How often one stream may fail to log in (RFC 6120 §6.4.5: between two and
/// five).
const TRIES: u8 = 3;

pub struct Negotiation {
    accounts: Arc<Accounts>,
    domain: BareJid,
    framing: Framing,
    tls: Tls,
    phase: Phase,
    /// Who the client says it is, in the stream's header.
    from: Option<String>,
    tries: u8,
    is_open: bool,
    forking: fork::Negotiation,
    has_archives: bool,
}

/// What a stream has to do with TLS (RFC 6120 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// There is none to offer, or it is on already.
    Done,
    /// The client may secure the stream.
    Offered,
    /// It must, before it logs in.
    Required,
}

enum Phase {
    Anonymous(Option<Attempt>),
    Authenticated(BareJid),
}

/// What to do about a frame. All words are elements on their own.
pub enum Next {
    /// Write this and read on.
    Say(Vec<String>),
    /// Write this, then expect a new stream (RFC 6120 §6.4.6).
    SayAndRestart(String),
    /// Write this, then speak TLS.
    Secure(String),
    /// Work this out, and tell by [`Negotiation::judged`] what came of it.
    Judge(Proof),
    /// Make a session and answer the request with [`bound`].
    Bind(Binding),
    /// Go on with a session of this account (XEP-0198 §5).
    Resume(BareJid, Resumption),
    /// The client has logged in by SASL2: do what it wishes, and say so.
    Welcome(Welcome),
    /// The client has closed the stream.
    Close,
    /// End the stream; say this first.
    Fail(Option<String>, Fault),
}

/// A request to bind a resource (RFC 6120 §7).
#[derive(Debug)]
pub struct Binding {
    pub account: BareJid,
    pub resource: ResourcePart,
    pub request: Stanza,
}

/// A request to go on with an earlier session.
#[derive(Debug, PartialEq, Eq)]
pub struct Resumption {
    pub id: String,
    /// How many of our stanzas the client has.
    pub h: u32,
}

/// A login by SASL2 has succeeded.
#[derive(Debug)]
pub struct Welcome {
    pub success: Success,
    pub wishes: Wishes,
}

impl Negotiation {
    pub fn new(accounts: Arc<Accounts>, framing: Framing, tls: Tls) -> Self {
        Self {
            domain: accounts.domain().clone(),
            accounts,
            framing,
            tls,
            phase: Phase::Anonymous(None),
            from: None,
            tries: TRIES,
            is_open: false,
            forking: fork::Negotiation::new(),
            has_archives: false,
        }
    }

    /// Whether there are archives that clients may ask about while they bind.
    pub fn archives(&mut self, are_there: bool) {
        self.has_archives = are_there;
    }

    /// What the client has asked for of how messages fork.
    pub fn forking(&mut self) -> &mut fork::Negotiation {
        &mut self.forking
    }

    /// Whether our own header is out, so that a stream error may follow.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Our header, for a stream that fails before the client's was understood
    /// (RFC 6120 §4.9.1.1).
    pub fn header(&mut self) -> String {
        self.is_open = true;
        self.framing.open(self.domain.as_str(), &random::id())
    }

    /// The features of a stream that has a session.
    pub fn features_of_session(&self) -> String {
        self.framing.features(IN_SESSION)
    }

    pub fn take(&mut self, frame: Frame) -> Next {
        match frame {
            Frame::Open(header) => self.open(&header),
            Frame::Close => Next::Close,
            Frame::Nonza(element) => self.nonza(&element),
            Frame::Stanza(stanza) => self.stanza(stanza),
            _ => Next::Fail(None, Fault::UnsupportedStanzaType),
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
            Next::Fail(Some(said), Fault::InvalidNamespace)
        } else if !to_us {
            Next::Fail(Some(said), Fault::HostUnknown)
        } else if !is_current {
            Next::Fail(Some(said), Fault::UnsupportedVersion)
        } else {
            self.from.clone_from(&header.from);
            Next::Say(vec![said, self.features()])
        }
    }

    /// What the stream offers now.
    pub fn features(&self) -> String {
        self.framing.features(&self.offers())
    }

    fn offers(&self) -> String {
        let mechanisms = || -> String {
            MECHANISMS
                .iter()
                .map(|mechanism| format!("<mechanism>{}</mechanism>", mechanism.name()))
                .collect()
        };
        match (&self.phase, self.tls) {
            (Phase::Anonymous(_), Tls::Required) => {
                format!("<starttls xmlns='{}'><required/></starttls>", ns::TLS)
            }
            (Phase::Anonymous(_), tls) => {
                let offer = match tls {
                    Tls::Offered => format!("<starttls xmlns='{}'/>", ns::TLS),
                    _ => String::new(),
                };
                let mechanisms = mechanisms();
                let sasl2 = sasl2::offer(&mechanisms, self.has_archives);
                let sasl = ns::SASL;
                format!("{offer}<mechanisms xmlns='{sasl}'>{mechanisms}</mechanisms>{sasl2}")
            }
            // Deliberately without the session feature of RFC 3921: clients
            // that see it wait for it. It is answered all the same.
            (Phase::Authenticated(_), _) => {
                let forking = fork::Negotiation::features();
                let forking: String = forking.iter().map(RawXml::as_str).collect();
                format!("<bind xmlns='{}'/>{IN_SESSION}{forking}", ns::BIND)
            }
        }
    }

    fn nonza(&mut self, element: &Element) -> Next {
        match &mut self.phase {
            Phase::Anonymous(_) if element.has_ns(ns::SASL) => self.classic(element),
            Phase::Anonymous(_) if element.has_ns(ns::SASL2) => self.sasl2(element),
            Phase::Anonymous(None) if element.is("starttls", ns::TLS) && self.tls != Tls::Done => {
                self.tls = Tls::Done;
                self.is_open = false;
                Next::Secure(format!("<proceed xmlns='{}'/>", ns::TLS))
            }
            Phase::Authenticated(account) if element.is("resume", ns::SM) => {
                Next::Resume(account.clone(), Resumption::read(element.view()))
            }
            // XEP-0198 §3, §5: first there must be a session, or at least a login.
            _ if element.is("enable", ns::SM) || element.is("resume", ns::SM) => {
                Next::Say(vec![super::acks::failed("unexpected-request", None)])
            }
            Phase::Authenticated(_) => match self.forking.nonza(element.view()) {
                Some(answer) => Next::Say(vec![answer.as_str().to_owned()]),
                None => Next::Fail(None, Fault::UnsupportedStanzaType),
            },
            // RFC 6120 §4.9.3.12
            Phase::Anonymous(_) => Next::Fail(None, Fault::NotAuthorized),
        }
    }

    fn stanza(&mut self, stanza: Stanza) -> Next {
        let Phase::Authenticated(account) = &self.phase else {
            return Next::Fail(None, Fault::NotAuthorized);
        };
        let Some(bind) = stanza
            .child("bind", ns::BIND)
            .filter(|_| stanza.is_type(&Type::Set))
        else {
            return Next::Fail(None, Fault::NotAuthorized);
        };
        let wish = bind.child("resource", ns::BIND).map(ElementRef::text);
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
            Err(_) => Next::Say(vec![refused(&stanza, Condition::BadRequest, self.framing)]),
        }
    }
}

/// What a client may do that has a session: stream management, client state
/// indication, and ask for a roster that it does not have yet (RFC 6121 §2.6.1).
const IN_SESSION: &str = "<sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/>\
                          <ver xmlns='urn:xmpp:features:rosterver'/>";

impl Resumption {
    /// Reads `<resume/>`. What is none names no session.
    pub fn read(resume: ElementRef<'_>) -> Self {
        let h = resume.attr("h").and_then(|h| h.trim().parse().ok());
        match (resume.attr("previd"), h) {
            (Some(id), Some(h)) => Self { id: id.into(), h },
            _ => Self {
                id: String::new(),
                h: 0,
            },
        }
    }
}

/// The answer to a request that was granted.
pub fn bound(request: &Stanza, session: &jid::FullJid) -> Stanza {
    let jid = Element::new("jid", ns::BIND).with_text(session.as_str());
    let bind = Element::new("bind", ns::BIND).with_child(jid);
    Stanza::iq(Type::Result, request.id().unwrap_or_default()).with_child(bind)
}

/// The answer to a request that was not granted.
pub fn refused(request: &Stanza, condition: Condition, framing: Framing) -> String {
    let Some(reply) = request.error_reply(&condition.into()) else {
        return String::new();
    };
    let mut words = vec![];
    reply.write(&mut words, framing.form());
    String::from_utf8(words).unwrap_or_default()
}
