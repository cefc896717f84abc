//! The cuts under `posix`, against a slow model that enumerates every legal image of a short trace.

#[path = "support/lazy.rs"]
mod lazy;
#[path = "support/sim.rs"]
mod sim_common;
#[path = "support/slow_posix.rs"]
mod slow_posix;

use std::collections::BTreeSet;

use lightning_chaos::crash::{CrashWalker, Sample, choices_count, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::survival::Open;
use lightning_chaos::trace::TracePosition;
use sim_common::{image, new_disk, random_call};
use slow_posix::slow;

#[test]
fn every_cut_is_legal_and_every_legal_image_is_cut() {
    let (mut compared, mut covered, mut largest) = (0, 0, 0);
    for seed in 0..400 {
        let mut rng = Rng::from_seed(seed).split("program", 0);
        let disk = new_disk();
        for _ in 0..6 + rng.below(14) {
            random_call(&disk, &mut rng);
        }
        let trace = disk.finish();
        let position = TracePosition(rng.below(trace.end().0 + 1));
        let Some(legal) = slow(&trace, position).images(600) else {
            continue;
        };
        let mut walker = CrashWalker::new(&trace);
        walker.advance_to(position);
        let mut seen = BTreeSet::new();
        let small = legal.len() <= 24;
        for sample in 0..if small { 40_000 } else { 60 } {
            if small && seen.len() == legal.len() && sample > 100 {
                break;
            }
            let state = cut(walker.state(), CrashModel::Posix, Sample(sample), &mut rng);
            assert!(
                !state.is_pending(),
                "seed {seed}: pending after a power cut"
            );
            let found = image(&state);
            assert!(
                legal.contains(&found),
                "seed {seed}, sample {sample}: illegal {found:?}"
            );
            seen.insert(found);
        }
        compared += 1;
        largest = largest.max(legal.len());
        if small {
            assert_eq!(
                seen.len(),
                legal.len(),
                "seed {seed}: some legal image was never cut"
            );
            covered += usize::from(legal.len() > 1);
        }
        let count = choices_count(walker.state());
        assert!(count.exact, "seed {seed}");
        assert!(
            count.states >= legal.len() as u128,
            "seed {seed}: {count:?}"
        );
        if walker.state().names().pending().is_empty() {
            assert_eq!(count.states, legal.len() as u128, "seed {seed}");
        }
    }
    assert!(
        compared > 150 && covered > 50 && largest > 100,
        "{compared} {covered} {largest}"
    );
}

#[test]
fn a_reader_of_everything_sees_every_legal_image_and_no_other() {
    let mut compared = 0;
    for seed in 0..400 {
        let mut rng = Rng::from_seed(seed).split("program", 2);
        let disk = new_disk();
        for _ in 0..6 + rng.below(14) {
            random_call(&disk, &mut rng);
        }
        let trace = disk.finish();
        let position = TracePosition(rng.below(trace.end().0 + 1));
        let Some(legal) = slow(&trace, position).images(600) else {
            continue;
        };
        let mut walker = CrashWalker::new(&trace);
        walker.advance_to(position);
        let leaves = lazy::leaves(walker.state(), lazy::read_all);
        let found: BTreeSet<_> = leaves.iter().map(|leaf| leaf.outcome.clone()).collect();
        assert_eq!(found, legal, "seed {seed}");
        for leaf in leaves {
            assert_eq!(leaf.weight, 1, "seed {seed}");
            let state = leaf.survival.representative(Open::Survives);
            assert_eq!(image(&state), leaf.outcome, "seed {seed}");
        }
        compared += 1;
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn a_replay_is_at_each_position_what_the_running_disk_was() {
    for seed in 0..40 {
        let mut rng = Rng::from_seed(seed).split("replay", 0);
        let disk = new_disk();
        let mut moments = vec![(disk.position(), disk.state())];
        for _ in 0..60 {
            random_call(&disk, &mut rng);
            moments.push((disk.position(), disk.state()));
        }
        let trace = disk.finish();
        let mut walker = CrashWalker::new(&trace);
        for (position, state) in &moments {
            walker.advance_to(*position);
            assert_eq!(
                walker.state().digest(),
                state.digest(),
                "seed {seed} at {position:?}"
            );
            assert_eq!(
                image(walker.state()),
                image(state),
                "seed {seed} at {position:?}"
            );
        }
        walker.advance_to(TracePosition(0));
        assert!(image(walker.state()).is_empty());
    }
}

#[test]
fn digests_are_equal_exactly_when_images_are() {
    let (mut equal, mut different) = (0, 0);
    for seed in 0..60 {
        let mut rng = Rng::from_seed(seed).split("digest", 0);
        let disk = new_disk();
        for _ in 0..12 {
            random_call(&disk, &mut rng);
        }
        let state = disk.state();
        let mut draw = || cut(&state, CrashModel::Posix, Sample(2), &mut rng);
        let states: Vec<_> = (0..12).map(|_| draw()).collect();
        for a in &states {
            for b in &states {
                let same = image(a) == image(b);
                assert_eq!(a.digest() == b.digest(), same, "seed {seed}");
                *if same { &mut equal } else { &mut different } += 1;
            }
        }
    }
    assert!(equal > 720 && different > 720, "{equal} {different}");
}
