//! Questions to the service, to a room, and between occupants.

use super::Hall;
use super::hall::query;
use crate::stanza::ns;

const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";

fn iq(to: &str, type_: &str, id: &str, payload: &str) -> String {
    format!("<iq to='{to}' type='{type_}' id='{id}'>{payload}</iq>")
}

#[test]
fn a_ping_to_the_own_nick_says_whether_one_is_still_in() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let ping = iq("{room}/Alice", "get", "p", PING);
    assert_eq!(hall.send("alice/1", &ping), ["alice/1 < iq result p Alice"]);
    let lost = |who: &str| vec![format!("{who} < iq error not-acceptable (modify)")];
    assert_eq!(hall.send("alice/2", &ping), lost("alice/2"));
    assert_eq!(hall.send("bob/1", &ping), lost("bob/1"));
    hall.sent(
        "alice/1",
        "<presence to='{room}/Alice' type='unavailable'/>",
    );
    // The room is gone; item-not-found would mean that all is well.
    assert_eq!(hall.send("alice/1", &ping), lost("alice/1"));
}

#[test]
fn a_request_to_an_occupant_and_its_answer_are_relayed() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let version = query("jabber:iq:version", "");
    let asked = hall.send("alice/1", &iq("{room}/Bob", "get", "v-1", &version));
    assert_eq!(asked.len(), 1);
    let request = hall.last_for("bob/1").clone();
    assert_eq!(request.from().unwrap().as_str(), "tea@rooms.example/Alice");
    let id = request.id().unwrap();
    let answer = iq("{room}/Alice", "result", id, &version);
    assert_eq!(
        hall.send("carol/1", &answer),
        [""; 0],
        "only who was asked answers"
    );
    assert_eq!(
        hall.send("bob/1", &answer),
        [format!(
            "alice/1 < iq result v-1 Bob {}",
            version.replace("></query>", "/>")
        )]
    );
    assert_eq!(
        hall.send("bob/1", &iq("{room}/Alice", "result", "unasked", "")),
        [""; 0]
    );
}

#[test]
fn a_request_for_a_vcard_goes_to_the_users_bare_jid() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let vcard = "<vCard xmlns='vcard-temp'/>";
    hall.sent("alice/1", &iq("{room}/Bob", "get", "c", vcard));
    let id = hall.last_for("bob").id().unwrap().to_owned();
    assert_eq!(
        hall.send("bob", &iq("{room}/Alice", "result", &id, vcard)),
        ["alice/1 < iq result c Bob <vCard xmlns='vcard-temp'/>"]
    );
}

#[test]
fn strangers_learn_nothing_of_occupants() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let info = query(ns::DISCO_INFO, "");
    assert_eq!(
        hall.send("bob/1", &iq("{room}/Alice", "get", "d", &info)),
        ["bob/1 < iq error bad-request (modify)"]
    );
    assert_eq!(
        hall.send("alice/1", &iq("{room}/Nobody", "get", "d", PING)),
        ["alice/1 < iq error item-not-found (cancel)"]
    );
}

#[test]
fn what_nobody_knows_is_refused_wherever_it_is_asked() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let unknown = "<query xmlns='urn:example:unknown'/>";
    for (to, type_, error) in [
        ("rooms.example", "get", "service-unavailable (cancel)"),
        ("rooms.example", "set", "service-unavailable (cancel)"),
        ("{room}", "get", "service-unavailable (cancel)"),
        ("{room}", "set", "service-unavailable (cancel)"),
        ("coffee@rooms.example", "get", "item-not-found (cancel)"),
    ] {
        assert_eq!(
            hall.send("bob/1", &iq(to, type_, "u", unknown)),
            [format!("bob/1 < iq error {error}")],
            "{to}"
        );
    }
    assert_eq!(
        hall.send("bob/1", &iq("{room}", "get", "u", "")),
        ["bob/1 < iq error bad-request (modify)"]
    );
    for (message, error) in [
        (
            "<message to='{room}'><body>x</body></message>",
            "service-unavailable (cancel)",
        ),
        (
            "<message to='coffee@rooms.example' type='groupchat'><body>x</body></message>",
            "item-not-found (cancel)",
        ),
        (
            "<message to='rooms.example'/>",
            "service-unavailable (cancel)",
        ),
    ] {
        assert_eq!(
            hall.send("bob/1", message),
            [format!("bob/1 < message error {error}")]
        );
    }
}

#[test]
fn nothing_answers_an_answer() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    for to in [
        "rooms.example",
        "{room}",
        "{room}/Alice",
        "coffee@rooms.example",
    ] {
        for type_ in ["result", "error"] {
            assert_eq!(hall.send("bob/1", &iq(to, type_, "r", "")), [""; 0], "{to}");
        }
        for stanza in [
            format!("<message to='{to}' type='error'/>"),
            format!("<presence to='{to}' type='error'/>"),
            format!("<presence to='{to}' type='unavailable'/>"),
            format!("<presence to='{to}' type='probe'/>"),
            format!("<presence to='{to}' type='subscribe'/>"),
        ] {
            assert_eq!(hall.send("bob/1", &stanza), [""; 0], "{stanza}");
        }
    }
}

#[test]
fn the_service_and_the_room_say_what_they_are() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    let info = query(ns::DISCO_INFO, "");
    let items = query(ns::DISCO_ITEMS, "");
    let mut ask = |to: &str, payload: &str| {
        hall.sent("bob/1", &iq(to, "get", "d", payload));
        hall.last_for("bob/1").payload().unwrap().to_xml()
    };
    let service = ask("rooms.example", &info);
    assert!(
        service.contains("var='http://jabber.org/protocol/muc'"),
        "{service}"
    );
    let list = ask("rooms.example", &items);
    assert!(list.contains("jid='tea@rooms.example'"), "{list}");
    let room = ask("{room}", &info);
    for var in [
        "muc_open",
        "muc_semianonymous",
        "muc_temporary",
        "jabber:iq:register",
    ] {
        assert!(room.contains(&format!("var='{var}'")), "{var} in {room}");
    }
    let occupants = ask("{room}", &items);
    assert!(occupants.contains("tea@rooms.example/Alice"), "{occupants}");
    hall.configure(
        "alice/1",
        &[
            ("muc#roomconfig_publicroom", "0"),
            ("muc#roomconfig_membersonly", "1"),
        ],
    );
    let mut ask = |to: &str, payload: &str| {
        hall.sent("bob/1", &iq(to, "get", "d", payload));
        hall.last_for("bob/1").payload().unwrap().to_xml()
    };
    assert!(!ask("rooms.example", &items).contains("tea"));
    assert!(!ask("{room}", &items).contains("Alice"));
}

#[test]
fn a_nick_is_registered_shown_changed_and_given_back() {
    let mut hall = Hall::new();
    hall.joined("alice/1", "Alice");
    hall.joined("bob/1", "Bob");
    let form = |hall: &mut Hall| {
        hall.ask("bob/1", "get", &query(ns::REGISTER, ""));
        hall.last_for("bob/1").payload().unwrap().to_xml()
    };
    let empty = form(&mut hall);
    assert!(empty.contains("muc#register_roomnick") && !empty.contains("<registered"));
    assert_eq!(
        hall.register("bob/1", "Bob"),
        [
            "* bob is member",
            "bob/1 < iq result q =",
            "alice/1 << +Bob member/participant jid=bob/1",
            "bob/1 < +Bob member/participant jid=bob/1 110",
        ]
    );
    assert_eq!(hall.register("bob/1", "Rob"), ["bob/1 < iq result q ="]);
    let filled = form(&mut hall);
    assert!(
        filled.contains("<registered/><username>Rob</username>"),
        "{filled}"
    );
    assert!(filled.contains("<value>Rob</value>"), "{filled}");
    let own = query(ns::DISCO_INFO, "").replace("info'", "info' node='x-roomuser-item'");
    assert!(hall.ask("bob/1", "get", &own)[0].contains("name='Rob'"));
    for (who, nick, error) in [
        ("carol/1", "Rob", "conflict (cancel)"),
        ("carol/1", "Alice", "conflict (cancel)"),
        ("carol/1", " ", "bad-request (modify)"),
    ] {
        assert_eq!(
            hall.register(who, nick),
            [format!("{who} < iq error {error}")]
        );
    }
    assert_eq!(
        hall.ask("bob/1", "set", &query(ns::REGISTER, "<remove/>"))[..2],
        ["* bob is none", "bob/1 < iq result q ="]
    );
    assert!(!form(&mut hall).contains("<registered"));
}

#[test]
fn who_may_not_register_is_told_why() {
    let ask = |hall: &mut Hall| hall.ask("bob/1", "get", &query(ns::REGISTER, ""));
    let mut hall = Hall::with(|settings| settings.new_room.members_only = true);
    hall.joined("alice/1", "Alice");
    assert_eq!(
        ask(&mut hall),
        ["bob/1 < iq error registration-required (auth)"]
    );
    hall.set_item("alice/1", "affiliation='outcast' jid='bob@a.example'");
    assert_eq!(ask(&mut hall), ["bob/1 < iq error not-allowed (cancel)"]);
    let mut hall = Hall::with(|settings| settings.new_room.registration = false);
    hall.joined("alice/1", "Alice");
    assert_eq!(
        ask(&mut hall),
        ["bob/1 < iq error service-unavailable (cancel)"]
    );
}
