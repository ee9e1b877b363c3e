//! Forking, as several clients see it.

mod carbons;
mod cases;
mod fates;
mod modes;
mod property;
mod switching;

use tower_xmpp::fork::ForkLayer;
use tower_xmpp::testkit::{Session, World, xml};

const HI: &str = "<message><body>hi</body></message>";

/// Alice's host forks, those of Bob and of the rooms do not.
fn world() -> World {
    let w = World::new();
    w.host("a.example", ForkLayer::new())
        .host("b.example", ())
        .host("muc.example", ());
    w
}

fn bob(w: &World) -> Session {
    w.session("bob@b.example/x")
}

/// A session joins, and the room lets it in.
fn joins(w: &World, session: &Session, nick: &str) {
    let seat = w.bind(nick);
    session.send(xml!(
        "<presence to='{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ));
    seat.expect("<presence/>");
    seat.send(xml!(
        "<presence to='{session}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <status code='110'/></x></presence>"
    ));
    session.expect(xml!("<presence from='{nick}'/>"));
    seat.close();
    session.take_all();
}
