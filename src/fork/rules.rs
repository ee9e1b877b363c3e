//! Which messages are copied, to which of the account's sessions, and why.
//!
//! XEP-0280 §6.1 for which, §7 and §8 for whom, §9 for who opts out; the
//! points that they leave open are settled in the module's documentation.

use std::slice;

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Drop, Original};
use crate::stanza::{MessageType, Stanza, ns};

use super::bare;

/// A message of the account, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// Whose sessions would get the copies.
    pub(super) account: &'a BareJid,
    /// Which way the message goes.
    pub(super) pass: Pass<'a>,
    /// The message.
    pub(super) stanza: &'a Stanza,
    /// The other end is an occupant of a room that the account is known to be in.
    pub(super) with_occupant: bool,
    /// It is an error, and answers a message that was eligible.
    pub(super) answers_eligible: bool,
}

/// Which way a message goes, seen from the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass<'a> {
    /// This session of it sends the message.
    Outward(&'a FullJid),
    /// It is for the account or one of its sessions.
    Inward,
}

/// What is to be done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is eligible, on these grounds, and copied to these sessions.
    Copy(Eligible, Audience),
    /// It is not.
    Skip(Skip),
}

/// Why a message is eligible for copies (XEP-0280 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eligible {
    /// It is of type chat.
    Chat,
    /// It is of type normal and has a body.
    Body,
    /// It is of type normal and all of its content is about a conversation: a
    /// receipt, a chat state, a chat marker, a call.
    ImPayload,
    /// It invites to a room, itself (XEP-0249) or by way of the room (XEP-0045 §7.8.2).
    Invitation,
    /// It is an error that answers an eligible message.
    Error,
}

/// Who of the sessions that switched copies on gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everyone.
    All,
    /// Those in the room that the message is about.
    InRoom,
}

/// Why a message is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// What a room says, the room says to each session.
    Groupchat,
    /// Headlines are not part of a conversation.
    Headline,
    /// It says `<private/>` (XEP-0280 §9).
    Private,
    /// It says `<no-copy/>` (XEP-0334 §4.3).
    NoCopy,
    /// An occupant wrote to one of ours: the room writes to each session that joined.
    MucPrivateMessage,
    /// It is of type normal with nothing of a conversation in it.
    NoImPayload,
    /// It is an error for the bare JID, which nobody gets (RFC 6121 §8.5.2.1.1).
    ErrorToAccount,
    /// It is an error that answers nothing eligible, as far as is remembered.
    StrayError,
    /// It is from the account to itself, and is copied when it arrives there.
    ToOneself,
}

/// Who wrote a message, as the element around its copies has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// One of the account's own sessions (XEP-0280 §8).
    Sent,
    /// Somebody else (XEP-0280 §7).
    Received,
}

/// What is to be done about a message. Whether copies really go out depends
/// on [`reached`] as well.
pub(super) fn decide(case: &Case<'_>) -> Decision {
    // A message to oneself makes both passes; one of them must make the
    // copies, and only the inward one knows who got the original.
    if case.pass != Pass::Inward && case.is_to_oneself() {
        return Decision::Skip(Skip::ToOneself);
    }
    match case.stanza.message_type() {
        MessageType::Groupchat => Decision::Skip(Skip::Groupchat),
        MessageType::Headline => Decision::Skip(Skip::Headline),
        MessageType::Error => error(case),
        MessageType::Chat | MessageType::Normal => conversation(case),
    }
}

/// Which sessions have the original, now that the inner layers and the router
/// are done with it; `None` if nobody is to get a copy.
///
/// A message that was refused is not copied: its sender has been told that
/// nobody got it. A message that was kept for later is, since the sessions
/// that its type passed over (XEP-0280 §7), with a negative priority or none,
/// are there now.
pub(super) fn reached<'a>(case: &Case<'a>, original: &'a Original) -> Option<&'a [FullJid]> {
    match (original, case.pass) {
        (Original::Delivered(sessions), _) => Some(sessions),
        (Original::Stored | Original::Dropped(Drop::NobodyMeant), _)
        | (Original::Routed, Pass::Outward(_)) => Some(&[]),
        // A router that does not tell who got it: certain is only whom it
        // was for. For the bare JID, to copy would be to guess.
        (Original::Routed, Pass::Inward) => case
            .stanza
            .to()
            .and_then(|to| to.try_as_full().ok())
            .map(slice::from_ref),
        _ => None,
    }
}

/// Whether a message of one of the account's sessions answers a copy: an
/// error for the account itself, since copies come from the bare JID.
///
/// XEP-0280 §10.3 forbids to recognise it by what it echoes, which may be
/// missing. RFC 6121 §8.5.2.1.1 has errors to a bare JID ignored anyway.
pub(super) fn answers_copy(account: &Jid, stanza: &Stanza) -> bool {
    stanza.message_type() == MessageType::Error
        && stanza.address_fault().is_none()
        && stanza
            .to()
            .is_none_or(|to| to.is_bare() && to.as_str() == bare(account))
}

impl<'a> Case<'a> {
    /// Whom the account talks to in this message.
    pub(super) fn peer(&self) -> Option<&'a Jid> {
        match self.pass {
            Pass::Outward(_) => self.stanza.to(),
            Pass::Inward => self.stanza.from(),
        }
    }

    /// Who wrote it.
    pub(super) fn direction(&self) -> Direction {
        match self.own_sender() {
            Some(_) => Direction::Sent,
            None => Direction::Received,
        }
    }

    /// The account's session that sent it, if one did. It gets no copy.
    pub(super) fn own_sender(&self) -> Option<&'a FullJid> {
        if let Pass::Outward(session) = self.pass {
            return Some(session);
        }
        let sender = self.stanza.from()?.try_as_full().ok()?;
        (bare(sender) == self.account.as_str()).then_some(sender)
    }

    /// A message of a session to nobody is to its own account (RFC 6120 §10.3.1).
    fn is_to_oneself(&self) -> bool {
        self.stanza
            .to()
            .is_none_or(|to| bare(to) == self.account.as_str())
    }

    /// XEP-0280 §6.1: told by the joins that are known, or by `<x/>` in the
    /// namespace muc#user, which rooms and clients put into private messages
    /// (XEP-0045 §7.5).
    fn is_muc_private_message(&self) -> bool {
        self.peer().is_some_and(Jid::is_full)
            && (self.with_occupant || self.stanza.has_child("x", ns::MUC_USER))
    }
}

fn error(case: &Case<'_>) -> Decision {
    let to_account = case.stanza.to().is_none_or(Jid::is_bare);
    if case.pass == Pass::Inward && to_account {
        Decision::Skip(Skip::ErrorToAccount)
    } else if !case.answers_eligible {
        Decision::Skip(Skip::StrayError)
    } else if case.with_occupant {
        Decision::Copy(Eligible::Error, Audience::InRoom)
    } else {
        Decision::Copy(Eligible::Error, Audience::All)
    }
}

fn conversation(case: &Case<'_>) -> Decision {
    let stanza = case.stanza;
    // Either alone is enough, though §9 asks senders for both.
    if stanza.has_child("private", ns::CARBONS) {
        return Decision::Skip(Skip::Private);
    }
    if stanza.has_child("no-copy", ns::HINTS) {
        return Decision::Skip(Skip::NoCopy);
    }
    if is_mediated_invitation(stanza) {
        return Decision::Copy(Eligible::Invitation, Audience::All);
    }
    if case.pass == Pass::Inward && case.is_muc_private_message() {
        return Decision::Skip(Skip::MucPrivateMessage);
    }
    let Some(eligible) = eligible(stanza) else {
        return Decision::Skip(Skip::NoImPayload);
    };
    if case.is_muc_private_message() {
        Decision::Copy(eligible, Audience::InRoom)
    } else {
        Decision::Copy(eligible, Audience::All)
    }
}

fn eligible(stanza: &Stanza) -> Option<Eligible> {
    const IM_PAYLOADS: [&str; 4] = [
        ns::RECEIPTS,
        ns::CHAT_STATES,
        ns::CHAT_MARKERS,
        // Deliberately: not in §6.1, but a call rings on every client and has
        // to stop ringing on every other once one has answered (XEP-0353 §3).
        ns::JINGLE_MESSAGE,
    ];
    if stanza.has_child("x", ns::CONFERENCE) {
        Some(Eligible::Invitation)
    } else if stanza.message_type() == MessageType::Chat {
        Some(Eligible::Chat)
    } else if stanza.has_body() {
        Some(Eligible::Body)
    } else if IM_PAYLOADS.iter().any(|payload| stanza.mentions(payload)) {
        Some(Eligible::ImPayload)
    } else {
        None
    }
}

fn is_mediated_invitation(stanza: &Stanza) -> bool {
    stanza
        .child("x", ns::MUC_USER)
        .is_some_and(|x| x.has_child("invite", ns::MUC_USER))
}
