//! Private XML storage (XEP-0049): older clients keep things there and ask for
//! them when they log in. Their bookmarks are seen to in
//! [`legacy`](super::pep::legacy).

use jid::BareJid;
use rusqlite::{Connection, OptionalExtension};
use tower_xmpp::stanza::{Condition, Element, ElementRef, ns};

use super::super::storage::{Storage, element};
use super::{Answer, Denied};

/// What one account may keep, in bytes of XML.
const CAPACITY: usize = 256 * 1024;

/// What is kept, by account, then by namespace and name.
pub struct Private(Storage);

impl Private {
    pub fn new(storage: Storage) -> Self {
        Self(storage)
    }

    /// Answers a request of the account for itself.
    pub async fn iq(
        &self,
        account: &BareJid,
        is_get: bool,
        query: ElementRef<'_>,
    ) -> Result<Answer, Denied> {
        // XEP-0049 §5: nothing to ask for, or no namespace to keep it under.
        if query.first_child().is_none() || query.children().any(is_reserved) {
            return Err(Condition::NotAcceptable.into());
        }
        let account = account.clone();
        let elements: Vec<_> = query.children().map(ElementRef::to_element).collect();
        if is_get {
            let read = self.0.run(move |db| {
                let mut answer = Element::new("query", ns::PRIVATE);
                for wanted in &elements {
                    let kept = get(db, &account, wanted)?;
                    answer.push(kept.unwrap_or_else(|| Element::new(wanted.name(), &wanted.ns())));
                }
                Ok(answer)
            });
            return Ok(Answer::of(read.await?));
        }
        let written = self.0.run(move |db| {
            if size_with(db, &account, &elements)? > CAPACITY {
                return Ok(Err(Condition::ResourceConstraint));
            }
            for element in &elements {
                put(db, &account, element)?;
            }
            Ok(Ok(()))
        });
        written.await??;
        Ok(Answer::default())
    }
}

/// XEP-0049 §2.3: the namespaces of XMPP itself are not for keeping.
fn is_reserved(element: ElementRef<'_>) -> bool {
    let namespace = element.ns();
    namespace.starts_with("jabber:") || namespace == "vcard-temp" || namespace == ns::PRIVATE
}

fn get(db: &Connection, account: &BareJid, like: &Element) -> rusqlite::Result<Option<Element>> {
    let find = "SELECT xml FROM private_xml WHERE account = ?1 AND namespace = ?2 AND name = ?3";
    let mut find = db.prepare_cached(find)?;
    let key = (account.as_str(), like.ns(), like.name());
    find.query_row(key, |row| element(row, 0)).optional()
}

fn put(db: &Connection, account: &BareJid, element: &Element) -> rusqlite::Result<()> {
    let put = "INSERT OR REPLACE INTO private_xml VALUES (?1, ?2, ?3, ?4)";
    let row = (
        account.as_str(),
        element.ns(),
        element.name(),
        element.to_xml(),
    );
    db.prepare_cached(put)?.execute(row)?;
    Ok(())
}

/// How much it is with these in their places.
fn size_with(db: &Connection, account: &BareJid, new: &[Element]) -> rusqlite::Result<usize> {
    let sizes = "SELECT namespace, name, octet_length(xml) FROM private_xml WHERE account = ?1";
    let mut sizes = db.prepare_cached(sizes)?;
    let mut rows = sizes.query([account.as_str()])?;
    let mut total: usize = new.iter().map(|element| element.to_xml().len()).sum();
    while let Some(row) = rows.next()? {
        let (namespace, name): (String, String) = (row.get(0)?, row.get(1)?);
        if !new.iter().any(|element| element.is(&name, &namespace)) {
            total += row.get::<_, usize>(2)?;
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> Private {
        Private::new(Storage::open(None).unwrap())
    }

    async fn ask(
        private: &Private,
        account: &str,
        is_get: bool,
        inside: &str,
    ) -> Result<String, Condition> {
        let query = format!("<query xmlns='jabber:iq:private'>{inside}</query>");
        let query = Element::parse(query.as_bytes()).unwrap();
        let account = BareJid::new(account).unwrap();
        match private.iq(&account, is_get, query.view()).await {
            Ok(Answer { payload: None, .. }) => Ok(String::new()),
            Ok(Answer {
                payload: Some(kept),
                ..
            }) => Ok(kept.first_child().unwrap().text()),
            Err(Denied::Refused(error)) => Err(error.condition),
            Err(Denied::Broken(failed)) => panic!("{failed}"),
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_given_back_to_its_account_only() {
        let private = private();
        let (set, get) = (
            "<storage xmlns='storage:bookmarks'>x</storage>",
            "<storage xmlns='storage:bookmarks'/>",
        );
        assert_eq!(ask(&private, "a@x", false, set).await, Ok("".into()));
        assert_eq!(ask(&private, "a@x", true, get).await, Ok("x".into()));
        assert_eq!(ask(&private, "b@x", true, get).await, Ok("".into()));
    }

    #[tokio::test]
    async fn nothing_or_what_belongs_to_xmpp_is_not_acceptable() {
        let private = private();
        for inside in ["", "<x xmlns='jabber:iq:roster'/>", "<x/>"] {
            for is_get in [true, false] {
                let outcome = ask(&private, "a@x", is_get, inside).await;
                assert_eq!(outcome, Err(Condition::NotAcceptable), "{inside}");
            }
        }
    }

    #[tokio::test]
    async fn too_much_is_refused_and_changes_nothing() {
        let private = private();
        let much = "x".repeat(CAPACITY / 2);
        let set = async |ns: &str| {
            let element = format!("<a xmlns='{ns}'>{much}</a>");
            ask(&private, "a@x", false, &element).await
        };
        assert!(set("one").await.is_ok());
        assert_eq!(set("two").await, Err(Condition::ResourceConstraint));
        assert!(set("one").await.is_ok());
        let two = ask(&private, "a@x", true, "<a xmlns='two'/>").await;
        assert_eq!(two, Ok("".into()));
    }
}
