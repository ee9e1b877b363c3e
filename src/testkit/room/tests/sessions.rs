//! Several sessions of one user under one nick.

use super::Hall;

#[test]
fn a_second_session_hears_everything_and_the_others_see_the_newest() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.join("alice/2", "Alice"),
        [
            "bob/1 << +Alice owner/moderator",
            "alice/1 < +Alice owner/moderator jid=alice/1 110",
            "alice/2 < +Bob none/participant jid=bob/1",
            "alice/2 < +Alice owner/moderator jid=alice/2 110",
            "alice/2 < =: #",
        ]
    );
    assert_eq!(hall.present(), ["Alice=alice/1,alice/2", "Bob=bob/1"]);
    assert_eq!(
        hall.say("alice/1", "hi"),
        [
            "alice/1 << Alice: hi",
            "alice/2 << Alice: hi",
            "bob/1 << Alice: hi"
        ]
    );
}

#[test]
fn a_session_of_lower_priority_is_not_shown() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let low = "<presence to='{room}/Alice'><priority>-1</priority>\
               <x xmlns='http://jabber.org/protocol/muc'/></presence>";
    assert_eq!(
        hall.send("alice/2", low),
        [
            "alice/2 < +Bob none/participant jid=bob/1",
            "alice/2 < +Alice owner/moderator jid=alice/2 110",
            "alice/2 < =: #",
        ]
    );
    assert_eq!(
        hall.send(
            "alice/2",
            "<presence to='{room}/Alice'><priority>-2</priority></presence>"
        ),
        ["alice/2 < +Alice owner/moderator jid=alice/2 110"]
    );
}

#[test]
fn when_the_shown_session_leaves_the_next_one_is_shown() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("alice/2", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send(
            "alice/2",
            "<presence to='{room}/Alice' type='unavailable'/>"
        ),
        [
            "alice/2 < -Alice owner/none jid=alice/2 110",
            "bob/1 << +Alice owner/moderator",
            "alice/1 < +Alice owner/moderator jid=alice/1 110",
        ]
    );
    assert_eq!(
        hall.send(
            "alice/1",
            "<presence to='{room}/Alice' type='unavailable'/>"
        ),
        [
            "alice/1 < -Alice owner/none jid=alice/1 110",
            "bob/1 << -Alice owner/none",
        ]
    );
}

#[test]
fn a_session_that_changes_its_nick_moves_alone() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("alice/2", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send("alice/1", "<presence to='{room}/Ally'/>"),
        [
            "alice/1 < -Alice owner/moderator jid=alice/1 nick=Ally 303 110",
            "alice/1 < +Alice owner/moderator jid=alice/2",
            "alice/2 << +Ally owner/moderator jid=alice/1",
            "bob/1 << +Ally owner/moderator",
            "alice/1 < +Ally owner/moderator jid=alice/1 110",
        ]
    );
    assert_eq!(
        hall.present(),
        ["Alice=alice/2", "Ally=alice/1", "Bob=bob/1"]
    );
    // And the other one may follow.
    assert_eq!(
        hall.send("alice/2", "<presence to='{room}/Ally'/>"),
        [
            "alice/1 << -Alice owner/moderator jid=alice/2 nick=Ally 303",
            "bob/1 << -Alice owner/moderator nick=Ally 303",
            "alice/2 < -Alice owner/moderator jid=alice/2 nick=Ally 303 110",
            "bob/1 << +Ally owner/moderator",
            "alice/1 < +Ally owner/moderator jid=alice/1 110",
            "alice/2 < +Ally owner/moderator jid=alice/2 110",
        ]
    );
    assert_eq!(hall.present(), ["Ally=alice/1,alice/2", "Bob=bob/1"]);
}
