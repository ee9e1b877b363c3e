use super::Hall;
use crate::stanza::ns;
use crate::testkit::room::RegisteredNick;

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
fn the_error_for_a_presence_bears_an_empty_x_and_no_other_error_does() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.join_with("bob/1", "Alice", "<password>secret</password>");
    let refused = hall.last_for("bob/1");
    let x = refused.child("x", ns::MUC).expect("what slixmpp looks for");
    assert_eq!(x.children().count(), 0, "{}", refused.to_xml());

    hall.joined("bob/1", "Bob");
    hall.sent("bob/1", "<presence to='{room}/Alice'/>");
    assert!(hall.last_for("bob/1").has_child("x", ns::MUC), "a new nick");

    hall.say("carol/1", "hi");
    let refused = hall.last_for("carol/1");
    assert!(refused.is_error() && !refused.has_child("x", ns::MUC));
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
fn a_nick_that_is_too_long_is_refused() {
    let mut hall = Hall::with(|settings| settings.limits.nick = 5);
    assert_eq!(
        hall.join("alice/1", "Alicia"),
        ["alice/1 < presence error not-acceptable (modify)"]
    );
    assert_eq!(hall.rooms.rooms().count(), 0);
    hall.joined("alice/1", "Alice");
}

#[test]
fn a_registered_nick_is_nobody_elses() {
    let mut hall = with_registered(RegisteredNick::Optional);
    assert_eq!(
        hall.join("carol/1", "Rob"),
        ["carol/1 < presence error conflict (cancel)"]
    );
    hall.joined("bob/1", "Bob");
    hall.joined("bob/2", "Rob");
}

#[test]
fn a_room_may_demand_the_registered_nick() {
    let mut hall = with_registered(RegisteredNick::Demanded);
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error not-acceptable (cancel)"]
    );
    hall.joined("bob/1", "Rob");
    assert_eq!(
        hall.send("bob/1", "<presence to='{room}/Bob'/>"),
        ["bob/1 < presence error not-acceptable (cancel)"]
    );
}

#[test]
fn a_room_may_assign_the_registered_nick_and_says_so_with_210() {
    let mut hall = with_registered(RegisteredNick::Assigned);
    assert_eq!(
        hall.join("bob/1", "Bob"),
        [
            "alice/1 << +Rob member/participant jid=bob/1",
            "bob/1 < +Alice owner/moderator",
            "bob/1 < +Rob member/participant jid=bob/1 210 110",
            "bob/1 < =: #",
        ]
    );
    assert_eq!(
        hall.send("bob/1", "<presence to='{room}/Bob'/>"),
        ["bob/1 < presence error not-acceptable (cancel)"]
    );
}

/// Alice is in the room, bob has registered the nick Rob and is not.
fn with_registered(policy: RegisteredNick) -> Hall {
    let mut hall = Hall::with(|settings| settings.new_room.registered_nick = policy);
    hall.joined("alice/1", "Alice");
    let answer = hall.register("bob/1", "Rob");
    assert_eq!(answer, ["* bob is member", "bob/1 < iq result q ="]);
    hall
}
