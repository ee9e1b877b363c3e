//! What differs between a stream over TCP (RFC 6120 §4) and one over
//! WebSocket (RFC 7395 §3): how it is opened and closed, and that over
//! WebSocket every element is a document of its own.

use tower_xmpp::stanza::{Form, ns};

use super::words::{Fault, escape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One document that lasts as long as the stream.
    Tcp,
    /// One document for each top-level element, in a message of its own.
    WebSocket,
}

impl Framing {
    /// Our header.
    pub fn open(self, domain: &str, id: &str) -> String {
        let domain = escape(domain);
        match self {
            Self::Tcp => format!(
                "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' \
                 from='{domain}' id='{id}' version='1.0' xml:lang='en'>",
                ns::CLIENT,
                ns::STREAMS,
            ),
            Self::WebSocket => format!(
                "<open xmlns='{}' from='{domain}' id='{id}' version='1.0' xml:lang='en'/>",
                ns::FRAMING,
            ),
        }
    }

    /// The stream's features, which `inner` lists.
    pub fn features(self, inner: &str) -> String {
        let declared = self.declared();
        format!("<stream:features{declared}>{inner}</stream:features>")
    }

    /// The error that ends a stream (RFC 6120 §4.9).
    pub fn error(self, fault: Fault) -> String {
        let (declared, said) = (self.declared(), fault.to_xml());
        format!("<stream:error{declared}>{said}</stream:error>")
    }

    /// The end of a stream (RFC 6120 §4.4, RFC 7395 §3.6).
    pub fn close(self) -> &'static str {
        match self {
            Self::Tcp => "</stream:stream>",
            Self::WebSocket => "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
        }
    }

    /// How stanzas are written.
    pub fn form(self) -> Form {
        match self {
            Self::Tcp => Form::Stream,
            Self::WebSocket => Form::Standalone,
        }
    }

    /// The prefix `stream`, where no header has declared it.
    fn declared(self) -> &'static str {
        match self {
            Self::Tcp => "",
            Self::WebSocket => " xmlns:stream='http://etherx.jabber.org/streams'",
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_xmpp::stanza::Element;

    use super::*;

    #[test]
    fn over_websocket_each_element_stands_on_its_own() {
        let ws = Framing::WebSocket;
        for xml in [
            ws.open("a.example", "x"),
            ws.features("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"),
            ws.error(Fault::Conflict),
            ws.close().to_owned(),
        ] {
            assert!(Element::parse(xml.as_bytes()).is_ok(), "{xml}");
        }
    }
}
