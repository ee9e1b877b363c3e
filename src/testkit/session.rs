use std::fmt;
use std::sync::Arc;

use jid::{BareJid, FullJid};

use crate::flow::End;
use crate::stanza::{Element, Stanza, ns};

use super::expect::Expecting;
use super::state::Action;
use super::world::Inside;
use super::{IntoStanza, xml};

/// A client's session, made by [`World::session`](super::World::session).
///
/// A handle, cheap to clone. Prints as its full JID. What it does is done in
/// order, but nothing moves before the world settles; expectations settle it.
#[derive(Clone)]
pub struct Session {
    pub(super) inside: Arc<Inside>,
    jid: FullJid,
}

impl Session {
    pub(super) fn new(inside: Arc<Inside>, jid: FullJid) -> Self {
        Self { inside, jid }
    }

    /// Its full JID.
    pub fn jid(&self) -> &FullJid {
        &self.jid
    }

    /// Its account.
    pub fn account(&self) -> BareJid {
        self.jid.to_bare()
    }

    /// Sends a stanza. Its `from` becomes the session's, as servers have it.
    #[track_caller]
    pub fn send(&self, stanza: impl IntoStanza) -> &Self {
        self.does(Action::Send(stanza.into_stanza()));
        self
    }

    /// Sends presence with this priority, and waits until it has been heard.
    #[must_use]
    pub fn priority(self, priority: i8) -> Self {
        self.send(xml!("<presence><priority>{priority}</priority></presence>"));
        self.inside.settle();
        self
    }

    /// Switches carbons on (XEP-0280 §4), and takes the answer in.
    ///
    /// # Panics
    /// If they are refused.
    #[track_caller]
    #[must_use]
    pub fn carbons(self) -> Self {
        self.asks(xml!(
            "<iq type='set' id='carbons-on'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
        ));
        self
    }

    /// Sends an IQ request and takes in its result, which must be the next
    /// stanza that comes.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn asks(&self, request: impl IntoStanza) -> Stanza {
        let request = request.into_stanza();
        let id = request.id().unwrap_or_default().to_owned();
        self.send(request);
        self.expect(xml!("<iq type='result' id='{id}'/>")).stanza
    }

    /// Joins a room, given as `room@domain/nick`, and takes in all that comes:
    /// who is there, the history, the subject.
    ///
    /// # Panics
    /// If the room refuses.
    #[track_caller]
    pub fn joins(&self, seat: &str) -> Vec<Stanza> {
        self.send(xml!(
            "<presence to='{seat}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ));
        let came = self.take_all();
        let refused = came.iter().find(|stanza| stanza.is_error());
        if let Some(refused) = refused {
            panic!("{self} may not join {seat}: {}", refused.to_xml());
        }
        came
    }

    /// Sets options of a room that it owns (XEP-0045 §10.2), and takes in all
    /// that comes of it.
    ///
    /// ```
    /// # let w = tower_xmpp::testkit::World::new();
    /// # w.host("muc.example", ()).rooms("muc.example").host("a.example", ());
    /// let alice = w.session("alice@a.example/phone");
    /// alice.joins("tea@muc.example/Alice");
    /// // The room outlives its occupants.
    /// alice.configures("tea@muc.example", [("muc#roomconfig_persistentroom", "1")]);
    /// # w.finish();
    /// ```
    ///
    /// # Panics
    /// If the room refuses.
    #[track_caller]
    pub fn configures<'a>(
        &self,
        room: &str,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Stanza> {
        let field = |(var, value): (&str, &str)| {
            let value = Element::new("value", ns::DATA_FORMS).with_text(value);
            let field = Element::new("field", ns::DATA_FORMS).with_attr("var", var);
            field.with_child(value)
        };
        let kind = ("FORM_TYPE", ns::MUC_ROOMCONFIG);
        let form = Element::new("x", ns::DATA_FORMS).with_attr("type", "submit");
        let form = std::iter::once(kind)
            .chain(options)
            .map(field)
            .fold(form, Element::with_child);
        let query = Element::new("query", ns::MUC_OWNER).with_child(form);
        self.send(
            xml!("<iq type='set' id='configures' to='{room}'/>")
                .into_stanza()
                .with_child(query),
        );
        let came = self.take_all();
        let is_done = |stanza: &Stanza| stanza.id() == Some("configures") && !stanza.is_error();
        assert!(
            came.iter().any(is_done),
            "{self} may not configure {room}: {came:?}"
        );
        came
    }

    /// The connection breaks, and the server notices: it waits for the
    /// session to be resumed (XEP-0198 §5).
    pub fn hibernate(&self) -> &Self {
        self.does(Action::Hibernate)
    }

    /// A hibernating session is resumed. What it did not get comes now.
    pub fn resume(&self) -> &Self {
        self.does(Action::Resume)
    }

    /// The client could not resume its session, or its host has started again:
    /// it binds its resource anew, with these namespaces switched on. If the
    /// old session still hibernates, its host ends it first, as lost
    /// (RFC 6120 §7.7.2.2). Its presence is the test's to send.
    pub fn binds_anew(&self, enabled: &[&str]) -> &Self {
        self.does(Action::BindAnew(owned(enabled)))
    }

    /// The time for resuming is over: what was never acknowledged meets its
    /// [`Fate`](crate::flow::Fate).
    pub fn expire(&self) -> &Self {
        self.does(Action::End(End::Expired))
    }

    /// The client closes its stream.
    pub fn close(&self) -> &Self {
        self.does(Action::End(End::Clean))
    }

    /// The connection breaks for good.
    pub fn lose(&self) -> &Self {
        self.does(Action::End(End::Lost))
    }

    /// The client says that it is looked at, or not (XEP-0352): its host holds
    /// what can wait.
    pub fn active(&self, active: bool) -> &Self {
        self.does(Action::Activity(active))
    }

    /// From now on the client acknowledges only when [`acks`](Self::acks) says so.
    /// By default it acknowledges everything at once.
    pub fn withhold_acks(&self) -> &Self {
        self.inside.settle();
        self.inside.core.lock().client(&self.jid).acks = false;
        self
    }

    /// Acknowledges all that the client has got so far (XEP-0198 §4).
    pub fn acks(&self) -> &Self {
        self.inside.settle();
        if let Some(seat) = self.inside.core.lock().seat(&self.jid) {
            seat.unacked.clear();
        }
        self
    }

    /// How many of the stanzas that it sent its host has acknowledged: what an
    /// `<a h='…'/>` would say now (XEP-0198 §4). Zero if there is no session.
    pub fn acked(&self) -> u32 {
        self.inside.settle();
        let mut state = self.inside.core.lock();
        let seat = state.seat(&self.jid);
        seat.map_or(0, |seat| seat.handled.count())
    }

    /// A fault: the client stops reading, as when its network is gone and
    /// nobody has noticed. If more than `capacity` stanzas wait for it, its
    /// host ends it.
    pub fn stop_reading(&self, capacity: usize) -> &Self {
        self.inside.settle();
        let mut state = self.inside.core.lock();
        let client = state.client(&self.jid);
        (client.reads, client.capacity) = (false, capacity);
        drop(state);
        self
    }

    /// The client reads again, and gets what waits for it.
    pub fn read_again(&self) -> &Self {
        let mut state = self.inside.core.lock();
        state.client(&self.jid).reads = true;
        state.read(&self.jid);
        drop(state);
        self
    }

    pub(super) fn binds(&self, enabled: &[&str]) {
        self.does(Action::Bind(owned(enabled)));
    }

    fn does(&self, action: Action) -> &Self {
        let mut state = self.inside.core.lock();
        state.actions += 1;
        let number = state.actions;
        state.client(&self.jid).todo.push_back((number, action));
        drop(state);
        self
    }

    pub(super) fn expecting(&self) -> Expecting<'_> {
        self.inside.settle();
        Expecting {
            inside: &self.inside,
            session: &self.jid,
            forwarded: None,
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Set-up of several sessions at once.
pub trait Sessions: Sized {
    /// [`Session::carbons`] for each.
    #[must_use]
    fn carbons(self) -> Self;
    /// [`Session::priority`] for each.
    #[must_use]
    fn priority(self, priority: i8) -> Self;
}

impl<const N: usize> Sessions for [Session; N] {
    #[track_caller]
    fn carbons(self) -> Self {
        self.map(Session::carbons)
    }

    fn priority(self, priority: i8) -> Self {
        self.map(|session| session.priority(priority))
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.jid.fmt(f)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.jid)
    }
}
