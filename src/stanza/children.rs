//! Looking into a stanza, and edits.

use std::sync::Arc;

use super::element::{Element, ElementRef};
use super::fragment::{Fragment, NsSet, Slot};
use super::raw::Child;
use super::{Stanza, ns};

/// What was changed since the stanza was read or built. The shared body is
/// never touched.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits {
    /// Indexes of the body's children that are gone, in order.
    dropped: Vec<usize>,
    /// Children that came, in order: one in each.
    added: Vec<Arc<Fragment>>,
}

impl Stanza {
    /// Does a direct child stand in this namespace? Costs a nanosecond or two
    /// when none does.
    #[inline]
    pub fn mentions(&self, namespace: &str) -> bool {
        self.may(|fragment| fragment.may_mention(namespace)) && self.does_mention(namespace)
    }

    /// Does a direct child stand in one of these namespaces? Costs a
    /// nanosecond or two when none does, however many they are.
    #[inline]
    pub fn mentions_any(&self, namespaces: &NsSet) -> bool {
        let may = |fragment: &Fragment| fragment.may_mention_any(namespaces);
        self.may(may) && self.does_mention_any(namespaces)
    }

    fn does_mention_any(&self, namespaces: &NsSet) -> bool {
        self.candidates(|fragment| fragment.may_mention_any(namespaces))
            .any(|slot| namespaces.contains(&slot.node.namespace))
    }

    fn does_mention(&self, namespace: &str) -> bool {
        self.candidates(|fragment| fragment.may_mention(namespace))
            .any(|slot| slot.node.namespace == namespace)
    }

    /// Is there such a direct child? Builds no tree.
    #[inline]
    pub fn has_child(&self, name: &str, namespace: &str) -> bool {
        self.may(|fragment| fragment.may_have(name, namespace))
            && self.find(name, namespace).is_some()
    }

    /// The first such direct child. Its tree is built when first asked for
    /// and kept for all copies of the stanza.
    pub fn child(&self, name: &str, namespace: &str) -> Option<ElementRef<'_>> {
        self.find(name, namespace).map(Slot::tree)
    }

    /// The direct child elements in order.
    pub fn children(&self) -> impl Iterator<Item = ElementRef<'_>> {
        self.candidates(|_| true).map(Slot::tree)
    }

    /// The first child element.
    pub fn payload(&self) -> Option<ElementRef<'_>> {
        self.children().next()
    }

    /// Has it a `<body/>`, even an empty one?
    #[inline]
    pub fn has_body(&self) -> bool {
        self.has_child("body", ns::CLIENT)
    }

    /// Does it invite somebody to a room by way of the room (XEP-0045 §7.8.2),
    /// on either half of that way?
    pub fn is_mediated_invitation(&self) -> bool {
        self.child("x", ns::MUC_USER)
            .is_some_and(|x| x.has_child("invite", ns::MUC_USER))
    }

    /// Does a room say this with it, as a status code (XEP-0045 §15.6.2)?
    ///
    /// ```
    /// # use tower_xmpp::stanza::Stanza;
    /// let own = b"<presence><x xmlns='http://jabber.org/protocol/muc#user'>\
    ///             <status code='110'/></x></presence>";
    /// assert!(Stanza::parse(own)?.has_muc_status(110));
    /// # Ok::<(), tower_xmpp::stanza::ParseError>(())
    /// ```
    pub fn has_muc_status(&self, code: u16) -> bool {
        self.child("x", ns::MUC_USER).is_some_and(|x| {
            x.children().any(|status| {
                let said = status.attr("code").and_then(|said| said.parse().ok());
                status.is("status", ns::MUC_USER) && said == Some(code)
            })
        })
    }

    /// The text of the first `<body/>`.
    pub fn body_text(&self) -> Option<String> {
        self.child("body", ns::CLIENT).map(ElementRef::text)
    }

    /// Adds a child at the end.
    pub fn push(&mut self, child: impl Into<Child>) {
        let fragment = child.into().into_fragment();
        if self.body.is_none() && self.edits.is_none() {
            self.body = Some(fragment);
        } else {
            self.edits_mut().added.push(fragment);
        }
    }

    /// Removes the direct children that `doomed` picks; says how many.
    pub fn remove_children(&mut self, mut doomed: impl FnMut(ElementRef<'_>) -> bool) -> usize {
        self.remove_slots(|slot| doomed(slot.tree()))
    }

    /// Removes all direct children of this name and namespace; says how many.
    pub fn remove_child(&mut self, name: &str, namespace: &str) -> usize {
        if !self.has_child(name, namespace) {
            return 0;
        }
        self.remove_slots(|slot| slot.is(name, namespace))
    }

    /// Adds a child of the content namespace with text.
    pub fn with_text_child(self, name: &str, text: &str) -> Self {
        self.with_child(Element::new(name, ns::CLIENT).with_text(text))
    }

    /// The bytes between start tag and end tag, in pieces.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &str> {
        let body = self.body.as_deref();
        let text = body.map_or("", |body| &body.text);
        let nodes = body.map_or(&[][..], Fragment::nodes);
        let edits = self.edits.as_deref();
        let dropped = edits.map_or(&[][..], |edits| &edits.dropped);
        let starts = std::iter::once(0).chain(dropped.iter().map(|&gone| nodes[gone].end));
        let ends = dropped.iter().map(|&gone| nodes[gone].start);
        let kept = starts
            .zip(ends.chain(std::iter::once(text.len())))
            .map(|(start, end)| &text[start..end]);
        let added = edits.into_iter().flat_map(|edits| &edits.added);
        kept.chain(added.map(|fragment| &*fragment.text))
    }

    pub(super) fn child_names(&self) -> impl Iterator<Item = &str> {
        self.candidates(|_| true)
            .map(|slot| slot.node.name(&slot.fragment.text))
    }

    fn find(&self, name: &str, namespace: &str) -> Option<Slot<'_>> {
        if let (Some(fragment), None) = (self.body.as_deref(), &self.edits) {
            // Most stanzas: there is nothing else to look through.
            if !fragment.may_have(name, namespace) {
                return None;
            }
            let mut slots = fragment.nodes().iter().map(|node| Slot { fragment, node });
            return slots.find(|slot| slot.is(name, namespace));
        }
        self.candidates(|fragment| fragment.may_have(name, namespace))
            .find(|slot| slot.is(name, namespace))
    }

    /// Does `may` admit any of the fragments? Most stanzas have one.
    #[inline(always)]
    fn may(&self, may: impl Fn(&Fragment) -> bool) -> bool {
        match (&self.body, &self.edits) {
            (Some(body), None) => may(body),
            (None, None) => false,
            (body, Some(edits)) => {
                let added = || edits.added.iter().any(|fragment| may(fragment));
                body.as_deref().is_some_and(&may) || added()
            }
        }
    }

    /// The children of the fragments that `may` admits.
    fn candidates(&self, may: impl Fn(&Fragment) -> bool) -> impl Iterator<Item = Slot<'_>> {
        let edits = self.edits.as_deref();
        let body = self.body.as_deref().filter(|body| may(body));
        let kept = body.into_iter().flat_map(move |fragment| {
            fragment
                .nodes()
                .iter()
                .enumerate()
                .filter(move |(index, _)| {
                    edits.is_none_or(|edits| edits.dropped.binary_search(index).is_err())
                })
                .map(move |(_, node)| Slot { fragment, node })
        });
        let added = edits
            .into_iter()
            .flat_map(|edits| &edits.added)
            .filter(move |fragment| may(fragment))
            .flat_map(|fragment| fragment.nodes().iter().map(|node| Slot { fragment, node }));
        kept.chain(added)
    }

    fn remove_slots(&mut self, mut doomed: impl FnMut(Slot<'_>) -> bool) -> usize {
        let mut edits = self.edits.as_deref().cloned().unwrap_or_default();
        let mut gone = 0;
        if let Some(fragment) = self.body.as_deref() {
            for (index, node) in fragment.nodes().iter().enumerate() {
                if let Err(at) = edits.dropped.binary_search(&index)
                    && doomed(Slot { fragment, node })
                {
                    edits.dropped.insert(at, index);
                    gone += 1;
                }
            }
        }
        edits.added.retain(|fragment| {
            let node = &fragment.nodes()[0];
            let doomed = doomed(Slot { fragment, node });
            gone += usize::from(doomed);
            !doomed
        });
        if gone > 0 {
            self.edits = Some(Arc::new(edits));
        }
        gone
    }

    fn edits_mut(&mut self) -> &mut Edits {
        Arc::make_mut(self.edits.get_or_insert_default())
    }
}
