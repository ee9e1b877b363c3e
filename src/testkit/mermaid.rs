//! A flow as a picture.

use std::fmt::Write;

use crate::flow::Original;
use crate::stanza::{Kind, Stanza};

use super::World;
use super::record::Happening;
use super::state::State;

impl World {
    /// Everything that happened so far as a Mermaid sequence diagram: what
    /// clients sent, what crossed between hosts, what was delivered and by
    /// which layer, what was refused or dropped.
    ///
    /// ```
    /// use tower_xmpp::testkit::World;
    ///
    /// let w = World::new();
    /// w.host("a.example", ());
    /// let [phone, desk] = w.sessions("alice@a.example", ["phone", "desk"]);
    /// phone.send(format!("<message to='{desk}' id='m1'><body>hi</body></message>"));
    /// desk.expect("<message/>");
    /// assert!(w.mermaid().contains("p1->>h0: message m1 to alice@a.example/desk"));
    /// w.finish();
    /// ```
    pub fn mermaid(&self) -> String {
        self.settle();
        let state = self.inside.core.lock();
        let mut text = String::from("sequenceDiagram\n");
        for (number, session) in state.clients.keys().enumerate() {
            let _ = writeln!(text, "    participant p{number} as {}", plain(session));
        }
        for (number, host) in state.hosts.iter().enumerate() {
            let _ = writeln!(text, "    participant h{number} as {}", plain(&host.domain));
        }
        for entry in &state.record.entries {
            if let Some(line) = line(&state, &entry.what, entry.by) {
                let _ = writeln!(text, "    {line}");
            }
        }
        text
    }
}

fn line(state: &State, what: &Happening, by: Option<&'static str>) -> Option<String> {
    let by = by.map(|by| format!("{by}: ")).unwrap_or_default();
    let client = |session| state.clients.keys().position(|known| known == session);
    Some(match what {
        Happening::Sent { session, stanza } => {
            let (client, home) = (client(session)?, state.host_of(session.domain().as_str())?);
            let to = stanza.to().map(|to| format!(" to {}", plain(to)));
            let to = to.unwrap_or_default();
            format!("p{client}->>h{home}: {}{to}", gist(stanza))
        }
        Happening::Crossed { from, to, stanza } => {
            format!("h{from}->>h{to}: {}", gist(stanza))
        }
        Happening::Delivered {
            session, stanza, ..
        } => {
            let (client, home) = (client(session)?, state.host_of(session.domain().as_str())?);
            // A layer's own work is dotted.
            let arrow = if by.is_empty() { "->>" } else { "-->>" };
            format!("h{home}{arrow}p{client}: {by}{}", gist(stanza))
        }
        Happening::Pass {
            host,
            stanza: Some(_),
            original:
                Some(original @ (Original::Bounced(_) | Original::Dropped(_) | Original::Stored)),
            ..
        } => format!("Note over h{host}: {}", plain(&format!("{original:?}"))),
        Happening::Event { host, event } => {
            format!("Note over h{host}: {}", plain(&event_name(event)))
        }
        Happening::Broke { host, what, .. } => {
            format!("Note over h{host}: {by}broke, {}", plain(what))
        }
        Happening::Made { .. } | Happening::Pass { .. } => return None,
    })
}

/// `SessionBound { session: … }` without the braces' contents.
fn event_name(event: &crate::flow::Event) -> String {
    let text = format!("{event:?}");
    let end = text.find([' ', '{', '(']).unwrap_or(text.len());
    text[..end].to_owned()
}

/// Kind, type and id; what matters of the rest is in the tests.
fn gist(stanza: &Stanza) -> String {
    let mut gist = match (stanza.kind(), stanza.type_()) {
        (kind, None) => kind.as_str().to_owned(),
        (Kind::Presence, Some(type_)) => type_.as_str().to_owned(),
        (kind, Some(type_)) => format!("{} {}", type_.as_str(), kind.as_str()),
    };
    if let Some(id) = stanza.id() {
        gist.push(' ');
        gist.push_str(id);
    }
    if let Some(payload) = stanza.payload().filter(|payload| payload.name() != "body") {
        let _ = write!(gist, " ({})", payload.name());
    }
    plain(&gist)
}

/// With what Mermaid would read as its own written as it wants it.
fn plain(text: &impl ToString) -> String {
    let text = text.to_string();
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '#' => plain.push_str("#35;"),
            ';' => plain.push_str("#59;"),
            '\n' | '\r' => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    plain
}
