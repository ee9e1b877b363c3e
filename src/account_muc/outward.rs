//! What a session sends that concerns rooms, read once.

use jid::{BareJid, FullJid, Jid};

use crate::stanza::{Condition, ElementRef, Kind, Stanza, Time, Type, ns};

use super::machine::{Join, Reply, Wanted, priority, shown};

/// What a session wants.
#[derive(Debug)]
pub(super) enum Sent {
    /// To join a room (XEP-0045 §7.2).
    Join(Box<Join>),
    /// To show something there, or to have another nick (§7.6, §7.7).
    Shows(FullJid),
    /// To leave it (§7.14).
    Leaves,
    /// Nothing more: it is unavailable to everybody.
    LeavesAll,
    /// To say something.
    Says,
    /// To ask something, or to answer.
    Asks,
    /// To leave it with the whole account (MUC2-PAM `<part/>`).
    Parts(BareJid),
    /// MUC2-PAM that cannot be understood.
    Faulty(Condition),
    /// Nothing that anybody is to hear: an error of the client's.
    Nothing,
}

/// Reads a stanza that [`concerns`] found to be of interest.
pub(super) fn read(session: &FullJid, stanza: &Stanza, at: Time) -> Sent {
    match stanza.kind() {
        Kind::Message => Sent::Says,
        Kind::Iq if is_pam(session, stanza) => pam(session, stanza),
        Kind::Iq => Sent::Asks,
        Kind::Presence => presence(session, stanza, at),
    }
}

fn presence(session: &FullJid, stanza: &Stanza, at: Time) -> Sent {
    let Some(to) = stanza.to() else {
        return Sent::LeavesAll;
    };
    match (stanza.type_(), to.try_as_full()) {
        (None, Ok(occupant)) => match stanza.child("x", ns::MUC) {
            Some(x) => Sent::Join(Box::new(Join {
                session: session.clone(),
                occupant: occupant.clone(),
                password: x.child("password", ns::MUC).map(ElementRef::text),
                history: Wanted::read(Some(x), at),
                presence: shown(stanza),
                priority: priority(stanza),
                reply: Reply::Presence(stanza.id().map(str::to_owned)),
            })),
            None => Sent::Shows(occupant.clone()),
        },
        (Some(Type::Unavailable), _) => Sent::Leaves,
        _ => Sent::Nothing,
    }
}

/// Whether a presence asks to join (§7.2): to a nick, available, with `<x/>`.
#[inline]
pub(super) fn is_join(stanza: &Stanza) -> bool {
    stanza.mentions(ns::MUC)
        && stanza.kind() == Kind::Presence
        && stanza.type_().is_none()
        && stanza.to().is_some_and(Jid::is_full)
        && stanza.has_child("x", ns::MUC)
}

/// Whether a session asks its own account about rooms: MUC2-PAM, `<join/>` or
/// `<part/>` in an IQ to nobody or to the own bare JID.
#[inline]
pub(super) fn is_pam(session: &FullJid, iq: &Stanza) -> bool {
    iq.mentions(ns::MUC2)
        && iq.kind() == Kind::Iq
        && iq.is_type(&Type::Set)
        && iq.address_fault().is_none()
        && iq.to().is_none_or(|to| *to == session.to_bare())
        && (iq.has_child("join", ns::MUC2) || iq.has_child("part", ns::MUC2))
}

/// MUC2-PAM. A session that joins by it is in the room like any other, since
/// its server sends it what comes from there (decision 18). Without a nickname
/// it is the account's name.
fn pam(session: &FullJid, iq: &Stanza) -> Sent {
    let room = |name| {
        let element = iq.child(name, ns::MUC2)?;
        let room = element.attr("room")?.parse::<BareJid>().ok()?;
        Some((element, room))
    };
    if let Some((_, room)) = room("part") {
        return Sent::Parts(room);
    }
    let Some((join, room)) = room("join") else {
        return Sent::Faulty(Condition::JidMalformed);
    };
    let nickname = join
        .child("nickname", ns::MUC2)
        .map(ElementRef::text)
        .filter(|nickname| !nickname.is_empty());
    let nickname = nickname.as_deref().unwrap_or_else(|| name_of(session));
    let Ok(occupant) = room.with_resource_str(nickname) else {
        return Sent::Faulty(Condition::JidMalformed);
    };
    Sent::Join(Box::new(Join {
        session: session.clone(),
        occupant,
        password: join.child("password", ns::MUC2).map(ElementRef::text),
        history: Wanted::none(),
        presence: Stanza::presence(),
        priority: 0,
        reply: Reply::Request(iq.clone().with_from(session.clone())),
    }))
}

/// What an account is called where nobody says.
pub(super) fn name_of(account: &Jid) -> &str {
    account
        .node()
        .map_or_else(|| account.domain().as_str(), |node| node.as_str())
}
