//! Bytes that are wrong under checksums that are right: nothing panics, hangs, or asks for memory without bound, and
//! whatever is done afterwards ends in a result.

use std::ops::Bound;
use std::sync::Arc;

use crate::sweep::database::{Image, Subject, disk_of, options};
use crate::sweep::live::{Live, What, live, superblock};
use crate::sweep::rng::Rng;
use lightning_db::Database;
use lightning_db::disk::{Disk, MemoryDisk};
use lightning_db::disk_format::codec::checksum;
use lightning_db::disk_format::commit_group::{Action, Encoder, Operation};
use lightning_db::disk_format::{MAP_FANOUT, MapKind, MapPageId};
use lightning_db::ids::Version;

fn seal(bytes: &mut [u8], crc_at: usize) -> u32 {
    let crc = checksum(&[&bytes[..crc_at], &[0; 4], &bytes[crc_at + 4..]]);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    crc
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

/// Puts the checksums right from a changed page up to the superblocks.
fn reseal_page(files: &mut Image, structure: &Live) {
    let What::Page(no) = structure.what else {
        return;
    };
    let data = files.get_mut("data").unwrap();
    let range = index(structure.range.start)..index(structure.range.end);
    let crc = seal(&mut data[range], 24);
    let leaf = MapPageId {
        kind: MapKind::Pages,
        level: 0,
        index: 0,
    };
    assert!(no.get() < MAP_FANOUT, "one map page");
    let map = &mut files.get_mut("map").unwrap()[index(leaf.home())..][..4096];
    let entry = 32 + 8 * no.get() as usize + 4;
    map[entry..entry + 4].copy_from_slice(&crc.to_le_bytes());
    let root = seal(map, 12);
    for name in ["map", "data"] {
        for copy in [0, 16384] {
            let sector = &mut files.get_mut(name).unwrap()[copy..copy + 512];
            sector[64..68].copy_from_slice(&root.to_le_bytes());
            seal(sector, 508);
        }
    }
    files.get_mut("doublewrite").unwrap().clear();
}

/// Uses all that there is.
fn use_it(files: &Image) {
    let disk = disk_of(files);
    if let Ok(db) = Database::open_on(Arc::new(disk.clone()), options()) {
        drop(db.verify());
        let snapshot = db.snapshot().unwrap();
        for table in ["small", "long", "large", "empty", "other"] {
            if let Ok(rows) = snapshot.scan(table) {
                assert!(rows.take(5_000).take_while(Result::is_ok).count() < 5_000);
            }
            if let Ok(rows) = snapshot.scan(table) {
                assert!(rows.rev().take(5_000).take_while(Result::is_ok).count() < 5_000);
            }
            for i in 0..12_u32 {
                let key = format!("key-{:06}", i * 19);
                drop(db.put(table, key.as_bytes(), &vec![7; index(u64::from(i) * 150)]));
                drop(db.delete(table, format!("key-{:06}", i * 23).as_bytes()));
                drop(snapshot.get(table, key.as_bytes()));
            }
        }
        drop(snapshot);
        drop(db.checkpoint());
        drop(db.close());
    }
    let from: Arc<dyn Disk> = Arc::new(disk_of(files));
    drop(lightning_db::salvage_on(
        &from,
        Arc::new(MemoryDisk::new()),
        options(),
    ));
}

/// Some fields of a page's header and arrays, or any bytes of it, made anything.
fn change(page: &mut [u8], rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        let at = match rng.below(4) {
            0 => index(8 + rng.below(10)),
            1 | 2 => index(32 + rng.below(200)),
            _ => index(rng.below(page.len() as u64)),
        };
        page[at] = match rng.below(4) {
            0 => 0,
            1 => 0xff,
            2 => page[at].wrapping_add(1),
            _ => rng.next().to_le_bytes()[0],
        };
    }
}

#[test]
fn no_page_with_a_right_checksum_makes_anything_panic_or_hang() {
    let subject = Subject::new();
    let all = live(&subject.image);
    let pages: Vec<&Live> = all
        .iter()
        .filter(|l| matches!(l.what, What::Page(_)))
        .collect();
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let mut files = subject.image.clone();
        for _ in 0..=rng.below(2) {
            let page = pages[index(rng.below(pages.len() as u64))];
            let range = index(page.range.start)..index(page.range.end);
            if rng.below(8) == 0 {
                // Another page's content: cycles, and levels that do not fit.
                let other = pages[index(rng.below(pages.len() as u64))];
                let other = index(other.range.start)..index(other.range.end);
                let content = files["data"][other].to_vec();
                let place = &mut files.get_mut("data").unwrap()[range];
                place[8..20].copy_from_slice(&content[8..20]);
                place[32..].copy_from_slice(&content[32..]);
            } else {
                change(&mut files.get_mut("data").unwrap()[range], &mut rng);
            }
            reseal_page(&mut files, page);
        }
        use_it(&files);
    }
}

/// Puts a payload in place of the last frame's.
fn with_last_group(subject: &Subject, payload: &[u8]) -> Option<Image> {
    let all = live(&subject.image);
    let last = all
        .iter()
        .find(|l| l.what == What::Frame { is_last: true })?;
    let mut files = subject.image.clone();
    let at = index(last.range.start);
    let segment = files.get_mut(&last.file).unwrap();
    if at + 64 + payload.len() > segment.len() {
        return None;
    }
    segment[at + 64..at + 64 + payload.len()].copy_from_slice(payload);
    let len = u32::try_from(payload.len()).unwrap();
    let frame = &mut segment[at..at + 64];
    frame[40..44].copy_from_slice(&len.to_le_bytes());
    frame[44..48].copy_from_slice(&checksum(&[payload]).to_le_bytes());
    let crc = checksum(&[&frame[..4], &frame[8..]]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    Some(files)
}

#[test]
fn no_group_with_a_right_checksum_makes_replay_panic_or_hang() {
    let subject = Subject::new();
    let version = superblock(&subject.image).version.get() + subject.states.len() as u64 - 1;
    let version = Version(version);
    let key = vec![b'k'; 3000];
    let bounds = [
        Bound::Unbounded,
        Bound::Included(&b"z"[..]),
        Bound::Excluded(&b"a"[..]),
    ];
    let mut actions: Vec<(&str, Action<'_>)> = vec![
        ("", Action::Create),
        ("nobody", Action::Drop),
        ("nobody", Action::Rename { to: "small" }),
        ("small", Action::Rename { to: "small" }),
        ("small", Action::Rename { to: "long" }),
        ("small", Action::Drop),
        ("small", Action::Delete { key: &key }),
        (
            "small",
            Action::Put {
                key: &key,
                value: &key,
            },
        ),
        (
            "",
            Action::Put {
                key: b"",
                value: b"",
            },
        ),
    ];
    for low in bounds {
        for high in bounds {
            actions.push(("small", Action::DeleteRange { low, high }));
        }
    }
    for (table, action) in &actions {
        let mut group = Encoder::new(version);
        for action in [action, action] {
            group.push(Operation {
                table,
                action: *action,
            });
        }
        use_it(&with_last_group(&subject, &group.finish()).unwrap());
    }
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut group = Encoder::new(version);
        for _ in 0..=rng.below(6) {
            let (table, action) = actions[index(rng.below(actions.len() as u64))];
            group.push(Operation { table, action });
        }
        let mut payload = group.finish();
        for _ in 0..rng.below(4) {
            let at = index(rng.below(payload.len() as u64));
            payload[at] = rng.next().to_le_bytes()[0];
        }
        if let Some(files) = with_last_group(&subject, &payload) {
            use_it(&files);
        }
    }
}
