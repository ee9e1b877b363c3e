//! Alice's server with the layer, a room elsewhere, and Bob, who sits in it as
//! clients always did.

use std::sync::Arc;

use tower::ServiceBuilder;
use tower_xmpp::account_muc::{AccountMuc, AccountMucLayer, Options};
use tower_xmpp::fork::{Fork, ForkLayer};
use tower_xmpp::middleware::Shell;
use tower_xmpp::stanza::Stanza;
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::{Session, World, xml};

pub const ROOM: &str = "room@muc.example";
pub const ALICE: &str = "room@muc.example/Alice";

/// A world, and the layer in it.
pub struct House {
    pub w: World,
    pub layer: Arc<AccountMuc>,
    pub store: Arc<MemorySeats>,
}

impl House {
    /// With the layer's defaults.
    pub fn new() -> Self {
        Self::with(|feature| feature)
    }

    /// With these options.
    pub fn options(set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        set(&mut options);
        Self::with(|feature| feature.options(options))
    }

    /// With a layer made like this.
    pub fn with(make: impl FnOnce(AccountMuc) -> AccountMuc) -> Self {
        Self::of(World::new(), make)
    }

    /// In this world.
    pub fn of(w: World, make: impl FnOnce(AccountMuc) -> AccountMuc) -> Self {
        let store = Arc::new(MemorySeats::default());
        let entropy = Arc::new(w.entropy());
        let layer: AccountMucLayer = Shell::of(make(AccountMuc::new(store.clone(), entropy)));
        let feature = layer.feature().clone();
        let fork: ForkLayer = Shell::of(Fork::new().occupancy(feature.clone()));
        w.host("a.example", ServiceBuilder::new().layer(layer).layer(fork));
        w.host("b.example", ());
        w.rooms("muc.example");
        Self {
            w,
            layer: feature,
            store,
        }
    }

    /// Bob is in the room, and has heard who else is.
    pub fn bob(&self) -> Session {
        let bob = self.w.session("bob@b.example/x");
        bob.joins("room@muc.example/Bob");
        bob
    }

    /// Sessions of Alice's.
    pub fn alice<const N: usize>(&self, resources: [&str; N]) -> [Session; N] {
        self.w.sessions("alice@a.example", resources)
    }

    /// Who is in the room by the room's own account: real JIDs.
    pub fn seats(&self) -> Vec<String> {
        let occupants = self.w.occupants(ROOM);
        let sessions = occupants.into_iter().flat_map(|(nick, sessions)| {
            sessions
                .into_iter()
                .map(move |session| format!("{nick} {session}"))
        });
        sessions.collect()
    }
}

/// The presence that asks to join.
pub fn join(occupant: &str) -> Stanza {
    join_with(occupant, "")
}

/// The same with something inside `<x/>`.
pub fn join_with(occupant: &str, inside: &str) -> Stanza {
    let xml = format!(
        "<presence to='{occupant}' id='join'><x xmlns='http://jabber.org/protocol/muc'>\
         {inside}</x></presence>"
    );
    Stanza::parse(xml.as_bytes()).expect("a presence")
}

/// What an occupant's presence looks like, with these status codes.
pub fn presence(occupant: &str, codes: &[u16]) -> String {
    of_type("", occupant, codes)
}

/// What an occupant's unavailable presence looks like.
pub fn gone(occupant: &str, codes: &[u16]) -> String {
    of_type("type='unavailable'", occupant, codes)
}

fn of_type(type_: &str, occupant: &str, codes: &[u16]) -> String {
    let codes: String = codes
        .iter()
        .map(|code| format!("<status code='{code}'/>"))
        .collect();
    format!(
        "<presence from='{occupant}' {type_}>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item/>{codes}</x></presence>"
    )
}

/// What a subject looks like.
pub fn subject(text: &str) -> String {
    format!("<message from='{ROOM}' type='groupchat'><subject>{text}</subject></message>")
}

/// A message to the room.
pub fn talk(id: &str, body: &str) -> Stanza {
    let xml = format!(
        "<message to='{ROOM}' type='groupchat' id='{id}'><body>{body}</body></message>"
    );
    Stanza::parse(xml.as_bytes()).expect("a message")
}

/// What a message in the room looks like.
pub fn talked(nick: &str, id: &str, body: &str) -> String {
    format!(
        "<message from='{ROOM}/{nick}' type='groupchat' id='{id}'><body>{body}</body>\
         <absent><delay xmlns='urn:xmpp:delay'/></absent></message>"
    )
}

/// What a message of the room's history looks like.
pub fn history(nick: &str, body: &str) -> String {
    format!(
        "<message from='{ROOM}/{nick}' type='groupchat'><body>{body}</body>\
         <delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='$_'/></message>"
    )
}

/// An error of this condition.
pub fn error(kind: &str, from: &str, id: &str, condition: &str) -> String {
    format!(
        "<{kind} from='{from}' type='error' id='{id}'><error>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{kind}>"
    )
}

/// Alice's sessions are in the room with Bob, who has seen one come.
pub fn together<const N: usize>(house: &House, resources: [&str; N]) -> (Session, [Session; N]) {
    let bob = house.bob();
    let sessions = house.alice(resources);
    for session in &sessions {
        session.joins(ALICE);
    }
    bob.expect(presence(ALICE, &[]));
    (bob, sessions)
}

/// A ping through the room.
pub fn ping(to: &str, id: &str) -> Stanza {
    let xml = xml!("<iq to='{to}' type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>");
    tower_xmpp::testkit::IntoStanza::into_stanza(xml)
}
