//! The rows: what each project documents of its own versions.

/// A bug that is known.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its number in docs/drivers.md, "Known bugs".
    pub number: u32,
    /// The crate.
    pub package: &'static str,
    /// What shows it.
    pub shown_by: Shown,
    /// The versions it is tried with.
    pub subjects: &'static [Subject],
    /// Why it is not tried, if it is not.
    pub not_tried: Option<&'static str>,
}

/// What shows a bug.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// A finding of a scenario: its file, the check, and a part of the finding's name.
    Scenario {
        file: &'static str,
        check: &'static str,
        part: &'static str,
    },
    /// A program of this workspace, which is given a directory and ends with exit code 3; and what it is about.
    Program(&'static str),
}

/// A version.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Its number.
    pub version: &'static str,
    /// Whether it has the bug.
    pub must_fail: bool,
    /// How it is reached.
    pub by: By,
}

/// How a version is reached.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// As a target that the harness links.
    Target(&'static str),
    /// As a driver of harness/drivers.
    Driver(&'static str),
    /// As a program of this workspace: a driver, or one that needs no harness.
    Program(&'static str),
}

const fn red(version: &'static str, by: By) -> Subject {
    Subject {
        version,
        must_fail: true,
        by,
    }
}

const fn green(version: &'static str, by: By) -> Subject {
    Subject {
        version,
        must_fail: false,
        by,
    }
}

const fn row(
    number: u32,
    package: &'static str,
    shown_by: Shown,
    subjects: &'static [Subject],
) -> Row {
    Row {
        number,
        package,
        shown_by,
        subjects,
        not_tried: None,
    }
}

const fn scenario(file: &'static str, check: &'static str, part: &'static str) -> Shown {
    Shown::Scenario { file, check, part }
}

/// Every row.
pub const ROWS: &[Row] = &[
    row(
        1,
        "redb",
        scenario("known-bugs/redb-file-grows", "no-panic", "open"),
        &[
            red("4.1.0", By::Target("redb-4.1.0")),
            green("4.6.0", By::Target("redb")),
        ],
    ),
    row(
        2,
        "redb",
        scenario("known-bugs/redb-torn-commit-slot", "durability", ""),
        &[
            red("4.1.0", By::Target("redb-4.1.0")),
            green("4.6.0", By::Target("redb")),
        ],
    ),
    row(
        3,
        "redb",
        Shown::Program("damaged page number"),
        &[
            red("4.1.0", By::Program("redb-page-number-red")),
            green("4.2.0", By::Program("redb-page-number-green")),
        ],
    ),
    row(
        4,
        "redb",
        scenario("known-bugs/redb-multimap-reopen", "no-panic", "open"),
        &[
            red("1.0.0", By::Program("redb-multimap-red")),
            green("1.0.5", By::Program("redb-multimap-green")),
        ],
    ),
    Row {
        not_tried: Some(
            "needs a file that grows beyond 4 TiB between a savepoint and its restoration, as the changelog of 2.1.2 says",
        ),
        ..row(5, "redb", scenario("", "", ""), &[])
    },
    row(
        6,
        "sled",
        scenario(
            "drivers/driver-power-loss",
            "durability",
            "acknowledged-lost",
        ),
        &[red("0.34.7", By::Driver("sled"))],
    ),
    Row {
        not_tried: Some(
            "not reproduced: 200,000 to 1,000,000 rows of two partitions with memtables of 1 to 8 MiB and journals of 24 MiB came back whole from 2.4.2",
        ),
        ..row(7, "fjall", scenario("", "", ""), &[])
    },
    row(
        8,
        "lmdb (heed)",
        scenario("drivers/driver-damage", "no-panic", "SIG"),
        &[red("0.9.70", By::Driver("lmdb"))],
    ),
    row(
        9,
        "rusty-leveldb",
        scenario(
            "drivers/driver-power-loss",
            "durability",
            "acknowledged-lost",
        ),
        &[red("4.0.2", By::Driver("rusty-leveldb"))],
    ),
];
