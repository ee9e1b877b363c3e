//! XML namespaces, each named once.
//!
//! A direct child of a stanza that stands in the content namespace of its
//! stream (`jabber:client`, `jabber:server`, `jabber:component:accept`) is
//! known under [`CLIENT`] everywhere in this crate.

use std::borrow::Cow;

macro_rules! namespaces {
    ($($(#[$doc:meta])* $name:ident = $uri:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $uri;)*

        /// Every namespace named here, in the order of this file.
        pub const ALL: &[&str] = &[$($uri),*];
    };
}

namespaces! {
    /// Content namespace between client and server (RFC 6120 §4.8.2).
    CLIENT = "jabber:client";
    /// Content namespace between servers (RFC 6120 §4.8.2).
    SERVER = "jabber:server";
    /// Content namespace of a component's stream (XEP-0114).
    COMPONENT = "jabber:component:accept";
    /// The stream element and its features and errors (RFC 6120 §4.8.1).
    STREAMS = "http://etherx.jabber.org/streams";
    /// Conditions of a stream error (RFC 6120 §4.9.2).
    STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams";
    /// Conditions of a stanza error (RFC 6120 §8.3.2).
    STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
    /// STARTTLS (RFC 6120 §5).
    TLS = "urn:ietf:params:xml:ns:xmpp-tls";
    /// SASL (RFC 6120 §6).
    SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
    /// SASL, the extensible profile (XEP-0388).
    SASL2 = "urn:xmpp:sasl:2";
    /// Resource binding with inline features (XEP-0386).
    BIND2 = "urn:xmpp:bind:0";
    /// Resource binding (RFC 6120 §7).
    BIND = "urn:ietf:params:xml:ns:xmpp-bind";
    /// Session establishment, a relic of RFC 3921.
    SESSION = "urn:ietf:params:xml:ns:xmpp-session";
    /// Roster (RFC 6121 §2).
    ROSTER = "jabber:iq:roster";
    /// Framing of WebSocket streams (RFC 7395).
    FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";
    /// Data forms (XEP-0004).
    DATA_FORMS = "jabber:x:data";
    /// Last activity (XEP-0012).
    LAST = "jabber:iq:last";
    /// Service discovery, information (XEP-0030).
    DISCO_INFO = "http://jabber.org/protocol/disco#info";
    /// Service discovery, items (XEP-0030).
    DISCO_ITEMS = "http://jabber.org/protocol/disco#items";
    /// Multi-user chat, joining (XEP-0045).
    MUC = "http://jabber.org/protocol/muc";
    /// Multi-user chat, what occupants learn (XEP-0045).
    MUC_USER = "http://jabber.org/protocol/muc#user";
    /// Multi-user chat, moderation and affiliations (XEP-0045).
    MUC_ADMIN = "http://jabber.org/protocol/muc#admin";
    /// Multi-user chat, configuration (XEP-0045).
    MUC_OWNER = "http://jabber.org/protocol/muc#owner";
    /// Multi-user chat, the registration form's type (XEP-0045 §7.10).
    MUC_REGISTER = "http://jabber.org/protocol/muc#register";
    /// Multi-user chat, the room information form's type (XEP-0045 §6.4).
    MUC_ROOMINFO = "http://jabber.org/protocol/muc#roominfo";
    /// Multi-user chat, the room configuration form's type (XEP-0045 §10).
    MUC_ROOMCONFIG = "http://jabber.org/protocol/muc#roomconfig";
    /// Stable self-ping of rooms (XEP-0410).
    MUC_SELF_PING = "http://jabber.org/protocol/muc#self-ping-optimization";
    /// Multi-user chat, second generation: accounts join rooms (the MUC2 draft).
    MUC2 = "urn:xmpp:muc:0";
    /// An account's server joins rooms for it (the MUC2-PAM draft).
    MUC2_PAM = "urn:xmpp:muc:pam:0";
    /// vCard in XML (RFC 6351, XEP-0292).
    VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0";
    /// Rooms that write to registered members who are away, in disco#info.
    MUC_OFFLINE = "http://tigase.org/protocol/muc#offline";
    /// Private XML storage (XEP-0049).
    PRIVATE = "jabber:iq:private";
    /// vCard (XEP-0054).
    VCARD = "vcard-temp";
    /// Avatar hash in presence (XEP-0153).
    VCARD_UPDATE = "vcard-temp:x:update";
    /// Result set management (XEP-0059).
    RSM = "http://jabber.org/protocol/rsm";
    /// Publish-subscribe (XEP-0060).
    PUBSUB = "http://jabber.org/protocol/pubsub";
    /// Publish-subscribe notifications (XEP-0060).
    PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event";
    /// In-band registration (XEP-0077).
    REGISTER = "jabber:iq:register";
    /// Chat state notifications (XEP-0085).
    CHAT_STATES = "http://jabber.org/protocol/chatstates";
    /// Software version (XEP-0092).
    VERSION = "jabber:iq:version";
    /// Entity capabilities (XEP-0115).
    CAPS = "http://jabber.org/protocol/caps";
    /// Jingle message initiation (XEP-0353).
    JINGLE_MESSAGE = "urn:xmpp:jingle-message:0";
    /// Delivery receipts (XEP-0184).
    RECEIPTS = "urn:xmpp:receipts";
    /// Blocking command (XEP-0191).
    BLOCKING = "urn:xmpp:blocking";
    /// Stream management (XEP-0198).
    SM = "urn:xmpp:sm:3";
    /// Ping (XEP-0199).
    PING = "urn:xmpp:ping";
    /// Entity time (XEP-0202).
    TIME = "urn:xmpp:time";
    /// Delayed delivery (XEP-0203).
    DELAY = "urn:xmpp:delay";
    /// Attention (XEP-0224).
    ATTENTION = "urn:xmpp:attention:0";
    /// Direct room invitation (XEP-0249).
    CONFERENCE = "jabber:x:conference";
    /// Message carbons (XEP-0280).
    CARBONS = "urn:xmpp:carbons:2";
    /// Message carbons, announced by a server that keeps §6.1 (XEP-0280 §6.2).
    CARBONS_RULES = "urn:xmpp:carbons:rules:0";
    /// Stanza forwarding (XEP-0297).
    FORWARD = "urn:xmpp:forward:0";
    /// Last message correction (XEP-0308).
    CORRECT = "urn:xmpp:message-correct:0";
    /// Message archive management (XEP-0313).
    MAM = "urn:xmpp:mam:2";
    /// Message archive management, extended queries (XEP-0313).
    MAM_EXTENDED = "urn:xmpp:mam:2#extended";
    /// Archives, messages of rooms in a user's one (XEP-0313 §4.1.4).
    MAM_GROUPCHAT_FIELD = "urn:xmpp:mam:2#groupchat-field";
    /// Archives, a user's one holds messages of rooms (XEP-0313 §7).
    MAM_GROUPCHAT_AVAILABLE = "urn:xmpp:mam:2#groupchat-available";
    /// Our own: archive IDs that a client computes.
    ARCHIVE_ID = "tower-xmpp:archive-id:0";
    /// Our own: an acknowledgement means that the message is archived.
    ACK = "tower-xmpp:ack:0";
    /// Chat markers (XEP-0333).
    CHAT_MARKERS = "urn:xmpp:chat-markers:0";
    /// Message processing hints (XEP-0334).
    HINTS = "urn:xmpp:hints";
    /// Client state indication (XEP-0352).
    CSI = "urn:xmpp:csi:0";
    /// Push notifications (XEP-0357).
    PUSH = "urn:xmpp:push:0";
    /// Which rooms' messages wake a device (Tigase): inside what enables push.
    PUSH_FILTER_GROUPCHAT = "tigase:push:filter:groupchat:0";
    /// Unique and stable stanza IDs (XEP-0359).
    SID = "urn:xmpp:sid:0";
    /// Explicit message encryption (XEP-0380).
    EME = "urn:xmpp:eme:0";
    /// OMEMO as deployed (XEP-0384 0.3).
    OMEMO = "eu.siacs.conversations.axolotl";
    /// OMEMO 2 (XEP-0384).
    OMEMO2 = "urn:xmpp:omemo:2";
    /// Bookmarks in PEP (XEP-0402).
    BOOKMARKS = "urn:xmpp:bookmarks:1";
    /// Message routing 2 (the MR2 draft of XEP-0280's successor).
    MR2 = "urn:xmpp:mr2:0";
    /// Message routing as the wiki page "Server based 1-1 chat state" wants it:
    /// a namespace of this crate.
    GOAL = "tower-xmpp:goal:0";
    /// Instant messaging, the next generation (XEP-0409).
    IM_NG = "urn:xmpp:im-ng:0";
    /// Anonymous occupant identifiers (XEP-0421).
    OCCUPANT_ID = "urn:xmpp:occupant-id:0";
    /// Message fastening (XEP-0422).
    FASTEN = "urn:xmpp:fasten:0";
    /// Message retraction (XEP-0424).
    RETRACT = "urn:xmpp:message-retract:1";
    /// Moderated message retraction (XEP-0425).
    MODERATE = "urn:xmpp:message-moderate:1";
    /// Message reactions (XEP-0444).
    REACTIONS = "urn:xmpp:reactions:0";
    /// Replies (XEP-0461).
    REPLY = "urn:xmpp:reply:0";
    /// Stateless inline media sharing references (XEP-0372).
    REFERENCE = "urn:xmpp:reference:0";
    /// Out-of-band data (XEP-0066).
    OOB = "jabber:x:oob";
    /// The `xml:` prefix itself.
    XML = "http://www.w3.org/XML/1998/namespace";
}

/// The same text, borrowed for ever if it is one of ours.
pub(super) fn intern(uri: &str) -> Cow<'static, str> {
    let mut slot = slot(uri);
    while let Some(known) = KNOWN[slot] {
        if known == uri {
            return Cow::Borrowed(known);
        }
        slot = (slot + 1) % KNOWN.len();
    }
    Cow::Owned(uri.to_owned())
}

/// Every namespace of ours, at its slot or in the next free one. Each declaration
/// that is read is looked up here: a general map would take five times as long. Nobody
/// adds to it, so nobody can make it slow.
static KNOWN: [Option<&str>; 256] = {
    let mut known: [Option<&str>; 256] = [None; 256];
    let mut at = 0;
    while at < ALL.len() {
        let mut slot = slot(ALL[at]);
        while known[slot].is_some() {
            slot = (slot + 1) % known.len();
        }
        known[slot] = Some(ALL[at]);
        at += 1;
    }
    known
};

const fn slot(uri: &str) -> usize {
    (mix(uri) >> 56) as usize
}

/// A number for a text: made of its length and its last bytes, where namespaces
/// differ.
#[inline]
pub(super) const fn mix(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let tail = match bytes.last_chunk::<8>() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => {
            let (mut tail, mut index) = (0, 0);
            while index < bytes.len() {
                tail = (tail << 8) | bytes[index] as u64;
                index += 1;
            }
            tail
        }
    };
    (tail ^ bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Is this the namespace in which some kind of stream carries its stanzas?
pub(super) fn is_content(uri: &str) -> bool {
    matches!(uri, CLIENT | SERVER | COMPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_namespace_is_borrowed_and_an_unknown_one_kept() {
        for uri in ALL {
            assert!(matches!(intern(uri), Cow::Borrowed(same) if same == *uri));
        }
        for other in [
            "",
            "urn:example:other",
            "urn:xmpp:sid:00",
            "xurn:xmpp:sid:0",
        ] {
            assert!(matches!(intern(other), Cow::Owned(same) if same == other));
        }
    }

    #[test]
    fn a_namespace_is_found_in_few_steps() {
        assert!(ALL.len() * 2 <= KNOWN.len());
        let run = KNOWN.split(Option::is_none).map(<[_]>::len).max();
        assert!(run <= Some(16), "{run:?}");
    }
}
