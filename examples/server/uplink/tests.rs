//! A line, with a listener at its end that welcomes whoever comes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, Jid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tower_xmpp::flow::{Envelope, Event, Original, Outcome};
use tower_xmpp::host::{Availability, Delivery, Host, Place, Settings, Undelivered, conduct};
use tower_xmpp::stanza::{Stanza, Time};

use super::Uplink;

/// For anything that is to happen; it fails a test, it never decides one.
const PATIENCE: Duration = Duration::from_secs(20);

/// A host that has one domain, and nobody in it.
struct Empty(BareJid);

impl Host for Empty {
    type Error = Infallible;

    fn place(&self, jid: &Jid) -> Place {
        match jid.domain() == self.0.domain() {
            true => Place::Account(jid.to_bare()),
            false => Place::Elsewhere,
        }
    }

    fn sessions(&self, _: &BareJid) -> Vec<Availability> {
        vec![]
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        Err(Undelivered(Box::new(delivery)))
    }

    fn send(&self, _: Time, _: Stanza) {}

    async fn serve(&self, _: Envelope) -> Result<Outcome, Infallible> {
        Ok(Outcome::of(Original::Consumed))
    }
}

/// Serves our.example over a line to the listener; what enters the stack is
/// told in words.
fn serve(listener: &TcpListener) -> UnboundedReceiver<String> {
    let (tell, heard) = mpsc::unbounded_channel();
    let stack = tower::service_fn(move |envelope: Envelope| {
        let words = match (envelope.as_stanza(), envelope.as_event()) {
            (Some(stanza), _) => stanza.from().map(|from| format!("{from} speaks")),
            (_, Some(Event::LinkLost { domain })) => Some(format!("{domain} is lost")),
            (_, Some(Event::LinkBack { domain })) => Some(format!("{domain} is back")),
            _ => None,
        };
        let _ = tell.send(words.expect("nothing else enters"));
        async { Ok::<_, Infallible>(Outcome::of(Original::Consumed)) }
    });
    let domain: BareJid = "our.example".parse().unwrap();
    let host = Arc::new(Empty(domain.clone()));
    let (conductor, drivers) = conduct(stack, host.clone(), Settings::default());
    for driver in drivers {
        tokio::spawn(driver);
    }
    let target = format!("component://secret@{}", listener.local_addr().unwrap());
    let uplink = Uplink::new(&target.parse().unwrap(), PATIENCE, [domain]);
    tokio::spawn(async move {
        let (_go_on, over) = watch::channel(false);
        uplink.run(host, conductor, over).await;
    });
    heard
}

/// Lets the line in, whatever it says (XEP-0114 §3).
async fn welcome(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(PATIENCE, listener.accept());
    let (mut line, _) = accepted.await.expect("it connects").unwrap();
    let header = "<stream:stream xmlns='jabber:component:accept' id='x' \
                  xmlns:stream='http://etherx.jabber.org/streams'>";
    line.write_all(header.as_bytes()).await.unwrap();
    let mut said = String::new();
    while !said.contains("</handshake>") {
        let mut buffer = [0; 1024];
        let count = timeout(PATIENCE, line.read(&mut buffer)).await;
        let count = count.expect("it shakes hands").unwrap();
        said.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    line.write_all(b"<handshake/>").await.unwrap();
    line
}

/// The next that enter, in the order of the alphabet: what concerns different
/// domains may overtake.
async fn next<const N: usize>(heard: &mut UnboundedReceiver<String>) -> [String; N] {
    let mut words = [const { String::new() }; N];
    for word in &mut words {
        let next = timeout(PATIENCE, heard.recv()).await;
        *word = next.expect("something enters").unwrap();
    }
    words.sort();
    words
}

#[tokio::test]
async fn layers_hear_which_domains_are_lost_with_a_line_and_that_they_are_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut heard = serve(&listener);
    let mut line = welcome(&listener).await;
    for from in ["rooms.one.example", "carol@two.example/x"] {
        let presence = format!("<presence from='{from}' to='alice@our.example'/>");
        line.write_all(presence.as_bytes()).await.unwrap();
    }
    let spoke = ["carol@two.example/x speaks", "rooms.one.example speaks"];
    assert_eq!(next(&mut heard).await, spoke);

    // Nor is half a stanza heard, or the domain that it comes from.
    let half = "<message from='three.example' to='alice@our.example'><bo";
    line.write_all(half.as_bytes()).await.unwrap();
    drop(line);
    let lost = ["rooms.one.example is lost", "two.example is lost"];
    assert_eq!(next(&mut heard).await, lost);
    let _line = welcome(&listener).await;
    let back = ["rooms.one.example is back", "two.example is back"];
    assert_eq!(next(&mut heard).await, back);
    assert!(heard.is_empty());
}

#[tokio::test]
async fn who_may_not_speak_is_no_domain_behind_the_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut heard = serve(&listener);
    let mut line = welcome(&listener).await;
    for (from, to) in [
        ("bob@our.example", "alice@our.example"),
        ("carol@two.example", "dan@three.example"),
        ("one.example", "alice@our.example"),
    ] {
        let presence = format!("<presence from='{from}' to='{to}'/>");
        line.write_all(presence.as_bytes()).await.unwrap();
    }
    assert_eq!(next(&mut heard).await, ["one.example speaks"]);
    drop(line);
    assert_eq!(next(&mut heard).await, ["one.example is lost"]);
    let _line = welcome(&listener).await;
    assert_eq!(next(&mut heard).await, ["one.example is back"]);
    assert!(heard.is_empty());
}
