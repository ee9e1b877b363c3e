//! Versions of a roster (RFC 6121 §2.6): a client that kept one is told that it
//! is still good, instead of all contacts.
//!
//! A version is made of the roster that it names. So there is nothing to keep,
//! it outlives the process, and a roster that comes back from a backup cannot
//! be taken for one that the client has seen since.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tower_xmpp::stanza::{Element, ElementRef};

use super::shelf::Item;

/// How much of the hash is enough, in bytes: nobody gains by two alike.
const LENGTH: usize = 16;

/// One contact as clients see it now, or that it is gone, and the roster of
/// which this is the newest part.
#[derive(Debug)]
pub struct Update {
    pub item: Element,
    pub version: String,
}

/// The version of a roster, whose contacts are in order.
pub fn of(roster: &[Item]) -> String {
    let mut hash = Sha256::new();
    for item in roster {
        hash.update(item.show().to_xml());
    }
    BASE64_URL_SAFE_NO_PAD.encode(&hash.finalize()[..LENGTH])
}

/// Whether the client that asks has this version (§2.6.2).
pub fn is_known(query: ElementRef<'_>, version: &str) -> bool {
    query.attr("ver") == Some(version)
}
