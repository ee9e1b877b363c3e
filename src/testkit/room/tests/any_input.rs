//! Whatever comes in, nothing panics, and what each occupant has been told
//! adds up to who is in the room.

use std::collections::BTreeMap;

use jid::Jid;
use proptest::prelude::*;

use super::Hall;
use super::hall::{ROOM, query, submit};
use crate::stanza::{Kind, Stanza, Type, ns};
use crate::testkit::room::{Effect, RegisteredNick, StrayPresence};

/// What one client believes: nick to affiliation and role.
type View = BTreeMap<String, (String, String)>;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn every_occupants_view_is_the_rooms_list(
        rules in rules(),
        stanzas in prop::collection::vec((sender(), stanza()), 1..60),
    ) {
        let mut hall = Hall::with(|settings| {
            settings.new_room.members_only = rules.0;
            settings.new_room.moderated = rules.1;
            settings.new_room.non_anonymous = rules.2;
            settings.new_room.persistent = rules.3;
            settings.stray = if rules.4 { StrayPresence::Kicked } else { StrayPresence::Joins };
            settings.new_room.registered_nick = RegisteredNick::Assigned;
            settings.new_room.max_users = 4;
            settings.limits.sessions = 2;
            settings.muc2 = true;
        });
        let mut views: BTreeMap<Jid, View> = BTreeMap::new();
        for (who, xml) in stanzas {
            hall.sent(&who, &xml);
            learn(&mut views, &hall);
            check(&views, &hall)?;
        }
    }
}

/// Each client takes in what was sent to it.
fn learn(views: &mut BTreeMap<Jid, View>, hall: &Hall) {
    for effect in &hall.last {
        match effect {
            Effect::Send { to, stanza, .. } => {
                take_in(views.entry(to.clone()).or_default(), stanza);
            }
            Effect::Broadcast(broadcast) => {
                for to in broadcast.recipients.iter() {
                    take_in(views.entry(to.clone()).or_default(), &broadcast.stanza);
                }
            }
            Effect::Event(_) => {}
        }
    }
}

fn take_in(view: &mut View, stanza: &Stanza) {
    if stanza.kind() != Kind::Presence || stanza.is_error() {
        return;
    }
    let nick = stanza.from().unwrap().resource().unwrap().to_string();
    let x = stanza.child("x", ns::MUC_USER).unwrap();
    let item = x.child("item", ns::MUC_USER).unwrap();
    let word = |name| item.attr(name).unwrap().to_owned();
    let codes: Vec<&str> = x
        .children()
        .filter_map(|child| child.attr("code"))
        .collect();
    if stanza.is_type(&Type::Unavailable) {
        view.remove(&nick);
        if codes.contains(&"110") && !codes.contains(&"303") {
            view.clear();
        }
    } else {
        view.insert(nick, (word("affiliation"), word("role")));
    }
}

fn check(views: &BTreeMap<Jid, View>, hall: &Hall) -> Result<(), TestCaseError> {
    let room = ROOM.parse().unwrap();
    let seats = hall.rooms.occupants(&room);
    let truth: View = seats
        .iter()
        .map(|seat| {
            let words = (
                seat.affiliation.as_str().to_owned(),
                seat.role.as_str().to_owned(),
            );
            (seat.nick.clone(), words)
        })
        .collect();
    let present: Vec<&Jid> = seats.iter().flat_map(|seat| &seat.sessions).collect();
    for (who, view) in views {
        if present.contains(&who) {
            prop_assert_eq!(view, &truth, "what {} believes", who);
        } else {
            prop_assert!(view.is_empty(), "{} believes {:?}", who, view);
        }
    }
    for effect in &hall.last {
        if let Effect::Broadcast(broadcast) = effect {
            let mut recipients = broadcast.recipients.to_vec();
            let all = recipients.len();
            recipients.sort();
            recipients.dedup();
            prop_assert_eq!(recipients.len(), all, "nobody twice");
            for recipient in &recipients {
                prop_assert!(broadcast.snapshot.is_present(&recipient.to_bare()));
            }
        }
    }
    Ok(())
}

fn rules() -> impl Strategy<Value = (bool, bool, bool, bool, bool)> {
    any::<(bool, bool, bool, bool, bool)>()
}

fn sender() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "alice/1", "alice/1", "alice/2", "alice", "bob/1", "bob/2", "carol", "dave/1",
    ])
    .prop_map(str::to_owned)
}

fn nick() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["A", "B", "C", "D", "Ä"])
}

fn user() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["alice", "bob", "carol", "dave", "erin"])
}

fn stanza() -> impl Strategy<Value = String> {
    let x = "<x xmlns='http://jabber.org/protocol/muc'/>";
    let iq = |payload: String| format!("<iq to='{{room}}' type='set' id='i'>{payload}</iq>");
    let affiliation = prop::sample::select(vec!["outcast", "none", "member", "admin", "owner"]);
    let role = prop::sample::select(vec!["none", "visitor", "participant", "moderator"]);
    let field = prop::sample::select(vec![
        ("muc#roomconfig_membersonly", "1"),
        ("muc#roomconfig_membersonly", "0"),
        ("muc#roomconfig_moderatedroom", "1"),
        ("muc#roomconfig_whois", "anyone"),
        ("muc#roomconfig_whois", "moderators"),
        ("muc#roomconfig_persistentroom", "0"),
    ]);
    prop_oneof![
        8 => (nick(), any::<bool>(), -1..2i8).prop_map(move |(nick, with_x, priority)| {
            let x = if with_x { x } else { "" };
            format!("<presence to='{{room}}/{nick}'><priority>{priority}</priority>{x}</presence>")
        }),
        2 => nick().prop_map(|nick| format!("<presence to='{{room}}/{nick}' type='unavailable'/>")),
        2 => Just("<message to='{room}' type='groupchat'><body>b</body></message>".to_owned()),
        1 => nick().prop_map(|nick| {
            format!("<message to='{{room}}/{nick}' type='chat'><body>b</body></message>")
        }),
        1 => Just(
            "<message to='{room}' type='error'><error type='cancel'>\
             <gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
                .to_owned()
        ),
        3 => (user(), affiliation).prop_map(move |(user, word)| {
            let item = format!("<item jid='{user}@a.example' affiliation='{word}'/>");
            iq(query(ns::MUC_ADMIN, &item))
        }),
        2 => (nick(), role).prop_map(move |(nick, word)| {
            iq(query(ns::MUC_ADMIN, &format!("<item nick='{nick}' role='{word}'/>")))
        }),
        1 => field.prop_map(move |field| {
            let form = submit("http://jabber.org/protocol/muc#roomconfig", &[field]);
            iq(query(ns::MUC_OWNER, &form))
        }),
        1 => nick().prop_map(move |nick| {
            let fields = [("muc#register_roomnick", nick)];
            let form = submit("http://jabber.org/protocol/muc#register", &fields);
            iq(query(ns::REGISTER, &form))
        }),
        1 => Just(iq(query(ns::REGISTER, "<remove/>"))),
        2 => nick().prop_map(move |nick| {
            iq(format!("<join xmlns='urn:xmpp:muc:0'><nickname>{nick}</nickname></join>"))
        }),
        1 => Just(iq("<part xmlns='urn:xmpp:muc:0'/>".to_owned())),
        1 => user().prop_map(|user| format!(
            "<message to='{{room}}'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <invite to='{user}@a.example'/></x></message>"
        )),
        1 => Just(iq(query(ns::MUC_OWNER, "<destroy/>"))),
        2 => anything(),
    ]
}

/// Well-formed stanzas that make no sense.
fn anything() -> impl Strategy<Value = String> {
    // Nothing may stand in the namespace of the `xml:` prefix.
    let namespaces: Vec<&str> = ns::ALL
        .iter()
        .copied()
        .filter(|ns| *ns != ns::XML)
        .collect();
    let name = prop::sample::select(vec![
        "x", "query", "item", "invite", "decline", "destroy", "subject", "ping", "vCard", "history",
    ]);
    (
        prop::sample::select(vec!["message", "presence", "iq"]),
        prop::sample::select(vec![
            "get",
            "set",
            "result",
            "error",
            "groupchat",
            "chat",
            "unavailable",
            "probe",
            "?",
        ]),
        prop::sample::select(vec![
            "{room}",
            "{room}/A",
            "rooms.example",
            "other@rooms.example",
        ]),
        prop::sample::select(vec!["1-2-x", "", "9999999999999999999-0-"]),
        name.clone(),
        prop::sample::select(namespaces),
        name,
        "[ -~]{0,8}",
    )
        .prop_map(|(kind, type_, to, id, outer, ns, inner, text)| {
            let text = text.replace(['<', '>', '&', '\'', '{', '}'], "");
            format!(
                "<{kind} to='{to}' type='{type_}' id='{id}'><{outer} xmlns='{ns}' type='submit' \
                 node='{text}'><{inner} to='{text}' jid='{text}' nick='A' affiliation='{text}' \
                 role='{text}' maxchars='{text}'/>{text}</{outer}></{kind}>"
            )
        })
}
