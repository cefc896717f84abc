//! A power cut: what was not synced is there in any part, sector by sector.

use std::sync::Arc;

use proptest::prelude::*;

use super::support::*;
use crate::disk::MemoryDisk;
use crate::ids::LogPosition;
use crate::wal::Wal;

/// A log at its last sync and after what followed was handed to the system.
struct Cut {
    durable: Image,
    newest: Image,
    start: LogPosition,
    groups: Vec<Vec<u8>>,
    synced: usize,
    /// The sectors that differ.
    pending: Vec<(String, usize)>,
}

impl Cut {
    /// `recycled`: over segments that held an older part of the log.
    fn new(recycled: bool) -> Self {
        let disk = MemoryDisk::new();
        let mut wal = create(&disk);
        if recycled {
            for number in 0..60 {
                wal.append(&payload(900 + number, 700)).unwrap();
                wal.sync().unwrap();
            }
            let start = wal.end();
            wal = Wal::start_session(
                Arc::new(disk.clone()),
                CONFIG,
                read(&disk, start).unwrap().1,
            )
            .unwrap();
            remove(wal.recycle(wal.start().lsn, None));
        }
        let mut groups = Vec::new();
        let mut append = |wal: &mut Wal, len| {
            groups.push(payload(groups.len(), len));
            wal.append(groups.last().unwrap()).unwrap();
        };
        for len in [300, 30, 1500] {
            append(&mut wal, len);
            wal.sync().unwrap();
        }
        append(&mut wal, 10);
        wal.sync().unwrap();
        let durable = image(&disk);
        for len in [200, 0, 700, 1100, 64, 90, 500] {
            append(&mut wal, len);
            if len == 1100 {
                wal.flush().unwrap();
            }
        }
        wal.flush().unwrap();
        let newest = image(&disk);
        let pending = differing(&durable, &newest);
        assert!(pending.len() >= 6, "{pending:?}");
        Self {
            durable,
            newest,
            start: wal.start(),
            groups,
            synced: 4,
            pending,
        }
    }

    /// The durable image with some of the pending sectors.
    fn with(&self, survives: impl Fn(usize) -> bool) -> Image {
        let mut image = self.durable.clone();
        for (index, (name, at)) in self.pending.iter().enumerate() {
            if survives(index) {
                image.get_mut(name).unwrap()[*at..at + SECTOR]
                    .copy_from_slice(&self.newest[name][*at..at + SECTOR]);
            }
        }
        image
    }

    /// What is read is a prefix with all that was synced, again and again, and a session goes on behind it.
    fn check(&self, image: &Image) {
        let disk = disk_of(image);
        let (contents, end) = read(&disk, self.start).unwrap();
        let count = contents.groups.len();
        assert!(count >= self.synced, "{count} groups");
        assert_eq!(contents.groups, self.groups[..count]);
        assert!(end.cut.is_none() || count < self.groups.len());
        let mut wal = Wal::start_session(Arc::new(disk.clone()), CONFIG, end).unwrap();
        assert_eq!(read(&disk, self.start).unwrap().0, contents);
        wal.append(b"after the cut").unwrap();
        wal.sync().unwrap();
        assert_eq!(
            read(&disk, wal.start()).unwrap().0.groups,
            [b"after the cut"]
        );
        let all = read(&disk, self.start).unwrap().0.groups;
        assert_eq!(all.len(), count + 1);
        assert_eq!(all[..count], contents.groups);
    }
}

fn differing(old: &Image, new: &Image) -> Vec<(String, usize)> {
    let mut places = Vec::new();
    for (name, bytes) in new {
        for (index, sector) in bytes.chunks(SECTOR).enumerate() {
            let at = index * SECTOR;
            if old[name][at..at + SECTOR] != *sector {
                places.push((name.clone(), at));
            }
        }
    }
    places
}

fn cuts() -> [Cut; 2] {
    [Cut::new(false), Cut::new(true)]
}

#[test]
fn a_tail_cut_at_every_sector_is_a_prefix_with_all_that_was_synced() {
    for cut in cuts() {
        for count in 0..=cut.pending.len() {
            cut.check(&cut.with(|index| index < count));
        }
    }
}

#[test]
fn a_tail_of_which_one_sector_is_lost_or_one_survives_is_a_prefix() {
    for cut in cuts() {
        for sector in 0..cut.pending.len() {
            cut.check(&cut.with(|index| index != sector));
            cut.check(&cut.with(|index| index == sector));
            cut.check(&cut.with(|index| index > sector));
        }
    }
}

#[test]
fn every_subset_of_the_first_ten_sectors_is_a_prefix() {
    let cut = Cut::new(true);
    let bits = cut.pending.len().min(10);
    for subset in 0_usize..1 << bits {
        cut.check(&cut.with(|index| index < bits && subset >> index & 1 == 1));
    }
}

#[test]
fn a_garbled_tail_is_a_prefix() {
    for cut in cuts() {
        for (name, at) in &cut.pending {
            let mut image = cut.newest.clone();
            for (index, byte) in image.get_mut(name).unwrap()[*at..at + SECTOR]
                .iter_mut()
                .enumerate()
            {
                *byte = byte
                    .wrapping_mul(13)
                    .wrapping_add(index.to_le_bytes()[0] | 1);
            }
            cut.check(&image);
        }
    }
}

#[test]
fn a_tail_torn_inside_any_byte_is_a_prefix() {
    let cut = Cut::new(true);
    let (first_name, first) = &cut.pending[0];
    for at in (*first..*first + 5 * SECTOR).step_by(3) {
        let mut image = cut.newest.clone();
        image.get_mut(first_name).unwrap()[at] ^= 0x10;
        cut.check(&image);
    }
}

#[test]
fn a_whole_tail_is_not_cut() {
    for cut in cuts() {
        let (contents, end) = read(&disk_of(&cut.newest), cut.start).unwrap();
        assert_eq!(contents.groups, cut.groups);
        assert_eq!(end.cut, None);
    }
}

#[test]
fn a_cut_is_reported_where_a_tail_remains() {
    let cut = Cut::new(true);
    // The third frame of the tail reaches into the lost sector.
    let image = cut.with(|index| index != 1);
    let (contents, end) = read(&disk_of(&image), cut.start).unwrap();
    assert_eq!(contents.groups.len(), 6);
    assert_eq!(end.cut, Some(end.position.lsn));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_subset_of_sectors_is_a_prefix(subset in any::<u64>(), recycled in any::<bool>()) {
        let cut = Cut::new(recycled);
        cut.check(&cut.with(|index| subset >> (index % 64) & 1 == 1));
    }
}

/// After a failed sync the cache shows what the disk does not have. A session may have begun behind such a group, and
/// its own header is durable; then the group goes.
#[test]
fn a_session_behind_a_group_that_was_never_durable_proves_nothing() {
    let disk = MemoryDisk::new();
    let mut wal = create(&disk);
    let start = wal.start();
    wal.append(b"durable").unwrap();
    wal.sync().unwrap();
    let durable = image(&disk);
    wal.append(b"only in the cache").unwrap();
    wal.flush().unwrap();
    let (contents, lost) = reopen(&disk, start);
    assert_eq!(contents.groups.len(), 2);
    let mut left = image(&disk);
    left.insert("wal/000001".to_owned(), durable["wal/000001"].clone());
    let disk = disk_of(&left);
    let (contents, mut wal) = reopen(&disk, start);
    assert_eq!(contents.groups, [b"durable"]);
    assert!(CONFIG.segment_of(wal.start().lsn) > CONFIG.segment_of(lost.start().lsn));
    wal.append(b"next").unwrap();
    wal.sync().unwrap();
    assert_eq!(
        read(&disk, start).unwrap().0.groups,
        [&b"durable"[..], b"next"]
    );
    assert_eq!(read(&disk, wal.start()).unwrap().0.groups, [b"next"]);
}
