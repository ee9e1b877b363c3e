//! Of which rooms a device wants to hear: the filter that its client names when
//! it enables push with its own server. Pure.

use std::collections::BTreeMap;

use jid::BareJid;

use crate::stanza::{Condition, ElementRef, Stanza, ns};

/// Which rooms' messages wake a device: `<groupchat
/// xmlns='tigase:push:filter:groupchat:0'/>`, which clients (Siskin, Beagle)
/// put into `<enable/>` (XEP-0357 §5).
///
/// It belongs to the host's own push service, since that is who knows the
/// devices: keep it with the registration, announce
/// [`ns::PUSH_FILTER_GROUPCHAT`] among the features of its accounts, and ask
/// [`decide`](Self::decide) when [`Notify`](super::Notify) tells of a message.
/// The example there does so.
///
/// 1. What is not listed does not wake: the list is of the rooms "for which
///    notifications should be sent", and clients leave out what they muted.
/// 2. `mentioned` wakes if the nick stands in the body as words of its own, in
///    whatever case. Where a script has no spaces between words, or hangs
///    particles on names (Chinese, Japanese, Korean, Thai and their
///    neighbours), it wakes wherever it stands: rather once too often than not.
///    What is encrypted mentions nobody, as far as a server can tell.
/// 3. A room without a JID or with a word for `allow` that is not defined,
///    `mentioned` without a nick, or more than [`PushFilter::MOST`] rooms are a
///    `bad-request`: whoever is not understood would be woken by too much, or
///    by nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushFilter {
    rooms: BTreeMap<BareJid, Allow>,
}

/// What may wake.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allow {
    Always,
    Never,
    /// Where this nick is mentioned.
    Mentioned(String),
}

/// Whether a room's message wakes a device, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wake {
    /// It does: the device wants everything of the room.
    Always,
    /// It does: the nick is mentioned.
    Mentioned,
    /// It does not: the nick is not mentioned.
    NotMentioned,
    /// It does not: the room is muted.
    Muted,
    /// It does not: the room is not in the list.
    NotListed,
}

impl PushFilter {
    /// Rooms in a filter.
    pub const MOST: usize = 1_000;

    /// Reads it from `<enable/>`; `None` if there is none: then everything wakes.
    ///
    /// # Errors
    ///
    /// `bad-request`; see rule 3.
    pub fn read(enable: ElementRef<'_>) -> Result<Option<Self>, Condition> {
        let Some(list) = enable.child("groupchat", ns::PUSH_FILTER_GROUPCHAT) else {
            return Ok(None);
        };
        let mut filter = Self::default();
        for room in list.children() {
            if !room.is("room", ns::PUSH_FILTER_GROUPCHAT) {
                continue;
            }
            let jid = room.attr("jid").and_then(|jid| BareJid::new(jid).ok());
            let allow = match (room.attr("allow"), room.attr("nick")) {
                (Some("always"), _) => Allow::Always,
                (Some("never"), _) => Allow::Never,
                (Some("mentioned"), Some(nick)) if !nick.trim().is_empty() => {
                    Allow::Mentioned(nick.trim().to_lowercase())
                }
                _ => return Err(Condition::BadRequest),
            };
            filter
                .rooms
                .insert(jid.ok_or(Condition::BadRequest)?, allow);
            if filter.rooms.len() > Self::MOST {
                return Err(Condition::BadRequest);
            }
        }
        Ok(Some(filter))
    }

    /// Whether this message of a room wakes the device.
    pub fn decide(&self, message: &Stanza) -> Wake {
        let room = message.from().map(jid::Jid::to_bare);
        match room.and_then(|room| self.rooms.get(&room)) {
            None => Wake::NotListed,
            Some(Allow::Always) => Wake::Always,
            Some(Allow::Never) => Wake::Muted,
            Some(Allow::Mentioned(nick)) => match message.body_text() {
                Some(body) if has_words(&body.to_lowercase(), nick) => Wake::Mentioned,
                _ => Wake::NotMentioned,
            },
        }
    }
}

impl Wake {
    /// Whether it does.
    pub fn wakes(self) -> bool {
        matches!(self, Wake::Always | Wake::Mentioned)
    }
}

/// Whether the words stand in the text, and not as part of others.
fn has_words(text: &str, words: &str) -> bool {
    let (first, last) = (words.chars().next(), words.chars().next_back());
    text.match_indices(words).any(|(at, found)| {
        let (before, after) = (&text[..at], &text[at + found.len()..]);
        !goes_on(first, before.chars().next_back()) && !goes_on(last, after.chars().next())
    })
}

/// Whether a word whose edge this is goes on with what stands beside it.
fn goes_on(edge: Option<char>, beside: Option<char>) -> bool {
    beside.is_some_and(char::is_alphanumeric)
        && ![edge, beside].into_iter().flatten().any(is_unspaced)
}

/// Whether a script is written without spaces, or without them between a name
/// and its particles, so that nobody can tell by the characters where a word
/// ends. By whole blocks of Unicode, whose punctuation ends words anyway.
fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
        | '\u{1000}'..='\u{109F}' // Myanmar
        | '\u{1100}'..='\u{11FF}' // Hangul
        | '\u{1780}'..='\u{17FF}' // Khmer
        | '\u{2E80}'..='\u{31FF}' // kana, Bopomofo, Hangul, radicals
        | '\u{3400}'..='\u{4DBF}' // ideographs
        | '\u{4E00}'..='\u{9FFF}' // ideographs
        | '\u{A960}'..='\u{A97F}' // Hangul
        | '\u{AC00}'..='\u{D7FF}' // Hangul
        | '\u{F900}'..='\u{FAFF}' // ideographs
        | '\u{FF66}'..='\u{FFDC}' // kana and Hangul, half as wide
        | '\u{1B000}'..='\u{1B16F}' // kana
        | '\u{20000}'..='\u{3FFFF}' // ideographs
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Element;

    fn read(rooms: &str) -> Result<Option<PushFilter>, Condition> {
        let xml = format!(
            "<enable xmlns='urn:xmpp:push:0' jid='push.example' node='n'>\
             <groupchat xmlns='tigase:push:filter:groupchat:0'>{rooms}</groupchat></enable>"
        );
        PushFilter::read(Element::parse(xml.as_bytes()).unwrap().view())
    }

    fn decided(filter: &PushFilter, room: &str, body: &str) -> Wake {
        let from: jid::Jid = format!("{room}@muc.example/Bob").parse().unwrap();
        let message = Stanza::message().with_type("groupchat".into());
        filter.decide(&message.with_from(from).with_text_child("body", body))
    }

    #[test]
    fn each_room_wakes_as_it_may() {
        let filter = read(
            "<room jid='tea@muc.example' allow='always'/>\
             <room jid='milk@muc.example' allow='never'/>\
             <room jid='cake@muc.example' allow='mentioned' nick='Alice'/>\
             <extension xmlns='urn:example:other'/>",
        );
        let filter = filter.unwrap().unwrap();
        for (room, body, wake) in [
            ("tea", "hi", Wake::Always),
            ("milk", "hi Alice", Wake::Muted),
            ("cake", "hi", Wake::NotMentioned),
            ("cake", "hi Alice", Wake::Mentioned),
            ("wine", "hi Alice", Wake::NotListed),
        ] {
            let decided = decided(&filter, room, body);
            assert_eq!(decided, wake, "{room}: {body}");
            let wakes = matches!(wake, Wake::Always | Wake::Mentioned);
            assert_eq!(decided.wakes(), wakes);
        }
        // Encrypted, or a marker: there is no body to look into.
        let from: jid::Jid = "cake@muc.example/Bob".parse().unwrap();
        let silent = Stanza::message().with_from(from);
        assert_eq!(filter.decide(&silent), Wake::NotMentioned);
    }

    #[test]
    fn a_nick_is_words_of_its_own_in_whatever_case() {
        let nick = |nick: &str| {
            let rooms = format!("<room jid='tea@muc.example' allow='mentioned' nick='{nick}'/>");
            read(&rooms).unwrap().unwrap()
        };
        for (name, body, is_mentioned) in [
            ("Al", "@al, tea?", true),
            ("Al", "AL", true),
            ("Al", "also", false),
            ("Al", "Also", false),
            ("Al", "royal", false),
            ("Al", "royal al", true),
            ("Zoë K.", "dear zoë k.!", true),
            ("Zoë", "zoëy", false),
            ("李", "李，茶？", true),
            // Without spaces nobody can tell where a word ends.
            ("李", "李你好", true),
            ("李", "你好李先生", true),
            ("李", "tea李tea", true),
            ("李", "你好", false),
            ("Al", "你好Al喝茶吗", true),
            ("Al", "你好Also", false),
            ("さくら", "さくらさん、お茶？", true),
            ("민수", "민수는", true),
            ("สมชาย", "สวัสดีสมชายครับ", true),
            // Neighbours of theirs that have spaces.
            ("Αλ", "Αλς", false),
        ] {
            let wakes = decided(&nick(name), "tea", body).wakes();
            assert_eq!(wakes, is_mentioned, "{name}: {body}");
        }
    }

    #[test]
    fn without_a_filter_there_is_none_and_an_empty_one_wakes_for_nothing() {
        let enable = "<enable xmlns='urn:xmpp:push:0' jid='push.example' node='n'/>";
        let enable = Element::parse(enable.as_bytes()).unwrap();
        assert_eq!(PushFilter::read(enable.view()), Ok(None));
        let empty = read("").unwrap().unwrap();
        assert_eq!(decided(&empty, "tea", "hi"), Wake::NotListed);
    }

    #[test]
    fn what_is_not_understood_is_a_bad_request() {
        for rooms in [
            "<room allow='always'/>",
            "<room jid='@' allow='always'/>",
            "<room jid='tea@muc.example/Alice' allow='always'/>",
            "<room jid='tea@muc.example'/>",
            "<room jid='tea@muc.example' allow='sometimes'/>",
            "<room jid='tea@muc.example' allow='mentioned'/>",
            "<room jid='tea@muc.example' allow='mentioned' nick=' '/>",
        ] {
            assert_eq!(read(rooms), Err(Condition::BadRequest), "{rooms}");
        }
        let rooms = |count: usize| -> String {
            let rooms = 0..count;
            rooms
                .map(|room| format!("<room jid='r{room}@muc.example' allow='never'/>"))
                .collect()
        };
        assert!(read(&rooms(PushFilter::MOST)).is_ok());
        let many = read(&rooms(PushFilter::MOST + 1));
        assert_eq!(many, Err(Condition::BadRequest));
    }
}
