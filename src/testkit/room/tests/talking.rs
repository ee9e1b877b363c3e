use super::Hall;
use crate::testkit::room::{OccupantIds, PrivateMessages};

#[test]
fn a_message_reaches_everybody_once_with_its_id() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send(
            "bob/1",
            "<message to='{room}' type='groupchat' id='m1'><body>hi</body></message>"
        ),
        ["alice/1 << Bob: hi", "bob/1 << Bob: hi"]
    );
    assert_eq!(hall.last_for("alice/1").id(), Some("m1"));
}

#[test]
fn whoever_is_not_in_the_room_says_nothing() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.say("bob/1", "hi"),
        ["bob/1 < message error not-acceptable (modify)"]
    );
    // Another resource of an occupant is not in the room either.
    assert_eq!(
        hall.say("alice/2", "hi"),
        ["alice/2 < message error not-acceptable (modify)"]
    );
}

#[test]
fn the_subject_is_for_moderators_and_stays() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let subject = "<message to='{room}' type='groupchat'><subject>tea</subject></message>";
    assert_eq!(
        hall.send("bob/1", subject),
        ["bob/1 < message error forbidden (auth)"]
    );
    assert_eq!(
        hall.send("alice/1", subject),
        ["alice/1 << Alice: #tea", "bob/1 << Alice: #tea"]
    );
    assert_eq!(
        hall.join("bob/1", "Bob").last().unwrap(),
        "bob/1 < Alice: #tea (late)"
    );
}

#[test]
fn a_message_with_body_and_subject_changes_no_subject() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.sent(
        "alice/1",
        "<message to='{room}' type='groupchat'><subject>x</subject><body>y</body></message>",
    );
    assert_eq!(hall.join("bob/1", "Bob").last().unwrap(), "bob/1 < =: #");
}

#[test]
fn a_private_message_reaches_all_sessions_of_one_nick() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("alice/2", "Alice");
    hall.joined("bob/1", "Bob");
    let private = "<message to='{room}/Alice' type='chat'><body>psst</body></message>";
    assert_eq!(
        hall.send("bob/1", private),
        ["alice/1 < Bob> psst", "alice/2 < Bob> psst"]
    );
    assert_eq!(
        hall.send("carol/1", private),
        ["carol/1 < message error not-acceptable (modify)"]
    );
    assert_eq!(
        hall.send("bob/1", &private.replace("Alice", "Nobody")),
        ["bob/1 < message error item-not-found (cancel)"]
    );
    assert_eq!(
        hall.send("bob/1", &private.replace("chat", "groupchat")),
        ["bob/1 < message error bad-request (modify)"]
    );
}

#[test]
fn history_obeys_every_limit_that_the_newcomer_names() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let start = hall.at;
    for minute in 0..5u32 {
        hall.at = start + std::time::Duration::from_secs(60 * u64::from(minute));
        hall.say("alice/1", &format!("m{minute}"));
    }
    let mut replayed = |limits: &str| {
        let lines = hall.join_with("bob/1", "Bob", &format!("<history {limits}/>"));
        hall.sent("bob/1", "<presence to='{room}/Bob' type='unavailable'/>");
        lines.iter().filter(|line| line.contains("(late)")).count()
    };
    assert_eq!(replayed(""), 5);
    assert_eq!(replayed("maxchars='0'"), 0);
    assert_eq!(replayed("maxstanzas='2'"), 2);
    assert_eq!(replayed("seconds='60'"), 2);
    assert_eq!(replayed("since='2026-11-21T11:32:00Z'"), 3);
    assert_eq!(replayed("since='2026-11-21T11:32:00Z' maxstanzas='1'"), 1);
    assert_eq!(replayed("maxstanzas='-1' maxchars='many' since='once'"), 5);
    let one = replayed("maxchars='300'");
    assert!((1..5).contains(&one), "{one}");
}

#[test]
fn what_is_kept_is_the_stamped_message() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.say("alice/1", "hi");
    let [crate::testkit::room::Effect::Broadcast(broadcast)] = hall.last.as_slice() else {
        panic!("{:?}", hall.last);
    };
    let (key, room) = (
        broadcast.history.unwrap(),
        "tea@rooms.example".parse().unwrap(),
    );
    let stamped = broadcast.stanza.clone().with_child(
        crate::stanza::Element::new("stanza-id", crate::stanza::ns::SID).with_attr("id", "s1"),
    );
    assert!(hall.rooms.keep(&room, key, &stamped));
    hall.joined("bob/1", "Bob");
    let replayed = hall.last.iter().any(|effect| {
        matches!(effect, crate::testkit::room::Effect::Send { stanza, .. }
            if stanza.has_child("stanza-id", crate::stanza::ns::SID)
                && stanza.has_child("delay", crate::stanza::ns::DELAY))
    });
    assert!(replayed);
}

#[test]
fn what_only_a_room_may_say_is_taken_out_of_messages() {
    let mut hall = Hall::with(|settings| {
        settings.occupant_ids = Some(OccupantIds::new(|room, user| format!("{user}?{room}")));
    });
    hall.joined("alice/1", "Alice");
    hall.sent(
        "alice/1",
        "<message to='{room}' type='groupchat'><body>x</body>\
         <x xmlns='http://jabber.org/protocol/muc#user'><status code='172'/></x>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>\
         <delay xmlns='urn:xmpp:delay' from='{room}' stamp='2020-01-01T00:00:00Z'/>\
         <delay xmlns='urn:xmpp:delay' from='a.example' stamp='2020-01-01T00:00:00Z'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='{room}' id='forged'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='TEA@Rooms.Example/x' id='forged'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' id='forged'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='a.example' id='other'/></message>",
    );
    let children: Vec<String> = hall
        .last_for("alice/1")
        .children()
        .map(|child| {
            let said = ["id", "from"].map(|name| child.attr(name).unwrap_or_default());
            format!("{} {}", child.name(), said.concat())
        })
        .collect();
    assert_eq!(
        children,
        [
            "body ",
            "delay a.example",
            "stanza-id other",
            "occupant-id alice@a.example?tea@rooms.example",
        ]
    );
}

#[test]
fn a_private_message_is_for_whom_the_room_allows_it() {
    let private = "<message to='{room}/Alice' type='chat'><body>psst</body></message>";
    for (allowed, reaches) in [
        (PrivateMessages::Anyone, true),
        (PrivateMessages::Participants, false),
        (PrivateMessages::Moderators, false),
        (PrivateMessages::Nobody, false),
    ] {
        let mut hall = Hall::with(|settings| {
            settings.new_room.private_messages = allowed;
            settings.new_room.moderated = true;
        });
        hall.joined("alice/1", "Alice");
        hall.joined("bob/1", "Bob");
        let line = match reaches {
            true => "alice/1 < Bob> psst",
            false => "bob/1 < message error forbidden (auth)",
        };
        assert_eq!(hall.send("bob/1", private), [line], "{allowed:?}");
    }
}

#[test]
fn a_subject_may_be_changed_by_participants_if_the_room_says_so_but_not_be_endless() {
    let mut hall = Hall::with(|settings| {
        settings.new_room.participants_change_subject = true;
        settings.limits.subject = 10;
    });
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let subject = |text: &str| {
        format!("<message to='{{room}}' type='groupchat'><subject>{text}</subject></message>")
    };
    assert_eq!(hall.send("bob/1", &subject("tea")).len(), 2);
    assert_eq!(
        hall.send("bob/1", &subject("tea and biscuits")),
        ["bob/1 < message error policy-violation (modify)"]
    );
}

#[test]
fn history_forgets_its_oldest_by_number_and_by_bytes() {
    let mut hall = Hall::with(|settings| {
        settings.limits.history = 3;
        settings.limits.history_bytes = 600;
    });
    hall.joined("alice/1", "Alice");
    let shown = |hall: &mut Hall| -> Vec<String> {
        let lines = hall.join("alice/1", "Alice");
        lines
            .into_iter()
            .filter(|line| line.contains("(late)"))
            .collect()
    };
    for text in ["a", "b", "c", "d"] {
        hall.say("alice/1", text);
    }
    assert_eq!(
        shown(&mut hall),
        ["b", "c", "d"].map(|text| format!("alice/1 < Alice: {text} (late)"))
    );
    hall.say("alice/1", &"x".repeat(400));
    assert_eq!(shown(&mut hall).len(), 2);
    hall.say("alice/1", &"x".repeat(700));
    assert_eq!(shown(&mut hall).len(), 0);
}

#[test]
fn what_leaves_no_trace_is_not_shown_later() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    for inside in [
        "<body>x</body><no-store xmlns='urn:xmpp:hints'/>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    ] {
        hall.sent(
            "alice/1",
            &format!("<message to='{{room}}' type='groupchat'>{inside}</message>"),
        );
    }
    assert_eq!(hall.join("bob/1", "Bob").len(), 4);
    hall.sent(
        "alice/1",
        "<message to='{room}' type='groupchat'><store xmlns='urn:xmpp:hints'/></message>",
    );
    assert_eq!(hall.join("bob/1", "Bob").len(), 4);
}
