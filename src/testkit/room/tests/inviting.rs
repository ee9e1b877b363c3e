//! Mediated invitations.

use super::Hall;

fn invite(to: &str) -> String {
    format!(
        "<message to='{{room}}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <invite to='{to}'><reason>tea</reason></invite></x></message>"
    )
}

#[test]
fn an_invitation_comes_from_the_room_with_its_password() {
    let mut hall = Hall::with(|settings| settings.new_room.password = Some("sesame".into()));
    hall.join_with("alice/1", "Alice", "<password>sesame</password>");
    assert_eq!(
        hall.send("alice/1", &invite("bob@a.example")),
        ["bob < => invite by tea@rooms.example/Alice password=sesame"]
    );
    assert!(
        hall.last_for("bob")
            .to_xml()
            .contains("<reason>tea</reason>")
    );
    assert_eq!(
        hall.send("alice/1", &invite("@")),
        ["alice/1 < message error bad-request (modify)"]
    );
    assert_eq!(
        hall.send("carol/1", &invite("bob@a.example")),
        ["carol/1 < message error not-acceptable (modify)"]
    );
}

#[test]
fn whoever_is_invited_into_a_members_only_room_becomes_a_member() {
    let mut hall = Hall::with(|settings| {
        settings.new_room.members_only = true;
        settings.new_room.non_anonymous = true;
    });
    hall.joined("alice/1", "Alice");
    assert_eq!(
        hall.send("alice/1", &invite("bob@a.example")),
        ["* bob is member", "bob < => invite by alice"]
    );
    hall.joined("bob/1", "Bob");
    assert_eq!(
        hall.send("bob/1", &invite("carol@a.example")),
        ["bob/1 < message error forbidden (auth)"]
    );
}

#[test]
fn a_refusal_reaches_the_inviter_and_nobody_else() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let decline = |to: &str| {
        format!(
            "<message to='{{room}}'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <decline to='{to}'><reason>busy</reason></decline></x></message>"
        )
    };
    for inviter in [
        "tea@rooms.example/Alice",
        "alice@a.example",
        "alice@a.example/1",
    ] {
        assert_eq!(
            hall.send("bob/1", &decline(inviter)),
            ["alice/1 < => decline by bob"]
        );
    }
    assert_eq!(
        hall.send("bob/1", &decline("carol@a.example")),
        ["bob/1 < message error item-not-found (cancel)"]
    );
}

#[test]
fn an_outcast_is_not_invited_and_nobody_invites_a_crowd() {
    let mut hall = Hall::with(|settings| settings.limits.items = 2);
    hall.joined("alice/1", "Alice");
    hall.set_item("alice/1", "affiliation='outcast' jid='bob@a.example'");
    assert_eq!(
        hall.send("alice/1", &invite("bob@a.example")),
        ["alice/1 < message error forbidden (auth)"]
    );
    let three = "<invite to='c@a.example'/>".repeat(3);
    assert_eq!(
        hall.send(
            "alice/1",
            &format!(
                "<message to='{{room}}'>\
                 <x xmlns='http://jabber.org/protocol/muc#user'>{three}</x></message>"
            )
        ),
        ["alice/1 < message error resource-constraint (wait)"]
    );
}
