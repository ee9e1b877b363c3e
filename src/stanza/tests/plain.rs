//! What is read at once, and what is left to rxml.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::scope::Scope;
use super::super::*;

/// How much of `xml` is read at once. What is, means the same to rxml.
fn at_once(xml: &[u8]) -> Option<usize> {
    let limits = Limits::default();
    let mut scope = Scope::new(limits, ns::CLIENT);
    let (stanza, length) = assemble::at_once(xml, &mut scope, None, &limits)?;
    let same = in_pieces(xml).expect("rxml accepts it");
    assert_eq!(same.map(|same| same.to_xml()), Some(stanza.to_xml()));
    Some(length)
}

fn is_plain(xml: &[u8]) -> bool {
    at_once(xml) == Some(xml.len())
}

/// What rxml makes of it, which reads what does not come at once.
fn in_pieces(xml: &[u8]) -> Result<Option<Stanza>, StreamError> {
    let mut reader = Reader::new(Limits::default());
    reader.push(b"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>");
    assert!(matches!(reader.next()?, Some(Frame::Open(_))));
    for byte in xml {
        reader.push(&[*byte]);
        if let Some(Frame::Stanza(stanza)) = reader.next()? {
            return Ok(Some(stanza));
        }
    }
    Ok(None)
}

#[test]
fn what_clients_send_is_read_at_once() {
    for xml in [
        "<presence/>",
        "<presence ><show>away</show></presence>",
        "<message to='bob@b.example' type='chat' id=\"it's 1\"><body>ä &lt;3 &amp; ]> a[0] > b</body>\
         <request xmlns='urn:xmpp:receipts'/></message>",
        "<message to='bob@b.example/♥'\n\ttype='groupchat'><body>one\ntwo</body></message>",
        "<iq id='1' type='get'><query xmlns='jabber:iq:roster' ver=''/></iq>",
        "<message xml:lang='de'><x:a xmlns:x='urn:example:x' x:b='c'><x:d/></x:a></message>",
        "<c:message xmlns:c='jabber:client'><c:body/></c:message>",
    ] {
        assert!(is_plain(xml.as_bytes()), "{xml}");
    }
}

#[test]
fn what_is_right_but_not_plain_is_left_to_rxml() {
    let deep = [
        "<message>",
        &"<a>".repeat(16),
        &"</a>".repeat(16),
        "</message>",
    ]
    .concat();
    for xml in [
        "<message id='&amp;'/>",
        "<message id = '1'/>",
        "<message id='a\tb'/>",
        "<message\r/>",
        "<message></message >",
        "<message><body>&#65;</body></message>",
        "<message><body>]]</body></message>",
        "<message><body>one\r\ntwo</body></message>",
        "<message><body><![CDATA[<]]></body></message>",
        "<message><body>！</body></message>",
        "<message><über xmlns='urn:example:x'/></message>",
        "<message xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        &deep,
    ] {
        assert_eq!(at_once(xml.as_bytes()), None, "{xml}");
        assert!(matches!(in_pieces(xml.as_bytes()), Ok(Some(_))), "{xml}");
    }
}

#[test]
fn what_is_wrong_is_not_read_at_once() {
    for xml in [
        "<message><body>]]></body></message>",
        "<message><body>\u{1}</body></message>",
        "<message><body>\u{FFFF}</body></message>",
        "<message><body>&lol;</body></message>",
        "<message><!-- --></message>",
        "<message id='\u{1}'/>",
        "<message id='a<b'/>",
        "<message id='1'type='chat'/>",
        "<message id='1' id='2'/>",
        "<message xmlns:a=''/>",
        "<message xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<message xmlns:xmlns='urn:example:x'/>",
        "<message xmlns:xml='urn:example:x'/>",
        "<message xmlns:a='http://www.w3.org/XML/1998/namespace'/>",
        "<message a:b='c'/>",
        "<message a:b:c='d' xmlns:a='urn:example:x'/>",
        "<message :b='c'/>",
        "<message -b='c'/>",
        "<message b:='c' xmlns:b='urn:example:x'/>",
        "<message><body></message></body>",
        "<message><body></bodY></message>",
        "<message><a:body/></message>",
        "<message><xml:body/></message>",
        "<message><1/></message>",
    ] {
        assert_eq!(at_once(xml.as_bytes()), None, "{xml}");
        assert!(in_pieces(xml.as_bytes()).is_err(), "{xml}");
    }
    assert_eq!(None, at_once(b"<message id='\xff'/>"));
    assert_eq!(None, at_once(b"<message><body>\xff</body></message>"));
}

#[test]
fn a_stanza_that_is_cut_anywhere_is_waited_for() {
    let xml = b"<message to='bob@b.example'><body>a &amp; b]c</body><x xmlns='urn:x'/></message>";
    for length in 0..xml.len() {
        assert_eq!(at_once(&xml[..length]), None, "{length}");
    }
    assert!(is_plain(xml));
}

#[test]
fn each_ascii_character_in_each_place_means_the_same_to_rxml() {
    for byte in 0..128_u8 {
        let c = char::from(byte);
        for xml in [
            format!("<{c}message/>"),
            format!("<message{c}a='b'/>"),
            format!("<message a{c}='b'/>"),
            format!("<message a={c}b'/>"),
            format!("<message a='{c}'/>"),
            format!("<message a='b'{c}/>"),
            format!("<message a='b'/{c}>"),
            format!("<message><{c}/></message>"),
            format!("<message><a{c}b></a{c}b></message>"),
            format!("<message>{c}a</message>"),
            format!("<message>&{c}lt;</message>"),
            format!("<message>]{c}]></message>"),
            format!("<message>]]{c}></message>"),
            format!("<message></{c}message>"),
            format!("<message></message{c}>"),
        ] {
            at_once(xml.as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_at_once_means_the_same_to_rxml(
        words in prop::collection::vec(select(WORDS), 1..12),
    ) {
        for tag in ["<message", "<message>"] {
            at_once([tag, &words.concat(), "</message>"].concat().as_bytes());
        }
    }
}

/// What markup is made of, put together at random.
const WORDS: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "<a",
    "</a>",
    "<a>",
    "<p:a",
    "</p:a>",
    "<a/>",
    " ",
    "\n",
    "=",
    "'",
    "\"",
    ":",
    " b='1'",
    " b=\"'\"",
    " p:b='2'",
    " xmlns='x'",
    " xmlns=''",
    " xmlns:p='y'",
    " xmlns:p=''",
    " xml:b='3'",
    "xmlns",
    "xml",
    "&amp;",
    "&",
    "&#9;",
    "]",
    "]]>",
    "!",
    "?",
    "-",
    "ä",
    "\u{FFFE}",
    "9",
    " to='a@b'",
    " type='chat'",
];
