//! Many connections at once, and what they may take from others.

use super::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_from_one_address_leave_room_for_who_is_there() {
    let server = server_with("--max-streams-per-address 50").await;
    let mut alice = Client::bound(server.address(), "alice", "phone").await;
    let mut flood = vec![];
    for _ in 0..1_000 {
        flood.push(Client::connect(server.address()).await);
    }
    // Those beyond the limit are told so, and those far beyond not even that.
    let mut told = 0;
    for client in &mut flood[49..149] {
        client.frame().await;
        client.expect_end("policy-violation").await;
        told += 1;
    }
    assert_eq!(told, 100);
    alice.expect_nothing().await;
    drop(flood);
    // Their places are free again; until that is noticed, one is sent away.
    loop {
        let mut late = Client::connect(server.address()).await;
        let _ = late.try_send(HEADER).await;
        if late.frame().await.is_some() && late.nonza().await.name() == "features" {
            break;
        }
    }
    alice.expect_nothing().await;
}
