//! What a client wants to become of its roster (RFC 6121 §2.1.5, §2.3.3).

use std::collections::BTreeSet;

use jid::{BareJid, Jid};
use tower_xmpp::stanza::{Condition, ElementRef, ns};

/// How many groups a contact may be in.
const GROUPS: usize = 64;

/// How long a name may be, in bytes (RFC 6121 §2.3.3 leaves it to us).
const NAME: usize = 1_023;

/// What is to become of one contact.
#[derive(Debug, PartialEq)]
pub enum Wish {
    Set {
        contact: BareJid,
        name: Option<String>,
        groups: BTreeSet<String>,
    },
    Remove(BareJid),
}

/// Reads the payload of a roster set of the account.
pub fn read(query: ElementRef<'_>, account: &BareJid) -> Result<Wish, Condition> {
    let mut items = query.children();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(Condition::BadRequest);
    };
    let jid = item.attr("jid").filter(|_| item.is("item", ns::ROSTER));
    let jid = Jid::new(jid.ok_or(Condition::BadRequest)?);
    let contact = jid.map_err(|_| Condition::JidMalformed)?.to_bare();
    if item.attr("subscription") == Some("remove") {
        return Ok(Wish::Remove(contact));
    }
    if contact == *account {
        return Err(Condition::NotAllowed);
    }
    let fits = |text: &str| text.len() <= NAME;
    let name = item.attr("name").filter(|name| !name.is_empty());
    let mut groups = BTreeSet::new();
    for group in item
        .children()
        .filter(|child| child.is("group", ns::ROSTER))
    {
        let group = group.text();
        if group.is_empty() || !fits(&group) || groups.len() == GROUPS {
            return Err(Condition::NotAcceptable);
        }
        if !groups.insert(group) {
            return Err(Condition::BadRequest);
        }
    }
    if !name.is_none_or(fits) {
        return Err(Condition::NotAcceptable);
    }
    Ok(Wish::Set {
        contact,
        name: name.map(str::to_owned),
        groups,
    })
}

#[cfg(test)]
mod tests {
    use tower_xmpp::stanza::Element;

    use super::*;

    fn jid(text: &str) -> BareJid {
        BareJid::new(text).unwrap()
    }

    fn wish(inside: &str) -> Result<Wish, Condition> {
        let query = format!("<query xmlns='jabber:iq:roster'>{inside}</query>");
        let query = Element::parse(query.as_bytes()).unwrap();
        read(query.view(), &jid("alice@example.org"))
    }

    #[test]
    fn a_contact_is_set_with_its_name_and_groups() {
        let groups = ["a", "b"].map(String::from).into();
        let expected = Wish::Set {
            contact: jid("bob@example.org"),
            name: Some("Bob".into()),
            groups,
        };
        let item = "<item jid='Bob@example.org/x' name='Bob' subscription='both'>\
                    <group>b</group><group>a</group></item>";
        assert_eq!(wish(item), Ok(expected));
    }

    #[test]
    fn sets_that_are_none_get_the_error_of_the_rfc() {
        let long = "x".repeat(NAME + 1);
        for (inside, condition) in [
            (String::new(), Condition::BadRequest),
            ("<item/>".into(), Condition::BadRequest),
            ("<x jid='b@x'/>".into(), Condition::BadRequest),
            (
                "<item jid='b@x'/><item jid='c@x'/>".into(),
                Condition::BadRequest,
            ),
            ("<item jid='@'/>".into(), Condition::JidMalformed),
            (
                "<item jid='alice@example.org'/>".into(),
                Condition::NotAllowed,
            ),
            (
                "<item jid='b@x'><group/></item>".into(),
                Condition::NotAcceptable,
            ),
            (
                format!("<item jid='b@x' name='{long}'/>"),
                Condition::NotAcceptable,
            ),
            (
                "<item jid='b@x'><group>a</group><group>a</group></item>".into(),
                Condition::BadRequest,
            ),
        ] {
            assert_eq!(wish(&inside), Err(condition), "{inside}");
        }
    }
}
