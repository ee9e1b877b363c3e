//! IDs: made by the server, or computed by client and server alike.

use crate::flow::Entropy;

/// How long a session's token is: 26 characters of base32, 130 random bits.
pub const TOKEN_LENGTH: usize = 26;

/// The longest message `id`, in bytes of UTF-8, of which an ID is computed.
pub const LONGEST_MESSAGE_ID: usize = 128;

/// The archive ID of a message that a session sends, from what the client
/// knows before it sends it: the session's token, then the message's `id`.
///
/// Both are taken as they are, the `id` after the XML parser has replaced
/// references and normalised the attribute. Nothing stands between them: the
/// token has a fixed length, so two different pairs never give one ID.
///
/// `None` if the server makes an ID of its own instead:
///
/// 1. The token is not [`TOKEN_LENGTH`] characters of `a`–`z` and `2`–`7`.
/// 2. The `id` is empty or longer than [`LONGEST_MESSAGE_ID`] bytes of UTF-8.
/// 3. The `id` holds white space (Unicode's `White_Space`: U+0009 to U+000D,
///    U+0020, U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029,
///    U+202F, U+205F, U+3000) or a character that XML 1.0 forbids (below
///    U+0020, U+FFFE, U+FFFF).
///
/// The server also makes its own if the `id` was used before in the session
/// for another message. It tells a session that has a token so, see the
/// [module](crate::archive).
///
/// # Test vectors
///
/// | Token | Message `id` | Archive ID |
/// |---|---|---|
/// | `abcdefghijklmnopqrstuvwxyz` | `m1` | `abcdefghijklmnopqrstuvwxyzm1` |
/// | `abcdefghijklmnopqrstuvwxyz` | `m1 ` | none |
/// | `abcdefghijklmnopqrstuvwxyz` | `-ü'"&<` | `abcdefghijklmnopqrstuvwxyz-ü'"&<` |
/// | `abcdefghijklmnopqrstuvwxyz` | empty | none |
/// | `abcdefghijklmnopqrstuvwxyz` | `x`, 128 times | the token and 128 `x` |
/// | `abcdefghijklmnopqrstuvwxyz` | `x`, 129 times | none |
/// | `abcdefghijklmnopqrstuvwxyz` | U+2028 | none |
/// | `ABCDEFGHIJKLMNOPQRSTUVWXYZ` | `m1` | none |
///
/// ```
/// use tower_xmpp::archive::computed_id;
///
/// let token = "abcdefghijklmnopqrstuvwxyz";
/// assert_eq!(computed_id(token, "m1").as_deref(), Some("abcdefghijklmnopqrstuvwxyzm1"));
/// assert_eq!(computed_id(token, "m 1"), None);
/// ```
pub fn computed_id(token: &str, message_id: &str) -> Option<String> {
    (is_token(token) && is_computable(message_id)).then(|| format!("{token}{message_id}"))
}

/// A new ID made by the server: `-`, then 26 characters of base32, which are
/// 130 random bits.
///
/// It tells nothing about the archive (XEP-0359 §6). The first character is
/// in no token, so an ID that a client computes can never be one of these.
pub fn new_id(entropy: &dyn Entropy) -> String {
    let mut id = String::with_capacity(1 + TOKEN_LENGTH);
    id.push('-');
    id.push_str(&entropy.token(TOKEN_LENGTH));
    id
}

/// Whether this can be a session's token.
pub(super) fn is_token(text: &str) -> bool {
    text.len() == TOKEN_LENGTH && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}

fn is_computable(message_id: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && c >= ' ' && !matches!(c, '\u{FFFE}' | '\u{FFFF}');
    (1..=LONGEST_MESSAGE_ID).contains(&message_id.len()) && message_id.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn the_vectors_of_the_documentation_hold() {
        let long = "x".repeat(LONGEST_MESSAGE_ID);
        for id in ["m1", "-ü'\"&<", &long, "é", "e\u{301}"] {
            assert_eq!(computed_id(TOKEN, id), Some(format!("{TOKEN}{id}")));
        }
        let odd = [
            "", "m1 ", "\u{2028}", "a\tb", "a\nb", "\u{A0}", "\u{FFFE}", "\u{1}",
        ];
        for id in odd.into_iter().chain([&*format!("{long}x")]) {
            assert_eq!(computed_id(TOKEN, id), None, "{id:?}");
        }
    }

    #[test]
    fn what_is_no_token_computes_nothing() {
        for token in [
            "",
            "abc",
            &TOKEN.to_uppercase(),
            "abcdefghijklmnopqrstuvwxy1",
            "-bcdefghijklmnopqrstuvwxyz",
        ] {
            assert_eq!(computed_id(token, "m1"), None, "{token}");
        }
    }

    /// Characters at which naive concatenations go wrong.
    fn ids() -> impl Strategy<Value = String> {
        "[-ab2.%_'\"&<>#]{0,6}|[a-z2-7]{20,60}|\\PC{0,40}"
    }

    proptest! {
        #[test]
        fn different_pairs_give_different_ids_and_none_is_one_of_the_servers(
            pairs in prop::collection::vec(("[ab2]{26}", ids()), 1..60),
            seed: u8,
        ) {
            let mut seen = HashMap::new();
            for (token, id) in pairs {
                if let Some(computed) = computed_id(&token, &id) {
                    prop_assert!(!computed.starts_with('-'));
                    let before = seen.insert(computed, (token.clone(), id.clone()));
                    prop_assert!(before.is_none_or(|before| before == (token, id)));
                }
            }
            let made = new_id(&move |bytes: &mut [u8]| bytes.fill(seed));
            prop_assert!(made.starts_with('-') && !seen.contains_key(&made));
        }
    }
}
