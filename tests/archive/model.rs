//! Every answer to every query against a model: a list.

use jid::Jid;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_xmpp::testkit::{Session, World, xml};

use crate::query::query;
use crate::shelf::Shelf;

/// One archived message, as the model has it.
struct Said {
    id: String,
    with: Jid,
    body: String,
}

/// A query, with places instead of IDs.
#[derive(Clone, Debug)]
struct Asked {
    with: Option<&'static str>,
    after_id: Option<usize>,
    before_id: Option<usize>,
    page: Paging,
    max: usize,
}

#[derive(Clone, Copy, Debug)]
enum Paging {
    First,
    After(usize),
    Before(usize),
    Last,
}

const PEERS: &[&str] = &["bob@b.example/x", "bob@b.example/y", "carol@b.example/z"];
const NAMED: &[&str] = &[
    "bob@b.example",
    "bob@b.example/y",
    "carol@b.example/z",
    "dan@d.example",
];

fn asked() -> impl Strategy<Value = Asked> {
    let place = || 0..12_usize;
    let page = prop_oneof![
        Just(Paging::First),
        place().prop_map(Paging::After),
        place().prop_map(Paging::Before),
        Just(Paging::Last),
    ];
    let with = proptest::option::of(select(NAMED));
    let bound = || proptest::option::weighted(0.3, place());
    (with, bound(), bound(), page, 0..8_usize).prop_map(|(with, after_id, before_id, page, max)| {
        Asked {
            with,
            after_id,
            before_id,
            page,
            max,
        }
    })
}

/// What the model answers: bodies, and whether that is all.
fn expected(said: &[Said], asked: &Asked) -> (Vec<String>, bool) {
    let with = asked.with.map(|with| Jid::new(with).expect("a JID"));
    let admits = |index: usize| {
        let with = with.as_ref().is_none_or(|with| match with.resource() {
            Some(_) => *with == said[index].with,
            None => with.to_bare() == said[index].with.to_bare(),
        });
        with && asked.after_id.is_none_or(|after| index > after)
            && asked.before_id.is_none_or(|before| index < before)
            && match asked.page {
                Paging::After(after) => index > after,
                Paging::Before(before) => index < before,
                Paging::First | Paging::Last => true,
            }
    };
    let mut found: Vec<_> = (0..said.len()).filter(|index| admits(*index)).collect();
    let all = found.len();
    match asked.page {
        Paging::First | Paging::After(_) => found.truncate(asked.max),
        Paging::Before(_) | Paging::Last => drop(found.drain(..all.saturating_sub(asked.max))),
    }
    let complete = found.len() == all;
    (
        found
            .into_iter()
            .map(|index| said[index].body.clone())
            .collect(),
        complete,
    )
}

fn answered(session: &Session, said: &[Said], asked: &Asked) -> (Vec<String>, bool) {
    let id = |place: usize| said[place].id.as_str();
    let mut fields = Vec::new();
    fields.extend(asked.with.map(|with| ("with", with)));
    fields.extend(asked.after_id.map(|place| ("after-id", id(place))));
    fields.extend(asked.before_id.map(|place| ("before-id", id(place))));
    let page = match asked.page {
        Paging::First => String::new(),
        Paging::After(place) => format!("<after>{}</after>", id(place)),
        Paging::Before(place) => format!("<before>{}</before>", id(place)),
        Paging::Last => "<before/>".to_owned(),
    };
    let answer = query(session, &fields, &format!("<max>{}</max>{page}", asked.max));
    let complete = answer.is_complete();
    (answer.bodies, complete)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn an_archive_answers_as_a_list_would(
        messages in vec((select(PEERS), any::<bool>()), 12..20),
        queries in vec(asked(), 20),
    ) {
        let w = World::new();
        let shelf = Shelf::default();
        w.host("a.example", shelf.layer(&w)).host("b.example", ());
        let alice = w.session("alice@a.example/x");
        let peers: Vec<_> = PEERS.iter().map(|peer| w.session(peer)).collect();
        for (number, (peer, incoming)) in messages.iter().enumerate() {
            let index = PEERS.iter().position(|name| name == peer).expect("a peer");
            let (from, to) = match incoming {
                true => (&peers[index], &alice),
                false => (&alice, &peers[index]),
            };
            from.send(xml!("<message to='{to}' type='chat' id='m'><body>{number}</body></message>"));
            to.take_all();
        }
        let entries = shelf.of(&alice.account());
        let said: Vec<_> = entries.into_iter().enumerate().map(|(number, entry)| Said {
            id: entry.row.id,
            with: entry.row.with,
            body: number.to_string(),
        }).collect();
        prop_assert_eq!(said.len(), messages.len());
        for asked in &queries {
            prop_assert_eq!(answered(&alice, &said, asked), expected(&said, asked), "{:?}", asked);
        }
        w.finish();
    }
}
