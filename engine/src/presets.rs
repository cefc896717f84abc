//! Named sets of options, for workloads that are common. A preset is nothing else: `Options::preset(p)` equals the
//! defaults with the options of its row set one by one.

use crate::options::{CheckpointMode, Durability, Limits, Options};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A workload to choose options for.
///
/// | preset | page size | log segment | checkpoint after | checkpoints | durability | `wal_bytes` | `dirty_bytes` | `transaction_bytes` | `memory` |
/// |---|---|---|---|---|---|---|---|---|---|
/// | `Balanced` (the defaults) | 4 KiB | 8 MiB | 64 MiB | background | `Sync` | 256 MiB | 512 MiB | 2 GiB | 256 MiB |
/// | `ReadOptimized` | 8 KiB | 8 MiB | 16 MiB | background | `Sync` | 64 MiB | 128 MiB | 2 GiB | 1 GiB |
/// | `WriteOptimized` | 4 KiB | 64 MiB | 256 MiB | background | `Buffered` | 1 GiB | 1 GiB | 2 GiB | 2 GiB |
/// | `LowMemory` | 4 KiB | 1 MiB | 2 MiB | inline | `Sync` | 8 MiB | 4 MiB | 4 MiB | 16 MiB |
/// | `Development` | 4 KiB | 1 MiB | 4 MiB | inline | `None` | 16 MiB | 64 MiB | 256 MiB | 256 MiB |
/// | `MaxDurability` | 4 KiB | 8 MiB | 16 MiB | inline | `Sync` | 64 MiB | 512 MiB | 2 GiB | 256 MiB |
///
/// Pages newer than the disk take half of `memory` at most, and one transaction a quarter (8 MiB at least), whatever `dirty_bytes` and
/// `transaction_bytes` say. `LowMemory` also sets `value_bytes` to 4 MiB, `conflict_keys` to 65,536 and `snapshots` to 256.
///
/// Page and segment size are those of a database that is created; an existing one keeps its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// The defaults.
    #[default]
    Balanced,
    /// Reads dominate: larger pages make trees shallower, and less memory is kept for what is not yet written.
    ReadOptimized,
    /// Loads and bursts of writes: checkpoints are rare and large, and a commit waits for the operating system
    /// only. A power cut may take the newest commits, never one from the middle.
    WriteOptimized,
    /// Little memory: small segments, checkpoints in the writing thread, and transactions that fit.
    LowMemory,
    /// Tests and experiments: fast, repeatable (no thread of its own), nothing promised after a power cut but a
    /// prefix of the commits.
    Development,
    /// Commits as durable as the default ones, and a short recovery: a checkpoint every 16 MiB of log, run by the thread
    /// whose commit made it due, before that commit returns.
    MaxDurability,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Balanced,
        Self::ReadOptimized,
        Self::WriteOptimized,
        Self::LowMemory,
        Self::Development,
        Self::MaxDurability,
    ];
}

impl Options {
    /// The options of `preset`, to start from: any of them can be set to something else.
    ///
    /// ```
    /// use lightning_db::{Options, Preset};
    /// let options = Options::preset(Preset::LowMemory).checkpoint_after(1 << 20);
    /// ```
    pub fn preset(preset: Preset) -> Self {
        let base = Self::new();
        match preset {
            Preset::Balanced => base,
            Preset::ReadOptimized => {
                base.page_size(8192)
                    .checkpoint_after(16 * MIB)
                    .limits(Limits {
                        memory: 1024 * MIB,
                        ..bytes(64 * MIB, 128 * MIB)
                    })
            }
            Preset::WriteOptimized => base
                .log_segment(64 * MIB)
                .checkpoint_after(256 * MIB)
                .durability(Durability::Buffered)
                .limits(Limits {
                    memory: 2048 * MIB,
                    ..bytes(1024 * MIB, 1024 * MIB)
                }),
            Preset::LowMemory => base
                .log_segment(1024 * KIB)
                .checkpoint_after(2 * MIB)
                .checkpoint_mode(CheckpointMode::Inline)
                .limits(Limits {
                    transaction_bytes: 4 * MIB,
                    value_bytes: 4 * MIB,
                    conflict_keys: 64 << 10,
                    snapshots: 256,
                    memory: 16 * MIB,
                    ..bytes(8 * MIB, 4 * MIB)
                }),
            Preset::Development => base
                .log_segment(1024 * KIB)
                .checkpoint_after(4 * MIB)
                .checkpoint_mode(CheckpointMode::Inline)
                .durability(Durability::None)
                .limits(Limits {
                    transaction_bytes: 256 * MIB,
                    ..bytes(16 * MIB, 64 * MIB)
                }),
            Preset::MaxDurability => base
                .checkpoint_after(16 * MIB)
                .checkpoint_mode(CheckpointMode::Inline)
                .limits(bytes(64 * MIB, 512 * MIB)),
        }
    }
}

fn bytes(wal_bytes: u64, dirty_bytes: u64) -> Limits {
    Limits {
        wal_bytes,
        dirty_bytes,
        ..Limits::default()
    }
}
