//! What a target promises, and for which crash.

use std::fmt;

/// How durable a commit is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// On stable storage when acknowledged.
    Sync,
    /// With the operating system when acknowledged.
    Buffered,
    /// Decided when acknowledged.
    None,
}

/// What ended the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrashKind {
    /// Its process ended; the operating system kept what it had been given.
    Process,
    /// The power was cut.
    Power,
}

/// What an acknowledged transaction may expect. The stronger is the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// It survives.
    Durable,
    /// It survives if any later one does, whole or not at all.
    Prefix,
    /// It survives whole or not at all.
    Atomic,
    /// Nothing, but that its values are its values.
    Nothing,
}

/// What transactions may expect of those that are open at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// They could have been done one after the other.
    Serializable,
    /// Each sees one state of the database; of two that overlap and write the same row one is refused.
    Snapshot,
}

/// A target's promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promises {
    isolation: Isolation,
    levels: Vec<(Durability, Promise, Promise)>,
    survive_torn_sectors: bool,
    roll_back: bool,
    goes_on_with_space: bool,
    shown: Shown,
    on_damage: OnDamage,
}

/// What is promised of what a database shows once it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Durable,
    PerhapsInCache,
}

/// What a target makes of damage at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDamage {
    Detected,
    Unnoticed,
    Anything,
}

impl Durability {
    /// The name used in scenarios and fingerprints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Buffered => "buffered",
            Self::None => "none",
        }
    }
}

impl CrashKind {
    /// The name used in fingerprints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Power => "power",
        }
    }
}

impl Promise {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Prefix => "prefix",
            Self::Atomic => "atomic",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Promises {
    /// No levels; transactions that see one state each.
    pub fn none() -> Self {
        Self {
            isolation: Isolation::Snapshot,
            levels: Vec::new(),
            survive_torn_sectors: false,
            roll_back: true,
            goes_on_with_space: false,
            shown: Shown::PerhapsInCache,
            on_damage: OnDamage::Detected,
        }
    }

    /// Damage at rest may be read as if it were data: only values that nobody ever wrote are accused.
    #[must_use]
    pub fn without_damage_detected(mut self) -> Self {
        self.on_damage = OnDamage::Unnoticed;
        self
    }

    /// Storage is taken to give back what it was given: damaged, anything may be read of it.
    #[must_use]
    pub fn without_any_word_of_damage(mut self) -> Self {
        self.on_damage = OnDamage::Anything;
        self
    }

    /// Whether something is promised of what is read from damaged storage.
    pub fn says_something_of_damage(&self) -> bool {
        self.on_damage != OnDamage::Anything
    }

    /// Whether damage at rest to any one place is harmless or an error.
    pub fn damage_is_detected(&self) -> bool {
        self.on_damage == OnDamage::Detected
    }

    /// Transactions are serializable, and not only each of one snapshot.
    #[must_use]
    pub fn serializable(mut self) -> Self {
        self.isolation = Isolation::Serializable;
        self
    }

    /// What transactions may expect of others that are open.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// What is promised for power cuts is promised also for disks that tear writes inside a sector.
    #[must_use]
    pub fn even_if_sectors_tear(mut self) -> Self {
        self.survive_torn_sectors = true;
        self
    }

    /// Whether what is promised for power cuts holds on disks that tear writes inside a sector.
    pub fn survive_torn_sectors(&self) -> bool {
        self.survive_torn_sectors
    }

    /// What a rollback leaves is undefined: none is asked for.
    #[must_use]
    pub fn without_rollback(mut self) -> Self {
        self.roll_back = false;
        self
    }

    /// Whether a transaction can be rolled back.
    pub fn roll_back(&self) -> bool {
        self.roll_back
    }

    /// Where space lacked, writes succeed again once there is some, with no reopening.
    #[must_use]
    pub fn going_on_with_space(mut self) -> Self {
        self.goes_on_with_space = true;
        self
    }

    /// Whether writes succeed with no reopening once there is space again.
    pub fn goes_on_with_space(&self) -> bool {
        self.goes_on_with_space
    }

    /// What a database shows once it is open survives a power cut from then on, whether or not it was ever acknowledged. Without this promise
    /// it may have been in the system's cache alone, of a process that ended or a sync that failed.
    #[must_use]
    pub fn with_shown_durable(mut self) -> Self {
        self.shown = Shown::Durable;
        self
    }

    /// Whether what a database shows once it is open survives a power cut.
    pub fn shown_is_durable(&self) -> bool {
        self.shown == Shown::Durable
    }

    /// Adds a level with its promise after a process crash and after a power cut.
    #[must_use]
    pub fn with(mut self, level: Durability, process: Promise, power: Promise) -> Self {
        self.levels.push((level, process, power));
        self
    }

    /// Each level with its promise after a process crash and after a power cut.
    pub fn iter(&self) -> impl Iterator<Item = (Durability, Promise, Promise)> + '_ {
        self.levels.iter().copied()
    }

    /// The levels the target offers.
    pub fn levels(&self) -> impl Iterator<Item = Durability> + '_ {
        self.levels.iter().map(|&(level, ..)| level)
    }

    /// What a transaction acknowledged at `level` may expect of this crash. A level that is not offered
    /// promises nothing.
    pub fn promise(&self, level: Durability, crash: CrashKind) -> Promise {
        let found = self.levels.iter().find(|(offered, ..)| *offered == level);
        match (found, crash) {
            (Some(&(_, process, _)), CrashKind::Process) => process,
            (Some(&(_, _, power)), CrashKind::Power) => power,
            (None, _) => Promise::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_not_offered_promises_nothing() {
        let promises =
            Promises::none().with(Durability::Buffered, Promise::Durable, Promise::Prefix);
        assert_eq!(
            promises.promise(Durability::Sync, CrashKind::Process),
            Promise::Nothing
        );
        assert_eq!(
            promises.promise(Durability::Buffered, CrashKind::Power),
            Promise::Prefix
        );
    }
}
