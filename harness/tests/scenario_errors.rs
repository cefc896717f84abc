//! What a person sees who makes a mistake in a scenario file.

use lightning_chaos::scenario::{CheckKind, Expect, Fault, Scenario, Workload};

const GOOD: &str = r#"# A power cut at any write of a transfer leaves all of it or none of it.
format = 1
id = "bank-power-cut"
title = "Transfers survive a power cut at any write"
tags = ["power-loss", "smoke"]
expect = "pass"

[workload]
kind = "bank"
accounts = 16
transactions = 200

[options.lightning]
page_size = ["4 KiB", "16 KiB"]
checkpoint_after = "64 KiB"

[[fault]]
kind = "power-loss"
model = "posix"
at = "every-operation"
generations = 2

[[check]]
kind = "durability"

[[check]]
kind = "atomicity"

[budget]
cases = 20000
"#;

fn error_of(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good scenario has no {from:?}");
    let text = GOOD.replacen(from, to, 1);
    Scenario::parse("bank.toml", &text)
        .expect_err("must be refused")
        .render()
}

#[test]
fn a_good_scenario_is_read_as_it_stands() {
    let scenario = Scenario::parse("bank.toml", GOOD).unwrap();
    let Workload::Bank(bank) = &scenario.workload else {
        panic!("not a bank")
    };
    assert_eq!(
        (bank.accounts, bank.transactions.get(), bank.clients.get()),
        (16, 200, 1)
    );
    let [Fault::PowerLoss(power_loss)] = scenario.faults.as_slice() else {
        panic!("one fault")
    };
    assert_eq!(power_loss.generations.get(), 2);
    assert_eq!(scenario.expect, Expect::Pass);
    assert!(scenario.asks_for(CheckKind::Durability) && scenario.has_tag("smoke"));
    let page_sizes = scenario.options["lightning"]["page_size"].as_slice();
    assert_eq!(page_sizes, ["4 KiB", "16 KiB"]);
}

#[test]
fn comments_and_layout_do_not_change_the_digest() {
    let digest = |text: &str| Scenario::parse("bank.toml", text).unwrap().digest();
    assert_eq!(
        digest(GOOD),
        digest(&GOOD.replace("accounts = 16", "accounts = 16  # enough"))
    );
    assert_ne!(
        digest(GOOD),
        digest(&GOOD.replace("accounts = 16", "accounts = 17"))
    );
}

#[test]
fn a_typo_in_a_key_names_the_key_that_was_meant() {
    insta::assert_snapshot!(error_of("accounts = 16", "acounts = 16"));
}

#[test]
fn a_typo_in_a_top_level_key_is_found_too() {
    insta::assert_snapshot!(error_of("tags = [", "tag = ["));
}

#[test]
fn an_unknown_workload_lists_those_there_are() {
    insta::assert_snapshot!(error_of("kind = \"bank\"", "kind = \"queue\""));
}

#[test]
fn a_wrong_unit_says_which_are_right() {
    insta::assert_snapshot!(error_of(
        "cases = 20000",
        "cases = 20000\ntime = \"30 sec\""
    ));
}

#[test]
fn a_number_of_the_wrong_type_is_shown() {
    insta::assert_snapshot!(error_of("transactions = 200", "transactions = \"200\""));
}

#[test]
fn a_missing_key_is_named() {
    insta::assert_snapshot!(error_of("transactions = 200\n", ""));
}

#[test]
fn a_missing_kind_is_named() {
    insta::assert_snapshot!(error_of("kind = \"power-loss\"\n", ""));
}

#[test]
fn an_unknown_model_lists_those_there_are() {
    insta::assert_snapshot!(error_of(
        "model = \"posix\"",
        "model = [\"posix\", \"prefx\"]"
    ));
}

#[test]
fn an_empty_list_of_options_is_refused() {
    insta::assert_snapshot!(error_of("[\"4 KiB\", \"16 KiB\"]", "[]"));
}

#[test]
fn an_account_too_few_is_refused() {
    insta::assert_snapshot!(error_of("accounts = 16", "accounts = 0"));
}

#[test]
fn expecting_a_failure_without_a_planted_bug_is_refused() {
    insta::assert_snapshot!(error_of("expect = \"pass\"", "expect = \"fail\""));
}

#[test]
fn a_newer_format_is_refused() {
    insta::assert_snapshot!(error_of("format = 1", "format = 2"));
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_place() {
    insta::assert_snapshot!(error_of("accounts = 16", "accounts = = 16"));
}

#[test]
fn combinations_that_prove_nothing_are_refused() {
    let cases = [
        (
            "[[check]]\nkind = \"atomicity\"",
            "[[check]]\nkind = \"durability\"",
            "twice",
        ),
        ("generations = 2", "generations = 9", "9 generations"),
        (
            "at = \"every-operation\"",
            "at = \"sampled\"",
            "without their number",
        ),
        (
            "generations = 2",
            "generations = 2\npoints = 5",
            "without sampling",
        ),
        (
            "model = \"posix\"",
            "model = [\"posix\", \"posix\", \"prefix\"]",
            "3 models",
        ),
        ("accounts = 16", "accounts = 16\nclients = 65", "65 clients"),
        (
            "accounts = 16",
            "accounts = 16\ncheckpoints = 201",
            "201 checkpoints",
        ),
        (
            "accounts = 16",
            "accounts = 16\nrollbacks = \"100 %\"",
            "rolled back",
        ),
        (
            "expect = \"pass\"",
            "caught_by = \"durability\"",
            "without a planted bug",
        ),
        ("id = \"bank-power-cut\"", "id = \"Bank\"", "is no id"),
    ];
    for (from, to, said) in cases {
        let error = error_of(from, to);
        assert!(error.contains(said), "{to:?} gave\n{error}");
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    for cut in 0..GOOD.len() {
        let _ = Scenario::parse("cut.toml", &GOOD[..cut]);
        let mut damaged = GOOD.as_bytes().to_vec();
        damaged[cut] = b'"';
        let _ = Scenario::parse("damaged.toml", &String::from_utf8_lossy(&damaged));
    }
}

#[test]
fn a_plant_for_overlapping_commits_needs_threads() {
    let plant = "[[plant]]\nkind = \"elision\"\noperation = \"sync\"\nfile = \"wal/*\"\ncommits_in_flight = 2\n";
    let planted = format!("{plant}[budget]");
    insta::assert_snapshot!(error_of("[budget]", &planted));
    let threads = GOOD.replace("accounts = 16", "accounts = 16\nthreads = true");
    let text = threads.replace("[budget]", &planted);
    assert!(Scenario::parse("bank.toml", &text).is_ok());
}

#[test]
fn lazy_coverage_is_of_posix() {
    insta::assert_snapshot!(error_of(
        "model = \"posix\"",
        "model = \"prefix\"\ncoverage = \"lazy\""
    ));
}

#[test]
fn leaves_need_lazy_coverage() {
    insta::assert_snapshot!(error_of("generations = 2", "leaves = 9"));
}
