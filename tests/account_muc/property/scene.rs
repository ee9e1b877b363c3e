//! The scene: who is in it, what happens to them, and how they are judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use jid::{FullJid, Jid};
use tower_xmpp::account_muc::{AccountMuc, SeatStore};
use tower_xmpp::flow::Occupancy;
use tower_xmpp::stanza::Stanza;
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::room::{Creation, OwnPresence, Settings};
use tower_xmpp::testkit::{Session, WhileDown, World, xml};

use super::super::house::ROOM;
use super::client::Client;
use super::step::Step;
use super::watch::{Plant, Watch, layer, watched};
use super::{ACCOUNTS, NICKS, RESOURCES};

pub struct Scene {
    pub w: World,
    layer: Arc<AccountMuc>,
    store: Arc<MemorySeats>,
    watch: Arc<Watch>,
    plant: Plant,
    sessions: Vec<Session>,
    clients: Vec<Client>,
    bob: Session,
    /// A link may still hold what waits for it to be whole again.
    has_waiting: bool,
}

/// Longer than any link is down.
const LONGEST_BREAK: Duration = Duration::from_secs(90);

impl Scene {
    pub fn new(seed: u64, plant: Plant) -> Self {
        let w = World::seeded(seed);
        let store = Arc::new(MemorySeats::default());
        let watch = Arc::new(Watch::default());
        let layer = layer(&w, &store);
        let feature = layer.feature().clone();
        w.host("a.example", watched(layer, &watch, plant));
        w.host("b.example", ());
        // Rooms differ in what they speak, and in what they show first.
        let mut settings = Settings::default();
        settings.creation = Creation::Instant;
        settings.muc2 = seed.is_multiple_of(2);
        if seed.is_multiple_of(3) {
            settings.own_presence = OwnPresence::First;
        }
        w.host("muc.example", ());
        w.rooms_with("muc.example", "muc.example", settings);
        let bob = w.session("bob@b.example/x");
        bob.joins("room@muc.example/Bob");
        let jids = ACCOUNTS
            .iter()
            .flat_map(|account| RESOURCES.map(|resource| format!("{account}/{resource}")));
        let sessions: Vec<_> = jids.map(|jid| w.session(&jid)).collect();
        let alive = Client {
            alive: true,
            ..Client::default()
        };
        Self {
            clients: vec![alive; sessions.len()],
            w,
            layer: feature,
            store,
            watch,
            plant,
            sessions,
            bob,
            has_waiting: false,
        }
    }

    pub fn happens(&mut self, step: Step) {
        match step {
            Step::Joins(who, nick) => self.joins(who, NICKS[nick]),
            Step::Leaves(who) => {
                self.sends(
                    who,
                    &format!("<presence to='{ROOM}/x' type='unavailable'/>"),
                );
            }
            Step::Renames(who, nick) => {
                let nick = NICKS[nick];
                if self.clients[who].own.is_some() {
                    self.sends(who, &format!("<presence to='{ROOM}/{nick}'/>"));
                }
            }
            Step::Shows(who) => {
                if let Some(nick) = &self.clients[who].own {
                    let show = "<show>away</show>";
                    self.sends(
                        who,
                        &format!("<presence to='{ROOM}/{nick}'>{show}</presence>"),
                    );
                }
            }
            Step::Says(who) => {
                let hi = format!("<message to='{ROOM}' type='groupchat'><body>hi</body></message>");
                self.sends(who, &hi);
            }
            Step::IsUnavailable(who) => {
                self.sends(who, "<presence type='unavailable'/>");
                self.is_out(who);
            }
            Step::Closes(who) => self.ends(who),
            Step::Hibernates(who) => {
                let client = &mut self.clients[who];
                if client.alive && !client.hibernates {
                    client.hibernates = true;
                    self.sessions[who].hibernate();
                    self.w.settle();
                }
            }
            Step::ComesBack(who) => self.comes_back(who),
            Step::JoinsByRequest(who, nick) => {
                self.clients[who].asks();
                let nickname = NICKS[nick];
                let join = format!(
                    "<join xmlns='urn:xmpp:muc:0' room='{ROOM}'>\
                     <nickname>{nickname}</nickname></join>"
                );
                self.sends(who, &format!("<iq type='set' id='r'>{join}</iq>"));
            }
            Step::Parts(who) => {
                let part = format!("<part xmlns='urn:xmpp:muc:0' room='{ROOM}'/>");
                self.sends(who, &format!("<iq type='set' id='p'>{part}</iq>"));
            }
            Step::BobRenames(nick) => {
                let nick = ["Bob", "Robert"][nick];
                self.bob.send(xml!("<presence to='{ROOM}/{nick}'/>"));
            }
            Step::BobLeaves => {
                let bye = format!("<presence to='{ROOM}/Bob' type='unavailable'/>");
                self.bob.send(xml!("{bye}"));
            }
            Step::BobComes => {
                let x = "<x xmlns='http://jabber.org/protocol/muc'/>";
                self.bob
                    .send(xml!("<presence to='{ROOM}/Bob'>{x}</presence>"));
            }
            Step::BobDestroys => {
                self.bob.send(xml!(
                    "<iq to='{ROOM}' type='set' id='d'>\
                     <query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>"
                ));
            }
            Step::BobSays => {
                self.bob.send(xml!(
                    "<message to='{ROOM}' type='groupchat'><body>hi</body></message>"
                ));
            }
            Step::BobKicks(nick) => {
                let nick = NICKS[nick];
                self.bob.send(xml!(
                    "<iq to='{ROOM}' type='set' id='k'>\
                     <query xmlns='http://jabber.org/protocol/muc#admin'>\
                     <item nick='{nick}' role='none'/></query></iq>"
                ));
            }
            Step::BobAffiliates(account, outcast) => {
                let affiliation = if outcast { "outcast" } else { "none" };
                let account = ACCOUNTS[account];
                self.bob.send(xml!(
                    "<iq to='{ROOM}' type='set' id='a'>\
                     <query xmlns='http://jabber.org/protocol/muc#admin'>\
                     <item jid='{account}' affiliation='{affiliation}'/></query></iq>"
                ));
            }
            Step::RoomsRestart => {
                // What a service has sent and not got rid of ends with it.
                if std::mem::take(&mut self.has_waiting) {
                    self.w.advance(LONGEST_BREAK);
                }
                self.w.restart_rooms("muc.example");
            }
            Step::RoomsShutDown => {
                self.w.shut_down_rooms("muc.example");
            }
            Step::ServerCrashes => self.server_crashes(),
            Step::Errs(who) => {
                for to in [ROOM.to_owned(), format!("{ROOM}/{}", NICKS[0])] {
                    self.sends(
                        who,
                        &format!(
                            "<message to='{to}' type='error' id='e'><error type='cancel'>\
                             <service-unavailable \
                             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
                        ),
                    );
                }
            }
            Step::LinkBreaks(seconds, down) => {
                self.has_waiting |= down == WhileDown::Wait;
                let lasting = Duration::from_secs(seconds);
                self.w.cut_with("a.example", "muc.example", lasting, down);
            }
            Step::TimePasses(seconds) => {
                self.w.advance(Duration::from_secs(seconds));
                self.listen();
            }
            Step::Settles => self.listen(),
        }
    }

    fn joins(&mut self, who: usize, nick: &str) {
        self.clients[who].asks();
        let x = "<x xmlns='http://jabber.org/protocol/muc'/>";
        self.sends(
            who,
            &format!("<presence to='{ROOM}/{nick}' id='j'>{x}</presence>"),
        );
    }

    fn sends(&self, who: usize, stanza: &str) {
        let client = &self.clients[who];
        if client.alive && !client.hibernates {
            self.sessions[who].send(xml!("{stanza}"));
        }
    }

    /// It gives no thought to the room any more; what is under way to it may
    /// still come, and is not listened to.
    fn is_out(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if client.alive && !client.hibernates {
            self.listen();
            self.clients[who] = Client {
                alive: true,
                ..Client::default()
            };
        }
    }

    fn ends(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if !client.alive {
            return;
        }
        let hibernates = client.hibernates;
        self.listen();
        if hibernates {
            self.sessions[who].expire();
        } else {
            self.sessions[who].lose();
        }
        self.listen();
        self.clients[who] = Client::default();
    }

    fn comes_back(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if client.hibernates {
            client.hibernates = false;
            self.sessions[who].resume();
            // It hears what it has missed before it says anything.
            self.listen();
        } else if !client.alive {
            client.alive = true;
            let jid = self.sessions[who].jid().to_string();
            self.sessions[who] = self.w.session(&jid);
        }
    }

    /// All that is left are the seats that were kept. Every client connects
    /// anew, as does who hibernated.
    fn server_crashes(&mut self) {
        self.listen();
        self.w.crash("a.example");
        *self.watch.in_flight.lock().unwrap() = BTreeMap::new();
        let layer = layer(&self.w, &self.store);
        self.layer = layer.feature().clone();
        block_on(self.layer.restore()).expect("memory does not fail");
        let stack = watched(layer, &self.watch, self.plant);
        self.w.start_again("a.example", stack);
        for (session, client) in self.sessions.iter().zip(&mut self.clients) {
            if client.alive {
                session.binds_anew(&[]);
            }
            *client = Client {
                alive: client.alive,
                ..Client::default()
            };
        }
        self.w.settle();
        for session in &self.sessions {
            session.take_all();
        }
    }

    /// What has come by the time that nothing moves any more.
    fn listen(&mut self) {
        for (session, client) in self.sessions.iter().zip(&mut self.clients) {
            for stanza in session.take_all() {
                if client.alive {
                    client.hears(session, &stanza);
                }
            }
        }
        self.bob.take_all();
    }

    /// Time passes, and nobody is told anything of the room.
    pub fn keeps_silent(&mut self, lasting: Duration) {
        self.w.advance(lasting);
        for session in &self.sessions {
            let told = session.take_all();
            let told: Vec<_> = told.iter().map(Stanza::to_xml).collect();
            assert!(told.is_empty(), "{session} is told {told:?}");
        }
    }

    /// How many joins have gone to the room.
    pub fn joins_sent(&self) -> usize {
        *self.watch.joins.lock().unwrap()
    }

    /// All that was broken is whole again, and everybody has had the time to
    /// find that out.
    pub fn heals(&mut self) {
        for who in 0..self.sessions.len() {
            if self.clients[who].hibernates {
                self.comes_back(who);
            }
        }
        // Longer than any silence that is not asked about.
        self.w.advance(Duration::from_secs(60 * 60));
        self.listen();
        self.w.advance(Duration::from_secs(60 * 60));
        self.listen();
    }

    /// Who leaves stays away, whatever is said in the room and however much
    /// time passes.
    pub fn everybody_leaves(&mut self) {
        let mut left = BTreeSet::new();
        for who in 0..self.sessions.len() {
            if self.clients[who].own.is_some() {
                left.insert(self.sessions[who].account());
                self.sends(
                    who,
                    &format!("<presence to='{ROOM}/x' type='unavailable'/>"),
                );
            }
        }
        self.listen();
        for _ in 0..3 {
            self.bob.send(xml!(
                "<message to='{ROOM}' type='groupchat'><body>hi</body></message>"
            ));
            self.w.advance(Duration::from_secs(20 * 60));
            self.listen();
        }
        for account in left {
            for (nick, held) in self.w.occupants(ROOM) {
                let is_there = held.iter().any(|jid| *jid == account);
                assert!(!is_there, "{account} has left and is there as {nick}");
            }
            let kept = block_on(self.store.list()).expect("memory does not fail");
            assert!(
                kept.iter().all(|seat| seat.account != account),
                "{account} has left and means to be there: {kept:?}"
            );
        }
    }

    pub fn judge(&mut self) {
        let violations = self.watch.violations.lock().unwrap();
        assert!(violations.is_empty(), "{violations:?}");
        drop(violations);
        let seats: BTreeMap<String, Vec<Jid>> = self.w.occupants(ROOM).into_iter().collect();
        let nicks: BTreeSet<&String> = seats.keys().collect();
        for jid in seats.values().flatten() {
            assert!(
                jid.domain().as_str() != "a.example" || jid.is_bare(),
                "{jid} sits there, not its account"
            );
        }
        for account in ACCOUNTS {
            let held: Vec<_> = seats
                .iter()
                .filter(|(_, held)| held.iter().any(|jid| jid.as_str() == account))
                .collect();
            assert!(held.len() <= 1, "{account} sits twice: {held:?}");
            let here: BTreeSet<FullJid> = self
                .layer
                .sessions(&account.parse().unwrap(), &ROOM.parse().unwrap())
                .into_iter()
                .collect();
            for (session, client) in self.sessions.iter().zip(&self.clients) {
                if session.account().as_str() != account {
                    continue;
                }
                let is_here = here.contains(session.jid());
                assert_eq!(is_here, client.own.is_some(), "{session}: {client:?}");
                if let Some(own) = &client.own {
                    assert!(
                        held.iter().any(|(nick, _)| *nick == own),
                        "{session} is {own}"
                    );
                    let mut known: BTreeSet<&String> = client.others.iter().collect();
                    known.insert(own);
                    assert_eq!(known, nicks, "{session} knows others than the room has");
                }
            }
        }
    }
}
