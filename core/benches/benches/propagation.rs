//! Times every row, side by side, and the sizes that a hostile client may send.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tracehop::{Propagator, wire::Baggage};
use tracehop_benches::{Fixture, ROWS, SIZES};

fn rows(criterion: &mut Criterion) {
    for row in ROWS {
        let mut group = criterion.benchmark_group(row.id);
        for (side, work) in [("ours", row.ours), ("peer", row.theirs)] {
            let mut fixture = Fixture::default();
            group.bench_function(side, |bencher| bencher.iter(|| work(&mut fixture)));
        }
        group.finish();
    }
}

fn sizes(criterion: &mut Criterion) {
    let propagator = Propagator::builder().build().ok();
    let mut group = criterion.benchmark_group("sizes");
    for size in SIZES {
        let baggage = (size.baggage)();
        let headers = [
            ("sentry-trace", "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1"),
            ("baggage", &*baggage),
        ];
        let read = baggage.len().min(Baggage::MAX_BYTES);
        group.throughput(Throughput::Bytes(read as u64));
        group.bench_function(size.id, |bencher| {
            bencher.iter(|| {
                let context = propagator.as_ref().map(|it| it.continue_trace(&headers));
                // Only now the baggage is looked into.
                black_box(context.map(|context| context.dsc().is_empty()))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rows, sizes);
criterion_main!(benches);
