//! What the layer keeps in mind: sessions' tokens, and users' preferences.

use std::collections::HashMap;
use std::sync::Arc;

use jid::{BareJid, FullJid};

use crate::flow::Entropy;

use super::Preferences;
use super::id::{TOKEN_LENGTH, is_token};

/// A session that asked for its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its own, for as long as the session lives, resumptions included.
    pub(super) token: Arc<str>,
    /// One that the client says it had before.
    pub(super) previous: Option<Arc<str>>,
}

/// The sessions that asked. It is bounded by the sessions that there are.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<FullJid, Asked>);

impl Tokens {
    /// A session asks, maybe again; it may name the token it had before.
    pub(super) fn ask(
        &mut self,
        session: &FullJid,
        previous: Option<&str>,
        entropy: &dyn Entropy,
    ) -> Asked {
        let asked = self.0.entry(session.clone()).or_insert_with(|| Asked {
            token: entropy.token(TOKEN_LENGTH).into(),
            previous: None,
        });
        if let Some(previous) = previous.filter(|text| is_token(text)) {
            asked.previous = Some(previous.into());
        }
        asked.clone()
    }

    /// What a session was told.
    pub(super) fn of(&self, session: &FullJid) -> Option<&Asked> {
        self.0.get(session)
    }

    /// A session is over, and its token with it.
    pub(super) fn end(&mut self, session: &FullJid) {
        self.0.remove(session);
    }

    /// An account is gone.
    pub(super) fn remove(&mut self, account: &BareJid) {
        self.0.retain(|session, _| session.to_bare() != *account);
    }
}

/// Preferences that have been read, so that not every message asks the store.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<BareJid, Option<Arc<Preferences>>>);

impl Known {
    /// Accounts that are known at the same time, at most.
    const MOST: usize = 10_000;

    /// What an account wants, if that has been read: `None` inside if it
    /// never said.
    pub(super) fn of(&self, account: &BareJid) -> Option<Option<Arc<Preferences>>> {
        self.0.get(account).cloned()
    }

    /// It has been read, or set.
    pub(super) fn learn(&mut self, account: BareJid, preferences: Option<Arc<Preferences>>) {
        if self.0.len() >= Self::MOST && !self.0.contains_key(&account) {
            self.0.clear();
        }
        self.0.insert(account, preferences);
    }

    /// An account is gone, or nobody knows what the store holds.
    pub(super) fn forget(&mut self, account: &BareJid) {
        self.0.remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_token_whose_previous_may_be_named_later() {
        let mut tokens = Tokens::default();
        let count = std::sync::atomic::AtomicU8::new(0);
        let entropy = move |bytes: &mut [u8]| {
            bytes.fill(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        };
        let phone: FullJid = "alice@a.example/phone".parse().unwrap();
        let first = tokens.ask(&phone, None, &entropy);
        let previous = "a".repeat(TOKEN_LENGTH);
        let again = tokens.ask(&phone, Some(&previous), &entropy);
        assert_eq!(again.token, first.token);
        assert_eq!(again.previous.as_deref(), Some(&*previous));
        assert_eq!(tokens.ask(&phone, Some("nonsense"), &entropy), again);
        tokens.end(&phone);
        assert_eq!(tokens.of(&phone), None);
        assert_ne!(tokens.ask(&phone, None, &entropy).token, first.token);
        tokens.remove(&phone.to_bare());
        assert!(tokens.0.is_empty());
    }

    #[test]
    fn no_more_preferences_are_kept_in_mind_than_allowed() {
        let mut known = Known::default();
        for number in 0..=Known::MOST {
            known.learn(format!("a{number}@a.example").parse().unwrap(), None);
            assert!(known.0.len() <= Known::MOST);
        }
    }
}
