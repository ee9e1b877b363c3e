//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use jid::{BareJid, NodePart};

use super::archives::Keeping;
use super::away::Switches;
use super::uplink::Target;

/// A small XMPP server whose behaviour comes from tower-xmpp's layers.
///
/// Started without options it serves alice@localhost (password "alice") and
/// bob@localhost (password "bob") on 127.0.0.1:5222, everything in memory.
#[derive(Clone, Debug, Parser)]
#[command(name = "server")]
pub struct Options {
    /// Address for client connections; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5222")]
    pub listen: SocketAddr,

    /// Address for clients over WebSocket, at the path /xmpp-websocket: ws://
    /// on this machine, wss:// where others can reach it
    #[arg(long, value_name = "ADDR")]
    pub websocket: Option<SocketAddr>,

    /// The domain that is served; chat rooms are at rooms.DOMAIN
    #[arg(long, value_name = "DOMAIN", default_value = "localhost", value_parser = parse_domain)]
    pub domain: BareJid,

    /// An account; may be given more than once. While there is none,
    /// alice:alice and bob:bob are made
    #[arg(long = "account", value_name = "NAME:PASSWORD", value_parser = parse_account)]
    pub accounts: Vec<NewAccount>,

    /// Directory for what is to outlive the process: accounts, rosters, rooms,
    /// archives and all else; without it, nothing does
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// The certificate for STARTTLS and wss with its chain, as PEM; clients that
    /// are not on this machine must use it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Clients on this machine must use TLS, too
    #[arg(long, requires = "tls_cert")]
    pub require_tls: bool,

    /// Archives nothing; messages to accounts without a client wait offline
    #[arg(long)]
    pub no_archive: bool,

    #[command(flatten)]
    pub archives: Keeping,

    /// Lets accounts join rooms, instead of each client: one occupant for all
    /// clients, who does not drop out when a phone loses its network
    #[arg(long)]
    pub account_rooms: bool,

    #[command(flatten)]
    pub away: Switches,

    /// The server whose component this one is, and through which it reaches
    /// all other domains: component://SECRET@HOST:PORT. It has to know two
    /// components by this secret, DOMAIN and rooms.DOMAIN
    #[arg(long, value_name = "TARGET")]
    pub uplink: Option<Target>,

    /// How long a stanza waits for an uplink that is down, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub uplink_patience: Duration,

    /// Address at which Prometheus finds figures, at the path /metrics
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,

    /// What to log: error, warn, info, debug, trace, or a tracing filter
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: String,

    #[command(flatten)]
    pub limits: Limits,
}

/// What one client may demand of the server.
#[derive(Clone, Copy, Debug, Parser)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Largest stanza that a client may send, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 262_144)]
    pub max_stanza: usize,

    /// How deep elements may be nested in a stanza
    #[arg(long, value_name = "LEVELS", default_value_t = 64)]
    pub max_depth: usize,

    /// How many client connections may be open at once
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub max_streams: usize,

    /// How many of them may come from one address
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    pub max_streams_per_address: usize,

    /// How fast one client may send, in bytes per second, after a burst of
    /// four seconds' worth
    #[arg(long, value_name = "BYTES", default_value_t = 262_144)]
    pub rate: u32,

    /// How much may wait for a client that does not read, or does not
    /// acknowledge, in bytes, before its session ends
    #[arg(long, value_name = "BYTES", default_value_t = 4_194_304)]
    pub max_queue: usize,

    /// How long a client may take to log in, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub login_timeout: Duration,

    /// After how long a silent client is pinged, in seconds; when it stays
    /// silent for as long again, its connection is closed
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = parse_seconds)]
    pub idle_timeout: Duration,

    /// How long a session waits for a client that lost its connection, in
    /// seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = parse_seconds)]
    pub resume_timeout: Duration,
}

/// A name and a password from the command line.
#[derive(Clone)]
pub struct NewAccount {
    pub name: NodePart,
    pub password: String,
}

/// Why the options cannot be served.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error(
        "{0} is not a loopback address, and passwords would cross the network: \
         give --tls-cert and --tls-key"
    )]
    NotLoopback(SocketAddr),
}

impl Options {
    /// Whether clients that come to this address must use TLS before they log
    /// in.
    pub fn requires_tls(&self, address: SocketAddr) -> bool {
        self.require_tls || !address.ip().is_loopback()
    }

    /// What single options cannot know of one another.
    pub fn check(&self) -> Result<(), Refused> {
        // Deliberately no way around this: PLAIN is offered.
        for address in [self.listen].into_iter().chain(self.websocket) {
            if self.tls_cert.is_none() && !address.ip().is_loopback() {
                return Err(Refused::NotLoopback(address));
            }
        }
        Ok(())
    }
}

impl NewAccount {
    /// For who only wants to try the server.
    pub fn examples() -> Vec<Self> {
        ["alice", "bob"]
            .map(|name| Self {
                name: NodePart::new(name).expect("it is a name").into_owned(),
                password: name.into(),
            })
            .into()
    }
}

/// Never shows the password: options are logged.
impl std::fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewAccount({})", self.name)
    }
}

fn parse_domain(text: &str) -> Result<BareJid, String> {
    match BareJid::new(text) {
        Ok(jid) if jid.node().is_none() => Ok(jid),
        Ok(_) => Err("a domain has no part before an @".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_account(text: &str) -> Result<NewAccount, String> {
    let (name, password) = text.split_once(':').ok_or("NAME:PASSWORD is expected")?;
    if password.is_empty() {
        return Err("the password is empty".into());
    }
    let name = NodePart::new(name).map_err(|error| error.to_string())?;
    Ok(NewAccount {
        name: name.into_owned(),
        password: password.into(),
    })
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) => Err("at least one second is expected".into()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => Err("a number of seconds is expected".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(["server"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn without_options_alice_and_bob_are_served_on_loopback() {
        let options = options("").unwrap();
        assert_eq!(options.listen, "127.0.0.1:5222".parse().unwrap());
        assert_eq!(options.domain.as_str(), "localhost");
        assert!(options.accounts.is_empty());
        let names = NewAccount::examples();
        let names: Vec<_> = names.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["alice", "bob"]);
        assert_eq!(options.check(), Ok(()));
    }

    #[test]
    fn a_password_may_have_a_colon() {
        let options = options("--account carol:a:b --account dan:d").unwrap();
        assert_eq!(options.accounts.len(), 2);
        assert_eq!(options.accounts[0].password, "a:b");
    }

    #[test]
    fn an_address_that_others_can_reach_needs_tls() {
        let listen = "0.0.0.0:5222";
        let without = options(&format!("--listen {listen}")).unwrap();
        let refused = Refused::NotLoopback(listen.parse().unwrap());
        assert_eq!(without.check(), Err(refused));
        let websocket = options(&format!("--websocket {listen}")).unwrap();
        assert_eq!(websocket.check(), without.check());
        let with = format!("--listen {listen} --tls-cert c.pem --tls-key k.pem");
        let with = options(&with).unwrap();
        assert_eq!(
            (with.check(), with.requires_tls(with.listen)),
            (Ok(()), true)
        );
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for line in [
            "--account alice",
            "--account alice:",
            "--account @:x",
            "--domain a@b",
            "--idle-timeout 0",
            "--archive-days 0",
            "--archive-messages 0",
            "--tls-cert c.pem",
            "--tls-key k.pem",
            "--require-tls",
        ] {
            assert!(options(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_password_is_not_shown_when_options_are_logged() {
        let options = options("--account carol:hush").unwrap();
        assert!(!format!("{options:?}").contains("hush"));
    }
}
