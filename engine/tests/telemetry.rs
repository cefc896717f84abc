//! What the engine tells the facades is what happened: counted, measured and described.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test stops at what it did not expect"
)]

mod recorder;

#[allow(dead_code, reason = "a disk of another test")]
#[path = "model/power.rs"]
mod power;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lightning_db::disk::{Disk, MemoryDisk};
use lightning_db::telemetry::{self, Kind, METRICS};
use lightning_db::{CheckpointMode, Database, Durability, Options};
use recorder::Recorder;

fn options() -> Options {
    Options::new()
        .log_segment(16 << 10)
        .checkpoint_mode(CheckpointMode::Manual)
}

#[test]
fn commits_are_counted_and_measured_step_by_step() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let db = Database::in_memory(options()).unwrap();
        db.put("t", b"k", b"0").unwrap();
        let (mut one, mut two) = (db.begin().unwrap(), db.begin().unwrap());
        one.put("t", b"k", b"1").unwrap();
        two.put("t", b"k", b"2").unwrap();
        let report = one.commit_reporting(Durability::Sync).unwrap();
        assert!(two.commit().is_err());
        assert_eq!((report.group, report.version), (1, db.stats().version));
        assert_eq!(recorder.counter(telemetry::COMMITS), 2);
        assert_eq!(recorder.counter(telemetry::CONFLICTS), 1);
        assert_eq!(recorder.counter(telemetry::GROUPS), 2);
        assert_eq!(recorder.counter(telemetry::COMMIT_FAILURES), 0);
        let steps = [
            (telemetry::QUEUE, report.queue),
            (telemetry::PREPARE, report.prepare),
            (telemetry::APPEND, report.append),
            (telemetry::SYNC, report.sync),
            (telemetry::PUBLISH, report.publish),
        ];
        for (name, took) in steps {
            assert_eq!(recorder.values(name).len(), 2, "{name}");
            assert_eq!(recorder.values(name)[1], took.as_secs_f64(), "{name}");
        }
        assert_eq!(report.total(), steps.iter().map(|(_, took)| *took).sum());
    });
}

#[test]
fn commits_that_a_poisoned_database_refuses_are_counted_as_failures() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let disk = power::PowerDisk::default();
        let db = Database::create_on(disk.shared(), options()).unwrap();
        db.put("t", b"k", b"v").unwrap();
        disk.set_life(Some(0));
        db.put("t", b"k", b"w").unwrap_err();
        assert!(db.stats().poisoned.is_some());
        assert_eq!(recorder.counter(telemetry::COMMIT_FAILURES), 1);
        for refused in 2..5 {
            db.put("t", b"k", b"w").unwrap_err();
            assert_eq!(recorder.counter(telemetry::COMMIT_FAILURES), refused);
        }
        assert_eq!(recorder.counter(telemetry::COMMITS), 1);
        assert_eq!(recorder.values(telemetry::GROUP_SIZE), [1.0]);
    });
}

#[test]
fn a_transaction_that_wrote_nothing_is_in_no_group() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let db = Database::in_memory(options()).unwrap();
        let txn = db.begin().unwrap();
        let report = txn.commit_reporting(Durability::Sync).unwrap();
        assert_eq!((report.group, report.total()), (0, Duration::ZERO));
        assert_eq!(recorder.counter(telemetry::COMMITS), 0);
    });
}

#[test]
fn groups_of_many_threads_add_up_to_their_commits() {
    let (recorder, threads, each) = (Recorder::default(), 4_u8, 50_u8);
    let db = Database::in_memory(options()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (db, recorder) = (&db, &recorder);
            let commits = move || {
                for n in 0..each {
                    db.put("t", &[thread, n], b"").unwrap();
                }
            };
            scope.spawn(move || metrics::with_local_recorder(recorder, commits));
        }
    });
    let stats = db.stats();
    assert_eq!(
        recorder.counter(telemetry::COMMITS),
        u64::from(threads) * u64::from(each)
    );
    assert_eq!(recorder.counter(telemetry::COMMITS), stats.commits);
    assert_eq!(recorder.counter(telemetry::GROUPS), stats.groups);
    let sizes: f64 = recorder.values(telemetry::GROUP_SIZE).iter().sum();
    assert_eq!(sizes, f64::from(threads) * f64::from(each));
}

#[test]
fn checkpoints_and_recoveries_are_counted_and_measured() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let db = Database::create_on(Arc::clone(&disk), options()).unwrap();
        assert_eq!(recorder.counter(telemetry::RECOVERIES), 0);
        for key in 0..10_u8 {
            db.put("t", &[key], &[key; 1000]).unwrap();
        }
        db.checkpoint().unwrap();
        assert_eq!(recorder.counter(telemetry::CHECKPOINTS), 1);
        db.checkpoint().unwrap();
        assert_eq!(
            recorder.counter(telemetry::CHECKPOINTS),
            1,
            "nothing was due"
        );
        let bytes = recorder.values(telemetry::CHECKPOINT_BYTES);
        assert!(bytes.len() == 1 && (10_000.0..100_000.0).contains(&bytes[0]));
        assert_eq!(recorder.values(telemetry::CHECKPOINT_SECONDS).len(), 1);
        for key in 0..3_u8 {
            db.put("t", &[key], b"").unwrap();
        }
        drop(db);
        let db = Database::open_on(disk, options()).unwrap();
        assert_eq!(recorder.counter(telemetry::RECOVERIES), 1);
        assert_eq!(recorder.counter(telemetry::RECOVERY_GROUPS), 3);
        let bytes = db.recovery_report().bytes;
        assert!(bytes > 0 && recorder.counter(telemetry::RECOVERY_BYTES) == bytes);
        assert_eq!(recorder.values(telemetry::RECOVERY_SECONDS).len(), 1);
    });
}

#[test]
fn sizes_are_handed_over_when_asked_for() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let db = Database::in_memory(options()).unwrap();
        let oldest = db.snapshot().unwrap();
        for _ in 0..4 {
            db.put("t", b"k", b"v").unwrap();
        }
        assert!(
            recorder.gauge(telemetry::SNAPSHOTS).is_none(),
            "nobody asked yet"
        );
        db.stats().record();
        assert_eq!(recorder.gauge(telemetry::SNAPSHOTS), Some(1.0));
        assert_eq!(recorder.gauge(telemetry::VERSIONS_HELD), Some(4.0));
        assert_eq!(recorder.gauge(telemetry::POISONED), Some(0.0));
        let dirty = recorder.gauge(telemetry::DIRTY_BYTES).unwrap();
        assert!(dirty > 0.0 && recorder.gauge(telemetry::LOG_BYTES).unwrap() > 0.0);
        drop(oldest);
        db.checkpoint().unwrap();
        db.stats().record();
        assert_eq!(recorder.gauge(telemetry::SNAPSHOTS), Some(0.0));
        assert_eq!(recorder.gauge(telemetry::VERSIONS_HELD), Some(0.0));
        assert_eq!(recorder.gauge(telemetry::DIRTY_BYTES), Some(0.0));
        assert!(recorder.gauge(telemetry::DATA_BYTES).unwrap() > 0.0);
    });
}

#[test]
fn every_metric_is_described_and_stands_in_the_documentation() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, telemetry::describe);
    let source = include_str!("../src/telemetry.rs");
    for metric in METRICS {
        assert_eq!(
            recorder.description(metric.name).as_deref(),
            Some(metric.means)
        );
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let row = format!("//! | `{}` | {kind} |", metric.name);
        assert!(source.contains(&row), "{row}");
    }
    let rows = source
        .lines()
        .filter(|line| line.starts_with("//! | `lightning_"));
    assert_eq!(rows.count(), METRICS.len());
}

/// The names in the first column of a guide's table.
fn documented() -> BTreeSet<String> {
    let rows = include_str!("../guide/metrics.md").lines();
    let names = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    names.map(str::to_owned).collect()
}

#[test]
fn all_that_is_recorded_stands_in_the_guide_and_all_that_stands_there_is_recorded() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let disk = power::PowerDisk::default();
        let mut limits = lightning_db::Limits::default();
        limits.freed_pages = 1;
        let options = || options().limits(limits.clone());
        let db = Database::create_on(disk.shared(), options()).unwrap();
        db.put("t", b"k", b"v").unwrap();
        let (mut one, mut two) = (db.begin().unwrap(), db.begin().unwrap());
        one.put("t", b"k", b"1").unwrap();
        two.put("t", b"k", b"2").unwrap();
        one.commit().unwrap();
        two.commit().unwrap_err();
        for key in 0..10_u8 {
            db.put("large", &[key], &[key; 2000]).unwrap();
        }
        db.drop_table("large").unwrap_err();
        db.checkpoint().unwrap();
        db.close().unwrap();
        let db = Database::open_on(disk.shared(), options()).unwrap();
        db.put("t", b"k", b"3").unwrap();
        disk.set_life(Some(0));
        db.checkpoint().unwrap_err();
        db.stats().record();
    });
    let documented = documented();
    assert_eq!(recorder.names(), documented);
    let defined = METRICS.iter().map(|metric| metric.name.to_owned());
    assert_eq!(defined.collect::<BTreeSet<_>>(), documented);
}

#[test]
fn the_cache_and_expired_snapshots_are_counted() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let mut limits = lightning_db::Limits::default();
        limits.memory = 64 * 4096;
        limits.snapshot_bytes = 8 * 4096;
        let db = Database::in_memory(options().limits(limits)).unwrap();
        for key in 0..200_u8 {
            db.put("t", &[key], &[key; 3000]).unwrap();
        }
        db.checkpoint().unwrap();
        for key in 0..200_u8 {
            assert!(db.get("t", &[key]).unwrap().is_some());
        }
        db.stats().record();
        let misses = recorder.counter(telemetry::PAGE_MISSES);
        assert!(misses >= 100, "{misses}");
        assert!(recorder.counter(telemetry::EVICTIONS) >= 100);
        assert!(recorder.counter(telemetry::PAGE_HITS) > 0);
        let memory = recorder.gauge(telemetry::MEMORY_BYTES).unwrap();
        assert!(memory > 0.0 && memory <= 64.0 * 4096.0, "{memory}");
        assert_eq!(recorder.counter(telemetry::SNAPSHOTS_EXPIRED), 0);
        // No checkpoint: what these see stands in no slot.
        let mut held = Vec::new();
        for n in 0..20_u8 {
            db.put("t", b"k", &[n]).unwrap();
            held.push(db.snapshot().unwrap());
        }
        db.put("t", b"k", b"newest").unwrap();
        db.stats().record();
        let gone = held
            .iter()
            .filter(|old| old.get("t", b"k").is_err())
            .count();
        assert!(gone > 0);
        assert_eq!(recorder.counter(telemetry::SNAPSHOTS_EXPIRED), gone as u64);
    });
}
