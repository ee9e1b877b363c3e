//! Queries as they arrive: read, or refused by name. Nothing is looked up here.

use jid::Jid;

use crate::stanza::{Condition, ElementRef, Time, ns};

/// What somebody asks of an archive (XEP-0313 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: Option<String>,
    pub(super) with: Option<Jid>,
    pub(super) start: Option<Time>,
    pub(super) end: Option<Time>,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) ids: Option<Vec<String>>,
    pub(super) without_groupchat: bool,
    /// Sent with the newest first.
    pub(super) flipped: bool,
    pub(super) set: Set,
}

/// Which page of it (XEP-0059).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) max: Option<usize>,
    pub(super) after: Option<String>,
    /// `Some(None)`: the last page.
    pub(super) before: Option<Option<String>>,
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A field that is not announced (XEP-0313 §4.1).
    UnknownField,
    /// Pages by number (XEP-0059 §2.6).
    PageByNumber,
    /// A value that is none, a field twice, or a form of another type.
    Malformed,
    /// Both `<before/>` and `<after/>`, which nobody defined (XEP-0313 §9);
    /// there are fields for that.
    BothWays,
    /// More IDs than [`MOST_IDS`].
    TooManyIds,
}

/// How many messages may be asked for by ID at once.
pub(super) const MOST_IDS: usize = 256;

impl Refusal {
    pub(super) fn condition(self) -> Condition {
        match self {
            Refusal::UnknownField | Refusal::PageByNumber => Condition::FeatureNotImplemented,
            Refusal::Malformed | Refusal::BothWays => Condition::BadRequest,
            Refusal::TooManyIds => Condition::PolicyViolation,
        }
    }
}

/// Reads a `<query xmlns='urn:xmpp:mam:2'/>`; `groupchat` says whether the
/// field `include-groupchat` is announced.
pub(super) fn read(query: ElementRef<'_>, groupchat: bool) -> Result<Query, Refusal> {
    let mut read = Query {
        id: query.attr("queryid").map(str::to_owned),
        flipped: query.has_child("flip-page", ns::MAM),
        ..Query::default()
    };
    if let Some(form) = query.child("x", ns::DATA_FORMS) {
        read_form(&mut read, form, groupchat)?;
    }
    if let Some(set) = query.child("set", ns::RSM) {
        read.set = read_set(set)?;
    }
    Ok(read)
}

fn read_form(query: &mut Query, form: ElementRef<'_>, groupchat: bool) -> Result<(), Refusal> {
    let mut seen = Vec::new();
    for field in form.children().filter(|c| c.is("field", ns::DATA_FORMS)) {
        let name = field.attr("var").ok_or(Refusal::Malformed)?;
        if seen.contains(&name) {
            return Err(Refusal::Malformed);
        }
        seen.push(name);
        let values = field.children().filter(|c| c.is("value", ns::DATA_FORMS));
        let mut values = values.map(ElementRef::text);
        if name == "ids" {
            let ids: Vec<_> = values.take(MOST_IDS + 1).collect();
            if ids.len() > MOST_IDS {
                return Err(Refusal::TooManyIds);
            }
            query.ids = Some(ids);
            continue;
        }
        let value = values.next();
        if values.next().is_some() {
            return Err(Refusal::Malformed);
        }
        // An empty field is one that was not filled in (XEP-0004 §3.2).
        let value = value.filter(|value| !value.is_empty());
        match (name, value) {
            ("FORM_TYPE", Some(type_)) if type_ == ns::MAM => {}
            ("FORM_TYPE", _) => return Err(Refusal::Malformed),
            ("include-groupchat", Some(value)) if groupchat => {
                query.without_groupchat = !truth(&value)?;
            }
            ("with", Some(value)) => {
                query.with = Some(Jid::new(&value).map_err(|_| Refusal::Malformed)?);
            }
            ("start", Some(value)) => query.start = Some(time(&value)?),
            ("end", Some(value)) => query.end = Some(last_moment(time(&value)?)),
            ("before-id", value) => query.before = value,
            ("after-id", value) => query.after = value,
            ("with" | "start" | "end", None) => {}
            ("include-groupchat", None) if groupchat => {}
            _ => return Err(Refusal::UnknownField),
        }
    }
    // XEP-0068 §4.1: the first thing a form says is which one it is.
    match seen.contains(&"FORM_TYPE") {
        true => Ok(()),
        false => Err(Refusal::Malformed),
    }
}

fn read_set(set: ElementRef<'_>) -> Result<Set, Refusal> {
    if set.has_child("index", ns::RSM) {
        return Err(Refusal::PageByNumber);
    }
    let text = |name| set.child(name, ns::RSM).map(ElementRef::text);
    let max = text("max").map(|max| max.trim().parse::<u64>().map_err(|_| Refusal::Malformed));
    let read = Set {
        max: max
            .transpose()?
            .map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
        // An empty `<after/>` is the first page (XEP-0059 §2.2).
        after: text("after").filter(|id| !id.is_empty()),
        before: text("before").map(|id| Some(id).filter(|id| !id.is_empty())),
    };
    match read.after.is_some() && read.before.is_some() {
        true => Err(Refusal::BothWays),
        false => Ok(read),
    }
}

/// XEP-0004 §3.3, boolean.
fn truth(text: &str) -> Result<bool, Refusal> {
    match text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Refusal::Malformed),
    }
}

fn time(text: &str) -> Result<Time, Refusal> {
    text.trim().parse().map_err(|_| Refusal::Malformed)
}

/// Times are shown in whole milliseconds, so a client that asks for all until
/// one it was shown means that whole millisecond.
fn last_moment(time: Time) -> Time {
    let micros = time.micros();
    Time::from_micros(micros.saturating_add(999 - micros.rem_euclid(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Element;

    fn query(inside: &str) -> Result<Query, Refusal> {
        let xml = format!("<query xmlns='urn:xmpp:mam:2' queryid='q'>{inside}</query>");
        read(Element::parse(xml.as_bytes()).unwrap().view(), false)
    }

    fn form(fields: &str) -> Result<Query, Refusal> {
        query(&format!(
            "<x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>{fields}</x>"
        ))
    }

    fn field(name: &str, value: &str) -> Result<Query, Refusal> {
        form(&format!(
            "<field var='{name}'><value>{value}</value></field>"
        ))
    }

    fn set(inside: &str) -> Result<Set, Refusal> {
        let query = query(&format!(
            "<set xmlns='http://jabber.org/protocol/rsm'>{inside}</set>"
        ));
        query.map(|query| query.set)
    }

    #[test]
    fn an_empty_query_asks_for_everything() {
        let all = Query {
            id: Some("q".to_owned()),
            ..Query::default()
        };
        assert_eq!(query(""), Ok(all.clone()));
        assert_eq!(
            form("<field var='start'><value/></field><field var='with'/>"),
            Ok(all)
        );
    }

    #[test]
    fn what_is_not_announced_or_malformed_is_refused_by_name() {
        for (name, value, refusal) in [
            ("full-text", "x", Refusal::UnknownField),
            ("include-groupchat", "true", Refusal::UnknownField),
            ("with", "@", Refusal::Malformed),
            ("start", "yesterday", Refusal::Malformed),
            ("end", "2026-01-01", Refusal::Malformed),
            ("FORM_TYPE", "urn:xmpp:mam:2", Refusal::Malformed),
        ] {
            assert_eq!(field(name, value), Err(refusal), "{name}");
        }
        let other = "<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>x</value></field></x>";
        assert_eq!(query(other), Err(Refusal::Malformed));
        assert_eq!(query("<x xmlns='jabber:x:data'/>"), Err(Refusal::Malformed));
        let two = "<field var='with'><value>a</value><value>b</value></field>";
        assert_eq!(form(two), Err(Refusal::Malformed));
    }

    #[test]
    fn absurd_pages_are_refused_or_cut_down() {
        assert_eq!(set("<max>-1</max>"), Err(Refusal::Malformed));
        assert_eq!(set("<max>many</max>"), Err(Refusal::Malformed));
        assert_eq!(set("<index>3</index>"), Err(Refusal::PageByNumber));
        assert_eq!(set("<before/><after>x</after>"), Err(Refusal::BothWays));
        let largest = set("<max>18446744073709551615</max>").unwrap();
        assert_eq!(largest.max, Some(usize::MAX));
        assert_eq!(
            set("<max>18446744073709551616</max>"),
            Err(Refusal::Malformed)
        );
    }

    #[test]
    fn no_more_ids_are_looked_up_than_allowed() {
        let many = |many| {
            format!(
                "<field var='ids'>{}</field>",
                "<value>x</value>".repeat(many)
            )
        };
        assert_eq!(form(&many(MOST_IDS)).unwrap().ids.unwrap().len(), MOST_IDS);
        assert_eq!(form(&many(MOST_IDS + 1)), Err(Refusal::TooManyIds));
    }

    #[test]
    fn an_end_means_its_whole_millisecond() {
        let query = field("end", "2026-01-01T00:00:00.007Z").unwrap();
        let end = query.end.unwrap();
        assert_eq!(end.to_string(), "2026-01-01T00:00:00.007Z");
        assert_eq!(end.micros() % 1_000, 999);
    }
}
