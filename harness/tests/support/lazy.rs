//! Running a program once for each thing that it can tell apart.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use lightning_chaos::sim::{SimConfig, SimDisk};
use lightning_chaos::survival::{Search, Survival, Undecided};
use lightning_chaos::trace::DiskState;
use lightning_db::disk::{Disk, OpenMode};

use crate::sim_common::Image;

/// One run of a program.
pub struct Leaf<T> {
    pub outcome: T,
    pub weight: u128,
    pub survival: Survival,
}

/// All runs of a program after a power cut.
pub fn leaves<T>(state: &DiskState, mut program: impl FnMut(&SimDisk) -> T) -> Vec<Leaf<T>> {
    let undecided = Arc::new(Undecided::of(state).expect("few changes of names"));
    let mut search = Search::default();
    let mut leaves = Vec::new();
    loop {
        let survival = Survival::new(Arc::clone(&undecided), search.plan());
        let disk = SimDisk::boot_lazily(survival.clone(), SimConfig::default());
        let outcome = program(&disk);
        assert_eq!(survival.strayed(), None);
        assert_eq!(survival.decisions(), search.decisions());
        let weight = u128::try_from(survival.weight()).unwrap();
        let log = survival.log();
        leaves.push(Leaf {
            outcome,
            weight,
            survival,
        });
        if !search.advance(log) {
            return leaves;
        }
    }
}

/// Reads everything there is.
pub fn read_all(disk: &SimDisk) -> Image {
    let mut image = Image::new();
    read_dir(disk, "", &mut image);
    image
}

fn read_dir(disk: &SimDisk, dir: &str, image: &mut Image) {
    for name in disk.list(dir).unwrap() {
        let name = if dir.is_empty() {
            name
        } else {
            format!("{dir}/{name}")
        };
        let Ok(file) = disk.open(&name, OpenMode::Read) else {
            read_dir(disk, &name, image);
            image.insert(name, None);
            continue;
        };
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        image.insert(name, Some(bytes));
    }
}
