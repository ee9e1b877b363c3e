//! XML in pieces: rxml's tokens, with what XML namespaces demand on top.

use std::borrow::Cow;

use rxml::error::EndOrError;
use rxml::{NcName, Options, Parse, RawEvent, RawParser, WithOptions};

use super::limits::{Limit, Limits, StreamError};
use super::ns;

/// Reads XML piece by piece and resolves prefixes. rxml's raw parser leaves
/// to its user that prefixes are declared and attributes not repeated
/// (Namespaces in XML 1.0, §5 and §6.3); its other one forgets which prefix
/// an element came with, which [`Start::outer`] needs.
pub(super) struct Scan {
    parser: RawParser,
    limits: Limits,
    /// How many bytes it has looked at. rxml's own measure of events is off
    /// where there is an empty CDATA section, or where bytes arrive in the
    /// middle of a character; what it consumes is not.
    at: usize,
    /// Elements open now.
    depth: usize,
    /// Elements from this depth on are to be self-contained.
    edge: usize,
    default: &'static str,
    bindings: Vec<Binding>,
    tag: Tag,
}

/// A piece of XML. `end` offsets count from the first byte ever fed.
pub(super) enum Piece {
    Start(Start),
    Text { blank: bool },
    End { end: usize },
}

/// A start tag.
pub(super) struct Start {
    /// 1 for the root.
    pub(super) depth: usize,
    /// Where its `<` stands.
    pub(super) start: usize,
    /// Just behind its `>`.
    pub(super) end: usize,
    /// Just behind its name.
    pub(super) name_end: usize,
    pub(super) prefixed: bool,
    pub(super) name: NcName,
    pub(super) namespace: Cow<'static, str>,
    /// The default namespace that it declares itself.
    pub(super) own_default: Option<Cow<'static, str>>,
    pub(super) attributes: Vec<Attribute>,
    /// What it uses of the declarations beyond the edge.
    pub(super) outer: Vec<Outer>,
}

pub(super) struct Attribute {
    pub(super) namespace: Option<Cow<'static, str>>,
    pub(super) name: NcName,
    pub(super) value: String,
}

/// A prefix that was declared further out; None is the default namespace.
#[derive(Clone, PartialEq)]
pub(super) struct Outer {
    pub(super) prefix: Option<NcName>,
    pub(super) namespace: Cow<'static, str>,
}

struct Binding {
    depth: usize,
    prefix: Option<NcName>,
    namespace: Cow<'static, str>,
}

/// The start tag being read.
#[derive(Default)]
struct Tag {
    start: usize,
    name_end: usize,
    name: Option<(Option<NcName>, NcName)>,
    attributes: Vec<(Option<NcName>, NcName, String)>,
    declared: usize,
}

impl Scan {
    /// `default` is the default namespace where nothing declares one.
    pub(super) fn new(limits: Limits, default: &'static str) -> Self {
        let options = Options {
            max_token_length: limits.stanza_bytes,
            ..Options::default()
        };
        let mut parser = RawParser::with_options(options);
        // Text is told as it comes, so that whitespace between stanzas is
        // never gathered.
        parser.set_text_buffering(false);
        Scan {
            parser,
            limits,
            at: 0,
            depth: 0,
            edge: 1,
            default,
            bindings: Vec::new(),
            tag: Tag::default(),
        }
    }

    /// The next piece in `bytes`, from which it takes what it has looked at;
    /// None if they hold no whole one.
    pub(super) fn next(
        &mut self,
        bytes: &mut &[u8],
        complete: bool,
    ) -> Result<Option<Piece>, StreamError> {
        loop {
            let before = bytes.len();
            let event = self.parser.parse(bytes, complete);
            self.at += before - bytes.len();
            let event = match event {
                Ok(Some(event)) => event,
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(StreamError::of_tokeniser(error)),
            };
            if let Some(piece) = self.take(event)? {
                return Ok(Some(piece));
            }
        }
    }

    fn take(&mut self, event: RawEvent) -> Result<Option<Piece>, StreamError> {
        match event {
            RawEvent::XmlDeclaration(..) => Ok(None),
            RawEvent::ElementHeadOpen(_, name) => {
                self.depth += 1;
                if self.depth > self.limits.depth {
                    return Err(StreamError::PolicyViolation(Limit::Depth));
                }
                // The byte behind the name, which ends it, is gone already.
                let length = name.1.len() + name.0.as_ref().map_or(0, |prefix| prefix.len() + 1);
                self.tag.name_end = self.at - 1;
                self.tag.start = self.tag.name_end - length - 1;
                self.tag.name = Some(name);
                Ok(None)
            }
            RawEvent::Attribute(_, (prefix, name), value) => {
                self.attribute(prefix, name, value)?;
                Ok(None)
            }
            RawEvent::ElementHeadClose(_) => self.start().map(Some),
            RawEvent::Text(_, text) => Ok(Some(Piece::Text {
                blank: text.bytes().all(|byte| byte.is_ascii_whitespace()),
            })),
            RawEvent::ElementFoot(_) => {
                while self
                    .bindings
                    .last()
                    .is_some_and(|binding| binding.depth == self.depth)
                {
                    self.bindings.pop();
                }
                self.depth -= 1;
                Ok(Some(Piece::End { end: self.at }))
            }
        }
    }

    fn attribute(
        &mut self,
        prefix: Option<NcName>,
        name: NcName,
        value: String,
    ) -> Result<(), StreamError> {
        if self.tag.attributes.len() + self.tag.declared >= self.limits.attributes {
            return Err(StreamError::PolicyViolation(Limit::Attributes));
        }
        let declares = match &prefix {
            None if name == "xmlns" => None,
            Some(prefix) if prefix == "xmlns" => Some(name),
            _ => {
                self.tag.attributes.push((prefix, name, value));
                return Ok(());
            }
        };
        if value.len() > self.limits.namespace_bytes {
            return Err(StreamError::PolicyViolation(Limit::NamespaceBytes));
        }
        // Each prefix is looked up among all of them.
        if self.bindings.len() >= self.limits.attributes.saturating_add(self.limits.depth) {
            return Err(StreamError::PolicyViolation(Limit::Attributes));
        }
        let repeated = self
            .bindings
            .iter()
            .rev()
            .take_while(|binding| binding.depth == self.depth)
            .any(|binding| binding.prefix == declares);
        if repeated {
            return Err(StreamError::NotWellFormed);
        }
        self.tag.declared += 1;
        self.bindings.push(Binding {
            depth: self.depth,
            prefix: declares,
            namespace: ns::intern(&value),
        });
        Ok(())
    }

    /// The start tag is complete: its prefixes can be resolved.
    fn start(&mut self) -> Result<Piece, StreamError> {
        let Tag {
            start,
            name_end,
            name,
            attributes: raw,
            ..
        } = std::mem::take(&mut self.tag);
        let (prefix, name) = name.ok_or(StreamError::NotWellFormed)?;
        let mut outer = Vec::new();
        let prefixed = prefix.is_some();
        // No element is in that namespace, and the tree could not hold one.
        if prefix.as_ref().is_some_and(|prefix| prefix == "xml") {
            return Err(StreamError::BadNamespacePrefix);
        }
        let namespace = self.resolve(prefix, &mut outer)?;
        let mut attributes: Vec<Attribute> = Vec::with_capacity(raw.len());
        for (prefix, name, value) in raw {
            let namespace = match prefix {
                None => None,
                prefix => Some(self.resolve(prefix, &mut outer)?),
            };
            if attributes
                .iter()
                .any(|other| other.name == name && other.namespace == namespace)
            {
                return Err(StreamError::NotWellFormed);
            }
            attributes.push(Attribute {
                namespace,
                name,
                value,
            });
        }
        let own_default = self
            .bindings
            .iter()
            .rev()
            .take_while(|binding| binding.depth == self.depth)
            .find(|binding| binding.prefix.is_none())
            .map(|binding| binding.namespace.clone());
        Ok(Piece::Start(Start {
            depth: self.depth,
            start,
            end: self.at,
            name_end,
            prefixed,
            name,
            namespace,
            own_default,
            attributes,
            outer,
        }))
    }

    fn resolve(
        &self,
        prefix: Option<NcName>,
        outer: &mut Vec<Outer>,
    ) -> Result<Cow<'static, str>, StreamError> {
        if prefix.as_ref().is_some_and(|prefix| prefix == "xml") {
            return Ok(Cow::Borrowed(ns::XML));
        }
        let binding = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix);
        let namespace = match binding {
            Some(binding) if binding.depth >= self.edge => return Ok(binding.namespace.clone()),
            Some(binding) => binding.namespace.clone(),
            None if prefix.is_none() => Cow::Borrowed(self.default),
            None => return Err(StreamError::NotWellFormed),
        };
        let used = Outer {
            prefix,
            namespace: namespace.clone(),
        };
        if !outer.contains(&used) {
            outer.push(used);
        }
        Ok(namespace)
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Elements from this depth on are to be self-contained: their
    /// [`Start::outer`] names what they use of the declarations further out.
    pub(super) fn set_edge(&mut self, depth: usize) {
        self.edge = depth;
    }

    /// Gives memory back until there is more to read.
    pub(super) fn release(&mut self) {
        self.parser.release_temporaries();
    }
}

/// Checks that `xml` is exactly one element, well-formed also in its use of
/// prefixes, within all limits but the size.
pub(super) fn check(xml: &[u8], limits: &Limits) -> Result<(), StreamError> {
    let limits = Limits {
        stanza_bytes: xml.len(),
        ..*limits
    };
    let mut scan = Scan::new(limits, ns::CLIENT);
    let mut rest = xml;
    while scan.next(&mut rest, true)?.is_some() {}
    Ok(())
}
