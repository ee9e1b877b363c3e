//! Chat rooms at rooms.example.org (XEP-0045). What a room does is tested
//! where its machine is; here, that it does it over the wire.

use tower_xmpp::stanza::{Condition, Kind, Stanza, Type, ns};

use super::client::*;

pub const ROOM: &str = "tea@rooms.example.org";

async fn join(client: &mut Client, nick: &str) {
    client
        .send(&format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
}

/// Enters; all that came before the subject, which comes last.
pub async fn joins(client: &mut Client, nick: &str) -> Vec<Stanza> {
    join(client, nick).await;
    until_subject(client).await
}

async fn until_subject(client: &mut Client) -> Vec<Stanza> {
    let mut heard = vec![];
    loop {
        let stanza = client.stanza().await;
        assert!(!stanza.is_error(), "{}", stanza.to_xml());
        if stanza.kind() == Kind::Message && stanza.has_child("subject", ns::CLIENT) {
            return heard;
        }
        heard.push(stanza);
    }
}

/// Nick, affiliation, role, and status codes of a presence of the room.
fn seat(presence: &Stanza) -> String {
    assert_eq!(presence.kind(), Kind::Presence, "{}", presence.to_xml());
    let x = presence.child("x", ns::MUC_USER).unwrap();
    let item = x.child("item", ns::MUC_USER).unwrap();
    let mut codes: Vec<_> = x
        .children()
        .filter(|child| child.name() == "status")
        .filter_map(|status| status.attr("code"))
        .collect();
    codes.sort_unstable();
    format!(
        "{} {} {} {}",
        presence.from().unwrap().resource().unwrap(),
        item.attr("affiliation").unwrap(),
        item.attr("role").unwrap(),
        codes.join(",")
    )
}

pub async fn says(client: &mut Client, id: &str) {
    let body = "<body>hi</body>";
    client
        .send(&format!(
            "<message to='{ROOM}' type='groupchat' id='{id}'>{body}</message>"
        ))
        .await;
}

/// Alice, who made the room, and Bob, both inside with all heard.
async fn both(server: &super::example::server::Server) -> (Client, Client) {
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    joins(&mut alice, "Alice").await;
    joins(&mut bob, "Bob").await;
    assert_eq!(seat(&alice.stanza().await), "Bob none participant ");
    (alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_first_makes_the_room_and_who_comes_next_sees_who_is_there() {
    let server = server().await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let heard = joins(&mut alice, "Alice").await;
    assert_eq!(
        heard.iter().map(seat).collect::<Vec<_>>(),
        ["Alice owner moderator 110,201"]
    );

    says(&mut alice, "before").await;
    assert_eq!(alice.stanza().await.id(), Some("before"));

    let mut bob = Client::bound(server.address(), "bob", "desk").await;
    let heard = joins(&mut bob, "Bob").await;
    assert_eq!(seat(&heard[0]), "Alice owner moderator ");
    assert_eq!(seat(&heard[1]), "Bob none participant 110");
    assert_eq!(heard[2].id(), Some("before"));
    assert!(heard[2].has_child("delay", ns::DELAY));
    assert_eq!(seat(&alice.stanza().await), "Bob none participant ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_reaches_all_in_one_order() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    for number in 0..50 {
        says(&mut alice, &format!("a{number}")).await;
        says(&mut bob, &format!("b{number}")).await;
    }
    let (mut one, mut other) = (vec![], vec![]);
    for _ in 0..100 {
        one.push(alice.stanza().await.id().unwrap().to_owned());
        other.push(bob.stanza().await.id().unwrap().to_owned());
    }
    assert_eq!(one, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_message_reaches_one_occupant() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    let text = "<body>psst</body><x xmlns='http://jabber.org/protocol/muc#user'/>";
    bob.send(&format!(
        "<message to='{ROOM}/Alice' type='chat' id='p'>{text}</message>"
    ))
    .await;
    let heard = alice.stanza().await;
    assert_eq!(heard.from().unwrap().as_str(), format!("{ROOM}/Bob"));
    bob.send(&format!(
        "<message to='{ROOM}/Nobody' type='chat' id='q'>{text}</message>"
    ))
    .await;
    let error = bob.stanza().await.error().unwrap();
    assert_eq!(error.condition, Condition::ItemNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nick_is_changed_with_or_without_the_mark_of_a_join() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    join(&mut bob, "Robert").await;
    bob.send(&format!("<presence to='{ROOM}/Rob'/>")).await;
    for (old, new) in [("Bob", "Robert"), ("Robert", "Rob")] {
        for (client, own) in [(&mut alice, ""), (&mut bob, "110,")] {
            let gone = client.stanza().await;
            assert!(gone.is_type(&Type::Unavailable));
            assert_eq!(seat(&gone), format!("{old} none participant {own}303"));
            let own = own.trim_end_matches(',');
            let there = seat(&client.stanza().await);
            assert_eq!(there, format!("{new} none participant {own}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_set_and_shown_to_those_who_come_later() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    alice
        .send(&format!(
            "<message to='{ROOM}' type='groupchat'><subject>tea</subject></message>"
        ))
        .await;
    for client in [&mut alice, &mut bob] {
        let heard = client.stanza().await;
        assert_eq!(heard.child("subject", ns::CLIENT).unwrap().text(), "tea");
    }
    let mut carol = Client::bound(server.address(), "bob", "phone").await;
    join(&mut carol, "Carol").await;
    loop {
        let heard = carol.stanza().await;
        if let Some(subject) = heard.child("subject", ns::CLIENT) {
            assert_eq!(subject.text(), "tea");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_or_vanishes_is_gone_for_the_others() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    bob.send(&format!("<presence to='{ROOM}/Bob' type='unavailable'/>"))
        .await;
    assert_eq!(seat(&bob.stanza().await), "Bob none none 110");
    assert_eq!(seat(&alice.stanza().await), "Bob none none ");
    join(&mut bob, "Bob").await;
    alice.stanza().await;
    // Not while the room speaks to Bob: what bounces says that he is gone, too.
    until_subject(&mut bob).await;
    bob.vanish();
    assert_eq!(seat(&alice.stanza().await), "Bob none none ");
    alice.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_outside_is_not_heard() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    let mut stranger = Client::bound(server.address(), "bob", "phone").await;
    says(&mut stranger, "s").await;
    let error = stranger.stanza().await.error().unwrap();
    assert_eq!(error.condition, Condition::NotAcceptable);
    alice.expect_nothing().await;
    bob.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_server_ends_occupants_hear_it_from_the_room_before_the_stream_does() {
    let server = server().await;
    let (mut alice, mut bob) = both(&server).await;
    let ended = tokio::spawn(server.shut_down());
    for (client, seat_lost) in [
        (&mut alice, "Alice owner none 110,332"),
        (&mut bob, "Bob none none 110,332"),
    ] {
        let gone = client.stanza().await;
        assert!(gone.is_type(&Type::Unavailable));
        assert_eq!(seat(&gone), seat_lost);
        client.expect_end("system-shutdown").await;
    }
    ended.await.unwrap();
}
