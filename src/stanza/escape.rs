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
    // No early exit: nearly every text is plain.
    !text
        .bytes()
        .fold(false, |found, byte| found | SUSPICIOUS[usize::from(byte)])
}

/// Bytes that may need care. 0xEF begins U+FFFE and U+FFFF, which XML forbids.
const SUSPICIOUS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'\'' as usize] = true;
    table[0xEF] = true;
    table
};

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
}
