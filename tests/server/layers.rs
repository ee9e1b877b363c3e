//! That the layers work in a real server: each capability is tested where it
//! is; here, that it is in the stack and that every entrance leads there.

use tower_xmpp::stanza::{Stanza, Type, ns};

use super::client::*;

async fn carbons(client: &mut Client) {
    let enable = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
    assert!(client.ask(enable).await.is_type(&Type::Result));
}

async fn features(client: &mut Client, to: &str) -> Vec<String> {
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let answer = client
        .ask(&format!("<iq to='{to}' type='get' id='i'>{info}</iq>"))
        .await;
    let query = answer.payload().unwrap();
    query
        .children()
        .filter_map(|child| child.attr("var").map(str::to_owned))
        .collect()
}

fn carbon(stanza: &Stanza, direction: &str) -> bool {
    stanza.from().unwrap().as_str() == "alice@example.org"
        && stanza.has_child(direction, ns::CARBONS)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_layers_do_is_announced() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let announced = features(&mut alice, "example.org").await;
    assert!(
        announced.iter().any(|feature| feature == ns::CARBONS),
        "{announced:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_clients_of_both_accounts_get_carbons() {
    let server = server().await;
    let mut phone = Client::available(server.address(), "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    let mut bob = Client::available(server.address(), "bob", "home").await;
    phone.stanza().await;
    desk.stanza().await;
    carbons(&mut phone).await;
    carbons(&mut desk).await;

    phone
        .send("<message to='bob@example.org' type='chat' id='1'><body>hi</body></message>")
        .await;
    assert_eq!(bob.stanza().await.id(), Some("1"));
    assert!(carbon(&desk.stanza().await, "sent"));

    bob.send("<message to='alice@example.org/phone' type='chat' id='2'><body>hi</body></message>")
        .await;
    assert_eq!(phone.stanza().await.id(), Some("2"));
    assert!(carbon(&desk.stanza().await, "received"));
    phone.expect_nothing().await;
    bob.expect_nothing().await;
}
