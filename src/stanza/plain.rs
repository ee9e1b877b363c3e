//! XML as nearly all stanzas are written, read at once and without copies.
//!
//! rxml reads whatever XML there is, in pieces of any length, and copies each name and
//! value. What is read here is a part of the language only. Where a byte does not belong
//! to it, or the element is not all there, [`Plain`] stops and rxml reads it instead: it
//! finds out what is wrong, if anything. So nothing is accepted here that is not
//! accepted there.
//!
//! Plain are:
//! 1. ASCII names;
//! 2. attribute values without references, line breaks and tabs, each straight
//!    behind its `=`;
//! 3. character data with the five entities of XML itself (RFC 6120 §11.1), but
//!    without other references, carriage returns, CDATA and `]]`;
//! 4. no character from U+F000 to U+FFFF, two of which XML forbids;
//! 5. at most sixteen elements inside one another.

use std::borrow::Cow;

use super::ns;
use super::scope::{Piece, QName, Scope, Tag};

/// One element, cut into its tags. Offsets count from its `<`.
pub(super) struct Plain<'a, 's> {
    xml: &'a [u8],
    at: usize,
    scope: &'s mut Scope,
    /// The names of the elements open now, `depth` of them.
    open: [&'a [u8]; DEEPEST],
    depth: usize,
    /// The start tag just read is an end tag, too.
    empty: bool,
}

const DEEPEST: usize = 16;

impl<'a, 's> Plain<'a, 's> {
    /// Begins with the first byte of `xml`.
    pub(super) fn new(xml: &'a [u8], scope: &'s mut Scope) -> Self {
        Plain {
            xml,
            at: 0,
            scope,
            open: [&[]; DEEPEST],
            depth: 0,
            empty: false,
        }
    }

    /// Is any element open?
    pub(super) fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// The next tag. None if what stands there is not plain, or incomplete, or wrong.
    pub(super) fn next(&mut self) -> Option<Piece<'a>> {
        if std::mem::take(&mut self.empty) {
            return self.end();
        }
        if self.depth > 0 {
            self.text()?;
        }
        match self.xml.get(self.at..self.at + 2)? {
            [b'<', b'/'] => {
                self.at += 2;
                self.end_tag()
            }
            [b'<', _] => {
                self.at += 1;
                self.start_tag()
            }
            _ => None,
        }
    }

    fn start_tag(&mut self) -> Option<Piece<'a>> {
        let from = self.at;
        let name = self.name()?;
        *self.open.get_mut(self.depth)? = &self.xml[from..self.at];
        self.depth += 1;
        self.scope.open().ok()?;
        let mut tag = Tag::new(name, self.at);
        loop {
            let spaced = self.skip_spaces();
            match self.byte()? {
                b'>' => break self.at += 1,
                b'/' if self.xml.get(self.at + 1) == Some(&b'>') => {
                    self.at += 2;
                    break self.empty = true;
                }
                _ if spaced => self.attribute(&mut tag)?,
                _ => return None,
            }
        }
        self.scope.start(tag, self.at).ok().map(Piece::Start)
    }

    fn attribute(&mut self, tag: &mut Tag<'a>) -> Option<()> {
        let name = self.name()?;
        let [b'=', quote @ (b'\'' | b'"')] = *self.xml.get(self.at..self.at + 2)? else {
            return None;
        };
        self.at += 2;
        let from = self.at;
        loop {
            self.skip(VALUE);
            match self.byte()? {
                byte if byte == quote => break,
                b'\'' | b'"' => self.at += 1,
                _ => return None,
            }
        }
        let value = std::str::from_utf8(&self.xml[from..self.at]).ok()?;
        self.at += 1;
        if is_reserved(&name, value) {
            return None;
        }
        self.scope.attribute(tag, name, Cow::Borrowed(value)).ok()
    }

    fn end_tag(&mut self) -> Option<Piece<'a>> {
        let name = self.open[self.depth.checked_sub(1)?];
        let rest = self.xml[self.at..].strip_prefix(name)?;
        if rest.first() != Some(&b'>') {
            return None;
        }
        self.at += name.len() + 1;
        self.end()
    }

    fn end(&mut self) -> Option<Piece<'a>> {
        self.depth -= 1;
        self.scope.end();
        Some(Piece::End { end: self.at })
    }

    /// Goes to the next tag.
    fn text(&mut self) -> Option<()> {
        loop {
            self.skip(TEXT);
            let rest = &self.xml[self.at..];
            self.at += match rest.first()? {
                b'<' => return Some(()),
                b'&' => ENTITIES
                    .into_iter()
                    .find(|entity| rest.starts_with(entity))?
                    .len(),
                // Not the beginning of `]]>`.
                b']' if *rest.get(1)? != b']' => 1,
                _ => return None,
            };
        }
    }

    /// The name that stands here, of an element or attribute.
    fn name(&mut self) -> Option<QName<'a>> {
        let first = self.name_part()?;
        if self.byte()? != b':' {
            return Some((None, first));
        }
        self.at += 1;
        let second = self.name_part()?;
        (self.byte()? != b':').then_some((Some(first), second))
    }

    fn name_part(&mut self) -> Option<Cow<'a, str>> {
        let from = self.at;
        self.skip(NAME);
        let name = &self.xml[from..self.at];
        match name.first()? {
            b'-' | b'.' | b'0'..=b'9' => None,
            _ => std::str::from_utf8(name).ok().map(Cow::Borrowed),
        }
    }

    fn skip_spaces(&mut self) -> bool {
        let from = self.at;
        while matches!(self.xml.get(self.at), Some(b' ' | b'\n' | b'\t')) {
            self.at += 1;
        }
        self.at > from
    }

    fn byte(&self) -> Option<u8> {
        self.xml.get(self.at).copied()
    }

    /// Goes on while bytes are of this class.
    fn skip(&mut self, class: u8) {
        let rest = &self.xml[self.at..];
        self.at += rest
            .iter()
            .position(|byte| CLASSES[usize::from(*byte)] & class == 0)
            .unwrap_or(rest.len());
    }
}

/// Is this a declaration that Namespaces in XML 1.0 §3 and §5 forbid, or one of
/// `xml` itself? rxml decides.
fn is_reserved((prefix, name): &QName<'_>, value: &str) -> bool {
    match prefix.as_deref() {
        None => name == "xmlns" && value == ns::XML,
        Some("xmlns") => matches!(name.as_ref(), "xml" | "xmlns") || matches!(value, "" | ns::XML),
        Some(_) => false,
    }
}

const ENTITIES: [&[u8]; 5] = [b"&amp;", b"&lt;", b"&gt;", b"&apos;", b"&quot;"];

/// Bytes that go on a name.
const NAME: u8 = 1;
/// Bytes that mean themselves in an attribute's value.
const VALUE: u8 = 2;
/// Bytes that mean themselves in character data.
const TEXT: u8 = 4;

/// The classes that each byte belongs to.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let at = byte as usize;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
            classes[at] |= NAME;
        }
        // 0xEF begins U+F000 to U+FFFF.
        if byte >= b' ' && byte != 0xEF && !matches!(byte, b'<' | b'&') {
            if !matches!(byte, b'\'' | b'"') {
                classes[at] |= VALUE;
            }
            if byte != b']' {
                classes[at] |= TEXT;
            }
        }
        if matches!(byte, b'\n' | b'\t') {
            classes[at] |= TEXT;
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};
