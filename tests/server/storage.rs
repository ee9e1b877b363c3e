//! What is there again after `kill -9`, and files that cannot be used.

use std::fs;
use std::path::PathBuf;

use super::client::*;
use super::example::random;
use super::process::{LISTEN, Process};

/// A directory for `--data` that goes away in the end.
pub struct Data(PathBuf);

impl Data {
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("tower-xmpp-{}", random::id())))
    }

    pub fn server(&self, options: &str) -> Process {
        Process::start(&format!("{LISTEN} {} {options}", self.option()))
    }

    pub fn option(&self) -> String {
        format!("--data {}", self.0.display())
    }

    /// What stands beside the files, and is more than they.
    fn logs(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.0).unwrap();
        let mut files: Vec<_> = files.map(|it| it.unwrap().path()).collect();
        files.retain(|path| {
            let is_log = path.extension().is_some_and(|it| it == "sqlite-wal");
            is_log && fs::metadata(path).is_ok_and(|it| it.len() > 0)
        });
        files
    }

    pub fn archive(&self) -> PathBuf {
        self.0.join("archive.sqlite")
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PRIVATE: &str = "<iq type='TYPE' id='p'><query xmlns='jabber:iq:private'>\
                       <storage xmlns='storage:rosternotes'>INSIDE</storage></query></iq>";

#[tokio::test(flavor = "multi_thread")]
async fn accounts_rosters_and_private_xml_survive_a_kill() {
    let data = Data::new();
    let mut server = data.server("--account alice:alice --account bob:bob");
    let mut alice = Client::available(server.address(), "alice", "phone").await;
    alice
        .ask(
            "<iq type='set' id='s'><query xmlns='jabber:iq:roster'>\
             <item jid='carol@example.org' name='C'><group>g</group></item></query></iq>",
        )
        .await;
    alice
        .ask(&PRIVATE.replace("TYPE", "set").replace("INSIDE", "kept"))
        .await;
    alice
        .send("<presence to='bob@example.org' type='subscribe'/>")
        .await;
    let roster = "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver=''/></iq>";
    let known = alice.ask(roster).await;
    let known = known.payload().unwrap().attr("ver").unwrap();
    alice.expect_nothing().await;
    server.kill();

    // Nobody is named: who has moved in is there, and nobody else.
    let mut server = data.server("");
    let address = server.address();
    let mut alice = Client::bound(address, "alice", "phone").await;
    let unchanged = alice
        .ask(&roster.replace("''", &format!("'{known}'")))
        .await;
    assert!(unchanged.payload().is_none());
    let roster = alice.ask(roster).await.payload().unwrap().to_xml();
    assert_eq!(
        roster,
        format!(
            "<query xmlns='jabber:iq:roster' ver='{known}'>\
             <item ask='subscribe' jid='bob@example.org' subscription='none'/>\
             <item jid='carol@example.org' name='C' subscription='none'><group>g</group></item>\
             </query>"
        )
    );
    let get = PRIVATE.replace("TYPE", "get").replace("INSIDE", "");
    let kept = alice.ask(&get).await;
    let kept = kept.payload().unwrap().first_child().unwrap().text();
    assert_eq!(kept, "kept");
    let mut bob = Client::available(address, "bob", "desk").await;
    let asked = bob.stanza().await;
    assert_eq!(asked.from().unwrap().as_str(), "alice@example.org");
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_ends_the_server_with_status_1() {
    let data = Data::new();
    let mut server = data.server("--account-rooms");
    server.address();
    server.signal("-TERM");
    assert_eq!(server.end().0, Some(0));
    let mut files: Vec<_> = fs::read_dir(&data.0)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "sqlite"));
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        // Else what was damaged would be read from a log.
        assert_eq!(data.logs(), [] as [PathBuf; 0]);
        let whole = fs::read(&file).unwrap();
        let (half, other) = (&whole[..whole.len() / 2], b"what is this? ".repeat(100));
        for content in [half, &other] {
            fs::write(&file, content).unwrap();
            let (status, said) = data.server("--account-rooms").end();
            assert_eq!(status, Some(1), "{said}");
            let expected = format!("error: {}", file.display());
            assert!(said.contains(&expected), "{said}");
        }
        fs::write(&file, whole).unwrap();
    }
    let mut server = data.server("--account-rooms");
    server.address();
}

const ROOM: &str = "tea@rooms.example.org";

async fn enter(client: &mut Client, nick: &str, inside: &str) -> Vec<tower_xmpp::stanza::Stanza> {
    client
        .send(&format!(
            "<presence to='{ROOM}/{nick}'>\
             <x xmlns='http://jabber.org/protocol/muc'>{inside}</x></presence>"
        ))
        .await;
    let mut heard = vec![];
    loop {
        let stanza = client.stanza().await;
        let is_last = stanza.is_error() || stanza.has_child("subject", "jabber:client");
        heard.push(stanza);
        if is_last {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_bookmarks_blocks_and_waiting_messages_survive_a_kill() {
    let data = Data::new();
    let mut server = data.server("--no-archive");
    let address = server.address();
    let mut alice = Client::available(address, "alice", "phone").await;
    let occupant = |heard: &[tower_xmpp::stanza::Stanza]| {
        let own = heard[0].child("occupant-id", "urn:xmpp:occupant-id:0");
        own.unwrap().attr("id").unwrap().to_owned()
    };
    let before = occupant(&enter(&mut alice, "Alice", "").await);
    for payload in [
        "<query xmlns='http://jabber.org/protocol/muc#owner'>\
         <x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
         <field var='muc#roomconfig_persistentroom'><value>1</value></field>\
         <field var='muc#roomconfig_membersonly'><value>1</value></field></x></query>",
        "<query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='member' jid='bob@example.org' nick='Bob'/></query>",
    ] {
        alice
            .send(&format!("<iq type='set' id='q' to='{ROOM}'>{payload}</iq>"))
            .await;
    }
    alice
        .send(&format!(
            "<message to='{ROOM}' type='groupchat' id='s'><subject>Leaves</subject></message>"
        ))
        .await;
    while alice.stanza().await.id() != Some("s") {}
    alice
        .ask(
            "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <publish node='n'><item id='i'><x xmlns='y'/></item></publish></pubsub></iq>",
        )
        .await;
    alice
        .ask(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>\
             <item jid='carol@example.org'/></block></iq>",
        )
        .await;
    alice
        .send("<message to='bob@example.org' id='m'><body>hi</body></message>")
        .await;
    alice.expect_nothing().await;
    server.kill();

    let mut server = data.server("--no-archive");
    let address = server.address();
    let mut alice = Client::bound(address, "alice", "phone").await;
    let get = "<iq type='get' id='g'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
               <items node='n'/></pubsub></iq>";
    assert!(alice.ask(get).await.to_xml().contains("<item id='i'>"));
    let get = "<iq type='get' id='g'><blocklist xmlns='urn:xmpp:blocking'/></iq>";
    assert!(alice.ask(get).await.to_xml().contains("carol@example.org"));
    let heard = enter(&mut alice, "Alice", "").await;
    assert_eq!(occupant(&heard), before);
    assert!(heard[0].to_xml().contains("affiliation='owner'"));
    let subject = heard.last().unwrap().child("subject", "jabber:client");
    assert_eq!(subject.unwrap().text(), "Leaves");
    let mut bob = Client::available(address, "bob", "desk").await;
    // Who becomes a member is told so by the room; that waited, too.
    assert_eq!(bob.stanza().await.from().unwrap().as_str(), ROOM);
    assert_eq!(bob.stanza().await.id(), Some("m"));
    let heard = enter(&mut bob, "Bob", "").await;
    assert!(!heard.last().unwrap().is_error());
}
