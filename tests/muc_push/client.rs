//! The client's side: the simulated client does its duties, in a world with a
//! real room as well, and the check finds whoever does not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jid::{BareJid, FullJid};
use tower_xmpp::stanza::{Stanza, Type, ns};
use tower_xmpp::testkit::push_client::{PushClient, SimulatedClient, check_push_duties};
use tower_xmpp::testkit::{Session, xml};

use super::house::{House, ROOM};

const SEAT: &str = "tea@muc.example/Alice";

fn jid() -> FullJid {
    "alice@a.example/phone".parse().unwrap()
}

/// Lets the client hear all that comes for its session, and say what it says.
fn plays(session: &Session, client: &mut SimulatedClient) {
    while let Some(got) = session.take_next() {
        for said in client.gets(&got) {
            session.send(said);
        }
    }
}

#[test]
fn the_simulated_client_is_back_in_the_room_after_one_message() {
    let house = House::new();
    let mut client = SimulatedClient::new(&jid());
    for said in client.opens(&SEAT.parse().unwrap()) {
        house.alice.send(said);
    }
    plays(&house.alice, &mut client);
    assert_eq!(house.targets().len(), 1);
    house.bob.take_all();
    for id in ["m1", "m2"] {
        house.crash();
        house.says(id);
        plays(&house.alice, &mut client);
        assert_eq!(house.w.occupants(ROOM).len(), 2, "{id}");
        house.bob.take_all();
    }
    // Closed, it is not asked any more.
    for said in client.closes(&ROOM.parse().unwrap()) {
        house.alice.send(said);
    }
    plays(&house.alice, &mut client);
    assert_eq!(house.targets(), []);
    house.bob.take_all();
    house.w.finish();
}

#[test]
fn a_client_that_closed_the_room_while_it_was_away_is_forgotten_by_its_own_answer() {
    let house = House::new();
    house.alice_sleeps();
    let mut client = SimulatedClient::new(&jid());
    house.says("m1");
    plays(&house.alice, &mut client);
    assert_eq!(house.targets(), []);
    house.w.finish();
}

/// A client that neglects something.
struct Lazy(SimulatedClient, fn(&Stanza, Vec<Stanza>) -> Vec<Stanza>);

impl PushClient for Lazy {
    fn opens(&mut self, seat: &FullJid) -> Vec<Stanza> {
        self.0.opens(seat)
    }

    fn closes(&mut self, room: &BareJid) -> Vec<Stanza> {
        let said = self.0.closes(room);
        (self.1)(&Stanza::presence(), said)
    }

    fn gets(&mut self, stanza: &Stanza) -> Vec<Stanza> {
        let said = self.0.gets(stanza);
        (self.1)(stanza, said)
    }
}

fn is_ping(stanza: &Stanza) -> bool {
    stanza.has_child("ping", "urn:xmpp:ping")
}

fn without(said: Vec<Stanza>, what: impl Fn(&Stanza) -> bool) -> Vec<Stanza> {
    said.into_iter().filter(|stanza| !what(stanza)).collect()
}

/// A duty, and a client that neglects it.
type Neglect = (u8, fn(&Stanza, Vec<Stanza>) -> Vec<Stanza>);

#[test]
fn the_check_names_the_duty_that_a_client_neglects() {
    let neglects: [Neglect; 7] = [
        (1, |_, said| {
            without(said, |it| it.has_child("enable", ns::PUSH))
        }),
        (3, |_, mut said| {
            said.reverse();
            said
        }),
        (3, |_, said| without(said, is_ping)),
        (4, |got, mut said| {
            // Pings for every notification.
            if got.is_type(&Type::Set) && !said.iter().any(is_ping) {
                let ping = xml!(
                    "<iq type='get' id='x' to='tea@rooms.example/Alice'>\
                     <ping xmlns='urn:xmpp:ping'/></iq>"
                );
                said.push(tower_xmpp::testkit::IntoStanza::into_stanza(ping));
            }
            said
        }),
        (6, |got, said| match got.error() {
            Some(_) => Vec::new(),
            None => said,
        }),
        (7, |_, said| {
            let refuses = |it: &Stanza| it.error().is_some();
            let replied = said.iter().map(|it| match refuses(it) {
                true => Stanza::iq(Type::Result, it.id().unwrap_or_default()),
                false => it.clone(),
            });
            replied.collect()
        }),
        (8, |_, said| {
            without(said, |it| it.has_child("disable", ns::PUSH))
        }),
    ];
    for (duty, neglect) in neglects {
        let new = || Lazy(SimulatedClient::new(&jid()), neglect);
        let checked = catch_unwind(AssertUnwindSafe(|| check_push_duties(&jid(), new)));
        let said = checked.expect_err("it should be found out");
        let said = said.downcast_ref::<String>().expect("a text");
        assert!(said.starts_with(&format!("duty {duty} ")), "{said}");
    }
    check_push_duties(&jid(), || {
        Lazy(SimulatedClient::new(&jid()), |_, said| said)
    });
}
