//! SASL (RFC 6120 §6), the server's side, without a socket: what a client
//! sends goes in, the next step comes out.
//!
//! PLAIN and two SCRAMs are offered, since real clients know one or the
//! other. There is no channel binding: there is no TLS to bind to.

pub mod plain;
pub mod scram;

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jid::{BareJid, NodePart};

use super::accounts::Accounts;
use scram::Hash;

/// What is offered, strongest first.
pub const MECHANISMS: [Mechanism; 3] = [
    Mechanism::Scram(Hash::Sha256),
    Mechanism::Scram(Hash::Sha1),
    Mechanism::Plain,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Scram(Hash),
}

/// An exchange that waits for the client's next message.
pub struct Exchange(State);

enum State {
    Plain,
    ScramFirst(Hash),
    ScramLast(Box<scram::Waiting>, NodePart),
}

/// What a message of the client led to.
pub enum Step {
    Challenge(Exchange, Vec<u8>),
    Success(Success),
}

/// The client has proven to be this account; the data goes with the news.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    pub account: BareJid,
    pub data: Option<Vec<u8>>,
}

/// An attempt that failed, and whose name it bore if it got that far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub failure: Failure,
    pub name: Option<NodePart>,
}

/// RFC 6120 §6.5, as far as we have cause for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("aborted")]
    Aborted,
    #[error("encryption-required")]
    EncryptionRequired,
    #[error("incorrect-encoding")]
    IncorrectEncoding,
    #[error("invalid-authzid")]
    InvalidAuthzid,
    #[error("invalid-mechanism")]
    InvalidMechanism,
    #[error("malformed-request")]
    MalformedRequest,
    #[error("not-authorized")]
    NotAuthorized,
}

impl Mechanism {
    /// The name that is registered for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(Hash::Sha1) => "SCRAM-SHA-1",
            Self::Scram(Hash::Sha256) => "SCRAM-SHA-256",
        }
    }

    pub fn named(name: &str) -> Result<Self, Failure> {
        MECHANISMS
            .into_iter()
            .find(|mechanism| mechanism.name() == name)
            .ok_or(Failure::InvalidMechanism)
    }
}

impl Failure {
    fn of(self, name: NodePart) -> Refused {
        Refused {
            failure: self,
            name: Some(name),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            name: None,
        }
    }
}

impl Exchange {
    pub fn begin(mechanism: Mechanism) -> Self {
        Self(match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Scram(hash) => State::ScramFirst(hash),
        })
    }

    /// Takes the client's next message. `nonce` must be new each time.
    ///
    /// Checking a password by PLAIN takes milliseconds of computing: call it
    /// where nobody waits for the thread.
    pub fn respond(
        self,
        message: &[u8],
        accounts: &Accounts,
        nonce: &str,
    ) -> Result<Step, Refused> {
        let message = std::str::from_utf8(message).map_err(|_| Failure::MalformedRequest)?;
        match self.0 {
            State::Plain => {
                let login = plain::Login::parse(message)?;
                let name = prepare(login.name)?;
                // Any of our sets of keys will do; this is the stronger one.
                let keys = accounts.keys(&name, Hash::Sha256);
                if !keys.fit(Hash::Sha256, login.password) {
                    return Err(Failure::NotAuthorized.of(name));
                }
                succeed(accounts, name, login.authzid, None)
            }
            State::ScramFirst(hash) => {
                let first = scram::ClientFirst::parse(message)?;
                let name = prepare(&first.name)?;
                let keys = accounts.keys(&name, hash);
                let (waiting, challenge) = scram::Waiting::challenge(hash, keys, first, nonce);
                Ok(Step::Challenge(
                    Self(State::ScramLast(Box::new(waiting), name)),
                    challenge.into_bytes(),
                ))
            }
            State::ScramLast(waiting, name) => {
                let proven = match waiting.check(message) {
                    Ok(proven) => proven,
                    Err(failure) => return Err(failure.of(name)),
                };
                let data = Some(proven.answer.into_bytes());
                succeed(accounts, name, proven.authzid.as_deref(), data)
            }
        }
    }
}

/// Reads the content of `<auth/>` or `<response/>`. Nothing at all is `None`;
/// a lone `=` is a message of length zero (RFC 6120 §6.4.2).
pub fn decode(text: &str) -> Result<Option<Vec<u8>>, Failure> {
    match text.trim() {
        "" => Ok(None),
        "=" => Ok(Some(vec![])),
        text => BASE64_STANDARD
            .decode(text)
            .map(Some)
            .map_err(|_| Failure::IncorrectEncoding),
    }
}

/// Writes the content of `<challenge/>` or `<success/>`.
pub fn encode(message: &[u8]) -> String {
    BASE64_STANDARD.encode(message)
}

/// The user name as the local part of an address. One that is none cannot
/// be an account, and to say more than that would tell which names exist.
fn prepare(name: &str) -> Result<NodePart, Failure> {
    NodePart::new(name)
        .map(Cow::into_owned)
        .map_err(|_| Failure::NotAuthorized)
}

/// Nobody may act for another (RFC 6120 §6.3.8): the authorization identity,
/// if there is one, is the account's own bare JID.
fn succeed(
    accounts: &Accounts,
    name: NodePart,
    authzid: Option<&str>,
    data: Option<Vec<u8>>,
) -> Result<Step, Refused> {
    let account = accounts.address(&name);
    match authzid {
        Some(other) if BareJid::new(other).ok().as_ref() != Some(&account) => {
            Err(Failure::InvalidAuthzid.of(name))
        }
        _ => Ok(Step::Success(Success { account, data })),
    }
}

#[cfg(test)]
mod tests;
