//! Whatever happens in whatever order, the sessions end up knowing what the
//! room knows: two accounts with three sessions each, a room that kicks,
//! renames and restarts, sessions that come and go, links that break.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jid::{FullJid, Jid};
use proptest::collection::vec;
use proptest::prelude::*;
use tower_xmpp::account_muc::{AccountMuc, AccountMucLayer};
use tower_xmpp::flow::Occupancy;
use tower_xmpp::middleware::Shell;
use tower_xmpp::stanza::{Kind, MessageType, Stanza, Type, ns};
use tower_xmpp::store::MemorySeats;
use tower_xmpp::testkit::{Session, WhileDown, World, xml};

use super::house::ROOM;

const ACCOUNTS: [&str; 2] = ["alice@a.example", "carol@a.example"];
const RESOURCES: [&str; 3] = ["phone", "desk", "pad"];
const NICKS: [&str; 3] = ["Ann", "Bea", "Cat"];

/// Something happens. Numbers choose a session, or a nick, by their remainder.
#[derive(Clone, Copy, Debug)]
enum Step {
    Joins(usize, usize),
    Leaves(usize),
    Renames(usize, usize),
    Shows(usize),
    Says(usize),
    IsUnavailable(usize),
    Closes(usize),
    Hibernates(usize),
    ComesBack(usize),
    BobSays,
    BobKicks(usize),
    RoomsRestart,
    LinkBreaks(u64, WhileDown),
    TimePasses(u64),
    Settles,
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..6_usize;
    let nick = 0..3_usize;
    let down = prop_oneof![
        Just(WhileDown::Wait),
        Just(WhileDown::Bounce),
        Just(WhileDown::Lose)
    ];
    prop_oneof![
        6 => (session.clone(), nick.clone()).prop_map(|(s, n)| Step::Joins(s, n)),
        3 => session.clone().prop_map(Step::Leaves),
        2 => (session.clone(), nick.clone()).prop_map(|(s, n)| Step::Renames(s, n)),
        1 => session.clone().prop_map(Step::Shows),
        2 => session.clone().prop_map(Step::Says),
        1 => session.clone().prop_map(Step::IsUnavailable),
        1 => session.clone().prop_map(Step::Closes),
        1 => session.clone().prop_map(Step::Hibernates),
        2 => session.prop_map(Step::ComesBack),
        2 => Just(Step::BobSays),
        1 => nick.prop_map(Step::BobKicks),
        1 => Just(Step::RoomsRestart),
        1 => (1..90_u64, down).prop_map(|(s, d)| Step::LinkBreaks(s, d)),
        1 => (1..120_u64).prop_map(Step::TimePasses),
        3 => Just(Step::Settles),
    ]
}

/// What a client that believes what it is told knows of the room.
#[derive(Clone, Debug, Default)]
struct Client {
    /// It has asked to join since it was bound.
    asked: bool,
    /// It is in, under this nick.
    own: Option<String>,
    others: BTreeSet<String>,
    alive: bool,
    hibernates: bool,
}

impl Client {
    fn hears(&mut self, session: &Session, stanza: &Stanza) {
        let Some(from) = stanza.from().filter(|from| from.to_bare().as_str() == ROOM) else {
            return;
        };
        match stanza.kind() {
            Kind::Presence => self.is_shown(session, from, stanza),
            Kind::Message if stanza.message_type() == MessageType::Groupchat => {
                assert!(
                    self.own.is_some(),
                    "{session} hears a room that it is not in: {}",
                    stanza.to_xml()
                );
            }
            _ => {}
        }
    }

    fn is_shown(&mut self, session: &Session, from: &Jid, presence: &Stanza) {
        let nick = from.resource().map(ToString::to_string).unwrap_or_default();
        let says = |code: &str| {
            presence
                .child("x", ns::MUC_USER)
                .is_some_and(|x| x.children().any(|status| status.attr("code") == Some(code)))
        };
        let is_own = says("110") || self.own.as_ref() == Some(&nick);
        match presence.type_() {
            Some(Type::Error) => {}
            Some(Type::Unavailable) if is_own && says("303") => self.own = Some(String::new()),
            Some(Type::Unavailable) if is_own => {
                self.own = None;
                self.others.clear();
            }
            Some(Type::Unavailable) => {
                self.others.remove(&nick);
            }
            _ => {
                assert!(
                    self.asked || self.own.is_some(),
                    "{session} is shown a room that it has not joined: {}",
                    presence.to_xml()
                );
                if is_own {
                    self.others.remove(&nick);
                    self.own = Some(nick);
                } else {
                    self.others.insert(nick);
                }
            }
        }
    }
}

struct Scene {
    w: World,
    layer: Arc<AccountMuc>,
    sessions: Vec<Session>,
    clients: Vec<Client>,
    bob: Session,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let w = World::seeded(seed);
        let store = Arc::new(MemorySeats::default());
        let feature = AccountMuc::new(store, Arc::new(w.entropy()));
        let layer: AccountMucLayer = Shell::of(feature);
        let feature = layer.feature().clone();
        w.host("a.example", layer);
        w.host("b.example", ());
        w.rooms("muc.example");
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
            sessions,
            bob,
        }
    }

    fn happens(&mut self, step: Step) {
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
            Step::RoomsRestart => {
                self.w.restart_rooms("muc.example");
            }
            Step::LinkBreaks(seconds, down) => {
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
        let client = &mut self.clients[who];
        if client.alive && !client.hibernates {
            client.asked = true;
        }
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
            self.w.settle();
        } else if !client.alive {
            client.alive = true;
            let jid = self.sessions[who].jid().to_string();
            self.sessions[who] = self.w.session(&jid);
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

    /// All that was broken is whole again, and everybody has had the time to
    /// find that out.
    fn heals(&mut self) {
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

    fn judge(&mut self) {
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

fn plays(seed: u64, steps: &[Step]) {
    let mut scene = Scene::new(seed);
    for step in steps {
        scene.happens(*step);
    }
    scene.heals();
    scene.judge();
    scene.w.abandon();
}

/// Found by the test below, each a way in which somebody did not learn who is
/// there, or who is not.
#[test]
fn what_once_went_wrong_goes_right() {
    use Step::*;
    let scenes: [&[Step]; 6] = [
        // A restarted room takes what the account shows for a join.
        &[Joins(0, 0), TimePasses(1), RoomsRestart, Shows(0)],
        // A change of nick that nobody ever answers.
        &[
            Joins(4, 0),
            TimePasses(1),
            Renames(4, 1),
            LinkBreaks(1, WhileDown::Lose),
            RoomsRestart,
        ],
        // A room that was not reached when the account left has it still,
        // under another nick.
        &[
            Joins(1, 1),
            Settles,
            Leaves(1),
            LinkBreaks(1, WhileDown::Bounce),
            Joins(0, 0),
        ],
        // The account gets a nick that somebody else had.
        &[
            Joins(3, 1),
            Joins(1, 2),
            RoomsRestart,
            TimePasses(1),
            Renames(1, 1),
            Settles,
            RoomsRestart,
        ],
        // What the room says of who leaves is lost.
        &[
            Joins(0, 0),
            Joins(3, 1),
            TimePasses(1),
            LinkBreaks(1, WhileDown::Lose),
            Leaves(3),
            BobKicks(1),
        ],
        // Presence in the belief to be in the room, after a kick.
        &[Joins(0, 0), Settles, BobKicks(0), Shows(0)],
    ];
    for scene in scenes {
        for seed in 0..5 {
            plays(seed, scene);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn in_the_end_every_session_knows_exactly_who_is_there(
        seed in any::<u64>(),
        steps in vec(step(), 1..40),
    ) {
        plays(seed, &steps);
    }
}
