//! Runs every known bug with the version that has it and the one that mended it, and prints what came of each.
//!
//! `known-bugs --chaos PROGRAM --drivers FOLDER --programs FOLDER --out FOLDER [ROW…]`, from the repository's root. Exit code 0 if all is as
//! documented, 2 if not, 4 if something could not be run here.

mod outcome;
mod rows;

mod run;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use outcome::Outcome;
use rows::ROWS;
use run::{Places, run};

const UNEXPECTED: u8 = 2;
const NOT_RUN: u8 = 4;

fn main() -> ExitCode {
    let (places, wanted) = match arguments(std::env::args().skip(1)) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", table::head());
    let mut ends = Vec::new();
    for row in ROWS
        .iter()
        .filter(|row| wanted.is_empty() || wanted.contains(&row.number))
    {
        for subject in row.subjects {
            let (outcome, took) = run(row, subject, &places);
            println!("{}", table::line(row, subject, &outcome, took));
            ends.push((subject.must_fail, outcome));
        }
        if let Some(reason) = row.not_tried {
            println!("{}", table::left_out(row, reason));
        }
    }
    finish(&ends)
}

fn finish(ends: &[(bool, Outcome)]) -> ExitCode {
    let count =
        |wanted: fn(&(bool, Outcome)) -> bool| ends.iter().filter(|end| wanted(end)).count();
    let wrong = count(|(must_fail, outcome)| outcome.is_as_expected(*must_fail) == Some(false));
    let not_run = count(|(must_fail, outcome)| outcome.is_as_expected(*must_fail).is_none());
    let right = ends.len() - wrong - not_run;
    println!("\n{right} as documented, {wrong} not, {not_run} could not be run");
    match (wrong, not_run) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(NOT_RUN),
        _ => ExitCode::from(UNEXPECTED),
    }
}

fn arguments(words: impl Iterator<Item = String>) -> Result<(Places, Vec<u32>), String> {
    let mut places = Places::default();
    let mut rows = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        let mut next = || {
            words
                .next()
                .map(PathBuf::from)
                .ok_or(format!("{word} needs a path"))
        };
        match word.as_str() {
            "--chaos" => places.chaos = next()?,
            "--drivers" => places.drivers = next()?,
            "--programs" => places.programs = next()?,
            "--out" => places.out = next()?,
            row => rows.push(
                row.parse()
                    .map_err(|_| format!("there is no row `{row}`"))?,
            ),
        }
    }
    Ok((places, rows))
}
