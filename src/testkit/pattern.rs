//! XML subsets: what is named must be there, what is not named may be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::stanza::{Element, ElementRef, Stanza, ns};

use super::Xml;
use super::script::SCANSION;
use super::seen::Seen;

/// What a stanza is to look like.
///
/// * Every attribute, child and text that the pattern names must be there;
///   children in any order, each pattern child matched by another child. What
///   it does not name may be there too.
/// * `'$name'` as the whole value of an attribute or the whole text of an
///   element stands for any value; the same name twice, for the same value
///   twice. The values are in [`Got`]. `'$_'` is any value, not remembered;
///   `'$none'` says that the attribute is not there. `$$` is a dollar sign.
/// * Children of `<absent>` must not be there:
///   `<message><absent><delay xmlns='urn:xmpp:delay'/></absent></message>`.
#[derive(Clone, Debug)]
pub struct Pattern {
    root: Element,
}

/// A stanza that matched, and what its pattern captured: `got["name"]`.
#[derive(Clone, Debug)]
pub struct Got {
    /// The stanza.
    pub stanza: Stanza,
    captures: Captures,
}

type Captures = BTreeMap<String, String>;

/// Why a stanza does not match.
type Mismatch = String;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Panics
    /// If the text is not one well-formed element; the panic shows the text.
    #[track_caller]
    pub fn new(text: &str) -> Self {
        match Self::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match Element::parse(text.as_bytes()) {
            Ok(root) => Ok(Self { root }),
            Err(error) => Err(format!("this is not a pattern ({error}):\n  {text}")),
        }
    }

    /// Compares.
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn compare(&self, stanza: &Stanza) -> Result<Got, String> {
        let mut captures = Captures::new();
        element(self.root.view(), Seen::Stanza(stanza), &mut captures)?;
        Ok(Got {
            stanza: stanza.clone(),
            captures,
        })
    }

    /// The pattern as XML.
    pub fn as_xml(&self) -> String {
        short(&self.root.to_xml())
    }
}

impl Got {
    /// The value captured as `$name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.captures.get(name).map(String::as_str)
    }

    pub(super) fn captures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.captures
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::ops::Index<&str> for Got {
    type Output = str;

    fn index(&self, name: &str) -> &str {
        match self.get(name) {
            Some(value) => value,
            None => panic!("the pattern has no ${name}"),
        }
    }
}

impl From<&str> for Pattern {
    #[track_caller]
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Pattern {
    #[track_caller]
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Xml> for Pattern {
    #[track_caller]
    fn from(text: Xml) -> Self {
        Self::new(text.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_xml())
    }
}

/// XML for the eye: without the namespace that everything has.
pub(super) fn short(xml: &str) -> String {
    xml.replacen(" xmlns='jabber:client'", "", 1)
        .replacen(" xmlns=\"jabber:client\"", "", 1)
}

fn element(
    pattern: ElementRef<'_>,
    seen: Seen<'_>,
    captures: &mut Captures,
) -> Result<(), Mismatch> {
    if !seen.is(pattern.name(), &pattern.ns()) {
        return Err(format!(
            "expected {}, is {}",
            named(pattern.name(), &pattern.ns()),
            named(seen.name(), &seen.ns())
        ));
    }
    let attributes = pattern.attrs();
    for (namespace, name, value) in attributes.filter(|(ns, ..)| *ns != Some(SCANSION)) {
        let actual = seen.attr(namespace, name);
        text(value, actual.as_deref(), captures)
            .map_err(|why| format!("attribute {name} of <{}>: {why}", pattern.name()))?;
    }
    let wanted = pattern.text();
    let wanted = wanted.trim();
    if !wanted.is_empty() {
        text(wanted, Some(seen.text().trim()), captures)
            .map_err(|why| format!("text of <{}>: {why}", pattern.name()))?;
    }
    let there = seen.children();
    let (absent, wanted): (Vec<_>, Vec<_>) = pattern
        .children()
        .partition(|child| child.is("absent", ns::CLIENT));
    children(&wanted, &there, &mut vec![false; there.len()], captures)
        .map_err(|why| format!("in <{}>: {why}", pattern.name()))?;
    if pattern.attr_ns(SCANSION, "strict") == Some("true") {
        exact(pattern, seen)?;
    }
    for forbidden in absent.iter().flat_map(|absent| absent.children()) {
        let found = there.iter().find(|child| {
            element(forbidden, Seen::Element(**child), &mut captures.clone()).is_ok()
        });
        if let Some(found) = found {
            return Err(format!(
                "in <{}>: must not be there: {}",
                pattern.name(),
                found.to_xml()
            ));
        }
    }
    Ok(())
}

/// A script may ask that an element has nothing else.
fn exact(pattern: ElementRef<'_>, seen: Seen<'_>) -> Result<(), Mismatch> {
    let named = pattern.attrs().filter(|(ns, ..)| *ns != Some(SCANSION));
    let is_more = named.count() != seen.attr_count()
        || pattern.children().count() != seen.children().len()
        || pattern.text().trim().is_empty() != seen.text().trim().is_empty();
    match is_more {
        true => Err(format!("there is more in {}", seen.to_xml())),
        false => Ok(()),
    }
}

/// Finds a child for each pattern, trying another where a choice leads nowhere.
fn children(
    wanted: &[ElementRef<'_>],
    there: &[ElementRef<'_>],
    used: &mut Vec<bool>,
    captures: &mut Captures,
) -> Result<(), Mismatch> {
    let Some((first, rest)) = wanted.split_first() else {
        return Ok(());
    };
    let mut nearest = None;
    for (position, child) in there.iter().enumerate() {
        if used[position] {
            continue;
        }
        let mut tried = captures.clone();
        let outcome = element(*first, Seen::Element(*child), &mut tried).and_then(|()| {
            used[position] = true;
            let rest = children(rest, there, used, &mut tried);
            used[position] = false;
            rest
        });
        match outcome {
            Ok(()) => {
                *captures = tried;
                return Ok(());
            }
            Err(why) if child.is(first.name(), &first.ns()) => {
                nearest.get_or_insert(why);
            }
            Err(_) => {}
        }
    }
    Err(nearest.unwrap_or_else(|| format!("no {}", named(first.name(), &first.ns()))))
}

fn text(pattern: &str, actual: Option<&str>, captures: &mut Captures) -> Result<(), Mismatch> {
    let expected = match pattern.strip_prefix('$') {
        Some("none") => {
            return match actual {
                None => Ok(()),
                Some(actual) => Err(format!("must not be there, is '{actual}'")),
            };
        }
        Some("_") if actual.is_some() => return Ok(()),
        Some(name) if is_name(name) => {
            let Some(actual) = actual else {
                return Err(format!("expected any ${name}, is not there"));
            };
            match captures.get(name) {
                None => {
                    captures.insert(name.to_owned(), actual.to_owned());
                    return Ok(());
                }
                Some(before) => Cow::from(before.clone()),
            }
        }
        _ => Cow::from(pattern.replace("$$", "$")),
    };
    match actual {
        Some(actual) if actual == expected => Ok(()),
        Some(actual) => Err(format!("expected '{expected}', is '{actual}'")),
        None => Err(format!("expected '{expected}', is not there")),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn named(name: &str, namespace: &str) -> String {
    match namespace {
        ns::CLIENT => format!("<{name}>"),
        other => format!("<{name} xmlns='{other}'>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::IntoStanza;

    const HI: &str = "<message from='bob@b.example/x' id='m1' type='chat'><body>hi</body>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='s1'/>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='bob@b.example' id='s2'/></message>";

    fn compare(pattern: &str) -> Result<Got, String> {
        Pattern::new(pattern).compare(&HI.into_stanza())
    }

    fn why_not(pattern: &str) -> String {
        compare(pattern).expect_err("it must not match")
    }

    #[test]
    fn what_is_not_named_may_be_there() {
        assert!(compare("<message/>").is_ok());
        assert!(compare("<message id='m1'><body/></message>").is_ok());
    }

    #[test]
    fn a_wrong_attribute_is_named_with_both_values() {
        assert_eq!(
            why_not("<message id='m2'/>"),
            "attribute id of <message>: expected 'm2', is 'm1'"
        );
        assert_eq!(
            why_not("<message to='bob@b.example'/>"),
            "attribute to of <message>: expected 'bob@b.example', is not there"
        );
    }

    #[test]
    fn wrong_text_and_a_missing_child_are_named() {
        assert_eq!(
            why_not("<message><body>ho</body></message>"),
            "in <message>: text of <body>: expected 'ho', is 'hi'"
        );
        assert_eq!(
            why_not("<message><delay xmlns='urn:xmpp:delay'/></message>"),
            "in <message>: no <delay xmlns='urn:xmpp:delay'>"
        );
        assert_eq!(why_not("<presence/>"), "expected <presence>, is <message>");
    }

    #[test]
    fn two_pattern_children_need_two_children() {
        let twice = "<message><body>hi</body><body>hi</body></message>";
        assert_eq!(why_not(twice), "in <message>: no <body>");
    }

    #[test]
    fn children_match_in_any_order_and_captures_are_found_by_trying() {
        let got = compare(
            "<message id='$id'>\
               <stanza-id xmlns='urn:xmpp:sid:0' by='$by' id='s2'/>\
               <stanza-id xmlns='urn:xmpp:sid:0' id='$first'/><body>$text</body></message>",
        )
        .unwrap();
        assert_eq!(
            (&got["id"], &got["by"], &got["first"], &got["text"]),
            ("m1", "bob@b.example", "s1", "hi")
        );
    }

    #[test]
    fn a_name_used_twice_stands_for_one_value() {
        assert_eq!(
            why_not("<message id='$same'><body>$same</body></message>"),
            "in <message>: text of <body>: expected 'm1', is 'hi'"
        );
    }

    #[test]
    fn what_is_absent_must_not_be_there() {
        assert!(
            compare("<message><absent><delay xmlns='urn:xmpp:delay'/></absent></message>").is_ok()
        );
        let why = why_not("<message><absent><body>hi</body></absent></message>");
        assert!(
            why.starts_with("in <message>: must not be there: <body"),
            "{why}"
        );
        assert!(compare("<message to='$none'/>").is_ok());
        assert_eq!(
            why_not("<message id='$none'/>"),
            "attribute id of <message>: must not be there, is 'm1'"
        );
        assert!(compare("<message id='$_'/>").is_ok());
        assert!(compare("<message to='$_'/>").is_err());
    }

    #[test]
    #[should_panic(expected = "this is not a pattern")]
    fn a_malformed_pattern_is_shown() {
        let _ = Pattern::new("<message");
    }
}
