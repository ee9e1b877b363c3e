//! A server that welcomes components (XEP-0114), seen from its own side.

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower_xmpp::stanza::{Frame, Limits, Reader, Stanza, Type, ns};

use super::frames::{self, PATIENCE};

/// The other server, before anybody has connected.
pub struct Other(pub TcpListener);

/// One line of ours, seen from there.
pub struct Line {
    socket: TcpStream,
    reader: Reader,
}

impl Other {
    pub async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Who comes, and for which domain.
    pub async fn knock(&self) -> (Line, String) {
        let accepted = timeout(PATIENCE, self.0.accept());
        let (socket, _) = accepted.await.expect("somebody connects").unwrap();
        let mut line = Line {
            socket,
            reader: Reader::new(Limits::default()),
        };
        let Frame::Open(header) = line.frame().await.unwrap() else {
            panic!("a header is expected");
        };
        assert_eq!(header.content, ns::COMPONENT);
        (line, header.to.unwrap())
    }

    /// The same, and it is welcome: its secret is "secret".
    pub async fn line(&self) -> (Line, String) {
        let (mut line, domain) = self.knock().await;
        line.send(
            "<stream:stream xmlns='jabber:component:accept' id='3BF96D32' \
             xmlns:stream='http://etherx.jabber.org/streams'>",
        )
        .await;
        let Some(Frame::Nonza(handshake)) = line.frame().await else {
            panic!("a handshake is expected");
        };
        // The digest of "3BF96D32" and "secret", as sha1sum computes it.
        assert_eq!(handshake.text(), HANDSHAKE);
        line.send("<handshake/>").await;
        (line, domain)
    }
}

const HANDSHAKE: &str = "b09ea9b3b7f586be8a08d0a3dd7466f110aeb136";

impl Line {
    pub async fn send(&mut self, xml: &str) {
        self.socket.write_all(xml.as_bytes()).await.unwrap();
    }

    pub async fn frame(&mut self) -> Option<Frame> {
        frames::next(&mut self.reader, &mut self.socket).await
    }

    pub async fn stanza(&mut self) -> Stanza {
        match self.frame().await {
            Some(Frame::Stanza(stanza)) => stanza,
            other => panic!("a stanza is expected, not {other:?}"),
        }
    }

    /// Asks our server something; its answer is the next stanza.
    pub async fn expect_nothing(&mut self, domain: &str) {
        self.send(&format!(
            "<iq type='get' id='nothing' from='carol@other.example/x' to='{domain}'>\
             <query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        ))
        .await;
        let answer = self.stanza().await;
        assert_eq!(answer.id(), Some("nothing"), "{}", answer.to_xml());
        assert!(answer.is_type(&Type::Result));
    }
}
