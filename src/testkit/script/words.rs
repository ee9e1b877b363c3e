//! What stands for something else in a script's XML.

use std::collections::BTreeMap;

use jid::{FullJid, Jid};

use crate::testkit::Got;

/// The namespace of `scansion:strict`, whose prefix scripts do not declare.
pub(in super::super) const SCANSION: &str = "https://matthewwild.co.uk/projects/scansion";

/// What `${…}` stands for at this point of the dialogue.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<String, String>);

impl Words {
    /// A client's account is known before it connects.
    pub(super) fn known(&mut self, client: &str, account: &Jid) {
        self.0
            .insert(format!("{client}'s JID"), account.to_string());
    }

    pub(super) fn connected(&mut self, client: &str, jid: &FullJid) {
        self.0
            .insert(format!("{client}'s full JID"), jid.to_string());
    }

    pub(super) fn captured(&mut self, got: &Got) {
        for (name, value) in got.captures() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// XML that is to be sent.
    pub(super) fn in_sent(&self, xml: &str) -> Result<String, String> {
        self.fill(xml, str::to_owned)
    }

    /// XML that is a pattern: dollar signs are what they are, and scansion's
    /// placeholders become ours.
    pub(super) fn in_received(&self, xml: &str) -> Result<String, String> {
        let pattern = self.fill(xml, |text| text.replace('$', "$$"))?;
        let pattern = pattern.replace("{scansion:any}", "$_");
        let mut parts = pattern.split("{scansion:capture:");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part
                .split_once('}')
                .ok_or("a {scansion:capture:…} is not closed")?;
            out.push('$');
            out.push_str(name);
            out.push_str(rest);
        }
        if out.contains("scansion:") {
            let end_of_name = out.find([' ', '>', '/', '\n']).unwrap_or(out.len());
            out.insert_str(end_of_name, &format!(" xmlns:scansion='{SCANSION}'"));
        }
        Ok(out)
    }

    fn fill(&self, xml: &str, plain: impl Fn(&str) -> String) -> Result<String, String> {
        let mut parts = xml.split("${");
        let mut out = plain(parts.next().unwrap_or_default());
        for part in parts {
            let (word, rest) = part.split_once('}').ok_or("a ${…} is not closed")?;
            let value = self.0.get(word);
            let value = value.ok_or_else(|| format!("nobody knows ${{{word}}} yet"))?;
            out.push_str(&plain(&escaped(value)));
            out.push_str(&plain(rest));
        }
        Ok(out)
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
        .replace('"', "&quot;")
}
