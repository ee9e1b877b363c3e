//! Answers as they leave: results, ends, forms. Nothing is looked up here.

use jid::{BareJid, Jid};

use crate::stanza::{Element, ParseError, RawXml, Stanza, ns};

use super::Entry;
use super::query::Query;

/// One archived message, for who asked (XEP-0313 §4.2).
pub(super) fn result(
    archive: &BareJid,
    asker: &Jid,
    query: &Query,
    entry: &Entry,
) -> Result<Stanza, ParseError> {
    let archived = Stanza::parse(&entry.row.stanza)?;
    let mut result = RawXml::build("result", ns::MAM);
    if let Some(id) = &query.id {
        result = result.attr("queryid", id);
    }
    let result = result
        .attr("id", &entry.row.id)
        .open("forwarded", ns::FORWARD)
        .open("delay", ns::DELAY)
        .attr("stamp", &entry.row.at.to_string())
        .close()
        .stanza(&archived)
        .finish();
    Ok(Stanza::message()
        .with_from(archive.clone())
        .with_to(asker.clone())
        .with_child(result))
}

/// What says that a page is over (XEP-0313 §4.3.2).
pub(super) fn fin(page: &[Entry], is_complete: bool) -> RawXml {
    let mut fin = RawXml::build("fin", ns::MAM);
    if is_complete {
        fin = fin.attr("complete", "true");
    }
    let mut fin = fin.open("set", ns::RSM);
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        fin = fin.open("first", ns::RSM).text(&first.row.id).close();
        fin = fin.open("last", ns::RSM).text(&last.row.id).close();
    }
    fin.finish()
}

/// What can be asked for (XEP-0313 §4.1.5). Nothing must be.
pub(super) fn form(groupchat: bool) -> Element {
    let field = |type_: &str, name: &str| {
        Element::new("field", ns::DATA_FORMS)
            .with_attr("type", type_)
            .with_attr("var", name)
    };
    let value = Element::new("value", ns::DATA_FORMS).with_text(ns::MAM);
    let validate = Element::new("validate", "http://jabber.org/protocol/xdata-validate")
        .with_attr("datatype", "xs:string")
        .with_child(Element::new(
            "open",
            "http://jabber.org/protocol/xdata-validate",
        ));
    let mut form = Element::new("x", ns::DATA_FORMS)
        .with_attr("type", "form")
        .with_child(field("hidden", "FORM_TYPE").with_child(value))
        .with_child(field("jid-single", "with"))
        .with_child(field("text-single", "start"))
        .with_child(field("text-single", "end"))
        .with_child(field("text-single", "before-id"))
        .with_child(field("text-single", "after-id"))
        .with_child(field("list-multi", "ids").with_child(validate));
    if groupchat {
        form.push(field("boolean", "include-groupchat"));
    }
    Element::new("query", ns::MAM).with_child(form)
}

/// Both ends of an archive (XEP-0313 §5).
pub(super) fn metadata(ends: Option<(&Entry, &Entry)>) -> Element {
    let end = |name, entry: &Entry| {
        Element::new(name, ns::MAM)
            .with_attr("id", entry.row.id.as_str())
            .with_attr("timestamp", entry.row.at.to_string())
    };
    let metadata = Element::new("metadata", ns::MAM);
    match ends {
        Some((oldest, newest)) => metadata
            .with_child(end("start", oldest))
            .with_child(end("end", newest)),
        None => metadata,
    }
}
