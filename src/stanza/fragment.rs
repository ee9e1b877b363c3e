//! Child elements as bytes, with an index and trees made on demand.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::element::ElementRef;
use super::{dom, ns};

/// The contents of a stanza, or a single element: wire bytes that declare
/// every prefix they use, and where in them the child elements stand. Never
/// changed once made, so it is shared by all copies of a stanza.
///
/// An element without namespace declaration stands in the content namespace,
/// whichever that is where the bytes are written.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) text: String,
    pub(super) nodes: Nodes,
    filter: Filter,
}

/// One needs no allocation of its own: most edits add one child.
#[derive(Debug)]
pub(super) enum Nodes {
    One(Node),
    Many(Box<[Node]>),
}

impl Fragment {
    pub(super) fn new(text: String, nodes: Vec<Node>) -> Self {
        let mut filter = Filter::default();
        for node in &nodes {
            filter.insert(node.name(&text), &node.namespace);
        }
        Fragment {
            text,
            nodes: Nodes::Many(nodes.into()),
            filter,
        }
    }

    pub(super) fn single(text: String, node: Node) -> Self {
        let mut filter = Filter::default();
        filter.insert(node.name(&text), &node.namespace);
        Fragment {
            text,
            nodes: Nodes::One(node),
            filter,
        }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        match &self.nodes {
            Nodes::One(node) => std::slice::from_ref(node),
            Nodes::Many(nodes) => nodes,
        }
    }

    /// False only if no child stands in this namespace.
    #[inline]
    pub(super) fn may_mention(&self, namespace: &str) -> bool {
        self.filter.namespaces & bit(namespace) != 0
    }

    /// False only if no child stands in any of these namespaces.
    #[inline]
    pub(super) fn may_mention_any(&self, namespaces: &NsSet) -> bool {
        self.filter.namespaces & namespaces.bits != 0
    }

    /// False only if there is no such child.
    #[inline]
    pub(super) fn may_have(&self, name: &str, namespace: &str) -> bool {
        self.filter.names & bit(name) != 0 && self.may_mention(namespace)
    }
}

/// One child element of a [`Fragment`].
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the local name stands.
    pub(super) name: (usize, usize),
    pub(super) namespace: Cow<'static, str>,
    pub(super) tree: OnceLock<Box<minidom::Element>>,
}

impl Node {
    pub(super) fn new(
        start: usize,
        end: usize,
        name: (usize, usize),
        namespace: Cow<'static, str>,
    ) -> Self {
        Node {
            start,
            end,
            name,
            namespace,
            tree: OnceLock::new(),
        }
    }

    pub(super) fn name<'a>(&self, text: &'a str) -> &'a str {
        &text[self.name.0..self.name.1]
    }

    pub(super) fn is(&self, text: &str, name: &str, namespace: &str) -> bool {
        self.namespace == namespace && self.name(text) == name
    }
}

/// One child, wherever it is kept.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) fragment: &'a Fragment,
    pub(super) node: &'a Node,
}

impl<'a> Slot<'a> {
    pub(super) fn is(self, name: &str, namespace: &str) -> bool {
        self.node.is(&self.fragment.text, name, namespace)
    }

    pub(super) fn wire(self) -> &'a str {
        &self.fragment.text[self.node.start..self.node.end]
    }

    pub(super) fn tree(self) -> ElementRef<'a> {
        ElementRef(self.node.tree.get_or_init(|| {
            // The bytes were parsed or written by us before, so this cannot
            // fail; if it did, an empty element harms less than a panic.
            Box::new(
                dom::parse(self.wire().as_bytes(), ns::CLIENT).unwrap_or_else(|error| {
                    debug_assert!(false, "{error}: {}", self.wire());
                    minidom::Element::bare(
                        self.node.name(&self.fragment.text),
                        &*self.node.namespace,
                    )
                }),
            )
        }))
    }
}

/// Which names and namespaces occur, as far as 64 bits can tell: a missing
/// bit is certain, a set one is looked up.
#[derive(Clone, Copy, Debug, Default)]
struct Filter {
    namespaces: u64,
    names: u64,
}

impl Filter {
    fn insert(&mut self, name: &str, namespace: &str) {
        self.namespaces |= bit(namespace);
        self.names |= bit(name);
    }
}

/// Namespaces to look for together: [`Stanza::mentions_any`](super::Stanza::mentions_any)
/// costs no more than one of them when none is there. Made for constants.
///
/// ```
/// use tower_xmpp::stanza::{NsSet, Stanza, ns};
///
/// const RECEIPTS: NsSet = NsSet::of(&[ns::RECEIPTS, ns::CHAT_MARKERS]);
/// let stanza = Stanza::parse(b"<message><request xmlns='urn:xmpp:receipts'/></message>")?;
/// assert!(stanza.mentions_any(&RECEIPTS));
/// # Ok::<(), tower_xmpp::stanza::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NsSet {
    namespaces: &'static [&'static str],
    bits: u64,
}

impl NsSet {
    /// These namespaces.
    pub const fn of(namespaces: &'static [&'static str]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < namespaces.len() {
            bits |= bit(namespaces[index]);
            index += 1;
        }
        NsSet { namespaces, bits }
    }

    pub(super) fn contains(&self, namespace: &str) -> bool {
        self.namespaces.contains(&namespace)
    }
}

/// The bit of a text.
#[inline]
const fn bit(text: &str) -> u64 {
    1 << (ns::mix(text) >> 58)
}

/// Content-namespace children are stored without declaration; everything else
/// with one.
pub(super) fn relative(tree: &minidom::Element, content: &str, out: &mut String) -> Node {
    let start = out.len();
    dom::write(tree, content, out);
    let name = (start + 1, start + 1 + tree.name().len());
    let namespace = match tree.has_ns(content) {
        true => Cow::Borrowed(ns::CLIENT),
        false => ns::intern(&tree.ns()),
    };
    Node::new(start, out.len(), name, namespace)
}
