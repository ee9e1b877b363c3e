//! What a session may say: each stanza is looked at once, before the stack
//! sees it.

use jid::{FullJid, Jid};
use tower_xmpp::stanza::{AddressFault, Condition, Kind, Stanza, StanzaError, Type};

use super::words::Fault;

/// What becomes of a stanza that a session sent.
#[derive(Debug)]
pub enum Admission {
    /// It enters the stack, from this session for certain.
    Enter(Stanza),
    /// It goes back with an error; the stream lives.
    Refuse(Stanza),
    /// It is nothing that could be answered.
    Ignore,
    /// The stream ends.
    End(Fault),
}

/// The rules, in order:
///
/// 1. `from` is absent or the session's own address, bare or full; else
///    `invalid-from` ends the stream (RFC 6120 §8.1.2.1, §4.9.3.9).
/// 2. `to` is an address, else `jid-malformed` (RFC 6120 §8.3.3.8).
/// 3. An IQ has an id, a known type, and as a request exactly one child, else
///    `bad-request` (RFC 6120 §8.2.3).
/// 4. A presence has a known type, else `bad-request` (RFC 6121 §4.7.1).
///    Unknown types of messages count as `normal` (RFC 6121 §5.2.2).
pub fn admit(mut stanza: Stanza, session: &FullJid) -> Admission {
    let fault = stanza.address_fault();
    let is_own = |from: &Jid| *from == *session || from.is_bare() && *from == session.to_bare();
    if fault == Some(AddressFault::From) || !stanza.from().is_none_or(is_own) {
        return Admission::End(Fault::InvalidFrom);
    }
    stanza.set_from(Some(session.clone().into()));
    let condition = match (fault, stanza.kind()) {
        (Some(_), _) => Condition::JidMalformed,
        (None, Kind::Iq) if !is_iq(&stanza) => Condition::BadRequest,
        (None, Kind::Presence) if !is_presence(&stanza) => Condition::BadRequest,
        _ => return Admission::Enter(stanza),
    };
    match stanza.error_reply(&StanzaError::new(condition)) {
        Some(reply) => Admission::Refuse(reply),
        None => Admission::Ignore,
    }
}

fn is_iq(stanza: &Stanza) -> bool {
    let children = || stanza.children().count();
    stanza.id().is_some_and(|id| !id.is_empty())
        && match stanza.type_() {
            Some(Type::Get | Type::Set) => children() == 1,
            Some(Type::Result | Type::Error) => true,
            _ => false,
        }
}

fn is_presence(stanza: &Stanza) -> bool {
    matches!(
        stanza.type_(),
        None | Some(
            Type::Unavailable
                | Type::Subscribe
                | Type::Subscribed
                | Type::Unsubscribe
                | Type::Unsubscribed
                | Type::Probe
                | Type::Error
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(xml: &str) -> Admission {
        let session = "alice@example.org/phone".parse().unwrap();
        admit(Stanza::parse(xml.as_bytes()).unwrap(), &session)
    }

    fn refused(xml: &str) -> Option<Condition> {
        match said(xml) {
            Admission::Refuse(reply) => {
                assert_eq!(reply.to().unwrap().as_str(), "alice@example.org/phone");
                Some(reply.error().unwrap().condition)
            }
            Admission::Enter(_) | Admission::Ignore => None,
            Admission::End(fault) => panic!("{fault}"),
        }
    }

    #[test]
    fn whoever_says_nothing_or_the_truth_about_itself_is_named_in_full() {
        for from in [
            "",
            "from='alice@example.org'",
            "from='ALICE@example.org/phone'",
        ] {
            let Admission::Enter(stanza) = said(&format!("<message {from}/>")) else {
                panic!("{from}");
            };
            assert_eq!(stanza.from().unwrap().as_str(), "alice@example.org/phone");
        }
    }

    #[test]
    fn a_claim_to_be_somebody_else_ends_the_stream() {
        for from in [
            "bob@example.org",
            "alice@example.org/desk",
            "example.org",
            "@",
            "",
        ] {
            let outcome = said(&format!("<message from='{from}'/>"));
            assert!(
                matches!(outcome, Admission::End(Fault::InvalidFrom)),
                "{from}"
            );
        }
    }

    #[test]
    fn an_address_that_is_none_is_named_malformed() {
        for xml in [
            "<message to='@'/>",
            "<iq type='get' id='1' to='a@/'><x xmlns='y'/></iq>",
        ] {
            assert_eq!(refused(xml), Some(Condition::JidMalformed), "{xml}");
        }
    }

    #[test]
    fn requests_that_are_none_are_bad() {
        for xml in [
            "<iq type='get'><x xmlns='y'/></iq>",
            "<iq type='get' id=''><x xmlns='y'/></iq>",
            "<iq type='set' id='1'/>",
            "<iq type='get' id='1'><x xmlns='y'/><x xmlns='y'/></iq>",
            "<iq type='please' id='1'><x xmlns='y'/></iq>",
            "<iq id='1'><x xmlns='y'/></iq>",
            "<presence type='asleep'/>",
        ] {
            assert_eq!(refused(xml), Some(Condition::BadRequest), "{xml}");
        }
    }

    #[test]
    fn a_bad_answer_is_not_answered() {
        for xml in ["<iq type='error'/>", "<message type='error' to='@'/>"] {
            assert!(matches!(said(xml), Admission::Ignore), "{xml}");
        }
    }

    #[test]
    fn what_needs_no_id_needs_no_id() {
        for xml in [
            "<message type='odd'/>",
            "<presence/>",
            "<iq type='result' id='1'/>",
        ] {
            assert!(matches!(said(xml), Admission::Enter(_)), "{xml}");
        }
    }
}
