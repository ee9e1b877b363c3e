//! Messages that wait offline (XEP-0160): none is forgotten before it has
//! arrived, and none is given to two.

use tower_xmpp::stanza::{Stanza, ns};

use super::client::*;
use super::storage::Data;

/// Waits for the account's next client, one message of each id.
async fn while_away(address: std::net::SocketAddr, ids: &[&str]) {
    let mut alice = Client::bound(address, "alice", "phone").await;
    for id in ids {
        let message = format!("<message to='bob@example.org' id='{id}'><body>hi</body></message>");
        alice.send(&message).await;
    }
    alice.expect_nothing().await;
    alice.vanish();
}

/// Bob comes, under stream management, and has counted nothing yet.
async fn counting(address: std::net::SocketAddr, resource: &str) -> Client {
    let mut bob = Client::bound(address, "bob", resource).await;
    bob.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(bob.nonza().await.name(), "enabled");
    bob.send("<presence/>").await;
    let own = bob.stanza().await;
    assert_eq!(own.from(), own.to());
    bob
}

fn ack(h: u32) -> String {
    format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
}

async fn message(client: &mut Client) -> Stanza {
    loop {
        let stanza = client.stanza().await;
        if stanza.has_body() {
            return stanza;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_is_there_again_after_a_kill() {
    let data = Data::new();
    let mut server = data.server("--no-archive --account alice:alice --account bob:bob");
    let address = server.address();
    while_away(address, &["1", "2", "3"]).await;
    let mut bob = counting(address, "desk").await;
    for id in ["1", "2", "3"] {
        assert_eq!(bob.stanza().await.id(), Some(id));
    }
    // The own presence, and the first message.
    bob.send(&ack(2)).await;
    bob.expect_nothing().await;
    server.kill();

    let mut server = data.server("--no-archive");
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    for id in ["2", "3"] {
        assert_eq!(bob.stanza().await.id(), Some(id));
    }
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_client_did_not_take_is_for_the_next_once_and_with_its_time() {
    let server = server_with("--no-archive").await;
    while_away(server.address(), &["1", "2"]).await;
    let mut desk = counting(server.address(), "desk").await;
    let first = [desk.stanza().await, desk.stanza().await];
    // It has them; who comes meanwhile gets none.
    let mut phone = counting(server.address(), "phone").await;
    phone.stanza().await; // the desk is there
    phone.expect_nothing().await;
    desk.stanza().await; // the phone is there
    desk.send(&ack(2)).await;
    desk.send("</stream:stream>").await;
    let again = message(&mut phone).await;
    assert_eq!(again.id(), Some("2"));
    let delays = |stanza: &Stanza| -> Vec<String> {
        let delays = stanza.children().filter(|it| it.is("delay", ns::DELAY));
        delays
            .filter_map(|it| it.attr("stamp").map(str::to_owned))
            .collect()
    };
    assert_eq!(delays(&again), delays(&first[1]));
    assert_eq!(delays(&again).len(), 1);
    phone.expect_nothing().await;

    // Acknowledged by nobody, it waits for whoever comes next.
    phone.send("</stream:stream>").await;
    while phone.frame().await.is_some() {}
    let mut late = Client::available(server.address(), "bob", "late").await;
    assert_eq!(late.stanza().await.id(), Some("2"));
    late.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_client_that_does_not_acknowledge_it_has_arrived_when_it_is_written() {
    let data = Data::new();
    let mut server = data.server("--no-archive --account alice:alice --account bob:bob");
    let address = server.address();
    while_away(address, &["1"]).await;
    let mut bob = Client::available(address, "bob", "desk").await;
    assert_eq!(bob.stanza().await.id(), Some("1"));
    bob.expect_nothing().await;
    bob.send("</stream:stream>").await;
    while bob.frame().await.is_some() {}
    // The next one is available only after the last has ended.
    let mut bob = Client::available(address, "bob", "desk").await;
    bob.expect_nothing().await;
    server.kill();
    let mut server = data.server("--no-archive");
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    bob.expect_nothing().await;
}
