//! Who of an account's sessions gets a message, in which form, and why.
//!
//! One decision for each mode: carbons (XEP-0280 §6.1 for which messages, §7
//! and §8 for whom, §9 for who opts out), Message Routing 2.0 (§4) and Goal,
//! which is that with more types, and IM-NG (XEP-0409 §3, §4). The points that
//! they leave open are settled in the module's documentation.

use std::slice;

use jid::{BareJid, FullJid, Jid};

use crate::flow::{Drop, Original};
use crate::stanza::{MessageType, Stanza, ns};

use super::{Mode, bare};

/// A message of the account, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// Whose sessions would get it.
    pub(super) account: &'a BareJid,
    /// Which way the message goes.
    pub(super) pass: Pass<'a>,
    /// The message.
    pub(super) stanza: &'a Stanza,
    /// The other end is an occupant of a room that the account is known to be in.
    pub(super) with_occupant: bool,
    /// It is an error, and answers a message that was eligible for carbons.
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

/// Whether the session that an inward message names is there. Means nothing
/// for a message to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    There,
    Absent,
}

/// What sessions of a mode get besides what RFC 6121 gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The message itself.
    Raw(Grounds, Audience),
    /// A copy of it in a wrapper of their mode, unless they got the message.
    Wrap(Grounds, Audience),
    /// Nothing.
    Skip(Skip),
}

/// Why a message is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grounds {
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
    /// The mode shares every message of its type that goes where it goes.
    Type,
}

/// Who of the sessions of a mode gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everyone.
    All,
    /// Those in the room that the message is about.
    InRoom,
}

/// Why a message is not shared.
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
    /// It says `<im-ng/>`: for the session that it names alone (XEP-0409 §3.3).
    Marked,
    /// An occupant wrote to one of ours: the room writes to each session that joined.
    MucPrivateMessage,
    /// It is of type normal with nothing of a conversation in it.
    NoImPayload,
    /// It is an error for the bare JID, which nobody gets (RFC 6121 §8.5.2.1.1).
    ErrorToAccount,
    /// It is an error that answers nothing eligible, as far as is remembered.
    StrayError,
    /// The mode does not share errors.
    Error,
    /// The mode shares nothing but chats here.
    NotChat,
    /// The mode shares what is sent to an account, and this is sent to a session.
    ToSession,
    /// It is from the account to itself, and is shared when it arrives there.
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

/// What sessions of this mode get. Whether wrapped copies really go out
/// depends on [`reached`] as well.
pub(super) fn decide(case: &Case<'_>, mode: Mode, named: Named) -> Decision {
    // A message to oneself makes both passes; one of them must share it, and
    // only the inward one knows who got the original.
    if case.pass != Pass::Inward && case.is_to_oneself() {
        return Decision::Skip(Skip::ToOneself);
    }
    // Not even IM-NG, which forks groupchat to a bare JID: whether that is
    // welcome, the layer of rooms decides, and otherwise RFC 6121 refuses it.
    if case.stanza.message_type() == MessageType::Groupchat {
        return Decision::Skip(Skip::Groupchat);
    }
    match mode {
        Mode::Carbons => carbons(case),
        Mode::Mr2 | Mode::Goal => message_routing(case, mode, named),
        Mode::ImNg => im_ng(case),
    }
}

/// Whether an inward message is for the session that it names and nobody
/// else, not even if that session is absent: it bears the marker of XEP-0409
/// §3.3. That means something only where a session speaks IM-NG.
pub(super) fn is_for_named_only(case: &Case<'_>) -> bool {
    case.pass == Pass::Inward
        && case.stanza.message_type() != MessageType::Groupchat
        && case.is_marked()
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
#[inline]
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

    /// The session of ours that an inward message names.
    pub(super) fn named(&self) -> Option<&'a FullJid> {
        match self.pass {
            Pass::Outward(_) => None,
            Pass::Inward => self.stanza.to()?.try_as_full().ok(),
        }
    }

    fn is_to_account(&self) -> bool {
        self.stanza.to().is_none_or(Jid::is_bare)
    }

    fn is_marked(&self) -> bool {
        !self.is_to_account() && self.stanza.has_child("im-ng", ns::IM_NG)
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
            && !self.stanza.is_mediated_invitation()
    }

    /// What is said to one occupant is the room's business: it is for those
    /// of ours who are in there (XEP-0280 §6.1).
    fn audience(&self) -> Audience {
        match self.is_muc_private_message() {
            true => Audience::InRoom,
            false => Audience::All,
        }
    }

    /// Why the message asks for not being copied.
    ///
    /// Either of the two is enough, though XEP-0280 §9 asks senders for both.
    fn opted_out(&self) -> Option<Skip> {
        if self.stanza.has_child("private", ns::CARBONS) {
            Some(Skip::Private)
        } else if self.stanza.has_child("no-copy", ns::HINTS) {
            Some(Skip::NoCopy)
        } else {
            None
        }
    }
}

/// XEP-0280 §6.1.
fn carbons(case: &Case<'_>) -> Decision {
    match case.stanza.message_type() {
        MessageType::Error => return carbon_of_error(case),
        MessageType::Headline => return Decision::Skip(Skip::Headline),
        _ => {}
    }
    if let Some(skip) = case.opted_out() {
        return Decision::Skip(skip);
    }
    if case.pass == Pass::Inward && case.is_muc_private_message() {
        return Decision::Skip(Skip::MucPrivateMessage);
    }
    match eligible(case.stanza) {
        Some(grounds) => Decision::Wrap(grounds, case.audience()),
        None => Decision::Skip(Skip::NoImPayload),
    }
}

fn carbon_of_error(case: &Case<'_>) -> Decision {
    if case.pass == Pass::Inward && case.is_to_account() {
        Decision::Skip(Skip::ErrorToAccount)
    } else if !case.answers_eligible {
        Decision::Skip(Skip::StrayError)
    } else if case.with_occupant {
        Decision::Wrap(Grounds::Error, Audience::InRoom)
    } else {
        Decision::Wrap(Grounds::Error, Audience::All)
    }
}

/// MR2 §4, and what the column "Goal" makes of it. Two rules: what is for the
/// account reaches every session as it is (§4.1); what is for one session, and
/// what one session sends, reaches the others as copies (§4.2, §4.3).
///
/// | | to the account | to one session | sent |
/// |---|---|---|---|
/// | MR2 | all but groupchat, error | chat | chat |
/// | Goal | all but groupchat, error, headline | the same | all but groupchat, error |
///
/// Deliberately §4 and not §5 for MR2, which contradict each other: clients
/// that were written for it see what its examples show, and Goal is there for
/// who wants more.
fn message_routing(case: &Case<'_>, mode: Mode, named: Named) -> Decision {
    let (is_chat, to_account) = match case.stanza.message_type() {
        MessageType::Error => return Decision::Skip(Skip::Error),
        type_ => (type_ == MessageType::Chat, case.is_to_account()),
    };
    // XEP-0334 §4.3: the hint is about messages to a full JID.
    if let (false, Some(skip)) = (to_account, case.opted_out()) {
        return Decision::Skip(skip);
    }
    if case.pass == Pass::Inward && case.is_muc_private_message() {
        return Decision::Skip(Skip::MucPrivateMessage);
    }
    let grounds = if is_chat {
        Grounds::Chat
    } else {
        Grounds::Type
    };
    let copies = is_chat || mode == Mode::Goal;
    // Also what one of ours sent to the account itself: as `<sent/>`, so that
    // nobody takes it for somebody else's.
    if case.direction() == Direction::Sent && copies {
        return Decision::Wrap(grounds, case.audience());
    }
    if case.pass != Pass::Inward {
        return Decision::Skip(Skip::NotChat);
    }
    if mode == Mode::Goal && case.stanza.message_type() == MessageType::Headline {
        return Decision::Skip(Skip::Headline);
    }
    // RFC 6121 §8.5.3.2.1: a chat for a session that is not there is for the account.
    if to_account || (is_chat && named == Named::Absent) {
        Decision::Raw(grounds, Audience::All)
    } else if copies {
        Decision::Wrap(grounds, Audience::All)
    } else {
        Decision::Skip(Skip::NotChat)
    }
}

/// XEP-0409 §3.3, §4: every session gets what the account gets, and what its
/// sessions send to accounts, the sending one included.
fn im_ng(case: &Case<'_>) -> Decision {
    let (type_, to_account) = (case.stanza.message_type(), case.is_to_account());
    if case.is_marked() {
        return Decision::Skip(Skip::Marked);
    }
    let skip = match (case.pass, type_) {
        (Pass::Inward, MessageType::Error) if to_account => Skip::ErrorToAccount,
        (Pass::Inward, MessageType::Headline) if !to_account => Skip::Headline,
        // Deliberately, as with carbons: the room says it to each session.
        (Pass::Inward, _) if case.is_muc_private_message() => Skip::MucPrivateMessage,
        (Pass::Inward, MessageType::Chat) => {
            return Decision::Raw(Grounds::Chat, Audience::All);
        }
        (Pass::Inward, _) => return Decision::Raw(Grounds::Type, Audience::All),
        (Pass::Outward(_), MessageType::Error) => Skip::Error,
        (Pass::Outward(_), MessageType::Chat) => {
            return Decision::Raw(Grounds::Chat, case.audience());
        }
        (Pass::Outward(_), _) if to_account => return Decision::Raw(Grounds::Type, Audience::All),
        (Pass::Outward(_), _) => Skip::ToSession,
    };
    Decision::Skip(skip)
}

/// Why a message that is no error is eligible for carbons.
fn eligible(stanza: &Stanza) -> Option<Grounds> {
    const IM_PAYLOADS: [&str; 4] = [
        ns::RECEIPTS,
        ns::CHAT_STATES,
        ns::CHAT_MARKERS,
        // Deliberately: not in §6.1, but a call rings on every client and has
        // to stop ringing on every other once one has answered (XEP-0353 §3).
        ns::JINGLE_MESSAGE,
    ];
    if stanza.has_child("x", ns::CONFERENCE) || stanza.is_mediated_invitation() {
        Some(Grounds::Invitation)
    } else if stanza.message_type() == MessageType::Chat {
        Some(Grounds::Chat)
    } else if stanza.has_body() {
        Some(Grounds::Body)
    } else if IM_PAYLOADS.iter().any(|payload| stanza.mentions(payload)) {
        Some(Grounds::ImPayload)
    } else {
        None
    }
}
