//! Sessions join and part by request: MUC2-PAM (case 37). What that is to the
//! room, is in `muc2`.

use tower_xmpp::testkit::xml;

use super::house::{ALICE, House, error, gone, pam, presence, subject, talk, talked};
use super::scripted::{Room, shows};

const JOIN: &str = "<join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
    <nickname>Alice</nickname></join>";

#[test]
fn a_pam_join_is_answered_after_the_self_presence_and_messages_reach_the_session() {
    let house = House::new();
    let bob = house.bob();
    let [phone, _desk] = house.alice(["phone", "desk"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    phone.expect(presence("room@muc.example/Bob", &[]));
    phone.expect(presence(ALICE, &[110]));
    phone.expect(
        "<iq from='alice@a.example' type='result' id='j'>\
         <join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
         <nickname>Alice</nickname></join></iq>",
    );
    phone.expect(subject(""));
    bob.expect(presence(ALICE, &[]));
    bob.send(talk("m1", "hi"));
    for session in [&phone, &bob] {
        session.expect(talked("Bob", "m1", "hi"));
    }
    house.w.finish();
}

#[test]
fn a_pam_join_is_told_which_nick_the_room_gave() {
    let house = House::without_rooms(|_| {});
    let room = Room::new(&house);
    let [phone] = house.alice(["phone"]);
    phone.send(xml!("{}", pam(JOIN, "j")));
    room.expect_join();
    let alicia = house.w.bind("room@muc.example/Alicia");
    alicia.send(shows("none", "participant", &[110, 210]));
    phone.expect(presence("room@muc.example/Alicia", &[110, 210]));
    phone.expect(
        "<iq type='result' id='j'><join xmlns='urn:xmpp:muc:0' room='room@muc.example'>\
         <nickname>Alicia</nickname></join></iq>",
    );
    house.w.finish();
}

#[test]
fn a_pam_join_that_the_room_refuses_is_refused() {
    let house = House::new();
    let _bob = house.bob();
    let [phone] = house.alice(["phone"]);
    let taken = JOIN.replace("Alice", "Bob");
    phone.send(xml!("{}", pam(&taken, "j")));
    phone.expect(error("iq", "alice@a.example", "j", "conflict"));
    for faulty in [
        "<join xmlns='urn:xmpp:muc:0'/>",
        "<part xmlns='urn:xmpp:muc:0' room='@'/>",
    ] {
        phone.send(xml!("{}", pam(faulty, "f")));
        phone.expect("<iq type='error' id='f'/>");
    }
    house.w.finish();
}

#[test]
fn a_pam_part_parts_the_account_for_all_its_sessions() {
    let house = House::new();
    let bob = house.bob();
    let [phone, desk] = house.alice(["phone", "desk"]);
    for session in [&phone, &desk] {
        session.joins(ALICE);
    }
    bob.take_all();
    let part = "<part xmlns='urn:xmpp:muc:0' room='room@muc.example'/>";
    desk.send(xml!("{}", pam(part, "p")));
    desk.expect("<iq from='alice@a.example' type='result' id='p'/>");
    for session in [&phone, &desk] {
        session.expect(gone(ALICE, &[110]));
    }
    bob.expect(gone(ALICE, &[]));
    desk.send(xml!("{}", pam(part, "q")));
    desk.expect(error("iq", "alice@a.example", "q", "item-not-found"));
    house.w.finish();
}

#[test]
fn what_the_layer_does_is_announced_for_the_account_and_the_server() {
    let house = House::new();
    let [phone] = house.alice(["phone"]);
    for to in ["alice@a.example", "a.example"] {
        let answer = phone.asks(xml!(
            "<iq to='{to}' type='get' id='d'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ));
        assert!(answer.to_xml().contains("urn:xmpp:muc:pam:0"), "{to}");
    }
    house.w.finish();
}
