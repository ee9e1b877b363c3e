use jid::Jid;
use thiserror::Error;

use crate::stanza::{Element, ElementRef, ns};

use super::page::covers;

/// What a user wants archived (XEP-0441).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// What holds for everybody who is not listed.
    pub default: DefaultPreference,
    /// Messages with these are archived.
    pub always: Vec<Jid>,
    /// Messages with these are not. Who is on both lists is archived
    /// (XEP-0441 leaves it open).
    pub never: Vec<Jid>,
}

/// What holds for who is not listed (XEP-0441 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefaultPreference {
    /// Everything is archived.
    Always,
    /// Nothing is.
    Never,
    /// Messages with contacts of the roster are.
    Roster,
}

/// Why a `<prefs/>` element cannot be followed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidPreferences {
    /// `default` is missing or no word of XEP-0441.
    #[error("`default` is neither always, never nor roster")]
    Default,
    /// What a `<jid/>` says is none.
    #[error("a listed address is no JID")]
    Jid,
    /// More addresses than [`Preferences::MOST`].
    #[error("too many addresses")]
    TooMany,
}

impl Preferences {
    /// How many addresses both lists may hold together.
    pub const MOST: usize = 1_000;

    /// Whether messages with `peer` are archived. The roster is asked only if
    /// it decides.
    ///
    /// A listed bare JID means all its resources, a listed full JID only
    /// itself.
    pub fn want(&self, peer: &Jid, in_roster: impl FnOnce() -> bool) -> bool {
        let listed = |list: &[Jid]| list.iter().any(|named| covers(named, peer));
        if listed(&self.always) {
            return true;
        }
        !listed(&self.never)
            && match self.default {
                DefaultPreference::Always => true,
                DefaultPreference::Never => false,
                DefaultPreference::Roster => in_roster(),
            }
    }

    /// Reads a `<prefs xmlns='urn:xmpp:mam:2'/>`; a list that is missing is
    /// empty.
    ///
    /// # Errors
    /// It says nothing that could be followed.
    pub fn read(prefs: ElementRef<'_>) -> Result<Self, InvalidPreferences> {
        let default = match prefs.attr("default") {
            Some("always") => DefaultPreference::Always,
            Some("never") => DefaultPreference::Never,
            Some("roster") => DefaultPreference::Roster,
            _ => return Err(InvalidPreferences::Default),
        };
        let list = |name| {
            let items = prefs.child(name, ns::MAM).into_iter();
            let jids = items.flat_map(|list| list.children().filter(|c| c.is("jid", ns::MAM)));
            jids.take(Self::MOST + 1)
                .map(|jid| Jid::new(jid.text().trim()).map_err(|_| InvalidPreferences::Jid))
                .collect::<Result<Vec<_>, _>>()
        };
        let (always, never) = (list("always")?, list("never")?);
        if always.len() + never.len() > Self::MOST {
            return Err(InvalidPreferences::TooMany);
        }
        Ok(Self {
            default,
            always,
            never,
        })
    }

    /// The `<prefs/>` element, with all it must have (XEP-0441 §2).
    pub fn to_element(&self) -> Element {
        let list = |name, jids: &[Jid]| {
            let jids = jids
                .iter()
                .map(|jid| Element::new("jid", ns::MAM).with_text(jid.as_str()));
            jids.fold(Element::new(name, ns::MAM), Element::with_child)
        };
        Element::new("prefs", ns::MAM)
            .with_attr("default", self.default.as_str())
            .with_child(list("always", &self.always))
            .with_child(list("never", &self.never))
    }
}

impl Default for Preferences {
    /// Everything is archived.
    fn default() -> Self {
        Self {
            default: DefaultPreference::Always,
            always: Vec::new(),
            never: Vec::new(),
        }
    }
}

impl DefaultPreference {
    fn as_str(self) -> &'static str {
        match self {
            DefaultPreference::Always => "always",
            DefaultPreference::Never => "never",
            DefaultPreference::Roster => "roster",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        Jid::new(text).unwrap()
    }

    #[test]
    fn a_listed_bare_jid_means_all_resources_and_a_full_one_itself() {
        let prefs = Preferences {
            never: vec![jid("bob@b.example"), jid("carol@c.example/phone")],
            ..Preferences::default()
        };
        let wants = |peer| prefs.want(&jid(peer), || unreachable!("nobody asks the roster"));
        assert!(!wants("bob@b.example") && !wants("bob@b.example/x"));
        assert!(!wants("carol@c.example/phone") && wants("carol@c.example/desk"));
        assert!(wants("carol@c.example") && wants("dan@d.example"));
    }

    #[test]
    fn who_is_on_both_lists_is_archived() {
        let prefs = Preferences {
            never: vec![jid("bob@b.example")],
            always: vec![jid("bob@b.example/x")],
            ..Preferences::default()
        };
        assert!(prefs.want(&jid("bob@b.example/x"), || false));
        assert!(!prefs.want(&jid("bob@b.example/y"), || false));
    }

    #[test]
    fn the_roster_decides_about_who_is_not_listed() {
        let prefs = Preferences {
            default: DefaultPreference::Roster,
            ..Preferences::default()
        };
        assert!(prefs.want(&jid("bob@b.example"), || true));
        assert!(!prefs.want(&jid("bob@b.example"), || false));
    }

    #[test]
    fn what_is_written_is_read_again_and_nonsense_is_named() {
        let prefs = Preferences {
            default: DefaultPreference::Never,
            always: vec![jid("a@b.example/Ä'&<")],
            never: Vec::new(),
        };
        assert_eq!(Preferences::read(prefs.to_element().view()), Ok(prefs));
        let read = |xml: &str| Preferences::read(Element::parse(xml.as_bytes()).unwrap().view());
        assert_eq!(
            read("<prefs xmlns='urn:xmpp:mam:2' default='maybe'/>"),
            Err(InvalidPreferences::Default)
        );
        assert_eq!(
            read(
                "<prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid>@</jid></never></prefs>"
            ),
            Err(InvalidPreferences::Jid)
        );
        let many = "<jid>a@b.example</jid>".repeat(Preferences::MOST + 1);
        assert_eq!(
            read(&format!(
                "<prefs xmlns='urn:xmpp:mam:2' default='always'><never>{many}</never></prefs>"
            )),
            Err(InvalidPreferences::TooMany)
        );
    }
}
