//! XML as a tree of resolved names, to compare what is written differently
//! and means the same. It uses rxml's namespace-aware parser, which the
//! library does not.

use rxml::{Event, Parse, Parser};

/// An element: `{namespace}name`, attributes in order of their names, and
/// contents with adjacent text joined.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::stanza) struct Canonical {
    pub(in crate::stanza) name: String,
    pub(in crate::stanza) attributes: Vec<(String, String)>,
    pub(in crate::stanza) contents: Vec<Content>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::stanza) enum Content {
    Element(Canonical),
    Text(String),
}

impl Canonical {
    /// Of one whole document.
    pub(in crate::stanza) fn of(xml: &str) -> Canonical {
        let mut parser = Parser::new();
        let mut rest = xml.as_bytes();
        let mut open = vec![Canonical::default()];
        loop {
            match parser.parse(&mut rest, true) {
                Ok(Some(Event::XmlDeclaration(..))) => {}
                Ok(Some(Event::StartElement(_, (namespace, name), attributes))) => {
                    let mut attributes: Vec<_> = attributes
                        .iter()
                        .map(|((namespace, name), value)| {
                            (format!("{{{namespace}}}{name}"), value.clone())
                        })
                        .collect();
                    attributes.sort();
                    open.push(Canonical {
                        name: format!("{{{namespace}}}{name}"),
                        attributes,
                        contents: Vec::new(),
                    });
                }
                Ok(Some(Event::EndElement(_))) => {
                    let element = open.pop().unwrap();
                    let parent = open.last_mut().unwrap();
                    parent.contents.push(Content::Element(element));
                }
                Ok(Some(Event::Text(_, text))) => open.last_mut().unwrap().text(&text),
                Ok(None) => break,
                Err(error) => panic!("{error:?} in {xml}"),
            }
        }
        match open.pop().unwrap().contents.pop() {
            Some(Content::Element(root)) => root,
            other => panic!("{other:?} in {xml}"),
        }
    }

    /// The child elements.
    pub(in crate::stanza) fn children(self) -> Vec<Canonical> {
        let element = |content| match content {
            Content::Element(element) => Some(element),
            Content::Text(_) => None,
        };
        self.contents.into_iter().filter_map(element).collect()
    }

    fn text(&mut self, text: &str) {
        if let Some(Content::Text(before)) = self.contents.last_mut() {
            before.push_str(text);
        } else if !text.is_empty() {
            self.contents.push(Content::Text(text.to_owned()));
        }
    }
}

#[test]
fn spelling_does_not_matter() {
    let one = "<a:x xmlns:a='urn:a' b='1' a:c='&#65;'>t&amp;<y xmlns='urn:a'/><![CDATA[<]]></a:x>";
    let two = "<x xmlns='urn:a' xmlns:z='urn:a' z:c=\"A\" b='1'>t&#38;<y></y>&lt;</x>";
    assert_eq!(Canonical::of(one), Canonical::of(two));
}

#[test]
fn meaning_does_matter() {
    let original = Canonical::of("<x xmlns='urn:a' b='1'>t<y/></x>");
    for other in [
        "<x xmlns='urn:b' b='1'>t<y/></x>",
        "<x xmlns='urn:a' b='2'>t<y/></x>",
        "<x xmlns='urn:a' xmlns:a='urn:a' a:b='1'>t<y/></x>",
        "<x xmlns='urn:a' b='1'><y/>t</x>",
        "<x xmlns='urn:a' b='1'>t<y xmlns=''/></x>",
        "<x xmlns='urn:a' b='1'>t</x>",
    ] {
        assert_ne!(original, Canonical::of(other), "{other}");
    }
}
