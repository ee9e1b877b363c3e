//! Who may enter: one error for each closed door.

use super::Hall;
use super::hall::ROOM;
use crate::testkit::room::{Creation, Creators};

#[test]
fn a_password_opens_the_room() {
    let mut hall = Hall::with(|settings| settings.new_room.password = Some("sesame".into()));
    hall.join_with("alice/1", "Alice", "<password>sesame</password>");
    for wrong in ["", "<password/>", "<password>Sesame</password>"] {
        assert_eq!(
            hall.join_with("bob/1", "Bob", wrong),
            ["bob/1 < presence error not-authorized (auth)"]
        );
    }
    hall.join_with("bob/1", "Bob", "<password>sesame</password>");
    assert_eq!(hall.present(), ["Alice=alice/1", "Bob=bob/1"]);
}

#[test]
fn only_members_enter_a_members_only_room() {
    let mut hall = Hall::with(|settings| settings.new_room.members_only = true);
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error registration-required (auth)"]
    );
    hall.set_item("alice/1", "affiliation='member' jid='bob@a.example'");
    hall.joined("bob/1", "Bob");
}

#[test]
fn who_may_enter_is_known_before_anybody_tries() {
    let user = |name: &str| format!("{name}@a.example").parse().unwrap();
    let may = |hall: &Hall, name: &str| hall.rooms.may_enter(&ROOM.parse().unwrap(), &user(name));

    let mut hall = Hall::new();
    assert_eq!(may(&hall, "bob"), None, "there is no room");
    hall.joined("alice/1", "Alice");
    assert_eq!(may(&hall, "bob"), Some(true));
    hall.set_item("alice/1", "affiliation='outcast' jid='bob@a.example'");
    assert_eq!(may(&hall, "bob"), Some(false));

    let mut hall = Hall::with(|settings| settings.new_room.members_only = true);
    hall.joined("alice/1", "Alice");
    assert_eq!(may(&hall, "alice"), Some(true));
    assert_eq!(may(&hall, "bob"), Some(false));
    hall.set_item("alice/1", "affiliation='member' jid='bob@a.example'");
    assert_eq!(may(&hall, "bob"), Some(true));

    let mut hall = Hall::with(|settings| settings.new_room.password = Some("sesame".into()));
    hall.join_with("alice/1", "Alice", "<password>sesame</password>");
    assert_eq!(may(&hall, "alice"), Some(true), "she gave it");
    assert_eq!(may(&hall, "bob"), Some(false), "he has not given it");
}

#[test]
fn an_outcast_stays_outside() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.set_item("alice/1", "affiliation='outcast' jid='bob@a.example'");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error forbidden (auth)"]
    );
}

#[test]
fn a_full_room_lets_only_admins_in() {
    let mut hall = Hall::with(|settings| {
        settings.new_room.max_users = 1;
        settings.limits.occupants = 2;
        settings.limits.sessions = 2;
    });
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error service-unavailable (wait)"]
    );
    hall.set_item("alice/1", "affiliation='admin' jid='bob@a.example'");
    hall.joined("bob/1", "Bob");
    hall.joined("bob/2", "Bob");
    assert_eq!(
        hall.join("bob/3", "Bob"),
        ["bob/3 < presence error resource-constraint (wait)"]
    );
    assert_eq!(
        hall.join("bob/3", "Bobby"),
        ["bob/3 < presence error service-unavailable (wait)"]
    );
}

#[test]
fn a_new_room_is_locked_until_its_owner_accepts_it() {
    let mut hall = Hall::with(|settings| settings.creation = Creation::Locked);
    assert_eq!(
        hall.join("alice/1", "Alice")[2],
        "alice/1 < +Alice owner/moderator jid=alice/1 201 110"
    );
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error item-not-found (cancel)"]
    );
    let instant = "<query xmlns='http://jabber.org/protocol/muc#owner'>\
                   <x xmlns='jabber:x:data' type='submit'/></query>";
    assert_eq!(
        hall.ask("alice/1", "set", instant),
        ["alice/1 < iq result q ="]
    );
    hall.joined("bob/1", "Bob");
}

#[test]
fn a_locked_room_ends_when_its_owner_cancels_or_leaves() {
    let cancel = "<query xmlns='http://jabber.org/protocol/muc#owner'>\
                  <x xmlns='jabber:x:data' type='cancel'/></query>";
    let mut hall = Hall::with(|settings| {
        settings.creation = Creation::Locked;
        settings.new_room.persistent = true;
    });
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.ask("alice/1", "set", cancel),
        [
            "alice/1 < -Alice owner/none jid=alice/1 <destroy/> 110",
            "alice/1 < iq result q =",
            "* destroyed",
        ]
    );
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.send(
            "alice/1",
            "<presence to='{room}/Alice' type='unavailable'/>"
        )[1],
        "* destroyed"
    );
}

#[test]
fn who_may_not_create_rooms_hears_not_allowed() {
    let mut hall = Hall::with(|settings| {
        settings.creators = Creators::Only(vec!["alice@a.example".parse().unwrap()]);
        settings.limits.rooms = 1;
    });
    assert_eq!(
        hall.join("bob/1", "Bob"),
        ["bob/1 < presence error not-allowed (cancel)"]
    );
    hall.joined("alice/1", "Alice");
    let other = "<presence to='coffee@rooms.example/Alice'/>";
    assert_eq!(
        hall.send("alice/1", other),
        ["alice/1 < presence error resource-constraint (wait)"]
    );
}

#[test]
fn a_presence_larger_than_a_room_repeats_is_refused() {
    let mut hall = Hall::with(|settings| settings.limits.presence = 300);
    hall.joined("alice/1", "Alice");
    let status = "x".repeat(300);
    assert_eq!(
        hall.send(
            "alice/1",
            &format!("<presence to='{{room}}/Alice'><status>{status}</status></presence>")
        ),
        ["alice/1 < presence error policy-violation (modify)"]
    );
}

#[test]
fn a_non_anonymous_and_logged_room_says_so_to_whoever_enters() {
    let mut hall = Hall::with(|settings| {
        settings.new_room.non_anonymous = true;
        settings.new_room.logged = true;
    });
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.join("bob/1", "Bob"),
        [
            "alice/1 << +Bob none/participant jid=bob/1",
            "bob/1 < +Alice owner/moderator jid=alice/1",
            "bob/1 < +Bob none/participant jid=bob/1 100 170 110",
            "bob/1 < =: #",
        ]
    );
    assert_eq!(
        hall.send("alice/1", "<presence to='{room}/Alice'/>"),
        [
            "bob/1 << +Alice owner/moderator jid=alice/1",
            "alice/1 < +Alice owner/moderator jid=alice/1 110",
        ]
    );
}
