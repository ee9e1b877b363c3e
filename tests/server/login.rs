//! From the first byte to a session.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::digest::core_api::BlockSizeUser;
use hmac::{Mac, SimpleHmac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tower_xmpp::stanza::{Condition, Element, ElementRef, Frame, Type, ns};

use super::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_with_plain() {
    let server = server().await;
    let mut client = Client::bound(server.address(), "alice", "phone").await;
    client.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_with_scram_whatever_it_says_of_channel_binding() {
    let server = server().await;
    for header in ["n,,", "y,,", "n,a=alice@example.org,"] {
        let mut client = Client::open(server.address()).await;
        scram::<Sha1>("SCRAM-SHA-1", header, "alice", &mut client).await;
        client.restart().await;
        client.bind("one").await;

        let mut client = Client::open(server.address()).await;
        scram::<Sha256>("SCRAM-SHA-256", header, "alice", &mut client).await;
        client.restart().await;
        client.bind("two").await;
    }
}

/// Logs in and checks that the server knows the password, too.
async fn scram<D: Digest + BlockSizeUser>(
    mechanism: &str,
    header: &str,
    name: &str,
    client: &mut Client,
) {
    let hmac = |key: &[u8], data: &[u8]| {
        let mut mac = <SimpleHmac<D> as Mac>::new_from_slice(key).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    };
    let first = format!("n={name},r=abcdef");
    client
        .send(&auth(mechanism, &format!("{header}{first}")))
        .await;
    let challenge = text_of(&client.nonza().await);
    let value = |name: &str| {
        let mut attributes = challenge.split(',');
        attributes
            .find_map(|attribute| attribute.strip_prefix(name))
            .unwrap()
    };
    let (nonce, salt, rounds) = (
        value("r="),
        value("s="),
        value("i=").parse::<u32>().unwrap(),
    );
    assert!(nonce.starts_with("abcdef") && nonce.len() > 20 && rounds >= 4096);

    // Hi(), RFC 5802 §2.2
    let mut salt = BASE64_STANDARD.decode(salt).unwrap();
    salt.extend([0, 0, 0, 1]);
    let mut round = hmac(name.as_bytes(), &salt);
    let mut salted = round.clone();
    for _ in 1..rounds {
        round = hmac(name.as_bytes(), &round);
        salted
            .iter_mut()
            .zip(&round)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
    let key = hmac(&salted, b"Client Key");
    let unproven = format!("c={},r={nonce}", BASE64_STANDARD.encode(header));
    let signed = format!("{first},{challenge},{unproven}");
    let signature = hmac(&D::digest(&key), signed.as_bytes());
    let proof: Vec<u8> = key.iter().zip(&signature).map(|(k, s)| k ^ s).collect();
    let last = format!("{unproven},p={}", BASE64_STANDARD.encode(proof));
    client.send(&response(&last)).await;

    let success = client.nonza().await;
    assert_eq!(success.name(), "success", "{}", success.to_xml());
    let expected = hmac(&hmac(&salted, b"Server Key"), signed.as_bytes());
    let expected = format!("v={}", BASE64_STANDARD.encode(expected));
    assert_eq!(text_of(&success), expected);
}

fn response(message: &str) -> String {
    let message = BASE64_STANDARD.encode(message);
    format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{message}</response>")
}

fn text_of(element: &Element) -> String {
    String::from_utf8(BASE64_STANDARD.decode(element.text()).unwrap()).unwrap()
}

/// What the server says to a failed attempt.
async fn failure(client: &mut Client, said: &str) -> String {
    client.send(said).await;
    let failure = client.nonza().await;
    assert_eq!(failure.name(), "failure", "{}", failure.to_xml());
    failure.first_child().unwrap().name().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_mechanism_are_offered_and_no_session() {
    let server = server().await;
    let mut client = Client::connect(server.address()).await;
    client.send(HEADER).await;
    assert!(matches!(client.frame().await, Some(Frame::Open(_))));
    let features = client.nonza().await;
    let mechanisms = features.first_child().unwrap();
    let mechanisms: Vec<_> = mechanisms.children().map(ElementRef::text).collect();
    assert_eq!(mechanisms, ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_an_initial_response_is_asked_for_it() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    client
        .send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>")
        .await;
    let challenge = client.nonza().await;
    assert_eq!(
        (challenge.name(), challenge.text().as_str()),
        ("challenge", "")
    );
    client.send(&response("\0alice\0alice")).await;
    assert_eq!(client.nonza().await.name(), "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_attempt_is_named_and_another_may_follow() {
    let server = server().await;
    let attempts = [
        (plain("alice", "wrong"), "not-authorized"),
        (plain("nobody", "nobody"), "not-authorized"),
        (
            auth("PLAIN", "bob@example.org\0alice\0alice"),
            "invalid-authzid",
        ),
        (auth("PLAIN", "alice"), "malformed-request"),
        (
            auth("PLAIN", "").replace("></auth", ">=</auth"),
            "malformed-request",
        ),
        (
            auth("PLAIN", "").replace("></auth", ">!</auth"),
            "incorrect-encoding",
        ),
        (auth("EXTERNAL", ""), "invalid-mechanism"),
        (auth("SCRAM-SHA-1-PLUS", ""), "invalid-mechanism"),
        (
            auth("SCRAM-SHA-1", "p=tls-unique,,n=alice,r=a"),
            "malformed-request",
        ),
        (response("\0alice\0alice"), "malformed-request"),
        (
            "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(),
            "aborted",
        ),
    ];
    for (attempt, expected) in attempts {
        let mut client = Client::open(server.address()).await;
        assert_eq!(failure(&mut client, &attempt).await, expected, "{attempt}");
        client.send(&plain("alice", "alice")).await;
        assert_eq!(client.nonza().await.name(), "success");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_ends_with_its_failure() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    client.send(&auth("SCRAM-SHA-1", "n,,n=alice,r=a")).await;
    assert_eq!(client.nonza().await.name(), "challenge");
    let wrong = response("c=biws,r=a,p=AAAA");
    assert_eq!(failure(&mut client, &wrong).await, "not-authorized");
    assert_eq!(failure(&mut client, &wrong).await, "malformed-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_too_often_is_sent_away() {
    let server = server().await;
    let mut client = Client::open(server.address()).await;
    for _ in 0..3 {
        failure(&mut client, &plain("alice", "wrong")).await;
    }
    client.expect_end("policy-violation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_no_resource_is_given_one() {
    let server = server().await;
    let mut jids = vec![];
    for bind in [
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>",
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource/></bind>",
    ] {
        let mut client = Client::authenticated(server.address(), "alice").await;
        let answer = client
            .ask(&format!("<iq type='set' id='b'>{bind}</iq>"))
            .await;
        assert!(answer.is_type(&Type::Result));
        jids.push(answer.payload().unwrap().first_child().unwrap().text());
    }
    assert!(jids.iter().all(|jid| jid.starts_with("alice@example.org/")));
    assert_ne!(jids[0], jids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_none_is_refused_and_another_may_be_bound() {
    let server = server().await;
    let mut client = Client::authenticated(server.address(), "alice").await;
    let long = "x".repeat(1024);
    let bind = format!(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{long}</resource></bind></iq>"
    );
    let answer = client.ask(&bind).await;
    assert_eq!(answer.error().unwrap().condition, Condition::BadRequest);
    client.bind("short").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_taken_goes_to_who_came_last() {
    let server = server().await;
    let mut old = Client::available(server.address(), "alice", "phone").await;
    let mut desk = Client::available(server.address(), "alice", "desk").await;
    old.stanza().await; // desk is there
    desk.stanza().await; // phone is there
    let mut new = Client::bound(server.address(), "alice", "phone").await;
    old.expect_end("conflict").await;
    let gone = desk.stanza().await;
    assert!(gone.is_type(&Type::Unavailable), "{}", gone.to_xml());
    assert_eq!(gone.from().unwrap().as_str(), "alice@example.org/phone");
    new.expect_nothing().await;
    desk.send("<message to='alice@example.org/phone' id='m'/>")
        .await;
    assert_eq!(new.stanza().await.id(), Some("m"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_served_are_answered_with_their_error() {
    let server = server().await;
    for (header, condition) in [
        (HEADER.replace("example.org", "example.net"), "host-unknown"),
        (HEADER.replace("example.org", "@"), "host-unknown"),
        (HEADER.replace("version='1.0' ", ""), "unsupported-version"),
        (
            HEADER.replace("jabber:client", "jabber:server"),
            "invalid-namespace",
        ),
        (HEADER.replace("etherx", "etherz"), "invalid-namespace"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "not-well-formed"),
    ] {
        let mut client = Client::connect(server.address()).await;
        client.send(&header).await;
        assert!(
            matches!(client.frame().await, Some(Frame::Open(_))),
            "{header}"
        );
        client.expect_end(condition).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_before_the_login_ends_the_stream() {
    let server = server().await;
    for said in ["<message to='bob@example.org'/>", PING, "<x xmlns='y'/>"] {
        let mut client = Client::open(server.address()).await;
        client.send(said).await;
        client.expect_end("not-authorized").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_before_binding_ends_the_stream() {
    let server = server().await;
    let mut client = Client::authenticated(server.address(), "alice").await;
    client.send("<message to='bob@example.org'/>").await;
    client.expect_end("not-authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_log_in_in_time_is_sent_away() {
    let server = server_with("--login-timeout 1").await;
    let mut silent = Client::connect(server.address()).await;
    let mut slow = Client::open(server.address()).await;
    assert!(matches!(silent.frame().await, Some(Frame::Open(_))));
    silent.expect_end("connection-timeout").await;
    slow.expect_end("connection-timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_bind_one_resource_at_once_one_has_it() {
    let server = server().await;
    let mut sender = Client::bound(server.address(), "bob", "desk").await;
    let mut rivals = JoinSet::new();
    for _ in 0..8 {
        let mut rival = Client::authenticated(server.address(), "alice").await;
        rivals.spawn(async move {
            rival.bind("phone").await;
            rival
        });
    }
    let mut has_it = vec![];
    for mut rival in rivals.join_all().await {
        let _ = rival.try_send(PING).await;
        match rival.frame().await {
            Some(Frame::Stanza(_)) => has_it.push(rival),
            Some(Frame::Nonza(error)) => {
                assert!(
                    error
                        .first_child()
                        .unwrap()
                        .is("conflict", ns::STREAM_ERRORS)
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let [winner] = &mut has_it[..] else {
        panic!("{} have it", has_it.len());
    };
    let message = "<message to='alice@example.org/phone' id='m1'/>";
    sender.send(message).await;
    assert_eq!(winner.stanza().await.id(), Some("m1"));
}
