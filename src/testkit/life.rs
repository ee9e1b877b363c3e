//! What a client does and what happens to it, when its turn comes.

use jid::{FullJid, Jid};

use crate::flow::{End, Event, Route};
use crate::host::{Handled, Outbox, expire};
use crate::stanza::{Condition, Kind, Stanza, StanzaError, Type};

use super::record::Happening;
use super::state::{Action, Seat, State};

impl State {
    pub(super) fn act(&mut self, session: &FullJid, action: Action) {
        let Some(host) = self.host_of(session.domain().as_str()) else {
            panic!("nobody hosts {}", session.domain());
        };
        match action {
            Action::Send(stanza) => self.client_sends(host, session, stanza),
            Action::Bind(enabled) => self.bind(host, session, enabled),
            Action::BindAnew(enabled) => {
                // RFC 6120 §7.7.2.2: the old stream ends with `conflict`.
                self.end(session, End::Lost);
                self.bind(host, session, enabled);
            }
            Action::Hibernate => {
                if let Some(seat) = self.seat(session) {
                    seat.hibernating = true;
                    let session = session.clone();
                    self.raise(host, Event::SessionHibernating { session });
                }
            }
            Action::Resume => {
                if let Some(seat) = self.seat(session) {
                    seat.hibernating = false;
                    // `<resume h=…/>` counts everything that the client got.
                    seat.unacked.clear();
                    // XEP-0352 §5.2: its state is not resumed.
                    seat.outbox.active();
                    self.client(session).reads = true;
                    let event = Event::SessionResumed {
                        session: session.clone(),
                    };
                    self.raise(host, event);
                    self.read(session);
                }
            }
            Action::End(how) => self.end(session, how),
            Action::Activity(active) => {
                if let Some(seat) = self.seat(session) {
                    match active {
                        true => seat.outbox.active(),
                        false => seat.outbox.inactive(),
                    }
                }
                let session = session.clone();
                self.read(&session);
                self.raise(
                    host,
                    match active {
                        true => Event::ClientActive { session },
                        false => Event::ClientInactive { session },
                    },
                );
            }
        }
    }

    fn client_sends(&mut self, host: usize, session: &FullJid, mut stanza: Stanza) {
        assert!(
            self.seat(session).is_some_and(|seat| !seat.hibernating),
            "{session} is not connected and cannot send {}",
            stanza.to_xml()
        );
        // Deliberately no stream error for a claimed `from`: RFC 6120 §8.1.2.1
        // lets a server overwrite it, and layers see what they see there.
        stanza.set_from(Some(session.clone().into()));
        let what = Happening::Sent {
            session: session.clone(),
            stanza: stanza.clone(),
        };
        let entry = self.record.add(self.now, None, None, what);
        if stanza.address_fault().is_some() {
            let back = stanza
                .error_reply(&StanzaError::from(Condition::JidMalformed))
                .map(|reply| crate::flow::Emit::copy(session.clone(), reply));
            let emits = back.into_iter().map(|mut emit| {
                emit.trail.pass = super::record::Record::mark(entry);
                emit
            });
            let conductor = &self.hosts[host].conductor;
            conductor.carry_out(self.now, emits.collect());
            if let Some(seat) = self.seat(session) {
                seat.handled.add();
            }
            return;
        }
        self.enter_from(session, stanza, entry);
    }

    fn bind(&mut self, host: usize, session: &FullJid, enabled: Vec<String>) {
        assert!(
            self.seat(session).is_none(),
            "{session} is bound already; end it first, or let it bind anew"
        );
        assert!(
            !self.hosts[host].is_down,
            "{session} cannot be bound: {} is down",
            self.hosts[host].domain
        );
        let session = session.clone();
        self.hosts[host].seats.push(Seat {
            session: session.clone(),
            hibernating: false,
            priority: None,
            presence: None,
            outbox: Outbox::new(),
            unacked: Vec::new(),
            directed: Vec::new(),
            handled: Handled::new(),
        });
        self.client(&session).reads = true;
        self.raise(host, Event::SessionBound { session, enabled });
    }

    /// The session is over: the event, then the presence that the host makes
    /// for it, then the fates of what was never acknowledged.
    pub(super) fn end(&mut self, session: &FullJid, how: End) {
        let Some(host) = self.host_of(session.domain().as_str()) else {
            return;
        };
        let seats = &mut self.hosts[host].seats;
        let Some(position) = seats.iter().position(|seat| seat.session == *session) else {
            return;
        };
        let mut seat = seats.remove(position);
        let ended = Event::SessionEnded {
            session: session.clone(),
            how,
        };
        self.raise(host, ended);
        let broadcast = seat.priority.map(|_| None);
        for to in broadcast
            .into_iter()
            .chain(seat.directed.drain(..).map(Some))
        {
            self.last_presence(host, session, to);
        }
        let mut unacked = std::mem::take(&mut seat.unacked);
        unacked.extend(seat.outbox.drain().map(|queued| queued.delivery));
        self.hosts[host]
            .conductor
            .carry_out(self.now, expire(unacked));
    }

    fn last_presence(&mut self, host: usize, session: &FullJid, to: Option<Jid>) {
        let mut presence = Stanza::presence()
            .with_type(Type::Unavailable)
            .with_from(session.clone());
        presence.set_to(to);
        let entry = self.made(host, &presence);
        self.enter(host, Route::FromSession(session.clone()), presence, entry);
    }

    /// Directed presence is tracked from what leaves the stack.
    pub(super) fn directed(&mut self, session: &FullJid, presence: &Stanza) {
        let (Some(seat), Some(to)) = (self.seat(session), presence.to()) else {
            return;
        };
        debug_assert_eq!(presence.kind(), Kind::Presence);
        seat.directed.retain(|known| known != to);
        if presence.type_().is_none() {
            seat.directed.push(to.clone());
        }
    }
}
