//! The table of losses against a generated corpus: every kind and type, each
//! with everything that a stanza may have besides.

use super::*;
use crate::stanza::tests::canonical::Canonical;

/// What the types keep, and with it what each stanza of the corpus begins as.
struct Base {
    kind: Kind,
    type_: Option<&'static str>,
    children: &'static str,
}

const fn base(kind: Kind, type_: &'static str, children: &'static str) -> Base {
    let type_ = if type_.is_empty() { None } else { Some(type_) };
    Base {
        kind,
        type_,
        children,
    }
}

const ERROR: &str =
    "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

const BASES: &[Base] = &[
    base(Kind::Message, "", ""),
    base(Kind::Message, "chat", "<body>hi</body>"),
    base(Kind::Message, "error", ERROR),
    base(Kind::Message, "groupchat", ""),
    base(Kind::Message, "headline", ""),
    base(Kind::Presence, "", "<priority>1</priority>"),
    base(Kind::Presence, "error", "<priority>1</priority>"),
    base(Kind::Presence, "probe", "<priority>1</priority>"),
    base(Kind::Presence, "subscribe", "<priority>1</priority>"),
    base(Kind::Presence, "unavailable", "<priority>1</priority>"),
    base(Kind::Presence, "unsubscribed", "<priority>1</priority>"),
    base(Kind::Iq, "get", "<q xmlns='urn:example:q'/>"),
    base(Kind::Iq, "set", "<q xmlns='urn:example:q'/>"),
    base(Kind::Iq, "result", "<q xmlns='urn:example:q'/>"),
    base(Kind::Iq, "error", ERROR),
];

/// What a stanza has besides.
#[derive(Clone, Copy)]
enum Feature {
    /// Another value of a known attribute; None leaves it out.
    Known(&'static str, Option<&'static str>),
    /// One more attribute.
    Attribute(&'static str),
    /// More contents.
    More(&'static str),
    /// These contents alone.
    Only(&'static str),
}

use Feature::{Attribute, Known, More, Only};

const ANY: &[(&str, Feature)] = &[
    ("nothing besides", More("")),
    ("xml:lang of the stanza", Attribute("xml:lang='en'")),
    ("an unknown attribute", Attribute("unknown='1'")),
    (
        "a namespaced attribute",
        Attribute("xmlns:a='urn:example:a' a:b='1'"),
    ),
    ("an unknown type", Known("type", Some("unheard-of"))),
    ("no type", Known("type", None)),
    ("no id", Known("id", None)),
    ("an empty id", Known("id", Some(""))),
    ("no sender", Known("from", None)),
    ("no recipient", Known("to", None)),
    ("a sender that is no JID", Known("from", Some("@@"))),
    ("a recipient that is no JID", Known("to", Some("@@"))),
    ("text between children", More("text")),
    ("white space between children", More("\n ")),
];

const PAYLOADS: &[(&str, Feature)] = &[
    ("a payload", More("<x xmlns='urn:example:x'/>")),
    (
        "two payloads",
        More("<x xmlns='urn:example:x'/><x xmlns='urn:example:x'/>"),
    ),
    (
        "a payload of every shape",
        More(
            "<x xmlns='urn:example:x' xml:lang='de' xmlns:a='urn:example:a' a:b='1'>\
             t<![CDATA[<]]><y/>&#10;<z xmlns=''/></x>",
        ),
    ),
    (
        "an unknown child of the content namespace",
        More("<unheard-of/>"),
    ),
];

const OF_MESSAGES: &[(&str, Feature)] = &[
    ("type normal", Known("type", Some("normal"))),
    ("a body", Only("<body>hi</body>")),
    ("an empty body", Only("<body/>")),
    (
        "bodies in two languages",
        Only("<body>hi</body><body xml:lang='de'>hallo</body>"),
    ),
    (
        "two bodies in one language",
        Only("<body>hi</body><body>ho</body>"),
    ),
    (
        "an unknown attribute of the body",
        Only("<body unknown='1'>hi</body>"),
    ),
    (
        "a child of the body",
        Only("<body>hi<x xmlns='urn:example:x'/></body>"),
    ),
    ("a subject", Only("<subject>hi</subject>")),
    (
        "two subjects in one language",
        Only("<subject>hi</subject><subject>ho</subject>"),
    ),
    ("a thread", Only("<thread>1</thread>")),
    (
        "a thread with a parent",
        Only("<thread parent='0'>1</thread>"),
    ),
    ("two threads", Only("<thread>1</thread><thread>2</thread>")),
];

const OF_PRESENCES: &[(&str, Feature)] = &[
    ("no priority", Only("")),
    ("priority 0", Only("<priority>0</priority>")),
    (
        "a priority that is no number",
        Only("<priority>high</priority>"),
    ),
    ("a priority out of range", Only("<priority>200</priority>")),
    ("two priorities", More("<priority>2</priority>")),
    ("a show", More("<show>away</show>")),
    ("an unknown show", More("<show>unheard-of</show>")),
    ("an empty show", More("<show/>")),
    ("a status", More("<status>here</status>")),
    (
        "statuses in two languages",
        More("<status>here</status><status xml:lang='de'>hier</status>"),
    ),
    (
        "two statuses in one language",
        More("<status>here</status><status>there</status>"),
    ),
    ("an error", More(ERROR)),
];

const OF_IQS: &[(&str, Feature)] = &[
    ("no payload", Only("")),
    (
        "a payload of every shape",
        Only(
            "<x xmlns='urn:example:x' xml:lang='de' xmlns:a='urn:example:a' a:b='1'>\
             t<![CDATA[<]]><y/>&#10;<z xmlns=''/></x>",
        ),
    ),
    (
        "a payload besides the one",
        More("<x xmlns='urn:example:x'/>"),
    ),
];

fn features(kind: Kind) -> impl Iterator<Item = (&'static str, Feature)> {
    let own: [&[_]; 2] = match kind {
        Kind::Message => [PAYLOADS, OF_MESSAGES],
        Kind::Presence => [PAYLOADS, OF_PRESENCES],
        Kind::Iq => [OF_IQS, &[]],
    };
    ANY.iter().chain(own.into_iter().flatten()).copied()
}

fn stanza(base: &Base, feature: Feature) -> Stanza {
    let mut known = vec![
        ("type", base.type_),
        ("from", Some("a@b.example/c")),
        ("to", Some("d@e.example")),
        ("id", Some("1")),
    ];
    let mut children = base.children.to_owned();
    let mut unknown = "";
    match feature {
        Known(name, value) => known
            .iter_mut()
            .filter(|known| known.0 == name)
            .for_each(|known| known.1 = value),
        Attribute(attribute) => unknown = attribute,
        More(contents) => children += contents,
        Only(contents) => contents.clone_into(&mut children),
    }
    let name = base.kind.as_str();
    let mut xml = format!("<{name} {unknown}");
    for (name, value) in known {
        xml += &value.map_or(String::new(), |value| format!(" {name}='{value}'"));
    }
    xml += &format!(">{children}</{name}>");
    Stanza::parse(xml.as_bytes()).unwrap()
}

/// Order of children aside, is it the same?
fn same(one: &Stanza, other: &Stanza) -> bool {
    let canonical = |stanza: &Stanza| {
        let mut canonical = Canonical::of(&stanza.to_xml());
        canonical
            .contents
            .sort_by_key(|content| format!("{content:?}"));
        canonical
    };
    canonical(one) == canonical(other)
}

fn fate(stanza: &Stanza) -> Option<Fate> {
    let back = match stanza.kind() {
        Kind::Message => Message::try_from(stanza).map(Stanza::try_from),
        Kind::Presence => Presence::try_from(stanza).map(Stanza::try_from),
        Kind::Iq => Iq::try_from(stanza).map(Stanza::try_from),
    };
    match back {
        Err(_) => Some(Fate::Refused),
        Ok(back) if same(stanza, back.as_ref().unwrap()) => None,
        Ok(_) => Some(Fate::Lost),
    }
}

/// A line of the table, as it would have to be written.
fn line(kind: Kind, what: &str, fate: Fate) -> String {
    format!("{kind:?}: {what}: {fate:?}")
}

/// What is lost; where the types of a kind differ, the line says which.
fn found() -> Vec<String> {
    let mut found = Vec::new();
    for kind in [Kind::Message, Kind::Presence, Kind::Iq] {
        let bases: Vec<_> = BASES.iter().filter(|base| base.kind == kind).collect();
        for (what, feature) in features(kind) {
            let fates: Vec<_> = bases
                .iter()
                .map(|base| fate(&stanza(base, feature)))
                .collect();
            if fates.iter().all(|fate| *fate == fates[0]) {
                found.extend(fates[0].map(|fate| line(kind, what, fate)));
                continue;
            }
            for (base, fate) in bases.iter().zip(fates) {
                let what = format!("{what} (type {})", base.type_.unwrap_or("absent"));
                found.extend(fate.map(|fate| line(kind, &what, fate)));
            }
        }
    }
    found
}

#[test]
fn the_table_of_losses_says_exactly_what_is_lost() {
    let table = LOSSES
        .iter()
        .map(|loss| line(loss.kind, loss.what, loss.fate));
    assert_eq!(found().join("\n"), table.collect::<Vec<_>>().join("\n"));
}
