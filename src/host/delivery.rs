//! RFC 6121 §8 as one pure function.

use std::sync::Arc;

use jid::FullJid;

use crate::stanza::{Condition, Kind, MessageType, Stanza, Type, ns};

/// A session, and whether it takes part in the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// The session.
    pub session: FullJid,
    /// The priority of its last broadcast presence (RFC 6121 §4.7.2.3), or
    /// `None` while it is connected but not available.
    pub priority: Option<i8>,
}

/// Which of several available sessions gets a message to the bare JID
/// (RFC 6121 §8.5.2.1.1 leaves it to the server).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BareMessages {
    /// Those with the highest priority; several if it is equal.
    #[default]
    MostAvailable,
    /// All with a priority that is not negative.
    AllNonNegative,
}

/// Where a stanza to an account goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// To these sessions, at least one.
    Sessions(Arc<[FullJid]>),
    /// The account itself answers it: an IQ to the bare JID, a subscription, a probe.
    Account,
    /// No session takes it; it may be kept until one does, or be refused with
    /// `service-unavailable`.
    Offline,
    /// It goes back.
    Refuse(Condition),
    /// It is ignored, and its sender is not told.
    Ignore,
}

/// The rules of RFC 6121 §8.5 for a stanza to an account, whose address is
/// the stanza's `to`. A stanza without one is for the account's bare JID.
///
/// | `to` | sessions | normal | chat | groupchat | headline | error |
/// |---|---|---|---|---|---|---|
/// | bare | none non-negative | offline | offline | refuse | ignore | ignore |
/// | bare | some | most available | most available | refuse | all | ignore |
/// | full | it is there | it | it | it | it | it |
/// | full | it is not | refuse | as bare | refuse | ignore | ignore |
///
/// Presence goes to all available sessions, or to the one it names; an IQ
/// request to the bare JID is the account's, to a session that is not there
/// it is refused, and an IQ answer for nobody is ignored.
///
/// ```
/// use tower_xmpp::host::{Availability, BareMessages, Verdict, delivery};
/// use tower_xmpp::stanza::{Stanza, Type};
///
/// let to: jid::Jid = "alice@a.example".parse()?;
/// let phone = Availability { session: "alice@a.example/phone".parse()?, priority: Some(5) };
/// let away = Availability { session: "alice@a.example/away".parse()?, priority: Some(-1) };
///
/// let chat = Stanza::message().with_type(Type::Chat).with_to(to).with_text_child("body", "hi");
/// let verdict = delivery(&chat, &[phone.clone(), away], BareMessages::MostAvailable);
/// assert_eq!(verdict, Verdict::Sessions([phone.session].into()));
/// # Ok::<(), jid::Error>(())
/// ```
pub fn delivery(stanza: &Stanza, sessions: &[Availability], bare: BareMessages) -> Verdict {
    let named = stanza.to().and_then(|to| to.try_as_full().ok());
    if let Some(named) = named
        && !is_subscription(stanza)
        && sessions.iter().any(|known| known.session == *named)
    {
        // §8.5.3.1: whatever its priority, whether available or only connected.
        return Verdict::Sessions([named.clone()].into());
    }
    match stanza.kind() {
        Kind::Message => message(stanza, named.is_some(), sessions, bare),
        Kind::Presence => presence(stanza, named.is_some(), sessions),
        Kind::Iq if !stanza.is_request() => Verdict::Ignore,
        Kind::Iq if named.is_some() => Verdict::Refuse(Condition::ServiceUnavailable),
        Kind::Iq => Verdict::Account,
    }
}

/// Whether a presence is about a subscription (RFC 6121 §3) or a probe
/// (§4.3): the account's business, even if it names a session.
pub(super) fn is_subscription(stanza: &Stanza) -> bool {
    stanza.kind() == Kind::Presence
        && matches!(
            stanza.type_(),
            Some(
                Type::Subscribe
                    | Type::Subscribed
                    | Type::Unsubscribe
                    | Type::Unsubscribed
                    | Type::Probe
            )
        )
}

fn message(
    stanza: &Stanza,
    names_absent: bool,
    sessions: &[Availability],
    bare: BareMessages,
) -> Verdict {
    match (stanza.message_type(), names_absent) {
        // §8.5.3.2.1: the sender meant that one session and is told.
        (MessageType::Normal | MessageType::Groupchat, true) | (MessageType::Groupchat, false) => {
            Verdict::Refuse(Condition::ServiceUnavailable)
        }
        (MessageType::Error, _) | (MessageType::Headline, true) => Verdict::Ignore,
        (MessageType::Headline, false) => match non_negative(sessions) {
            all if all.is_empty() => Verdict::Ignore,
            all => Verdict::Sessions(all),
        },
        (MessageType::Chat, _) | (MessageType::Normal, false) => {
            let chosen = match bare {
                BareMessages::MostAvailable => most_available(sessions),
                BareMessages::AllNonNegative => non_negative(sessions),
            };
            match chosen {
                chosen if !chosen.is_empty() => Verdict::Sessions(chosen),
                _ => nobody_there(stanza),
            }
        }
    }
}

/// What may wait (XEP-0160 §3, XEP-0334 §4.2).
fn nobody_there(stanza: &Stanza) -> Verdict {
    // What says how to treat the message, or which one it is, is no content.
    let is_chat_state_only = stanza.mentions(ns::CHAT_STATES)
        && stanza.children().all(|child| {
            let about = [ns::CHAT_STATES, ns::HINTS, ns::SID];
            child.is("thread", ns::CLIENT) || about.iter().any(|namespace| child.has_ns(namespace))
        });
    if is_chat_state_only {
        Verdict::Ignore
    } else if stanza.has_child("no-store", ns::HINTS) {
        Verdict::Refuse(Condition::ServiceUnavailable)
    } else {
        Verdict::Offline
    }
}

fn presence(stanza: &Stanza, names_absent: bool, sessions: &[Availability]) -> Verdict {
    match stanza.type_() {
        _ if is_subscription(stanza) => Verdict::Account,
        // §8.5.3.2.2 and §8.5.2.2.2
        _ if names_absent => Verdict::Ignore,
        Some(Type::Error) => Verdict::Ignore,
        _ => {
            let available: Arc<[_]> = sessions
                .iter()
                .filter(|session| session.priority.is_some())
                .map(|session| session.session.clone())
                .collect();
            if available.is_empty() {
                Verdict::Ignore
            } else {
                Verdict::Sessions(available)
            }
        }
    }
}

fn non_negative(sessions: &[Availability]) -> Arc<[FullJid]> {
    sessions
        .iter()
        .filter(|session| session.priority.is_some_and(|priority| priority >= 0))
        .map(|session| session.session.clone())
        .collect()
}

fn most_available(sessions: &[Availability]) -> Arc<[FullJid]> {
    let Some(best) = sessions.iter().filter_map(|session| session.priority).max() else {
        return [].into();
    };
    if best < 0 {
        return [].into();
    }
    sessions
        .iter()
        .filter(|session| session.priority == Some(best))
        .map(|session| session.session.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `phone` has priority 5, `desk` 5, `old` -1, `mute` is only connected.
    fn house() -> Vec<Availability> {
        [
            ("phone", Some(5)),
            ("desk", Some(5)),
            ("slow", Some(0)),
            ("old", Some(-1)),
            ("mute", None),
        ]
        .map(|(resource, priority)| Availability {
            session: jid(resource),
            priority,
        })
        .to_vec()
    }

    fn jid(resource: &str) -> FullJid {
        format!("alice@a.example/{resource}").parse().unwrap()
    }

    fn message(type_: &str, resource: Option<&str>) -> Stanza {
        let to: jid::Jid = match resource {
            Some(resource) => jid(resource).into(),
            None => "alice@a.example".parse().unwrap(),
        };
        Stanza::message()
            .with_type(type_.into())
            .with_to(to)
            .with_text_child("body", "hi")
    }

    fn to(resources: &[&str]) -> Verdict {
        Verdict::Sessions(resources.iter().map(|resource| jid(resource)).collect())
    }

    /// The table of §8.5 cell by cell: type, bare with several non-negative,
    /// bare with none, full and there, full and not there.
    #[test]
    fn messages_go_where_the_table_of_the_rfc_says() {
        let refuse = || Verdict::Refuse(Condition::ServiceUnavailable);
        let best = || to(&["phone", "desk"]);
        let rows = [
            ("normal", best(), Verdict::Offline, refuse()),
            ("unheard-of", best(), Verdict::Offline, refuse()),
            ("chat", best(), Verdict::Offline, best()),
            ("groupchat", refuse(), refuse(), refuse()),
            (
                "headline",
                to(&["phone", "desk", "slow"]),
                Verdict::Ignore,
                Verdict::Ignore,
            ),
            ("error", Verdict::Ignore, Verdict::Ignore, Verdict::Ignore),
        ];
        for (type_, bare_some, bare_none, full_absent) in rows {
            let judge = |resource, sessions: &[Availability]| {
                delivery(&message(type_, resource), sessions, BareMessages::default())
            };
            assert_eq!(judge(None, &house()), bare_some, "{type_} to bare");
            assert_eq!(
                judge(None, &house()[3..]),
                bare_none,
                "{type_} to bare, none"
            );
            assert_eq!(
                judge(Some("gone"), &house()),
                full_absent,
                "{type_} to absent"
            );
            for there in ["phone", "old", "mute"] {
                assert_eq!(
                    judge(Some(there), &house()),
                    to(&[there]),
                    "{type_} to {there}"
                );
            }
        }
    }

    #[test]
    fn a_host_may_send_to_all_non_negative_sessions() {
        let verdict = delivery(
            &message("chat", None),
            &house(),
            BareMessages::AllNonNegative,
        );
        assert_eq!(verdict, to(&["phone", "desk", "slow"]));
    }

    #[test]
    fn chat_states_alone_are_not_kept_and_not_refused() {
        for besides in [
            "",
            "<no-store xmlns='urn:xmpp:hints'/>",
            "<thread>t</thread><origin-id xmlns='urn:xmpp:sid:0' id='1'/>",
        ] {
            let composing = format!(
                "<message to='alice@a.example' type='chat'>\
                 <composing xmlns='http://jabber.org/protocol/chatstates'/>{besides}</message>"
            );
            let composing = Stanza::parse(composing.as_bytes()).unwrap();
            assert_eq!(
                delivery(&composing, &[], BareMessages::default()),
                Verdict::Ignore,
                "{besides}"
            );
        }
    }

    #[test]
    fn what_must_not_be_stored_is_refused_when_nobody_is_there() {
        let secret = Stanza::parse(
            b"<message to='alice@a.example' type='chat'><body>hi</body>\
              <no-store xmlns='urn:xmpp:hints'/></message>",
        )
        .unwrap();
        assert_eq!(
            delivery(&secret, &[], BareMessages::default()),
            Verdict::Refuse(Condition::ServiceUnavailable)
        );
    }

    #[test]
    fn presence_goes_to_all_available_sessions_or_to_the_one_it_names() {
        let presence = |to: &str| Stanza::presence().with_to(to.parse::<jid::Jid>().unwrap());
        let judge = |stanza: &Stanza| delivery(stanza, &house(), BareMessages::default());
        assert_eq!(
            judge(&presence("alice@a.example")),
            to(&["phone", "desk", "slow", "old"])
        );
        assert_eq!(judge(&presence("alice@a.example/mute")), to(&["mute"]));
        assert_eq!(judge(&presence("alice@a.example/gone")), Verdict::Ignore);
        for type_ in [
            "subscribe",
            "subscribed",
            "unsubscribe",
            "unsubscribed",
            "probe",
        ] {
            let about = presence("alice@a.example/phone").with_type(type_.into());
            assert_eq!(judge(&about), Verdict::Account, "{type_}");
        }
    }

    #[test]
    fn iqs_go_to_the_session_they_name_or_to_the_account() {
        let iq = |type_: Type, to: &str| {
            Stanza::iq(type_, "i1").with_to(to.parse::<jid::Jid>().unwrap())
        };
        let judge = |stanza: &Stanza| delivery(stanza, &house(), BareMessages::default());
        assert_eq!(judge(&iq(Type::Get, "alice@a.example/mute")), to(&["mute"]));
        assert_eq!(
            judge(&iq(Type::Get, "alice@a.example/gone")),
            Verdict::Refuse(Condition::ServiceUnavailable)
        );
        assert_eq!(judge(&iq(Type::Set, "alice@a.example")), Verdict::Account);
        assert_eq!(judge(&iq(Type::Result, "alice@a.example")), Verdict::Ignore);
        assert_eq!(
            judge(&iq(Type::Error, "alice@a.example/gone")),
            Verdict::Ignore
        );
    }
}
