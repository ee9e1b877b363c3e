//! What an admin sees: spans, events and counters, and never a body.

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::{Bottom, chat, from_alice, pass};
use futures::FutureExt;
use tower::{Layer, Service, ServiceBuilder};
use tower_xmpp::archive::ArchiveLayer;
use tower_xmpp::flow::{Envelope, Outcome};
use tower_xmpp::middleware::{Fault, Feature, Glance, Next, Shell, from_fn};
use tower_xmpp::store::MemoryArchive;

/// It takes a look, and that is all.
struct Looks(&'static str, fn(&Envelope) -> Glance);

impl Feature for Looks {
    fn name(&self) -> &'static str {
        self.0
    }

    fn concerns(&self, _: &Envelope) -> bool {
        true
    }

    fn glance(&self, envelope: &Envelope) -> Glance {
        (self.1)(envelope)
    }

    async fn handle(self: Arc<Self>, _: Envelope, _: Next) -> Result<Outcome, Fault> {
        Err("it is not asked".into())
    }
}

/// A stack whose outermost layer breaks, and one stanza through it.
fn one_pass() {
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let archive = ArchiveLayer::new(Arc::new(MemoryArchive::default()), Arc::new(entropy));
    let mut stack = ServiceBuilder::new()
        .layer(from_fn("breaks", |_, _| async {
            Err::<Outcome, Fault>("its store is down".into())
        }))
        .layer(Shell::of(Looks("looks", |envelope| {
            Glance::GoesOn(envelope.facts.clone())
        })))
        .layer(Shell::of(Looks("looks in vain", |_| Glance::Unconcerned)))
        .layer(archive)
        .service(Bottom::default());
    let message = chat().with_text_child("subject", "a secret subject");
    let outcome = pass(&mut stack, from_alice(message)).unwrap();
    assert_eq!(outcome.incidents.len(), 1);
}

#[test]
fn a_layer_that_broke_is_logged_by_name_and_nothing_that_a_user_wrote_is() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || written.clone())
        .finish();
    // For all threads: what another test logs first is otherwise not asked again.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    one_pass();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let error = log.lines().find(|line| line.contains("ERROR"));
    let error = error.expect("the incident is an error");
    assert!(error.contains("layer=\"breaks\""), "{error}");
    assert!(error.contains("its store is down"), "{error}");
    for layer in ["archive", "looks"] {
        let span = format!("layer{{layer=\"{layer}\"");
        assert!(log.contains(&span), "{log}");
    }
    assert!(!log.contains("looks in vain"), "{log}");
    for secret in [">hi<", "a secret subject"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn stanzas_and_incidents_are_counted_per_layer() {
    let counters = Counters::default();
    metrics::with_local_recorder(&counters, one_pass);
    let counted: BTreeMap<_, _> = counters
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.load(Ordering::Relaxed)))
        .collect();
    let expected = [
        ("tower_xmpp_layer_incidents_total breaks false", 1),
        ("tower_xmpp_layer_stanzas_total archive", 1),
        ("tower_xmpp_layer_stanzas_total breaks", 1),
        ("tower_xmpp_layer_stanzas_total looks", 1),
    ];
    assert_eq!(
        counted,
        expected.map(|(key, value)| (key.to_owned(), value)).into()
    );
}

#[test]
fn a_recorder_may_run_a_stack_while_it_is_asked_for_a_counter() {
    let counters = Counters::default();
    counters.1.store(true, Ordering::Relaxed);
    metrics::with_local_recorder(&counters, one_pass);
    let counted = counters.0.lock().unwrap();
    let looked = &counted["tower_xmpp_layer_stanzas_total looks"];
    let looked = looked.load(Ordering::Relaxed);
    assert_eq!(looked, 2, "its own pass counts, too");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Counters by name and label values; and whether the next one that is asked for lets a
/// stanza pass.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>, AtomicBool);

impl metrics::Recorder for Counters {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        if self.1.swap(false, Ordering::Relaxed) {
            let looks = Shell::of(Looks("looks", |envelope| {
                Glance::GoesOn(envelope.facts.clone())
            }));
            let mut stack = looks.layer(Bottom::default());
            let passed = stack.call(from_alice(chat())).now_or_never();
            assert!(passed.is_some());
        }
        let labels = key.labels().map(metrics::Label::value);
        let name: Vec<_> = std::iter::once(key.name()).chain(labels).collect();
        let mut counters = self.0.lock().unwrap();
        metrics::Counter::from_arc(counters.entry(name.join(" ")).or_default().clone())
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(
        &self,
        _: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}
