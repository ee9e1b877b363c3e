//! A server for one test, and a client that speaks to it over TCP: it says
//! what it is told to, byte by byte, and reads what comes back.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Parser;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tower_xmpp::stanza::{Element, Frame, Limits, Reader, Stanza, Type};

use super::certificate::secure;
use super::example::options::Options;
use super::example::server::Server;
use super::frames::{self, PATIENCE};

/// Starts a server on a port of its own.
pub async fn server() -> Server {
    server_with("").await
}

/// The same with options.
pub async fn server_with(options: &str) -> Server {
    let line = "server --listen 127.0.0.1:0 --domain example.org";
    let line = line.split_whitespace().chain(options.split_whitespace());
    let options = Options::try_parse_from(line).unwrap();
    options.check().unwrap();
    Server::start(&options).await.unwrap()
}

pub struct Client {
    socket: Box<dyn Socket>,
    reader: Reader,
}

/// What bytes go through.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

impl Client {
    /// A connection on which nothing has been said.
    pub async fn connect(address: SocketAddr) -> Self {
        let limits = Limits {
            stanza_bytes: 1 << 24,
            children: 1 << 20,
            ..Limits::default()
        };
        Self {
            socket: Box::new(TcpStream::connect(address).await.unwrap()),
            reader: Reader::new(limits),
        }
    }

    /// A stream that is open; the features have been read.
    pub async fn open(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        client.open_stream().await;
        client
    }

    /// A client that has logged in but bound nothing.
    pub async fn authenticated(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::open(address).await;
        client.send(&plain(name, name)).await;
        assert_eq!(client.nonza().await.name(), "success");
        client.restart().await;
        client
    }

    /// A client that has bound this resource: `alice` has the password `alice`.
    pub async fn bound(address: SocketAddr, name: &str, resource: &str) -> Self {
        let mut client = Self::authenticated(address, name).await;
        let jid = client.bind(resource).await;
        assert_eq!(jid, format!("{name}@example.org/{resource}"));
        client
    }

    /// A client that is available, and has heard so.
    pub async fn available(address: SocketAddr, name: &str, resource: &str) -> Self {
        let mut client = Self::bound(address, name, resource).await;
        client.send("<presence/>").await;
        let own = client.stanza().await;
        assert_eq!(own.from(), own.to());
        client
    }

    pub async fn send(&mut self, xml: &str) {
        self.send_bytes(xml.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// The same for a server that may have hung up already.
    pub async fn try_send(&mut self, xml: &str) -> std::io::Result<()> {
        self.socket.write_all(xml.as_bytes()).await
    }

    /// Speaks TLS from now on, and believes this certificate.
    pub async fn secure(self, certificate: CertificateDer<'static>) -> std::io::Result<Self> {
        Ok(Self {
            socket: Box::new(secure(self.socket, certificate).await?),
            reader: Reader::new(Limits::default()),
        })
    }

    pub async fn open_stream(&mut self) {
        self.send(HEADER).await;
        let Some(Frame::Open(header)) = self.frame().await else {
            panic!("a header is expected");
        };
        assert_eq!(header.from.as_deref(), Some("example.org"));
        assert_eq!(self.nonza().await.name(), "features");
    }

    pub async fn restart(&mut self) {
        self.reader.restart();
        self.open_stream().await;
    }

    pub async fn bind(&mut self, resource: &str) -> String {
        self.send(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        ))
        .await;
        let answer = self.stanza().await;
        assert!(answer.is_type(&Type::Result), "{}", answer.to_xml());
        let bind = answer.payload().unwrap();
        bind.first_child().unwrap().text()
    }

    /// What comes next; none when the connection has been closed.
    pub async fn frame(&mut self) -> Option<Frame> {
        frames::next(&mut self.reader, &mut self.socket).await
    }

    /// What comes next, but for questions whether it arrived (XEP-0198 §4).
    async fn element(&mut self) -> Option<Frame> {
        loop {
            match self.frame().await {
                Some(Frame::Nonza(element)) if element.is("r", "urn:xmpp:sm:3") => {}
                frame => return frame,
            }
        }
    }

    pub async fn stanza(&mut self) -> Stanza {
        match self.element().await {
            Some(Frame::Stanza(stanza)) => stanza,
            other => panic!("a stanza is expected, not {other:?}"),
        }
    }

    pub async fn nonza(&mut self) -> Element {
        match self.element().await {
            Some(Frame::Nonza(element)) => element,
            other => panic!("a nonza is expected, not {other:?}"),
        }
    }

    /// The stream ends with this error, and the connection with it.
    pub async fn expect_end(&mut self, condition: &str) {
        let error = self.nonza().await;
        assert_eq!(error.name(), "error");
        let named = error.first_child().map(|named| named.name().to_owned());
        assert_eq!(named.as_deref(), Some(condition), "{}", error.to_xml());
        assert!(matches!(self.element().await, Some(Frame::Close)));
        assert!(self.frame().await.is_none());
    }

    /// Asks and waits for the answer, which must be the next stanza: all that
    /// the server had to say to this client before has been read.
    pub async fn ask(&mut self, iq: &str) -> Stanza {
        self.send(iq).await;
        let answer = self.stanza().await;
        assert!(answer.is_response(), "{}", answer.to_xml());
        answer
    }

    /// Nothing else has come, and the stream lives.
    pub async fn expect_nothing(&mut self) {
        let answer = self.ask(PING).await;
        assert_eq!(answer.id(), Some("nothing"));
        assert!(answer.is_type(&Type::Result));
    }

    /// The connection is closed, whatever was written before.
    pub async fn expect_hang_up(&mut self) {
        timeout(PATIENCE, async {
            let mut buffer = [0; 4096];
            while let Ok(1..) = self.socket.read(&mut buffer).await {}
        })
        .await
        .expect("the connection lives");
    }

    /// Leaves the connection without a word.
    pub fn vanish(self) {}
}

/// Waits until all has arrived that this client has sent to the account so
/// far: what is for one account arrives in order.
pub async fn arrived(server: &Server, sender: &mut Client, account: &str) {
    let mut probe = Client::bound(server.address(), account, "probe").await;
    let to = format!("{account}@example.org/probe");
    sender
        .send(&format!("<message to='{to}' id='arrived'/>"))
        .await;
    assert_eq!(probe.stanza().await.id(), Some("arrived"));
    probe.send("</stream:stream>").await;
    assert!(matches!(probe.frame().await, Some(Frame::Close)));
}

pub const HEADER: &str = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' \
                          xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

pub const PING: &str = "<iq type='get' id='nothing'><ping xmlns='urn:xmpp:ping'/></iq>";

pub fn plain(name: &str, password: &str) -> String {
    auth("PLAIN", &format!("\0{name}\0{password}"))
}

pub fn auth(mechanism: &str, message: &str) -> String {
    let message = BASE64_STANDARD.encode(message);
    format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{message}</auth>"
    )
}
