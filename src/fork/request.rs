//! What a client asks of us by IQ (XEP-0280 §4, §5).

use crate::stanza::{Condition, Stanza, Type, ns};

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Copies on.
    Enable,
    /// Copies off.
    Disable,
}

/// Reads an IQ request that mentions carbons.
///
/// An IQ request has exactly one child (RFC 6120 §8.2.3), and carbons know
/// only of two, both of type set; what they contain does not matter.
pub(super) fn read(iq: &Stanza) -> Result<Request, Condition> {
    let mut children = iq.children();
    match (children.next(), children.next()) {
        (Some(payload), None) if iq.is_type(&Type::Set) => {
            if payload.is("enable", ns::CARBONS) {
                Ok(Request::Enable)
            } else if payload.is("disable", ns::CARBONS) {
                Ok(Request::Disable)
            } else {
                Err(Condition::BadRequest)
            }
        }
        _ => Err(Condition::BadRequest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(type_: &str, payload: &str) -> Result<Request, Condition> {
        let iq = format!("<iq type='{type_}' id='c1'>{payload}</iq>");
        read(&Stanza::parse(iq.as_bytes()).unwrap())
    }

    #[test]
    fn a_client_can_switch_copies_on_and_off() {
        assert_eq!(
            ask("set", "<enable xmlns='urn:xmpp:carbons:2'/>"),
            Ok(Request::Enable)
        );
        assert_eq!(
            ask("set", "<disable xmlns='urn:xmpp:carbons:2'/>"),
            Ok(Request::Disable)
        );
    }

    #[test]
    fn what_is_neither_is_a_bad_request() {
        for (type_, payload) in [
            ("get", "<enable xmlns='urn:xmpp:carbons:2'/>"),
            ("set", "<private xmlns='urn:xmpp:carbons:2'/>"),
            (
                "set",
                "<enable xmlns='urn:xmpp:carbons:2'/><disable xmlns='urn:xmpp:carbons:2'/>",
            ),
            ("set", "<enable xmlns='urn:xmpp:im-ng:0'/>"),
            ("set", ""),
        ] {
            assert_eq!(ask(type_, payload), Err(Condition::BadRequest), "{payload}");
        }
    }
}
