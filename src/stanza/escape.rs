//! Escaping of character data and attribute values.

/// Appends `text` as character data.
pub(super) fn text(text: &str, out: &mut String) {
    escape(text, |byte| matches!(byte, b'&' | b'<' | b'>'), out);
}

/// Appends `value` for an attribute that is quoted with `'`. Tabs and line
/// breaks become references, since a parser turns bare ones into spaces
/// (XML 1.0 §3.3.3).
pub(super) fn attribute(value: &str, out: &mut String) {
    escape(
        value,
        |byte| matches!(byte, b'&' | b'<' | b'\'' | b'\t' | b'\n'),
        out,
    );
}

/// Appends ` name='value'`.
pub(super) fn push_attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    attribute(value, out);
    out.push('\'');
}

fn escape(text: &str, special: impl Fn(u8) -> bool, out: &mut String) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        // 0xEF begins U+FFFE and U+FFFF, which XML forbids.
        if byte > b'>' && byte != 0xEF {
            continue;
        }
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
        out.push_str(&text[plain..at]);
        out.push_str(replacement);
        plain = at + if byte == 0xEF { 3 } else { 1 };
    }
    out.push_str(&text[plain..]);
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
}
