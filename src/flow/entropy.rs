/// Where random bytes come from.
///
/// The library has no randomness of its own: IDs must be unpredictable in a
/// server and repeatable in a test. Any `Fn(&mut [u8])` will do:
///
/// ```
/// use tower_xmpp::flow::Entropy;
///
/// // A server passes its system's source here, e.g. the `getrandom` crate's.
/// let zeros = |bytes: &mut [u8]| bytes.fill(0);
/// assert_eq!(zeros.token(26), "a".repeat(26));
/// ```
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);

    /// A string of `length` characters of lower-case base32, 5 random bits each.
    fn token(&self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut token = String::with_capacity(length);
        let mut bytes = [0; 32];
        while token.len() < length {
            let wanted = (length - token.len()).min(bytes.len());
            self.fill(&mut bytes[..wanted]);
            token.extend(
                bytes[..wanted]
                    .iter()
                    .map(|byte| char::from(ALPHABET[usize::from(byte & 31)])),
            );
        }
        token
    }
}

impl<F: Fn(&mut [u8]) + Send + Sync> Entropy for F {
    fn fill(&self, bytes: &mut [u8]) {
        self(bytes);
    }
}
