//! Chat rooms for a server that has none like these: a component (XEP-0114)
//! with the room service of the example server, and our layers over it.
//!
//! ```sh
//! cargo run --example rooms -- --domain rooms.example.org \
//!     --uplink component://SECRET@127.0.0.1:5347
//! ```
//!
//! The accounts are the other server's, and of all servers that it knows. It has to
//! know the domain; Prosody, for one, by two lines:
//!
//! ```lua
//! Component "rooms.example.org"
//!     component_secret = "SECRET"
//! ```
//!
//! What is here and not in `examples/server/` is what a host without accounts
//! needs: [`site`] (what the library asks) and [`service`] (start and end).

#[path = "../server/archives.rs"]
mod archives;
#[path = "../server/away/mod.rs"]
#[allow(dead_code, unused_imports, reason = "half of it is for accounts")]
mod away;
#[path = "../server/clock.rs"]
mod clock;
#[path = "../server/random.rs"]
#[allow(dead_code, reason = "nothing here gives out identifiers")]
mod random;
#[path = "../server/rooms/mod.rs"]
mod rooms;
pub(crate) mod service;
mod site;
#[path = "../server/storage/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "some columns are those of accounts"
)]
mod storage;
#[path = "../server/uplink/mod.rs"]
mod uplink;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use service::{Options, Service};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to end.
async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let service = Service::start(&options).await?;
    println!(
        "rooms at {} by way of {}",
        options.domain, options.uplink.address
    );
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    service.shut_down().await;
    Ok(())
}
