//! Two who hear of each other's presence.

use tower_xmpp::stanza::Type;

use super::client::*;
use super::example::server::Server;

/// Alice and Bob, available, who hear of each other.
pub async fn friends(server: &Server) -> (Client, Client) {
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    let mut bob = Client::available(server.address(), "bob", "desk").await;
    follow(&mut alice, "alice", &mut bob, "bob").await;
    follow(&mut bob, "bob", &mut alice, "alice").await;
    (alice, bob)
}

async fn follow(one: &mut Client, one_is: &str, other: &mut Client, other_is: &str) {
    let to = |name, type_| format!("<presence to='{name}@example.org' type='{type_}'/>");
    one.send(&to(other_is, "subscribe")).await;
    assert!(other.stanza().await.is_type(&Type::Subscribe));
    other.send(&to(one_is, "subscribed")).await;
    // The other's presence.
    assert_eq!(one.stanza().await.type_(), None);
}
