//! Repairs that are no single sync: a barrier, or the other order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::halves::{Halves, Order};
use super::run_with;
use crate::batch::{Batch, CaseId, PlantSwitch};
use crate::explore::batch::Explorer;
use crate::explore::exact::Reach;
use crate::explore::exact_case::{ExactCase, ExactCut, ExactLife, Survives};
use crate::explore::explain::{Explanation, explain_on};
use crate::explore::search::Setups;
use crate::explore::setup::Setup;
use crate::scenario::Scenario;

fn batch() -> Batch {
    let text = "format = 1\nid = \"halves\"\ntitle = \"Halves\"\n[workload]\nkind = \"kv\"\ntransactions = 1\noperations_max = 1\n\
                [[fault]]\nkind = \"power-loss\"\nmodel = \"posix\"\n[[check]]\nkind = \"durability\"\n[[check]]\nkind = \"no-garbage\"\n\
                [[check]]\nkind = \"atomicity\"\n[budget]\ncases = 1000\n";
    Batch {
        scenario: Arc::new(Scenario::parse("halves.toml", text).unwrap()),
        target: "halves".to_owned(),
        options: BTreeMap::new(),
        seed: 3,
        run: 0,
        plants: PlantSwitch::Healthy,
        states_max: 1_000,
        skip: Vec::new(),
    }
}

fn setup(order: Order) -> Setup {
    Setup::on(&batch(), Box::new(Halves(order))).unwrap()
}

/// What is said of a finding that a run shows.
fn explained(order: Order) -> Explanation {
    let found = run_with(&setup(order), &mut |_| ()).unwrap();
    let setup = setup(order);
    let mut announce = |_: &CaseId| ();
    let life = Explorer::new(&setup, &mut announce).live().unwrap();
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
    let reach = Reach {
        points: 40,
        samples: 200,
    };
    let exact = found.findings.iter().find_map(|finding| {
        let wanted = &finding.fingerprint;
        let setups = Setups::of(self::setup(order), self::setup(order), wanted);
        setups.search_turns(&case, wanted, reach).unwrap().found
    });
    let exact = exact.unwrap_or_else(|| panic!("{:#?}", found.findings));
    explain_on(&setup, &exact).unwrap()
}

#[test]
fn halves_in_the_right_order_pass() {
    let result = run_with(&setup(Order::Right), &mut |_| ()).unwrap();
    assert_eq!(result.findings, []);
    assert!(result.checked > 5, "{}", result.checked);
}

#[test]
fn where_two_syncs_are_missing_one_barrier_does_as_well() {
    let explanation = explained(Order::HalvesAreNotSynced);
    let repairs = &explanation.repairs;
    assert_eq!(repairs.len(), 2, "{repairs:#?}");
    let [only] = explanation.orderings.as_slice() else {
        panic!("{explanation:#?}");
    };
    assert_eq!(only.removed, only.failing);
    assert!(only.failing > 0);
    assert!(
        only.what.contains("left, right before operation"),
        "{}",
        only.what
    );
    assert!(only.what.contains("(write head 0..16)"), "{}", only.what);
}

#[test]
fn where_no_sync_helps_the_other_order_does() {
    let explanation = explained(Order::HeadIsFirst);
    let ends_it = |repair: &lightning_report::Repair| repair.removed == repair.failing;
    assert!(!explanation.repairs.iter().any(ends_it), "{explanation:#?}");
    let orderings = &explanation.orderings;
    assert!(orderings.last().is_some_and(ends_it), "{explanation:#?}");
    // Each half is before the head, or before the half that is.
    let before = |half: &str| {
        let mut all = orderings.iter().map(|one| &one.what);
        let name = format!("(write {half} 0..100) on disk before ");
        all.any(|what| what.contains(&name))
    };
    assert!(before("left") && before("right"), "{orderings:#?}");
    let mut all = orderings.iter().map(|one| &one.what);
    assert!(all.any(|what| what.ends_with("before operation 6 (write head 0..16)")));
}
