//! The words of XEP-0045: what a room says, and what is said to it.

use jid::{BareJid, FullJid, Jid};

use crate::flow::bare;
use crate::stanza::{Element, ElementRef, Kind, RawXml, Stanza, StanzaError, Time, Type, ns};

/// What a room says about an occupant: `<x/>` of `muc#user` (XEP-0045 §7.2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    codes: Vec<u16>,
    /// The affiliation of the item.
    pub(super) affiliation: Option<String>,
    /// The new nick, in an unavailable presence with 303 (§7.6).
    pub(super) nick: Option<String>,
    /// The room is gone (§10.9).
    pub(super) destroyed: bool,
}

/// Somebody else's nick is one thing, one's own presence another (§7.2.2).
pub(super) const SELF: u16 = 110;
pub(super) const REAL_JIDS_VISIBLE: u16 = 100;
pub(super) const CHANGED_IN_ABSENCE: u16 = 101;
pub(super) const LOGGED: u16 = 170;
pub(super) const CREATED: u16 = 201;
pub(super) const NICK_ASSIGNED: u16 = 210;
pub(super) const BANNED: u16 = 301;
pub(super) const NICK_CHANGED: u16 = 303;
pub(super) const KICKED: u16 = 307;
pub(super) const AFFILIATION_LOST: u16 = 321;
pub(super) const MEMBERS_ONLY: u16 = 322;
pub(super) const SHUTDOWN: u16 = 332;
pub(super) const TECHNICAL: u16 = 333;

impl Said {
    /// Reads it. Without `<x/>`, nothing is said.
    pub(super) fn read(stanza: &Stanza) -> Self {
        let Some(x) = stanza.child("x", ns::MUC_USER) else {
            return Self::default();
        };
        let item = x.child("item", ns::MUC_USER);
        let attr = |name| Some(item?.attr(name)?.to_owned());
        Self {
            codes: codes(x),
            affiliation: attr("affiliation"),
            nick: attr("nick"),
            destroyed: x.has_child("destroy", ns::MUC_USER),
        }
    }

    /// Whether this status code is among those said.
    pub(super) fn has(&self, code: u16) -> bool {
        self.codes.contains(&code)
    }

    /// All status codes.
    pub(super) fn codes(&self) -> &[u16] {
        &self.codes
    }
}

fn codes(x: ElementRef<'_>) -> Vec<u16> {
    x.children()
        .filter(|child| child.is("status", ns::MUC_USER))
        .filter_map(|status| status.attr("code")?.parse().ok())
        .collect()
}

/// A presence with other status codes than it came with.
pub(super) fn with_codes(mut presence: Stanza, codes: &[u16]) -> Stanza {
    let mut x = Element::new("x", ns::MUC_USER);
    if let Some(came) = presence.child("x", ns::MUC_USER) {
        for child in came.children() {
            if !child.is("status", ns::MUC_USER) {
                x.push(child.to_element());
            }
        }
    }
    for code in codes {
        x.push(Element::new("status", ns::MUC_USER).with_attr("code", code.to_string()));
    }
    presence.remove_child("x", ns::MUC_USER);
    presence.with_child(x)
}

/// A presence without this status code.
pub(super) fn without_code(presence: Stanza, code: u16) -> Stanza {
    let mut codes = Said::read(&presence).codes;
    if !codes.contains(&code) {
        return presence;
    }
    codes.retain(|other| *other != code);
    with_codes(presence, &codes)
}

/// Says in the room's stead that an occupant is gone (§7.14).
pub(super) fn gone(occupant: &FullJid, affiliation: &str, codes: &[u16]) -> Stanza {
    let item = Element::new("item", ns::MUC_USER)
        .with_attr("affiliation", affiliation)
        .with_attr("role", "none");
    let presence = Stanza::presence()
        .with_type(Type::Unavailable)
        .with_from(occupant.clone())
        .with_child(Element::new("x", ns::MUC_USER).with_child(item));
    with_codes(presence, codes)
}

/// A join is refused in the words of the room (§7.2.5 to §7.2.11).
pub(super) fn refusal(occupant: &Jid, id: Option<&str>, error: &StanzaError) -> Stanza {
    let mut presence = Stanza::presence()
        .with_type(Type::Error)
        .with_from(occupant.clone())
        .with_child(Element::new("x", ns::MUC));
    presence.set_id(id.map(str::to_owned));
    let error = match &error.by {
        Some(_) => error.clone(),
        None => error.clone().with_by(occupant.to_bare()),
    };
    presence.with_child(error.to_element())
}

/// The creator asks for a room as the service makes them (§10.1.2).
pub(super) fn instant(account: &BareJid, room: &BareJid, id: &str) -> Stanza {
    let form = Element::new("x", ns::DATA_FORMS).with_attr("type", "submit");
    Stanza::iq(Type::Set, id)
        .with_from(account.clone())
        .with_to(room.clone())
        .with_child(Element::new("query", ns::MUC_OWNER).with_child(form))
}

/// When it was said, in the room's name (§7.2.13).
pub(super) fn delay(room: &str, at: Time) -> RawXml {
    RawXml::build("delay", ns::DELAY)
        .attr("from", room)
        .attr("stamp", &at.to_string())
        .finish()
}

/// When the room says that it was said, if it is history (§7.2.13).
pub(super) fn delayed(room: &str, message: &Stanza) -> Option<Time> {
    if !message.mentions(ns::DELAY) {
        return None;
    }
    message
        .children()
        .filter(|child| child.is("delay", ns::DELAY))
        .filter(|delay| {
            let by = delay.attr("from").and_then(|from| from.parse::<Jid>().ok());
            by.is_some_and(|by| bare(&by) == room)
        })
        .find_map(|delay| delay.attr("stamp")?.parse().ok())
}

/// Whether a message changes the subject (§8.1): it has one, and neither body
/// nor thread.
pub(super) fn is_subject(message: &Stanza) -> bool {
    message.has_child("subject", ns::CLIENT)
        && !message.has_body()
        && !message.has_child("thread", ns::CLIENT)
}

/// Whether it invites into its room (§7.8.2).
pub(super) fn is_invitation(message: &Stanza) -> bool {
    message
        .child("x", ns::MUC_USER)
        .is_some_and(|x| x.has_child("invite", ns::MUC_USER))
}

/// Whether a message may say that the account is welcome in the room that
/// sends it: the head and the namespace do not speak against it.
pub(super) fn may_readmit(message: &Stanza) -> bool {
    message.kind() == Kind::Message
        && message.from().is_some_and(Jid::is_bare)
        && message.mentions(ns::MUC_USER)
}

/// Whether a room says that the account's affiliation has changed while it was
/// not there (101, §9.3, §9.6), and to one with which it may come in.
pub(super) fn readmits(message: &Stanza) -> bool {
    let said = Said::read(message);
    let affiliation = said.affiliation.as_deref();
    said.has(CHANGED_IN_ABSENCE) && matches!(affiliation, Some("member" | "admin" | "owner"))
}

/// Whether it declines an invitation (§7.8.2).
pub(super) fn is_decline(message: &Stanza) -> bool {
    message
        .child("x", ns::MUC_USER)
        .is_some_and(|x| x.has_child("decline", ns::MUC_USER))
}

/// Whether a request moderates: it changes roles, which hang on the seat, and
/// not affiliations, which hang on the account (§5.1, §5.2).
pub(super) fn is_about_roles(iq: &Stanza) -> bool {
    iq.child("query", ns::MUC_ADMIN).is_some_and(|query| {
        query
            .children()
            .any(|item| item.attr("role").is_some() || item.attr("nick").is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(xml: &str) -> Stanza {
        Stanza::parse(xml.as_bytes()).expect("a stanza")
    }

    #[test]
    fn what_a_room_says_is_read_whatever_else_is_there() {
        let said = Said::read(&stanza(
            "<presence><x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='member' role='none' nick='New'/><status code='303'/>\
             <status code='none'/><status/><status code='110'/><odd/></x></presence>",
        ));
        assert_eq!(said.codes(), [303, 110]);
        assert_eq!(said.affiliation.as_deref(), Some("member"));
        assert_eq!(said.nick.as_deref(), Some("New"));
        assert!(!said.destroyed);
        assert_eq!(Said::read(&stanza("<presence/>")), Said::default());
    }

    #[test]
    fn status_codes_are_replaced_and_the_rest_stays() {
        let own = with_codes(
            stanza(
                "<presence><show>away</show><x xmlns='http://jabber.org/protocol/muc#user'>\
                 <item affiliation='none' role='participant'/><status code='201'/></x>\
                 <occupant-id xmlns='urn:xmpp:occupant-id:0' id='o'/></presence>",
            ),
            &[100, SELF],
        );
        assert_eq!(Said::read(&own).codes(), [100, 110]);
        assert_eq!(Said::read(&own).affiliation.as_deref(), Some("none"));
        assert!(own.has_child("occupant-id", ns::OCCUPANT_ID));
        assert!(own.has_child("show", ns::CLIENT));
    }

    #[test]
    fn a_subject_is_one_only_without_body_and_thread() {
        assert!(is_subject(&stanza("<message><subject/></message>")));
        for other in ["<body>b</body>", "<thread>t</thread>"] {
            let message = format!("<message><subject>s</subject>{other}</message>");
            assert!(!is_subject(&stanza(&message)), "{message}");
        }
        assert!(!is_subject(&stanza("<message/>")));
    }

    #[test]
    fn who_became_a_member_while_away_may_come_back_and_who_lost_that_may_not() {
        let says = |affiliation: &str, code: u16| {
            stanza(&format!(
                "<message from='room@muc.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
                 <item affiliation='{affiliation}'/><status code='{code}'/></x></message>"
            ))
        };
        for affiliation in ["member", "admin", "owner"] {
            assert!(may_readmit(&says(affiliation, 101)));
            assert!(readmits(&says(affiliation, 101)), "{affiliation}");
        }
        for (affiliation, code) in [("none", 101), ("outcast", 101), ("member", 100)] {
            assert!(!readmits(&says(affiliation, code)), "{affiliation} {code}");
        }
    }

    #[test]
    fn only_the_room_says_when_something_was_said() {
        let room = "room@muc.example";
        let at = Time::from_secs(1_000);
        let message = stanza("<message/>").with_child(delay(room, at));
        assert_eq!(delayed(room, &message), Some(at));
        assert_eq!(delayed("other@muc.example", &message), None);
    }
}
