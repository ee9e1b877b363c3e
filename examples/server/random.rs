//! Chance, from the operating system.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Unpredictable bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// The same where there is a place for them.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides random bytes");
}

/// An identifier that cannot be guessed: 128 bits in 22 URL-safe characters.
pub fn id() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes::<16>())
}
