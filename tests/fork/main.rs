//! Forking, as several clients see it.

mod carbons;
mod cases;
mod fates;
mod modes;
mod property;

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

fn joins(session: &Session, nick: &str) {
    session.send(xml!(
        "<presence to='{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    ));
}
