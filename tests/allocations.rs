//! What must not cost an allocation (`allocation-counter` is this binary's
//! allocator), through the stack that is measured in `benches/`.

#[path = "../benches/parts/house.rs"]
#[allow(dead_code, reason = "the benches use the rest")]
mod house;

use allocation_counter::measure;
use futures::FutureExt;
use tower_service::Service;

#[test]
fn what_concerns_nobody_passes_five_layers_without_an_allocation() {
    let mut stack = house::five_layers(house::Nowhere);
    for kind in house::UNCONCERNED {
        let envelope = house::unconcerned(kind);
        let spent = measure(|| {
            let outcome = stack.call(envelope).now_or_never();
            assert!(outcome.is_some_and(|outcome| outcome.is_ok()), "{kind}");
        });
        assert_eq!(spent.count_total, 0, "{kind}: {spent:?}");
    }
}

#[test]
fn the_counter_counts() {
    let spent = measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(spent.count_total, 1);
}
