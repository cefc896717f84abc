//! Failed operations: a full disk abandons cleanly, a failed sync poisons, and the disk always holds one
//! checkpoint or the next.

use std::io::ErrorKind;
use std::sync::Arc;

use super::model::{Model, Step, checkpoint, create, recover};
use crate::disk::faulty::{FaultyDisk, Operation};
use crate::disk::{Disk, MemoryDisk};
use crate::map::Map;

struct Rig {
    memory: Arc<dyn Disk>,
    faulty: FaultyDisk,
    map: Map,
    model: Model,
}

fn rig() -> Rig {
    let memory = MemoryDisk::new();
    let faulty = FaultyDisk::new(memory.clone());
    let shared: Arc<dyn Disk> = Arc::new(faulty.clone());
    let (map, mut model) = (create(&shared, 512), Model::default());
    checkpoint(&map, &mut model, &Step::writing(1..=6)).unwrap();
    checkpoint(&map, &mut model, &Step::writing([2, 3])).unwrap();
    faulty.take_asked();
    Rig {
        memory: Arc::new(memory),
        faulty,
        map,
        model,
    }
}

/// Grows `data`, the trees and the buffer, and frees.
fn step() -> Step {
    let mut step = Step::writing((1..=40).chain([700]));
    step.frees = Step::freeing([4]).frees;
    step.writes.retain(|page| !step.frees.contains(page));
    step
}

/// What an undisturbed checkpoint asks of the disk.
fn asked() -> Vec<Operation> {
    let Rig {
        faulty,
        map,
        mut model,
        ..
    } = rig();
    checkpoint(&map, &mut model, &step()).unwrap();
    faulty
        .take_asked()
        .into_iter()
        .map(|asked| asked.operation)
        .collect()
}

#[test]
fn a_full_disk_anywhere_abandons_cleanly_and_space_brings_writes_back() {
    let (mut failed, mut done) = (0, 0);
    for space in (0..200_000).step_by(1024) {
        let Rig {
            memory,
            faulty,
            map,
            mut model,
        } = rig();
        faulty.set_space(Some(space));
        match checkpoint(&map, &mut model, &step()) {
            Ok(()) => done += 1,
            Err(error) => {
                assert!(error.is_full(), "{error}");
                failed += 1;
            }
        }
        model.assert_held_by(&map);
        model.assert_held_by(&recover(&memory));
        faulty.set_space(None);
        checkpoint(&map, &mut model, &step()).unwrap();
        model.assert_held_by(&map);
        model.assert_held_by(&recover(&memory));
    }
    assert!(failed > 10 && done > 10, "{failed} failed, {done} done");
}

#[test]
fn a_full_disk_that_has_what_is_needed_but_not_more_is_enough() {
    let Rig {
        faulty,
        map,
        mut model,
        ..
    } = rig();
    let before = map.stats();
    faulty.set_space(Some(u64::from(before.slots_free) * 512));
    checkpoint(&map, &mut model, &Step::writing([1, 2, 3])).unwrap();
    let needed = 10 * 512;
    faulty.set_space(Some(needed));
    let pages = 7 + before.slots_free;
    checkpoint(&map, &mut model, &Step::writing(7..=pages)).unwrap();
    model.assert_held_by(&map);
}

#[test]
fn whatever_operation_fails_the_disk_holds_one_checkpoint_or_the_next() {
    let operations = asked();
    assert!(operations.len() > 15, "{operations:?}");
    let (mut poisoned, mut clean) = (0, 0);
    for (nth, operation) in operations.iter().enumerate() {
        let Rig {
            memory,
            faulty,
            map,
            mut model,
        } = rig();
        let next = model.after(&step());
        faulty.fail_nth(None, nth as u64, ErrorKind::Other);
        checkpoint(&map, &mut model, &step()).unwrap_err();
        assert!(faulty.all_fired());
        faulty.take_asked();
        let is_poisoned = map.begin().is_err();
        assert!(
            is_poisoned || *operation != Operation::Sync,
            "a failed sync poisons"
        );
        if is_poisoned {
            poisoned += 1;
            assert!(!map.verify().unwrap().is_empty());
            let reopened = recover(&memory);
            let holds = if reopened.superblock().version == next.version {
                &next
            } else {
                &model
            };
            holds.assert_held_by(&reopened);
        } else {
            clean += 1;
            model.assert_held_by(&map);
            checkpoint(&map, &mut model, &step()).unwrap();
            model.assert_held_by(&map);
            model.assert_held_by(&recover(&memory));
        }
    }
    assert!(
        poisoned >= 6 && clean >= 4,
        "{poisoned} poisoned, {clean} clean"
    );
}

#[test]
fn a_poisoned_map_still_reads_the_last_checkpoint() {
    let Rig {
        faulty,
        map,
        mut model,
        ..
    } = rig();
    let syncs = asked().iter().filter(|o| **o == Operation::Sync).count();
    faulty.fail_nth(Some(Operation::Sync), syncs as u64 - 1, ErrorKind::Other);
    checkpoint(&map, &mut model, &step()).unwrap_err();
    for &page in model.pages.keys() {
        map.read_page(page, &mut [0; 512]).unwrap();
    }
    let first = map.begin().unwrap_err().to_string();
    assert_eq!(map.begin().unwrap_err().to_string(), first);
}

#[test]
fn nothing_after_the_seal_needs_space() {
    let Rig {
        faulty,
        map,
        mut model,
        ..
    } = rig();
    checkpoint(&map, &mut model, &step()).unwrap();
    let asked = faulty.take_asked();
    let is_buffer = |asked: &&crate::disk::faulty::Asked| asked.name == "doublewrite";
    let seal = asked.iter().rposition(|asked| is_buffer(&asked)).unwrap();
    let later: Vec<_> = asked[seal..].iter().map(|asked| asked.operation).collect();
    assert!(!later.contains(&Operation::Allocate) && !later.contains(&Operation::SetLen));
    assert!(
        asked
            .iter()
            .any(|asked| asked.operation == Operation::Allocate)
    );
}

#[test]
fn a_checkpoint_without_a_page_costs_the_superblock_path_only() {
    let Rig {
        faulty,
        map,
        mut model,
        ..
    } = rig();
    checkpoint(&map, &mut model, &Step::default()).unwrap();
    let asked = faulty.take_asked();
    let count = |operation| asked.iter().filter(|a| a.operation == operation).count();
    assert_eq!(
        (count(Operation::Sync), count(Operation::Write), asked.len()),
        (3, 5, 8)
    );
    model.assert_held_by(&map);
}
