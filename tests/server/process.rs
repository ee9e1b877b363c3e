//! The server as a process of its own: its command line, what it tells the
//! admin, and how it ends when it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::client::*;

/// When this test binary is run with this set, one of its tests is a server
/// with these options.
const BE_A_SERVER: &str = "TOWER_XMPP_TEST_BE_A_SERVER";

#[tokio::test(flavor = "multi_thread")]
async fn be_a_server() {
    use clap::Parser;
    if let Ok(options) = std::env::var(BE_A_SERVER) {
        let line = ["server"].into_iter().chain(options.split_whitespace());
        let options = super::example::options::Options::parse_from(line);
        let status = super::example::status(super::example::run(options).await);
        std::process::exit(status.into());
    }
}

pub struct Process(Child);

impl Process {
    pub fn start(options: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::be_a_server", "--nocapture"])
            .env(BE_A_SERVER, options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits until it says where it listens; it does so once.
    pub fn address(&mut self) -> SocketAddr {
        let output = BufReader::new(self.0.stdout.as_mut().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let address = lines.find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()));
        address.unwrap().parse().unwrap()
    }

    /// The same, and where it shows its figures.
    pub fn addresses(&mut self) -> (SocketAddr, SocketAddr) {
        let output = BufReader::new(self.0.stdout.as_mut().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let mut after = |mark: &str| {
            let after = |line: String| Some(line.split_once(mark)?.1.to_owned());
            lines.find_map(after).unwrap()
        };
        let address = after("listening on ").parse().unwrap();
        let figures = after("figures are at http://");
        let figures = figures.strip_suffix("/metrics").unwrap();
        (address, figures.parse().unwrap())
    }

    pub fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let killed = Command::new("kill").args([name, &id]).status();
        assert!(killed.unwrap().success());
    }

    /// Not even its last words are heard.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// The status it ended with, and all that it said on standard error.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or a test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub const LISTEN: &str = "--listen 127.0.0.1:0 --domain example.org";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_says_goodbye_and_exits_well() {
    for signal in ["-TERM", "-INT"] {
        let mut process = Process::start(LISTEN);
        let mut client = Client::available(process.address(), "alice", "phone").await;
        process.signal(signal);
        client.expect_end("system-shutdown").await;
        assert_eq!(process.end().0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_who_did_what_and_never_what_was_said() {
    let options = format!("{LISTEN} --account alice:pass-alice --account bob:bob --log trace");
    let mut process = Process::start(&options);
    let address = process.address();
    let mut bob = Client::available(address, "bob", "desk").await;
    let mut alice = Client::open(address).await;
    alice.send(&plain("alice", "pass-wrong")).await;
    alice.nonza().await;
    alice.send(&plain("alice", "pass-alice")).await;
    alice.nonza().await;
    alice.restart().await;
    alice.bind("phone").await;
    alice
        .send(
            "<message to='bob@example.org/desk' id='m1'><body>sesame</body>\
             <subject>sesame</subject><x xmlns='some:thing' a='sesame'>sesame</x></message>",
        )
        .await;
    assert_eq!(bob.stanza().await.id(), Some("m1"));
    let room = "tea@rooms.example.org";
    alice.send(&format!("<presence to='{room}/Alice'/>")).await;
    alice.stanza().await;
    alice.stanza().await;
    alice
        .ask(&format!(
            "<iq type='set' id='b' to='{room}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='outcast' jid='dan@example.org'><reason>sesame</reason></item>\
             </query></iq>"
        ))
        .await;
    alice
        .send("<message from='bob@example.org'><body>sesame</body></message>")
        .await;
    alice.expect_end("invalid-from").await;
    bob.send("<message><body>sesame</bodi>").await;
    bob.expect_end("not-well-formed").await;
    process.signal("-TERM");
    let (status, log) = process.end();
    assert_eq!(status, Some(0));
    for told in [
        "listening",
        "login failed name=\"alice\" failure=not-authorized",
        "resource bound session=alice@example.org/phone",
        "peer=127.0.0.1:",
        "from=\"alice@example.org/phone\" to=\"bob@example.org/desk\"",
        "room created room=tea@rooms.example.org by=\"alice@example.org/phone\"",
        "affiliation changed room=tea@rooms.example.org user=dan@example.org affiliation=Outcast \
         by=\"alice@example.org/phone\"",
        "stream closed session=alice@example.org/phone why=invalid-from",
        "stream closed session=bob@example.org/desk why=not-well-formed",
        "shutting down",
        "stopped",
    ] {
        assert!(log.contains(told), "{told:?} is not in\n{log}");
    }
    for secret in ["sesame", "pass-"] {
        assert!(!log.contains(secret), "{secret:?} is in\n{log}");
    }
}

/// What a question over HTTP is answered with.
pub fn ask(address: SocketAddr, question: &str) -> String {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_what_each_layer_did_and_how_many_clients_there_are() {
    let mut process = Process::start(&format!("{LISTEN} --metrics 127.0.0.1:0"));
    let (address, figures) = process.addresses();
    let mut alice = Client::bound(address, "alice", "phone").await;
    let mut bob = Client::bound(address, "bob", "desk").await;
    alice
        .send("<message to='bob@example.org/desk' type='chat'><body>hi</body></message>")
        .await;
    bob.stanza().await;
    bob.send("<presence to='tea@rooms.example.org/B'/>").await;
    bob.stanza().await;
    let answer = ask(figures, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    for figure in [
        "server_connections 2",
        "server_sessions 2",
        "server_sessions_hibernating 0",
        "server_rooms 1",
        "server_stanzas_total{outcome=\"delivered\"} ",
        "# HELP tower_xmpp_layer_stanzas_total ",
        "tower_xmpp_layer_stanzas_total{layer=\"archive\"}",
    ] {
        assert!(answer.contains(figure), "{figure:?} is not in\n{answer}");
    }
    let elsewhere = ask(figures, "GET / HTTP/1.1\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.0 404 "), "{elsewhere}");
    process.signal("-TERM");
    assert_eq!(process.end().0, Some(0));
}

#[test]
fn options_that_cannot_be_served_end_the_server_with_the_reason() {
    for (options, reason) in [
        ("--listen 0.0.0.0:0", "not a loopback address"),
        ("--listen 127.0.0.1:0 --log a=b=c", "error:"),
    ] {
        let (status, said) = Process::start(options).end();
        assert_eq!(status, Some(1), "{options}");
        assert!(said.contains(reason), "{options}: {said}");
    }
}

#[test]
fn the_help_names_every_option() {
    use clap::CommandFactory;
    let mut command = super::example::options::Options::command();
    let help = command.render_long_help().to_string();
    for option in [
        "--listen <ADDR>",
        "--websocket <ADDR>",
        "--domain <DOMAIN>",
        "--account <NAME:PASSWORD>",
        "--data <DIR>",
        "--no-archive",
        "--archive-days <DAYS>",
        "--archive-messages <COUNT>",
        "--uplink <TARGET>",
        "--uplink-patience <SECONDS>",
        "--metrics <ADDR>",
        "--log <LEVEL>",
        "--tls-cert <FILE>",
        "--tls-key <FILE>",
        "--require-tls",
        "--max-stanza <BYTES>",
        "--max-depth <LEVELS>",
        "--max-streams <COUNT>",
        "--max-streams-per-address <COUNT>",
        "--rate <BYTES>",
        "--max-queue <BYTES>",
        "--login-timeout <SECONDS>",
        "--idle-timeout <SECONDS>",
        "--resume-timeout <SECONDS>",
        "--help",
    ] {
        assert!(help.contains(option), "{option} is not in\n{help}");
    }
    for default in ["127.0.0.1:5222", "localhost", "alice:alice", "bob:bob"] {
        assert!(help.contains(default), "{default} is not in\n{help}");
    }
}
