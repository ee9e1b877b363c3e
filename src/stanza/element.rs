//! Elements as trees: owned, and borrowed from a stanza.

use std::fmt;

use super::error::ParseError;
use super::limits::Limits;
use super::raw::RawXml;
use super::{dom, ns, scan};

/// An owned XML element.
///
/// Names and attribute names are the programmer's: the constructors panic
/// when one is no XML name. Values and text may be anything; a character that
/// XML forbids is written as U+FFFD.
#[derive(Clone, PartialEq)]
pub struct Element(pub(super) minidom::Element);

impl Element {
    /// An empty element.
    ///
    /// # Panics
    /// If `name` is no XML name without a prefix.
    pub fn new(name: &str, namespace: &str) -> Self {
        Element(minidom::Element::bare(nc_name(name).as_str(), namespace))
    }

    /// Parses one element that declares its prefixes itself; without a
    /// default namespace it stands in `jabber:client`. The default
    /// [`Limits`] apply, all but the size.
    ///
    /// # Errors
    /// The bytes are not exactly one well-formed element.
    pub fn parse(xml: &[u8]) -> Result<Self, ParseError> {
        scan::check(xml, &Limits::default())?;
        Ok(Element(dom::parse(xml, ns::CLIENT)?))
    }

    /// The same with an attribute.
    ///
    /// # Panics
    /// If `name` is no XML name without a prefix.
    pub fn with_attr(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set_attr(name, value);
        self
    }

    /// The same with one more child at the end.
    pub fn with_child(mut self, child: Element) -> Self {
        self.push(child);
        self
    }

    /// The same with text at the end.
    pub fn with_text(mut self, text: &str) -> Self {
        self.push_text(text);
        self
    }

    /// Sets an attribute.
    ///
    /// # Panics
    /// If `name` is no XML name without a prefix.
    pub fn set_attr(&mut self, name: &str, value: impl Into<String>) {
        self.0
            .set_attr(rxml::Namespace::NONE, nc_name(name), value.into());
    }

    /// Adds a child at the end.
    pub fn push(&mut self, child: Element) {
        self.0.append_child(child.0);
    }

    /// Adds text at the end.
    pub fn push_text(&mut self, text: &str) {
        self.0.append_text(text);
    }

    /// Borrows it for reading.
    pub fn view(&self) -> ElementRef<'_> {
        ElementRef(&self.0)
    }

    /// The element as self-contained XML.
    pub fn to_xml(&self) -> String {
        self.view().to_xml()
    }

    /// The local name.
    pub fn name(&self) -> &str {
        self.view().name()
    }

    /// Has it this local name and namespace?
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.view().is(name, namespace)
    }

    /// Does it stand in this namespace?
    pub fn has_ns(&self, namespace: &str) -> bool {
        self.view().has_ns(namespace)
    }

    /// The namespace.
    pub fn ns(&self) -> String {
        self.view().ns()
    }

    /// An attribute without namespace.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.view().attr(name)
    }

    /// An attribute with a namespace, such as `xml:lang`.
    pub fn attr_ns(&self, namespace: &str, name: &str) -> Option<&str> {
        self.view().attr_ns(namespace, name)
    }

    /// All text directly inside, joined.
    pub fn text(&self) -> String {
        self.view().text()
    }

    /// The child elements in order.
    pub fn children(&self) -> impl Iterator<Item = ElementRef<'_>> {
        self.view().children()
    }

    /// The first child of this name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<ElementRef<'_>> {
        self.view().child(name, namespace)
    }

    /// Is there such a child?
    pub fn has_child(&self, name: &str, namespace: &str) -> bool {
        self.view().has_child(name, namespace)
    }

    /// The first child element.
    pub fn first_child(&self) -> Option<ElementRef<'_>> {
        self.view().first_child()
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_xml())
    }
}

/// An element that stands in somebody else's tree.
#[derive(Clone, Copy)]
pub struct ElementRef<'a>(pub(super) &'a minidom::Element);

impl<'a> ElementRef<'a> {
    /// The local name.
    pub fn name(self) -> &'a str {
        self.0.name()
    }

    /// The namespace. Allocates; to compare, use [`ElementRef::has_ns`].
    pub fn ns(self) -> String {
        self.0.ns()
    }

    /// Does it stand in this namespace?
    pub fn has_ns(self, namespace: &str) -> bool {
        self.0.has_ns(namespace)
    }

    /// Has it this local name and namespace?
    pub fn is(self, name: &str, namespace: &str) -> bool {
        self.0.is(name, namespace)
    }

    /// An attribute without namespace.
    pub fn attr(self, name: &str) -> Option<&'a str> {
        // Not `attr`: its signature ties the name to the result.
        self.0.attr_ns(&rxml::Namespace::NONE, name)
    }

    /// An attribute with a namespace, such as `xml:lang`.
    pub fn attr_ns(self, namespace: &str, name: &str) -> Option<&'a str> {
        self.0.attr_ns(namespace, name)
    }

    /// All attributes: namespace, local name, value.
    pub fn attrs(self) -> impl Iterator<Item = (Option<&'a str>, &'a str, &'a str)> {
        self.0.attrs().iter().map(|((namespace, name), value)| {
            (namespace.as_namespace_name(), name.as_str(), value.as_str())
        })
    }

    /// All text directly inside, joined.
    pub fn text(self) -> String {
        self.0.text()
    }

    /// The child elements in order.
    pub fn children(self) -> impl Iterator<Item = ElementRef<'a>> {
        self.0.children().map(ElementRef)
    }

    /// The first child of this name and namespace.
    pub fn child(self, name: &str, namespace: &str) -> Option<ElementRef<'a>> {
        self.0.get_child(name, namespace).map(ElementRef)
    }

    /// Is there such a child?
    pub fn has_child(self, name: &str, namespace: &str) -> bool {
        self.0.has_child(name, namespace)
    }

    /// The first child element.
    pub fn first_child(self) -> Option<ElementRef<'a>> {
        self.children().next()
    }

    /// Children and text in order.
    pub fn nodes(self) -> impl Iterator<Item = NodeRef<'a>> {
        self.0.nodes().map(|node| match node {
            minidom::Node::Element(element) => NodeRef::Element(ElementRef(element)),
            minidom::Node::Text(text) => NodeRef::Text(text),
        })
    }

    /// A copy of its own.
    pub fn to_element(self) -> Element {
        Element(self.0.clone())
    }

    /// A self-contained copy as bytes.
    pub fn to_raw(self) -> RawXml {
        RawXml::from_dom(self.0)
    }

    /// The element as self-contained XML.
    pub fn to_xml(self) -> String {
        let mut xml = String::new();
        dom::write(self.0, NO_DEFAULT, &mut xml);
        xml
    }
}

impl fmt::Debug for ElementRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_xml())
    }
}

/// What stands inside an element.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'a> {
    /// A child element.
    Element(ElementRef<'a>),
    /// Character data, unescaped.
    Text(&'a str),
}

/// Not a namespace of anything, so that a root always declares its own.
pub(super) const NO_DEFAULT: &str = "\0";

#[expect(clippy::panic, reason = "a name in the program's text is wrong")]
fn nc_name(name: &str) -> rxml::NcName {
    name.try_into()
        .unwrap_or_else(|_| panic!("{name:?} is no XML name without a prefix"))
}
