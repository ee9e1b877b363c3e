//! The dialogues of `tests/scs` over TCP. The same files play in a world in
//! `tests/scripts.rs`.
//!
//! Here they judge the example server; with `SCS_SERVER=localhost:5222` in the
//! environment, any server. There alice and bob at localhost must have the
//! passwords `alice` and `bob`, rooms must be at `rooms.localhost` and open at
//! once, and PLAIN must be offered without TLS.

use clap::Parser;
use tower_xmpp::testkit::script::Patience;

use super::example::options::Options;
use super::example::server::Server;
use super::files::scripts;

#[tokio::test(flavor = "multi_thread")]
async fn every_script_plays_over_tcp() {
    let foreign = std::env::var("SCS_SERVER").ok();
    let own = match foreign {
        Some(_) => None,
        None => {
            let options = Options::try_parse_from(["server", "--listen", "127.0.0.1:0"]).unwrap();
            Some(Server::start(&options).await.unwrap())
        }
    };
    let own_address = || own.as_ref().unwrap().address().to_string();
    let address = foreign.unwrap_or_else(own_address);
    // One server for all: a script leaves nothing behind that disturbs the next.
    let mut failed = Vec::new();
    for (name, script) in scripts() {
        let address = address.clone();
        let play = move || script.run_at(&address, Patience::default());
        let played = tokio::task::spawn_blocking(play).await.unwrap();
        failed.extend(played.err().map(|why| format!("{name}: {why}")));
    }
    if let Some(own) = own {
        own.shut_down().await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
