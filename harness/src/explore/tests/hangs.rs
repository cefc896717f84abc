//! Looking for hangs in cases that are made smaller.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::racy::{Race, Racy};
use super::spoiled::{Spoil, Spoiled};
use super::{BANK, KV, POSIX};
use crate::batch::{Batch, CaseId, PlantSwitch};
use crate::explore::batch::Explorer;
use crate::explore::exact::{Reach, Searched};
use crate::explore::exact_case::{ExactCase, ExactCut, ExactLife, Survives};
use crate::explore::life::Life;
use crate::explore::search::Setups;
use crate::explore::setup::Setup;
use crate::scenario::Scenario;
use crate::target::Target;

const REACH: Reach = Reach {
    points: 2,
    samples: 0,
};
const OPEN: &str = "no-hang/open";
const THREADS: &str = "no-hang/threads";

fn live(setup: &Setup) -> Life {
    let mut announce = |_: &CaseId| ();
    Explorer::new(setup, &mut announce).live().unwrap()
}

/// Looks for a hang in a case: on a target that can be made any number of times.
fn search(
    batch: &Batch,
    target: &dyn Fn() -> Box<dyn Target>,
    case: &ExactCase,
    wanted: &str,
) -> Searched {
    let setup = || Setup::on(batch, target()).unwrap();
    let setups = Setups::of(setup(), setup(), wanted);
    setups.search_turns(case, wanted, REACH).unwrap()
}

#[test]
fn what_is_only_slow_is_not_taken_for_a_hang() {
    let batch = super::batch(KV, "", POSIX, "");
    for (spoil, hangs) in [(Spoil::SpinOnRecovery, true), (Spoil::SlowRecovery, false)] {
        let target = || Box::new(Spoiled::new(spoil)) as Box<dyn Target>;
        let life = live(&Setup::on(&batch, target()).unwrap());
        let case = ExactCase {
            lives: vec![ExactLife {
                script: life.script.as_ref().clone(),
                cut: Some(ExactCut {
                    at: life.trace.end().0,
                    survives: Survives::Nothing,
                }),
            }],
            ..ExactCase::default()
        };
        let searched = search(&batch, &target, &case, OPEN);
        assert_eq!(searched.found.is_some(), hangs, "{spoil:?}");
        // With little patience both look alike.
        let hasty = || Setup::on(&batch, target()).unwrap().in_search_of(OPEN);
        let in_haste = Setups::of(hasty(), hasty(), OPEN);
        let found = in_haste.search_turns(&case, OPEN, REACH).unwrap().found;
        assert!(found.is_some(), "{spoil:?}");
    }
}

fn threads(run: u32) -> Batch {
    let text = format!(
        "format = 1\nid = \"threads\"\ntitle = \"Threads\"\n[workload]\n{BANK}\nthreads = true\n[[fault]]\nkind = \"power-loss\"\n\
         model = \"posix\"\n[[check]]\nkind = \"no-hang\"\n[budget]\ncases = 1000\n"
    );
    Batch {
        scenario: Arc::new(Scenario::parse("threads.toml", &text).unwrap()),
        target: "racy".to_owned(),
        options: BTreeMap::new(),
        seed: 11,
        run,
        plants: PlantSwitch::Healthy,
        states_max: 1_000,
        skip: Vec::new(),
    }
}

#[test]
fn a_hang_of_threads_is_found_in_another_order_of_turns_when_something_is_left_out() {
    let target = || Box::new(Racy(Race::NobodyIsWoken)) as Box<dyn Target>;
    let (mut hung, mut in_another) = (0, 0);
    for batch in (0..6).map(threads) {
        let life = live(&Setup::on(&batch, target()).unwrap());
        let script = life.script.as_ref().clone();
        let case = |script| ExactCase {
            lives: vec![ExactLife { script, cut: None }],
            ..ExactCase::default()
        };
        let whole = search(&batch, &target, &case(script.clone()), THREADS);
        if whole.found.is_none() {
            continue;
        }
        hung += 1;
        for unit in script.units() {
            let found = search(&batch, &target, &case(script.without(&unit)), THREADS).found;
            let Some(found) = found else { continue };
            in_another += usize::from(found.turns > 0);
            let again = search(&batch, &target, &found, THREADS).found;
            assert_eq!(again, Some(found), "its own order is tried first");
        }
    }
    assert!(hung > 2, "{hung}");
    assert!(in_another > 5, "{in_another}");
}
