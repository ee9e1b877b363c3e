//! A connection to the other server, from its first byte to its last.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;
use tower_xmpp::flow::Envelope;
use tower_xmpp::host::{Host, Ticket};
use tower_xmpp::stanza::{AddressFault, Frame, Limits, Reader, Stanza, StreamError, ns};
use tracing::warn;

use super::super::clock::now;
use super::Inside;
use super::line::Line;

/// How long connecting, or writing a chunk, may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A line that is silent for so long gets a space, so that a dead one shows.
const QUIET: Duration = Duration::from_secs(60);

/// How many stanzas may be on their way into the stack.
const UNDER_WAY: usize = 256;

/// Another server keeps its users in bounds; what it sends after that may be
/// large, and its line is everybody's.
const LIMITS: Limits = Limits {
    stanza_bytes: 4 << 20,
    depth: 200,
    attributes: 1_000,
    children: 10_000,
    namespace_bytes: 4_096,
};

/// How a server says that this is no component of its own, or that the
/// secret is wrong (XEP-0114 §3); all else may be better next time.
const REFUSALS: [&str; 3] = ["host-unknown", "not-authorized", "invalid-namespace"];

pub struct Connection {
    reader: Reader,
    input: OwnedReadHalf,
    output: OwnedWriteHalf,
}

/// Why a line is down.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the other server took too long")]
    TooSlow,
    #[error("the other server closed the stream")]
    Closed,
    /// It does not know the domain, or the secret is wrong.
    #[error("the other server refuses this component: {0}")]
    Refused(String),
    #[error("the other server ended the stream: {0}")]
    Ended(String),
    #[error("what came is no component stream: {0}")]
    Stream(#[from] StreamError),
    #[error("what came is no component stream")]
    NoComponent,
}

/// Why a stanza from there does not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it has no sender")]
    NoSender,
    #[error("it is for nobody")]
    NoRecipient,
    #[error("it claims to be from us")]
    ClaimsToBeUs,
    #[error("it is not for us")]
    NotForUs,
}

impl Connection {
    /// Connects and shakes hands (XEP-0114 §3).
    pub async fn open(line: &Line) -> Result<Self, Broken> {
        let opened = timeout(LIMIT, Self::shake_hands(line)).await;
        opened.unwrap_or(Err(Broken::TooSlow))
    }

    async fn shake_hands(line: &Line) -> Result<Self, Broken> {
        let socket = TcpStream::connect(&line.target.address).await?;
        socket.set_nodelay(true)?;
        let (input, output) = socket.into_split();
        let mut connection = Self {
            reader: Reader::new(LIMITS),
            input,
            output,
        };
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' to='{}'>",
            ns::COMPONENT,
            ns::STREAMS,
            line.domain
        );
        connection.output.write_all(header.as_bytes()).await?;
        let id = match connection.frame().await? {
            Frame::Open(header) if header.content == ns::COMPONENT => header.id,
            _ => return Err(Broken::NoComponent),
        };
        let digest = line.target.handshake(&id.ok_or(Broken::NoComponent)?);
        let handshake = format!("<handshake>{digest}</handshake>");
        // Whoever does not know us has said why already, and may have closed.
        let _ = connection.output.write_all(handshake.as_bytes()).await;
        match connection.frame().await {
            Ok(Frame::Nonza(element)) if element.name() == "handshake" => Ok(connection),
            Ok(Frame::Nonza(element)) if element.is("error", ns::STREAMS) => {
                Err(match condition(&element) {
                    why if REFUSALS.contains(&&*why) => Broken::Refused(why),
                    why => Broken::Ended(why),
                })
            }
            Ok(_) => Err(Broken::NoComponent),
            Err(broken) => Err(broken),
        }
    }

    /// Carries stanzas both ways until the line breaks, or it is over: then
    /// what waits is written.
    pub async fn talk<H: Host>(
        mut self,
        line: &Line,
        inside: &Inside<H>,
        mut over: watch::Receiver<bool>,
    ) -> Broken {
        let mut under_way = VecDeque::new();
        let Self {
            reader,
            input,
            output,
        } = &mut self;
        let reading = async {
            loop {
                match frame(reader, input).await? {
                    Frame::Stanza(stanza) => enter(line, inside, stanza, &mut under_way).await,
                    Frame::Nonza(element) if element.is("error", ns::STREAMS) => {
                        return Err::<(), _>(Broken::Ended(condition(&element)));
                    }
                    Frame::Close => return Err(Broken::Closed),
                    _ => return Err(Broken::NoComponent),
                }
            }
        };
        let writing = async {
            let is_over = async {
                let _ = over.wait_for(|is_over| *is_over).await;
            };
            tokio::pin!(is_over);
            let mut chunk = Vec::new();
            loop {
                chunk.clear();
                tokio::select! {
                    biased;
                    () = line.take(&mut chunk) => {}
                    () = &mut is_over => {
                        let _ = write(output, b"</stream:stream>").await;
                        return Err::<(), _>(Broken::Closed);
                    }
                    () = tokio::time::sleep(QUIET) => {
                        chunk.push(b' ');
                    }
                }
                write(output, &chunk).await?;
                line.written();
            }
        };
        tokio::select! {
            Err(broken) = reading => broken,
            Err(broken) = writing => broken,
        }
    }

    async fn frame(&mut self) -> Result<Frame, Broken> {
        frame(&mut self.reader, &mut self.input).await
    }
}

async fn frame(reader: &mut Reader, input: &mut OwnedReadHalf) -> Result<Frame, Broken> {
    loop {
        if let Some(frame) = reader.next()? {
            return Ok(frame);
        }
        let mut buffer = vec![0; 8 * 1024];
        match input.read(&mut buffer).await? {
            // In the middle of a stanza, perhaps: what came of it is gone.
            0 => return Err(Broken::Closed),
            count => reader.push(&buffer[..count]),
        }
    }
}

async fn write(output: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), Broken> {
    match timeout(LIMIT, output.write_all(bytes)).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(Broken::TooSlow),
    }
}

/// Lets a stanza from there into the stack, unless it may not.
async fn enter<H: Host>(
    line: &Line,
    inside: &Inside<H>,
    stanza: Stanza,
    under_way: &mut VecDeque<Ticket>,
) {
    if let Err(why) = admit(&stanza, |jid| inside.is_ours(jid)) {
        let (from, to) = (stanza.from(), stanza.to());
        warn!(domain = %line.domain, ?from, ?to, %why, "stanza from uplink refused");
        return;
    }
    let (Some(from), Some(to)) = (stanza.from(), stanza.to()) else {
        return;
    };
    line.heard_of(from.domain());
    if to.domain() != line.domain.domain() {
        line.crossed(to.domain());
    }
    if let Some(route) = inside.route(to) {
        if under_way.len() == UNDER_WAY
            && let Some(oldest) = under_way.pop_front()
        {
            // Whatever came of it was logged where passes end.
            let _ = oldest.await;
        }
        let envelope = Envelope::stanza(now(), route, stanza);
        under_way.push_back(inside.conductor.enter(envelope));
    }
}

fn admit(stanza: &Stanza, is_ours: impl Fn(&jid::Jid) -> bool) -> Result<(), Refusal> {
    let fault = stanza.address_fault();
    let from = stanza.from().filter(|_| fault != Some(AddressFault::From));
    if is_ours(from.ok_or(Refusal::NoSender)?) {
        return Err(Refusal::ClaimsToBeUs);
    }
    match is_ours(stanza.to().ok_or(Refusal::NoRecipient)?) {
        true => Ok(()),
        false => Err(Refusal::NotForUs),
    }
}

fn condition(error: &tower_xmpp::stanza::Element) -> String {
    let named = error.first_child().map(|named| named.name().to_owned());
    named.unwrap_or_else(|| "undefined-condition".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_speaks_for_itself_and_to_us_is_heard() {
        for (from, to, expected) in [
            ("carol@other.example/x", "alice@our.example", Ok(())),
            ("other.example", "our.example", Ok(())),
            (
                "bob@our.example",
                "alice@our.example",
                Err(Refusal::ClaimsToBeUs),
            ),
            (
                "our.example",
                "alice@our.example",
                Err(Refusal::ClaimsToBeUs),
            ),
            (
                "carol@other.example",
                "dan@third.example",
                Err(Refusal::NotForUs),
            ),
            ("@", "alice@our.example", Err(Refusal::NoSender)),
            ("carol@other.example", "@", Err(Refusal::NoRecipient)),
        ] {
            let stanza = format!("<message from='{from}' to='{to}'/>");
            let stanza = Stanza::parse(stanza.as_bytes()).unwrap();
            let admitted = admit(&stanza, |jid| jid.domain().as_str() == "our.example");
            assert_eq!(admitted, expected, "{from} {to}");
        }
        let bare = Stanza::message();
        assert_eq!(admit(&bare, |_| false), Err(Refusal::NoSender));
    }
}
