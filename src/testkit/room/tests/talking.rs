use super::Hall;

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
