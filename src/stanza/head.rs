//! The typed head: what the start tag of a stanza says, but for `to`, in which
//! the copies of one message differ: they share all the rest.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use jid::Jid;

use super::out::Out;
use super::types::{Kind, Type};
use super::{escape, ns};

/// Kind and attributes, parsed once and authoritative from then on.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) type_: Option<Type>,
    pub(super) from: Option<Address>,
    pub(super) id: Option<String>,
    pub(super) lang: Option<String>,
    pub(super) others: Vec<Attribute>,
}

/// An address, or the text that should have been one.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Jid(Jid),
    Faulty(Box<str>),
}

/// The recipient of a stanza.
#[derive(Clone, Debug)]
pub(super) enum To {
    /// Set by us: most such stanzas are written before anybody clones them.
    Own(Address),
    /// Read: clones share it.
    Shared(Arc<Address>),
}

/// An attribute that RFC 6120 does not define.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) namespace: Option<Box<str>>,
    pub(super) name: Box<str>,
    pub(super) value: Box<str>,
}

impl Deref for To {
    type Target = Address;

    fn deref(&self) -> &Address {
        match self {
            To::Own(address) => address,
            To::Shared(address) => address,
        }
    }
}

impl Address {
    pub(super) fn parse(text: &str) -> Self {
        match Jid::new(text) {
            Ok(jid) => Address::Jid(jid),
            Err(_) => Address::Faulty(text.into()),
        }
    }

    pub(super) fn jid(&self) -> Option<&Jid> {
        match self {
            Address::Jid(jid) => Some(jid),
            Address::Faulty(_) => None,
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Address::Jid(jid) => jid.as_str(),
            Address::Faulty(text) => text,
        }
    }

    fn write(&self, out: &mut impl Out) {
        match self {
            // Local part and domain hold nothing that XML cares about
            // (RFC 7622 §3.3.1).
            Address::Jid(jid) => match jid.resource() {
                Some(resource) if !escape::is_plain(resource.as_str()) => {
                    escape::attribute(jid.as_str(), out);
                }
                _ => out.put(jid.as_str()),
            },
            Address::Faulty(text) => escape::attribute(text, out),
        }
    }
}

impl Head {
    pub(super) fn new(kind: Kind) -> Self {
        Head {
            kind,
            type_: None,
            from: None,
            id: None,
            lang: None,
            others: Vec::new(),
        }
    }

    /// Takes an attribute as it was read; `to` goes there.
    pub(super) fn read_attribute(
        &mut self,
        to: &mut Option<Address>,
        namespace: Option<&str>,
        name: &str,
        value: Cow<'_, str>,
    ) {
        match (namespace, name) {
            (None, "type") => self.type_ = Some(Type::from(value.as_ref())),
            (None, "to") => *to = Some(Address::parse(&value)),
            (None, "from") => self.from = Some(Address::parse(&value)),
            (None, "id") => self.id = Some(value.into_owned()),
            (Some(ns::XML), "lang") => self.lang = Some(value.into_owned()),
            _ => self.others.push(Attribute {
                namespace: namespace.map(Into::into),
                name: name.into(),
                value: value.into(),
            }),
        }
    }

    /// Writes the start tag without its end, and without `to`: that comes
    /// last, so that one text serves many recipients.
    pub(super) fn write_without_to(&self, namespace: Option<&str>, out: &mut impl Out) {
        out.put(match self.kind {
            Kind::Message => "<message",
            Kind::Presence => "<presence",
            Kind::Iq => "<iq",
        });
        match namespace {
            None => {}
            // What every forwarded message says, in one piece.
            Some(ns::CLIENT) => out.put(" xmlns='jabber:client'"),
            Some(other) => {
                out.put(" xmlns='");
                out.put(other);
                out.put("'");
            }
        }
        if let Some(from) = &self.from {
            out.put(" from='");
            from.write(out);
            out.put("'");
        }
        if let Some(id) = &self.id {
            out.put(" id='");
            escape::attribute(id, out);
            out.put("'");
        }
        if let Some(type_) = &self.type_ {
            out.put(" type='");
            match type_ {
                Type::Other(text) => escape::attribute(text, out),
                known => out.put(known.as_str()),
            }
            out.put("'");
        }
        if let Some(lang) = &self.lang {
            out.put(" xml:lang='");
            escape::attribute(lang, out);
            out.put("'");
        }
        for (at, other) in self.others.iter().enumerate() {
            match other.namespace.as_deref() {
                None => escape::push_attribute(&other.name, &other.value, out),
                Some(ns::XML) => {
                    escape::push_attribute(&format!("xml:{}", other.name), &other.value, out);
                }
                // A prefix of its own for each is longer but always right.
                Some(uri) => {
                    escape::push_attribute(&format!("xmlns:a{at}"), uri, out);
                    escape::push_attribute(&format!("a{at}:{}", other.name), &other.value, out);
                }
            }
        }
    }

    pub(super) fn write(&self, to: Option<&Address>, namespace: Option<&str>, out: &mut impl Out) {
        self.write_without_to(namespace, out);
        if let Some(to) = to {
            out.put(" to='");
            to.write(out);
            out.put("'");
        }
    }

    /// About how long the tags are, short of escapes.
    pub(super) fn len_estimate(&self, to: Option<&Address>) -> usize {
        // Tag names, `xmlns='jabber:client'`, the known attributes' names.
        const FRAME: usize = 96;
        let address = |address: Option<&Address>| address.map_or(0, |a| a.as_str().len());
        let others = self.others.iter().map(|other| {
            other.name.len()
                + other.value.len()
                + other.namespace.as_ref().map_or(8, |uri| uri.len() + 24)
        });
        FRAME
            + address(self.from.as_ref())
            + address(to)
            + self.id.as_ref().map_or(0, String::len)
            + self.lang.as_ref().map_or(0, String::len)
            + others.sum::<usize>()
    }
}
