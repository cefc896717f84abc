//! The steps by name.

/// One step of CI. The order of the variants is the order in which they run: the quick ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The format of the source.
    Fmt,
    /// The lints.
    Clippy,
    /// The documentation builds, without a broken link.
    Doc,
    /// All tests, the rules of the code base among them.
    Test,
    /// The smoke scenarios.
    Smoke,
    /// The smoke scenarios with 16 frames and each page size.
    Matrix,
    /// The planted bugs.
    MustFail,
    /// The scenario files, and their schema.
    Schema,
    /// Licences and advisories of dependencies.
    Deny,
    /// `kill -9` of a real process.
    Kill,
    /// The corpora of the fuzz targets, on this toolchain.
    Corpus,
    /// The fuzz targets, for a short while.
    Fuzz,
    /// Undefined behaviour, in the decoders and the page table.
    Miri,
    /// Other engines, as drivers.
    Drivers,
    /// Bugs that others have documented.
    KnownBugs,
}

impl Step {
    /// Steps that run only when they are named: they build other engines.
    pub const NAMED: [Self; 2] = [Self::Drivers, Self::KnownBugs];

    /// Every other step, in order.
    pub const ALL: [Self; 13] = [
        Self::Fmt,
        Self::Clippy,
        Self::Doc,
        Self::Test,
        Self::Smoke,
        Self::Matrix,
        Self::MustFail,
        Self::Schema,
        Self::Deny,
        Self::Kill,
        Self::Corpus,
        Self::Fuzz,
        Self::Miri,
    ];

    /// The step's name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Doc => "doc",
            Self::Test => "test",
            Self::Smoke => "smoke",
            Self::Matrix => "matrix",
            Self::MustFail => "must-fail",
            Self::Schema => "schema",
            Self::Deny => "deny",
            Self::Kill => "kill",
            Self::Corpus => "corpus",
            Self::Fuzz => "fuzz",
            Self::Miri => "miri",
            Self::Drivers => "drivers",
            Self::KnownBugs => "known-bugs",
        }
    }

    /// What the step shows, in a line.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Fmt => "the source is formatted",
            Self::Clippy => "no lint fires",
            Self::Doc => "the documentation builds without a warning",
            Self::Test => {
                "every test of the workspace passes, the rules of the code base among them"
            }
            Self::Smoke => "the smoke scenarios hold",
            Self::Matrix => "they hold with 16 frames and with every page size",
            Self::MustFail => "every planted bug is caught",
            Self::Schema => "every scenario file is valid, and their schema can be printed",
            Self::Deny => "dependencies have allowed licences and no known advisory",
            Self::Kill => "kill -9 loses no acknowledged commit",
            Self::Corpus => "the fuzz targets build, and their corpora pass",
            Self::Fuzz => "each fuzz target runs for 20 s",
            Self::Miri => "decoders and page table are free of undefined behaviour",
            Self::Drivers => "drivers of other engines build and keep to the protocol",
            Self::KnownBugs => {
                "every known bug is found in the version that has it, and in no other"
            }
        }
    }

    /// The step of that name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain(Self::NAMED);
        all.find(|step| step.name() == name)
    }
}
