//! Who is mentioned (XEP-0372). Pure.

use std::collections::BTreeSet;

use jid::BareJid;

use crate::flow::Snapshot;
use crate::stanza::{ElementRef, Stanza, ns};

/// The members that a message mentions by the nicks they registered: all of
/// them. A nick that nobody registered is nobody.
pub(super) fn mentioned(message: &Stanza, snapshot: &Snapshot) -> BTreeSet<BareJid> {
    let body: Vec<char> = message.body_text().unwrap_or_default().chars().collect();
    let references = message
        .children()
        .filter(|child| child.is("reference", ns::REFERENCE))
        .filter(|child| child.attr("type") == Some("mention"));
    let nicks: BTreeSet<String> = references
        .filter_map(|reference| nick(reference, &body))
        .collect();
    let members = snapshot.members.iter();
    members
        .filter(|member| {
            let nick = member.nick.as_ref();
            nick.is_some_and(|nick| nicks.contains(nick))
        })
        .map(|member| member.jid.clone())
        .collect()
}

/// The words of the body that a reference points at, without the `@`.
fn nick(reference: ElementRef<'_>, body: &[char]) -> Option<String> {
    let place = |name| reference.attr(name)?.parse::<usize>().ok();
    let words = body.get(place("begin")?..place("end")?)?;
    let words: String = words.iter().collect();
    Some(words.strip_prefix('@').unwrap_or(&words).to_owned())
}
