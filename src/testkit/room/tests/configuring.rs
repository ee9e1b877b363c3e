//! The owner's form, and the end of a room.

use super::Hall;
use super::hall::{ROOM, query};
use crate::stanza::{Element, ns};

#[test]
fn the_form_comes_back_as_it_was_sent_and_changes_nothing() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.ask("alice/1", "get", &query(ns::MUC_OWNER, ""));
    let form = hall.last_for("alice/1").payload().unwrap().to_xml();
    assert!(form.contains("muc#roomconfig_roomsecret"), "{form}");
    let sent_back = form.replace("type='form'", "type='submit'");
    Element::parse(sent_back.as_bytes()).unwrap();
    assert_eq!(
        hall.ask("alice/1", "set", &sent_back),
        ["alice/1 < iq result q ="]
    );
}

#[test]
fn a_change_is_told_by_its_code() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    for (field, value, code) in [
        ("muc#roomconfig_roomname", "Tea", "104"),
        ("muc#roomconfig_whois", "anyone", "172"),
        ("muc#roomconfig_whois", "moderators", "173"),
        ("muc#roomconfig_enablelogging", "1", "170"),
        ("muc#roomconfig_enablelogging", "false", "171"),
        ("muc#roomconfig_maxusers", "none", "104"),
        ("muc#maxhistoryfetch", "3", "104"),
        ("muc#roomconfig_allowpm", "none", "104"),
    ] {
        assert_eq!(
            hall.configure("alice/1", &[(field, value)]),
            [
                "alice/1 < iq result q =".to_owned(),
                format!("alice/1 << =: {code}"),
            ],
            "{field}"
        );
    }
}

#[test]
fn who_is_no_member_leaves_with_322_when_the_room_closes() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.configure("alice/1", &[("muc#roomconfig_membersonly", "true")]),
        [
            "alice/1 < iq result q =",
            "bob/1 < -Bob none/none jid=bob/1 322 110",
            "alice/1 << -Bob none/none jid=bob/1 322",
            "alice/1 << =: 104",
        ]
    );
}

#[test]
fn a_form_that_cannot_be_is_refused_and_nothing_changes() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    for fields in [
        [
            ("muc#roomconfig_membersonly", "1"),
            ("muc#roomconfig_whois", "me"),
        ],
        [
            ("muc#roomconfig_membersonly", "1"),
            ("muc#roomconfig_publicroom", "?"),
        ],
        [
            ("muc#roomconfig_membersonly", "1"),
            ("muc#roomconfig_maxusers", "-1"),
        ],
        [
            ("muc#roomconfig_membersonly", "1"),
            ("muc#roomconfig_passwordprotectedroom", "1"),
        ],
    ] {
        assert_eq!(
            hall.configure("alice/1", &fields),
            ["alice/1 < iq error not-acceptable (modify)"],
            "{fields:?}"
        );
    }
    let foreign = super::hall::submit("urn:example:other", &[("a", "b")]);
    for inside in ["", foreign.as_str()] {
        assert_eq!(
            hall.ask("alice/1", "set", &query(ns::MUC_OWNER, inside)),
            ["alice/1 < iq error bad-request (modify)"]
        );
    }
    assert_eq!(
        hall.configure("bob/1", &[]),
        ["bob/1 < iq error forbidden (auth)"]
    );
    assert_eq!(hall.present().len(), 2);
}

#[test]
fn a_password_is_set_kept_and_taken_away() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.configure(
        "alice/1",
        &[
            ("muc#roomconfig_passwordprotectedroom", "1"),
            ("muc#roomconfig_roomsecret", "sesame"),
        ],
    );
    hall.configure("alice/1", &[("muc#roomconfig_roomname", "Tea")]);
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error not-authorized (auth)"]
    );
    hall.configure("alice/1", &[("muc#roomconfig_passwordprotectedroom", "0")]);
    hall.joined("bob/1", "Bob");
}

#[test]
fn a_persistent_room_outlives_its_occupants() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.configure("alice/1", &[("muc#roomconfig_persistentroom", "1")]);
    hall.sent(
        "alice/1",
        "<presence to='{room}/Alice' type='unavailable'/>",
    );
    assert_eq!(
        hall.join("bob/1", "Bob"),
        [
            "bob/1 < +Bob none/participant jid=bob/1 110",
            "bob/1 < =: #"
        ]
    );
}

#[test]
fn a_destroyed_room_is_told_to_each_of_itself_alone() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let destroy = query(
        ns::MUC_OWNER,
        "<destroy jid='coffee@rooms.example'><reason>out of tea</reason></destroy>",
    );
    assert_eq!(
        hall.ask("bob/1", "set", &destroy),
        ["bob/1 < iq error forbidden (auth)"]
    );
    let venue = "<destroy jid='coffee@rooms.example'><reason>out of tea</reason></destroy>";
    assert_eq!(
        hall.ask("alice/1", "set", &destroy),
        [
            format!("alice/1 < -Alice owner/none jid=alice/1 {venue} 110"),
            format!("bob/1 < -Bob none/none jid=bob/1 {venue} 110"),
            "alice/1 < iq result q =".to_owned(),
            "* destroyed".to_owned(),
        ]
    );
    assert_eq!(hall.join("bob/1", "Bob")[0], "* started");
}

#[test]
fn a_persistent_room_is_saved_when_it_changes_and_restored_as_it_was() {
    let mut hall = Hall::new();
    let room = ROOM.parse().unwrap();
    hall.joined("alice/1", "Alice");
    assert!(hall.rooms.take_changed(&room));
    // Temporary: nothing is to be kept.
    assert!(hall.rooms.saved(&room).is_none());
    hall.configure(
        "alice/1",
        &[
            ("muc#roomconfig_persistentroom", "1"),
            ("muc#roomconfig_passwordprotectedroom", "1"),
            ("muc#roomconfig_roomsecret", "s&lt;e&amp;c"),
        ],
    );
    assert!(hall.rooms.take_changed(&room));
    hall.say("alice/1", "hello");
    assert!(!hall.rooms.take_changed(&room));
    hall.register("alice/1", "Alice");
    hall.set_item("alice/1", "jid='bob@a.example' affiliation='member'");
    assert!(hall.rooms.take_changed(&room));

    let saved = hall.rooms.saved(&room).unwrap();
    let mut other = Hall::new();
    assert!(other.rooms.restore(saved.clone()));
    let again = other.rooms.saved(&room).unwrap();
    assert_eq!(again.config.to_xml(), saved.config.to_xml());
    assert_eq!(again.users, saved.users);
    assert_eq!(again.users.len(), 2);
    other.join_with("bob/1", "Bob", "<password>s&lt;e&amp;c</password>");
    assert_eq!(other.present().len(), 1);
    assert!(!other.rooms.restore(saved));
}
