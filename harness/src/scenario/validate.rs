//! What the types alone cannot refuse: combinations that make no sense or prove nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::validate_faults::validate_faults;
use super::{
    BankWorkload, CheckKind, Chore, ContendedWorkload, Expect, KvWorkload, Plant, PlantedBug,
    Scenario, Workload,
};

const CLIENTS_MAX: u32 = 64;
const TABLES_MAX: u32 = 64;

/// A combination that is refused, and the path of keys to what is to blame.
#[derive(Debug)]
pub(super) struct Refusal {
    path: Vec<Step<'static>>,
    message: String,
    help: Option<Cow<'static, str>>,
}

/// One step into a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

pub(super) type Verdict = Result<(), Refusal>;

/// Refuses what makes no sense.
pub(super) fn validate(scenario: &Scenario) -> Verdict {
    validate_names(scenario)?;
    validate_workload(&scenario.workload)?;
    validate_faults(scenario)?;
    validate_checks(scenario)?;
    validate_plants(scenario)?;
    validate_expectation(scenario)
}

impl Refusal {
    pub(super) fn new(path: Vec<Step<'static>>, message: String, help: String) -> Self {
        Self {
            path,
            message,
            help: Some(help.into()),
        }
    }

    /// Finds the line to blame: the key, or the nearest table around it that is there.
    pub(super) fn in_text(self, text: &str) -> Problem {
        let span = span_of(text, &self.path);
        Problem {
            message: self.message,
            help: self.help.map(Cow::into_owned),
            span: span.unwrap_or(0..0),
        }
    }
}

/// Where in a document the value with this path is, or the nearest table around it that is there.
pub(super) fn span_of(text: &str, path: &[Step<'_>]) -> Option<std::ops::Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let (first, rest) = path.split_first()?;
    let Step::Key(key) = first else { return None };
    let mut value: &Spanned<DeValue<'_>> = document.get_ref().get(*key)?;
    for step in rest {
        let next = match step {
            Step::Key(key) => value.get_ref().get(*key),
            Step::Index(index) => value.get_ref().get(*index),
        };
        match next {
            Some(inner) => value = inner,
            None => break,
        }
    }
    Some(value.span())
}

pub(super) fn refuse(
    path: Vec<Step<'static>>,
    message: impl Into<String>,
    help: &'static str,
) -> Verdict {
    Err(Refusal {
        path,
        message: message.into(),
        help: Some(help.into()),
    })
}

pub(super) fn top(key: &'static str) -> Vec<Step<'static>> {
    vec![Step::Key(key)]
}

fn workload(key: &'static str) -> Vec<Step<'static>> {
    vec![Step::Key("workload"), Step::Key(key)]
}

pub(super) fn fault(index: usize, key: &'static str) -> Vec<Step<'static>> {
    vec![Step::Key("fault"), Step::Index(index), Step::Key(key)]
}

fn validate_names(scenario: &Scenario) -> Verdict {
    if !is_name(&scenario.id) {
        let help = "expected lower-case letters and digits, with single hyphens between words";
        return refuse(top("id"), format!("`{}` is no id", scenario.id), help);
    }
    if scenario.title.trim().is_empty() {
        return refuse(
            top("title"),
            "the title is empty",
            "say in a sentence what is shown",
        );
    }
    match scenario.tags.iter().find(|tag| !is_name(tag)) {
        Some(tag) => refuse(
            top("tags"),
            format!("`{tag}` is no tag"),
            "expected lower-case letters and digits, with single hyphens between words",
        ),
        None => Ok(()),
    }
}

fn is_name(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('-').all(word)
}

fn validate_workload(chosen: &Workload) -> Verdict {
    match chosen {
        Workload::Kv(kv) => validate_kv(kv)?,
        Workload::Bank(bank) => validate_bank(bank)?,
        Workload::Append(rows) => validate_contended(rows, true)?,
        Workload::Register(rows) => validate_contended(rows, false)?,
    }
    let (clients, tables, rollbacks) = chosen.clients_tables_rollbacks();
    let (transactions, checkpoints) = (chosen.transactions(), chosen.checkpoints());
    if clients.get() > CLIENTS_MAX {
        return refuse(
            workload("clients"),
            format!("{clients} clients"),
            "expected 64 at most",
        );
    }
    if tables.get() > TABLES_MAX {
        return refuse(
            workload("tables"),
            format!("{tables} tables"),
            "expected 64 at most",
        );
    }
    if checkpoints > transactions {
        let message = format!("{checkpoints} checkpoints in {transactions} transactions");
        return refuse(
            workload("checkpoints"),
            message,
            "expected one a transaction at most",
        );
    }
    validate_chores(chosen)?;
    validate_table_changes(chosen)?;
    if rollbacks.get() == 100 {
        let message = "every transaction is rolled back, so nothing would be stored";
        return refuse(
            workload("rollbacks"),
            message,
            "expected less than \"100 %\"",
        );
    }
    Ok(())
}

fn validate_chores(chosen: &Workload) -> Verdict {
    let keys = ["compactions", "backups", "restore_points"];
    for (chore, key) in Chore::ALL.into_iter().zip(keys) {
        let count = chosen.chores(chore);
        if count > chosen.transactions() {
            return refuse(
                workload(key),
                format!("{count} {key} in {} transactions", chosen.transactions()),
                "expected one a transaction at most",
            );
        }
    }
    if chosen.chores(Chore::RestorePoint) > 0 && chosen.chores(Chore::Backup) == 0 {
        let help = "add `backups`: a restore begins with one";
        return refuse(
            workload("restore_points"),
            "restore points without backups",
            help,
        );
    }
    Ok(())
}

fn validate_table_changes(chosen: &Workload) -> Verdict {
    let Workload::Kv(kv) = chosen else {
        return Ok(());
    };
    if kv.table_changes.get() == 0 {
        return Ok(());
    }
    let key = || workload("table_changes");
    if kv.tables.get() < 2 {
        let help = "expected `tables` of 2 at least: the first one is not changed";
        return refuse(key(), "changes of tables where there is one table", help);
    }
    if kv.threads {
        let message = "changes of tables by clients on threads of their own";
        let help = "remove `threads`: what a rename moves is known where commits don't overlap";
        return refuse(key(), message, help);
    }
    Ok(())
}

fn validate_kv(kv: &KvWorkload) -> Verdict {
    const VALUE_LEN_MAX: u64 = 64 << 20;
    if kv.reads.get() == 100 {
        let message = "every operation is a read, so nothing would be stored";
        return refuse(workload("reads"), message, "expected less than \"100 %\"");
    }
    if kv.range_reads.get() > 0 && kv.reads.get() == 0 {
        let help = "expected `reads` above \"0 %\"";
        return refuse(workload("range_reads"), "range reads without reads", help);
    }
    if kv.range_deletes.get() > 0 && kv.deletes.get() == 0 {
        let help = "expected `deletes` above \"0 %\"";
        return refuse(
            workload("range_deletes"),
            "range deletes without deletes",
            help,
        );
    }
    if kv.deletes.get() == 100 {
        let message = "every operation is a delete, so nothing would be stored";
        return refuse(workload("deletes"), message, "expected less than \"100 %\"");
    }
    if kv.value_len_max.bytes() > VALUE_LEN_MAX {
        let message = format!("values of {}", kv.value_len_max);
        return refuse(
            workload("value_len_max"),
            message,
            "expected \"64 MiB\" at most",
        );
    }
    if kv.large_value_len_max.bytes() > VALUE_LEN_MAX {
        let message = format!("values of {}", kv.large_value_len_max);
        return refuse(
            workload("large_value_len_max"),
            message,
            "expected \"64 MiB\" at most",
        );
    }
    if kv.large_values.get() > 0 && kv.large_value_len_max <= kv.value_len_max {
        let message = "large values are no longer than ordinary ones";
        let help = "expected more than `value_len_max`";
        return refuse(workload("large_value_len_max"), message, help);
    }
    Ok(())
}

fn validate_bank(bank: &BankWorkload) -> Verdict {
    if bank.accounts < 2 {
        let message = format!("a bank with accounts = {} has no transfers", bank.accounts);
        return refuse(
            workload("accounts"),
            message,
            "expected at least 2 accounts",
        );
    }
    if bank.tables.get() > bank.accounts {
        let message = format!("{} tables for {} accounts", bank.tables, bank.accounts);
        return refuse(
            workload("tables"),
            message,
            "expected an account a table at least",
        );
    }
    Ok(())
}

fn validate_contended(rows: &ContendedWorkload, are_lists: bool) -> Verdict {
    if rows.reads.get() == 100 {
        let message = "every operation is a read, so nothing would be stored";
        return refuse(workload("reads"), message, "expected less than \"100 %\"");
    }
    if rows.range_reads.get() > 0 && rows.reads.get() == 0 {
        let help = "expected `reads` above \"0 %\"";
        return refuse(workload("range_reads"), "range reads without reads", help);
    }
    if are_lists && rows.blind_writes.get() > 0 {
        let help = "remove it: who adds to a list has to look at it";
        return refuse(workload("blind_writes"), "blind writes of lists", help);
    }
    if rows.tables > rows.rows {
        let message = format!("{} tables for {} rows", rows.tables, rows.rows);
        return refuse(
            workload("tables"),
            message,
            "expected a row a table at least",
        );
    }
    Ok(())
}

fn validate_checks(scenario: &Scenario) -> Verdict {
    if scenario.checks.is_empty() {
        let message = "no check: a run that looks at nothing shows nothing";
        return refuse(
            top("format"),
            message,
            "add a [[check]] with its kind, such as \"durability\"",
        );
    }
    let mut seen = BTreeSet::new();
    for (index, check) in scenario.checks.iter().enumerate() {
        if !seen.insert(check.kind) {
            let path = vec![Step::Key("check"), Step::Index(index)];
            return refuse(
                path,
                format!("check `{}` stands here twice", check.kind),
                "remove one",
            );
        }
    }
    for kind in [CheckKind::ReadsGoOn, CheckKind::Liveness] {
        if scenario.asks_for(kind) && !scenario.has_errors() && !scenario.is_short_of_anything() {
            let message = format!("check `{kind}` where no operation fails");
            let help = "add a [[fault]] of kind \"io-error\"";
            return refuse(top("check"), message, help);
        }
    }
    if scenario.asks_for(CheckKind::NoWrongReads) && scenario.damage().is_none() {
        let help = "add a [[fault]] of kind \"damage\"";
        let message = "check `no-wrong-reads` where nothing is damaged";
        return refuse(top("check"), message, help);
    }
    let has_backups = scenario.workload.chores(Chore::Backup) > 0;
    if has_backups && !scenario.asks_for(CheckKind::Backup) {
        let help = "add a [[check]] of kind \"backup\"";
        return refuse(workload("backups"), "backups that nobody restores", help);
    }
    if !has_backups && scenario.asks_for(CheckKind::Backup) {
        let help = "add `backups` to the workload";
        return refuse(top("check"), "check `backup` without backups", help);
    }
    if scenario.workload.changes_tables() && scenario.asks_for(CheckKind::Isolation) {
        let help = "remove one: what is read is compared with the snapshot at once";
        return refuse(
            workload("table_changes"),
            "check `isolation` with changes of tables",
            help,
        );
    }
    if scenario.workload.transactions() == 1 && scenario.asks_for(CheckKind::PrefixOrder) {
        let message = "check `prefix-order` with a single transaction";
        return refuse(
            workload("transactions"),
            message,
            "expected at least 2 transactions",
        );
    }
    Ok(())
}

/// A plant that can never drop anything would fail the scenario only when it has run.
fn validate_plants(scenario: &Scenario) -> Verdict {
    for (index, plant) in scenario.plants.iter().enumerate() {
        if let Plant::Bug(PlantedBug { what }) = plant
            && what.needs_threads()
            && !scenario.workload.has_threads()
        {
            return refuse(
                vec![Step::Key("plant"), Step::Index(index), Step::Key("what")],
                format!("`{what}`, and one thread"),
                "commits overlap only with `threads = true` in the workload",
            );
        }
        let Plant::Elision(elision) = plant else {
            continue;
        };
        if let Some(chore) = elision.during
            && scenario.workload.chores(chore) == 0
        {
            return refuse(
                vec![Step::Key("plant"), Step::Index(index), Step::Key("during")],
                format!("a plant during a {chore}, and the workload asks for none"),
                "add it to the workload",
            );
        }
        let overlapping = elision.commits_in_flight.filter(|count| count.get() > 1);
        if let Some(count) = overlapping
            && !scenario.workload.has_threads()
        {
            let key = Step::Key("commits_in_flight");
            return refuse(
                vec![Step::Key("plant"), Step::Index(index), key],
                format!("{count} commits in flight, and one thread"),
                "commits overlap only with `threads = true` in the workload",
            );
        }
    }
    Ok(())
}

fn validate_expectation(scenario: &Scenario) -> Verdict {
    match (
        scenario.expect,
        scenario.plants.is_empty(),
        scenario.caught_by,
    ) {
        (Expect::Fail, true, _) => {
            let message = "expect = \"fail\" without a planted bug";
            refuse(
                top("expect"),
                message,
                "add a [[plant]], or expect = \"pass\"",
            )
        }
        (Expect::Fail, false, None) => {
            let message = "expect = \"fail\" without the check that must see it";
            refuse(
                top("expect"),
                message,
                "add `caught_by` with the name of a check",
            )
        }
        (Expect::Pass, true, Some(_)) => {
            let message = "`caught_by` without a planted bug";
            refuse(top("caught_by"), message, "remove it, or add a [[plant]]")
        }
        (_, _, Some(check)) if !scenario.asks_for(check) => {
            let message = format!("`caught_by` names `{check}`, which the scenario does not check");
            refuse(top("caught_by"), message, "add a [[check]] of this kind")
        }
        _ => Ok(()),
    }
}
