//! The dialogues of `tests/scs`, in a world; what a script may look like, and
//! how it fails. Over TCP: `tests/server/scripts.rs`.

#[path = "common/scripts.rs"]
mod files;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use files::scripts;

use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::fork::ForkLayer;
use tower_xmpp::store::MemoryArchive;
use tower_xmpp::testkit::World;
use tower_xmpp::testkit::room::{Creation, Settings};
use tower_xmpp::testkit::script::{Script, ScriptError};

/// A world like the example server.
fn world() -> World {
    let w = World::new();
    let archive = ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(w.entropy()));
    let mut settings = Settings::default();
    settings.creation = Creation::Instant;
    w.host("localhost", (archive, ForkLayer::new()))
        .rooms_with("localhost", "rooms.localhost", settings)
        .own_presence();
    w
}

#[test]
fn every_script_plays_in_a_world_to_its_end() {
    for (name, script) in scripts() {
        let w = world();
        script
            .run_in(&w)
            .unwrap_or_else(|why| panic!("{name}: {why}\n{w:?}"));
        w.finish();
    }
}

/// A dialogue with one client, and these lines in it.
fn alone(dialogue: &str) -> Result<(), ScriptError> {
    let script = Script::parse(&format!(
        "[Client] Alice\n\tjid: alice@localhost\n\tpassword: alice\n---\n{dialogue}"
    ))?;
    let w = world();
    let played = script.run_in(&w);
    w.abandon();
    played
}

fn why(dialogue: &str) -> String {
    alone(dialogue).expect_err("it must fail").to_string()
}

#[test]
fn what_is_no_script_is_refused_with_its_line() {
    let cases = [
        (
            "Bob connects",
            "line 5: no client is called so: Bob connects",
        ),
        ("Alice dances", "line 5: nobody can do this: dances"),
        ("\t<presence/>", "line 5: an indented line belongs to"),
        ("Alice sends:", "line 5: no stanza stands below"),
    ];
    for (dialogue, expected) in cases {
        let why = why(dialogue);
        assert!(why.starts_with(expected), "{why}");
    }
    let nameless = Script::parse("[Client] Alice\n\tpassword: x\n---\n").unwrap_err();
    assert_eq!(nameless.to_string(), "line 1: the client has no 'jid:'");
}

#[test]
fn a_script_that_goes_otherwise_fails_at_its_line() {
    let cases = [
        (
            "Alice sends:\n\t<presence/>",
            "line 5, Alice: is not connected",
        ),
        (
            "Alice connects\nAlice sends:\n\t<presence to=\"${Bob's JID}\"/>",
            "line 6, Alice: nobody knows ${Bob's JID} yet",
        ),
        (
            "Alice connects\nAlice sends:\n\t<presence>",
            "line 6, Alice: this is not a stanza (not well-formed):\n  <presence>",
        ),
        (
            "Alice connects\nAlice receives:\n\t<message id='{scansion:capture:x'/>",
            "line 6, Alice: a {scansion:capture:…} is not closed",
        ),
    ];
    for (dialogue, expected) in cases {
        assert_eq!(why(dialogue), expected);
    }
}

#[test]
fn a_stanza_that_does_not_come_is_named() {
    assert_eq!(
        why("Alice connects\nAlice receives:\n\t<message id='m1'/>"),
        "line 6, Alice: expected\n  <message id='m1'/>\nbut nothing came"
    );
}

#[test]
fn a_stanza_that_nobody_expected_is_shown() {
    assert_eq!(
        why("Alice connects\nAlice sends:\n\t<presence/>\nAlice receives nothing"),
        "line 8, Alice: expected nothing, but got\n  <presence xmlns='jabber:client' \
         from='alice@localhost/client0' to='alice@localhost/client0'/>"
    );
}

#[test]
fn an_attribute_that_is_wrong_is_named_with_both_values() {
    assert_eq!(
        why("Alice connects\nAlice sends:\n\t<presence id='p1'/>\n\
             Alice receives:\n\t<presence id='p2'/>"),
        "line 8, Alice: expected\n  <presence id='p2'/>\nbut got\n  <presence xmlns='jabber:client' \
         from='alice@localhost/client0' id='p1' to='alice@localhost/client0'/>\n\
         which differs: attribute id of <presence>: expected 'p2', is 'p1'"
    );
}

#[test]
fn what_a_script_leaves_unexpected_fails_when_the_world_ends() {
    let script = Script::parse(
        "[Client] Alice\n\tjid: alice@localhost\n\tpassword: alice\n---\n\
         Alice connects\nAlice sends:\n\t<presence/>",
    );
    let w = world();
    script.unwrap().run_in(&w).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| w.finish())).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("did not end in silence: 1 left"), "{text}");
}

/// Everything that scripts written for scansion make use of.
#[test]
fn each_way_to_write_a_script_is_understood() {
    let script = Script::parse(
        r#"
## A title with two marks
# A second comment

[Client] Alice
	password: alice
	jid: alice@localhost/kitchen
	tls: off
// Between the clients

[Client] Bob
    jid: bob@localhost
    password: bob

[Client] Bob's phone
	jid: bob@localhost
	password: bob
	resource: phone

-- made with a tool
-----

Alice connects

# An account has an address before anybody uses it
Alice sends:
	<message to="${Bob's JID}" type='headline'/>

Bob connects

Bob's phone connects

// The name is the longest that fits, and the colon may be left out
Alice sends
	<message to="${Bob's phone's full JID}"
	         type='chat'
	         id='m1'>
	  <body>It costs $5</body>
	</message>

Bob's phone receives:
	<message from="alice@localhost/kitchen" type='chat' id='{scansion:capture:id}'>
		<body>It costs $5</body>
		<stanza-id xmlns='urn:xmpp:sid:0' by="${Bob's JID}" id='{scansion:any}'/>
	</message>

Bob's phone sends: <message to="${Alice's full JID}"><thanks xmlns='u:x' for='${id}'><a/><b/></thanks></message>

Alice receives
	<message scansion:strict='false'>
		<thanks xmlns='u:x' for='m1' scansion:strict='true'>
			<b/>
			<a scansion:strict='false'/>
		</thanks>
	</message>

Bob receives nothing

Bob's phone disconnects

Alice disconnects
// vim: syntax=xml:
"#,
    )
    .unwrap();
    assert_eq!(script.title, "A title with two marks");
    let w = world();
    script.run_in(&w).unwrap_or_else(|why| panic!("{why}"));
    w.finish();
}

#[test]
fn a_strict_element_has_nothing_that_is_not_named() {
    let dialogue = |strict| {
        alone(&format!(
            "Alice connects\n\
             Alice sends:\n\t<message to=\"${{Alice's full JID}}\"><x xmlns='u:x' a='1'><y/></x></message>\n\
             Alice receives:\n\t<message><x xmlns='u:x' scansion:strict='{strict}'/></message>"
        ))
    };
    assert_eq!(dialogue(false), Ok(()));
    let why = dialogue(true).unwrap_err().to_string();
    assert!(why.contains("there is more in <x"), "{why}");
}

#[test]
fn a_strict_stanza_has_no_other_attribute_child_or_text() {
    let presence = |pattern: &str| {
        alone(&format!(
            "Alice connects\nAlice sends:\n\t<presence id='p' xml:lang='de' u:a='1' xmlns:u='u:u'>\
             <status>Da</status></presence>\nAlice receives:\n\t{pattern}"
        ))
    };
    let whole = "<presence scansion:strict='true' from='{scansion:any}' to='{scansion:any}' id='p' \
                 xml:lang='de' xmlns:u='u:u' u:a='1'><status scansion:strict='true'>Da</status></presence>";
    assert_eq!(presence(whole), Ok(()));
    for less in [
        whole.replace(" id='p'", ""),
        whole.replace(" xml:lang='de'", ""),
        whole.replace(" u:a='1'", ""),
        whole.replace(">Da<", "><"),
        whole.replace("<status scansion:strict='true'>Da</status>", ""),
    ] {
        let why = presence(&less).unwrap_err().to_string();
        assert!(why.contains("there is more in <"), "{why}");
    }
}
