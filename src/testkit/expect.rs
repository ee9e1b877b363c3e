//! What a session expects.

use std::fmt::Write;

use jid::FullJid;

use crate::stanza::{Stanza, ns};

use super::pattern::{Got, Pattern, short};
use super::record::Happening;
use super::state::Arrived;
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

    /// The next stanzas look like these, as many as there are patterns, in any
    /// order. Each pattern takes one stanza for itself.
    ///
    /// # Panics
    /// If one of them does not come; the panic shows what came instead.
    #[track_caller]
    pub fn expect_all<const N: usize, P: Into<Pattern>>(&self, patterns: [P; N]) -> [Got; N] {
        let patterns = patterns.map(Into::into);
        match <[Got; N]>::try_from(self.expecting().all(&patterns)) {
            Ok(got) => got,
            Err(got) => panic!("{} stanzas for {N} patterns", got.len()),
        }
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
        let wrapper = xml!(
            "<message from='{account}' to='{self}'><{wrapper} xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded>\
             </{wrapper}></message>"
        );
        let (got, copied) = self.expect_forwarded(wrapper, message);
        assert_eq!(
            got.stanza.type_(),
            copied.stanza.type_(),
            "the type of a carbon copy is that of the message (XEP-0280 §7){}",
            self.inside.seed()
        );
        copied
    }

    /// The next stanza looks like `wrapper` and forwards, in whatever child,
    /// a stanza that looks like `inner` (XEP-0297): what both captured.
    ///
    /// # Panics
    /// If something else comes, or nothing.
    #[track_caller]
    pub fn expect_forwarded(
        &self,
        wrapper: impl Into<Pattern>,
        inner: impl Into<Pattern>,
    ) -> (Got, Got) {
        let inner = inner.into();
        let mut expecting = self.expecting();
        expecting.forwarded = Some(&inner);
        let got = expecting.next(&wrapper.into());
        let Some(inside) = forwarded(&got.stanza) else {
            let seed = self.inside.seed();
            panic!("no stanza is forwarded in\n  {}{seed}", got.stanza.to_xml());
        };
        match inner.compare(&inside) {
            Ok(inside) => (got, inside),
            Err(why) => panic!(
                "{self} got another stanza forwarded: {why}\n  {}{}",
                short(&inside.to_xml()),
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
    /// What the stanza is to forward; for the text of a failure.
    pub(super) forwarded: Option<&'a Pattern>,
}

impl Expecting<'_> {
    #[track_caller]
    fn next(&self, pattern: &Pattern) -> Got {
        let mut got = self.all(std::slice::from_ref(pattern));
        match got.pop() {
            Some(got) => got,
            None => panic!("one pattern takes one stanza"),
        }
    }

    /// Takes as many stanzas as there are patterns, one for each.
    #[track_caller]
    fn all(&self, patterns: &[Pattern]) -> Vec<Got> {
        let mut state = self.inside.core.lock();
        let many = patterns.len().min(state.client(self.session).inbox.len());
        let inbox: Vec<_> = state.client(self.session).inbox.drain(..many).collect();
        let compared = patterns.iter().map(|pattern| {
            let one = |arrived: &Arrived| pattern.compare(&arrived.stanza);
            inbox.iter().map(one).collect()
        });
        let compared: Vec<Vec<_>> = compared.collect();
        if let Some(chosen) = assign(&compared, &mut vec![false; many]) {
            for arrived in &inbox {
                state.record.expect(arrived.entry);
            }
            let got = compared.into_iter().zip(chosen);
            return got
                .filter_map(|(row, at)| row.into_iter().nth(at)?.ok())
                .collect();
        }
        let came = tree::marks(inbox.iter().map(|arrived| arrived.entry), "this came");
        let mut text = format!("{} expected", self.session);
        for (pattern, row) in patterns.iter().zip(&compared) {
            let _ = write!(text, "\n  {pattern}");
            if let Some(forwarded) = self.forwarded {
                let _ = write!(text, "\nthat forwards\n  {forwarded}");
            }
            if row.iter().any(Result::is_ok) {
                continue;
            }
            for (arrived, compared) in inbox.iter().zip(row) {
                if let Err(why) = compared {
                    let xml = short(&arrived.stanza.to_xml());
                    let _ = write!(text, "\nbut got\n  {xml}\nwhich differs: {why}");
                }
            }
        }
        let _ = match many {
            0 => write!(
                text,
                "\nbut nothing came; what happened last:\n{}",
                tree::newest(&state)
            ),
            _ if many < patterns.len() => write!(
                text,
                "\nbut no more than this came:\n{}",
                tree::of(&state, &came)
            ),
            _ => write!(text, "\nwhat led to it:\n{}", tree::of(&state, &came)),
        };
        drop(state);
        panic!("{text}{}", self.inside.seed());
    }

    #[track_caller]
    fn nothing(&self) {
        let mut state = self.inside.core.lock();
        let client = state.client(self.session);
        let came = client.inbox.iter().map(|arrived| arrived.entry);
        let marks = tree::marks(came, "nobody expected this");
        if marks.is_empty() {
            return;
        }
        let tree = tree::of(&state, &marks);
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

/// Which stanza each pattern takes, so that every pattern has its own: the
/// first choice that leaves one for the others. A row for each pattern, in it
/// how each stanza compares.
fn assign<E>(rows: &[Vec<Result<Got, E>>], taken: &mut [bool]) -> Option<Vec<usize>> {
    let Some((row, rest)) = rows.split_first() else {
        return Some(Vec::new());
    };
    for (position, compared) in row.iter().enumerate() {
        if taken[position] || compared.is_err() {
            continue;
        }
        taken[position] = true;
        if let Some(mut chosen) = assign(rest, taken) {
            chosen.insert(0, position);
            return Some(chosen);
        }
        taken[position] = false;
    }
    None
}

impl Carbon {
    fn name(self) -> &'static str {
        match self {
            Carbon::Received => "received",
            Carbon::Sent => "sent",
        }
    }
}

/// The stanza that a child of this one forwards.
pub(super) fn forwarded(stanza: &Stanza) -> Option<Stanza> {
    let mut wrappers = stanza.children();
    let forwarded = wrappers.find_map(|wrapper| match wrapper.is("forwarded", ns::FORWARD) {
        true => Some(wrapper),
        false => wrapper.child("forwarded", ns::FORWARD),
    })?;
    let mut inside = forwarded.children();
    let inside = inside.find(|child| child.has_ns(ns::CLIENT))?;
    Stanza::parse(inside.to_xml().as_bytes()).ok()
}
