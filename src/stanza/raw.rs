//! An element as bytes, and a builder that writes one around a stanza.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::element::{Element, ElementRef, NO_DEFAULT};
use super::error::ParseError;
use super::fragment::{Fragment, Node, Slot};
use super::{Stanza, dom, escape, ns};

/// One self-contained element as bytes: it declares its namespace and every
/// prefix it uses, so it may stand anywhere. Shared: cloning copies nothing.
#[derive(Clone)]
pub struct RawXml(pub(super) Arc<Fragment>);

impl RawXml {
    /// Checks and keeps the bytes of one element; without a default namespace
    /// it stands in `jabber:client`.
    ///
    /// # Errors
    /// The bytes are not exactly one well-formed element.
    pub fn parse(xml: &[u8]) -> Result<Self, ParseError> {
        Element::parse(xml).map(|element| element.view().to_raw())
    }

    /// Begins an element of this name and namespace.
    ///
    /// ```
    /// use tower_xmpp::stanza::{RawXml, Stanza, ns};
    ///
    /// let message = Stanza::message().with_text_child("body", "hi");
    /// let received = RawXml::build("received", ns::CARBONS)
    ///     .open("forwarded", ns::FORWARD)
    ///     .stanza(&message)
    ///     .finish();
    /// assert_eq!(
    ///     received.as_str(),
    ///     "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
    ///      <message xmlns='jabber:client'><body>hi</body></message></forwarded></received>",
    /// );
    /// ```
    pub fn build(name: &'static str, namespace: &'static str) -> RawBuilder {
        let builder = RawBuilder {
            out: String::with_capacity(128),
            open: [""; DEEPEST],
            depth: 0,
            in_tag: false,
            namespace,
        };
        builder.open(name, namespace)
    }

    pub(super) fn from_dom(tree: &minidom::Element) -> Self {
        let mut text = String::new();
        dom::write(tree, NO_DEFAULT, &mut text);
        RawXml::trusted(text, tree.name().len(), ns::intern(&tree.ns()))
    }

    /// Wraps bytes that we wrote ourselves: one element whose unprefixed name
    /// follows the first `<`.
    pub(super) fn trusted(text: String, name_len: usize, namespace: Cow<'static, str>) -> Self {
        let node = Node::new(0, text.len(), (1, 1 + name_len), namespace);
        RawXml(Arc::new(Fragment::single(text, node)))
    }

    fn slot(&self) -> Slot<'_> {
        Slot {
            fragment: &self.0,
            node: &self.0.nodes()[0],
        }
    }

    /// The local name.
    pub fn name(&self) -> &str {
        self.slot().node.name(&self.0.text)
    }

    /// The namespace.
    pub fn ns(&self) -> &str {
        &self.slot().node.namespace
    }

    /// The element's text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The element's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.text.as_bytes()
    }

    /// The element as a tree, parsed when first asked for.
    pub fn view(&self) -> ElementRef<'_> {
        self.slot().tree()
    }
}

impl fmt::Debug for RawXml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes an element piece by piece; made by [`RawXml::build`]. Element and
/// attribute names are the programmer's and are written as they are.
#[derive(Debug)]
#[must_use]
pub struct RawBuilder {
    out: String,
    /// Names of the elements open now, `depth` of them.
    open: [&'static str; DEEPEST],
    depth: usize,
    in_tag: bool,
    namespace: &'static str,
}

/// How many elements a [`RawBuilder`] opens inside one another. Counted in
/// place: an allocation would be a tenth of what a carbon copy costs.
const DEEPEST: usize = 4;

impl RawBuilder {
    /// An attribute of the element just opened.
    ///
    /// # Panics
    /// If something was put into the element already.
    #[inline]
    pub fn attr(mut self, name: &'static str, value: &str) -> Self {
        assert!(self.in_tag, "attribute {name} after the element's contents");
        escape::push_attribute(name, value, &mut self.out);
        self
    }

    /// Opens a child of the element open now.
    ///
    /// # Panics
    /// If four elements are open already.
    #[inline]
    pub fn open(mut self, name: &'static str, namespace: &str) -> Self {
        self.end_tag();
        self.out.push('<');
        self.out.push_str(name);
        escape::push_attribute("xmlns", namespace, &mut self.out);
        self.open[self.depth] = name;
        self.depth += 1;
        self.in_tag = true;
        self
    }

    /// Closes the element open now. The outermost is closed by
    /// [`RawBuilder::finish`] alone.
    #[inline]
    pub fn close(mut self) -> Self {
        if self.depth > 1 {
            self.close_one();
        }
        self
    }

    /// Character data.
    #[inline]
    pub fn text(mut self, text: &str) -> Self {
        self.end_tag();
        escape::text(text, &mut self.out);
        self
    }

    /// An element that is bytes already.
    #[inline]
    pub fn raw(mut self, raw: &RawXml) -> Self {
        self.end_tag();
        self.out.push_str(raw.as_str());
        self
    }

    /// An element that is a tree.
    pub fn element(mut self, element: ElementRef<'_>) -> Self {
        self.end_tag();
        dom::write(element.0, NO_DEFAULT, &mut self.out);
        self
    }

    /// A whole stanza, in `jabber:client` (XEP-0297 §3.1), copied from its
    /// wire form.
    #[inline]
    pub fn stanza(mut self, stanza: &Stanza) -> Self {
        self.end_tag();
        self.out.reserve(stanza.len_estimate() + 64);
        stanza.write_to(&mut self.out, Some(ns::CLIENT));
        self
    }

    /// Closes whatever is open.
    #[inline]
    pub fn finish(mut self) -> RawXml {
        while self.depth > 0 {
            self.close_one();
        }
        let name_len = self.open[0].len();
        RawXml::trusted(self.out, name_len, Cow::Borrowed(self.namespace))
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }

    fn close_one(&mut self) {
        self.depth -= 1;
        let name = self.open[self.depth];
        if self.in_tag {
            self.out.push_str("/>");
            self.in_tag = false;
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }
}

/// What can be put into a stanza: a tree or bytes.
#[derive(Clone, Debug)]
pub enum Child {
    /// A tree; it is written once, when it is added.
    Element(Element),
    /// Bytes, which are shared.
    Raw(RawXml),
}

impl Child {
    /// The child as it stands in a stanza.
    pub(super) fn into_fragment(self) -> Arc<Fragment> {
        let mut text = String::new();
        let node = match self {
            Child::Raw(raw) if raw.ns() != ns::CLIENT => return raw.0,
            Child::Raw(raw) => super::fragment::relative(raw.view().0, ns::CLIENT, &mut text),
            Child::Element(Element(tree)) => {
                let node = super::fragment::relative(&tree, ns::CLIENT, &mut text);
                let _ = node.tree.set(Box::new(tree));
                node
            }
        };
        Arc::new(Fragment::single(text, node))
    }
}

impl From<Element> for Child {
    fn from(element: Element) -> Self {
        Child::Element(element)
    }
}

impl From<RawXml> for Child {
    fn from(raw: RawXml) -> Self {
        Child::Raw(raw)
    }
}
