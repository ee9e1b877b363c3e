use super::Hall;

const JOIN: &str = "<join xmlns='urn:xmpp:muc:0'><nickname>Bob</nickname></join>";
const PART: &str = "<part xmlns='urn:xmpp:muc:0'/>";

fn hall() -> Hall {
    let mut hall = Hall::with(|settings| settings.muc2 = true);
    hall.joined("alice/1", "Alice");
    hall.say("alice/1", "before");
    hall
}

#[test]
fn an_account_that_asks_is_in_and_the_answer_comes_last() {
    let mut hall = hall();
    assert_eq!(
        hall.ask("bob", "set", JOIN),
        [
            "alice/1 << +Bob none/participant jid=bob",
            "bob < +Alice owner/moderator",
            "bob < +Bob none/participant jid=bob 110",
            "bob < =: #",
            "bob < iq result q = <join xmlns='urn:xmpp:muc:0'><nickname>Bob</nickname></join>",
        ]
    );
    assert_eq!(hall.present(), ["Alice=alice/1", "Bob=bob"]);
}

#[test]
fn an_account_that_asks_again_is_told_again_under_its_new_nick() {
    let mut hall = hall();
    hall.ask("bob", "set", JOIN);
    let again = hall.ask("bob", "set", JOIN);
    assert!(
        !again.iter().any(|line| line.starts_with("alice")),
        "{again:?}"
    );
    hall.ask("bob", "set", &JOIN.replace("Bob", "Robert"));
    assert_eq!(hall.present(), ["Alice=alice/1", "Robert=bob"]);
}

#[test]
fn an_account_that_parts_is_out_and_answered() {
    let mut hall = hall();
    hall.ask("bob", "set", JOIN);
    assert_eq!(
        hall.ask("bob", "set", PART).last().map(String::as_str),
        Some("bob < iq result q = <part xmlns='urn:xmpp:muc:0'/>")
    );
    assert_eq!(hall.present(), ["Alice=alice/1"]);
    assert_eq!(
        hall.ask("bob", "set", PART),
        ["bob < iq error not-acceptable (modify)"]
    );
}

#[test]
fn what_a_join_must_be_and_who_may_ask() {
    let mut hall = hall();
    for (who, type_, payload, error) in [
        ("bob/1", "set", JOIN, "not-allowed (cancel)"),
        ("bob/1", "set", PART, "not-allowed (cancel)"),
        ("bob", "get", JOIN, "bad-request (modify)"),
        (
            "bob",
            "set",
            "<join xmlns='urn:xmpp:muc:0'/>",
            "jid-malformed (modify)",
        ),
        (
            "bob",
            "set",
            "<join xmlns='urn:xmpp:muc:0'><nickname> </nickname></join>",
            "jid-malformed (modify)",
        ),
        (
            "bob",
            "set",
            "<join xmlns='urn:xmpp:muc:0'><nickname>Alice</nickname></join>",
            "conflict (cancel)",
        ),
    ] {
        assert_eq!(
            hall.ask(who, type_, payload),
            [format!("{who} < iq error {error}")],
            "{payload}"
        );
    }
    assert_eq!(hall.present(), ["Alice=alice/1"]);
}

#[test]
fn a_room_with_a_password_wants_it_here_too() {
    let mut hall = Hall::with(|settings| {
        settings.muc2 = true;
        settings.new_room.password = Some("sesame".to_owned());
    });
    hall.join_with("alice/1", "Alice", "<password>sesame</password>");
    assert_eq!(
        hall.ask("bob", "set", JOIN),
        ["bob < iq error not-authorized (auth)"]
    );
    let with = JOIN.replace("</join>", "<password>sesame</password></join>");
    hall.ask("bob", "set", &with);
    assert_eq!(hall.present(), ["Alice=alice/1", "Bob=bob"]);
}

#[test]
fn a_service_that_does_not_speak_the_draft_neither_says_so_nor_obeys() {
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    for speaks in [true, false] {
        let mut hall = Hall::with(|settings| settings.muc2 = speaks);
        hall.joined("alice/1", "Alice");
        hall.ask("bob", "get", info);
        let says = hall.last_for("bob").to_xml().contains("urn:xmpp:muc:0");
        assert_eq!(says, speaks);
        if !speaks {
            let refused = hall.ask("bob", "set", JOIN);
            assert_eq!(refused, ["bob < iq error service-unavailable (cancel)"]);
        }
    }
}
