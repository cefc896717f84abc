//! The rules of the simulated disk, one by one.

#[path = "support/sim.rs"]
mod sim_common;

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use lightning_chaos::crash::{CrashWalker, Sample, choices_count, crash_points, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::{CrashModel, Elision, FileGlob, Occurrence, OperationKind};
use lightning_chaos::sim::{SimConfig, SimDisk, SimError};
use lightning_chaos::trace::{DiskState, Mark, SectorSize, Trace, TracePosition, TransactionId};
use lightning_db::disk::{Disk, DiskFile, OpenMode};
use lightning_db::error::StorageError;
use sim_common::{Image, boot, create, durable, image, new_disk, random_call};

fn cuts(state: &DiskState, model: CrashModel) -> Vec<DiskState> {
    let mut rng = Rng::from_seed(5);
    (0..400)
        .map(|sample| cut(state, model, Sample(sample), &mut rng))
        .collect()
}

fn images(state: &DiskState, model: CrashModel) -> BTreeSet<Image> {
    cuts(state, model).iter().map(image).collect()
}

fn content<'a>(image: &'a Image, name: &str) -> Option<&'a [u8]> {
    image.get(name)?.as_deref()
}

fn elision(operation: OperationKind, file: &str, occurrence: Occurrence) -> SimConfig {
    let file = FileGlob::try_from(file.to_owned()).unwrap();
    SimConfig {
        elide: vec![Elision {
            commits_in_flight: None,
            during: None,
            place: None,
            operation,
            file,
            occurrence,
        }],
        ..SimConfig::default()
    }
}

fn error_of<T>(result: io::Result<T>) -> io::Error {
    result.err().expect("the call fails")
}

#[test]
fn a_write_is_visible_at_once_and_durable_only_after_sync() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 700]);
    file.write_at(100, &[2; 10]).unwrap();
    let mut seen = [0; 10];
    file.read_at(100, &mut seen).unwrap();
    assert_eq!(seen, [2; 10]);
    assert_eq!(images(&disk.state(), CrashModel::Posix).len(), 2);
    file.sync().unwrap();
    assert_eq!(images(&disk.state(), CrashModel::Posix).len(), 1);
}

#[test]
fn losing_the_newest_write_leaves_an_older_version_and_never_a_mixture() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 512]);
    file.write_at(0, &[2; 256]).unwrap();
    file.write_at(256, &[3; 256]).unwrap();
    let left = images(&disk.state(), CrashModel::Posix);
    let legal = [(1, 1), (2, 1), (2, 3)].map(|(a, b)| [vec![a; 256], vec![b; 256]].concat());
    let found: Vec<_> = left
        .iter()
        .map(|image| content(image, "a").unwrap().to_vec())
        .collect();
    assert_eq!(found, legal);
}

#[test]
fn a_size_survives_without_its_bytes_and_shows_zeroes() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[]);
    file.write_at(0, &[7; 1024]).unwrap();
    let left = images(&disk.state(), CrashModel::Posix);
    assert!(
        left.iter()
            .any(|image| content(image, "a") == Some(&[0; 1024]))
    );
    assert!(left.iter().any(|image| content(image, "a") == Some(&[])));
    assert_eq!(left.len(), 5);
    let count = choices_count(&disk.state());
    assert_eq!((count.states, count.exact), (5, true));
    assert!((count.log2 - 5_f64.log2()).abs() < 1e-9);
}

#[test]
fn a_cut_tail_may_come_back_as_it_was_or_as_zeroes() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 1024]);
    file.set_len(512).unwrap();
    file.set_len(1024).unwrap();
    let left = images(&disk.state(), CrashModel::Posix);
    let tails: BTreeSet<_> = left
        .iter()
        .map(|image| content(image, "a").unwrap()[512..].to_vec())
        .collect();
    assert_eq!(tails, BTreeSet::from([vec![], vec![0; 512], vec![7; 512]]));
}

#[test]
fn the_zeroes_of_a_cut_do_not_survive_without_its_length() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 2048]);
    file.set_len(0).unwrap();
    let whole: BTreeSet<_> = images(&disk.state(), CrashModel::Posix)
        .iter()
        .map(|image| content(image, "a").unwrap().to_vec())
        .collect();
    assert_eq!(whole, BTreeSet::from([Vec::new(), vec![7; 2048]]));
    assert_eq!(choices_count(&disk.state()).states, 2);
}

#[test]
fn the_zeroes_in_the_block_that_a_file_was_to_end_in_may_survive_without_its_length() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[7; 5120]);
    file.set_len(512).unwrap();
    let whole: BTreeSet<_> = cuts(&disk.state(), CrashModel::Posix)
        .iter()
        .map(|state| content(&image(state), "a").unwrap().to_vec())
        .filter(|bytes| bytes.len() == 5120)
        .collect();
    assert!(whole.iter().all(|bytes| bytes[4096..] == [7; 1024]));
    assert!(whole.iter().any(|bytes| bytes[512..1024] == [0; 512]));
    assert!(whole.iter().any(|bytes| bytes[1024..1536] == [0; 512]));
    // The seven sectors that are cut off and in that block, each for itself, or the new length.
    assert_eq!(choices_count(&disk.state()).states, (1 << 7) + 1);
}

#[test]
fn syncing_a_file_does_not_make_its_name_durable() {
    let disk = new_disk();
    create(&disk, "a").sync().unwrap();
    assert_eq!(images(&disk.state(), CrashModel::Posix).len(), 2);
    disk.sync_dir("").unwrap();
    assert_eq!(images(&disk.state(), CrashModel::Posix).len(), 1);
}

#[test]
fn a_directory_that_its_parent_did_not_sync_takes_its_files_with_it() {
    let disk = new_disk();
    disk.create_dir("d").unwrap();
    create(&disk, "d/x").sync().unwrap();
    disk.sync_dir("d").unwrap();
    let left = images(&disk.state(), CrashModel::Posix);
    assert!(left.contains(&Image::new()));
    assert_eq!(left.len(), 2);
    disk.sync_dir("").unwrap();
    assert_eq!(images(&disk.state(), CrashModel::Posix).len(), 1);
}

#[test]
fn a_rename_changes_both_names_or_neither() {
    let disk = new_disk();
    durable(&disk, "old", b"old");
    durable(&disk, "new", b"new");
    disk.rename("new", "old").unwrap();
    let left = images(&disk.state(), CrashModel::Posix);
    assert_eq!(left.len(), 2);
    for image in &left {
        let seen = (content(image, "old"), content(image, "new"));
        assert!(
            seen == (Some(b"new"), None) || seen == (Some(b"old"), Some(b"new")),
            "{seen:?}"
        );
    }
}

#[test]
fn a_rename_between_directories_is_durable_once_either_is_synced() {
    for synced in ["", "d"] {
        let disk = new_disk();
        disk.create_dir("d").unwrap();
        durable(&disk, "a", b"a");
        disk.rename("a", "d/x").unwrap();
        disk.sync_dir(synced).unwrap();
        let left = images(&disk.state(), CrashModel::Posix);
        assert_eq!(left.len(), 1, "{synced}");
        assert!(left.iter().all(|image| content(image, "d/x") == Some(b"a")));
    }
}

#[test]
fn a_removed_file_comes_back_whole_until_its_directory_is_synced() {
    let disk = new_disk();
    durable(&disk, "a", b"kept");
    disk.remove("a").unwrap();
    assert_eq!(
        error_of(disk.open("a", OpenMode::Write)).kind(),
        io::ErrorKind::NotFound
    );
    let left = images(&disk.state(), CrashModel::Posix);
    assert!(
        left.iter()
            .any(|image| content(image, "a") == Some(b"kept"))
    );
    disk.sync_dir("").unwrap();
    assert_eq!(
        images(&disk.state(), CrashModel::Posix),
        BTreeSet::from([Image::new()])
    );
}

#[test]
fn what_a_process_crash_kept_a_later_power_cut_can_still_take() {
    let disk = new_disk();
    let file = durable(&disk, "a", b"old");
    file.write_at(0, b"new").unwrap();
    let mut rng = Rng::from_seed(1);
    let crashed = cut(
        &disk.state(),
        CrashModel::ProcessCrash,
        Sample::EVERYTHING,
        &mut rng,
    );
    assert_eq!(content(&image(&crashed), "a"), Some(&b"new"[..]));
    let next = boot(&crashed);
    create(&next, "b");
    let lost = cut(&next.state(), CrashModel::Posix, Sample::NOTHING, &mut rng);
    assert_eq!(content(&image(&lost), "a"), Some(&b"old"[..]));
    next.open("a", OpenMode::Write).unwrap().sync().unwrap();
    let kept = cut(&next.state(), CrashModel::Posix, Sample::NOTHING, &mut rng);
    assert_eq!(content(&image(&kept), "a"), Some(&b"new"[..]));
}

#[test]
fn states_that_look_alike_but_carry_other_pending_writes_have_other_digests() {
    let disk = new_disk();
    durable(&disk, "a", b"old").write_at(0, b"new").unwrap();
    let pending = disk.state();
    disk.open("a", OpenMode::Write).unwrap().sync().unwrap();
    assert_eq!(image(&pending), image(&disk.state()));
    assert_ne!(pending.digest(), disk.state().digest());
}

#[test]
fn a_process_crash_cuts_the_write_in_flight_at_a_page_and_nothing_else() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 9000]);
    file.write_at(0, &[2; 10]).unwrap();
    file.write_at(3000, &[3; 8000]).unwrap();
    let lens = |states: &[DiskState]| -> BTreeSet<(usize, usize)> {
        let bytes = states.iter().map(|state| state.named("a").unwrap().bytes());
        bytes
            .map(|bytes| {
                assert_eq!(bytes[..10], [2; 10]);
                (
                    bytes.len(),
                    bytes.iter().map(|&byte| usize::from(byte == 3)).sum(),
                )
            })
            .collect()
    };
    let legal = [
        (9000, 0),
        (9000, 4096 - 3000),
        (9000, 8192 - 3000),
        (11000, 8000),
    ];
    assert_eq!(
        lens(&cuts(&disk.state(), CrashModel::ProcessCrash)),
        BTreeSet::from(legal)
    );
    disk.mark(Mark::Note("the write returned".to_owned()));
    assert_eq!(
        lens(&cuts(&disk.state(), CrashModel::ProcessCrash)),
        BTreeSet::from([legal[3]])
    );
}

/// The image after the first `count` events, the last of them, if it is a write, ended at `end`.
fn replayed(trace: &Trace, count: usize, end: Option<u64>) -> Image {
    use lightning_chaos::trace::{Event, Operation};
    let mut state = trace.start.clone();
    for (at, event) in trace.events[..count].iter().enumerate() {
        let mut event = event.clone();
        if at + 1 == count
            && let Some(end) = end
            && let Event::Operation {
                operation: Operation::Write { offset, bytes, .. },
                ..
            } = &mut event
        {
            let kept = usize::try_from(end.saturating_sub(*offset))
                .unwrap()
                .min(bytes.len());
            *bytes = Arc::from(&bytes[..kept]);
        }
        state.apply(&event);
    }
    image(&state)
}

#[test]
fn a_prefix_cut_is_exactly_some_first_operations_with_the_last_write_cut_at_a_sector() {
    let mut torn = 0;
    for seed in 0..60 {
        let mut rng = Rng::from_seed(seed).split("prefix", 0);
        let disk = new_disk();
        for _ in 0..25 {
            random_call(&disk, &mut rng);
        }
        let state = disk.state();
        let trace = disk.finish();
        let mut whole = BTreeSet::new();
        let mut legal = BTreeSet::new();
        for count in 0..=trace.events.len() {
            whole.insert(replayed(&trace, count, None));
            legal.extend((0..12).map(|sector| replayed(&trace, count, Some(sector * 512))));
        }
        for sample in 0..100 {
            let left = cut(&state, CrashModel::Prefix, Sample(sample), &mut rng);
            assert!(!left.is_pending());
            let left = image(&left);
            assert!(
                whole.contains(&left) || legal.contains(&left),
                "seed {seed}: {left:?}"
            );
            torn += usize::from(!whole.contains(&left));
        }
    }
    assert!(torn > 20, "{torn}");
}

#[test]
fn a_prefix_cut_keeps_all_that_came_before_a_synced_operation() {
    let disk = new_disk();
    let first = durable(&disk, "a", b"old");
    let second = create(&disk, "b");
    first.write_at(0, b"new").unwrap();
    second.write_at(0, b"b").unwrap();
    second.sync().unwrap();
    let left = images(&disk.state(), CrashModel::Prefix);
    assert!(left.iter().all(|image| content(image, "a") == Some(b"new")));
    let left = images(&disk.state(), CrashModel::Posix);
    assert!(left.iter().any(|image| content(image, "a") == Some(b"old")));
}

#[test]
fn an_elided_sync_reports_success_makes_nothing_durable_and_is_counted() {
    let disk = SimDisk::new(elision(OperationKind::Sync, "wal/*", Occurrence::Every));
    disk.create_dir("wal").unwrap();
    for name in ["data", "wal/1"] {
        let file = create(&disk, name);
        file.write_at(0, b"x").unwrap();
        file.sync().unwrap();
        file.sync().unwrap();
    }
    disk.sync_dir("wal").unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!(disk.elisions_fired(), [2]);
    let mut rng = Rng::from_seed(1);
    let left = image(&cut(
        &disk.state(),
        CrashModel::Posix,
        Sample::NOTHING,
        &mut rng,
    ));
    assert_eq!(content(&left, "data"), Some(&b"x"[..]));
    assert_eq!(content(&left, "wal/1"), Some(&b""[..]));
}

#[test]
fn an_elision_of_one_occurrence_drops_that_one() {
    let second = Occurrence::Nth(2.try_into().unwrap());
    let disk = SimDisk::new(elision(OperationKind::Write, "a", second));
    let file = create(&disk, "a");
    for at in 0..3 {
        file.write_at(at, b"x").unwrap();
    }
    assert_eq!(disk.elisions_fired(), [1]);
    assert_eq!(disk.state().named("a").unwrap().bytes(), b"x\0x");
}

#[test]
fn an_elision_can_wait_for_commits_in_flight() {
    let mut config = elision(OperationKind::Sync, "a", Occurrence::Every);
    config.elide[0].commits_in_flight = NonZeroU32::new(2);
    let disk = SimDisk::new(config);
    let file = disk.open("a", OpenMode::Create).unwrap();
    let (one, two) = (TransactionId(1), TransactionId(2));
    for (mark, fired) in [
        (Mark::Request(one), 0),
        (Mark::Request(two), 1),
        (Mark::Acknowledged(one), 1),
        (Mark::Request(one), 2),
        (Mark::Failed(two), 2),
        (Mark::Unknown(one), 2),
    ] {
        disk.mark(mark);
        file.sync().unwrap();
        assert_eq!(disk.elisions_fired(), [fired]);
    }
}

#[test]
fn each_kind_of_operation_can_be_elided() {
    let kinds = [
        (OperationKind::SetLen, "a"),
        (OperationKind::Allocate, "a"),
        (OperationKind::Rename, "b"),
        (OperationKind::Remove, "a"),
        (OperationKind::SyncDir, "."),
    ];
    for (kind, glob) in kinds {
        let disk = SimDisk::new(elision(kind, glob, Occurrence::Every));
        let file = create(&disk, "a");
        let before = disk.state();
        match kind {
            OperationKind::SetLen => file.set_len(5),
            OperationKind::Allocate => file.allocate(0, 5),
            OperationKind::Rename => disk.rename("a", "b"),
            OperationKind::Remove => disk.remove("a"),
            OperationKind::SyncDir | OperationKind::Sync | OperationKind::Write => {
                disk.sync_dir("")
            }
        }
        .unwrap();
        assert_eq!(disk.state().digest(), before.digest(), "{kind}");
        assert_eq!(disk.elisions_fired(), [1], "{kind}");
    }
}

#[test]
fn too_many_calls_are_a_hang_for_good() {
    let disk = SimDisk::new(SimConfig {
        operation_budget: 3,
        ..SimConfig::default()
    });
    let file = create(&disk, "a");
    file.len().unwrap();
    file.write_at(0, b"x").unwrap();
    assert!(!disk.is_hung());
    for _ in 0..2 {
        let error = error_of(file.write_at(0, b"y"));
        assert_eq!(SimError::find(&error), Some(SimError::Hang));
    }
    assert!(disk.is_hung());
    assert_eq!(disk.state().named("a").unwrap().bytes(), b"x");
}

#[test]
fn once_the_power_is_off_calls_fail_and_marks_do_not_count() {
    let off = Some(TracePosition(2));
    let disk = SimDisk::new(SimConfig {
        crash_after: off,
        ..SimConfig::default()
    });
    let file = create(&disk, "a");
    file.write_at(0, b"x").unwrap();
    assert!(disk.is_off());
    assert!(file.read_at(0, &mut [0]).is_err());
    let error = StorageError::io("sync", "a", error_of(file.sync()));
    assert_eq!(SimError::find(&error), Some(SimError::PowerOff));
    disk.mark(Mark::Acknowledged(TransactionId(1)));
    assert_eq!(disk.finish().end(), TracePosition(2));
}

#[test]
fn other_errors_are_not_taken_for_the_simulators() {
    let plain = io::Error::from(io::ErrorKind::NotFound);
    assert_eq!(SimError::find(&plain), None);
    let other: Box<dyn Error> = Box::new(StorageError::corruption("a", 0, None, "x", "y"));
    assert_eq!(SimError::find(&*other), None);
}

#[test]
fn posix_crash_points_are_the_last_before_each_sync_and_acknowledgement() {
    let disk = new_disk();
    let file = create(&disk, "a"); // 0
    disk.mark(Mark::Request(TransactionId(1))); // 1
    file.write_at(0, b"x").unwrap(); // 2
    file.write_at(1, b"y").unwrap(); // 3
    file.sync().unwrap(); // 4
    disk.mark(Mark::Acknowledged(TransactionId(1))); // 5
    disk.mark(Mark::Note("later".to_owned())); // 6
    let trace = disk.finish();
    let at = |points: Vec<TracePosition>| points.iter().map(|p| p.0).collect::<Vec<_>>();
    assert_eq!(at(crash_points(&trace, CrashModel::Posix)), [4, 5, 7]);
    assert_eq!(
        at(crash_points(&trace, CrashModel::Prefix)),
        (0..=7).collect::<Vec<_>>()
    );
    assert_eq!(
        at(crash_points(&trace, CrashModel::ProcessCrash)),
        (0..=7).collect::<Vec<_>>()
    );
}

#[test]
fn an_elided_sync_is_no_reason_for_a_crash_point() {
    let disk = SimDisk::new(elision(OperationKind::Sync, "**", Occurrence::Every));
    create(&disk, "a").sync().unwrap();
    assert_eq!(
        crash_points(&disk.finish(), CrashModel::Posix),
        [TracePosition(2)]
    );
}

#[test]
fn cuts_are_the_same_for_the_same_seed() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 5000]);
    file.write_at(10, &[2; 4000]).unwrap();
    file.set_len(3000).unwrap();
    let state = disk.state();
    for model in [
        CrashModel::Posix,
        CrashModel::Prefix,
        CrashModel::ProcessCrash,
    ] {
        let draw = |_| {
            let states = (0..30).map(|sample| {
                let mut rng = Rng::from_seed(9).split("cut", sample);
                cut(
                    &state,
                    model,
                    Sample(u32::try_from(sample).unwrap()),
                    &mut rng,
                )
                .digest()
            });
            states.collect::<Vec<_>>()
        };
        assert_eq!(draw(0), draw(1), "{model}");
    }
}

#[test]
fn a_sector_of_the_disk_is_what_the_configuration_says() {
    let sector = SectorSize::new(4096).unwrap();
    let disk = SimDisk::new(SimConfig {
        sector,
        ..SimConfig::default()
    });
    durable(&disk, "a", &[1; 8192])
        .write_at(100, &[2; 4096])
        .unwrap();
    assert_eq!(images(&disk.state(), CrashModel::Posix).len(), 4);
    assert_eq!(SectorSize::new(0), None);
    assert_eq!(SectorSize::new(8192), None);
}

#[test]
fn a_lock_is_held_by_one_until_it_is_dropped() {
    let disk = new_disk();
    let held = disk.lock("lock").unwrap();
    assert_eq!(
        error_of(disk.lock("lock")).kind(),
        io::ErrorKind::WouldBlock
    );
    drop(held);
    let held = disk.lock("lock").unwrap();
    let next = boot(&disk.state());
    next.lock("lock").unwrap();
    drop(held);
}

#[test]
fn calls_that_no_file_system_would_take_are_refused_and_leave_no_event() {
    let disk = new_disk();
    let file = durable(&disk, "a", b"abc");
    disk.create_dir("d").unwrap();
    let reader = disk.open("a", OpenMode::Read).unwrap();
    let before = disk.position();
    let kind = |result: io::Result<()>| error_of(result).kind();
    let open = |name: &str, mode| disk.open(name, mode).map(drop);
    assert_eq!(
        kind(open("a", OpenMode::Create)),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(kind(open("x/y", OpenMode::Create)), io::ErrorKind::NotFound);
    assert_eq!(
        kind(open("a/y", OpenMode::Create)),
        io::ErrorKind::NotADirectory
    );
    assert_eq!(kind(open("d", OpenMode::Read)), io::ErrorKind::IsADirectory);
    for name in ["", "/a", "../a", "a//b", "a/."] {
        assert_eq!(
            kind(open(name, OpenMode::Create)),
            io::ErrorKind::InvalidInput,
            "{name}"
        );
    }
    assert_eq!(
        kind(file.read_at(1, &mut [0; 3])),
        io::ErrorKind::UnexpectedEof
    );
    assert_eq!(
        kind(file.read_at(u64::MAX, &mut [0; 3])),
        io::ErrorKind::UnexpectedEof
    );
    assert_eq!(
        kind(file.write_at(u64::MAX, b"x")),
        io::ErrorKind::FileTooLarge
    );
    assert_eq!(
        kind(file.allocate(1, u64::MAX)),
        io::ErrorKind::FileTooLarge
    );
    assert_eq!(
        kind(reader.write_at(0, b"x")),
        io::ErrorKind::PermissionDenied
    );
    assert_eq!(kind(disk.rename("b", "c")), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.sync_dir("x")), io::ErrorKind::NotFound);
    assert_eq!(disk.position(), before);
    assert_eq!(disk.list("").unwrap(), ["a", "d"]);
}

#[test]
fn a_state_can_be_put_into_a_real_directory() {
    let disk = new_disk();
    disk.create_dir("d").unwrap();
    create(&disk, "d/x").write_at(5000, b"tail").unwrap();
    let dir = tempfile::tempdir().unwrap();
    disk.materialize(&dir.path().join("image")).unwrap();
    let bytes = std::fs::read(dir.path().join("image/d/x")).unwrap();
    assert_eq!(bytes, disk.state().named("d/x").unwrap().bytes());
    assert_eq!(bytes.len(), 5004);
}

#[test]
fn a_walk_can_go_back() {
    let disk = new_disk();
    let file: Arc<dyn DiskFile> = durable(&disk, "a", b"1");
    file.write_at(0, b"2").unwrap();
    let trace = disk.finish();
    let mut walker = CrashWalker::new(&trace);
    walker.advance_to(TracePosition(99));
    assert_eq!(walker.position(), trace.end());
    assert_eq!(walker.state().named("a").unwrap().bytes(), b"2");
    walker.advance_to(TracePosition(4));
    assert_eq!(walker.state().named("a").unwrap().bytes(), b"1");
}
