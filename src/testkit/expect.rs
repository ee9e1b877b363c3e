//! What a session expects.

use jid::FullJid;

use crate::stanza::{Element, Stanza, ns};

use super::pattern::{Got, Pattern, short};
use super::record::Happening;
use super::world::Inside;
use super::{Session, tree, xml};

/// Which wrapper a carbon copy has (XEP-0280 §7, §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carbon {
    /// Of a message that the account received.
    Received,
    /// Of a message that another session of the account sent.
    Sent,
}

impl Session {
    /// The next stanza that reaches the session looks like this.
    ///
    /// # Panics
    /// If it looks different, or none comes; the panic says what came instead.
    #[track_caller]
    pub fn expect(&self, pattern: impl Into<Pattern>) -> Got {
        self.expecting().next(&pattern.into())
    }

    /// The next stanzas look like these, in any order.
    ///
    /// # Panics
    /// If one of them does not come.
    #[track_caller]
    pub fn expect_all<const N: usize, P: Into<Pattern>>(&self, patterns: [P; N]) -> [Got; N] {
        let patterns = patterns.map(Into::into);
        let expecting = self.expecting();
        patterns.map(|pattern| expecting.one_of_next(N, &pattern))
    }

    /// A carbon copy of a message that looks like this. The wrapper is checked
    /// whole: it comes from the own account, is for this session, has the
    /// type of the copied message, which names its namespace.
    ///
    /// # Panics
    /// If something else comes, or nothing.
    #[track_caller]
    pub fn expect_carbon(&self, carbon: Carbon, message: impl Into<Pattern>) -> Got {
        let (account, wrapper) = (self.account(), carbon.name());
        let got = self.expect(xml!(
            "<message from='{account}' to='{self}'><{wrapper} xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded>\
             </{wrapper}></message>"
        ));
        let Some(copied) = forwarded(&got.stanza, carbon) else {
            panic!("no stanza is forwarded in {}", got.stanza.to_xml());
        };
        assert_eq!(
            got.stanza.type_(),
            copied.type_(),
            "the type of a carbon copy is that of the message (XEP-0280 §7){}",
            self.inside.seed()
        );
        match message.into().compare(&copied) {
            Ok(copied) => copied,
            Err(why) => panic!(
                "{self} got a carbon copy of another message: {why}\n  {}{}",
                short(&copied.to_xml()),
                self.inside.seed()
            ),
        }
    }

    /// Nothing more has come, and nothing comes.
    ///
    /// # Panics
    /// If something has come; the panic shows why, as a tree.
    #[track_caller]
    pub fn expect_nothing(&self) -> &Self {
        self.expecting().nothing();
        self
    }

    /// Takes the next stanza that has come, if any.
    pub fn take_next(&self) -> Option<Stanza> {
        self.expecting().take()
    }

    /// Takes everything that has come, whatever it is.
    pub fn take_all(&self) -> Vec<Stanza> {
        self.expecting().everything()
    }
}

/// One session, settled.
pub(super) struct Expecting<'a> {
    pub(super) inside: &'a Inside,
    pub(super) session: &'a FullJid,
}

impl Expecting<'_> {
    #[track_caller]
    fn next(&self, pattern: &Pattern) -> Got {
        self.one_of_next(1, pattern)
    }

    /// Takes the first of the next `many` stanzas that matches.
    #[track_caller]
    fn one_of_next(&self, many: usize, pattern: &Pattern) -> Got {
        let mut state = self.inside.core.lock();
        let mut differences = Vec::new();
        let inbox = &state.client(self.session).inbox;
        let mut found = None;
        for (position, arrived) in inbox.iter().take(many).enumerate() {
            match pattern.compare(&arrived.stanza) {
                Ok(got) => {
                    found = Some((position, got));
                    break;
                }
                Err(why) => differences.push(format!(
                    "it got\n  {}\nwhich differs: {why}",
                    short(&arrived.stanza.to_xml())
                )),
            }
        }
        if let Some((position, got)) = found {
            let arrived = state.client(self.session).inbox.remove(position);
            if let Some(arrived) = arrived {
                state.record.expect(arrived.entry);
            }
            return got;
        }
        drop(state);
        if differences.is_empty() {
            differences.push("but nothing came".to_owned());
        }
        panic!(
            "{} expected\n  {pattern}\n{}{}",
            self.session,
            differences.join("\n"),
            self.inside.seed()
        );
    }

    #[track_caller]
    fn nothing(&self) {
        let mut state = self.inside.core.lock();
        let client = state.client(self.session);
        let came: Vec<_> = client.inbox.iter().map(|arrived| arrived.entry).collect();
        if came.is_empty() {
            return;
        }
        let tree = tree::of(&state, &came);
        drop(state);
        panic!(
            "{} expected nothing more, but something came\n{tree}{}",
            self.session,
            self.inside.seed()
        );
    }

    fn take(&self) -> Option<Stanza> {
        let mut state = self.inside.core.lock();
        let arrived = state.client(self.session).inbox.pop_front()?;
        state.record.expect(arrived.entry);
        Some(arrived.stanza)
    }

    fn everything(&self) -> Vec<Stanza> {
        let mut state = self.inside.core.lock();
        let arrived = std::mem::take(&mut state.client(self.session).inbox);
        for arrived in &arrived {
            state.record.expect(arrived.entry);
        }
        arrived.into_iter().map(|arrived| arrived.stanza).collect()
    }
}

impl super::record::Record {
    fn expect(&mut self, entry: usize) {
        if let Happening::Delivered { expected, .. } = &mut self.entries[entry].what {
            *expected = true;
        }
    }
}

impl Carbon {
    fn name(self) -> &'static str {
        match self {
            Carbon::Received => "received",
            Carbon::Sent => "sent",
        }
    }
}

/// The stanza within a carbon copy.
pub(super) fn forwarded(stanza: &Stanza, carbon: Carbon) -> Option<Stanza> {
    let copied = stanza
        .child(carbon.name(), ns::CARBONS)?
        .child("forwarded", ns::FORWARD)?
        .first_child()
        .map(|message| Element::to_xml(&message.to_element()))?;
    Stanza::parse(copied.as_bytes()).ok()
}
