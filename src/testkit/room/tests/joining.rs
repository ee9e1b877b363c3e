use super::Hall;
use crate::testkit::room::{OwnPresence, StrayPresence};

#[test]
fn the_creator_is_owner_and_hears_itself_and_an_empty_subject() {
    let mut hall = Hall::new();
    assert_eq!(
        hall.join("alice/1", "Alice"),
        [
            "* started",
            "* alice is owner",
            "alice/1 < +Alice owner/moderator jid=alice/1 201 110",
            "alice/1 < =: #",
        ]
    );
}

#[test]
fn a_newcomer_hears_the_others_then_itself_then_history_then_the_subject() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("carol/1", "Carol");
    hall.sent(
        "alice/1",
        "<message to='{room}' type='groupchat'><subject>tea</subject></message>",
    );
    hall.say("carol/1", "one");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        [
            "alice/1 << +Bob none/participant jid=bob/1",
            "carol/1 << +Bob none/participant",
            "bob/1 < +Alice owner/moderator",
            "bob/1 < +Carol none/participant",
            "bob/1 < +Bob none/participant jid=bob/1 110",
            "bob/1 < Carol: one (late)",
            "bob/1 < Alice: #tea (late)",
        ]
    );
}

#[test]
fn a_room_that_shows_newcomers_themselves_first_does_all_else_as_ever() {
    let mut hall = Hall::with(|settings| settings.own_presence = OwnPresence::First);
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        [
            "alice/1 << +Bob none/participant jid=bob/1",
            "bob/1 < +Bob none/participant jid=bob/1 110",
            "bob/1 < +Alice owner/moderator",
            "bob/1 < =: #",
        ]
    );
}

#[test]
fn an_account_may_sit_in_the_room_by_its_bare_jid() {
    let mut hall = Hall::new();
    hall.joined("alice", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(hall.present(), ["Alice=alice", "Bob=bob/1"]);
    assert_eq!(
        hall.say("alice", "hi"),
        ["alice << Alice: hi", "bob/1 << Alice: hi"]
    );
}

#[test]
fn whoever_joins_again_hears_everything_again_and_the_others_nothing() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        [
            "bob/1 < +Alice owner/moderator",
            "bob/1 < +Bob none/participant jid=bob/1 110",
            "bob/1 < =: #",
        ]
    );
}

#[test]
fn a_join_may_lack_its_x_and_an_update_from_nowhere_may_be_kicked() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let stray = "<presence to='{room}/Bob'/>";
    assert_eq!(hall.send("bob/1", stray).len(), 4);

    let mut hall = Hall::with(|settings| settings.stray = StrayPresence::Kicked);
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.send("bob/1", stray),
        ["bob/1 < -Bob none/none jid=bob/1 307 333 110"]
    );
    assert_eq!(hall.present(), ["Alice=alice/1"]);
}

#[test]
fn a_new_status_is_told_to_all_and_what_a_client_forges_is_not() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send(
            "bob/1",
            "<presence to='{room}/Bob'><show>away</show>\
             <x xmlns='http://jabber.org/protocol/muc#user'><status code='201'/></x></presence>",
        ),
        [
            "alice/1 << +Bob none/participant jid=bob/1",
            "bob/1 < +Bob none/participant jid=bob/1 110",
        ]
    );
    assert!(
        hall.last_for("alice/1")
            .to_xml()
            .contains("<show>away</show>")
    );
}
