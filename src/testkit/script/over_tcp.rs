//! A server at a host and port as a stage.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use jid::{FullJid, Jid};

use crate::stanza::{Element, Form, Frame, Limits, Reader, Stanza, Type, ns};

use super::{Client, Patience, Stage, not_connected};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

pub(super) struct OverTcp<'a> {
    address: &'a str,
    patience: Patience,
    streams: Vec<Option<Stream>>,
}

/// One client's connection.
struct Stream {
    socket: TcpStream,
    reader: Reader,
    patience: Patience,
}

impl<'a> OverTcp<'a> {
    pub(super) fn new(address: &'a str, patience: Patience, clients: usize) -> Self {
        Self {
            address,
            patience,
            streams: (0..clients).map(|_| None).collect(),
        }
    }

    fn stream(&mut self, number: usize) -> Result<&mut Stream, String> {
        self.streams[number].as_mut().ok_or_else(not_connected)
    }
}

impl Stage for OverTcp<'_> {
    fn connect(&mut self, number: usize, client: &Client) -> Result<FullJid, String> {
        let mut stream = Stream::open(self.address, self.patience)?;
        let jid = stream.log_in(client)?;
        self.streams[number] = Some(stream);
        Ok(jid)
    }

    fn disconnect(&mut self, number: usize) -> Result<(), String> {
        let stream = self.stream(number)?;
        let closed = stream.write("</stream:stream>");
        self.streams[number] = None;
        closed
    }

    fn send(&mut self, number: usize, stanza: Stanza) -> Result<(), String> {
        self.stream(number)?.send(&stanza)
    }

    fn receive(&mut self, number: usize) -> Result<Option<Stanza>, String> {
        let stream = self.stream(number)?;
        stream.next_stanza(stream.patience.answer)
    }

    fn overhear(&mut self, number: usize) -> Result<Option<Stanza>, String> {
        let stream = self.stream(number)?;
        stream.next_stanza(stream.patience.quiet)
    }
}

impl Stream {
    fn open(address: &str, patience: Patience) -> Result<Self, String> {
        let unreachable = |why: std::io::Error| format!("{address} cannot be reached: {why}");
        let mut last = format!("{address} is no address");
        for candidate in address.to_socket_addrs().map_err(unreachable)? {
            match TcpStream::connect_timeout(&candidate, patience.answer) {
                Ok(socket) => {
                    socket.set_nodelay(true).map_err(unreachable)?;
                    return Ok(Self {
                        socket,
                        reader: Reader::new(Limits::default()),
                        patience,
                    });
                }
                Err(why) => last = unreachable(why),
            }
        }
        Err(last)
    }

    /// RFC 6120 §6 and §7: SASL PLAIN, then a resource.
    fn log_in(&mut self, client: &Client) -> Result<FullJid, String> {
        let domain = client.jid.domain();
        let features = self.start(domain.as_str())?;
        let offered = features.child("mechanisms", SASL);
        let offered = offered.is_some_and(|mechanisms| {
            mechanisms
                .children()
                .any(|mechanism| mechanism.text() == "PLAIN")
        });
        if !offered {
            return Err(format!("PLAIN is not offered in {features:?}"));
        }
        let user = client.jid.node().map(jid::NodeRef::as_str);
        let plain = format!("\0{}\0{}", user.unwrap_or_default(), client.password);
        let auth = Element::new("auth", SASL)
            .with_attr("mechanism", "PLAIN")
            .with_text(&base64(plain.as_bytes()));
        self.write(&auth.to_xml())?;
        let answer = self.next_nonza()?;
        if !answer.is("success", SASL) {
            return Err(format!("is not let in: {answer:?}"));
        }
        self.reader.restart();
        let features = self.start(domain.as_str())?;

        let mut bind = Element::new("bind", BIND);
        if let Some(resource) = &client.resource {
            bind.push(Element::new("resource", BIND).with_text(resource));
        }
        let bound = self.ask(Stanza::iq(Type::Set, "bind").with_child(bind))?;
        // RFC 3921 servers want it; who calls it optional gets none.
        let session = features.child("session", ns::SESSION);
        if session.is_some_and(|session| !session.has_child("optional", ns::SESSION)) {
            let session = Element::new("session", ns::SESSION);
            self.ask(Stanza::iq(Type::Set, "session").with_child(session))?;
        }
        let jid = bound.child("bind", BIND);
        let jid = jid.and_then(|bind| Some(bind.child("jid", BIND)?.text()));
        let jid: Jid = jid
            .and_then(|jid| jid.trim().parse().ok())
            .ok_or_else(|| format!("got no address: {}", bound.to_xml()))?;
        jid.try_into_full()
            .map_err(|jid| format!("was bound to {jid}, which names no session"))
    }

    /// Opens the stream, for the first time or again, and reads the features.
    fn start(&mut self, domain: &str) -> Result<Element, String> {
        self.write(&format!(
            "<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xml:lang='en' \
             xmlns='jabber:client' xmlns:stream='{}'>",
            ns::STREAMS
        ))?;
        match self.next_frame(self.patience.answer)? {
            Some(Frame::Open(_)) => {}
            other => return Err(format!("expected the server's stream, got {other:?}")),
        }
        self.next_nonza()
    }

    fn ask(&mut self, request: Stanza) -> Result<Stanza, String> {
        self.send(&request)?;
        match self.next_stanza(self.patience.answer)? {
            Some(answer) if answer.id() == request.id() && answer.is_type(&Type::Result) => {
                Ok(answer)
            }
            other => Err(format!("{} was answered by {other:?}", request.to_xml())),
        }
    }

    fn send(&mut self, stanza: &Stanza) -> Result<(), String> {
        let mut out = Vec::new();
        stanza.write(&mut out, Form::Stream);
        self.write_bytes(&out)
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        self.write_bytes(text.as_bytes())
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.socket.write_all(bytes);
        written.map_err(|why| format!("the connection broke: {why}"))
    }

    fn next_nonza(&mut self) -> Result<Element, String> {
        match self.next_frame(self.patience.answer)? {
            Some(Frame::Nonza(element)) => Ok(element),
            other => Err(format!("expected something else than {other:?}")),
        }
    }

    /// The next stanza within this time; elements that are none go unseen.
    fn next_stanza(&mut self, within: Duration) -> Result<Option<Stanza>, String> {
        loop {
            match self.next_frame(within)? {
                None => return Ok(None),
                Some(Frame::Stanza(stanza)) => return Ok(Some(stanza)),
                Some(Frame::Nonza(error)) if error.has_ns(ns::STREAMS) => {
                    return Err(format!("the server ends the stream: {error:?}"));
                }
                Some(Frame::Nonza(_)) => {}
                Some(other) => return Err(format!("expected a stanza, got {other:?}")),
            }
        }
    }

    /// `None` if nothing comes within this time.
    fn next_frame(&mut self, within: Duration) -> Result<Option<Frame>, String> {
        let mut buffer = [0; 4096];
        loop {
            let frame = self.reader.next();
            if let Some(frame) = frame.map_err(|why| format!("the server sends no XMPP: {why}"))? {
                return Ok(Some(frame));
            }
            let broke = |why: std::io::Error| format!("the connection broke: {why}");
            self.socket.set_read_timeout(Some(within)).map_err(broke)?;
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(read) => self.reader.push(&buffer[..read]),
                Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(broke(why)),
            }
        }
    }
}

/// RFC 4648 §4
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let [first, second, third] = three;
        let sextets = [
            first >> 2,
            (first & 3) << 4 | second >> 4,
            (second & 15) << 2 | third >> 6,
            third & 63,
        ];
        for (position, sextet) in sextets.into_iter().enumerate() {
            text.push(match position <= chunk.len() {
                true => char::from(ALPHABET[usize::from(sextet)]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648 §10
        let vectors = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, vector) in vectors.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), vector);
        }
    }
}
