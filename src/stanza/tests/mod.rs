//! Dialogues with the public API.

pub(super) mod canonical;
mod hostile;
mod lossless;
mod plain;

use jid::Jid;

use super::*;

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

fn parse(xml: &str) -> Stanza {
    Stanza::parse(xml.as_bytes()).unwrap()
}

#[test]
fn a_stanza_leaves_as_it_came() {
    let xml = "<message xmlns='jabber:client' from='a@b.example/c' id='1' type='chat' xml:lang='en' \
               xmlns:a0='urn:example:x' a0:y='&lt;z' plain='p' to='d@e.example'>\
               <body>hi &amp; bye</body> and <x xmlns='urn:example:x'><y/></x></message>";
    let stanza = parse(xml);
    assert_eq!(stanza.from(), Some(&jid("a@b.example/c")));
    assert_eq!(stanza.lang(), Some("en"));
    assert_eq!(stanza.body_text().as_deref(), Some("hi & bye"));
    let mut unknown: Vec<_> = stanza.attributes().collect();
    unknown.sort();
    assert_eq!(
        unknown,
        [(None, "plain", "p"), (Some("urn:example:x"), "y", "<z")]
    );
    let again = parse(&stanza.to_xml());
    assert_eq!(again.to_xml(), stanza.to_xml());
    assert_eq!(
        Element::parse(stanza.to_xml().as_bytes()).unwrap(),
        Element::parse(xml.as_bytes()).unwrap()
    );
}

#[test]
fn edits_leave_the_copies_alone() {
    let original = parse("<message><body>hi</body><x xmlns='urn:x'/><y xmlns='urn:y'/></message>");
    let mut copy = original.clone();
    assert_eq!(copy.remove_child("x", "urn:x"), 1);
    copy.push(Element::new("z", "urn:z"));
    copy.set_to(Some(jid("a@b.example")));
    assert!(copy.mentions("urn:z") && !copy.mentions("urn:x"));
    assert!(!original.mentions("urn:z") && original.mentions("urn:x"));
    assert_eq!(
        copy.to_xml(),
        "<message xmlns='jabber:client' to='a@b.example'><body>hi</body><y xmlns='urn:y'/><z xmlns='urn:z'/></message>"
    );
    assert_eq!(copy.remove_children(|child| child.has_ns("urn:z")), 1);
    assert_eq!(copy.children().count(), 2);
    assert_eq!(copy.remove_children(|_| true), 2);
    assert_eq!(
        copy.to_xml(),
        "<message xmlns='jabber:client' to='a@b.example'/>"
    );
}

#[test]
fn an_address_that_is_no_jid_is_kept_and_can_be_bounced() {
    let stanza =
        parse("<iq type='get' id='1' from='a@b.example/c' to='@@'><q xmlns='urn:q'/></iq>");
    assert_eq!(stanza.address_fault(), Some(AddressFault::To));
    assert_eq!(stanza.to(), None);
    assert!(stanza.to_xml().contains("to='@@'"));
    let bounce = stanza.error_reply(&Condition::JidMalformed.into()).unwrap();
    assert_eq!(bounce.to(), Some(&jid("a@b.example/c")));
    assert_eq!(bounce.from(), None);
    assert_eq!(bounce.error().unwrap().condition, Condition::JidMalformed);
    assert!(
        bounce
            .error_reply(&Condition::JidMalformed.into())
            .is_none()
    );
}

#[test]
fn one_message_serves_many_recipients() {
    let stanza = parse("<message to='x@y.example'><body>hi</body></message>");
    let split = stanza.split_at_to();
    let mut out = Vec::new();
    split.write_for(&jid("a@b.example/it's"), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "<message to='a@b.example/it&apos;s'><body>hi</body></message>"
    );
}

#[test]
fn a_stream_is_cut_into_frames() {
    let mut reader = Reader::new(Limits::default());
    let stream = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' to='a.example' \
                  xmlns:stream='http://etherx.jabber.org/streams' version='1.0'> \n\
                  <message to='a@a.example'><body>hi</body></message> \
                  <stream:features/></stream:stream>";
    let mut frames = Vec::new();
    for byte in stream.as_bytes() {
        reader.push(&[*byte]);
        while let Some(frame) = reader.next().unwrap() {
            frames.push(frame);
        }
    }
    let [
        Frame::Open(header),
        Frame::Stanza(message),
        Frame::Nonza(features),
        Frame::Close,
    ] = &frames[..]
    else {
        panic!("{frames:?}");
    };
    assert_eq!(header.to.as_deref(), Some("a.example"));
    assert_eq!(header.content, ns::SERVER);
    assert!(message.has_body());
    assert!(features.is("features", ns::STREAMS));
}
