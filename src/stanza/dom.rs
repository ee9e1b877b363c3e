//! The tree behind [`Element`](super::Element): parsing and writing it. The
//! only file, apart from the adapter, that knows how minidom works inside.

use std::collections::BTreeMap;

use minidom::tree_builder::TreeBuilder;
use minidom::{Element, Node};
use rxml::error::EndOrError;
use rxml::{Options, Parse, RawParser, WithOptions};

use super::limits::StreamError;
use super::out::Out;
use super::{escape, ns};

/// Builds the tree of one element that was found well-formed before. Where it
/// declares no default namespace it stands in `default`.
pub(super) fn parse(xml: &[u8], default: &str) -> Result<Element, StreamError> {
    let options = Options {
        max_token_length: xml.len(),
        ..Options::default()
    };
    let mut parser = RawParser::with_options(options);
    let outer = BTreeMap::from([(None, default.to_owned())]);
    let mut builder = TreeBuilder::new().with_prefixes_stack(vec![outer.into()]);
    let mut rest = xml;
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(event)) => builder
                .process_event(event)
                .map_err(|_| StreamError::NotWellFormed)?,
            Ok(None) | Err(EndOrError::NeedMoreData) => break,
            Err(EndOrError::Error(error)) => return Err(StreamError::of_tokeniser(error)),
        }
    }
    builder.root.take().ok_or(StreamError::NotWellFormed)
}

/// Writes `element` as it stands where `default` is the default namespace.
pub(super) fn write(element: &Element, default: &str, out: &mut impl Out) {
    write_in(element, default, &mut Vec::new(), out);
}

/// Prefixes declared by the ancestors, innermost last.
type Scope = Vec<(String, String)>;

fn write_in(element: &Element, default: &str, scope: &mut Scope, out: &mut impl Out) {
    let outer = scope.len();
    out.put("<");
    out.put(element.name());
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
        out.put("/>");
    } else {
        out.put(">");
        for node in element.nodes() {
            match node {
                Node::Element(child) => write_in(child, default, scope, out),
                Node::Text(text) => escape::text(text, out),
            }
        }
        out.put("</");
        out.put(element.name());
        out.put(">");
    }
    scope.truncate(outer);
}
