//! Which namespaces prefixes stand for: what Namespaces in XML 1.0 demands on
//! top of XML, whoever cut the bytes into tags.

use std::borrow::Cow;

use super::limits::{Limit, Limits, StreamError};
use super::ns;

/// The elements open now, and what they declare. A tokeniser tells it of each
/// start tag ([`Scope::open`], [`Scope::attribute`], [`Scope::start`]) and of each
/// end ([`Scope::end`]); it refuses prefixes that nobody declared and attributes
/// given twice (§5, §6.3).
pub(super) struct Scope {
    limits: Limits,
    /// Elements open now.
    depth: usize,
    /// Elements from this depth on are to be self-contained.
    edge: usize,
    default: &'static str,
    bindings: Vec<Binding>,
}

/// A piece of XML. `end` offsets count from the first byte that its tokeniser
/// was ever given.
pub(super) enum Piece<'a> {
    Start(Start<'a>),
    Text { blank: bool },
    End { end: usize },
}

/// A start tag.
pub(super) struct Start<'a> {
    /// Where its `<` stands.
    pub(super) start: usize,
    /// Just behind its `>`.
    pub(super) end: usize,
    /// Just behind its name.
    pub(super) name_end: usize,
    pub(super) prefixed: bool,
    pub(super) name: Cow<'a, str>,
    pub(super) namespace: Cow<'static, str>,
    /// The default namespace that it declares itself.
    pub(super) own_default: Option<Cow<'static, str>>,
    pub(super) attributes: Vec<Attribute<'a>>,
    /// What it uses of the declarations beyond the edge.
    pub(super) outer: Vec<Outer>,
}

pub(super) struct Attribute<'a> {
    prefix: Option<Cow<'a, str>>,
    pub(super) namespace: Option<Cow<'static, str>>,
    pub(super) name: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
}

/// A prefix that was declared further out; None is the default namespace.
#[derive(Clone, PartialEq)]
pub(super) struct Outer {
    pub(super) prefix: Option<Box<str>>,
    pub(super) namespace: Cow<'static, str>,
}

struct Binding {
    depth: usize,
    prefix: Option<Box<str>>,
    namespace: Cow<'static, str>,
}

/// The name of an element or attribute: a prefix, if there is one, and the rest.
pub(super) type QName<'a> = (Option<Cow<'a, str>>, Cow<'a, str>);

/// A start tag that is being read.
#[derive(Default)]
pub(super) struct Tag<'a> {
    start: usize,
    name_end: usize,
    name: QName<'a>,
    attributes: Vec<Attribute<'a>>,
    declared: usize,
}

impl<'a> Tag<'a> {
    /// The name is there: it ends at `name_end`.
    pub(super) fn new(name: QName<'a>, name_end: usize) -> Self {
        let length = name.1.len() + name.0.as_ref().map_or(0, |prefix| prefix.len() + 1);
        Tag {
            start: name_end - length - 1,
            name_end,
            name,
            ..Tag::default()
        }
    }
}

/// What [`Scope::restore`] goes back to.
pub(super) struct Mark {
    depth: usize,
    edge: usize,
    bindings: usize,
}

impl Scope {
    /// `default` is the default namespace where nothing declares one.
    pub(super) fn new(limits: Limits, default: &'static str) -> Self {
        Scope {
            limits,
            depth: 0,
            edge: 1,
            default,
            bindings: Vec::new(),
        }
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

    pub(super) fn mark(&self) -> Mark {
        Mark {
            depth: self.depth,
            edge: self.edge,
            bindings: self.bindings.len(),
        }
    }

    /// Forgets what was opened since.
    pub(super) fn restore(&mut self, mark: Mark) {
        self.depth = mark.depth;
        self.edge = mark.edge;
        self.bindings.truncate(mark.bindings);
    }

    /// An element begins.
    pub(super) fn open(&mut self) -> Result<(), StreamError> {
        self.depth += 1;
        match self.depth > self.limits.depth {
            true => Err(StreamError::PolicyViolation(Limit::Depth)),
            false => Ok(()),
        }
    }

    /// It has this attribute.
    pub(super) fn attribute<'a>(
        &mut self,
        tag: &mut Tag<'a>,
        (prefix, name): QName<'a>,
        value: Cow<'a, str>,
    ) -> Result<(), StreamError> {
        if tag.attributes.len() + tag.declared >= self.limits.attributes {
            return Err(StreamError::PolicyViolation(Limit::Attributes));
        }
        let declares = match prefix.as_deref() {
            None if name == "xmlns" => None,
            Some("xmlns") => Some(name.as_ref()),
            _ => {
                tag.attributes.push(Attribute {
                    prefix,
                    namespace: None,
                    name,
                    value,
                });
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
        if self
            .own_bindings()
            .any(|own| own.prefix.as_deref() == declares)
        {
            return Err(StreamError::NotWellFormed);
        }
        tag.declared += 1;
        self.bindings.push(Binding {
            depth: self.depth,
            prefix: declares.map(Into::into),
            namespace: ns::intern(&value),
        });
        Ok(())
    }

    /// The start tag is complete, up to `end`: its prefixes can be resolved.
    pub(super) fn start<'a>(&self, tag: Tag<'a>, end: usize) -> Result<Start<'a>, StreamError> {
        let (prefix, name) = tag.name;
        let prefix = prefix.as_deref();
        let mut outer = Vec::new();
        // No element is in that namespace, and the tree could not hold one.
        if prefix == Some("xml") {
            return Err(StreamError::BadNamespacePrefix);
        }
        let namespace = self.resolve(prefix, &mut outer)?;
        let mut attributes = tag.attributes;
        for at in 0..attributes.len() {
            let (before, rest) = attributes.split_at_mut(at);
            let attribute = &mut rest[0];
            if let Some(prefix) = attribute.prefix.as_deref() {
                attribute.namespace = Some(self.resolve(Some(prefix), &mut outer)?);
            }
            if before
                .iter()
                .any(|other| other.name == attribute.name && other.namespace == attribute.namespace)
            {
                return Err(StreamError::NotWellFormed);
            }
        }
        let own_default = self
            .own_bindings()
            .find(|binding| binding.prefix.is_none())
            .map(|binding| binding.namespace.clone());
        Ok(Start {
            start: tag.start,
            end,
            name_end: tag.name_end,
            prefixed: prefix.is_some(),
            name,
            namespace,
            own_default,
            attributes,
            outer,
        })
    }

    /// The innermost element ends.
    pub(super) fn end(&mut self) {
        let own = self.own_bindings().count();
        self.bindings.truncate(self.bindings.len() - own);
        self.depth -= 1;
    }

    /// What the innermost element declares itself.
    fn own_bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings
            .iter()
            .rev()
            .take_while(|binding| binding.depth == self.depth)
    }

    fn resolve(
        &self,
        prefix: Option<&str>,
        outer: &mut Vec<Outer>,
    ) -> Result<Cow<'static, str>, StreamError> {
        if prefix == Some("xml") {
            return Ok(Cow::Borrowed(ns::XML));
        }
        let binding = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix.as_deref() == prefix);
        let namespace = match binding {
            Some(binding) if binding.depth >= self.edge => return Ok(binding.namespace.clone()),
            Some(binding) => binding.namespace.clone(),
            None if prefix.is_none() => Cow::Borrowed(self.default),
            None => return Err(StreamError::NotWellFormed),
        };
        let used = Outer {
            prefix: prefix.map(Into::into),
            namespace: namespace.clone(),
        };
        if !outer.contains(&used) {
            outer.push(used);
        }
        Ok(namespace)
    }
}
