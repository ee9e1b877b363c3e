//! What comes over WebSocket: each message holds one element, a document of
//! its own (RFC 7395 §3.3).

use tower_xmpp::stanza::{Element, Frame, Reader, StreamHeader, ns};

use super::super::options::Limits;
use super::inlet::reader;
use super::words::Fault;

/// Stands where over TCP the client's header would, so that what follows is
/// read as there, within the same limits.
const HEADER: &str = "<stream:stream xmlns='jabber:client' version='1.0' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

pub struct Documents {
    reader: Reader,
    limits: Limits,
    is_open: bool,
    is_trusted: bool,
}

impl Documents {
    /// Of a client that nobody knows yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            reader: reader(&limits),
            limits,
            is_open: false,
            is_trusted: false,
        }
    }

    /// The client begins a new stream.
    pub fn restart(&mut self) {
        self.is_open = false;
    }

    /// The client has logged in, and may send as much as any.
    pub fn trust(&mut self) {
        self.is_trusted = true;
        self.reader.set_stanza_bytes(self.limits.max_stanza);
    }

    /// Reads a message.
    ///
    /// Deliberately an element without a namespace is taken for a stanza,
    /// although RFC 7395 §3.3.3 demands that it is declared: nothing else
    /// could be meant.
    pub fn take(&mut self, text: &str) -> Result<Frame, Fault> {
        let text = text.trim();
        if text.starts_with("<open") || text.starts_with("<close") {
            return self.framing(text);
        }
        if !self.is_open {
            return Err(Fault::NotOpen);
        }
        self.reader.push(text.as_bytes());
        let frame = self.reader.next().map_err(Fault::Xml)?;
        let is_all = self.reader.buffered() == 0;
        match frame {
            Some(frame @ (Frame::Stanza(_) | Frame::Nonza(_))) if is_all => Ok(frame),
            _ => Err(Fault::NotOneElement),
        }
    }

    fn framing(&mut self, text: &str) -> Result<Frame, Fault> {
        // What is as large as a stanza may not be is no header.
        let longest = 10_000;
        let element = Element::parse(text.as_bytes())
            .ok()
            .filter(|element| text.len() <= longest && element.has_ns(ns::FRAMING))
            .ok_or(Fault::NotOneElement)?;
        if element.name() == "close" {
            return Ok(Frame::Close);
        }
        self.reader = reader(&self.limits);
        if self.is_trusted {
            self.trust();
        }
        self.reader.push(HEADER.as_bytes());
        self.reader.next().map_err(Fault::Xml)?;
        self.is_open = true;
        let attr = |name| element.attr(name).map(str::to_owned);
        let mut header = StreamHeader::default();
        header.to = attr("to");
        header.from = attr("from");
        header.version = attr("version");
        header.content = ns::CLIENT.to_owned();
        Ok(Frame::Open(header))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const OPEN: &str =
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";

    fn documents(opened: bool) -> Documents {
        let limits = Limits::try_parse_from(["server"]).unwrap();
        let mut documents = Documents::new(limits);
        if opened {
            let Ok(Frame::Open(header)) = documents.take(OPEN) else {
                panic!("it is open");
            };
            assert_eq!(header.to.as_deref(), Some("example.org"));
        }
        documents
    }

    #[test]
    fn each_message_is_one_element() {
        let mut documents = documents(true);
        for text in [
            "<message xmlns='jabber:client'><body>hi</body></message>",
            " <presence/> ",
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        ] {
            assert!(documents.take(text).is_ok(), "{text}");
        }
        let close = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
        assert!(matches!(documents.take(close), Ok(Frame::Close)));
    }

    #[test]
    fn less_than_one_element_or_more_ends_the_stream() {
        for text in [
            "",
            "<message>",
            "<presence/><presence/>",
            "<presence/><mess",
            "</stream:stream>",
            "<open/>",
            "<close xmlns='some:thing'/>",
        ] {
            let fault = documents(true).take(text).err();
            assert_eq!(fault, Some(Fault::NotOneElement), "{text}");
        }
        let fault = documents(true).take("<message></presence>").unwrap_err();
        assert_eq!(fault.condition(), "not-well-formed");
    }

    #[test]
    fn the_header_comes_first_and_again_after_a_restart() {
        for mut documents in [documents(false), documents(true)] {
            documents.restart();
            assert_eq!(documents.take("<presence/>").err(), Some(Fault::NotOpen));
            assert!(documents.take(OPEN).is_ok());
            assert!(documents.take("<presence/>").is_ok());
        }
    }

    #[test]
    fn a_stranger_may_say_little() {
        let long = format!("<message><body>{}</body></message>", "x".repeat(10_000));
        let mut documents = documents(true);
        documents.trust();
        assert!(documents.take(&long).is_ok());
        documents.restart();
        assert!(documents.take(OPEN).is_ok());
        assert!(documents.take(&long).is_ok());
        let fault = self::documents(true).take(&long).unwrap_err();
        assert_eq!(fault.condition(), "policy-violation");
    }
}
