//! STARTTLS (RFC 6120 §5).

use std::path::Path;

use tower_xmpp::stanza::{Frame, ns};

use super::certificate::Files;
use super::client::*;
use super::example::server::Server;

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// The features of a new stream.
async fn features(client: &mut Client) -> Vec<String> {
    client.send(HEADER).await;
    assert!(matches!(client.frame().await, Some(Frame::Open(_))));
    let features = client.nonza().await;
    features
        .children()
        .map(|one| one.name().to_owned())
        .collect()
}

async fn secured(server: &Server, files: &Files) -> Client {
    let mut client = Client::open(server.address()).await;
    client.send(STARTTLS).await;
    assert!(client.nonza().await.is("proceed", ns::TLS));
    client.secure(files.certificate.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secures_its_stream_and_logs_in() {
    let files = Files::new();
    let server = server_with(&files.options()).await;
    let mut alice = secured(&server, &files).await;
    // Once is enough.
    assert_eq!(features(&mut alice).await, ["mechanisms", "authentication"]);
    alice.send(&plain("alice", "alice")).await;
    assert_eq!(alice.nonza().await.name(), "success");
    alice.restart().await;
    alice.bind("phone").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let body = "x".repeat(100_000);
    for (from, to) in [
        (&mut alice, "bob@example.org/desk"),
        (&mut bob, "alice@example.org/phone"),
    ] {
        from.send(&format!(
            "<message to='{to}' id='m'><body>{body}</body></message>"
        ))
        .await;
    }
    assert_eq!(alice.stanza().await.body_text(), Some(body.clone()));
    assert_eq!(bob.stanza().await.body_text(), Some(body));
    alice.send("</stream:stream>").await;
    assert!(matches!(alice.frame().await, Some(Frame::Close)));
    assert!(alice.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_tls_is_the_clients_choice() {
    let files = Files::new();
    let server = server_with(&files.options()).await;
    let mut client = Client::connect(server.address()).await;
    let offers = features(&mut client).await;
    assert_eq!(offers, ["starttls", "mechanisms", "authentication"]);
    Client::bound(server.address(), "alice", "phone")
        .await
        .expect_nothing()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_it_comes_first() {
    let files = Files::new();
    // As is so by itself on an address that others can reach.
    let options = format!("{} --require-tls", files.options());
    let server = server_with(&options).await;
    let mut client = Client::connect(server.address()).await;
    assert_eq!(features(&mut client).await, ["starttls"]);
    for said in [
        plain("alice", "alice"),
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>\
         <initial-response>AGFsaWNlAGFsaWNl</initial-response></authenticate>"
            .into(),
    ] {
        client.send(&said).await;
        let failure = client.nonza().await;
        let reason = failure.first_child().unwrap().name().to_owned();
        assert_eq!(reason, "encryption-required", "{}", failure.to_xml());
    }
    client.send(STARTTLS).await;
    assert!(client.nonza().await.is("proceed", ns::TLS));
    let mut client = client.secure(files.certificate.clone()).await.unwrap();
    features(&mut client).await;
    client.send(&plain("alice", "alice")).await;
    assert_eq!(client.nonza().await.name(), "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_before_the_secret_is_not_taken_for_a_part_of_it() {
    let files = Files::new();
    let server = server_with(&files.options()).await;
    let mut client = Client::open(server.address()).await;
    let injected = format!("{STARTTLS}{HEADER}{}", plain("alice", "alice"));
    client.send(&injected).await;
    assert!(client.nonza().await.is("proceed", ns::TLS));
    let mut client = client.secure(files.certificate.clone()).await.unwrap();
    // Nobody is logged in.
    assert_eq!(
        features(&mut client).await,
        ["mechanisms", "authentication"]
    );
    client.send("<message to='bob@example.org'/>").await;
    client.expect_end("not-authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_there_is_no_tls() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    client.send(STARTTLS).await;
    client.expect_end("not-authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_it_will_speak_tls_and_does_not_harms_nobody() {
    let files = Files::new();
    let server = server_with(&format!("{} --login-timeout 1", files.options())).await;
    for said in ["", "<message/>", "\u{16}\u{3}\u{1}"] {
        let mut client = Client::open(server.address()).await;
        client.send(STARTTLS).await;
        assert!(client.nonza().await.is("proceed", ns::TLS));
        client.send(said).await;
        client.expect_hang_up().await;
    }
    secured(&server, &files).await;
}

#[test]
fn files_that_cannot_be_used_are_named() {
    use super::example::tls::{Unusable, acceptor};
    let files = Files::new();
    let path = |name: &str| files.folder.join(name);
    std::fs::write(path("empty.pem"), "").unwrap();
    let tried = |certificate: &Path, key: &Path| acceptor(certificate, key).err().unwrap();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    assert!(
        matches!(tried(&path("none"), &key), Unusable::File(named, _) if named == path("none"))
    );
    assert!(matches!(
        tried(&path("empty.pem"), &key),
        Unusable::Empty(_)
    ));
    assert!(matches!(tried(&cert, &cert), Unusable::File(named, _) if named == cert));
    let other = Files::new();
    assert!(matches!(
        tried(&cert, &other.folder.join("key.pem")),
        Unusable::Pair(_)
    ));
}
