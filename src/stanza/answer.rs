//! Answers to a stanza: results and errors.

use jid::Jid;

use super::error::StanzaError;
use super::head::{Address, Head};
use super::types::{Kind, Type};
use super::{Stanza, ns};

impl Stanza {
    /// The empty result of an IQ: its id, with the addresses swapped
    /// (RFC 6120 §8.2.3).
    pub fn reply(&self) -> Stanza {
        self.swapped().with_type(Type::Result)
    }

    /// The error that answers this stanza, without its payload. None for an
    /// error and for a result: nothing ever answers those (RFC 6120 §8.3.1).
    /// An address that is no JID is left out.
    pub fn error_reply(&self, error: &StanzaError) -> Option<Stanza> {
        if self.is_error() || (self.kind() == Kind::Iq && self.is_type(&Type::Result)) {
            return None;
        }
        Some(
            self.swapped()
                .with_type(Type::Error)
                .with_child(error.to_element()),
        )
    }

    /// The error that a stanza of type `error` carries.
    pub fn error(&self) -> Option<StanzaError> {
        if !self.is_error() {
            return None;
        }
        self.child("error", ns::CLIENT).map(StanzaError::read)
    }

    fn swapped(&self) -> Stanza {
        let jid = |address: Option<&Jid>| address.cloned().map(Address::Jid);
        let mut head = Head::new(self.kind());
        head.id = self.id().map(str::to_owned);
        head.from = jid(self.to());
        Stanza::from_head(head, jid(self.from()))
    }
}
