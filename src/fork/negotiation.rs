use crate::stanza::{ElementRef, RawXml, ns};

use super::Mode;
use super::mode::Modes;

/// What a client has asked for before its session exists.
///
/// Two of the modes are negotiated by the stream and not by stanzas, where no
/// layer sees it: Message Routing 2.0 and Goal, by a nonza between
/// authentication and binding; these and carbons also inline in Bind 2
/// (XEP-0386). Any host's stream code can ask this machine: it has no socket
/// and no clock. What comes of it goes to the layer in
/// [`Event::SessionBound`](crate::flow::Event::SessionBound).
///
/// | The stream … | call | and |
/// |---|---|---|
/// | offers features, authenticated | [`features`](Self::features) | put them into `<stream:features/>` |
/// | offers Bind 2 | [`inline`](Self::inline) | put them into `<inline/>` of `<bind/>` |
/// | gets a nonza, at any time | [`nonza`](Self::nonza) | write the answer, if there is one; if not, it is somebody else's |
/// | has authenticated the client | [`authenticated`](Self::authenticated) | |
/// | binds, with Bind 2 | [`bind2`](Self::bind2) | no element answers: what is asked for inline succeeds |
/// | has bound a session | [`bound`](Self::bound) | send the event with what it returns |
/// | has resumed a session (XEP-0198) | [`resumed`](Self::resumed) | the session has what it had: send no event of binding |
///
/// ```
/// use tower_xmpp::flow::Event;
/// use tower_xmpp::fork::Negotiation;
/// use tower_xmpp::stanza::{Element, ns};
///
/// let mut forking = Negotiation::new();
/// forking.authenticated();
/// let offered: String = Negotiation::features().iter().map(|it| it.as_str()).collect();
/// assert_eq!(offered, "<mr2 xmlns='urn:xmpp:mr2:0'/><goal xmlns='tower-xmpp:goal:0'/>");
///
/// let enable = Element::parse(b"<enable xmlns='urn:xmpp:mr2:0'/>")?;
/// let answer = forking.nonza(enable.view()).expect("it is about forking");
/// assert_eq!(answer.as_str(), "<enabled xmlns='urn:xmpp:mr2:0'/>");
///
/// let session = "alice@a.example/phone".parse()?;
/// let bound = Event::SessionBound { session, enabled: forking.bound() };
/// # let Event::SessionBound { enabled, .. } = bound else { unreachable!() };
/// assert_eq!(enabled, [ns::MR2]);
///
/// // Too late: the stream goes on, nothing changes.
/// let answer = forking.nonza(enable.view()).expect("it is about forking");
/// assert!(answer.as_str().starts_with("<failed xmlns='urn:xmpp:mr2:0'>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Negotiation {
    stage: Stage,
    asked: Modes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody knows who the client is.
    #[default]
    Anonymous,
    /// The client has authenticated and has no session yet.
    Authenticated,
    /// It has a session, new or resumed.
    Bound,
}

impl Negotiation {
    /// For a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a stream offers between authentication and binding (MR2 §2).
    ///
    /// Carbons and IM-NG are not among it: they are found by disco and
    /// switched on by IQ, which the layer answers.
    pub fn features() -> [RawXml; 2] {
        [
            RawXml::build("mr2", ns::MR2).finish(),
            RawXml::build("goal", ns::GOAL).finish(),
        ]
    }

    /// What can be asked for inline while binding: the `var` of each
    /// `<feature/>` (XEP-0386 §3.1).
    pub fn inline() -> [&'static str; 3] {
        [ns::CARBONS, ns::MR2, ns::GOAL]
    }

    /// The client has authenticated.
    pub fn authenticated(&mut self) {
        self.stage = Stage::Authenticated;
    }

    /// A top-level element that is no stanza: the answer to it, or `None` if
    /// it is not about forking.
    ///
    /// MR2 §3: `<enable/>` belongs after authentication and before binding;
    /// at any other time it is answered with `unexpected-request`, and the
    /// stream goes on. Asking again is as good as asking once; there is no
    /// way back.
    pub fn nonza(&mut self, element: ElementRef<'_>) -> Option<RawXml> {
        let mode = [Mode::Mr2, Mode::Goal]
            .into_iter()
            .find(|mode| element.is("enable", mode.namespace()))?;
        if self.stage != Stage::Authenticated {
            let failed = RawXml::build("failed", mode.namespace());
            return Some(failed.open("unexpected-request", ns::STANZAS).finish());
        }
        self.asked.insert(mode);
        Some(RawXml::build("enabled", mode.namespace()).finish())
    }

    /// The `<bind/>` of Bind 2: each `<enable/>` in it is granted without an
    /// answer (XEP-0386 §3.2.1). What is not ours is somebody else's.
    ///
    /// Do not call it if a `<resume/>` beside it succeeds: then the whole
    /// `<bind/>` is ignored (XEP-0386 §3.2). If it was called before that was
    /// known, [`resumed`](Self::resumed) forgets it.
    pub fn bind2(&mut self, bind: ElementRef<'_>) {
        let wanted = bind.children().filter_map(|child| {
            let inline = Self::inline().into_iter();
            inline.into_iter().find(|name| child.is("enable", name))
        });
        wanted
            .filter_map(Mode::of_namespace)
            .for_each(|mode| self.asked.insert(mode));
    }

    /// A session has been bound: what it has switched on, for
    /// [`Event::SessionBound`](crate::flow::Event::SessionBound).
    #[must_use = "the session has nothing switched on unless the event says so"]
    pub fn bound(&mut self) -> Vec<String> {
        self.stage = Stage::Bound;
        let asked = std::mem::take(&mut self.asked);
        asked
            .iter()
            .map(|mode| mode.namespace().to_owned())
            .collect()
    }

    /// An earlier session goes on in this stream: it keeps what it had
    /// (XEP-0198 §5, MR2 §6), and what was asked for meanwhile is forgotten.
    /// A resumption that fails changes nothing: what was asked for is for the
    /// session that is bound then.
    pub fn resumed(&mut self) {
        self.stage = Stage::Bound;
        self.asked = Modes::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Element;

    const MR2: &str = "<enable xmlns='urn:xmpp:mr2:0'/>";
    const GOAL: &str = "<enable xmlns='tower-xmpp:goal:0'/>";
    const TOO_LATE: &str = "<failed xmlns='urn:xmpp:mr2:0'><unexpected-request \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";

    fn authenticated() -> Negotiation {
        let mut forking = Negotiation::new();
        forking.authenticated();
        forking
    }

    fn say(forking: &mut Negotiation, nonza: &str) -> Option<String> {
        let nonza = Element::parse(nonza.as_bytes()).unwrap();
        let answer = forking.nonza(nonza.view())?;
        Some(answer.as_str().to_owned())
    }

    fn bind2(forking: &mut Negotiation, children: &str) {
        let bind = format!("<bind xmlns='urn:xmpp:bind:0'>{children}</bind>");
        forking.bind2(Element::parse(bind.as_bytes()).unwrap().view());
    }

    #[test]
    fn what_is_asked_for_between_login_and_binding_is_the_sessions() {
        let mut forking = authenticated();
        let enabled = "<enabled xmlns='urn:xmpp:mr2:0'/>";
        assert_eq!(say(&mut forking, MR2).as_deref(), Some(enabled));
        assert_eq!(say(&mut forking, MR2).as_deref(), Some(enabled), "again");
        let enabled = "<enabled xmlns='tower-xmpp:goal:0'/>";
        assert_eq!(say(&mut forking, GOAL).as_deref(), Some(enabled));
        assert_eq!(forking.bound(), [ns::MR2, ns::GOAL]);
    }

    #[test]
    fn before_login_and_after_binding_it_is_an_unexpected_request() {
        let mut early = Negotiation::new();
        assert_eq!(say(&mut early, MR2).as_deref(), Some(TOO_LATE));
        early.authenticated();
        assert!(early.bound().is_empty());
        assert_eq!(say(&mut early, MR2).as_deref(), Some(TOO_LATE));
    }

    #[test]
    fn after_a_resumption_it_is_an_unexpected_request_and_what_was_asked_for_is_forgotten() {
        let mut forking = authenticated();
        say(&mut forking, MR2);
        bind2(&mut forking, "<enable xmlns='urn:xmpp:carbons:2'/>");
        forking.resumed();
        assert_eq!(say(&mut forking, MR2).as_deref(), Some(TOO_LATE));
        assert!(forking.bound().is_empty());
    }

    #[test]
    fn a_resumption_that_failed_leaves_what_was_asked_for() {
        let mut forking = authenticated();
        say(&mut forking, MR2);
        assert_eq!(forking.bound(), [ns::MR2]);
    }

    #[test]
    fn binding_inline_enables_what_can_be_and_passes_over_the_rest() {
        let mut forking = authenticated();
        bind2(
            &mut forking,
            "<tag>x</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3'/>\
             <enable xmlns='tower-xmpp:goal:0'/><enable xmlns='urn:xmpp:im-ng:0'/>\
             <disable xmlns='urn:xmpp:mr2:0'/>",
        );
        assert_eq!(forking.bound(), [ns::CARBONS, ns::GOAL]);
    }

    #[test]
    fn what_is_not_about_forking_is_left_to_others() {
        let mut forking = authenticated();
        for other in [
            "<enable xmlns='urn:xmpp:sm:3'/>",
            "<enable xmlns='urn:xmpp:carbons:2'/>",
            "<disable xmlns='urn:xmpp:mr2:0'/>",
        ] {
            assert_eq!(say(&mut forking, other), None, "{other}");
        }
    }
}
