//! A stanza put together while its bytes arrive.

use std::borrow::Cow;

use super::error::ParseError;
use super::fragment::{self, Fragment, Node};
use super::head::{Address, Head};
use super::limits::{Limit, Limits, StreamError};
use super::plain::Plain;
use super::scan::Scan;
use super::scope::{Outer, Piece, Scope, Start};
use super::types::Kind;
use super::{Stanza, dom, escape, ns};

/// Notes where the children of a stanza stand, and which of them cannot be
/// kept verbatim because they lean on declarations around them. Offsets count
/// from the stanza's `<`.
pub(super) struct Assembly {
    head: Head,
    to: Option<Address>,
    origin: usize,
    /// Where the contents begin.
    inner: usize,
    content: Cow<'static, str>,
    limits: Limits,
    spans: Vec<Span>,
    /// How many elements are open inside the stanza.
    open: usize,
    /// How many of them, from the outermost on, stand in the content namespace.
    relative: usize,
}

/// A direct child.
struct Span {
    start: usize,
    end: usize,
    name_end: usize,
    name_len: usize,
    namespace: Cow<'static, str>,
    /// Declarations of the stanza or stream that it uses.
    outer: Vec<Outer>,
    /// It names the content namespace, and would not be at home on a stream
    /// with another.
    absolute: bool,
}

impl Assembly {
    /// Begins with a start tag.
    pub(super) fn open(kind: Kind, start: Start<'_>, limits: &Limits) -> Self {
        let (mut head, mut to) = (Head::new(kind), None);
        for attribute in start.attributes {
            head.read_attribute(
                &mut to,
                attribute.namespace.as_deref(),
                &attribute.name,
                attribute.value,
            );
        }
        Assembly {
            head,
            to,
            origin: start.start,
            inner: start.end - start.start,
            content: start.namespace,
            limits: *limits,
            spans: Vec::new(),
            open: 0,
            relative: 0,
        }
    }

    /// Where in all that was fed the stanza begins.
    pub(super) fn origin(&self) -> usize {
        self.origin
    }

    /// An element inside the stanza begins.
    pub(super) fn start(&mut self, start: Start<'_>) -> Result<(), StreamError> {
        let relative = self.relative == self.open && start.namespace == self.content;
        let absolute = relative && (start.prefixed || start.own_default.is_some());
        self.open += 1;
        self.relative += usize::from(relative);
        if self.open == 1 {
            if self.spans.len() == self.limits.children {
                return Err(StreamError::PolicyViolation(Limit::Children));
            }
            self.spans.push(Span {
                start: start.start - self.origin,
                end: 0,
                name_end: start.name_end - self.origin,
                name_len: start.name.len(),
                namespace: start.namespace,
                outer: Vec::new(),
                absolute: false,
            });
        }
        let Some(span) = self.spans.last_mut() else {
            return Ok(());
        };
        span.absolute |= absolute;
        for outer in start.outer {
            let at_home = outer.prefix.is_none() && outer.namespace == self.content;
            if !at_home && !span.outer.contains(&outer) {
                span.outer.push(outer);
            }
        }
        Ok(())
    }

    /// An element inside the stanza ends.
    pub(super) fn end(&mut self, end: usize) {
        self.open -= 1;
        self.relative = self.relative.min(self.open);
        if self.open == 0
            && let Some(span) = self.spans.last_mut()
        {
            span.end = end - self.origin;
        }
    }

    /// The stanza ends. `xml` is all of it.
    pub(super) fn finish(self, xml: &[u8]) -> Result<Stanza, StreamError> {
        let xml = std::str::from_utf8(xml).map_err(|_| StreamError::UnsupportedEncoding)?;
        let mut stanza = Stanza::from_head(self.head, self.to);
        // The last `<` begins the end tag, unless there is none.
        let xml = &xml[..xml.rfind('<').unwrap_or_default()];
        if xml.len() <= self.inner {
            return Ok(stanza);
        }
        let mut text = String::with_capacity(xml.len() - self.inner);
        let mut nodes = Vec::with_capacity(self.spans.len());
        let mut kept = self.inner;
        for span in self.spans {
            text.push_str(&xml[kept..span.start]);
            kept = span.end;
            nodes.push(span.write(xml, &self.content, &mut text)?);
            if text.len() > self.limits.stanza_bytes {
                return Err(StreamError::PolicyViolation(Limit::StanzaBytes));
            }
        }
        text.push_str(&xml[kept..]);
        stanza.body = Some(Fragment::new(text, nodes).into());
        Ok(stanza)
    }
}

impl Span {
    fn write(self, xml: &str, content: &str, out: &mut String) -> Result<Node, StreamError> {
        if self.absolute {
            let mut whole = String::new();
            self.declare(xml, &mut whole);
            let tree = dom::parse(whole.as_bytes(), content)?;
            return Ok(fragment::relative(&tree, content, out));
        }
        let start = out.len();
        self.declare(xml, out);
        let name_end = start + self.name_end - self.start;
        let namespace = match self.namespace == content {
            true => Cow::Borrowed(ns::CLIENT),
            false => self.namespace,
        };
        let name = (name_end - self.name_len, name_end);
        Ok(Node::new(start, out.len(), name, namespace))
    }

    /// Appends the child with everything declared that it uses.
    fn declare(&self, xml: &str, out: &mut String) {
        declare(
            &xml[self.start..self.end],
            self.name_end - self.start,
            &self.outer,
            out,
        );
    }
}

/// Appends the element `xml`, whose name ends at `name_end`, with `outer`
/// declared on it.
pub(super) fn declare(xml: &str, name_end: usize, outer: &[Outer], out: &mut String) {
    out.push_str(&xml[..name_end]);
    for outer in outer {
        match &outer.prefix {
            None => escape::push_attribute("xmlns", &outer.namespace, out),
            Some(prefix) => {
                escape::push_attribute(&format!("xmlns:{prefix}"), &outer.namespace, out);
            }
        }
    }
    out.push_str(&xml[name_end..]);
}

/// The kind of stanza that this start tag begins; None if it is something
/// else. `content` is the content namespace of the stream, if it has one.
pub(super) fn kind(start: &Start<'_>, content: Option<&str>) -> Result<Option<Kind>, StreamError> {
    let kind = Kind::from_name(&start.name).filter(|_| ns::is_content(&start.namespace));
    match content {
        Some(content) if kind.is_some() && start.namespace != content => {
            Err(StreamError::InvalidNamespace)
        }
        _ => Ok(kind),
    }
}

/// The stanza that `xml` begins with, and its length, if all of it is there, plain
/// and right. Else it has to be read piece by piece, which finds out what is wrong.
pub(super) fn at_once(
    xml: &[u8],
    scope: &mut Scope,
    content: Option<&str>,
    limits: &Limits,
) -> Option<(Stanza, usize)> {
    let mark = scope.mark();
    scope.set_edge(scope.depth() + 2);
    let found = plain(Plain::new(xml, scope), xml, content, limits);
    scope.restore(mark);
    found
}

fn plain(
    mut tags: Plain<'_, '_>,
    xml: &[u8],
    content: Option<&str>,
    limits: &Limits,
) -> Option<(Stanza, usize)> {
    let Piece::Start(start) = tags.next()? else {
        return None;
    };
    let kind = kind(&start, content).ok()??;
    let mut assembly = Assembly::open(kind, start, limits);
    loop {
        match tags.next()? {
            Piece::Start(start) => assembly.start(start).ok()?,
            Piece::End { end } if tags.is_open() => assembly.end(end),
            Piece::End { end } => return Some((assembly.finish(&xml[..end]).ok()?, end)),
            Piece::Text { .. } => {}
        }
    }
}

/// Reads one stanza that stands alone.
pub(super) fn parse(xml: &[u8], limits: &Limits) -> Result<Stanza, ParseError> {
    if xml.len() > limits.stanza_bytes {
        return Err(StreamError::PolicyViolation(Limit::StanzaBytes).into());
    }
    let token = Limits {
        stanza_bytes: xml.len(),
        ..*limits
    };
    match at_once(xml, &mut Scope::new(token, ns::CLIENT), None, limits) {
        Some((stanza, length)) if length == xml.len() => return Ok(stanza),
        _ => {}
    }
    let mut scan = Scan::new(token, ns::CLIENT);
    scan.scope.set_edge(2);
    let mut rest = xml;
    let mut assembly: Option<Assembly> = None;
    let mut stanza = None;
    while let Some(piece) = scan.next(&mut rest, true)? {
        match (piece, &mut assembly) {
            (Piece::Start(start), None) => {
                let kind = kind(&start, None)?.ok_or(ParseError::NotAStanza)?;
                assembly = Some(Assembly::open(kind, start, limits));
            }
            (Piece::Start(start), Some(assembly)) => assembly.start(start)?,
            (Piece::End { end }, Some(assembly)) if scan.scope.depth() > 0 => assembly.end(end),
            (Piece::End { end }, _) => {
                if let Some(assembly) = assembly.take() {
                    let origin = assembly.origin();
                    stanza = Some(assembly.finish(&xml[origin..end])?);
                }
            }
            (Piece::Text { .. }, _) => {}
        }
    }
    stanza.ok_or(ParseError::Xml(StreamError::NotWellFormed))
}
