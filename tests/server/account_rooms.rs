//! With `--account-rooms` accounts join rooms: over the wire, what the layer's
//! own tests say in memory.

use tower_xmpp::stanza::{Stanza, Type, ns};

use super::client::*;
use super::rooms::{ROOM, joins, says};
use super::storage::Data;

async fn hears(client: &mut Client, id: &str) {
    let heard = client.stanza().await;
    assert_eq!(heard.id(), Some(id), "{}", heard.to_xml());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_of_one_account_are_one_occupant() {
    let server = server_with("--account-rooms").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    joins(&mut bob, "Bob").await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    assert_eq!(joins(&mut phone, "Alice").await.len(), 2);
    assert_eq!(
        bob.stanza().await.from().unwrap().as_str(),
        format!("{ROOM}/Alice")
    );
    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    assert_eq!(joins(&mut desk, "Alice").await.len(), 2);
    says(&mut phone, "m1").await;
    for client in [&mut bob, &mut phone, &mut desk] {
        hears(client, "m1").await;
    }
    // The phone is gone without a word, and nobody in the room notices.
    phone.vanish();
    says(&mut desk, "m2").await;
    for client in [&mut bob, &mut desk] {
        hears(client, "m2").await;
    }
    desk.send(&format!("<presence to='{ROOM}/Alice' type='unavailable'/>"))
        .await;
    for client in [&mut desk, &mut bob] {
        assert!(client.stanza().await.is_type(&Type::Unavailable));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_the_absence_of_all_clients_waits_for_the_next() {
    let server = server_with("--account-rooms").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    joins(&mut bob, "Bob").await;
    let mut phone = Client::bound(server.address(), "alice", "phone").await;
    joins(&mut phone, "Alice").await;
    bob.stanza().await;
    phone.vanish();
    // Away for long, and still there.
    assert!(bob.stanza().await.has_child("show", ns::CLIENT));
    says(&mut bob, "m1").await;
    hears(&mut bob, "m1").await;
    let mut desk = Client::bound(server.address(), "alice", "desk").await;
    let heard = joins(&mut desk, "Alice").await;
    assert!(heard.iter().any(|stanza| stanza.id() == Some("m1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_takes_its_accounts_seats_again() {
    let data = Data::new();
    let options = "--account-rooms --account alice:alice --account bob:bob";
    let mut server = data.server(options);
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    joins(&mut alice, "Alice").await;
    server.kill();

    let mut server = data.server(options);
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let heard = joins(&mut bob, "Bob").await;
    let is_alice = |stanza: &Stanza| {
        let from = stanza.from().and_then(|from| from.resource());
        from.is_some_and(|nick| nick.as_str() == "Alice")
    };
    // Either it was there before Bob, or it comes.
    if !heard.iter().any(is_alice) {
        assert!(is_alice(&bob.stanza().await));
    }
}
