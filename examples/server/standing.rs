//! What a session told us about itself: how it shows itself, to whom, and of
//! what it wants to hear.

use std::collections::BTreeSet;

use jid::Jid;
use tower_xmpp::stanza::Stanza;

use super::services::pep::interest::Asked;

/// What a session told us about itself.
#[derive(Default)]
pub struct Standing {
    /// The last presence it broadcast, with its priority, while it is available.
    pub available: Option<(Stanza, i8)>,
    /// To whom it sent presence besides (RFC 6121 §4.6).
    pub directed: BTreeSet<Jid>,
    /// It asked for the roster, and so hears of changes (RFC 6121 §2.1.6).
    pub wants_roster: bool,
    /// It asked whom the account blocks, and so hears of changes.
    pub wants_blocks: bool,
    /// The nodes of which it wants to hear (XEP-0163 §4.3.2).
    pub interests: BTreeSet<String>,
    /// What it was asked, to know that.
    pub asked: Asked,
}

impl Standing {
    /// The client has broadcast this presence. Returns its priority before, if
    /// it was available.
    pub fn show(&mut self, presence: &Stanza, priority: i8) -> Option<i8> {
        // As it came, without the tree that was made to read the priority: it is
        // kept as long as the client is there.
        let kept = Stanza::parse(presence.to_xml().as_bytes());
        let kept = kept.unwrap_or_else(|_| presence.clone());
        let before = self.available.replace((kept, priority));
        before.map(|(_, priority)| priority)
    }

    pub fn is_available(&self) -> bool {
        self.available.is_some()
    }

    pub fn priority(&self) -> Option<i8> {
        self.available.as_ref().map(|(_, priority)| *priority)
    }
}
