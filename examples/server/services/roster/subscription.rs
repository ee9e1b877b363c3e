//! Presence subscriptions: the state of one contact and what each request
//! does to it (RFC 6121 §3 and appendix A). Pure; the roster keeps it.

/// Who hears of whose presence. The nine states of RFC 6121 appendix A.1
/// are the products of the two halves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The account hears of the contact.
    pub to: Half,
    /// The contact hears of the account.
    pub from: Half,
}

/// The numbers stand in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Half {
    #[default]
    No = 0,
    /// Asked for and not yet answered.
    Pending = 1,
    Yes = 2,
}

/// The types of presence that are about subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
}

/// What follows from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub next: Subscription,
    /// The request goes on: outwards to the contact, inwards to the account's
    /// clients.
    pub pass: bool,
    /// What the contact is told because of it.
    pub tell: Tell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    Nothing,
    /// The presence of each available client of the account.
    Available,
    /// That each available client of the account is gone.
    Unavailable,
    /// `subscribed`, in the account's name.
    Subscribed,
}

impl Subscription {
    /// The value of the roster item's attribute (RFC 6121 §2.1.2.5).
    pub fn as_str(self) -> &'static str {
        match (self.to == Half::Yes, self.from == Half::Yes) {
            (false, false) => "none",
            (true, false) => "to",
            (false, true) => "from",
            (true, true) => "both",
        }
    }

    /// A client of the account sends a request to the contact (appendix A.2).
    pub fn outbound(self, request: Request) -> Change {
        use Half::{No, Pending, Yes};
        match (request, self.to, self.from) {
            // Routed whatever the state, so that two servers whose states
            // came apart agree again (§3.1.2, §3.3.2).
            (Request::Subscribe, No, _) => self.with_to(Pending).pass(),
            (Request::Subscribe, ..) => self.stay().pass(),
            (Request::Unsubscribe, ..) => self.with_to(No).pass(),
            (Request::Subscribed, _, Pending) => self.with_from(Yes).pass().tell(Tell::Available),
            // Deliberately without pre-approval (§3.4), which is optional.
            (Request::Subscribed, ..) => self.stay(),
            (Request::Unsubscribed, _, Yes) => self.with_from(No).pass().tell(Tell::Unavailable),
            (Request::Unsubscribed, _, Pending) => self.with_from(No).pass(),
            (Request::Unsubscribed, _, No) => self.stay(),
        }
    }

    /// The contact sends a request to the account (appendix A.3).
    pub fn inbound(self, request: Request) -> Change {
        use Half::{No, Pending, Yes};
        match (request, self.to, self.from) {
            (Request::Subscribe, _, No) => self.with_from(Pending).pass(),
            // Asked again before an answer: the clients know already.
            (Request::Subscribe, _, Pending) => self.stay(),
            (Request::Subscribe, _, Yes) => self.stay().tell(Tell::Subscribed),
            (Request::Unsubscribe, _, Yes) => self.with_from(No).pass().tell(Tell::Unavailable),
            (Request::Unsubscribe, _, Pending) => self.with_from(No).pass(),
            (Request::Unsubscribe, _, No) => self.stay(),
            (Request::Subscribed, Pending, _) => self.with_to(Yes).pass(),
            (Request::Subscribed, ..) => self.stay(),
            (Request::Unsubscribed, Pending | Yes, _) => self.with_to(No).pass(),
            (Request::Unsubscribed, No, _) => self.stay(),
        }
    }

    fn with_to(mut self, to: Half) -> Change {
        self.to = to;
        self.stay()
    }

    fn with_from(mut self, from: Half) -> Change {
        self.from = from;
        self.stay()
    }

    fn stay(self) -> Change {
        Change {
            next: self,
            pass: false,
            tell: Tell::Nothing,
        }
    }
}

impl Change {
    fn pass(mut self) -> Self {
        self.pass = true;
        self
    }

    fn tell(mut self, tell: Tell) -> Self {
        self.tell = tell;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Half::{No, Pending, Yes};

    const HALVES: [Half; 3] = [No, Pending, Yes];

    fn states() -> impl Iterator<Item = Subscription> {
        HALVES
            .into_iter()
            .flat_map(|to| HALVES.map(|from| Subscription { to, from }))
    }

    /// One row per request: whether it passes in the states No, Pending, Yes
    /// of the half that it concerns, and what that half becomes.
    fn check(
        change: impl Fn(Subscription) -> Change,
        half: impl Fn(Subscription) -> Half,
        other: impl Fn(Subscription) -> Half,
        passes: [bool; 3],
        becomes: [Half; 3],
    ) {
        for state in states() {
            let row = HALVES.iter().position(|h| *h == half(state)).unwrap();
            let change = change(state);
            assert_eq!(change.pass, passes[row], "{state:?}");
            assert_eq!(half(change.next), becomes[row], "{state:?}");
            assert_eq!(other(change.next), other(state), "{state:?}");
        }
    }

    #[test]
    fn requests_of_the_account_follow_appendix_a_2() {
        let (to, from) = (|s: Subscription| s.to, |s: Subscription| s.from);
        let out = |request| move |s: Subscription| s.outbound(request);
        let (all, open) = ([true; 3], [false, true, false]);
        check(
            out(Request::Subscribe),
            to,
            from,
            all,
            [Pending, Pending, Yes],
        );
        check(out(Request::Unsubscribe), to, from, all, [No; 3]);
        check(out(Request::Subscribed), from, to, open, [No, Yes, Yes]);
        let some = [false, true, true];
        check(out(Request::Unsubscribed), from, to, some, [No; 3]);
    }

    #[test]
    fn requests_of_the_contact_follow_appendix_a_3() {
        let (to, from) = (|s: Subscription| s.to, |s: Subscription| s.from);
        let into = |request| move |s: Subscription| s.inbound(request);
        let (fresh, open, some) = (
            [true, false, false],
            [false, true, false],
            [false, true, true],
        );
        check(
            into(Request::Subscribe),
            from,
            to,
            fresh,
            [Pending, Pending, Yes],
        );
        check(into(Request::Unsubscribe), from, to, some, [No; 3]);
        check(into(Request::Subscribed), to, from, open, [No, Yes, Yes]);
        check(into(Request::Unsubscribed), to, from, some, [No; 3]);
    }

    #[test]
    fn who_begins_or_ceases_to_hear_of_the_account_is_told() {
        for state in states() {
            for request in [
                Request::Subscribe,
                Request::Subscribed,
                Request::Unsubscribe,
                Request::Unsubscribed,
            ] {
                for change in [state.outbound(request), state.inbound(request)] {
                    let expected = match (state.from, change.next.from) {
                        (No | Pending, Yes) => Tell::Available,
                        (Yes, No | Pending) => Tell::Unavailable,
                        _ => Tell::Nothing,
                    };
                    if change.tell != Tell::Subscribed {
                        assert_eq!(change.tell, expected, "{state:?} {request:?}");
                    }
                }
            }
        }
        let known = Subscription { to: No, from: Yes };
        assert_eq!(known.inbound(Request::Subscribe).tell, Tell::Subscribed);
    }

    #[test]
    fn two_accounts_that_ask_and_agree_hear_of_each_other() {
        let (mut alice, mut bob) = (Subscription::default(), Subscription::default());
        for (by_alice, request) in [
            (true, Request::Subscribe),
            (false, Request::Subscribed),
            (false, Request::Subscribe),
            (true, Request::Subscribed),
        ] {
            let (one, other) = if by_alice {
                (&mut alice, &mut bob)
            } else {
                (&mut bob, &mut alice)
            };
            let (out, into) = (one.outbound(request), other.inbound(request));
            assert!(out.pass && into.pass);
            (*one, *other) = (out.next, into.next);
        }
        assert_eq!((alice.as_str(), bob.as_str()), ("both", "both"));
    }
}
