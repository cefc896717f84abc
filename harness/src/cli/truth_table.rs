//! `chaos truth-table`.

use std::io::{self, Write};
use std::path::Path;

use super::args::TruthArguments;
use super::exit::Exit;
use super::failure::Failure;
use super::find::Root;
use super::run::as_typed;
use crate::batch::PlantSwitch;
use crate::case::{COMMIT, CaseIdentity};
use crate::run::Loaded;
use crate::truth::{Agreement, Cell, Documented, Found, JOURNAL_MODES, Table, Witness, explore};

pub(super) fn truth_table(
    arguments: &TruthArguments,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let root = Root::find();
    let mut exit = Exit::Pass;
    for table in Table::ALL {
        let file = Path::new(table.scenario_file());
        let loaded = root.load(&root.resolved(file)?)?;
        exit = exit.max(show(arguments, &loaded, table, out)?);
    }
    Ok(exit)
}

/// One table: its cells as they are found, then the witnesses.
fn show(
    arguments: &TruthArguments,
    loaded: &Loaded,
    table: Table,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    writeln!(out, "{}\n", table.heading())?;
    writeln!(
        out,
        "{:<12}{}",
        "",
        columns(&JOURNAL_MODES.map(str::to_uppercase))
    )?;
    let mut exit = Exit::Pass;
    let mut witnesses = Vec::new();
    let mut row = Vec::new();
    for cell in Cell::all() {
        let explored = explore(
            &loaded.scenario,
            cell,
            table,
            arguments.seed,
            arguments.states,
        );
        let found = match explored {
            Ok(found) => found,
            Err(error) => {
                writeln!(out, "error: {error}")?;
                return Ok(Exit::of_explore_error(&error));
            }
        };
        let agreement = Documented::of(cell, table).compare(&found, arguments.states);
        exit = exit.max(exit_of(agreement));
        row.push(cell_text(cell, table, &found, agreement));
        if row.len() == JOURNAL_MODES.len() {
            writeln!(
                out,
                "{:<12}{}",
                cell.synchronous.to_uppercase(),
                columns(&row)
            )?;
            out.flush()?;
            row.clear();
        }
        witnesses.push((cell, found));
    }
    writeln!(out)?;
    for (cell, found) in &witnesses {
        print_witnesses(out, loaded, arguments.seed, *cell, found)?;
    }
    Ok(exit)
}

fn columns(texts: &[String]) -> String {
    let padded: Vec<_> = texts.iter().map(|text| format!("{text:<24}")).collect();
    padded.concat().trim_end().to_owned()
}

fn cell_text(cell: Cell, table: Table, found: &Found, agreement: Agreement) -> String {
    let shown = match (&found.lost, &found.corrupt) {
        (None, None) => "ok",
        (Some(_), None) => "L",
        (None, Some(_)) => "C",
        (Some(_), Some(_)) => "L C",
    };
    let mark = match agreement {
        Agreement::Agrees | Agreement::Decided => "",
        Agreement::Differs => " DIFFERS",
        Agreement::TooFew => " TOO FEW",
    };
    let documented = Documented::of(cell, table).text();
    format!("{shown} ({documented}) {}{mark}", found.states)
}

fn exit_of(agreement: Agreement) -> Exit {
    match agreement {
        Agreement::Agrees | Agreement::Decided => Exit::Pass,
        Agreement::Differs => Exit::Broken,
        Agreement::TooFew => Exit::Inconclusive,
    }
}

fn print_witnesses(
    out: &mut dyn Write,
    loaded: &Loaded,
    seed: u64,
    cell: Cell,
    found: &Found,
) -> io::Result<()> {
    let both = [
        ("L", found.lost_count, &found.lost),
        ("C", found.corrupt_count, &found.corrupt),
    ];
    for (letter, count, witness) in both {
        let Some(witness) = witness else { continue };
        let (journal_mode, synchronous) = (cell.journal_mode, cell.synchronous);
        writeln!(
            out,
            "{synchronous} {journal_mode}: {letter} in {count} states"
        )?;
        writeln!(
            out,
            "  {}: {}",
            witness.finding.title, witness.finding.actual
        )?;
        let replay = format!("chaos replay {}", identity(loaded, seed, cell, witness));
        writeln!(out, "  {}", as_typed(&replay))?;
    }
    Ok(())
}

fn identity(loaded: &Loaded, seed: u64, cell: Cell, witness: &Witness) -> CaseIdentity {
    CaseIdentity {
        commit: COMMIT.to_owned(),
        scenario_digest: loaded.scenario.digest().to_string(),
        target: "sqlite".to_owned(),
        seed,
        run: witness.run,
        plants: PlantSwitch::Healthy,
        case: witness.finding.case.clone(),
        scenario_file: loaded.file.clone(),
        options: witness.options.clone(),
        given: cell.options().into_keys().collect(),
    }
}
