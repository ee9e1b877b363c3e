//! The login itself (RFC 6120 §6), in the classic profile and in SASL2
//! (XEP-0388): what the client hears of each step, and how often it may try.

use std::sync::Arc;

use jid::{BareJid, NodeRef};
use tower_xmpp::stanza::{Element, ns};
use tracing::info;

use super::super::super::accounts::Accounts;
use super::super::super::random;
use super::super::super::sasl::{self, Exchange, Failure, Mechanism, Refused, Step};
use super::super::sasl2::{self, Wishes};
use super::super::words::Fault;
use super::{Negotiation, Next, Phase, Tls, Welcome};

/// A login under way, in one of two profiles.
pub(super) struct Attempt {
    exchange: Exchange,
    profile: Profile,
}

/// A step of the login, to be worked out.
pub struct Proof {
    exchange: Exchange,
    data: Vec<u8>,
    accounts: Arc<Accounts>,
    profile: Profile,
}

/// A step of the login that has been worked out.
pub struct Judged {
    step: Result<Step, Refused>,
    profile: Profile,
}

enum Profile {
    /// RFC 6120 §6
    Classic,
    /// XEP-0388, with what the client wants to have done on the way.
    Sasl2(Box<Wishes>),
}

impl Negotiation {
    /// RFC 6120 §6.4
    pub(super) fn classic(&mut self, element: &Element) -> Next {
        let attempt = match element.name() {
            "auth" => self.begin(element.attr("mechanism"), Profile::Classic),
            "response" => self.attempt(),
            "abort" => Err(Failure::Aborted),
            _ => return Next::Fail(None, Fault::NotAuthorized),
        };
        let data = sasl::decode(&element.text());
        let is_first = element.name() == "auth";
        self.advance(
            attempt,
            data.map(|data| data.or((!is_first).then(Vec::new))),
        )
    }

    /// XEP-0388 §2
    pub(super) fn sasl2(&mut self, element: &Element) -> Next {
        let (attempt, data) = match element.name() {
            "authenticate" => {
                let wishes = Box::new(Wishes::read(element.view()));
                let first = element.child("initial-response", ns::SASL2);
                (
                    self.begin(element.attr("mechanism"), Profile::Sasl2(wishes)),
                    first.map(|first| sasl2::decode(&first.text())).transpose(),
                )
            }
            "response" => (self.attempt(), sasl2::decode(&element.text()).map(Some)),
            "abort" => (Err(Failure::Aborted), Ok(None)),
            _ => return Next::Fail(None, Fault::NotAuthorized),
        };
        match attempt {
            Ok(_) => self.advance(attempt, data),
            Err(failure) => self.refuse_sasl2(failure.into()),
        }
    }

    fn begin(&mut self, mechanism: Option<&str>, profile: Profile) -> Result<Attempt, Failure> {
        if self.tls == Tls::Required {
            return Err(Failure::EncryptionRequired);
        }
        let mechanism = Mechanism::named(mechanism.unwrap_or_default())?;
        Ok(Attempt {
            exchange: Exchange::begin(mechanism),
            profile,
        })
    }

    /// The login that is under way; there is none afterwards.
    fn attempt(&mut self) -> Result<Attempt, Failure> {
        match &mut self.phase {
            Phase::Anonymous(attempt) => attempt.take().ok_or(Failure::MalformedRequest),
            Phase::Authenticated(_) => Err(Failure::MalformedRequest),
        }
    }

    fn advance(
        &mut self,
        attempt: Result<Attempt, Failure>,
        data: Result<Option<Vec<u8>>, Failure>,
    ) -> Next {
        self.phase = Phase::Anonymous(None);
        let Attempt { exchange, profile } = match attempt {
            Ok(attempt) => attempt,
            Err(failure) => return self.refuse(failure.into()),
        };
        let step = match data {
            Ok(Some(data)) => {
                return Next::Judge(Proof {
                    exchange,
                    data,
                    accounts: self.accounts.clone(),
                    profile,
                });
            }
            Ok(None) => Ok(Step::Challenge(exchange, vec![])),
            Err(failure) => Err(failure.into()),
        };
        self.judged(Judged { step, profile })
    }

    /// A step of the login has been worked out.
    pub fn judged(&mut self, Judged { step, profile }: Judged) -> Next {
        match (step, profile) {
            (Ok(Step::Challenge(exchange, challenge)), profile) => {
                let xmlns = profile.namespace();
                self.phase = Phase::Anonymous(Some(Attempt { exchange, profile }));
                let challenge = sasl::encode(&challenge);
                Next::Say(vec![format!(
                    "<challenge xmlns='{xmlns}'>{challenge}</challenge>"
                )])
            }
            (Ok(Step::Success(success)), Profile::Classic) => {
                let data = success.data.map(|data| sasl::encode(&data));
                self.phase = Phase::Authenticated(success.account);
                self.forking.authenticated();
                let data = data.unwrap_or_default();
                Next::SayAndRestart(format!("<success xmlns='{}'>{data}</success>", ns::SASL))
            }
            // XEP-0388 §2.4: the header must not name somebody else.
            (Ok(Step::Success(success)), Profile::Sasl2(_)) if !self.is_from(&success.account) => {
                self.refuse_sasl2(Failure::InvalidAuthzid.into())
            }
            (Ok(Step::Success(success)), Profile::Sasl2(wishes)) => {
                self.phase = Phase::Authenticated(success.account.clone());
                self.forking.authenticated();
                Next::Welcome(Welcome {
                    success,
                    wishes: *wishes,
                })
            }
            (Err(refused), Profile::Classic) => self.refuse(refused),
            (Err(refused), Profile::Sasl2(_)) => self.refuse_sasl2(refused),
        }
    }

    fn is_from(&self, account: &BareJid) -> bool {
        let from = self.from.as_deref().map(jid::Jid::new);
        from.is_none_or(|from| from.is_ok_and(|from| from.to_bare() == *account))
    }

    fn refuse(&mut self, refused: Refused) -> Next {
        let failure = refused.failure;
        let said = format!("<failure xmlns='{}'><{failure}/></failure>", ns::SASL);
        self.tried(&refused, said)
    }

    fn refuse_sasl2(&mut self, refused: Refused) -> Next {
        let said = sasl2::failure(refused.failure);
        self.tried(&refused, said)
    }

    fn tried(&mut self, refused: &Refused, said: String) -> Next {
        let Refused { failure, name } = refused;
        self.phase = Phase::Anonymous(None);
        self.tries -= 1;
        info!(name = name.as_deref().map(NodeRef::as_str), %failure, "login failed");
        match self.tries {
            0 => Next::Fail(Some(said), Fault::TooManyTries),
            _ => Next::Say(vec![said]),
        }
    }
}

impl Proof {
    /// Takes milliseconds of computing for a password: to be called where nobody
    /// waits for the thread.
    pub fn judge(self) -> Judged {
        let Self {
            exchange,
            data,
            accounts,
            profile,
        } = self;
        let step = exchange.respond(&data, &accounts, &random::id());
        Judged { step, profile }
    }
}

impl Profile {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Classic => ns::SASL,
            Self::Sasl2(_) => ns::SASL2,
        }
    }
}
