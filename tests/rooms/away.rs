//! Members who are away: written to and woken, also by a service that was
//! started again.

use super::*;

const DAN: &str = "dan@two.example/y";

/// The next stanza that is for Dan.
async fn for_dan(line: &mut Line) -> Stanza {
    loop {
        let stanza = line.stanza().await;
        let to = stanza.to().unwrap().as_str();
        if to.starts_with("dan@") {
            return stanza;
        }
    }
}

const REGISTER: &str = "<iq type='set' id='r' from='dan@two.example/y' to='tea@rooms.example.org'>\
    <query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>\
    <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>\
    <field var='muc#register_roomnick'><value>Dan</value></field>\
    <field var='{http://tigase.org/protocol/muc}offline'><value>true</value></field>\
    </x></query></iq>";

#[tokio::test(flavor = "multi_thread")]
async fn a_registrant_is_written_to_also_after_a_restart_until_its_server_has_refused_three_times()
{
    let place = Place::new("offline", "").await;
    let (service, mut line) = place.start().await;
    carol_sits(&mut line).await;
    assert!(ask(&mut line, REGISTER).await.is_type(&Type::Result));
    service.shut_down().await;

    let (service, mut line) = place.start().await;
    join(&mut line, CAROL, "Carol").await;
    for id in ["m1", "m2", "m3"] {
        says(&mut line, id).await;
        let copy = for_dan(&mut line).await;
        assert_eq!(copy.id(), Some(id));
        assert_eq!(copy.to().unwrap().as_str(), "dan@two.example");
        assert_eq!(copy.from().unwrap().as_str(), "tea@rooms.example.org/Carol");
        stanza_id(&copy);
        line.send(&format!(
            "<message type='error' id='{id}' from='dan@two.example' to='{ROOM}/Carol'>\
             <error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ))
        .await;
    }
    says(&mut line, "m4").await;
    // Carol hears it, and nobody else does.
    while line.stanza().await.id() != Some("m4") {}
    line.expect_nothing(DOMAIN).await;
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_after_a_restart_wakes_who_believes_to_be_there() {
    let place = Place::new("push", "").await;
    let (service, mut line) = place.start().await;
    carol_sits(&mut line).await;
    join(&mut line, DAN, "Dan").await;
    let enabled = ask(
        &mut line,
        &format!(
            "<iq type='set' id='e' from='{DAN}' to='{ROOM}'>\
             <enable xmlns='urn:xmpp:push:0' jid='{DAN}' node='tea'/></iq>"
        ),
    )
    .await;
    assert!(enabled.is_type(&Type::Result));
    service.shut_down().await;

    let (service, mut line) = place.start().await;
    join(&mut line, CAROL, "Carol").await;
    says(&mut line, "m1").await;
    let asked = for_dan(&mut line).await;
    assert!(asked.is_request() && asked.to_xml().contains("node='tea'"));
    assert_eq!(asked.from().unwrap().as_str(), ROOM);
    // He is gone, and is not asked again.
    line.send(&format!(
        "<iq type='error' id='{}' from='{DAN}' to='{ROOM}'><error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        asked.id().unwrap()
    ))
    .await;
    says(&mut line, "m2").await;
    while line.stanza().await.id() != Some("m2") {}
    line.expect_nothing(DOMAIN).await;
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_enter_may_not_ask_to_be_notified() {
    let place = Place::new("doors", "").await;
    let (service, mut line) = place.start().await;
    carol_sits(&mut line).await;
    let banned = ask(
        &mut line,
        &format!(
            "<iq type='set' id='b' from='{CAROL}' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/muc#admin'>\
             <item affiliation='outcast' jid='dan@two.example'/></query></iq>"
        ),
    )
    .await;
    assert!(banned.is_type(&Type::Result));
    for (room, condition) in [
        (ROOM, "forbidden"),
        ("milk@rooms.example.org", "item-not-found"),
    ] {
        let enable = format!(
            "<iq type='set' id='e' from='{DAN}' to='{room}'>\
             <enable xmlns='urn:xmpp:push:0' jid='{DAN}' node='tea'/></iq>"
        );
        let refused = ask(&mut line, &enable).await;
        assert!(refused.to_xml().contains(condition), "{}", refused.to_xml());
    }
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_announced_unless_they_are_switched_off() {
    for (options, offers) in [("", true), ("--no-muc-offline --no-muc-push", false)] {
        let place = Place::new(&format!("switches-{offers}"), options).await;
        let (service, mut line) = place.start().await;
        carol_sits(&mut line).await;
        let info = format!(
            "<iq type='get' id='d' from='{CAROL}' to='{ROOM}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        );
        let info = ask(&mut line, &info).await.to_xml();
        for feature in [ns::PUSH, ns::MUC_OFFLINE] {
            assert_eq!(info.contains(feature), offers, "{info}");
        }
        service.shut_down().await;
    }
}
