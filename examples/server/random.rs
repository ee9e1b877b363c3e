//! Chance, from the operating system.

use std::cell::RefCell;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Unpredictable bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// The same where there is a place for them. Each thread asks for some ahead: an archive
/// ID for each message would be a system call for each.
pub fn fill(bytes: &mut [u8]) {
    AHEAD.with_borrow_mut(|(ahead, used)| {
        if bytes.len() > ahead.len() - *used {
            ask(ahead);
            *used = 0;
        }
        match ahead[*used..].get_mut(..bytes.len()) {
            Some(next) => {
                bytes.copy_from_slice(next);
                // Nobody finds later what was given away.
                next.fill(0);
                *used += bytes.len();
            }
            None => ask(bytes),
        }
    });
}

thread_local! {
    /// Bytes that a thread has asked for, and how many of them it has given away.
    static AHEAD: RefCell<([u8; 1024], usize)> = const { RefCell::new(([0; 1024], 1024)) };
}

fn ask(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides random bytes");
}

/// An identifier that cannot be guessed: 128 bits in 22 URL-safe characters.
pub fn id() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes::<16>())
}
