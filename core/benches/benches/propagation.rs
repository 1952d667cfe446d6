//! Times every row, and hops with the sizes that a hostile client may send.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tracehop::wire::Baggage;
use tracehop_benches::{Fixture, ROWS, SIZES, SizedHop};

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
    let mut group = criterion.benchmark_group("sizes");
    for size in SIZES {
        let mut hop = SizedHop::new(*size);
        let read = (size.baggage)().len().min(Baggage::MAX_BYTES);
        group.throughput(Throughput::Bytes(read as u64));
        group.bench_function(size.id, |bencher| bencher.iter(|| hop.run()));
    }
    group.finish();
}

criterion_group!(benches, rows, sizes);
criterion_main!(benches);
