//! An XMPP server, to run and to copy from. Whatever it does with a stanza is
//! in [`stack`]; the rest is what any server needs around it.
//!
//! What a server's own author has to write is the second group; to read first.
//! `examples/README.md` leads through it in four steps.
//!
//! ```text
//! stream/     a client's connection: XML, login, limits, last words; tls
//! sasl/       the login itself; accounts: who may
//! census      how many connections there are, and from where
//!
//! entrance    the one way in, for connections of any kind
//! stack       the layers, in order
//! site        what the library asks of this server (`host::Host`)
//! session     a client with a connection or, for a while, without one;
//!             standing: what it told of itself; sessions: all of them
//!
//! archives    where the archives lie
//! seats       who sits in which room, for the layer that joins rooms
//! away/       layers for who is away from a room
//! blocking/   a layer of the server's own
//!
//! services/   what ends at the server: roster, presence, discovery …
//! rooms/      the chat rooms
//! uplink/     the way to other servers, and theirs to this one
//! storage/    what outlives the process
//!
//! server      starts and ends it all; options: its command line
//! figures     what an admin counts; complaints: what has gone wrong already
//! random      chance, and clock time: what the library wants as arguments
//! ```

mod accounts;
mod archives;
mod away;
mod blocking;
mod census;
mod clock;
mod complaints;
mod entrance;
mod figures;
pub(crate) mod options;
pub(crate) mod random;
mod rooms;
mod sasl;
mod seats;
pub(crate) mod server;
mod services;
mod session;
mod sessions;
mod site;
mod stack;
mod standing;
mod storage;
mod stream;
pub(crate) mod tls;
mod uplink;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use options::Options;
use server::Server;

#[tokio::main]
async fn main() -> ExitCode {
    ExitCode::from(status(run(Options::parse()).await))
}

/// The exit status of the process; what went wrong is said on standard error.
pub(crate) fn status(ended: Result<(), Box<dyn std::error::Error>>) -> u8 {
    match ended {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            1
        }
    }
}

/// Serves until it is told to end.
pub(crate) async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    options.check()?;
    let log = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(filter_fn(|line| !is_said_by_the_site(line)));
    tracing_subscriber::registry()
        .with(EnvFilter::try_new(&options.log)?)
        .with(log)
        .init();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let server = Server::start(&options).await?;
    greet(&options, &server);
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    server.shut_down().await;
    Ok(())
}

/// The library tells of each layer that breaks, every time; the site once.
fn is_said_by_the_site(line: &Metadata<'_>) -> bool {
    *line.level() == Level::ERROR && line.target().starts_with("tower_xmpp::middleware")
}

/// Tells on standard output how to connect. Scripts read the first line.
fn greet(options: &Options, server: &Server) {
    let (address, domain) = (server.address(), &options.domain);
    println!("listening on {address}");
    println!("  log in as one of:");
    // Whoever only tries the server has been given accounts.
    let is_trial = options.accounts.is_empty() && options.data.is_none();
    for name in server.accounts().names() {
        match is_trial {
            true => println!("    {name}@{domain}, password {name}"),
            false => println!("    {name}@{domain}"),
        }
    }
    let tls = match (&options.tls_cert, options.requires_tls(options.listen)) {
        (None, _) => "without TLS",
        (Some(_), false) => "with or without STARTTLS",
        (Some(_), true) => "with STARTTLS",
    };
    println!(
        "  with host {} and port {}, {tls}; rooms are at rooms.{domain}",
        address.ip(),
        address.port()
    );
    if let Some(address) = server.websocket() {
        let scheme = match options.requires_tls(address) {
            true => "wss",
            false => "ws",
        };
        println!("  or at {scheme}://{address}/xmpp-websocket");
    }
    if let Some(address) = server.metrics() {
        println!("  figures are at http://{address}/metrics");
    }
}
