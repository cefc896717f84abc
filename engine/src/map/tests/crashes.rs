//! A power cut at any change leaves exactly the last checkpoint or the one under way, however often recovery
//! itself is cut.

use super::crash_disk::{CrashDisk, Image, Survival};
use super::model::{Model, Rng, Step, checkpoint, create, geometry};
use crate::disk::{Disk, OpenMode};
use crate::disk_format::{SUPERBLOCK_LEN, SUPERBLOCK_OFFSETS};
use crate::ids::LogPosition;
use crate::map::{Access, BufferOutcome, Map, MapOpenError};

const SURVIVALS: [Survival; 5] = [
    Survival::Nothing,
    Survival::All,
    Survival::Some,
    Survival::Some,
    Survival::Some,
];

/// A run: its disk, and every checkpoint with the changes between which it was taken.
struct Run {
    disk: CrashDisk,
    checkpoints: Vec<(usize, usize, Model)>,
}

fn run(base: Image, map: impl FnOnce(&CrashDisk) -> (Map, Model), steps: &[Step]) -> Run {
    let disk = CrashDisk::new(base);
    let (map, mut model) = map(&disk);
    let mut checkpoints = vec![(0, disk.len(), model.clone())];
    for (index, step) in steps.iter().enumerate() {
        let start = disk.len();
        checkpoint(&map, &mut model, step).unwrap();
        if index % 2 == 0 {
            map.close().unwrap();
        }
        checkpoints.push((start, disk.len(), model.clone()));
    }
    Run { disk, checkpoints }
}

fn random_steps(rng: &mut Rng, count: usize, pages: u32) -> Vec<Step> {
    (0..count).map(|_| Step::random(rng, pages, 7)).collect()
}

impl Run {
    /// The models of which one must hold after a cut at `at`.
    fn allowed(&self, at: usize) -> Vec<&Model> {
        let done = self
            .checkpoints
            .iter()
            .rposition(|(_, end, _)| *end <= at)
            .unwrap();
        let under_way = self
            .checkpoints
            .get(done + 1)
            .filter(|(start, _, _)| *start < at);
        let done = self.checkpoints.get(done);
        done.into_iter()
            .chain(under_way)
            .map(|(_, _, model)| model)
            .collect()
    }
}

/// Recovers an image; the disk that recovery ran on, the map, and which of `allowed` it holds.
fn recovered<'a>(image: &Image, allowed: &[&'a Model]) -> (CrashDisk, Map, &'a Model) {
    let disk = CrashDisk::new(image.clone());
    let (map, report) = Map::recover(&disk.shared(), Access::ReadWrite).unwrap();
    assert_eq!(report.rebuilt, Vec::new(), "a power cut damages nothing");
    let version = map.superblock().version;
    let model = allowed.iter().find(|model| model.version == version);
    let model = *model.unwrap_or_else(|| panic!("recovered version {version}"));
    model.assert_held_by(&map);
    (disk, map, model)
}

fn explore(run: &Run, seed: u64, nested_one_in: u64) {
    let mut rng = Rng(seed);
    for at in run.checkpoints[0].1..=run.disk.len() {
        let allowed = run.allowed(at);
        for survival in SURVIVALS {
            let image = run.disk.cut(at, survival, &mut rng);
            let (disk, map, model) = recovered(&image, &allowed);
            if rng.below(nested_one_in) == 0 {
                cut_recovery_anywhere(&disk, model, &mut rng);
                read_only_sees_the_same(&image, model);
            }
            go_on(&disk, &map, model, &mut rng);
        }
    }
}

/// M5: a recovery that was cut is recovered to the same checkpoint.
fn cut_recovery_anywhere(disk: &CrashDisk, model: &Model, rng: &mut Rng) {
    for at in 0..disk.len() {
        for survival in [Survival::Nothing, Survival::Some, Survival::All] {
            let image = disk.cut(at, survival, rng);
            recovered(&image, &[model]);
        }
    }
}

fn read_only_sees_the_same(image: &Image, model: &Model) {
    let disk = CrashDisk::new(image.clone());
    let (map, _) = Map::recover(&disk.shared(), Access::ReadOnly).unwrap();
    model.assert_held_by(&map);
    assert!(map.begin().is_err());
    assert_eq!(disk.len(), 0, "reading only writes nothing");
}

/// After recovery the database works: another checkpoint, and a cut in that.
fn go_on(disk: &CrashDisk, map: &Map, model: &Model, rng: &mut Rng) {
    let mut next = model.clone();
    let start = disk.len();
    checkpoint(map, &mut next, &Step::random(rng, 40, 5)).unwrap();
    next.assert_held_by(map);
    let span = (disk.len() - start) as u64;
    let at = start + usize::try_from(rng.below(span + 1)).unwrap();
    let image = disk.cut(at, Survival::Some, rng);
    recovered(&image, &[model, &next]);
}

fn created(disk: &CrashDisk) -> (Map, Model) {
    (create(&disk.shared(), 512), Model::default())
}

#[test]
fn a_power_cut_at_any_change_leaves_one_checkpoint_or_the_next() {
    for seed in 0..4 {
        let steps = random_steps(&mut Rng(seed), 8, 40);
        explore(&run(Image::new(), created, &steps), seed, 4);
    }
}

#[test]
fn power_cuts_while_the_trees_grow_leave_one_checkpoint_or_the_next() {
    let steps = [
        Step::writing([1, 2]),
        Step::writing([508]),
        Step::writing([2, 1100]),
        Step::freeing([508]),
        Step::writing(3..=80),
        Step::freeing(2..=75),
        Step::default(),
        Step::writing([9]),
    ];
    explore(&run(Image::new(), created, &steps), 77, 6);
}

#[test]
fn power_cuts_while_the_map_is_cut_and_grows_again_leave_one_checkpoint_or_the_next() {
    let steps = [
        Step::writing([1, 2, 600, 1100]),
        Step::freeing([1100]).lowering(),
        Step::writing([1100, 520]),
        Step::freeing([520, 600, 1100]).lowering(),
        Step::writing([601]).lowering(),
        Step::freeing([1, 2, 601]).lowering(),
        Step::writing([3]),
        Step::default().lowering(),
        Step::writing([1600]),
    ];
    explore(&run(Image::new(), created, &steps), 78, 6);
}

#[test]
fn opening_what_was_closed_writes_nothing_until_a_checkpoint_does() {
    let disk = CrashDisk::new(Image::new());
    let (map, mut model) = created(&disk);
    checkpoint(&map, &mut model, &Step::writing([1, 2])).unwrap();
    map.close().unwrap();
    drop(map);
    let before = disk.len();
    let (map, report) = Map::recover(&disk.shared(), Access::ReadWrite).unwrap();
    assert_eq!(report.buffer, BufferOutcome::Closed);
    map.close().unwrap();
    assert_eq!(disk.len(), before);
    checkpoint(&map, &mut model, &Step::writing([3])).unwrap();
    drop(map);
    let (map, report) = Map::recover(&disk.shared(), Access::ReadWrite).unwrap();
    assert_eq!(report.buffer, BufferOutcome::Accepted);
    model.assert_held_by(&map);
}

#[test]
fn an_older_state_than_the_one_that_was_closed_is_refused() {
    let disk = CrashDisk::new(Image::new());
    let (map, mut model) = created(&disk);
    checkpoint(&map, &mut model, &Step::writing([1])).unwrap();
    let mut older = [0; SUPERBLOCK_LEN];
    let file = |name| disk.open(name, OpenMode::Write).unwrap();
    file("map")
        .read_at(SUPERBLOCK_OFFSETS[0], &mut older)
        .unwrap();
    checkpoint(&map, &mut model, &Step::writing([2])).unwrap();
    map.close().unwrap();
    drop(map);
    for name in ["map", "data"] {
        for offset in SUPERBLOCK_OFFSETS {
            file(name).write_at(offset, &older).unwrap();
        }
    }
    let error = Map::recover(&disk.shared(), Access::ReadWrite).unwrap_err();
    assert!(error.to_string().contains("checkpoint 3"), "{error}");
}

#[test]
fn a_power_cut_in_creation_leaves_nothing_or_a_whole_database() {
    let disk = CrashDisk::new(Image::new());
    create(&disk.shared(), 512);
    let mut rng = Rng(5);
    for at in 0..=disk.len() {
        for survival in SURVIVALS.into_iter().cycle().take(20) {
            let left = CrashDisk::new(disk.cut(at, survival, &mut rng));
            match Map::recover(&left.shared(), Access::ReadWrite) {
                Ok((map, _)) => {
                    Model::default().assert_held_by(&map);
                    assert!(Map::remove_cut_off_create(&left.shared()).is_err());
                }
                Err(MapOpenError::NoDatabase | MapOpenError::NoSuperblock(_)) => {
                    assert_ne!(at, disk.len(), "a complete creation is lost");
                    Map::remove_cut_off_create(&left.shared()).unwrap();
                    let map = Map::create(&left.shared(), geometry(4096), LogPosition::default());
                    Model::default().assert_held_by(&map.unwrap());
                }
                Err(error) => panic!("cut at {at}: {error}"),
            }
        }
    }
}

/// R14: after a process crash recovery is shown writes that the disk does not have yet. What it decided on must
/// survive a power cut all the same, and so must what is built on it.
#[test]
fn what_recovery_decided_after_a_process_crash_survives_a_power_cut() {
    let mut rng = Rng(11);
    for seed in 20..23 {
        let run = run(Image::new(), created, &random_steps(&mut Rng(seed), 5, 30));
        for at in run.checkpoints[0].1..=run.disk.len() {
            let allowed = run.allowed(at);
            let disk = run.disk.process_crash(at);
            let (map, _) = Map::recover(&disk.shared(), Access::ReadWrite).unwrap();
            let version = map.superblock().version;
            let decided = *allowed
                .iter()
                .find(|model| model.version == version)
                .unwrap();
            let opened = disk.len();
            for cut in at..=opened {
                let holds = if cut == opened {
                    vec![decided]
                } else {
                    allowed.clone()
                };
                for survival in SURVIVALS {
                    recovered(&disk.cut(cut, survival, &mut rng), &holds);
                }
            }
            let again = disk.process_crash(usize::midpoint(at, opened));
            let (map, _) = Map::recover(&again.shared(), Access::ReadWrite).unwrap();
            decided.assert_held_by(&map);
            go_on(&again, &map, decided, &mut rng);
        }
    }
}
