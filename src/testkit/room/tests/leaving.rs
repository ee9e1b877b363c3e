use super::Hall;
use super::hall::ROOM;

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

#[test]
fn an_error_that_says_nobody_is_there_ends_a_session_with_333() {
    for (stanza, condition) in [
        ("message", "service-unavailable"),
        ("presence", "gone"),
        ("message", "remote-server-not-found"),
    ] {
        let mut hall = Hall::new();
        hall.joined("alice/1", "Alice");
        hall.joined("bob/1", "Bob");
        assert_eq!(
            hall.send("bob/1", &error(stanza, "", condition)),
            [
                "bob/1 < -Bob none/none jid=bob/1 333 110",
                "alice/1 << -Bob none/none jid=bob/1 333",
            ]
        );
        assert_eq!(hall.present(), ["Alice=alice/1"]);
    }
}

#[test]
fn other_errors_end_nothing_and_reach_the_sender_of_a_private_message() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send("bob/1", &error("message", "", "not-acceptable")),
        [""; 0]
    );
    assert_eq!(
        hall.send("bob/1", &error("message", "/Alice", "not-acceptable")),
        ["alice/1 < message error not-acceptable (cancel)"]
    );
    assert_eq!(
        hall.send("carol/1", &error("message", "/Alice", "not-acceptable")),
        [""; 0]
    );
    assert_eq!(hall.present().len(), 2);
}

#[test]
fn an_error_of_another_session_ends_only_that_one() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("alice/2", "Alice");
    hall.joined("bob/1", "Bob");
    let gone = error("message", "", "service-unavailable");
    assert_eq!(hall.send("alice", &gone), [""; 0]);
    assert_eq!(
        hall.send("alice/1", &gone),
        ["alice/1 < -Alice owner/none jid=alice/1 333 110"]
    );
    assert_eq!(hall.present(), ["Alice=alice/2", "Bob=bob/1"]);
}

#[test]
fn a_ghost_is_removed_when_the_host_finds_it() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob", "Bob");
    let (room, ghost) = (ROOM.parse().unwrap(), "bob@a.example".parse().unwrap());
    let effects = hall.rooms.kick_ghost(hall.at, &room, &ghost);
    assert_eq!(
        hall.tell(effects),
        [
            "bob < -Bob none/none jid=bob 333 110",
            "alice/1 << -Bob none/none jid=bob 333",
        ]
    );
    assert!(hall.rooms.kick_ghost(hall.at, &room, &ghost).is_empty());
}

#[test]
fn a_shut_down_is_told_to_each_with_332() {
    let mut hall = Hall::with(|settings| settings.new_room.persistent = true);
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let effects = hall.rooms.shut_down(hall.at);
    assert_eq!(
        hall.tell(effects),
        [
            "alice/1 < -Alice owner/none jid=alice/1 332 110",
            "bob/1 < -Bob none/none jid=bob/1 332 110",
        ]
    );
    assert_eq!(hall.present(), [""; 0]);
    assert_eq!(hall.rooms.rooms().count(), 1);
}

#[test]
fn a_restart_forgets_who_was_there_and_keeps_what_lasts() {
    let mut hall = Hall::with(|settings| settings.new_room.persistent = true);
    hall.joined("alice/1", "Alice");
    hall.say("alice/1", "hi");
    let effects = hall.rooms.restart();
    assert_eq!(hall.tell(effects), ["* started"]);
    assert_eq!(
        hall.say("alice/1", "lost"),
        ["alice/1 < message error not-acceptable (modify)"]
    );
    assert_eq!(
        hall.join("alice/1", "Alice"),
        [
            "alice/1 < +Alice owner/moderator jid=alice/1 110",
            "alice/1 < Alice: hi (late)",
            "alice/1 < =: #",
        ]
    );

    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    assert!(hall.rooms.restart().is_empty());
    assert_eq!(hall.rooms.rooms().count(), 0);
}

fn error(stanza: &str, to: &str, condition: &str) -> String {
    format!(
        "<{stanza} to='{{room}}{to}' type='error'><error type='cancel'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{stanza}>"
    )
}
