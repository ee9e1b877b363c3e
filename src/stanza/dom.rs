//! The tree behind [`Element`](super::Element): parsing and writing it. The
//! only file, apart from the adapter, that knows how minidom works inside.

use std::collections::BTreeMap;

use minidom::tree_builder::TreeBuilder;
use minidom::{Element, Node};
use rxml::error::EndOrError;
use rxml::{Options, Parse, RawEvent, RawParser, WithOptions};

use super::error::ParseError;
use super::{escape, ns};

/// Deepest tree that is built from bytes: walking and dropping one recurses.
pub(super) const MAX_DEPTH: usize = 256;

/// Parses one element. Where it declares no default namespace it stands in
/// `jabber:client`.
pub(super) fn parse(xml: &[u8]) -> Result<Element, ParseError> {
    let options = Options {
        max_token_length: xml.len().max(64),
        ..Options::default()
    };
    let mut parser = RawParser::with_options(options);
    let outer = BTreeMap::from([(None, ns::CLIENT.to_owned())]);
    let mut tree = TreeBuilder::new().with_prefixes_stack(vec![outer.into()]);
    let mut rest = xml;
    let mut depth = 0_usize;
    loop {
        let event = match parser.parse(&mut rest, true) {
            Ok(Some(event)) => event,
            Ok(None) | Err(EndOrError::NeedMoreData) => break,
            Err(EndOrError::Error(error)) => return Err(error.into()),
        };
        match event {
            RawEvent::ElementHeadOpen(..) => depth += 1,
            RawEvent::ElementFoot(_) => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        tree.process_event(event)
            .map_err(|_| ParseError::UndeclaredPrefix)?;
    }
    tree.root.take().ok_or(ParseError::Truncated)
}

/// Writes `element` as it stands where `default` is the default namespace.
pub(super) fn write(element: &Element, default: &str, out: &mut String) {
    write_in(element, default, &mut Vec::new(), out);
}

/// Prefixes declared by the ancestors, innermost last.
type Scope = Vec<(String, String)>;

fn write_in(element: &Element, default: &str, scope: &mut Scope, out: &mut String) {
    let outer = scope.len();
    out.push('<');
    out.push_str(element.name());
    let own;
    let default = if element.has_ns(default) {
        default
    } else {
        own = element.ns();
        escape::push_attribute("xmlns", &own, out);
        &own
    };
    for ((namespace, name), value) in element.attrs() {
        match namespace.as_str() {
            "" => escape::push_attribute(name, value, out),
            ns::XML => escape::push_attribute(&format!("xml:{name}"), value, out),
            uri => {
                let prefix = match scope.iter().rev().find(|(_, known)| known == uri) {
                    Some((prefix, _)) => prefix.clone(),
                    None => {
                        let prefix = format!("a{}", scope.len());
                        escape::push_attribute(&format!("xmlns:{prefix}"), uri, out);
                        scope.push((prefix.clone(), uri.to_owned()));
                        prefix
                    }
                };
                escape::push_attribute(&format!("{prefix}:{name}"), value, out);
            }
        }
    }
    if element.nodes().next().is_none() {
        out.push_str("/>");
    } else {
        out.push('>');
        for node in element.nodes() {
            match node {
                Node::Element(child) => write_in(child, default, scope, out),
                Node::Text(text) => escape::text(text, out),
            }
        }
        out.push_str("</");
        out.push_str(element.name());
        out.push('>');
    }
    scope.truncate(outer);
}
