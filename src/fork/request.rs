//! What a client asks of us by IQ (XEP-0280 §4, §5; XEP-0409).

use crate::stanza::{Condition, NsSet, Stanza, Type, ns};

use super::Mode;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// This mode on.
    Enable(Mode),
    /// This mode off.
    Disable(Mode),
}

/// Whether an IQ is for [`read`].
#[inline]
pub(super) fn is_request(iq: &Stanza) -> bool {
    iq.mentions_any(&ASKED) && iq.is_request()
}

const ASKED: NsSet = NsSet::of(&[ns::CARBONS, ns::IM_NG]);

/// Reads an IQ request that mentions carbons or IM-NG.
///
/// An IQ request has exactly one child (RFC 6120 §8.2.3). There are three,
/// all of type set: IM-NG has no way back. What they contain does not matter.
pub(super) fn read(iq: &Stanza) -> Result<Request, Condition> {
    let mut children = iq.children();
    match (children.next(), children.next()) {
        (Some(payload), None) if iq.is_type(&Type::Set) => {
            if payload.is("enable", ns::CARBONS) {
                Ok(Request::Enable(Mode::Carbons))
            } else if payload.is("disable", ns::CARBONS) {
                Ok(Request::Disable(Mode::Carbons))
            } else if payload.is("enable", ns::IM_NG) {
                Ok(Request::Enable(Mode::ImNg))
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
    fn a_client_can_switch_carbons_on_and_off_and_im_ng_on() {
        assert_eq!(
            ask("set", "<enable xmlns='urn:xmpp:carbons:2'/>"),
            Ok(Request::Enable(Mode::Carbons))
        );
        assert_eq!(
            ask("set", "<disable xmlns='urn:xmpp:carbons:2'/>"),
            Ok(Request::Disable(Mode::Carbons))
        );
        assert_eq!(
            ask("set", "<enable xmlns='urn:xmpp:im-ng:0'/>"),
            Ok(Request::Enable(Mode::ImNg))
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
            ("set", "<disable xmlns='urn:xmpp:im-ng:0'/>"),
            ("set", "<enable xmlns='urn:xmpp:mr2:0'/>"),
            ("set", ""),
        ] {
            assert_eq!(ask(type_, payload), Err(Condition::BadRequest), "{payload}");
        }
    }
}
