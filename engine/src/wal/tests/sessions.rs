//! What is appended is read back, session after session.

use proptest::prelude::*;

use super::support::*;
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk};
use crate::ids::Lsn;
use crate::wal::Wal;

#[test]
fn groups_are_read_back_in_order_with_their_positions() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    let mut expected = Contents {
        groups: Vec::new(),
        ends: Vec::new(),
    };
    for (number, len) in [0, 1, 63, 64, 65, 4000, 4096, 0, 9000, 3, 20_000]
        .into_iter()
        .enumerate()
    {
        expected.groups.push(payload(number, len));
        expected
            .ends
            .push(wal.append(&payload(number, len)).unwrap());
        if number % 3 == 0 {
            wal.sync().unwrap();
            assert_eq!(wal.durable(), wal.end().lsn);
        }
    }
    wal.flush().unwrap();
    assert!(wal.durable() < wal.end().lsn);
    let (contents, end) = read(&disk, wal.start()).unwrap();
    assert_eq!(contents, expected);
    assert_eq!(end.position, wal.end());
    assert_eq!(end.cut, None);
}

#[test]
fn what_was_not_flushed_is_not_there_and_what_was_is() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    wal.append(b"one").unwrap();
    assert_eq!(read(&disk, wal.start()).unwrap().0.groups.len(), 0);
    wal.flush().unwrap();
    wal.append(b"two").unwrap();
    assert_eq!(read(&disk, wal.start()).unwrap().0.groups, [b"one"]);
    wal.flush().unwrap();
    assert_eq!(read(&disk, wal.start()).unwrap().0.groups, [b"one", b"two"]);
}

#[test]
fn a_log_may_start_at_the_end_of_any_group() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    for number in 0..30 {
        wal.append(&payload(number, 100 + 177 * number)).unwrap();
        if number % 4 == 0 {
            wal.sync().unwrap();
        }
    }
    wal.sync().unwrap();
    let all = read(&disk, wal.start()).unwrap().0;
    for (number, start) in all.ends.iter().enumerate() {
        let rest = read(&disk, *start).unwrap().0;
        assert_eq!(
            rest.groups,
            all.groups[number + 1..],
            "after group {number}"
        );
    }
}

#[test]
fn a_group_larger_than_a_segment_is_one_group() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    let sizes = [10, 200_000, 5, 12_288 - 64, 12_288 - 63, 50_000];
    for (number, len) in sizes.into_iter().enumerate() {
        wal.append(&payload(number, len)).unwrap();
    }
    wal.sync().unwrap();
    let (contents, _) = read(&disk, wal.start()).unwrap();
    let expected: Vec<_> = sizes
        .into_iter()
        .enumerate()
        .map(|(number, len)| payload(number, len))
        .collect();
    assert_eq!(contents.groups, expected);
    assert!(wal.bytes_live() > 262_000);
}

#[test]
fn a_segment_filled_to_its_last_byte_is_followed_by_the_next() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    let end = wal.append(&payload(0, 12_288 - 64)).unwrap();
    assert_eq!(end.lsn, Lsn(2 * CONFIG.segment_len));
    wal.append(b"").unwrap();
    wal.sync().unwrap();
    assert_eq!(
        read(&disk, wal.start()).unwrap().0.groups,
        [payload(0, 12_288 - 64), vec![]]
    );
    assert_eq!(read(&disk, end).unwrap().0.groups, [b""]);
    remove(wal.recycle(end.lsn, None));
    assert_eq!(read(&disk, end).unwrap().0.groups, [b""]);
}

#[test]
fn sessions_do_not_add_files() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    let mut files = Vec::new();
    for session in 0..12 {
        let start = wal.start();
        remove(wal.recycle(start.lsn, None));
        let expected: Vec<_> = (0..40)
            .map(|number| payload(session + number, 900))
            .collect();
        for group in &expected {
            wal.append(group).unwrap();
            wal.sync().unwrap();
        }
        let (contents, next) = reopen(&disk, start);
        assert_eq!(contents.groups, expected, "session {session}");
        wal = next;
        files.push(disk.list("wal").unwrap().len());
        assert_eq!(wal.segments(), files[session]);
    }
    assert!(
        files[2..].iter().all(|count| *count == files[2]),
        "{files:?}"
    );
}

#[test]
fn recycling_within_a_session_bounds_the_files() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    wal.append(&payload(0, 300_000)).unwrap();
    assert!(wal.segments() > 20);
    for number in 0..200 {
        let start = wal.append(&payload(number, 5000)).unwrap();
        wal.sync().unwrap();
        remove(wal.recycle(start.lsn, None));
        assert!(wal.bytes_live() <= CONFIG.segment_len);
    }
    assert!(wal.segments() <= 3, "{}", wal.segments());
    assert_eq!(disk.list("wal").unwrap().len(), wal.segments());
}

#[test]
fn sessions_that_never_reach_their_checkpoint_change_nothing() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    wal.append(b"kept").unwrap();
    wal.sync().unwrap();
    wal.append(&payload(1, 30_000)).unwrap();
    let start = wal.start();
    let before = read(&disk, start).unwrap().0;
    assert_eq!(before.groups, [b"kept"]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (contents, session) = reopen(&disk, start);
        assert_eq!(contents, before);
        seen.push(session.start().lsn);
    }
    assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn an_unfinished_group_before_a_session_is_not_continued_by_it() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    let start = wal.start();
    let whole = wal.append(b"whole").unwrap();
    wal.append(&payload(1, 40_000)).unwrap();
    let (contents, end) = read(&disk, start).unwrap();
    assert_eq!(contents.groups, [b"whole"]);
    assert_eq!(end.cut, Some(whole.lsn));
    let (_, mut wal) = reopen(&disk, start);
    wal.append(b"later").unwrap();
    wal.sync().unwrap();
    assert_eq!(
        read(&disk, start).unwrap().0.groups,
        [&b"whole"[..], b"later"]
    );
    assert_eq!(read(&disk, wal.start()).unwrap().0.groups, [b"later"]);
}

#[test]
fn reading_a_short_log_reads_little() {
    let disk = FaultyDisk::new(MemoryDisk::new());
    let mut wal = create(&disk);
    for number in 0..10 {
        wal.append(&payload(number, 50)).unwrap();
    }
    wal.sync().unwrap();
    disk.take_asked();
    read(&disk, wal.start()).unwrap();
    let asked = disk.take_asked();
    let reads = asked
        .iter()
        .filter(|asked| asked.operation == Operation::Read);
    // Two headers, two pieces, the hole, the starts of the blocks behind it and in the spare, and the note that names the spare.
    assert_eq!(reads.clone().count(), 2 + 2 + 1 + 2 + 3 + 1);
    // The pieces are of 4 and 8 KiB.
    assert_eq!(reads.map(|asked| asked.len).sum::<u64>(), 3 * 4096 + 9 * 64);
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Flush,
    Sync,
    /// To the end of one of the groups, counted from the newest.
    Recycle(usize),
    /// The process ends; the next session checkpoints before it goes on, or not.
    Restart {
        checkpoint: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![4 => 0_usize..300, 2 => 0_usize..9000, 1 => 12_000_usize..60_000];
    let step = prop_oneof![
        8 => len.prop_map(Step::Append),
        3 => Just(Step::Flush),
        4 => Just(Step::Sync),
        2 => (0_usize..6).prop_map(Step::Recycle),
        1 => any::<bool>().prop_map(|checkpoint| Step::Restart { checkpoint }),
    ];
    prop::collection::vec(step, 1..60)
}

/// A log beside the groups that it should hold.
struct Model {
    disk: FaultyDisk,
    wal: Wal,
    start: crate::ids::LogPosition,
    groups: Vec<(crate::ids::LogPosition, Vec<u8>)>,
    flushed: usize,
    appended: usize,
}

impl Model {
    fn new() -> Self {
        let disk = FaultyDisk::new(MemoryDisk::new());
        let wal = create(&disk);
        let start = wal.start();
        Self {
            disk,
            wal,
            start,
            groups: Vec::new(),
            flushed: 0,
            appended: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append(len) => {
                let bytes = payload(self.appended, len);
                self.appended += 1;
                self.groups.push((self.wal.append(&bytes).unwrap(), bytes));
            }
            Step::Flush => {
                self.wal.flush().unwrap();
                self.flushed = self.groups.len();
            }
            Step::Sync => {
                self.wal.sync().unwrap();
                self.flushed = self.groups.len();
            }
            Step::Recycle(back) => self.recycle(back),
            Step::Restart { checkpoint } => self.restart(checkpoint),
        }
    }

    fn recycle(&mut self, back: usize) {
        let Some(last) = self.flushed.checked_sub(back + 1) else {
            return;
        };
        self.wal.sync().unwrap();
        self.flushed = self.groups.len();
        self.start = self.groups[last].0;
        remove(self.wal.recycle(self.start.lsn, None));
        self.groups.drain(..=last);
        self.flushed -= last + 1;
    }

    fn restart(&mut self, checkpoint: bool) {
        self.check();
        let (contents, wal) = reopen(&self.disk, self.start);
        self.wal = wal;
        self.groups.truncate(contents.groups.len());
        if checkpoint {
            self.start = self.wal.start();
            remove(self.wal.recycle(self.start.lsn, None));
            self.groups.clear();
        }
        self.flushed = self.groups.len();
    }

    /// The log holds a prefix of what was appended, with all that was flushed.
    fn check(&self) {
        let (contents, end) = read(&self.disk, self.start).unwrap();
        let count = contents.groups.len();
        assert!(count >= self.flushed && count <= self.groups.len());
        for (index, group) in contents.groups.iter().enumerate() {
            assert!(*group == self.groups[index].1, "group {index}");
            assert_eq!(contents.ends[index], self.groups[index].0);
        }
        assert!(end.cut.is_none() || count < self.groups.len());
    }
}

/// L2 and L3, as the disk sees them: after a sync of a file, no block below the highest written then is
/// written, until the file gets a new header; and between a header and the first frame there is a sync. A note of its own (L8) is the
/// exception: one sector, once, before the next segment.
fn check_order(disk: &FaultyDisk) {
    let mut written = std::collections::BTreeMap::new();
    let mut closed = std::collections::BTreeMap::new();
    let mut noted = std::collections::BTreeSet::new();
    for asked in disk.take_asked() {
        match asked.operation {
            Operation::Write if asked.offset == 0 => {
                written.insert(asked.name.clone(), 1);
                closed.remove(&asked.name);
                noted.remove(&asked.name);
            }
            Operation::Write if (asked.offset, asked.len) == (512, 512) => {
                assert!(noted.insert(asked.name.clone()), "{asked:?} once more");
            }
            Operation::Write => {
                let closed = closed.get(&asked.name).copied();
                // Zeroes of a file being made follow its first piece at once.
                let floor = closed.unwrap_or(if asked.offset == 4096 { u64::MAX } else { 0 });
                assert!(
                    asked.offset >= floor,
                    "{asked:?} after a sync up to {floor}"
                );
                let end = asked.offset + asked.len;
                let highest = written.entry(asked.name).or_insert(end);
                *highest = end.max(*highest);
            }
            Operation::Sync => {
                if let Some(end) = written.get(&asked.name) {
                    closed.insert(asked.name, end.next_multiple_of(4096));
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_history_is_read_back_as_a_prefix_with_all_that_was_flushed(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.step(step);
        }
        model.check();
        check_order(&model.disk);
        prop_assert_eq!(model.wal.segments(), model.disk.list("wal").unwrap().len());
    }
}

#[test]
fn a_log_on_a_real_disk_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let disk = crate::disk::RealDisk::create(directory.path()).unwrap();
    let mut wal = create(&disk);
    let start = wal.start();
    for number in 0..3 {
        wal.append(&payload(number, 20_000)).unwrap();
        wal.sync().unwrap();
    }
    drop(wal);
    let (contents, mut wal) = reopen(&disk, start);
    assert_eq!(
        contents.groups,
        [0, 1, 2].map(|number| payload(number, 20_000))
    );
    remove(wal.recycle(wal.start().lsn, None));
    wal.append(b"next").unwrap();
    wal.sync().unwrap();
    assert_eq!(read(&disk, wal.start()).unwrap().0.groups, [b"next"]);
}
