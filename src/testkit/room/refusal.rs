//! Why a room says no, and with which error.

use crate::stanza::{Condition, ErrorType, StanzaError};

/// Why a room refuses a stanza. Each reason stands for one error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The address has no nick, or one that nobody can bear (XEP-0045 §7.2.1).
    NickMissing,
    /// The nick is longer than the service allows.
    NickTooLong,
    /// The password is missing or wrong (§7.2.5).
    WrongPassword,
    /// Only members may enter (§7.2.6).
    MembersOnly,
    /// The user is banned (§7.2.7).
    Banned,
    /// Another user bears or has reserved the nick (§7.2.8).
    NickTaken,
    /// The room is full (§7.2.9).
    RoomFull,
    /// The room waits for its first configuration (§7.2.10).
    Locked,
    /// There is no such room.
    NoSuchRoom,
    /// This user may not create rooms (§10.1.1).
    CreationRestricted,
    /// The user must come under the nick it has registered (§7.10).
    RegisteredNickDemanded,
    /// The sender is not in the room (§7.4, §7.5).
    NotAnOccupant,
    /// A visitor has no voice (§7.4).
    NoVoice,
    /// The occupant may not change the subject (§8.1).
    SubjectForbidden,
    /// The subject is longer than the service allows.
    SubjectTooLong,
    /// Private messages are not for this occupant (`muc#roomconfig_allowpm`).
    PrivateMessagesForbidden,
    /// Nobody in the room bears that nick (§7.5).
    NoSuchOccupant,
    /// A private message of type groupchat (§7.5).
    PrivateGroupchat,
    /// The occupant may not invite (§7.8.2).
    InvitingForbidden,
    /// The role or affiliation of the sender does not suffice (§8, §9, §10).
    PrivilegeMissing,
    /// The other's affiliation protects it from that (§8.2, §8.4, §9.1).
    TargetProtected,
    /// Nobody bans himself (§9.1).
    OwnBan,
    /// A room keeps one owner (§10.4).
    LastOwner,
    /// An address in the request is no JID.
    AddressMalformed,
    /// A field of a form holds what it cannot.
    ValueRefused,
    /// The request is not understood.
    Malformed,
    /// A non-occupant asks an occupant what it is (§6.6).
    DiscoByStranger,
    /// A user without relation to the room may not register with it (§7.10).
    RegistrationNotAllowed,
    /// A client's session asks for what only its account may (MUC2 draft).
    AccountsOnly,
    /// The service does not offer that.
    Unknown,
    /// A bound of the service is reached.
    TooMuch,
    /// A stanza is larger than a room repeats.
    TooLarge,
}

impl Refusal {
    /// The error that says so.
    pub fn error(self) -> StanzaError {
        let (condition, type_) = match self {
            Refusal::NickMissing | Refusal::AddressMalformed => {
                (Condition::JidMalformed, ErrorType::Modify)
            }
            Refusal::NickTooLong | Refusal::NotAnOccupant | Refusal::ValueRefused => {
                (Condition::NotAcceptable, ErrorType::Modify)
            }
            Refusal::WrongPassword => (Condition::NotAuthorized, ErrorType::Auth),
            Refusal::MembersOnly => (Condition::RegistrationRequired, ErrorType::Auth),
            Refusal::Banned
            | Refusal::NoVoice
            | Refusal::SubjectForbidden
            | Refusal::PrivateMessagesForbidden
            | Refusal::InvitingForbidden
            | Refusal::PrivilegeMissing => (Condition::Forbidden, ErrorType::Auth),
            Refusal::NickTaken | Refusal::OwnBan | Refusal::LastOwner => {
                (Condition::Conflict, ErrorType::Cancel)
            }
            Refusal::RoomFull => (Condition::ServiceUnavailable, ErrorType::Wait),
            Refusal::Locked | Refusal::NoSuchRoom | Refusal::NoSuchOccupant => {
                (Condition::ItemNotFound, ErrorType::Cancel)
            }
            Refusal::CreationRestricted
            | Refusal::AccountsOnly
            | Refusal::TargetProtected
            | Refusal::RegistrationNotAllowed => (Condition::NotAllowed, ErrorType::Cancel),
            Refusal::RegisteredNickDemanded => (Condition::NotAcceptable, ErrorType::Cancel),
            Refusal::PrivateGroupchat | Refusal::Malformed | Refusal::DiscoByStranger => {
                (Condition::BadRequest, ErrorType::Modify)
            }
            Refusal::Unknown => (Condition::ServiceUnavailable, ErrorType::Cancel),
            Refusal::TooMuch => (Condition::ResourceConstraint, ErrorType::Wait),
            Refusal::SubjectTooLong | Refusal::TooLarge => {
                (Condition::PolicyViolation, ErrorType::Modify)
            }
        };
        StanzaError::new(condition).with_type(type_)
    }
}

impl From<Refusal> for StanzaError {
    fn from(refusal: Refusal) -> Self {
        refusal.error()
    }
}
