//! What is archived, and which children are forged: decisions only.

use std::borrow::Cow;

use jid::{BareJid, Jid};

use crate::flow::{Entropy, Route};
use crate::stanza::{ElementRef, Kind, MessageType, NsSet, RawXml, Stanza, ns};

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
/// 1. Errors never; groupchat never, whatever they hint: the room archives it.
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

/// Whether [`cleanse`] or [`decide`] may find anything in this message: from
/// the head and the names of the children alone.
#[inline]
pub(super) fn may_concern(stanza: &Stanza, direction: Direction) -> bool {
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
        && !matches!(
            stanza.message_type(),
            MessageType::Error | MessageType::Groupchat
        )
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

/// The element that says where a message lies (XEP-0359 §3).
pub fn stamp(by: &BareJid, id: &str) -> RawXml {
    RawXml::build("stanza-id", ns::SID)
        .attr("by", by.as_str())
        .attr("id", id)
        .finish()
}

/// A new ID: `-`, then 26 characters of base32, which are 130 random bits.
///
/// It tells nothing about the archive (XEP-0359 §6). The first character is
/// in no alphabet that sessions' tokens are made of, so an ID that a client
/// computes can never be one of these.
pub fn new_id(entropy: &dyn Entropy) -> String {
    const RANDOM: usize = 26;
    let mut id = String::with_capacity(1 + RANDOM);
    id.push('-');
    id.push_str(&entropy.token(RANDOM));
    id
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
        }
    }
}

/// What others may have forged in a message to the account, and in one from it.
const STAMPS: NsSet = NsSet::of(&[ns::SID, ns::DELAY]);
const IDS: NsSet = NsSet::of(&[ns::SID]);

/// Namespaces that can make a message without a body worth keeping.
const TELLING: NsSet = NsSet::of(&[
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
]);

fn forbidden(stanza: &Stanza) -> Option<Skip> {
    debug_assert_eq!(stanza.kind(), Kind::Message);
    match stanza.message_type() {
        MessageType::Error => Some(Skip::Error),
        MessageType::Groupchat => Some(Skip::Groupchat),
        _ if !stanza.mentions(ns::HINTS) => None,
        _ if stanza.has_child("no-store", ns::HINTS) => Some(Skip::NoStore),
        _ if stanza.has_child("no-permanent-store", ns::HINTS) => Some(Skip::NoPermanentStore),
        _ => None,
    }
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
    if has("x", ns::CONFERENCE) || is_mediated_invitation(stanza) {
        return Ok(Why::Invitation);
    }
    if stanza.mentions(ns::JINGLE_MESSAGE) {
        return Ok(Why::Call);
    }
    Err(Skip::Passing)
}

fn is_mediated_invitation(stanza: &Stanza) -> bool {
    stanza
        .child("x", ns::MUC_USER)
        .is_some_and(|x| x.has_child("invite", ns::MUC_USER))
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
fn same_account(one: &Jid, other: &Jid) -> bool {
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
