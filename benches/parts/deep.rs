//! The baseline: what a server does that holds trees and copies them whole.

use minidom::Element;
use tower_xmpp::stanza::{Stanza, ns};

pub fn tree(stanza: &Stanza) -> Element {
    Element::from_reader(stanza.to_xml().as_bytes()).expect("XML")
}

/// Clones the tree for one recipient and serialises it.
pub fn clone_and_serialise(tree: &Element, to: &str, out: &mut Vec<u8>) {
    let mut copy = tree.clone();
    set(&mut copy, "to", to);
    copy.write_to(out).expect("a tree that was parsed");
}

/// A carbon copy as a tree, serialised.
pub fn carbon(tree: &Element, to: &str, out: &mut Vec<u8>) {
    let forwarded = Element::builder("forwarded", ns::FORWARD)
        .append(tree.clone())
        .build();
    let received = Element::builder("received", ns::CARBONS)
        .append(forwarded)
        .build();
    let mut copy = Element::builder("message", ns::CLIENT)
        .append(received)
        .build();
    for (name, value) in [("from", "alice7@a.example"), ("to", to), ("type", "chat")] {
        set(&mut copy, name, value);
    }
    copy.write_to(out).expect("a tree that was parsed");
}

fn set(element: &mut Element, name: &str, value: &str) {
    let name = minidom::rxml::NcName::try_from(name).expect("a name");
    element.set_attr(minidom::rxml::Namespace::NONE, name, value);
}
