//! What a service allows, and how one room is configured.

use std::fmt;
use std::sync::Arc;

use jid::BareJid;

/// How a service treats all its rooms.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// What people call the service in their room lists.
    pub name: String,
    /// Who may create rooms by joining them.
    pub creators: Creators,
    /// What state a new room is in.
    pub creation: Creation,
    /// What becomes of an available presence without `<x/>` from somebody who
    /// is not in the room.
    pub stray: StrayPresence,
    /// What a room starts with.
    pub new_room: RoomConfig,
    /// Gives occupants their stable identifier (XEP-0421); `None` for rooms
    /// without.
    pub occupant_ids: Option<OccupantIds>,
    /// When a newcomer is shown itself.
    pub own_presence: OwnPresence,
    /// Accounts may join by `<join/>` and part by `<part/>`, as the MUC2 draft
    /// has it. Off by default: it is a draft.
    pub muc2: bool,
    /// What keeps a room small.
    pub limits: Limits,
}

/// Who may create rooms (XEP-0045 §10.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Creators {
    /// Everybody who may join.
    Anybody,
    /// These alone; the others hear `not-allowed`.
    Only(Vec<BareJid>),
}

/// What state a new room is in. Its creator is told 201 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Creation {
    /// Nobody else may enter until the owner has sent a configuration or
    /// accepted the default one with an empty form (XEP-0045 §10.1).
    Locked,
    /// Open at once, for clients that never send the form.
    Instant,
}

/// What becomes of an available presence without `<x/>` from somebody who is
/// not in the room: a client of the protocol before XEP-0045 joins so, and a
/// client that lost its place only meant to update its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StrayPresence {
    /// It joins.
    Joins,
    /// It is kicked with 110, 307 and 333 (XEP-0045 §7.2.18).
    Kicked,
}

/// When a newcomer is shown itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnPresence {
    /// When it has been shown all others, as it must be (XEP-0045 §7.2.2).
    Last,
    /// Before the others, as it should not be: for tests of who must bear it.
    First,
}

/// How one room is configured (XEP-0045 §15.5.3, `muc#roomconfig`). It
/// outlives the room's occupants if it is persistent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomConfig {
    /// `muc#roomconfig_roomname`.
    pub name: String,
    /// `muc#roomconfig_roomdesc`.
    pub description: String,
    /// `muc#roomconfig_lang`.
    pub language: String,
    /// `muc#roomconfig_publicroom`: the service lists it.
    pub public: bool,
    /// `muc#roomconfig_persistentroom`: it stays when the last one leaves.
    pub persistent: bool,
    /// `muc#roomconfig_membersonly`.
    pub members_only: bool,
    /// `muc#roomconfig_moderatedroom`: who has no affiliation has no voice.
    pub moderated: bool,
    /// `muc#roomconfig_whois` is `anyone`: everybody sees real JIDs.
    pub non_anonymous: bool,
    /// `muc#roomconfig_roomsecret`, if `muc#roomconfig_passwordprotectedroom`.
    pub password: Option<String>,
    /// `muc#roomconfig_changesubject`: participants may change the subject.
    pub participants_change_subject: bool,
    /// `muc#roomconfig_allowinvites`: participants may invite into a
    /// members-only room.
    pub participants_invite: bool,
    /// `muc#roomconfig_allowpm`.
    pub private_messages: PrivateMessages,
    /// `muc#roomconfig_enablelogging`: the room says that it is logged.
    pub logged: bool,
    /// `muc#roomconfig_maxusers`: how many nicks at once.
    pub max_users: usize,
    /// `muc#maxhistoryfetch`: how many messages newcomers are shown at most.
    pub history: usize,
    /// Users may register a nick, and become members by it (XEP-0045 §7.10).
    /// Not in the form: a layer may offer registration of its own.
    pub registration: bool,
    /// What a registered nick means to a join. Not in the form either.
    pub registered_nick: RegisteredNick,
}

/// Who may send private messages through the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrivateMessages {
    /// Everybody.
    Anyone,
    /// Who has voice.
    Participants,
    /// Moderators.
    Moderators,
    /// Nobody.
    Nobody,
}

/// What it means to a join that the user has registered a nick
/// (XEP-0045 §7.10). Nobody else may take that nick in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisteredNick {
    /// The user may come under another.
    Optional,
    /// The user who comes under another is refused with `not-acceptable`.
    Demanded,
    /// The user who comes under another is renamed, and told so with 210.
    Assigned,
}

/// Gives an occupant its stable identifier (XEP-0421 §4): from the room and
/// the user's bare JID. It must not be possible to compute the JID from it,
/// so a host uses a keyed hash; the machine has no secrets of its own.
#[derive(Clone)]
pub struct OccupantIds(Arc<MakeId>);

type MakeId = dyn Fn(&BareJid, &BareJid) -> String + Send + Sync;

/// What keeps a service and its rooms small. Where a bound is reached the
/// sender is refused, except for history, which forgets its oldest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Rooms of the service.
    pub rooms: usize,
    /// Nicks in one room, whatever its configuration says.
    pub occupants: usize,
    /// Sessions under one nick.
    pub sessions: usize,
    /// Entries in the affiliation lists of one room together.
    pub affiliations: usize,
    /// Messages in the history of one room.
    pub history: usize,
    /// Bytes in the history of one room.
    pub history_bytes: usize,
    /// Bytes of a subject.
    pub subject: usize,
    /// Bytes of a nick.
    pub nick: usize,
    /// Bytes of a presence that the room keeps and repeats.
    pub presence: usize,
    /// Bytes of a reason, status text or description.
    pub text: usize,
    /// Items in one request, invitations in one message.
    pub items: usize,
}

impl Default for Settings {
    /// What XEP-0045 recommends, except that a join may lack its `<x/>`.
    fn default() -> Self {
        Settings {
            name: "Rooms".to_owned(),
            creators: Creators::Anybody,
            creation: Creation::Locked,
            // Deliberately not what §7.2.18 recommends: sendxmpp and other
            // clients of the old protocol join so.
            stray: StrayPresence::Joins,
            new_room: RoomConfig::default(),
            occupant_ids: None,
            own_presence: OwnPresence::Last,
            muc2: false,
            limits: Limits::default(),
        }
    }
}

impl Default for RoomConfig {
    /// A temporary, public, open, unmoderated, semi-anonymous room.
    fn default() -> Self {
        RoomConfig {
            name: String::new(),
            description: String::new(),
            language: String::new(),
            public: true,
            persistent: false,
            members_only: false,
            moderated: false,
            non_anonymous: false,
            password: None,
            participants_change_subject: false,
            participants_invite: false,
            private_messages: PrivateMessages::Anyone,
            logged: false,
            max_users: 200,
            history: 20,
            registration: true,
            registered_nick: RegisteredNick::Optional,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            rooms: 10_000,
            occupants: 5_000,
            sessions: 16,
            affiliations: 10_000,
            history: 200,
            history_bytes: 1 << 20,
            subject: 4 << 10,
            nick: 256,
            presence: 16 << 10,
            text: 4 << 10,
            items: 100,
        }
    }
}

impl Creation {
    pub(super) fn locks(self) -> bool {
        self == Creation::Locked
    }
}

impl Creators {
    pub(super) fn admit(&self, user: &BareJid) -> bool {
        match self {
            Creators::Anybody => true,
            Creators::Only(users) => users.contains(user),
        }
    }
}

impl OccupantIds {
    /// Identifiers made by `id`, called with the room and the user.
    pub fn new(id: impl Fn(&BareJid, &BareJid) -> String + Send + Sync + 'static) -> Self {
        OccupantIds(Arc::new(id))
    }

    pub(super) fn of(&self, room: &BareJid, user: &BareJid) -> String {
        (self.0)(room, user)
    }
}

impl fmt::Debug for OccupantIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OccupantIds")
    }
}
