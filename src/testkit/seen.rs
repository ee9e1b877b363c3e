use std::borrow::Cow;

use crate::stanza::{ElementRef, Stanza, ns};

/// A stanza, or an element within one.
#[derive(Clone, Copy)]
pub(super) enum Seen<'a> {
    Stanza(&'a Stanza),
    Element(ElementRef<'a>),
}

impl<'a> Seen<'a> {
    pub(super) fn is(self, name: &str, namespace: &str) -> bool {
        match self {
            Seen::Stanza(stanza) => stanza.kind().as_str() == name && namespace == ns::CLIENT,
            Seen::Element(element) => element.is(name, namespace),
        }
    }

    pub(super) fn name(self) -> &'a str {
        match self {
            Seen::Stanza(stanza) => stanza.kind().as_str(),
            Seen::Element(element) => element.name(),
        }
    }

    pub(super) fn ns(self) -> String {
        match self {
            Seen::Stanza(_) => ns::CLIENT.to_owned(),
            Seen::Element(element) => element.ns(),
        }
    }

    pub(super) fn attr(self, namespace: Option<&str>, name: &str) -> Option<Cow<'a, str>> {
        let stanza = match (self, namespace) {
            (Seen::Element(element), Some(namespace)) => {
                return element.attr_ns(namespace, name).map(Cow::from);
            }
            (Seen::Element(element), None) => return element.attr(name).map(Cow::from),
            (Seen::Stanza(stanza), _) => stanza,
        };
        match (namespace, name) {
            (None, "from") => stanza.from().map(|from| from.to_string().into()),
            (None, "to") => stanza.to().map(|to| to.to_string().into()),
            (None, "id") => stanza.id().map(Cow::from),
            (None, "type") => stanza.type_().map(|type_| type_.as_str().into()),
            (Some(namespace), "lang") if namespace == XML => stanza.lang().map(Cow::from),
            _ => stanza
                .attributes()
                .find(|(its, known, _)| *known == name && *its == namespace)
                .map(|(_, _, value)| value.into()),
        }
    }

    pub(super) fn attr_count(self) -> usize {
        match self {
            Seen::Stanza(stanza) => {
                let head = ["from", "to", "id", "type"].map(|name| self.attr(None, name));
                let lang = usize::from(stanza.lang().is_some());
                head.iter().flatten().count() + lang + stanza.attributes().count()
            }
            Seen::Element(element) => element.attrs().count(),
        }
    }

    pub(super) fn to_xml(self) -> String {
        match self {
            Seen::Stanza(stanza) => stanza.to_xml(),
            Seen::Element(element) => element.to_xml(),
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            // Text between the children of a stanza means nothing.
            Seen::Stanza(_) => String::new(),
            Seen::Element(element) => element.text(),
        }
    }

    pub(super) fn children(self) -> Vec<ElementRef<'a>> {
        match self {
            Seen::Stanza(stanza) => stanza.children().collect(),
            Seen::Element(element) => element.children().collect(),
        }
    }
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";
