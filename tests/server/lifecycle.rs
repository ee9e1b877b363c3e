//! How sessions and the server end.

use std::process::{Command, Stdio};

use tower_xmpp::stanza::{Frame, Type};

use super::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_stream_sees_it_closed() {
    let server = server().await;
    let mut client = Client::available(server.address(), "alice", "phone").await;
    client.send("</stream:stream>").await;
    assert!(matches!(client.frame().await, Some(Frame::Close)));
    assert!(client.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_is_gone_for_the_others() {
    let server = server().await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let phone = Client::available(server.address(), "alice", "phone").await;
    desk.stanza().await;
    phone.vanish();
    let gone = desk.stanza().await;
    assert!(gone.is_type(&Type::Unavailable));
    assert_eq!(gone.from().unwrap().as_str(), "alice@example.org/phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_pinged_and_kept_if_it_answers() {
    let server = server_with("--idle-timeout 1").await;
    let mut client = Client::bound(server.address(), "alice", "phone").await;
    for _ in 0..2 {
        let ping = client.stanza().await;
        assert!(ping.has_child("ping", "urn:xmpp:ping"));
        let id = ping.id().unwrap();
        client
            .send(&format!("<iq type='result' id='{id}' to='example.org'/>"))
            .await;
    }
    client.stanza().await;
    client.expect_end("connection-timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_says_so_after_all_else() {
    let server = server().await;
    let mut unborn = Client::open(server.address()).await;
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    for _ in 0..100 {
        alice
            .send("<message to='bob@example.org'><body>hi</body></message>")
            .await;
    }
    alice.expect_nothing().await;
    let address = server.address();
    let ended = tokio::spawn(server.shut_down());
    for _ in 0..100 {
        assert!(bob.stanza().await.has_body());
    }
    bob.expect_end("system-shutdown").await;
    alice.expect_end("system-shutdown").await;
    unborn.expect_end("system-shutdown").await;
    ended.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

/// When this test binary is run with this set, one of its tests is a server.
const BE_A_SERVER: &str = "TOWER_XMPP_TEST_BE_A_SERVER";

#[tokio::test(flavor = "multi_thread")]
async fn be_a_server() {
    if std::env::var_os(BE_A_SERVER).is_some() {
        use clap::Parser;
        let options = [
            "server",
            "--listen",
            "127.0.0.1:0",
            "--domain",
            "example.org",
        ];
        let options = super::example::options::Options::parse_from(options);
        super::example::run(options).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_terminate_says_goodbye_and_exits_well() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::be_a_server", "--nocapture"])
        .env(BE_A_SERVER, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(process.stdout.take().unwrap());
    let mut output = std::io::BufRead::lines(output).map(Result::unwrap);
    let address = output
        .find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()))
        .unwrap();
    let mut client = Client::available(address.parse().unwrap(), "alice", "phone").await;
    let id = process.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    client.expect_end("system-shutdown").await;
    assert!(process.wait().unwrap().success());
}
