//! The way out: stanzas as bytes.

use std::borrow::Cow;
use std::sync::Arc;

use jid::Jid;

use super::out::{Count, Out};
use super::raw::RawXml;
use super::types::Kind;
use super::{Stanza, escape, ns};

/// Where the written stanza is going to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// On a stream whose default namespace is the content namespace, whichever
    /// that is: nothing is declared.
    Stream,
    /// On its own or in a WebSocket frame: `xmlns='jabber:client'` is written.
    Standalone,
    /// With this default namespace.
    Namespace(&'static str),
}

impl Form {
    fn namespace(self) -> Option<&'static str> {
        match self {
            Form::Stream => None,
            Form::Standalone => Some(ns::CLIENT),
            Form::Namespace(namespace) => Some(namespace),
        }
    }
}

impl Stanza {
    /// Appends the stanza's bytes. Children are copied as they came.
    pub fn write(&self, out: &mut Vec<u8>, form: Form) {
        out.reserve(self.len_estimate());
        self.write_to(out, form.namespace());
    }

    /// The stanza on its own, [`Form::Standalone`].
    pub fn to_xml(&self) -> String {
        let mut text = String::with_capacity(self.standalone_estimate());
        self.write_to(&mut text, Some(ns::CLIENT));
        text
    }

    /// Appends the stanza's bytes as they would be without its `to`: equal for all
    /// to whom one message or presence is sent.
    ///
    /// ```
    /// use tower_xmpp::stanza::{Form, Stanza};
    ///
    /// let [alice, carol] = ["alice@a.example", "carol@a.example"].map(|to| {
    ///     let to: jid::Jid = to.parse().expect("a JID");
    ///     let mut wire = Vec::new();
    ///     let shown = Stanza::presence().with_to(to).with_id("1");
    ///     shown.write_without_to(&mut wire, Form::Stream);
    ///     wire
    /// });
    /// assert_eq!(alice, carol);
    /// assert_eq!(alice, b"<presence id='1'/>");
    /// ```
    pub fn write_without_to(&self, out: &mut Vec<u8>, form: Form) {
        out.reserve(self.len_estimate());
        self.head.write_without_to(form.namespace(), out);
        self.write_contents(out);
    }

    /// The stanza as a child of `<forwarded/>`, in `jabber:client` whatever
    /// stream it came on (XEP-0297 §3.1).
    pub fn as_raw(&self) -> RawXml {
        RawXml::trusted(self.to_xml(), self.kind().as_str().len(), ns::CLIENT.into())
    }

    /// The same inside other elements, the outermost first: what a carbon
    /// copy carries (XEP-0280 §7), built in one go.
    ///
    /// ```
    /// use tower_xmpp::stanza::{Stanza, ns};
    ///
    /// let message = Stanza::message().with_text_child("body", "hi");
    /// let received = message.as_raw_in(&[("received", ns::CARBONS), ("forwarded", ns::FORWARD)]);
    /// assert_eq!(
    ///     received.as_str(),
    ///     "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
    ///      <message xmlns='jabber:client'><body>hi</body></message></forwarded></received>",
    /// );
    /// ```
    #[inline]
    pub fn as_raw_in(&self, around: &[(&'static str, &'static str)]) -> RawXml {
        let Some((name, namespace)) = around.first() else {
            return self.as_raw();
        };
        // Two tags of a short name and a namespace; should they be longer, the
        // text grows.
        const TAGS: usize = 64;
        let mut text = String::with_capacity(self.standalone_estimate() + TAGS * around.len());
        for (name, namespace) in around {
            text.put("<");
            text.put(name);
            text.put(" xmlns='");
            text.put(namespace);
            text.put("'>");
        }
        self.write_to(&mut text, Some(ns::CLIENT));
        for (name, _) in around.iter().rev() {
            text.put("</");
            text.put(name);
            text.put(">");
        }
        RawXml::trusted(text, name.len(), Cow::Borrowed(namespace))
    }

    /// Length of the stream form in bytes.
    pub fn wire_len(&self) -> usize {
        let mut count = Count(0);
        self.write_to(&mut count, None);
        count.0
    }

    /// The stream form in two shared halves around the value of `to`, for
    /// one message to many recipients. The stanza's own `to` plays no part.
    pub fn split_at_to(&self) -> Split {
        let mut text = String::new();
        self.head.write_without_to(None, &mut text);
        text.push_str(" to='");
        let head: Arc<[u8]> = text.as_bytes().into();
        text.clear();
        text.push('\'');
        self.write_contents(&mut text);
        Split {
            head,
            tail: text.as_bytes().into(),
        }
    }

    pub(super) fn write_to(&self, out: &mut impl Out, namespace: Option<&str>) {
        self.head.write(self.to.as_deref(), namespace, out);
        self.write_contents(out);
    }

    /// What a buffer needs, short of escapes.
    pub(super) fn len_estimate(&self) -> usize {
        let contents = match (&self.body, &self.edits) {
            (Some(body), None) => body.text.len(),
            _ => self.chunks().map(str::len).sum(),
        };
        self.head.len_estimate(self.to.as_deref()) + contents
    }

    fn standalone_estimate(&self) -> usize {
        self.len_estimate() + " xmlns='jabber:client'".len()
    }

    fn write_contents(&self, out: &mut impl Out) {
        // A body is never empty, so only edits can leave nothing.
        let empty = match &self.edits {
            None => self.body.is_none(),
            Some(_) => self.chunks().all(str::is_empty),
        };
        if empty {
            return out.put("/>");
        }
        out.put(">");
        match (&self.body, &self.edits) {
            (Some(body), None) => out.put(&body.text),
            _ => self.chunks().for_each(|chunk| out.put(chunk)),
        }
        out.put(match self.kind() {
            Kind::Message => "</message>",
            Kind::Presence => "</presence>",
            Kind::Iq => "</iq>",
        });
    }
}

/// A stanza's stream form around the value of its `to`. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Split {
    /// Up to and including `to='`.
    pub head: Arc<[u8]>,
    /// From the closing quote on.
    pub tail: Arc<[u8]>,
}

impl Split {
    /// Appends the whole stanza, addressed to `to`.
    pub fn write_for(&self, to: &Jid, out: &mut Vec<u8>) {
        let mut escaped = String::new();
        let value = Split::value(to, &mut escaped);
        out.reserve(self.head.len() + value.len() + self.tail.len());
        for slice in self.slices(value) {
            out.extend_from_slice(slice);
        }
    }

    /// The three parts, for a vectored write. `value` is [`Split::value`] of
    /// the recipient.
    pub fn slices<'a>(&'a self, value: &'a str) -> [&'a [u8]; 3] {
        [&self.head, value.as_bytes(), &self.tail]
    }

    /// A recipient as an attribute value: the JID's own text, unless its
    /// resource needs escaping; then `buffer` holds it.
    pub fn value<'a>(to: &'a Jid, buffer: &'a mut String) -> &'a str {
        let text = to.as_str();
        if !text.bytes().any(|byte| matches!(byte, b'\'' | b'&' | b'<')) {
            return text;
        }
        escape::attribute(text, buffer);
        buffer
    }
}
