//! The functions that everything waits for, each by itself. They are reached through what the engine offers to
//! anybody: a node's search is a get in a table of one leaf, and what a get in a deeper table takes more is a look-up in
//! the page table and a search for each further level.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lightning_db::disk_format::commit_group::{Action, CommitGroup, Encoder, Operation};
use lightning_db::disk_format::{PageHeader, stamp};
use lightning_db::ids::{CheckpointId, PageNo, Version};
use lightning_db::{Database, Durability, Options};

const PAGE: usize = 4096;
const VALUE: [u8; 150] = [7; 150];

criterion_group!(hot, checksums, log, gets, write_sets);
criterion_main!(hot);

/// 24 bytes that look random.
fn key(number: u64) -> [u8; 24] {
    let mut key = [0; 24];
    let mut state = number.wrapping_add(1);
    for chunk in key.chunks_mut(8) {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (state >> 29);
        chunk.copy_from_slice(&state.to_be_bytes());
    }
    key
}

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    let mut page = vec![3; PAGE];
    group.throughput(Throughput::Bytes(PAGE as u64));
    group.bench_function("a page stamped", |bencher| {
        bencher.iter(|| stamp(black_box(&mut page), Version(7), PageNo(9), CheckpointId(3)));
    });
    group.bench_function("a page checked", |bencher| {
        bencher.iter(|| PageHeader::verified(black_box(&page)).is_ok());
    });
    group.finish();
}

fn log(criterion: &mut Criterion) {
    let keys: Vec<_> = (0..1000).map(key).collect();
    let encode = |count: usize| {
        let mut encoder = Encoder::new(Version(1));
        for key in &keys[..count] {
            let (key, value) = (&key[..], &VALUE[..]);
            let action = Action::Put { key, value };
            encoder.push(Operation { table: "t", action });
        }
        encoder.finish()
    };
    let mut group = criterion.benchmark_group("log");
    for count in [1, 1000] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} writes encoded"), |bencher| {
            bencher.iter(|| encode(black_box(count)));
        });
    }
    let bytes = encode(1000);
    group.bench_function("1000 writes decoded", |bencher| {
        bencher.iter(|| CommitGroup::decode(black_box(&bytes)).is_ok());
    });
    group.finish();
}

fn table(records: u64) -> Database {
    let database = Database::in_memory(Options::new().salt(1)).expect("memory does not fail");
    let mut transaction = database.begin().expect("a first transaction");
    for number in 0..records {
        transaction
            .put("t", &key(number), &VALUE)
            .expect("within the limits");
    }
    transaction
        .commit_with(Durability::None)
        .expect("nobody else commits");
    database
}

fn gets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get");
    for (name, records) in [
        ("one leaf", 12),
        ("two levels", 400),
        ("three levels", 40_000),
    ] {
        let database = table(records);
        let snapshot = database.snapshot().expect("a first snapshot");
        let mut number = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                number = (number + 7919) % records;
                snapshot.get("t", black_box(&key(number))).is_ok()
            });
        });
    }
    let database = table(12);
    group.bench_function("a snapshot begun and ended", |bencher| {
        bencher.iter(|| database.snapshot().is_ok());
    });
    group.finish();
}

/// A thousand writes are gathered, put in order and forgotten.
fn write_sets(criterion: &mut Criterion) {
    let database = table(12);
    let random: Vec<_> = (0..1000).map(|number| key(number + 100)).collect();
    let mut ascending = random.clone();
    ascending.sort_unstable();
    let mut group = criterion.benchmark_group("write set");
    group.throughput(Throughput::Elements(1000));
    for (name, keys) in [("random", &random), ("ascending", &ascending)] {
        group.bench_function(
            format!("1000 {name} writes, and a look at the first"),
            |bencher| {
                let begin = || database.begin().expect("a snapshot is free");
                bencher.iter_batched(
                    begin,
                    |mut transaction| {
                        for key in keys {
                            transaction
                                .put("t", key, &VALUE)
                                .expect("within the limits");
                        }
                        // A look is what makes the writes be put in order.
                        let first = transaction.scan("t").map(|mut scan| scan.next().is_some());
                        assert!(first.is_ok_and(|found| found));
                        transaction
                    },
                    BatchSize::SmallInput,
                );
            },
        );
    }
    group.finish();
}
