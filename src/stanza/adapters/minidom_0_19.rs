//! minidom 0.19 in and out. It keeps every attribute, child and text; of a
//! CDATA section it keeps the text.

use crate::stanza::error::ParseError;
use crate::stanza::fragment::{self, Fragment};
use crate::stanza::head::Head;
use crate::stanza::types::Kind;
use crate::stanza::{Element, Form, Stanza, StreamError, dom, escape, ns};

impl From<minidom::Element> for Element {
    fn from(tree: minidom::Element) -> Self {
        Element(tree)
    }
}

impl From<Element> for minidom::Element {
    fn from(element: Element) -> Self {
        element.0
    }
}

/// A stanza of any content namespace.
impl TryFrom<&minidom::Element> for Stanza {
    type Error = ParseError;

    fn try_from(tree: &minidom::Element) -> Result<Self, ParseError> {
        let kind = Kind::from_name(tree.name()).ok_or(ParseError::NotAStanza)?;
        let content = tree.ns();
        if !ns::is_content(&content) {
            return Err(ParseError::NotAStanza);
        }
        let (mut head, mut to) = (Head::new(kind), None);
        for ((namespace, name), value) in tree.attrs() {
            head.read_attribute(
                &mut to,
                namespace.as_namespace_name(),
                name,
                value.as_str().into(),
            );
        }
        let mut text = String::new();
        let mut nodes = Vec::new();
        for node in tree.nodes() {
            match node {
                minidom::Node::Element(child) => {
                    nodes.push(fragment::relative(child, &content, &mut text));
                }
                minidom::Node::Text(plain) => escape::text(plain, &mut text),
            }
        }
        let mut stanza = Stanza::from_head(head, to);
        if !text.is_empty() {
            stanza.body = Some(Fragment::new(text, nodes).into());
        }
        Ok(stanza)
    }
}

/// The stanza in `jabber:client`.
impl TryFrom<&Stanza> for minidom::Element {
    type Error = StreamError;

    fn try_from(stanza: &Stanza) -> Result<Self, StreamError> {
        let mut xml = Vec::new();
        stanza.write(&mut xml, Form::Stream);
        dom::parse(&xml, ns::CLIENT)
    }
}
