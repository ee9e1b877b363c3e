//! A room that says what the test wants: each of its occupants is a session of
//! the room's host, so what the account sends to a nick is expected there.

use tower_xmpp::flow::Outcome;
use tower_xmpp::middleware::from_fn;
use tower_xmpp::stanza::{Element, Stanza, ns};
use tower_xmpp::testkit::{Got, Session, xml};

use super::house::{ALICE, House, join};

/// The subject of a scripted room.
pub const NO_SUBJECT: &str = "<message type='groupchat'><subject></subject></message>";

/// The room's side of Alice's seat, and of Bob's.
pub struct Room {
    pub alice: Session,
    pub bob: Session,
}

impl Room {
    /// A room at a host that has no others.
    pub fn new(house: &House) -> Self {
        house.w.host("muc.example", ());
        Self::at(house)
    }

    /// The same, which says that Alice has registered this nick there.
    pub fn with_registered(house: &House, nick: &'static str) -> Self {
        let registered = from_fn("registered", move |envelope, next| async move {
            let asked = envelope.as_stanza().filter(|iq| {
                let query = iq.child("query", ns::DISCO_INFO);
                query.and_then(|query| query.attr("node")) == Some("x-roomuser-item")
            });
            let Some(iq) = asked else {
                return next.run(envelope).await;
            };
            let identity = Element::new("identity", ns::DISCO_INFO).with_attr("name", nick);
            let query = Element::new("query", ns::DISCO_INFO).with_child(identity);
            Ok(Outcome::answered(iq.reply().with_child(query)))
        });
        house.w.host("muc.example", registered);
        Self::at(house)
    }

    fn at(house: &House) -> Self {
        Self {
            alice: house.w.bind(ALICE),
            bob: house.w.bind("room@muc.example/Bob"),
        }
    }

    /// Alice's account asks to join; her sessions get in, with Bob there.
    pub fn lets_in(&self, session: &Session) {
        session.send(join(ALICE));
        self.answers_join();
        session.take_all();
    }

    /// The join has come: Bob is there, Alice is, no subject.
    pub fn answers_join(&self) -> Got {
        let join = self.expect_join();
        self.bob.send(shows("member", "participant", &[]));
        self.alice.send(shows("none", "participant", &[110]));
        self.alice.send(xml!(
            "<message to='alice@a.example' type='groupchat'><subject/></message>"
        ));
        join
    }

    /// A join of the account, and of no session.
    pub fn expect_join(&self) -> Got {
        self.alice.expect(xml!(
            "<presence from='alice@a.example' to='{ALICE}' id='$id'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
    }

    /// The room refuses a presence or message with this id.
    pub fn refuses(&self, kind: &str, id: &str, type_: &str, condition: &str) {
        self.alice.send(xml!(
            "<{kind} to='alice@a.example' type='error' id='{id}'><error type='{type_}'>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
        ));
    }
}

/// The account is shown an occupant.
pub fn shows(affiliation: &str, role: &str, codes: &[u16]) -> Stanza {
    of_type("", affiliation, role, codes, "")
}

/// The account is shown that an occupant is gone.
pub fn shows_gone(affiliation: &str, codes: &[u16], inside: &str) -> Stanza {
    of_type("type='unavailable'", affiliation, "none", codes, inside)
}

fn of_type(type_: &str, affiliation: &str, role: &str, codes: &[u16], inside: &str) -> Stanza {
    let codes: String = codes
        .iter()
        .map(|code| format!("<status code='{code}'/>"))
        .collect();
    let xml = format!(
        "<presence to='alice@a.example' {type_}><x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='{affiliation}' role='{role}'/>{inside}{codes}</x></presence>"
    );
    Stanza::parse(xml.as_bytes()).expect("a presence")
}
