//! A service, and what it says in lines that a test can compare.
//!
//! `alice/1 < +Bob none/participant 110` is a presence for `alice@a.example/1`
//! about the available occupant Bob; `-Bob` would be unavailable, `=` a word
//! of the room itself, `<<` part of a broadcast.

use crate::flow::Event;
use crate::stanza::{ElementRef, Kind, Stanza, Time, Type, ns};
use crate::testkit::room::{Creation, Effect, Rooms, Settings};

pub(super) const ROOM: &str = "tea@rooms.example";

pub(super) struct Hall {
    pub(super) rooms: Rooms,
    pub(super) at: Time,
    pub(super) last: Vec<Effect>,
}

impl Hall {
    /// A service whose rooms open at once.
    pub(super) fn new() -> Self {
        Hall::with(|_| ())
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            creation: Creation::Instant,
            ..Settings::default()
        };
        change(&mut settings);
        Hall {
            rooms: Rooms::new("rooms.example".parse().unwrap(), settings),
            at: Time::from_secs(1_795_260_600),
            last: Vec::new(),
        }
    }

    /// Sends XML in which `{room}` is the room; `who` is `name/resource` or
    /// `name`, at the domain a.example.
    pub(super) fn send(&mut self, who: &str, xml: &str) -> Vec<String> {
        let xml = xml.replace("{room}", ROOM);
        let stanza = Stanza::parse(xml.as_bytes()).unwrap_or_else(|e| panic!("{e}: {xml}"));
        let from: jid::Jid = address(who).parse().unwrap();
        let effects = self.rooms.handle(self.at, &stanza.with_from(from));
        self.tell(effects)
    }

    /// The same without looking at the answer.
    pub(super) fn sent(&mut self, who: &str, xml: &str) {
        let _ = self.send(who, xml);
    }

    pub(super) fn join(&mut self, who: &str, nick: &str) -> Vec<String> {
        self.join_with(who, nick, "")
    }

    pub(super) fn joined(&mut self, who: &str, nick: &str) {
        let lines = self.join(who, nick);
        assert!(
            lines.iter().any(|line| line.contains(" 110")),
            "{who} did not come in: {lines:?}"
        );
    }

    pub(super) fn join_with(&mut self, who: &str, nick: &str, inside: &str) -> Vec<String> {
        self.send(
            who,
            &format!(
                "<presence to='{{room}}/{nick}'>\
                 <x xmlns='http://jabber.org/protocol/muc'>{inside}</x></presence>"
            ),
        )
    }

    pub(super) fn say(&mut self, who: &str, text: &str) -> Vec<String> {
        self.send(
            who,
            &format!("<message to='{{room}}' type='groupchat'><body>{text}</body></message>"),
        )
    }

    /// An IQ to the room with this payload.
    pub(super) fn ask(&mut self, who: &str, type_: &str, payload: &str) -> Vec<String> {
        self.send(
            who,
            &format!("<iq to='{{room}}' type='{type_}' id='q'>{payload}</iq>"),
        )
    }

    /// Sends the room's configuration form with these fields.
    pub(super) fn configure(&mut self, who: &str, fields: &[(&str, &str)]) -> Vec<String> {
        let form = submit("http://jabber.org/protocol/muc#roomconfig", fields);
        self.ask(who, "set", &query(ns::MUC_OWNER, &form))
    }

    /// Sends the room's registration form with this nick.
    pub(super) fn register(&mut self, who: &str, nick: &str) -> Vec<String> {
        let fields = [("muc#register_roomnick", nick)];
        let form = submit("http://jabber.org/protocol/muc#register", &fields);
        self.ask(who, "set", &query(ns::REGISTER, &form))
    }

    /// Sends this `<item/>` as a change.
    pub(super) fn set_item(&mut self, who: &str, item: &str) -> Vec<String> {
        self.ask(
            who,
            "set",
            &query(ns::MUC_ADMIN, &format!("<item {item}/>")),
        )
    }

    pub(super) fn tell(&mut self, effects: Vec<Effect>) -> Vec<String> {
        self.last = effects;
        self.last.iter().flat_map(lines).collect()
    }

    /// Who is in the room, as `nick=real,real`.
    pub(super) fn present(&self) -> Vec<String> {
        let room = ROOM.parse().unwrap();
        self.rooms
            .occupants(&room)
            .into_iter()
            .map(|seat| {
                let jids = seat.sessions.iter().map(|jid| short(jid.as_str()));
                format!("{}={}", seat.nick, jids.collect::<Vec<_>>().join(","))
            })
            .collect()
    }

    /// What the last stanza for this address was.
    pub(super) fn last_for(&self, who: &str) -> &Stanza {
        let to = address(who);
        self.last
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Send { to: t, stanza, .. } if t.as_str() == to => Some(stanza),
                Effect::Broadcast(b) if b.recipients.iter().any(|r| r.as_str() == to) => {
                    Some(&b.stanza)
                }
                _ => None,
            })
            .unwrap_or_else(|| panic!("nothing for {who}: {:?}", self.last))
    }
}

fn address(who: &str) -> String {
    match who.split_once('/') {
        Some((name, resource)) => format!("{name}@a.example/{resource}"),
        None => format!("{who}@a.example"),
    }
}

fn short(jid: &str) -> String {
    jid.replace("@a.example", "")
}

fn lines(effect: &Effect) -> Vec<String> {
    match effect {
        Effect::Send { to, stanza, room } => {
            assert_eq!(stanza.to(), Some(to));
            assert_eq!(stanza.from().map(jid::Jid::to_bare).as_ref(), Some(room));
            vec![format!("{} < {}", short(to.as_str()), summary(stanza))]
        }
        Effect::Broadcast(broadcast) => {
            assert_eq!(broadcast.stanza.to(), None);
            broadcast
                .recipients
                .iter()
                .map(|to| format!("{} << {}", short(to.as_str()), summary(&broadcast.stanza)))
                .collect()
        }
        Effect::Event(event) => vec![match event {
            Event::RoomStarted { .. } => "* started".to_owned(),
            Event::RoomDestroyed { .. } => "* destroyed".to_owned(),
            Event::AffiliationChanged {
                user, affiliation, ..
            } => format!("* {} is {affiliation}", short(user.as_str())),
            Event::OccupantKicked { user, .. } => format!("* {} is kicked", short(user.as_str())),
            other => format!("* {other:?}"),
        }],
    }
}

fn summary(stanza: &Stanza) -> String {
    let from = stanza.from().unwrap();
    let nick = from.resource().map_or("=", |nick| nick.as_str());
    if let Some(error) = stanza.error() {
        return format!("{} error {error}", stanza.kind().as_str());
    }
    match stanza.kind() {
        Kind::Presence => {
            let sign = match stanza.type_() {
                None => "+",
                Some(Type::Unavailable) => "-",
                other => panic!("{other:?}"),
            };
            format!("{sign}{nick}{}", muc_user(stanza))
        }
        Kind::Message => {
            let mark = match stanza.type_() {
                Some(Type::Groupchat) => ":",
                _ => ">",
            };
            let text = |name| stanza.child(name, ns::CLIENT).map(ElementRef::text);
            let body = text("body").map(|text| format!(" {text}"));
            let subject = text("subject").map(|text| format!(" #{text}"));
            let late = stanza.has_child("delay", ns::DELAY).then_some(" (late)");
            format!(
                "{nick}{mark}{}{}{}{}",
                subject.unwrap_or_default(),
                body.unwrap_or_default(),
                late.unwrap_or_default(),
                muc_user(stanza),
            )
        }
        Kind::Iq => {
            let type_ = stanza.type_().unwrap().as_str();
            let payload = stanza
                .payload()
                .map(|payload| format!(" {}", payload.to_xml()));
            format!(
                "iq {type_} {} {nick}{}",
                stanza.id().unwrap(),
                payload.unwrap_or_default()
            )
        }
    }
}

/// ` affiliation/role` and what else stands in `<x/>`.
fn muc_user(stanza: &Stanza) -> String {
    let Some(x) = stanza.child("x", ns::MUC_USER) else {
        return String::new();
    };
    let mut line = String::new();
    for child in x.children() {
        let attr = |name| child.attr(name).unwrap_or("?").to_owned();
        line += " ";
        line += &match child.name() {
            "status" => attr("code"),
            "item" => item(child),
            "invite" | "decline" => format!("{} by {}", child.name(), short(&attr("from"))),
            "password" => format!("password={}", child.text()),
            _ => child
                .to_xml()
                .replace(" xmlns='http://jabber.org/protocol/muc#user'", ""),
        };
    }
    line
}

fn item(item: ElementRef<'_>) -> String {
    let mut line = format!(
        "{}/{}",
        item.attr("affiliation").unwrap_or("?"),
        item.attr("role").unwrap_or("?")
    );
    for name in ["jid", "nick"] {
        if let Some(value) = item.attr(name) {
            line += &format!(" {name}={}", short(value));
        }
    }
    if let Some(actor) = item.child("actor", ns::MUC_USER) {
        line += &format!(" by {}", actor.attr("nick").unwrap_or("?"));
    }
    if let Some(reason) = item.child("reason", ns::MUC_USER) {
        line += &format!(" \"{}\"", reason.text());
    }
    line
}

/// `<query/>` of this namespace.
pub(super) fn query(namespace: &str, inside: &str) -> String {
    format!("<query xmlns='{namespace}'>{inside}</query>")
}

/// A submitted form.
pub(super) fn submit(form_type: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = [("FORM_TYPE", form_type)]
        .iter()
        .chain(fields)
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}
