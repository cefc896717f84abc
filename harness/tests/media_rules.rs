//! What the model `media` adds to `posix`, and what it leaves alone.

#[path = "support/sim.rs"]
mod sim_common;

use std::collections::BTreeSet;

use lightning_chaos::crash::{Sample, cut, is_spoilt};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::trace::DiskState;
use sim_common::{durable, image, new_disk};

const SECTOR: usize = 512;

fn cuts(state: &DiskState) -> Vec<Vec<u8>> {
    let mut rng = Rng::from_seed(11);
    (0..600)
        .map(|sample| {
            let left = cut(state, CrashModel::Media, Sample(sample), &mut rng);
            assert!(!left.is_pending(), "nothing is pending after a power cut");
            image(&left).remove("a").flatten().unwrap()
        })
        .collect()
}

#[test]
fn a_torn_sector_holds_at_each_byte_what_one_of_its_versions_held() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 3 * SECTOR]);
    file.write_at(600, &[2; 300]).unwrap();
    let mut mixtures = BTreeSet::new();
    for left in cuts(&disk.state()) {
        assert_eq!(left.len(), 3 * SECTOR);
        for (at, &byte) in left.iter().enumerate() {
            let written = (600..900).contains(&at);
            assert!(byte == 1 || byte == 2 && written, "byte {at} is {byte}");
        }
        if left[600..900].contains(&1) && left.contains(&2) {
            mixtures.insert(left);
        }
    }
    assert!(mixtures.len() > 100, "{} mixtures", mixtures.len());
}

#[test]
fn tears_leave_heads_tails_and_single_words() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; SECTOR]);
    file.write_at(0, &[2; SECTOR]).unwrap();
    let all = cuts(&disk.state());
    let torn = |check: &dyn Fn(u8, u8, usize) -> bool| {
        all.iter().any(|left| {
            let changes = left.windows(2).filter(|pair| pair[0] != pair[1]).count();
            check(left[0], left[SECTOR - 1], changes)
        })
    };
    assert!(
        torn(&|first, last, changes| (first, last, changes) == (2, 1, 1)),
        "no head"
    );
    assert!(
        torn(&|first, last, changes| (first, last, changes) == (1, 2, 1)),
        "no tail"
    );
    assert!(torn(&|_, _, changes| changes > 10), "no words");
}

#[test]
fn what_is_durable_is_left_alone() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 2 * SECTOR]);
    file.write_at(0, &[2; SECTOR]).unwrap();
    file.sync().unwrap();
    file.write_at(SECTOR as u64, &[3; 100]).unwrap();
    for left in cuts(&disk.state()) {
        assert_eq!(left[..SECTOR], [2; SECTOR]);
        assert_eq!(left[SECTOR + 100..], [1; SECTOR - 100]);
    }
}

#[test]
fn only_what_a_file_grew_by_can_be_garbage() {
    let disk = new_disk();
    let file = durable(&disk, "a", &[0; 2 * SECTOR]);
    file.set_len(8 * SECTOR as u64).unwrap();
    let all = cuts(&disk.state());
    let garbage = |left: &&Vec<u8>| left.iter().any(|&byte| byte != 0);
    let spoilt: Vec<_> = all.iter().filter(garbage).collect();
    assert!(!spoilt.is_empty());
    for left in spoilt {
        assert_eq!(left.len(), 8 * SECTOR);
        assert_eq!(left[..2 * SECTOR], [0; 2 * SECTOR]);
    }
}

#[test]
fn a_file_that_is_synced_has_one_future() {
    let disk = new_disk();
    durable(&disk, "a", &[1; 700]);
    let images: BTreeSet<_> = cuts(&disk.state()).into_iter().collect();
    assert_eq!(images.len(), 1);
}

#[test]
fn what_posix_cannot_leave_is_told_from_what_it_can() {
    let mut rng = Rng::from_seed(12);
    let disk = new_disk();
    let file = durable(&disk, "a", &[1; 3 * SECTOR]);
    file.write_at(600, &[2; 3000]).unwrap();
    file.set_len(700).unwrap();
    file.set_len(9 * SECTOR as u64).unwrap();
    file.write_at(5000, &[3; 10]).unwrap();
    let state = disk.state();
    let mut spoilt = |model| {
        let left = (0..300).map(|sample| cut(&state, model, Sample(sample), &mut rng));
        left.filter(|left| is_spoilt(&state, left)).count()
    };
    assert_eq!(spoilt(CrashModel::Posix), 0);
    let count = spoilt(CrashModel::Media);
    assert!(count > 50, "{count}");
}
