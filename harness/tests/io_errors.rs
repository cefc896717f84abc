//! The rules of a simulated disk that fails.

#[path = "support/sim.rs"]
mod sim_common;

use std::io::ErrorKind;
use std::num::NonZeroU32;

use lightning_chaos::crash::{Sample, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::{
    CacheAfter, CrashModel, FileGlob, IoOperation, Lasts, SystemError,
};
use lightning_chaos::sim::{Injection, SimConfig, SimDisk};
use lightning_db::disk::{Disk, DiskFile, OpenMode};
use sim_common::{boot, create, durable, image, new_disk};

fn injection(error: SystemError, operation: IoOperation, first: u64, lasts: Lasts) -> Injection {
    Injection {
        error,
        operations: vec![operation],
        file: FileGlob::everything(),
        first,
        lasts,
        cache: CacheAfter::Kept,
        failpoint: None,
    }
}

fn failed_sync(cache: CacheAfter) -> Injection {
    Injection {
        cache,
        ..injection(SystemError::Eio, IoOperation::Sync, 1, Lasts::Once)
    }
}

fn read(file: &dyn DiskFile, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// What a power cut that loses all it can leaves of a file.
fn left(disk: &SimDisk, name: &str) -> Vec<u8> {
    let mut rng = Rng::from_seed(1);
    let state = cut(&disk.state(), CrashModel::Posix, Sample::NOTHING, &mut rng);
    image(&state)[name].clone().unwrap()
}

#[test]
fn so_many_operations_fail_from_a_chosen_one_on() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[0; 8]);
    let two = Lasts::Operations(NonZeroU32::new(2).unwrap());
    disk.inject(injection(SystemError::Eio, IoOperation::Write, 2, two));
    let written: Vec<_> = (1..=5).map(|n| file.write_at(0, &[n; 8]).is_ok()).collect();
    assert_eq!(written, [true, false, false, true, true]);
    assert!(disk.is_sound());
    assert_eq!((disk.failures().count, disk.failures().matched), (2, 5));
    assert_eq!(read(&*file, 8), [5; 8]);
}

#[test]
fn counting_goes_on_in_the_next_boot_until_storage_is_sound() {
    let disk = new_disk();
    drop(durable(&disk, "a", &[0; 8]));
    disk.inject(injection(
        SystemError::Erofs,
        IoOperation::Write,
        2,
        Lasts::Forever,
    ));
    let write = |disk: &SimDisk| {
        let file = disk.open("a", OpenMode::Write).unwrap();
        file.write_at(0, &[1; 8]).map_err(|error| error.kind())
    };
    assert_eq!(write(&disk), Ok(()));
    let next = disk.boot_again(SimConfig::default());
    assert_eq!(write(&next), Err(ErrorKind::ReadOnlyFilesystem));
    assert!(!next.is_sound());
    next.lift();
    assert_eq!(write(&next), Ok(()));
}

#[test]
fn a_failed_write_leaves_all_or_half_of_what_was_there() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[0; 4096]);
    disk.inject(injection(
        SystemError::Eio,
        IoOperation::Write,
        1,
        Lasts::Forever,
    ));
    assert!(file.write_at(0, &[1; 4096]).is_err());
    assert_eq!(read(&*file, 4096), [0; 4096]);
    assert!(file.write_at(0, &[1; 4096]).is_err());
    let torn = read(&*file, 4096);
    assert!(torn[..2048] == [1; 2048] && torn[2048..] == [0; 2048]);
}

#[test]
fn want_of_space_fails_only_what_needs_more() {
    let disk = new_disk();
    let file = create(&disk, "a");
    file.allocate(0, 8192).unwrap();
    let sparse = create(&disk, "b");
    disk.inject(injection(
        SystemError::Enospc,
        IoOperation::Write,
        1,
        Lasts::Forever,
    ));
    sparse.set_len(8192).unwrap();
    file.write_at(4096, &[1; 4096]).unwrap();
    let full = |result: std::io::Result<()>| result.unwrap_err().kind() == ErrorKind::StorageFull;
    assert!(full(file.write_at(8000, &[1; 4096])));
    assert!(full(sparse.write_at(0, &[1; 4096])), "a hole has no blocks");
    file.set_len(4096).unwrap();
    assert!(
        full(file.write_at(4096, &[1; 4096])),
        "they were given back"
    );
}

#[test]
fn what_a_failed_sync_was_to_write_is_not_written_by_the_next_one() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 4096]);
    file.write_at(0, &[2; 512]).unwrap();
    disk.inject(failed_sync(CacheAfter::Kept));
    assert!(file.sync().is_err());
    assert_eq!(read(&*file, 512), [2; 512], "the cache has it");
    file.sync().unwrap();
    assert_eq!(left(&disk, "a")[..512], [1; 512], "the disk may not");
    file.write_at(0, &[2; 512]).unwrap();
    file.sync().unwrap();
    assert_eq!(
        left(&disk, "a")[..512],
        [2; 512],
        "the page was dirty again"
    );
    assert!(!disk.state().is_pending());
}

#[test]
fn a_failed_sync_that_drops_the_cache_takes_back_what_was_not_durable() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 4096]);
    file.write_at(0, &[2; 512]).unwrap();
    disk.inject(failed_sync(CacheAfter::Dropped));
    assert!(file.sync().is_err());
    assert_eq!(read(&*file, 512), [1; 512]);
    assert_eq!(disk.failures().lost_pages, 1);
}

#[test]
fn a_trace_with_failures_gives_the_same_disk_when_replayed() {
    for cache in [CacheAfter::Kept, CacheAfter::Dropped] {
        let disk = new_disk();
        let file = durable(&disk, "a", &[1; 9000]);
        file.write_at(100, &[2; 8000]).unwrap();
        disk.inject(failed_sync(cache));
        assert!(file.sync().is_err());
        file.write_at(0, &[3; 10]).unwrap();
        file.sync().unwrap();
        let (state, trace) = (disk.state(), disk.finish());
        let mut replayed = boot(&trace.start).state();
        for event in &trace.events {
            replayed.apply(event);
        }
        assert_eq!(replayed.digest(), state.digest());
    }
}
