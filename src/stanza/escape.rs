//! Escaping of character data and attribute values.

use super::out::Out;

/// Appends `text` as character data.
pub(super) fn text(text: &str, out: &mut impl Out) {
    escape(text, |byte| matches!(byte, b'&' | b'<' | b'>'), out);
}

/// Appends `value` for an attribute that is quoted with `'`. Tabs and line
/// breaks become references, since a parser turns bare ones into spaces
/// (XML 1.0 §3.3.3).
pub(super) fn attribute(value: &str, out: &mut impl Out) {
    escape(
        value,
        |byte| matches!(byte, b'&' | b'<' | b'\'' | b'\t' | b'\n'),
        out,
    );
}

/// Appends ` name='value'`.
pub(super) fn push_attribute(name: &str, value: &str, out: &mut impl Out) {
    out.put(" ");
    out.put(name);
    out.put("='");
    attribute(value, out);
    out.put("'");
}

fn escape(text: &str, special: impl Fn(u8) -> bool, out: &mut impl Out) {
    if is_plain(text) {
        return out.put(text);
    }
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let replacement = match byte {
            0xEF => match text.as_bytes().get(at..at + 3) {
                Some([_, 0xBF, 0xBE | 0xBF]) => "\u{FFFD}",
                _ => continue,
            },
            b'\r' => "&#xD;",
            b'\t' | b'\n' if !special(byte) => continue,
            b'\t' => "&#x9;",
            b'\n' => "&#xA;",
            0..=0x1F => "\u{FFFD}",
            _ if !special(byte) => continue,
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&apos;",
        };
        out.put(&text[plain..at]);
        out.put(replacement);
        plain = at + if byte == 0xEF { 3 } else { 1 };
    }
    out.put(&text[plain..]);
}

/// Can the text be written as it is, anywhere?
pub(super) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(last) = bytes.last_chunk() else {
        return !bytes.iter().any(|byte| SUSPICIOUS[usize::from(*byte)]);
    };
    // Eight bytes at a time, the last eight once more rather than one by one.
    // No early exit: nearly every text is plain.
    let (words, _) = bytes.as_chunks();
    let mut found = suspicious(*last);
    for word in words {
        found |= suspicious(*word);
    }
    found == 0
}

/// May the byte need care? 0xEF begins U+FFFE and U+FFFF, which XML forbids.
const fn is_suspicious(byte: u8) -> bool {
    matches!(byte, 0..=0x1F | b'&' | b'\'' | b'<' | b'>' | 0xEF)
}

/// The same in one look.
const SUSPICIOUS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = u8::MAX;
    while byte > 0 {
        table[byte as usize] = is_suspicious(byte);
        byte -= 1;
    }
    table[0] = is_suspicious(0);
    table
};

/// The same for eight bytes: not zero if any is. A byte `b` of `word` equals
/// `c` where `word ^ c` is zero, and zero bytes are those that borrow.
const fn suspicious(word: [u8; 8]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(EACH) & !word
    }
    let word = u64::from_le_bytes(word);
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    // `&` and `'` differ in one bit, and so do `<` and `>`.
    let quotes = zero((word | EACH) ^ (EACH * 0x27));
    let brackets = zero((word | (EACH * 2)) ^ (EACH * 0x3E));
    (control | quotes | brackets | zero(word ^ (EACH * 0xEF))) & (EACH * 0x80)
}

#[cfg(test)]
mod tests {
    fn both(plain: &str) -> (String, String) {
        let (mut text, mut attribute) = (String::new(), String::new());
        super::text(plain, &mut text);
        super::attribute(plain, &mut attribute);
        (text, attribute)
    }

    #[test]
    fn markup_and_line_breaks_are_escaped_where_they_would_be_read_otherwise() {
        let (text, attribute) = both("a<b>&'c\"\t\n\r");
        assert_eq!(text, "a&lt;b&gt;&amp;'c\"\t\n&#xD;");
        assert_eq!(attribute, "a&lt;b>&amp;&apos;c\"&#x9;&#xA;&#xD;");
    }

    #[test]
    fn characters_that_xml_forbids_are_replaced() {
        assert_eq!(
            both("a\0b\u{FFFE}c\u{FFFD}ï").0,
            "a\u{FFFD}b\u{FFFD}c\u{FFFD}ï"
        );
    }

    #[test]
    fn every_byte_is_judged_alike_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"abcdefgh";
                word[place] = byte;
                assert_eq!(
                    super::suspicious(word) != 0,
                    super::is_suspicious(byte),
                    "{byte:#x} at {place}"
                );
            }
        }
    }

    #[test]
    fn a_text_of_any_length_is_looked_at_to_its_end() {
        for length in 1..40 {
            let plain = "a".repeat(length);
            assert!(super::is_plain(&plain));
            for place in 0..length {
                let mut text = plain.clone();
                text.replace_range(place..=place, "<");
                assert!(!super::is_plain(&text), "{text}");
            }
        }
    }
}
