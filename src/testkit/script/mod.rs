//! Dialogues in files, in the `.scs` format of Prosody's scansion: the same
//! file runs in a [`World`], against the example server, or
//! against any server at a host and port.
//!
//! ```
//! use tower_xmpp::testkit::World;
//! use tower_xmpp::testkit::script::Script;
//!
//! let script = Script::parse("
//! ## A greeting
//!
//! [Client] Romeo
//!     jid: romeo@localhost
//!     password: password
//!
//! [Client] Juliet
//!     jid: juliet@localhost
//!     password: password
//!
//! -----
//!
//! Romeo connects
//! Juliet connects
//!
//! Romeo sends:
//!     <message to=\"${Juliet's full JID}\" type='chat'><body>O!</body></message>
//!
//! Juliet receives:
//!     <message from=\"${Romeo's full JID}\"><body>O!</body></message>
//!
//! Romeo receives nothing
//! ")?;
//! let w = World::new();
//! w.host("localhost", ());
//! script.run_in(&w)?;
//! w.finish();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The format
//!
//! * Lines that begin with `#`, `//` or `--` are comments; the first is the
//!   title.
//! * `[Client] NAME`, and below it, indented, `jid:` (with a resource or
//!   not), `password:` and perhaps `resource:`; other keys are passed over. A
//!   line of dashes ends the list.
//! * `NAME connects`, `NAME disconnects`, `NAME receives nothing`, and
//!   `NAME sends:` or `NAME receives:` with one stanza below, indented. The
//!   colon may be left out. A client that connects says no more than that: its
//!   first presence is the script's to send.
//! * `${NAME's JID}` stands for a client's bare JID, `${NAME's full JID}` for
//!   the one that it connected with, `${word}` for what was captured.
//! * In what is received, an attribute or text that is `{scansion:any}` may be
//!   anything, and `{scansion:capture:word}` captures it.
//! * What is received is compared as a [`Pattern`], `<absent>` included: what
//!   is not named may be there too, except in an element that says
//!   `scansion:strict='true'`.
//!
//! Deliberately laxer than scansion, which compares payloads exactly unless
//! they say `scansion:strict='false'`: here a file says what it means to test
//! and no more.

mod over_tcp;
mod parse;
mod words;

use std::time::Duration;

use jid::{FullJid, Jid};
use thiserror::Error;

use crate::stanza::Stanza;

use super::{Pattern, Session, World};
use words::Words;

pub(super) use words::SCANSION;

/// A dialogue, read from a file.
#[derive(Clone, Debug)]
pub struct Script {
    /// The first comment.
    pub title: String,
    clients: Vec<Client>,
    steps: Vec<Step>,
}

/// A `[Client]` block.
#[derive(Clone, Debug)]
struct Client {
    name: String,
    jid: Jid,
    password: String,
    resource: Option<String>,
}

#[derive(Clone, Debug)]
struct Step {
    /// Counted from 1.
    line: usize,
    client: usize,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Connects,
    Disconnects,
    Sends(String),
    Receives(String),
    ReceivesNothing,
}

/// How [`Script::run_at`] treats a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// How long an answer may take. Default 5 seconds.
    pub answer: Duration,
    /// How long it must be quiet for `receives nothing`. Default half a second.
    pub quiet: Duration,
}

/// Why a script did not run to its end.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file is not a script.
    #[error("line {line}: {why}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// Something else happened than the script says.
    #[error("line {line}, {client}: {why}")]
    Failed {
        /// Counted from 1.
        line: usize,
        /// Whose line it is.
        client: String,
        /// What happened.
        why: String,
    },
}

/// Where a script can be played. Clients are numbered as they stand in it.
trait Stage {
    fn connect(&mut self, number: usize, client: &Client) -> Result<FullJid, String>;
    fn disconnect(&mut self, number: usize) -> Result<(), String>;
    fn send(&mut self, number: usize, stanza: Stanza) -> Result<(), String>;
    /// The next stanza, or `None` if none comes.
    fn receive(&mut self, number: usize) -> Result<Option<Stanza>, String>;
    /// The same, where none is expected.
    fn overhear(&mut self, number: usize) -> Result<Option<Stanza>, String>;
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`ScriptError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::parse(text)
    }

    /// Plays it in a world that hosts the clients' domains.
    ///
    /// # Errors
    /// [`ScriptError::Failed`], at the first line that is not as it says.
    pub fn run_in(&self, world: &World) -> Result<(), ScriptError> {
        let sessions = self.clients.iter().map(|_| None).collect();
        self.play(&mut InWorld { world, sessions })
    }

    /// Plays it against a server at `host:port`, over TCP without TLS and with
    /// SASL PLAIN. What comes besides what is expected is not looked at.
    ///
    /// # Errors
    /// [`ScriptError::Failed`], at the first line that is not as it says.
    pub fn run_at(&self, address: &str, patience: Patience) -> Result<(), ScriptError> {
        self.play(&mut over_tcp::OverTcp::new(
            address,
            patience,
            self.clients.len(),
        ))
    }

    fn play(&self, stage: &mut dyn Stage) -> Result<(), ScriptError> {
        let mut words = Words::default();
        for client in &self.clients {
            words.known(&client.name, &client.jid);
        }
        for step in &self.steps {
            let client = &self.clients[step.client];
            let played = play(stage, step, client, &mut words);
            played.map_err(|why| ScriptError::Failed {
                line: step.line,
                client: client.name.clone(),
                why,
            })?;
        }
        Ok(())
    }
}

fn play(
    stage: &mut dyn Stage,
    step: &Step,
    client: &Client,
    words: &mut Words,
) -> Result<(), String> {
    let number = step.client;
    match &step.action {
        Action::Connects => {
            let jid = stage.connect(number, client)?;
            words.connected(&client.name, &jid);
        }
        Action::Disconnects => stage.disconnect(number)?,
        Action::Sends(xml) => {
            let xml = words.in_sent(xml.trim())?;
            let stanza = Stanza::parse(xml.as_bytes())
                .map_err(|error| format!("this is not a stanza ({error}):\n  {xml}"))?;
            stage.send(number, stanza)?;
        }
        Action::Receives(xml) => {
            let pattern = Pattern::parse(&words.in_received(xml.trim())?)?;
            let Some(stanza) = stage.receive(number)? else {
                return Err(format!("expected\n  {pattern}\nbut nothing came"));
            };
            let got = pattern.compare(&stanza).map_err(|why| {
                let came = stanza.to_xml();
                format!("expected\n  {pattern}\nbut got\n  {came}\nwhich differs: {why}")
            })?;
            words.captured(&got);
        }
        Action::ReceivesNothing => {
            if let Some(stanza) = stage.overhear(number)? {
                return Err(format!("expected nothing, but got\n  {}", stanza.to_xml()));
            }
        }
    }
    Ok(())
}

/// A world as a stage.
struct InWorld<'a> {
    world: &'a World,
    sessions: Vec<Option<Session>>,
}

impl InWorld<'_> {
    fn session(&self, number: usize) -> Result<&Session, String> {
        self.sessions[number].as_ref().ok_or_else(not_connected)
    }
}

fn not_connected() -> String {
    "is not connected".to_owned()
}

impl Stage for InWorld<'_> {
    fn connect(&mut self, number: usize, client: &Client) -> Result<FullJid, String> {
        let resource = client.resource.clone();
        let resource = resource.unwrap_or_else(|| format!("client{number}"));
        let session = self.world.bind(&format!("{}/{resource}", client.jid));
        let jid = session.jid().clone();
        self.sessions[number] = Some(session);
        Ok(jid)
    }

    fn disconnect(&mut self, number: usize) -> Result<(), String> {
        self.session(number)?.close();
        self.world.settle();
        Ok(())
    }

    fn send(&mut self, number: usize, stanza: Stanza) -> Result<(), String> {
        self.session(number)?.send(stanza);
        Ok(())
    }

    fn receive(&mut self, number: usize) -> Result<Option<Stanza>, String> {
        Ok(self.session(number)?.take_next())
    }

    fn overhear(&mut self, number: usize) -> Result<Option<Stanza>, String> {
        self.receive(number)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(5),
            quiet: Duration::from_millis(500),
        }
    }
}
