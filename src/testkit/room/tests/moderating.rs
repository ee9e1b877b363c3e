//! Roles and affiliations by IQ, and what everybody hears of it.

use super::Hall;
use super::hall::query;
use crate::stanza::ns;

#[test]
fn a_kick_is_told_to_the_kicked_then_answered_then_told_to_the_others() {
    let mut hall = three();
    assert_eq!(
        hall.ask(
            "alice/1",
            "set",
            &query(
                ns::MUC_ADMIN,
                "<item nick='Bob' role='none'><reason>noise</reason></item>"
            )
        ),
        [
            "* bob is kicked",
            "bob/1 < -Bob none/none jid=bob/1 by Alice \"noise\" 307 110",
            "alice/1 < iq result q =",
            "alice/1 << -Bob none/none jid=bob/1 by Alice \"noise\" 307",
            "carol/1 << -Bob none/none by Alice \"noise\" 307",
        ]
    );
    hall.joined("bob/1", "Bob");
}

#[test]
fn a_ban_removes_all_nicks_of_the_user_and_takes_its_registered_nick() {
    let mut hall = three();
    hall.register("bob/1", "Bob");
    hall.joined("bob/2", "Bobby");
    assert_eq!(
        hall.set_item("alice/1", "affiliation='outcast' jid='bob@a.example/1'"),
        [
            "* bob is outcast",
            "bob/1 < -Bob outcast/none jid=bob/1 by Alice 301 110",
            "bob/2 < -Bobby outcast/none jid=bob/2 by Alice 301 110",
            "alice/1 < iq result q =",
            "alice/1 << -Bob outcast/none jid=bob/1 by Alice 301",
            "carol/1 << -Bob outcast/none by Alice 301",
            "alice/1 << -Bobby outcast/none jid=bob/2 by Alice 301",
            "carol/1 << -Bobby outcast/none by Alice 301",
        ]
    );
    hall.joined("dave/1", "Bob");
}

#[test]
fn a_member_who_is_none_any_more_leaves_a_members_only_room_with_321() {
    let mut hall = three();
    hall.set_item("alice/1", "affiliation='member' jid='bob@a.example'");
    hall.set_item("alice/1", "affiliation='member' nick='Carol'");
    hall.configure("alice/1", &[("muc#roomconfig_membersonly", "1")]);
    assert_eq!(
        hall.set_item("alice/1", "affiliation='none' jid='bob@a.example'"),
        [
            "* bob is none",
            "bob/1 < -Bob none/none jid=bob/1 by Alice 321 110",
            "alice/1 < iq result q =",
            "alice/1 << -Bob none/none jid=bob/1 by Alice 321",
            "carol/1 << -Bob none/none by Alice 321",
        ]
    );
}

#[test]
fn who_is_made_something_else_is_shown_to_all_with_its_new_role() {
    let mut hall = three();
    assert_eq!(
        hall.set_item("alice/1", "affiliation='admin' nick='Bob'"),
        [
            "* bob is admin",
            "alice/1 < iq result q =",
            "alice/1 << +Bob admin/moderator jid=bob/1 by Alice",
            "carol/1 << +Bob admin/moderator by Alice",
            "bob/1 < +Bob admin/moderator jid=bob/1 by Alice 110",
        ]
    );
    assert_eq!(
        hall.set_item("bob/1", "affiliation='owner' jid='carol@a.example'"),
        ["bob/1 < iq error forbidden (auth)"]
    );
    assert_eq!(
        hall.set_item("bob/1", "affiliation='none' jid='alice@a.example'"),
        ["bob/1 < iq error not-allowed (cancel)"]
    );
}

#[test]
fn who_is_away_is_told_with_101() {
    let mut hall = three();
    assert_eq!(
        hall.set_item("alice/1", "affiliation='member' jid='dave@a.example'"),
        [
            "* dave is member",
            "alice/1 < iq result q =",
            "dave < => member/none jid=dave 101",
        ]
    );
}

#[test]
fn voice_is_given_and_taken_in_a_moderated_room() {
    let mut hall = Hall::with(|settings| settings.new_room.moderated = true);
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.say("bob/1", "hi"),
        ["bob/1 < message error forbidden (auth)"]
    );
    assert_eq!(
        hall.set_item("bob/1", "role='participant' nick='Bob'"),
        ["bob/1 < iq error forbidden (auth)"]
    );
    assert_eq!(
        hall.set_item("alice/1", "role='participant' nick='Bob'"),
        [
            "alice/1 < iq result q =",
            "alice/1 << +Bob none/participant jid=bob/1 by Alice",
            "bob/1 < +Bob none/participant jid=bob/1 by Alice 110",
        ]
    );
    assert_eq!(hall.say("bob/1", "hi").len(), 2);
    assert_eq!(
        hall.set_item("alice/1", "role='visitor' nick='Alice'"),
        ["alice/1 < iq error not-allowed (cancel)"]
    );
}

#[test]
fn voice_may_be_asked_for_and_granted_by_a_form() {
    let mut hall = Hall::with(|settings| settings.new_room.moderated = true);
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let form = |fields: &[(&str, &str)]| {
        let form = super::hall::submit("http://jabber.org/protocol/muc#request", fields);
        format!("<message to='{{room}}'>{form}</message>")
    };
    assert_eq!(
        hall.send("bob/1", &form(&[("muc#role", "participant")])),
        ["alice/1 < =>"]
    );
    let asked = hall.last_for("alice/1").to_xml();
    assert!(asked.contains("muc#request_allow"), "{asked}");
    let grant = form(&[("muc#roomnick", "Bob"), ("muc#request_allow", "true")]);
    assert_eq!(
        hall.send("bob/1", &grant),
        ["bob/1 < message error forbidden (auth)"]
    );
    assert_eq!(
        hall.send("alice/1", &grant),
        [
            "alice/1 << +Bob none/participant jid=bob/1",
            "bob/1 < +Bob none/participant jid=bob/1 110",
        ]
    );
}

#[test]
fn admins_make_moderators_and_unmake_them() {
    let mut hall = three();
    assert_eq!(
        hall.set_item("alice/1", "role='moderator' nick='Bob'"),
        [
            "alice/1 < iq result q =",
            "alice/1 << +Bob none/moderator jid=bob/1 by Alice",
            "carol/1 << +Bob none/moderator by Alice",
            "bob/1 < +Bob none/moderator jid=bob/1 by Alice 110",
        ]
    );
    // A moderator, but no admin.
    assert_eq!(
        hall.set_item("bob/1", "role='moderator' nick='Carol'"),
        ["bob/1 < iq error forbidden (auth)"]
    );
    assert_eq!(
        hall.set_item("bob/1", "affiliation='outcast' nick='Carol'"),
        ["bob/1 < iq error forbidden (auth)"]
    );
    let list = query(ns::MUC_ADMIN, "<item role='moderator'/>");
    let listed = hall.ask("alice/1", "get", &list);
    assert_eq!(listed[0].matches("<item").count(), 2, "{listed:?}");
    let lines = hall.set_item("alice/1", "role='participant' nick='Bob'");
    assert!(lines[1].contains("Bob none/participant"), "{lines:?}");
}

#[test]
fn a_moderator_does_nothing_to_whose_affiliation_is_higher() {
    let mut hall = three();
    hall.set_item("alice/1", "affiliation='admin' nick='Bob'");
    hall.set_item("alice/1", "role='moderator' nick='Carol'");
    // §8.2, §8.4 and §9.7: the error is the same for all three.
    for role in ["none", "visitor", "participant"] {
        for nick in ["Alice", "Bob"] {
            assert_eq!(
                hall.set_item("carol/1", &format!("role='{role}' nick='{nick}'")),
                ["carol/1 < iq error not-allowed (cancel)"],
                "{role} {nick}"
            );
        }
    }
    assert_eq!(hall.present().len(), 3);
}

#[test]
fn a_ban_is_listed_with_its_reason_and_lifted() {
    let mut hall = three();
    let ban = "<item affiliation='outcast' jid='bob@a.example'><reason>noise</reason></item>";
    hall.ask("alice/1", "set", &query(ns::MUC_ADMIN, ban));
    let list = query(ns::MUC_ADMIN, "<item affiliation='outcast'/>");
    let listed = hall.ask("alice/1", "get", &list);
    assert!(
        listed[0].contains("jid='bob@a.example'><reason>noise</reason>"),
        "{listed:?}"
    );
    hall.set_item("alice/1", "affiliation='none' jid='bob@a.example'");
    assert!(!hall.ask("alice/1", "get", &list)[0].contains("bob"));
    hall.joined("bob/1", "Bob");
}

#[test]
fn nobody_bans_himself_and_a_room_keeps_an_owner() {
    let mut hall = three();
    assert_eq!(
        hall.set_item("alice/1", "affiliation='outcast' jid='alice@a.example'"),
        ["alice/1 < iq error conflict (cancel)"]
    );
    assert_eq!(
        hall.set_item("alice/1", "affiliation='member' jid='alice@a.example'"),
        ["alice/1 < iq error conflict (cancel)"]
    );
    hall.set_item("alice/1", "affiliation='owner' nick='Bob'");
    let lines = hall.set_item("alice/1", "affiliation='member' jid='alice@a.example'");
    assert_eq!(lines[0], "* alice is member");
}

#[test]
fn a_request_is_done_as_a_whole_or_not_at_all() {
    let mut hall = three();
    for (second, error) in [
        (
            "<item nick='Nobody' role='none'/>",
            "item-not-found (cancel)",
        ),
        (
            "<item jid='@' affiliation='member'/>",
            "jid-malformed (modify)",
        ),
        (
            "<item jid='x@y' affiliation='king'/>",
            "bad-request (modify)",
        ),
        (
            "<item nick='Carol' role='none' affiliation='none'/>",
            "bad-request (modify)",
        ),
        ("<item role='none'/>", "bad-request (modify)"),
    ] {
        let items = format!("<item nick='Bob' role='none'/>{second}");
        assert_eq!(
            hall.ask("alice/1", "set", &query(ns::MUC_ADMIN, &items)),
            [format!("alice/1 < iq error {error}")]
        );
    }
    assert_eq!(
        hall.ask("alice/1", "set", &query(ns::MUC_ADMIN, "")),
        ["alice/1 < iq error bad-request (modify)"]
    );
    let many = "<item nick='Bob' role='visitor'/>".repeat(101);
    assert_eq!(
        hall.ask("alice/1", "set", &query(ns::MUC_ADMIN, &many)),
        ["alice/1 < iq error resource-constraint (wait)"]
    );
    assert_eq!(hall.present().len(), 3);
}

#[test]
fn lists_are_for_admins_and_moderators() {
    let mut hall = three();
    let ask = |hall: &mut Hall, who, list: &str| {
        hall.ask(
            who,
            "get",
            &query(ns::MUC_ADMIN, &format!("<item {list}/>")),
        )
    };
    let admin = "xmlns='http://jabber.org/protocol/muc#admin'";
    assert_eq!(
        ask(&mut hall, "alice/1", "affiliation='owner'"),
        [format!(
            "alice/1 < iq result q = <query {admin}>\
             <item affiliation='owner' jid='alice@a.example'/></query>"
        )]
    );
    assert_eq!(
        ask(&mut hall, "alice/1", "role='participant'")[0]
            .matches("<item")
            .count(),
        2
    );
    for list in [
        "affiliation='member'",
        "affiliation='outcast'",
        "role='visitor'",
    ] {
        assert_eq!(
            ask(&mut hall, "bob/1", list),
            ["bob/1 < iq error forbidden (auth)"]
        );
    }
    hall.configure("alice/1", &[("muc#roomconfig_whois", "anyone")]);
    assert!(ask(&mut hall, "bob/1", "affiliation='member'")[0].contains("iq result"));
    for (who, list) in [
        ("bob/1", "affiliation='outcast'"),
        ("dave/1", "affiliation='member'"),
    ] {
        assert_eq!(
            ask(&mut hall, who, list),
            [format!("{who} < iq error forbidden (auth)")]
        );
    }
}

/// Alice, who owns the room, Bob and Carol.
fn three() -> Hall {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    hall.joined("carol/1", "Carol");
    hall
}
