use super::Hall;
use crate::testkit::room::StrayPresence;

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
fn a_new_nick_is_told_with_303_whether_or_not_it_carries_an_x() {
    for x in ["", "<x xmlns='http://jabber.org/protocol/muc'/>"] {
        let mut hall = Hall::new();
        hall.joined("alice/1", "Alice");
        hall.joined("bob/1", "Bob");
        assert_eq!(
            hall.send(
                "bob/1",
                &format!("<presence to='{{room}}/Rob'>{x}</presence>")
            ),
            [
                "alice/1 << -Bob none/participant jid=bob/1 nick=Rob 303",
                "bob/1 < -Bob none/participant jid=bob/1 nick=Rob 303 110",
                "alice/1 << +Rob none/participant jid=bob/1",
                "bob/1 < +Rob none/participant jid=bob/1 110",
            ]
        );
    }
}

#[test]
fn a_nick_of_somebody_else_conflicts_and_the_asker_keeps_its_own() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.join("bob/1", "Alice"),
        ["bob/1 < presence error conflict (cancel)"]
    );
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send("bob/1", "<presence to='{room}/Alice'/>"),
        ["bob/1 < presence error conflict (cancel)"]
    );
    assert_eq!(hall.present(), ["Alice=alice/1", "Bob=bob/1"]);
}

#[test]
fn a_join_without_a_nick_is_malformed() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    for nick in ["", "/%20"] {
        let to = format!("<presence to='{{room}}{}'/>", nick.replace("%20", "&#160;"));
        assert_eq!(
            hall.send("bob/1", &to),
            ["bob/1 < presence error jid-malformed (modify)"],
            "{nick}"
        );
    }
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

#[test]
fn a_temporary_room_ends_with_its_last_occupant() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let leave = "<presence to='{room}/x' type='unavailable'><status>bye</status></presence>";
    assert_eq!(
        hall.send("alice/1", leave),
        [
            "alice/1 < -Alice owner/none jid=alice/1 110",
            "bob/1 << -Alice owner/none",
        ]
    );
    assert!(
        hall.last_for("bob/1")
            .to_xml()
            .contains("<status>bye</status>")
    );
    assert_eq!(
        hall.send("bob/1", leave),
        ["bob/1 < -Bob none/none jid=bob/1 110", "* destroyed"]
    );
    assert_eq!(hall.rooms.rooms().count(), 0);
    assert_eq!(hall.send("bob/1", leave), [""; 0]);
}
