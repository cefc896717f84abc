//! The cuts under `journaled`, against a slow model of a journaling file system, and against `posix`.

#[path = "support/sim.rs"]
mod sim_common;
#[path = "support/slow_journal.rs"]
mod slow_journal;
#[path = "support/slow_posix.rs"]
mod slow_posix;

use std::collections::BTreeSet;

use lightning_chaos::crash::{CrashWalker, Sample, cut, is_journaled};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::trace::{DiskState, Trace, TracePosition};
use sim_common::{Image, image, new_disk, random_call};

/// A short random trace, and a moment of it.
fn program(seed: u64) -> (Trace, TracePosition, Rng) {
    let mut rng = Rng::from_seed(seed).split("program", 3);
    let disk = new_disk();
    for _ in 0..6 + rng.below(14) {
        random_call(&disk, &mut rng);
    }
    let trace = disk.finish();
    let position = TracePosition(rng.below(trace.end().0 + 1));
    (trace, position, rng)
}

fn state_at(trace: &Trace, position: TracePosition) -> DiskState {
    let mut walker = CrashWalker::new(trace);
    walker.advance_to(position);
    walker.state().clone()
}

/// Whether no two files can be taken for each other.
fn is_plain(image: &Image) -> bool {
    let mut files = image.values().flatten();
    files.all(|bytes| bytes.iter().any(|&byte| byte != 0))
}

#[test]
fn every_cut_is_legal_and_every_legal_image_is_cut() {
    let (mut compared, mut covered, mut narrower) = (0, 0, 0);
    for seed in 0..600 {
        let (trace, position, mut rng) = program(seed);
        let Some(legal) = slow_journal::images(&trace, position, 800) else {
            continue;
        };
        let posix = slow_posix::slow(&trace, position).images(2000);
        if let Some(posix) = &posix {
            assert!(legal.is_subset(posix), "seed {seed}: not posix");
            narrower += usize::from(legal.len() < posix.len());
        }
        let state = state_at(&trace, position);
        let mut seen = BTreeSet::new();
        let small = legal.len() <= 40;
        for sample in 0..if small { 40_000 } else { 60 } {
            if small && seen.len() == legal.len() && sample > 100 {
                break;
            }
            let left = cut(&state, CrashModel::Journaled, Sample(sample), &mut rng);
            assert!(!left.is_pending(), "seed {seed}: pending after a power cut");
            assert!(is_journaled(&state, &left), "seed {seed}, sample {sample}");
            let found = image(&left);
            assert!(legal.contains(&found), "seed {seed}, sample {sample}");
            seen.insert(found);
        }
        compared += 1;
        if small {
            assert_eq!(seen.len(), legal.len(), "seed {seed}: never cut");
            covered += usize::from(legal.len() > 1);
        }
    }
    assert!(
        compared > 250 && covered > 120 && narrower > 80,
        "{compared} {covered} {narrower}"
    );
}

#[test]
fn a_state_of_posix_is_told_from_one_of_a_journaling_file_system() {
    let (mut journaled, mut posix_only) = (0, 0);
    for seed in 0..600 {
        let (trace, position, mut rng) = program(seed);
        let Some(legal) = slow_journal::images(&trace, position, 800) else {
            continue;
        };
        let state = state_at(&trace, position);
        for sample in 0..40 {
            let left = cut(&state, CrashModel::Posix, Sample(sample), &mut rng);
            let found = image(&left);
            let told = is_journaled(&state, &left);
            if told || is_plain(&found) {
                assert_eq!(told, legal.contains(&found), "seed {seed}, sample {sample}");
            }
            *if told {
                &mut journaled
            } else {
                &mut posix_only
            } += 1;
        }
    }
    assert!(
        journaled > 2000 && posix_only > 1000,
        "{journaled} {posix_only}"
    );
}
