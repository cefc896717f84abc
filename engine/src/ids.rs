//! The engine's identifiers. Each is a type of its own: no bare integer crosses a module's edge.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            /// The bare number.
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names a page of the B+trees for as long as it lives, wherever it is stored. Page 0 is never used.
    PageNo(u32)
}
id! {
    /// A place of one page in the `data` file. Slot 0 is never used: in the map it says "no slot".
    Slot(u32)
}
id! {
    /// Counts committed groups: a snapshot at version `v` sees every group up to and including `v`.
    Version(u64)
}
id! {
    /// Log sequence number: the position in the log just past a record. Positions grow over the
    /// database's whole life: a segment with sequence number `q` holds `[q * len, (q + 1) * len)`.
    Lsn(u64)
}
id! {
    /// Names a checkpoint. Each attempt has an id of its own, larger than all before it.
    CheckpointId(u64)
}
id! {
    /// When a commit group was written: milliseconds since 1970-01-01 UTC. 0 says that it was not recorded.
    CommitTime(u64)
}
id! {
    /// Sequence number of a log segment, from 1; never used twice.
    SegmentSeq(u64)
}

/// A point in the log at which reading can begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogPosition {
    /// Where it is: just past the last record before it.
    pub lsn: Lsn,
    /// The chain value there, which the next frame continues.
    pub chain: u32,
}
