//! One composition: a scenario that nobody wrote.

use super::draw::Table;
use crate::rng::Rng;
use crate::scenario::Scenario;

/// Distinct states of one composition, at most.
const CASES_MAX: u64 = 500;
/// Runs of one composition.
const RUNS: u64 = 3;

/// A composition by its number under a seed.
#[derive(Clone, Debug)]
pub struct Composition {
    /// The seed of all that is drawn.
    pub seed: u64,
    /// Which one.
    pub number: u64,
    /// The scenario file.
    pub text: String,
    /// What it says.
    pub scenario: Scenario,
}

/// What the parts of a composition have to know of each other.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is whether a part is there, and none follows from another"
)]
struct Parts {
    /// Whether clients have threads.
    threads: bool,
    changes_tables: bool,
    backups: bool,
    archive: bool,
    /// Values that need more memory than the least there is.
    large_values: bool,
    /// Storage fails.
    io_error: bool,
    damage: bool,
}

/// The composition with a number; nothing only if what is drawn here does not go together, which a test rules out.
pub fn compose(target: &str, seed: u64, number: u64) -> Option<Composition> {
    let mut rng = Rng::from_seed(seed).split("composition", number);
    let mut parts = Parts::default();
    let fault = fault(&mut parts, &mut rng.split("fault", 0));
    let workload = workload(&mut parts, &mut rng.split("workload", 0));
    let options = options(target, &parts, &mut rng.split("options", 0));
    let cases = 100 + rng.below(CASES_MAX - 99);
    // A sweep has to come to its end; its runs are as many as the workload has operations.
    let budget = if parts.io_error || parts.damage {
        format!("\n[budget]\ncases = {}\nruns = 1\n", CASES_MAX * 40)
    } else {
        format!("\n[budget]\ncases = {cases}\nruns = {RUNS}\n")
    };
    let head = format!(
        "# Composition {number} of seed {seed}.\nformat = 1\nid = \"soak-{seed}-{number}\"\ntitle = \"A random composition\"\ntags = \
         [\"soak\"]\n"
    );
    let checks = checks(&parts);
    let text = [head, workload, options, fault, checks, budget].concat();
    let scenario = Scenario::parse("soak", &text).ok()?;
    Some(Composition {
        seed,
        number,
        text,
        scenario,
    })
}

fn fault(parts: &mut Parts, rng: &mut Rng) -> String {
    match rng.index(10) {
        0..=6 => power_loss(rng),
        7..=8 => {
            parts.io_error = true;
            io_error(rng)
        }
        _ => {
            parts.damage = true;
            damage(rng)
        }
    }
}

fn power_loss(rng: &mut Rng) -> String {
    let mut table = Table::new("[[fault]]", rng);
    table.text("kind", "power-loss");
    let generations = 1 + table.rng.index(3);
    let models = ["posix", "posix", "journaled", "prefix", "process-crash"];
    let drawn = (0..generations).map(|_| *table.rng.pick(&models).unwrap_or(&"posix"));
    let drawn: Vec<_> = drawn.map(|model| format!("\"{model}\"")).collect();
    table.bare("model", format!("[{}]", drawn.join(", ")));
    table.bare("generations", generations);
    match table.rng.index(4) {
        0 => table.text("at", "every-sync"),
        1 => {
            table.text("at", "sampled");
            table.number("points", 5, 60);
        }
        _ => {}
    }
    table.number("samples", 1, 8);
    table.text
}

fn io_error(rng: &mut Rng) -> String {
    let mut table = Table::new("[[fault]]", rng);
    table.text("kind", "io-error");
    table.some_of(
        "error",
        &["eio", "enospc", "edquot", "emfile", "erofs", "eintr"],
    );
    table.text("at", "sampled");
    table.number("points", 5, 25);
    table.one_of("lasts", &["once", "forever"]);
    table.some_of("cache", &["kept", "dropped"]);
    table.some_of("then", &["go-on", "restart"]);
    table.number("reopenings", 0, 3);
    let mut text = std::mem::take(&mut table.text);
    if rng.chance(0.4) {
        let mut table = Table::new("[[fault]]", rng);
        table.text("kind", "power-loss");
        table.text("model", "posix");
        table.number("samples", 1, 3);
        text.push_str(&table.text);
    }
    text
}

fn damage(rng: &mut Rng) -> String {
    let mut table = Table::new("[[fault]]", rng);
    table.text("kind", "damage");
    let kinds = ["flipped-bit", "garbage-sector", "truncated", "missing"];
    table.some_of("what", &kinds);
    table.text("at", "sampled");
    table.number("points", 10, 80);
    table.text
}

fn workload(parts: &mut Parts, rng: &mut Rng) -> String {
    let mut table = Table::new("[workload]", rng);
    let kind = table.one_of(
        "kind",
        &["kv", "kv", "kv", "bank", "append", "append", "register"],
    );
    // A sweep runs all of it for each operation.
    let is_swept = parts.io_error || parts.damage;
    table.number("transactions", 12, if is_swept { 24 } else { 70 });
    table.number("clients", 2, 6);
    parts.threads = table.rng.chance(if is_swept { 0.25 } else { 0.35 });
    if parts.threads {
        table.bare("threads", true);
    }
    let tables = table.number("tables", 1, 4);
    let levels: &[_] = match table.rng.index(3) {
        // What is not synced may be gone without any damage.
        _ if parts.damage => &["sync"],
        0 => &["sync", "buffered", "none"],
        1 => &["sync", "buffered"],
        _ => &["sync"],
    };
    let quoted: Vec<_> = levels.iter().map(|level| format!("\"{level}\"")).collect();
    table.bare("durability", format!("[{}]", quoted.join(", ")));
    table.number("checkpoints", 0, 3);
    table.share("rollbacks", 0.5, 30);
    match kind {
        "kv" => kv(parts, tables, &mut table),
        "bank" => {
            table.number("accounts", 4, 24);
            table.share("savepoints", 0.3, 60);
            chores(parts, &mut table);
        }
        _ => {
            table.number("rows", 4, 10);
            table.number("operations_max", 2, 6);
            table.share("reads", 0.8, 80);
            if kind == "register" {
                table.share("blind_writes", 0.4, 40);
            }
        }
    }
    table.text
}

fn kv(parts: &mut Parts, tables: u64, table: &mut Table<'_>) {
    table.number("keys", 6, 120);
    table.number("operations_max", 2, 12);
    table.share("reads", 0.7, 70);
    table.share("deletes", 0.6, 50);
    let longest = ["20 B", "100 B", "400 B", "2 KiB"];
    table.one_of("value_len_max", &longest);
    if table.share("large_values", 0.3, 20) {
        table.text("large_value_len_max", "30 KiB");
        parts.large_values = true;
    }
    table.share("savepoints", 0.3, 60);
    if tables > 1 && !parts.threads && !parts.damage {
        parts.changes_tables = table.share("table_changes", 0.15, 40);
    }
    chores(parts, table);
}

/// Compactions, backups and restore points.
fn chores(parts: &mut Parts, table: &mut Table<'_>) {
    if table.rng.chance(0.2) {
        table.number("compactions", 1, 3);
    }
    // A copy is looked at after a crash.
    if !parts.io_error && !parts.damage && table.rng.chance(0.2) {
        table.number("backups", 2, 4);
        parts.backups = true;
        parts.archive = table.rng.chance(0.4);
        if parts.archive {
            table.number("restore_points", 1, 2);
        }
    }
}

fn options(target: &str, parts: &Parts, rng: &mut Rng) -> String {
    if target != "lightning" {
        return String::new();
    }
    let mut table = Table::new("[options.lightning]", rng);
    table.one_of("page_size", &["4 KiB", "4 KiB", "8 KiB", "16 KiB"]);
    table.one_of("log_segment", &["16 KiB", "16 KiB", "64 KiB"]);
    table.one_of("checkpoint_after", &["32 KiB", "64 KiB", "256 KiB"]);
    if !parts.large_values && table.rng.chance(0.3) {
        table.number("frames", 16, 64);
    }
    if table.rng.chance(0.5) {
        table.text("isolation", "serializable");
    }
    if parts.threads && table.rng.chance(0.5) {
        table.text("checkpoint_mode", "background");
    }
    if parts.archive {
        table.bare("archive", true);
    }
    table.text
}

fn checks(parts: &Parts) -> String {
    let mut kinds = vec!["no-panic", "no-hang"];
    if parts.damage {
        kinds.push("no-wrong-reads");
    } else {
        kinds.extend(["durability", "atomicity", "no-garbage", "integrity"]);
        kinds.extend(["prefix-order", "bounded-recovery"]);
        if !parts.changes_tables {
            kinds.push("isolation");
        }
        if parts.io_error {
            kinds.push("liveness");
        } else {
            kinds.extend(["idempotent-recovery", "no-leak"]);
        }
        if parts.backups {
            kinds.push("backup");
        }
    }
    let check = |kind: &&str| format!("\n[[check]]\nkind = \"{kind}\"\n");
    kinds.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target;

    #[test]
    fn every_composition_is_a_scenario_that_its_target_takes() {
        for name in ["lightning", "redb", "sqlite"] {
            let Some(target) = target::find(name) else {
                continue;
            };
            for number in 0..400 {
                let composed = compose(name, 7, number);
                let composed = composed.unwrap_or_else(|| panic!("{name} {number}"));
                for options in composed.scenario.options.values() {
                    let first =
                        |values: &crate::scenario::OptionValues| values.as_slice()[0].clone();
                    let options = options.iter();
                    let options = options.map(|(name, values)| (name.clone(), first(values)));
                    let taken = target.check_options(&options.collect());
                    assert_eq!(taken, Ok(()), "{}", composed.text);
                }
            }
        }
    }

    #[test]
    fn a_composition_is_a_function_of_its_seed_and_number() {
        let text = |seed, number| compose("lightning", seed, number).unwrap().text;
        assert_eq!(text(3, 5), text(3, 5));
        assert_ne!(text(3, 5), text(3, 6));
        assert_ne!(text(3, 5), text(4, 5));
    }

    #[test]
    fn compositions_have_every_workload_and_every_kind_of_fault() {
        let all: Vec<_> = (0..200)
            .map(|number| compose("lightning", 1, number).unwrap().text)
            .collect();
        let wanted = [
            "\"kv\"",
            "\"bank\"",
            "\"append\"",
            "\"register\"",
            "power-loss",
            "io-error",
            "damage",
            "threads = true",
            "table_changes",
            "compactions",
            "backups",
            "frames",
            "serializable",
            "journaled",
            "prefix\"",
        ];
        for part in wanted {
            assert!(all.iter().any(|text| text.contains(part)), "no {part}");
        }
    }
}
