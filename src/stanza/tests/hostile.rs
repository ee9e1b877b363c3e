//! Dialogues with peers that mean no good, or know no better.

use super::super::*;

const OPEN: &str = "<stream:stream xmlns='jabber:client' version='1.0' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";

const SMALL: Limits = Limits {
    stanza_bytes: 2_000,
    depth: 8,
    attributes: 6,
    children: 10,
    namespace_bytes: 100,
};

/// A reader within small limits, behind a stream header.
fn opened() -> Reader {
    let mut reader = Reader::new(SMALL);
    reader.push(OPEN.as_bytes());
    assert!(matches!(reader.next(), Ok(Some(Frame::Open(_)))));
    reader
}

/// What becomes of `xml` on an open stream, and again byte by byte.
fn fate(xml: &str) -> Result<Vec<Frame>, StreamError> {
    let read = |chunks: std::slice::Chunks<'_, u8>| {
        let mut reader = opened();
        let mut frames = Vec::new();
        for chunk in chunks {
            reader.push(chunk);
            while let Some(frame) = reader.next()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    };
    let whole = read(xml.as_bytes().chunks(xml.len()));
    let pieces = read(xml.as_bytes().chunks(1));
    assert_eq!(whole.as_ref().err(), pieces.as_ref().err(), "{xml}");
    whole
}

fn error(xml: &str) -> &'static str {
    fate(xml).map(|_| ()).expect_err(xml).condition()
}

#[test]
fn xml_that_xmpp_forbids_is_restricted_xml() {
    for xml in [
        "<message><!-- comment --></message>",
        "<!-- comment -->",
        "<message><?php echo ?></message>",
        "<?xml-stylesheet href='x'?>",
        "<!DOCTYPE html>",
        "<message><!DOCTYPE html></message>",
        "<!ENTITY lol 'lol'>",
        "<message><body>&lol;</body></message>",
        "<message id='&nbsp;'/>",
    ] {
        assert_eq!(error(xml), "restricted-xml", "{xml}");
    }
}

#[test]
fn broken_xml_is_not_well_formed() {
    for xml in [
        "<message></presence>",
        "<message><body></message>",
        "<message id='1' id='2'/>",
        "<message id='1'type='chat'/>",
        "<message xmlns:a='urn:a' xmlns:b='urn:a' a:x='1' b:x='2'/>",
        "<message xmlns:a='urn:a' xmlns:a='urn:b'/>",
        "<message id=1/>",
        "<message id='<'/>",
        "<message><a:body/></message>",
        "<message a:x='1'/>",
        "<message xmlns:a=''/>",
        "<message xmlns:xmlns='urn:a'/>",
        "<a:b:c/>",
        "<message><body>&#0;</body></message>",
        "<message><body>&#xFFFF;</body></message>",
        "<message><body>\u{1}</body></message>",
        "<message><body>]]></body></message>",
        "<message><body>& </body></message>",
        "< message/>",
        "<1/>",
    ] {
        assert_eq!(error(xml), "not-well-formed", "{xml}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_an_unsupported_encoding() {
    for bytes in [
        &b"<message><body>\xFF</body></message>"[..],
        b"<message id='\xC3('/>",
        b"<message><body>\xED\xA0\x80</body></message>",
        b"<message><body>\xC0\xAF</body></message>",
    ] {
        let mut reader = opened();
        reader.push(bytes);
        assert_eq!(reader.next().unwrap_err(), StreamError::UnsupportedEncoding);
        assert_eq!(
            Stanza::parse(bytes).unwrap_err(),
            ParseError::Xml(StreamError::UnsupportedEncoding)
        );
    }
}

#[test]
fn text_between_stanzas_is_bad_format() {
    assert_eq!(error("hello"), "bad-format");
    assert_eq!(error("<message/>hello<message/>"), "bad-format");
    assert_eq!(error("<![CDATA[hello]]>"), "bad-format");
}

#[test]
fn a_stanza_of_another_content_namespace_is_an_invalid_namespace() {
    assert_eq!(
        error("<message xmlns='jabber:server'/>"),
        "invalid-namespace"
    );
}

#[test]
fn no_element_has_the_prefix_xml() {
    // It is bound without a declaration, and meant for attributes. A tree could
    // not hold such an element, and who looked into it would see another one.
    for stanza in [
        "<message><xml:x/></message>",
        "<message><delay xmlns='urn:xmpp:delay' from='a.example'><xml:x/></delay></message>",
        "<xml:message/>",
    ] {
        assert_eq!(error(stanza), "bad-namespace-prefix", "{stanza}");
    }
    let told = Stanza::parse(b"<message><body xml:lang='en' xml:x='y'/></message>").unwrap();
    assert_eq!(told.payload().unwrap().attrs().count(), 2);
}

#[test]
fn a_stream_header_must_be_one() {
    for (header, condition) in [
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>",
            "invalid-namespace",
        ),
        (
            "<stream:stream xmlns='urn:x' xmlns:stream='http://etherx.jabber.org/streams'>",
            "invalid-namespace",
        ),
        ("<stream xmlns='jabber:client'>", "bad-namespace-prefix"),
        ("<html>", "bad-format"),
        ("<stream:stream xmlns='jabber:client'>", "not-well-formed"),
        ("GET / HTTP/1.1\r\n", "not-well-formed"),
        ("\u{16}\u{3}\u{1}", "not-well-formed"),
        ("<?xml version='1.1'?>", "restricted-xml"),
        ("<?xml version='1.0' encoding='latin-1'?>", "restricted-xml"),
    ] {
        let mut reader = Reader::new(SMALL);
        reader.push(header.as_bytes());
        let error = reader.next().expect_err(header);
        assert_eq!(error.condition(), condition, "{header}");
    }
}

#[test]
fn what_exceeds_a_limit_is_a_policy_violation() {
    let deep = "<message>".to_owned() + &"<a>".repeat(8);
    let attributes = "<message a='1' b='2' c='3' d='4' e='5' f='6' g='7'/>";
    let children = format!("<message>{}</message>", "<a/>".repeat(11));
    let namespace = format!("<message><x xmlns='{}'/></message>", "n".repeat(101));
    let force: String = (0..4)
        .map(|level| {
            let declared = (0..5).map(|at| format!(" xmlns:p{level}{at}='n'"));
            format!("<x{}>", declared.collect::<String>())
        })
        .collect();
    for (xml, limit) in [
        (namespace.as_str(), Limit::NamespaceBytes),
        (&format!("<message>{force}"), Limit::Attributes),
        (deep.as_str(), Limit::Depth),
        (attributes, Limit::Attributes),
        (children.as_str(), Limit::Children),
        (
            &format!("<message>{}</message>", "a".repeat(2_000)),
            Limit::StanzaBytes,
        ),
        (
            &format!("<success>{}</success>", "a".repeat(2_000)),
            Limit::StanzaBytes,
        ),
    ] {
        assert_eq!(
            fate(xml).unwrap_err(),
            StreamError::PolicyViolation(limit),
            "{xml}"
        );
    }
}

#[test]
fn what_is_just_within_the_limits_passes() {
    let deep = "<message>".to_owned() + &"<a>".repeat(7) + &"</a>".repeat(7) + "</message>";
    let attributes = "<message a='1' b='2' c='3' d='4' e='5' f='6'/>";
    let children = format!("<message>{}</message>", "<a/>".repeat(10));
    let frame = "<message></message>".len();
    let long = format!("<message>{}</message>", "a".repeat(2_000 - frame));
    for xml in [&deep, attributes, &children, &long, &long.repeat(3)] {
        let frames = fate(xml).expect(xml);
        assert!(frames.iter().all(|frame| matches!(frame, Frame::Stanza(_))));
    }
}

#[test]
fn declarations_do_not_multiply_beyond_the_limit() {
    let namespace = "n".repeat(SMALL.namespace_bytes);
    let xml = |children| {
        format!(
            "<message xmlns:p='{namespace}' xmlns:q='{namespace}q'>{}</message>",
            "<p:x/>".repeat(children)
        )
    };
    let limits = Limits {
        namespace_bytes: 200,
        children: 1_000,
        ..SMALL
    };
    let few = Stanza::parse_within(xml(10).as_bytes(), &limits).unwrap();
    assert_eq!(
        few.children()
            .filter(|child| child.has_ns(&namespace))
            .count(),
        10
    );
    assert_eq!(
        Stanza::parse_within(xml(200).as_bytes(), &limits).unwrap_err(),
        ParseError::Xml(StreamError::PolicyViolation(Limit::StanzaBytes))
    );
}

#[test]
fn what_never_ends_is_refused_when_it_reaches_the_limit() {
    for endless in [
        ("<message id='", "a"),
        ("<message ", " "),
        ("<message ", "a='1' "),
        ("<message><body>", "a"),
        ("<message><body><![CDATA[", "a"),
        ("<message>", "<a/>"),
        ("<", "a"),
        ("<message ", "a"),
        ("</", "a"),
        ("<message><body>&", "a"),
        ("<message><body>&#", "0"),
        ("<iq></iq", " "),
        ("", "<![CDATA[]]>"),
        ("<auth mechanism='PLAIN'>", "QUJD"),
    ] {
        let mut reader = opened();
        reader.push(endless.0.as_bytes());
        let refused = (0..SMALL.stanza_bytes).find_map(|_| {
            reader.push(endless.1.as_bytes());
            assert!(reader.buffered() <= SMALL.stanza_bytes + 12, "{endless:?}");
            reader.next().err()
        });
        assert!(refused.is_some(), "{endless:?}");
        reader.push(&[b'a'; 10_000]);
        assert_eq!(reader.buffered(), 0, "{endless:?}");
        assert_eq!(reader.next().err(), refused, "{endless:?}");
    }
}

#[test]
fn an_endless_header_is_refused() {
    for endless in [
        ("<?xml ", " "),
        ("<stream:stream ", " "),
        ("<stream:stream to='", "a"),
    ] {
        let mut reader = Reader::new(SMALL);
        reader.push(endless.0.as_bytes());
        let refused = (0..=SMALL.stanza_bytes).find_map(|_| {
            reader.push(endless.1.as_bytes());
            reader.next().err()
        });
        assert_eq!(
            refused,
            Some(StreamError::PolicyViolation(Limit::StanzaBytes)),
            "{endless:?}"
        );
    }
}

#[test]
fn whitespace_between_stanzas_is_not_gathered() {
    let mut reader = opened();
    for _ in 0..10_000 {
        reader.push(b" \n");
        assert!(matches!(reader.next(), Ok(None)));
        assert_eq!(reader.buffered(), 0);
    }
    reader.push(b"<presence/>");
    assert!(matches!(reader.next(), Ok(Some(Frame::Stanza(_)))));
}

#[test]
fn a_stream_of_many_stanzas_in_one_piece_is_no_large_stanza() {
    let mut reader = opened();
    let stanza = "<message><body>hi</body></message>\n";
    reader.push(stanza.repeat(1_000).as_bytes());
    for _ in 0..1_000 {
        assert!(matches!(reader.next(), Ok(Some(Frame::Stanza(stanza))) if stanza.has_body()));
    }
    assert!(matches!(reader.next(), Ok(None)));
    assert_eq!(reader.buffered(), 0);
}

#[test]
fn a_peer_may_send_more_once_it_is_known_but_never_more_than_at_all() {
    let read = |allowed: &[usize], length: usize| {
        let mut reader = opened();
        for bytes in allowed {
            reader.set_stanza_bytes(*bytes);
        }
        reader.push(format!("<message><body>{}</body></message>", "a".repeat(length)).as_bytes());
        reader.next().map(|frame| frame.is_some())
    };
    let refused = Err(StreamError::PolicyViolation(Limit::StanzaBytes));
    assert_eq!(read(&[500], 400), Ok(true));
    assert_eq!(read(&[500], 500), refused);
    assert_eq!(read(&[500, 1_000], 500), Ok(true));
    assert_eq!(read(&[500, 1_000_000], 1_900), Ok(true));
    assert_eq!(read(&[1_000_000], 2_000), refused);
}

#[test]
fn a_stanza_may_have_as_many_bytes_as_allowed_and_not_one_more() {
    // Plain, left to rxml, and no stanza.
    for xml in ["<message id='1'/>", "<message id = '1'/>", "<r h='1'/>"] {
        for length in [1, xml.len()] {
            let read = |allowed| {
                let mut reader = opened();
                reader.set_stanza_bytes(allowed);
                for chunk in xml.as_bytes().chunks(length) {
                    reader.push(chunk);
                    if let Some(frame) = reader.next()? {
                        return Ok(Some(frame));
                    }
                }
                Ok(None)
            };
            assert!(matches!(read(xml.len()), Ok(Some(_))), "{xml}");
            let refused = StreamError::PolicyViolation(Limit::StanzaBytes);
            assert_eq!(read(xml.len() - 1).err(), Some(refused), "{xml}");
        }
    }
}

#[test]
fn a_stream_that_its_header_closes_holds_no_stanza() {
    let xml = [&OPEN[..OPEN.len() - 1], "/><presence/>"].concat();
    for length in [1, xml.len()] {
        let mut reader = Reader::new(SMALL);
        let mut frames = Vec::new();
        for chunk in xml.as_bytes().chunks(length) {
            reader.push(chunk);
            while let Some(frame) = reader.next().unwrap() {
                frames.push(frame);
            }
        }
        assert!(
            matches!(frames[..], [Frame::Open(_), Frame::Close]),
            "{frames:?}"
        );
    }
}

#[test]
fn a_stream_restarts_and_keeps_what_came_early() {
    let mut reader = opened();
    reader
        .push(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AA==</auth> <?xml version='1.0'?>");
    reader.push(OPEN.as_bytes());
    reader.push(b"<presence/></stream:stream>late");
    assert!(matches!(reader.next(), Ok(Some(Frame::Nonza(auth))) if auth.is("auth", ns::SASL)));
    reader.restart();
    assert!(matches!(reader.next(), Ok(Some(Frame::Open(_)))));
    assert!(matches!(reader.next(), Ok(Some(Frame::Stanza(_)))));
    assert!(matches!(reader.next(), Ok(Some(Frame::Close))));
    assert!(matches!(reader.next(), Ok(None)));
    assert_eq!(reader.buffered(), 0);
}

#[test]
fn a_top_level_element_keeps_what_it_means() {
    let frames = fate("<stream:error><x xmlns='urn:x'/><y stream:z='1'/></stream:error>").unwrap();
    let [Frame::Nonza(error)] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert!(error.is("error", ns::STREAMS));
    assert!(error.has_child("x", "urn:x") && error.has_child("y", ns::CLIENT));
    assert_eq!(
        error
            .child("y", ns::CLIENT)
            .unwrap()
            .attr_ns(ns::STREAMS, "z"),
        Some("1")
    );
}

#[test]
fn bytes_that_are_not_exactly_one_stanza_are_refused() {
    let malformed = ParseError::Xml(StreamError::NotWellFormed);
    for (xml, error) in [
        ("", malformed),
        (" ", malformed),
        ("<message", malformed),
        ("<message>", malformed),
        ("<message/><message/>", malformed),
        ("<message/>x", malformed),
        ("<x:message/>", malformed),
        ("<message xmlns='urn:x'/>", ParseError::NotAStanza),
        ("<query/>", ParseError::NotAStanza),
        ("<message xmlns=''/>", ParseError::NotAStanza),
    ] {
        assert_eq!(Stanza::parse(xml.as_bytes()).unwrap_err(), error, "{xml}");
    }
    for xml in [
        "",
        "<a",
        "<a></b>",
        "<a/><b/>",
        "<a b='1' b='2'/>",
        "<a:b/>",
    ] {
        assert!(Element::parse(xml.as_bytes()).is_err(), "{xml}");
        assert!(RawXml::parse(xml.as_bytes()).is_err(), "{xml}");
    }
}

#[test]
fn a_thousand_children_are_read_edited_and_written() {
    let xml = format!("<message>{}</message>", "<x xmlns='urn:x'/>".repeat(1_000));
    let mut stanza = Stanza::parse(xml.as_bytes()).unwrap();
    assert_eq!(stanza.remove_child("x", "urn:x"), 1_000);
    assert_eq!(stanza.remove_child("x", "urn:x"), 0);
    assert_eq!(stanza.to_xml(), "<message xmlns='jabber:client'/>");
    let xml = format!("<message>{}</message>", "<x xmlns='urn:x'/>".repeat(1_001));
    assert_eq!(
        Stanza::parse(xml.as_bytes()).unwrap_err(),
        ParseError::Xml(StreamError::PolicyViolation(Limit::Children))
    );
}

#[test]
fn a_hundred_thousand_levels_do_not_overflow_the_stack() {
    let xml = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
    assert_eq!(
        Element::parse(xml.as_bytes()).unwrap_err(),
        ParseError::Xml(StreamError::PolicyViolation(Limit::Depth))
    );
    let xml = format!("<message>{xml}</message>");
    assert!(Stanza::parse(xml.as_bytes()).is_err());
}
