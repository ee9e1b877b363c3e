//! Private XML storage (XEP-0049): older clients keep their bookmarks there,
//! and ask for them when they log in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use jid::BareJid;
use tower_xmpp::stanza::{Condition, Element, ElementRef, ns};

/// What one account may keep, in bytes of XML.
const CAPACITY: usize = 256 * 1024;

/// What is kept, by account, then by namespace and name.
#[derive(Default)]
pub struct Private(Mutex<HashMap<BareJid, Shelf>>);

type Shelf = BTreeMap<(String, String), Element>;

impl Private {
    /// Answers a request of the account for itself.
    pub fn iq(
        &self,
        account: &BareJid,
        is_get: bool,
        query: ElementRef<'_>,
    ) -> Result<Option<Element>, Condition> {
        // XEP-0049 §5: nothing to ask for, or no namespace to keep it under.
        if query.first_child().is_none() {
            return Err(Condition::NotAcceptable);
        }
        if query.children().any(|child| is_reserved(child)) {
            return Err(Condition::NotAcceptable);
        }
        let mut shelves = self.0.lock().unwrap();
        if is_get {
            let shelf = shelves.get(account);
            let mut answer = Element::new("query", ns::PRIVATE);
            for wanted in query.children() {
                let kept = shelf.and_then(|shelf| shelf.get(&key(wanted)));
                answer.push(
                    kept.cloned()
                        .unwrap_or_else(|| Element::new(wanted.name(), &wanted.ns())),
                );
            }
            return Ok(Some(answer));
        }
        let mut shelf = shelves.get(account).cloned().unwrap_or_default();
        for child in query.children() {
            shelf.insert(key(child), child.to_element());
        }
        let size: usize = shelf.values().map(|element| element.to_xml().len()).sum();
        if size > CAPACITY {
            return Err(Condition::ResourceConstraint);
        }
        shelves.insert(account.clone(), shelf);
        Ok(None)
    }
}

fn key(element: ElementRef<'_>) -> (String, String) {
    (element.ns(), element.name().to_owned())
}

/// XEP-0049 §2.3: the namespaces of XMPP itself are not for keeping.
fn is_reserved(element: ElementRef<'_>) -> bool {
    let namespace = element.ns();
    namespace.starts_with("jabber:") || namespace == "vcard-temp" || namespace == ns::PRIVATE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        private: &Private,
        account: &str,
        is_get: bool,
        inside: &str,
    ) -> Result<String, Condition> {
        let query = format!("<query xmlns='jabber:iq:private'>{inside}</query>");
        let query = Element::parse(query.as_bytes()).unwrap();
        let account = BareJid::new(account).unwrap();
        let answer = private.iq(&account, is_get, query.view())?;
        Ok(answer
            .map(|answer| {
                let kept = answer.first_child().unwrap();
                kept.text()
            })
            .unwrap_or_default())
    }

    #[test]
    fn what_is_kept_is_given_back_to_its_account_only() {
        let private = Private::default();
        let (set, get) = (
            "<storage xmlns='storage:bookmarks'>x</storage>",
            "<storage xmlns='storage:bookmarks'/>",
        );
        assert_eq!(ask(&private, "a@x", false, set), Ok("".into()));
        assert_eq!(ask(&private, "a@x", true, get), Ok("x".into()));
        assert_eq!(ask(&private, "b@x", true, get), Ok("".into()));
    }

    #[test]
    fn nothing_or_what_belongs_to_xmpp_is_not_acceptable() {
        let private = Private::default();
        for inside in ["", "<x xmlns='jabber:iq:roster'/>", "<x/>"] {
            for is_get in [true, false] {
                let outcome = ask(&private, "a@x", is_get, inside);
                assert_eq!(outcome, Err(Condition::NotAcceptable), "{inside}");
            }
        }
    }

    #[test]
    fn too_much_is_refused_and_changes_nothing() {
        let private = Private::default();
        let much = "x".repeat(CAPACITY / 2);
        let set = |ns: &str| {
            ask(
                &private,
                "a@x",
                false,
                &format!("<a xmlns='{ns}'>{much}</a>"),
            )
        };
        assert!(set("one").is_ok());
        assert_eq!(set("two"), Err(Condition::ResourceConstraint));
        assert!(set("one").is_ok());
        assert_eq!(
            ask(&private, "a@x", true, "<a xmlns='two'/>"),
            Ok("".into())
        );
    }
}
