//! What is archived, and which children are forged: decisions only.

use std::borrow::Cow;

use jid::{BareJid, Jid};

use crate::flow::Route;
use crate::stanza::{Element, ElementRef, Kind, MessageType, NsSet, RawXml, Stanza, Time, ns};

use super::Row;

/// Whether a message goes into the archive, and why or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It does.
    Archive(Why),
    /// It does not.
    Skip(Skip),
}

/// Why a message is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// It has a `<body/>` (XEP-0313 §6.1.1).
    Body,
    /// Its sender asks for it (XEP-0334 §4.4).
    StoreHint,
    /// Its body is encrypted (XEP-0380, XEP-0384).
    Encrypted,
    /// It takes an earlier message back, which must be stored (XEP-0424 §5).
    Retraction,
    /// It sets the subject of the conversation.
    Subject,
    /// It says that a message arrived (XEP-0184).
    Receipt,
    /// It says that a message was displayed (XEP-0333).
    Marker,
    /// It invites into a room, directly (XEP-0249) or through it (XEP-0045 §7.8.2).
    Invitation,
    /// It rings, or ends the ringing (XEP-0353).
    Call,
    /// A room says it, with a body or a subject.
    Groupchat,
}

/// Why a message is not archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// It is an error. Its hints do not count (XEP-0334 §5).
    Error,
    /// It belongs into the archive of its room.
    Groupchat,
    /// It says `<no-store/>` (XEP-0334 §4.2).
    NoStore,
    /// It says `<no-permanent-store/>` (XEP-0334 §4.1).
    NoPermanentStore,
    /// It is on its way out to the account it comes from, where the pass
    /// inward archives it: once, and for both views (XEP-0313 §6.1.1).
    ToSelf,
    /// It has no address at which it could arrive.
    Unaddressed,
    /// It is a headline, of use at the moment only (RFC 6121 §5.2.2).
    Headline,
    /// It is of a kind that [`Settings`] leave out.
    Unwanted(Why),
    /// Nobody would look for it later: chat states, or nothing known at all.
    Passing,
    /// The user does not want messages with that address kept (XEP-0441).
    Preference,
    /// It says `<im-ng/>`, and a session of the account speaks IM-NG: what not
    /// all of them get is not archived (XEP-0409 §4).
    ForOneSession,
}

/// Which kinds of message without a body are archived. Each may be (XEP-0313
/// §6.1.1 leaves it open), and is by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// [`Why::Receipt`].
    pub receipts: bool,
    /// [`Why::Marker`].
    pub markers: bool,
    /// [`Why::Invitation`].
    pub invitations: bool,
    /// [`Why::Call`].
    pub calls: bool,
    /// What rooms say to the account, in its own archive besides the room's
    /// (XEP-0313 §6.1.1 leaves it open). A session that sits in a room gets
    /// each message itself, so with several sessions there each is archived
    /// several times, unless the account joins rooms as one. Default off: then
    /// only what the account [wants](crate::flow::Facts::wanted) of a room while it
    /// is away.
    pub groupchat: bool,
}

/// Which way a message goes, seen from the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The account received it. A message to oneself counts as received.
    Incoming,
    /// The account sent it.
    Outgoing,
}

/// The half of an account's traffic that a pass belongs to; `None` where no
/// account's archive has a say.
pub(super) fn direction(route: &Route) -> Option<Direction> {
    match route {
        Route::FromSession(_) | Route::FromAccount(_) => Some(Direction::Outgoing),
        Route::ToAccount(_) => Some(Direction::Incoming),
        _ => None,
    }
}

/// Whether the archive of `owner` keeps this message.
///
/// 1. Errors never, whatever they hint. Groupchat neither: the room archives
///    it; unless the settings want it and the room said it, with a body or a
///    subject and none of the hints of rule 2.
/// 2. `no-store` and `no-permanent-store` win over everything that follows,
///    `store` included (XEP-0334 leaves open what both together mean; privacy).
/// 3. A message to oneself is left to the pass inward.
/// 4. Then a `store` hint decides, then the type headline.
/// 5. `chat` and `normal` (absent and unknown types count as that) with a
///    body, private messages of rooms among them (XEP-0313 §6.1.2).
/// 6. Without a body: encrypted, retractions, subjects; and receipts, markers,
///    invitations and calls unless the settings leave them out.
pub fn decide(stanza: &Stanza, owner: &Jid, direction: Direction, settings: &Settings) -> Decision {
    if let Some(skip) = forbidden(stanza) {
        return Decision::Skip(skip);
    }
    if stanza.message_type() == MessageType::Groupchat {
        return match is_said(stanza) && settings.groupchat && direction == Direction::Incoming {
            true => Decision::Archive(Why::Groupchat),
            false => Decision::Skip(Skip::Groupchat),
        };
    }
    if direction == Direction::Outgoing {
        match stanza.to() {
            None if stanza.address_fault().is_some() => return Decision::Skip(Skip::Unaddressed),
            // RFC 6120 §10.3.1: a message to nobody is to the own account.
            None => return Decision::Skip(Skip::ToSelf),
            Some(to) if same_account(to, owner) => return Decision::Skip(Skip::ToSelf),
            Some(_) => {}
        }
    }
    match worth(stanza) {
        Ok(why) if settings.want(why) => Decision::Archive(why),
        Ok(why) => Decision::Skip(Skip::Unwanted(why)),
        Err(skip) => Decision::Skip(skip),
    }
}

/// Whether the archive of a room keeps what the room broadcasts: messages of
/// type groupchat with a body, a subject or a retraction (XEP-0313 §6.1.2),
/// without the hints that forbid it.
pub fn decide_room(stanza: &Stanza) -> Decision {
    if let Some(skip) = forbidden(stanza) {
        return Decision::Skip(skip);
    }
    let is_groupchat = stanza.message_type() == MessageType::Groupchat;
    match is_groupchat && (is_said(stanza) || stanza.has_child("retract", ns::RETRACT)) {
        true => Decision::Archive(Why::Groupchat),
        false => Decision::Skip(Skip::Passing),
    }
}

/// Whether `new` is `there` once more: the same message, to the same
/// recipient, by the same account, though maybe by another of its sessions.
/// A client sends again what was not acknowledged (XEP-0198 §5).
pub(super) fn is_resent(there: &Row, new: &Row) -> bool {
    let content = |row: &Row| {
        let mut stanza = Stanza::parse(&row.stanza).ok()?;
        stanza.set_from(None);
        Element::parse(stanza.to_xml().as_bytes()).ok()
    };
    there.direction == new.direction
        && there.message_id == new.message_id
        && content(there).is_some_and(|there| content(new) == Some(there))
}

/// The message that this one takes back: its `id`, or in rooms its archive ID
/// (XEP-0424 §3).
pub(super) fn retracts(stanza: &Stanza) -> Option<String> {
    let retract = stanza.child("retract", ns::RETRACT)?;
    retract.attr("id").map(str::to_owned)
}

/// What stands in the place of a message that was taken back (XEP-0424 §4):
/// its addresses, type and id, and by which message it was taken back. A
/// moderator's word (XEP-0425 §5) is kept with it.
pub(super) fn tombstone(there: &Row, by: &Stanza, at: Time) -> Option<Vec<u8>> {
    let mut stanza = Stanza::parse(&there.stanza).ok()?;
    stanza.remove_children(|_| true);
    let mut retracted = RawXml::build("retracted", ns::RETRACT).attr("stamp", &at.to_string());
    if let Some(id) = by.id() {
        retracted = retracted.attr("id", id);
    }
    let retract = by.child("retract", ns::RETRACT)?;
    for said in retract
        .children()
        .filter(|child| !child.has_ns(ns::RETRACT) || child.is("reason", ns::RETRACT))
    {
        retracted = retracted.element(said);
    }
    stanza.push(retracted.finish());
    Some(stanza.to_xml().into_bytes())
}

/// Whether a message of a room may take back this one: the room itself says so
/// for a moderator (XEP-0425 §5), or the occupant that sent it, told by its
/// occupant-id and never by its nick (XEP-0424 §5).
pub(super) fn may_retract_in_room(there: &Row, by: &Stanza, room: &BareJid) -> bool {
    if by
        .from()
        .is_some_and(|from| from.is_bare() && from.to_bare() == *room)
    {
        return true;
    }
    let occupant = |stanza: &Stanza| {
        let id = stanza.child("occupant-id", ns::OCCUPANT_ID)?;
        id.attr("id").map(str::to_owned)
    };
    let author = Stanza::parse(&there.stanza)
        .ok()
        .as_ref()
        .and_then(occupant);
    author.is_some() && author == occupant(by)
}

/// Whether [`cleanse`] or [`decide`] may find anything in this message: from
/// the head and the names of the children alone.
#[inline]
pub(super) fn may_concern(stanza: &Stanza, direction: Direction, settings: &Settings) -> bool {
    if !stanza.mentions_any(&OF_INTEREST) {
        return false;
    }
    let forgeable = match direction {
        Direction::Incoming => &STAMPS,
        Direction::Outgoing => &IDS,
    };
    if stanza.mentions_any(forgeable) {
        return true;
    }
    let telling = stanza.has_body()
        || stanza.has_child("subject", ns::CLIENT)
        || stanza.mentions_any(&TELLING);
    telling
        && match stanza.message_type() {
            MessageType::Error => false,
            MessageType::Groupchat => settings.groupchat,
            _ => true,
        }
}

/// Removes what nobody but us may say about the archive of `owner`; says how
/// many children that were. Only direct children count: what is forwarded is
/// somebody's testimony and stays as it is (XEP-0359 §3).
///
/// 1. A `<stanza-id/>` by the owner, in whatever spelling its address is
///    written, even if we do not add one (XEP-0359 §3): from others it is
///    forged; what the own client sends must not reach anybody either.
/// 2. Deliberately also by a full JID of the owner: nothing but its archive
///    has a stanza-id to give, and a client that looks at the account only
///    would take it for the archive's.
/// 3. Deliberately also without `by`, or by something that is no address: the
///    attribute is mandatory, and who reads a missing one as "mine" is fooled.
/// 4. Everybody else's stay, also those of rooms at our own domain.
/// 5. Inward: a `<delay/>` in the name of the owner or its server. Whoever
///    delays on behalf of the server does it after this layer (XEP-0203 §5).
pub fn cleanse(stanza: &mut Stanza, owner: &Jid, direction: Direction) -> usize {
    let mut removed = 0;
    if stanza.has_child("stanza-id", ns::SID) {
        removed += stanza.remove_children(|child| is_forged_id(child, owner));
    }
    if direction == Direction::Incoming && stanza.has_child("delay", ns::DELAY) {
        removed += stanza.remove_children(|child| is_forged_delay(child, owner));
    }
    removed
}

impl Settings {
    fn want(&self, why: Why) -> bool {
        match why {
            Why::Receipt => self.receipts,
            Why::Marker => self.markers,
            Why::Invitation => self.invitations,
            Why::Call => self.calls,
            _ => true,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            receipts: true,
            markers: true,
            invitations: true,
            calls: true,
            groupchat: false,
        }
    }
}

/// What others may have forged in a message to the account, and in one from it.
const STAMPS: NsSet = NsSet::of(&[ns::SID, ns::DELAY]);
const IDS: NsSet = NsSet::of(&[ns::SID]);

/// Namespaces that can make a message without a body worth keeping, and these.
macro_rules! telling_and {
    ($($more:expr),*) => {
        NsSet::of(&[
            ns::HINTS,
            ns::EME,
            ns::OMEMO,
            ns::OMEMO2,
            ns::RETRACT,
            ns::RECEIPTS,
            ns::CHAT_MARKERS,
            ns::CONFERENCE,
            ns::MUC_USER,
            ns::JINGLE_MESSAGE,
            $($more),*
        ])
    };
}
const TELLING: NsSet = telling_and!();

/// With those where bodies, subjects and stamps stand: most messages without any
/// of them are chat states, and one look is enough.
const OF_INTEREST: NsSet = telling_and!(ns::CLIENT, ns::SID, ns::DELAY);

fn forbidden(stanza: &Stanza) -> Option<Skip> {
    debug_assert_eq!(stanza.kind(), Kind::Message);
    match stanza.message_type() {
        MessageType::Error => Some(Skip::Error),
        _ if !stanza.mentions(ns::HINTS) => None,
        _ if stanza.has_child("no-store", ns::HINTS) => Some(Skip::NoStore),
        _ if stanza.has_child("no-permanent-store", ns::HINTS) => Some(Skip::NoPermanentStore),
        _ => None,
    }
}

/// Whether a message is marked to be for the session that it names alone
/// (XEP-0409 §3.3). That counts where a session speaks IM-NG.
pub(super) fn is_for_one_session(stanza: &Stanza) -> bool {
    stanza.to().is_some_and(Jid::is_full) && stanza.has_child("im-ng", ns::IM_NG)
}

fn is_said(stanza: &Stanza) -> bool {
    stanza.has_body() || stanza.has_child("subject", ns::CLIENT)
}

fn worth(stanza: &Stanza) -> Result<Why, Skip> {
    let has = |name, namespace| stanza.has_child(name, namespace);
    if has("store", ns::HINTS) {
        return Ok(Why::StoreHint);
    }
    if stanza.message_type() == MessageType::Headline {
        return Err(Skip::Headline);
    }
    if stanza.has_body() {
        return Ok(Why::Body);
    }
    if has("encryption", ns::EME) || has("encrypted", ns::OMEMO) || has("encrypted", ns::OMEMO2) {
        return Ok(Why::Encrypted);
    }
    if has("retract", ns::RETRACT) {
        return Ok(Why::Retraction);
    }
    if has("subject", ns::CLIENT) {
        return Ok(Why::Subject);
    }
    if has("received", ns::RECEIPTS) {
        return Ok(Why::Receipt);
    }
    // `markable` alone only asks for a marker.
    let markers = ["displayed", "received", "acknowledged"];
    if markers.iter().any(|name| has(name, ns::CHAT_MARKERS)) {
        return Ok(Why::Marker);
    }
    if has("x", ns::CONFERENCE) || stanza.is_mediated_invitation() {
        return Ok(Why::Invitation);
    }
    if stanza.mentions(ns::JINGLE_MESSAGE) {
        return Ok(Why::Call);
    }
    Err(Skip::Passing)
}

fn is_forged_id(child: ElementRef<'_>, owner: &Jid) -> bool {
    child.is("stanza-id", ns::SID)
        && child
            .attr("by")
            .and_then(|by| Jid::new(by).ok())
            .is_none_or(|by| same_account(&by, owner))
}

fn is_forged_delay(child: ElementRef<'_>, owner: &Jid) -> bool {
    child.is("delay", ns::DELAY)
        && child
            .attr("from")
            .and_then(|from| Jid::new(from).ok())
            .is_some_and(|from| match from.node() {
                None => same_domain(&from, owner),
                Some(_) => same_account(&from, owner),
            })
}

/// Whether two addresses are of one account, whatever their resources.
pub(super) fn same_account(one: &Jid, other: &Jid) -> bool {
    one.node() == other.node() && same_domain(one, other)
}

/// `jid` keeps `bücher.example`, `xn--bcher-kva.example` and either with a
/// final dot apart, but they are the same domain (RFC 7622 §3.2).
fn same_domain(one: &Jid, other: &Jid) -> bool {
    let (one, other) = (one.domain().as_str(), other.domain().as_str());
    one == other || ascii_form(one) == ascii_form(other)
}

fn ascii_form(domain: &str) -> Cow<'_, str> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_ascii() {
        return Cow::Borrowed(domain);
    }
    idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::URL)
        .unwrap_or(Cow::Borrowed(domain))
}
