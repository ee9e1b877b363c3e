//! Nothing is lost: generated stanzas on generated streams.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::*;
use super::canonical::Canonical;

/// An element, and how it is spelled.
#[derive(Clone, Debug)]
struct Tree {
    name: &'static str,
    spelling: Spelling,
    attributes: Vec<&'static str>,
    contents: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Item {
    Tree(Tree),
    Text(&'static str),
}

/// Where an element takes its namespace from.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    /// From the elements around it.
    Inherited,
    /// It says `xmlns`.
    Own,
    /// It says `xmlns` and means the content namespace.
    OwnContent,
    /// It says `xmlns=''`.
    OwnNone,
    /// It declares a prefix and has it.
    Prefix,
    /// By a prefix for the content namespace, declared on the stanza.
    ContentPrefix,
    /// By a prefix declared on the stanza.
    StanzaPrefix,
    /// By a prefix declared on the stream.
    StreamPrefix,
}

/// A stanza and the stream around it.
#[derive(Clone, Debug)]
struct Document {
    content: &'static str,
    /// The stanza has a prefix, and the stream another default namespace.
    prefixed: bool,
    kind: &'static str,
    attributes: Vec<&'static str>,
    contents: Vec<Item>,
}

impl Document {
    fn stanza(&self) -> String {
        let prefix = if self.prefixed { "c:" } else { "" };
        let mut out = format!(
            "<{prefix}{} xmlns:c='{}' xmlns:t='urn:example:stanza'",
            self.kind, self.content
        );
        for attribute in &self.attributes {
            out += " ";
            out += attribute;
        }
        out += ">";
        for item in &self.contents {
            item.render(self.content, &mut out);
        }
        out + &format!("</{prefix}{} >", self.kind)
    }

    fn stream(&self) -> String {
        let default = match self.prefixed {
            false => format!(" xmlns='{}'", self.content),
            true => String::new(),
        };
        format!(
            "<?xml version='1.0'?><stream:stream{default} xmlns:s='urn:example:stream' \
             xmlns:stream='{}'>\n{} </stream:stream>",
            ns::STREAMS,
            self.stanza()
        )
    }

    fn canonical(&self) -> Canonical {
        Canonical::of(&self.stream()).children().remove(0)
    }
}

impl Item {
    fn render(&self, content: &str, out: &mut String) {
        let tree = match self {
            Item::Text(text) => {
                out.push_str(text);
                return;
            }
            Item::Tree(tree) => tree,
        };
        let (prefix, declaration) = match tree.spelling {
            Spelling::Inherited => ("", String::new()),
            Spelling::Own => ("", " xmlns = \"urn:example:own\"".to_owned()),
            Spelling::OwnContent => ("", format!(" xmlns='{content}'")),
            Spelling::OwnNone => ("", " xmlns=''".to_owned()),
            Spelling::Prefix => ("p:", " xmlns:p='urn:example:&quot;prefix'".to_owned()),
            Spelling::ContentPrefix => ("c:", String::new()),
            Spelling::StanzaPrefix => ("t:", String::new()),
            Spelling::StreamPrefix => ("s:", String::new()),
        };
        *out += &format!("<{prefix}{}{declaration}", tree.name);
        for attribute in &tree.attributes {
            *out += "\n ";
            *out += attribute;
        }
        if tree.contents.is_empty() {
            return *out += "/>";
        }
        *out += ">";
        for item in &tree.contents {
            item.render(content, out);
        }
        *out += &format!("</{prefix}{}>", tree.name);
    }
}

const TEXTS: &[&str] = &[
    " ",
    "\n\t",
    "hi",
    "a &amp; b &lt;i&gt; &quot;&apos;",
    "&#x41;&#10;&#13;",
    "<![CDATA[<not> & an ]] element]]>",
    "<![CDATA[]]>",
    "grüße 🐈 \u{FFFD}",
    "]] &gt;",
    "line\r\nbreak\rhere",
];

const ATTRIBUTES: &[&str] = &[
    "plain='1'",
    "xml:lang='de'",
    "t:x='stanza level'",
    "s:x=\"stream level\"",
    "c:x='content'",
    "id='&lt;&amp;&apos;&quot;>'",
    "xmlns:q='urn:example:q' q:y='own &#x9;&#10; tab'",
    "white='a\tb\nc'",
    "type='odd'",
];

const HEADS: &[&str] = &[
    "id='a&amp;b&apos;'",
    "xml:lang='en-GB'",
    "t:id='not the id'",
    "s:unknown='&#10;'",
    "unknown='grün'",
    "xmlns:u='urn:example:u' u:odd='1' u:other='2'",
    "xml:space='preserve'",
];

const ADDRESSES: &[&str] = &[
    "",
    "a@b.example",
    "a@b.example/it&apos;s &lt;me&gt; &amp; you",
    "b.example",
    "@@",
    "",
    "a@b@c/ ",
];

const TYPES: &[&str] = &[
    "chat",
    "normal",
    "error",
    "get",
    "groupchat",
    "unheard-of",
    "",
];

fn trees() -> impl Strategy<Value = Item> {
    let spellings = select(&[
        Spelling::Inherited,
        Spelling::Own,
        Spelling::OwnContent,
        Spelling::OwnNone,
        Spelling::Prefix,
        Spelling::ContentPrefix,
        Spelling::StanzaPrefix,
        Spelling::StreamPrefix,
    ]);
    let names = select(&["body", "subject", "x", "error", "message", "ns-0.y"]);
    let shell = (names, spellings, subsequence(ATTRIBUTES, 0..4));
    let leaf = prop_oneof![
        select(TEXTS).prop_map(Item::Text),
        shell.clone().prop_map(|(name, spelling, attributes)| {
            Item::Tree(Tree {
                name,
                spelling,
                attributes,
                contents: Vec::new(),
            })
        }),
    ];
    leaf.prop_recursive(6, 24, 4, move |inner| {
        (shell.clone(), prop::collection::vec(inner, 0..4)).prop_map(
            |((name, spelling, attributes), contents)| {
                Item::Tree(Tree {
                    name,
                    spelling,
                    attributes,
                    contents,
                })
            },
        )
    })
}

fn documents() -> impl Strategy<Value = Document> {
    let address = prop::option::of(select(ADDRESSES));
    (
        select(&[ns::CLIENT, ns::SERVER, ns::COMPONENT]),
        any::<bool>(),
        select(&["message", "presence", "iq"]),
        (address.clone(), address, prop::option::of(select(TYPES))),
        subsequence(HEADS, 0..=HEADS.len()),
        prop::collection::vec(trees(), 0..5),
    )
        .prop_map(
            |(content, prefixed, kind, (from, to, type_), mut attributes, contents)| {
                let mut add = |name: &str, value: Option<&str>| {
                    // Generated once per case; a leak of a few bytes is fine.
                    attributes.extend(value.map(|value| &*format!("{name}='{value}'").leak()));
                };
                add("from", from);
                add("to", to);
                add("type", type_);
                Document {
                    content,
                    prefixed,
                    kind,
                    attributes,
                    contents,
                }
            },
        )
}

/// Pushes `xml` in pieces of these lengths, again and again.
fn read(xml: &str, lengths: &[usize]) -> Vec<Frame> {
    let mut reader = Reader::new(Limits::default());
    let mut frames = Vec::new();
    let mut rest = xml.as_bytes();
    for length in lengths.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*length));
        reader.push(now);
        while let Some(frame) = reader.next().unwrap() {
            frames.push(frame);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    frames
}

/// What the stanzas of `xml` are, and whether it ends well, if it comes in pieces of this
/// length. Of two faults either may be found first.
fn fate(xml: &[u8], length: usize) -> (Vec<String>, bool) {
    let mut reader = Reader::new(Limits::default());
    let mut stanzas = Vec::new();
    for chunk in xml.chunks(length) {
        reader.push(chunk);
        loop {
            match reader.next() {
                Ok(Some(Frame::Stanza(stanza))) => stanzas.push(stanza.to_xml()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return (stanzas, false),
            }
        }
    }
    (stanzas, true)
}

/// A byte that means something to XML, or any.
fn noise() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => select(b"<>/&;:='\"!?[]-.x9 \t\n\r\0".as_slice()),
        1 => any::<u8>(),
    ]
}

fn stanza(frames: &[Frame]) -> Stanza {
    match frames {
        [Frame::Open(_), Frame::Stanza(stanza), Frame::Close] => stanza.clone(),
        other => panic!("{other:?}"),
    }
}

fn written(stanza: &Stanza, content: &'static str) -> Canonical {
    let mut out = Vec::new();
    stanza.write(&mut out, Form::Namespace(content));
    Canonical::of(std::str::from_utf8(&out).unwrap())
}

fn touch(element: ElementRef<'_>) -> usize {
    1 + element.children().map(touch).sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stanza_leaves_as_it_came(
        document in documents(),
        lengths in prop::collection::vec(1_usize..40, 1..12),
    ) {
        let expected = document.canonical();
        let whole = stanza(&read(&document.stream(), &[usize::MAX]));
        prop_assert_eq!(&written(&whole, document.content), &expected);

        // In pieces it reads the same, to the byte.
        let pieces = stanza(&read(&document.stream(), &lengths));
        prop_assert_eq!(pieces.to_xml(), whole.to_xml());

        // Looking into the children changes nothing, and they are all there.
        let shown: Vec<_> = whole.children().map(ElementRef::to_xml).collect();
        whole.children().for_each(|child| { touch(child); });
        prop_assert_eq!(&written(&whole, document.content), &expected);
        prop_assert_eq!(shown.len(), expected.clone().children().len());

        // Each child, taken out and put into another stanza, is the same.
        let mut rebuilt = whole.clone();
        rebuilt.remove_children(|_| true);
        prop_assert_eq!(rebuilt.children().count(), 0);
        for child in whole.children() {
            rebuilt.push(child.to_element());
        }
        let at_client = written(&whole, ns::CLIENT);
        prop_assert_eq!(
            written(&rebuilt, ns::CLIENT).children(),
            at_client.clone().children()
        );

        // So is the whole as bytes, and as a tree.
        let again = Stanza::parse(whole.to_xml().as_bytes()).unwrap();
        prop_assert_eq!(&written(&again, document.content), &expected);
        let tree = minidom::Element::try_from(&whole).unwrap();
        let again = Stanza::try_from(&tree).unwrap();
        prop_assert_eq!(&written(&again, ns::CLIENT), &at_client);
        prop_assert_eq!(whole.wire_len(), {
            let mut out = Vec::new();
            whole.write(&mut out, Form::Stream);
            out.len()
        });
    }

    #[test]
    fn a_forwarded_stanza_is_the_stanza(document in documents()) {
        let whole = stanza(&read(&document.stream(), &[usize::MAX]));
        let raw = whole.as_raw();
        prop_assert_eq!(Canonical::of(raw.as_str()), written(&whole, ns::CLIENT));
        let carried = Stanza::message().with_child(
            RawXml::build("forwarded", ns::FORWARD).stanza(&whole).finish(),
        );
        let read = Stanza::parse(carried.to_xml().as_bytes()).unwrap();
        let inner = read.payload().unwrap().first_child().unwrap().to_xml();
        prop_assert_eq!(Canonical::of(&inner), written(&whole, ns::CLIENT));
    }

    #[test]
    fn what_arrives_at_once_is_judged_as_what_arrives_byte_by_byte(
        mut xml in documents().prop_map(|document| document.stream().into_bytes()),
        noise in prop::collection::vec((any::<prop::sample::Index>(), noise()), 0..3),
    ) {
        for (index, byte) in noise {
            let at = index.index(xml.len());
            xml[at] = byte;
        }
        prop_assert_eq!(fate(&xml, xml.len()), fate(&xml, 1));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        mut xml in documents().prop_map(|document| document.stream().into_bytes()),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        lengths in prop::collection::vec(1_usize..40, 1..12),
    ) {
        for (index, byte) in noise {
            let at = index.index(xml.len());
            xml[at] = byte;
        }
        let mut reader = Reader::new(Limits::default());
        for (chunk, _) in xml.chunks(lengths[0]).zip(lengths.iter().cycle()) {
            reader.push(chunk);
            while let Ok(Some(frame)) = reader.next() {
                if let Frame::Stanza(stanza) = frame {
                    stanza.children().for_each(|child| { touch(child); });
                    Canonical::of(&stanza.to_xml());
                }
            }
        }
        let _ = Stanza::parse(&xml);
        let _ = Element::parse(&xml);
    }
}
