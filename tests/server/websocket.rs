//! The same streams over WebSocket (RFC 7395).

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tower_xmpp::stanza::{Element, ElementRef, ns};

use super::certificate::{Files, secure};
use super::client::{Client, PING, Socket, plain, server_with};
use super::example::server::Server;
use super::frames::PATIENCE;

const OPEN: &str =
    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
const CLOSE: &str = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";

struct Browser(WebSocketStream<Box<dyn Socket>>);

async fn server() -> Server {
    server_with("--websocket 127.0.0.1:0").await
}

async fn connect(
    server: &Server,
    path: &str,
    protocol: &'static str,
) -> Result<Browser, Box<Error>> {
    let socket = TcpStream::connect(server.websocket().unwrap()).await;
    connect_through(server, Box::new(socket.unwrap()), path, protocol).await
}

async fn connect_through(
    server: &Server,
    socket: Box<dyn Socket>,
    path: &str,
    protocol: &'static str,
) -> Result<Browser, Box<Error>> {
    let address = server.websocket().unwrap();
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
    let (socket, _) = client_async(request, socket).await.map_err(Box::new)?;
    Ok(Browser(socket))
}

impl Browser {
    /// A stream that is open; the names of the features.
    async fn open(server: &Server) -> (Self, Vec<String>) {
        let mut browser = connect(server, "/xmpp-websocket", "xmpp").await.unwrap();
        let features = browser.open_stream().await;
        (browser, features)
    }

    async fn open_stream(&mut self) -> Vec<String> {
        self.send(OPEN).await;
        let header = self.element().await;
        assert!(header.is("open", ns::FRAMING), "{}", header.to_xml());
        assert_eq!(header.attr("from"), Some("example.org"));
        assert!(header.attr("id").is_some());
        let features = self.element().await;
        assert!(features.is("features", ns::STREAMS));
        features
            .children()
            .map(|one| one.name().to_owned())
            .collect()
    }

    async fn bound(server: &Server, name: &str) -> Self {
        let (mut browser, _) = Self::open(server).await;
        browser.log_in(name).await;
        browser
    }

    async fn log_in(&mut self, name: &str) {
        self.send(&plain(name, name)).await;
        assert_eq!(self.element().await.name(), "success");
        let features = self.open_stream().await;
        assert!(features.contains(&"bind".to_owned()));
        self.send(
                "<iq xmlns='jabber:client' type='set' id='b'>\
                 <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>web</resource></bind></iq>",
            )
            .await;
        let answer = self.element().await;
        assert!(answer.is("iq", ns::CLIENT), "{}", answer.to_xml());
        assert_eq!(answer.attr("type"), Some("result"));
    }

    async fn send(&mut self, xml: &str) {
        self.0.send(Message::text(xml)).await.unwrap();
    }

    /// The next message; none when the connection is closed.
    async fn message(&mut self) -> Option<String> {
        let next = timeout(PATIENCE, self.0.next());
        match next.await.expect("nothing came") {
            Some(Ok(Message::Text(text))) => Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => None,
            other => panic!("{other:?}"),
        }
    }

    /// The next message, which must be one whole document.
    async fn element(&mut self) -> Element {
        let text = self.message().await.expect("the connection lives");
        Element::parse(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"))
    }

    async fn expect_end(&mut self, condition: &str) {
        let error = self.element().await;
        assert!(error.is("error", ns::STREAMS), "{}", error.to_xml());
        assert!(
            error.has_child(condition, ns::STREAM_ERRORS),
            "{}",
            error.to_xml()
        );
        assert!(self.element().await.is("close", ns::FRAMING));
        assert_eq!(self.message().await, None);
    }

    async fn expect_nothing(&mut self) {
        self.send(PING).await;
        assert_eq!(self.element().await.attr("id"), Some("nothing"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_and_a_client_over_tcp_write_to_each_other() {
    let server = server().await;
    let mut alice = Browser::bound(&server, "alice").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    alice
        .send("<message xmlns='jabber:client' to='bob@example.org/desk' id='1'><body>&lt;</body></message>")
        .await;
    let message = bob.stanza().await;
    assert_eq!(message.from().unwrap().as_str(), "alice@example.org/web");
    assert_eq!(message.body_text().as_deref(), Some("<"));
    for number in 0..50 {
        bob.send(&format!(
            "<message to='alice@example.org/web' id='{number}'><x xmlns='y'/></message>"
        ))
        .await;
    }
    for number in 0..50 {
        let message = alice.element().await;
        assert!(message.is("message", ns::CLIENT));
        assert_eq!(message.attr("id"), Some(number.to_string().as_str()));
    }
    alice.send(CLOSE).await;
    assert!(alice.element().await.is("close", ns::FRAMING));
    assert_eq!(alice.message().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tls_is_demanded_the_whole_connection_is_inside_it() {
    let files = Files::new();
    // As is so by itself on an address that others can reach.
    let options = format!("--websocket 127.0.0.1:0 --require-tls {}", files.options());
    let server = server_with(&options).await;
    assert!(connect(&server, "/xmpp-websocket", "xmpp").await.is_err());

    let socket = TcpStream::connect(server.websocket().unwrap()).await;
    let socket = secure(socket.unwrap(), files.certificate.clone()).await;
    let socket = Box::new(socket.unwrap());
    let browser = connect_through(&server, socket, "/xmpp-websocket", "xmpp").await;
    let mut alice = browser.unwrap();
    let features = alice.open_stream().await;
    // RFC 7395 §3.9: the stream itself never offers STARTTLS.
    assert_eq!(features, ["mechanisms", "authentication"]);
    alice.log_in("alice").await;
    let body = "x".repeat(100_000);
    alice
        .send(&format!(
            "<message xmlns='jabber:client' to='alice@example.org/web' id='m'>\
             <body>{body}</body></message>"
        ))
        .await;
    let echo = alice.element().await;
    assert_eq!(
        echo.child("body", ns::CLIENT).map(ElementRef::text),
        Some(body)
    );
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sasl2_and_resumption_work_as_over_tcp() {
    let server = server().await;
    let log_in = async |inside: &str| {
        let (mut browser, features) = Browser::open(&server).await;
        assert_eq!(features, ["mechanisms", "authentication"]);
        browser
            .send(&format!(
                "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
                 <initial-response>AGFsaWNlAGFsaWNl</initial-response>{inside}</authenticate>"
            ))
            .await;
        let success = browser.element().await;
        assert!(success.is("success", ns::SASL2), "{}", success.to_xml());
        assert!(browser.element().await.is("features", ns::STREAMS));
        (browser, success)
    };
    let sm = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
    let (mut old, success) = log_in(&format!("<bind xmlns='urn:xmpp:bind:0'>{sm}</bind>")).await;
    let bound = success.child("bound", ns::BIND2).unwrap();
    let id = bound.first_child().unwrap().attr("id").unwrap().to_owned();
    old.expect_nothing().await;
    drop(old);
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>");
    let (mut new, success) = log_in(&resume).await;
    assert_eq!(
        success.child("resumed", ns::SM).unwrap().attr("h"),
        Some("1")
    );
    new.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_other_protocols_are_refused() {
    let server = server().await;
    for (path, protocol, status) in [
        ("/", "xmpp", StatusCode::NOT_FOUND),
        ("/xmpp-websocket/", "xmpp", StatusCode::NOT_FOUND),
        ("/xmpp-websocket", "chat", StatusCode::BAD_REQUEST),
    ] {
        let refused = connect(&server, path, protocol)
            .await
            .err()
            .map(|error| *error);
        assert!(
            matches!(&refused, Some(Error::Http(answer)) if answer.status() == status),
            "{path}"
        );
    }
    assert!(
        connect(&server, "/xmpp-websocket", "chat, xmpp")
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_no_elements_end_the_stream() {
    let server = server().await;
    let mut witness = Browser::bound(&server, "bob").await;
    let large = format!("<message><body>{}</body></message>", "x".repeat(300_000));
    for (said, condition) in [
        ("<message/><message/>", "bad-format"),
        ("<message>", "bad-format"),
        ("</stream:stream>", "bad-format"),
        ("<message></iq>", "not-well-formed"),
        ("<!-- no -->", "restricted-xml"),
        ("<x xmlns='y'/>", "unsupported-stanza-type"),
        ("<message from='bob@example.org'/>", "invalid-from"),
        (large.as_str(), "policy-violation"),
    ] {
        let mut alice = Browser::bound(&server, "alice").await;
        alice.send(said).await;
        alice.expect_end(condition).await;
    }
    let mut alice = Browser::bound(&server, "alice").await;
    alice
        .0
        .send(Message::Binary(Bytes::from_static(b"<presence/>")))
        .await
        .unwrap();
    alice.expect_end("bad-format").await;
    witness.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_served_are_answered_with_their_error() {
    let server = server().await;
    for (said, condition) in [
        (OPEN.replace("example.org", "example.net"), "host-unknown"),
        (OPEN.replace("version='1.0'", ""), "unsupported-version"),
        ("<presence xmlns='jabber:client'/>".into(), "bad-format"),
        ("<open/>".into(), "bad-format"),
    ] {
        let mut browser = connect(&server, "/xmpp-websocket", "xmpp").await.unwrap();
        browser.send(&said).await;
        assert!(browser.element().await.is("open", ns::FRAMING));
        browser.expect_end(condition).await;
    }
    let (mut browser, _) = Browser::open(&server).await;
    browser.send("<message xmlns='jabber:client'/>").await;
    browser.expect_end("not-authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_comes_to_nothing_is_closed() {
    let server = server_with("--websocket 127.0.0.1:0 --login-timeout 1").await;
    // Silent before the handshake, and after it.
    let silent = TcpStream::connect(server.websocket().unwrap())
        .await
        .unwrap();
    let mut browser = connect(&server, "/xmpp-websocket", "xmpp").await.unwrap();
    assert!(browser.element().await.is("open", ns::FRAMING));
    browser.expect_end("connection-timeout").await;
    let closed = async {
        while silent.readable().await.is_ok() {
            match silent.try_read(&mut [0; 100]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_says_so_here_too() {
    let server = server().await;
    let mut alice = Browser::bound(&server, "alice").await;
    let ended = tokio::spawn(server.shut_down());
    alice.expect_end("system-shutdown").await;
    ended.await.unwrap();
}
