//! XML in pieces, as it arrives: rxml's tokens.

use rxml::error::EndOrError;
use rxml::{Options, Parse, RawEvent, RawParser, RawQName, WithOptions};

use super::limits::{Limits, StreamError};
use super::ns;
use super::scope::{Piece, QName, Scope, Tag};

/// Reads XML piece by piece. rxml's raw parser leaves to its user what
/// [`Scope`] does; its other one forgets which prefix an element came with,
/// which [`Start::outer`](super::scope::Start::outer) needs.
pub(super) struct Scan {
    parser: RawParser,
    pub(super) scope: Scope,
    /// How many bytes it has looked at. rxml's own measure of events is off
    /// where there is an empty CDATA section, or where bytes arrive in the
    /// middle of a character; what it consumes is not.
    at: usize,
    tag: Tag<'static>,
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
            scope: Scope::new(limits, default),
            at: 0,
            tag: Tag::default(),
        }
    }

    /// The next piece in `bytes`, from which it takes what it has looked at;
    /// None if they hold no whole one.
    pub(super) fn next(
        &mut self,
        bytes: &mut &[u8],
        complete: bool,
    ) -> Result<Option<Piece<'static>>, StreamError> {
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

    fn take(&mut self, event: RawEvent) -> Result<Option<Piece<'static>>, StreamError> {
        match event {
            RawEvent::XmlDeclaration(..) => Ok(None),
            RawEvent::ElementHeadOpen(_, name) => {
                self.scope.open()?;
                // The byte behind the name, which ends it, is gone already.
                self.tag = Tag::new(owned(name), self.at - 1);
                Ok(None)
            }
            RawEvent::Attribute(_, name, value) => {
                self.scope
                    .attribute(&mut self.tag, owned(name), value.into())?;
                Ok(None)
            }
            RawEvent::ElementHeadClose(_) => {
                let tag = std::mem::take(&mut self.tag);
                self.scope
                    .start(tag, self.at)
                    .map(|start| Some(Piece::Start(start)))
            }
            RawEvent::Text(_, text) => Ok(Some(Piece::Text {
                blank: text.bytes().all(|byte| byte.is_ascii_whitespace()),
            })),
            RawEvent::ElementFoot(_) => {
                self.scope.end();
                Ok(Some(Piece::End { end: self.at }))
            }
        }
    }

    /// Counts bytes that it was not shown.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Gives memory back until there is more to read.
    pub(super) fn release(&mut self) {
        self.parser.release_temporaries();
    }
}

fn owned((prefix, name): RawQName) -> QName<'static> {
    (
        prefix.map(|prefix| String::from(prefix).into()),
        String::from(name).into(),
    )
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
