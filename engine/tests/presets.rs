//! A preset is a set of options and nothing else, and a database works with each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use lightning_db::{CheckpointMode, Database, Durability, Limits, Options, Preset};

const MIB: u64 = 1 << 20;

/// What the documentation's table says, set option by option.
fn by_hand(preset: Preset) -> Options {
    let limits = |wal_mib, dirty_mib| {
        let mut limits = Limits::default();
        limits.wal_bytes = wal_mib * MIB;
        limits.dirty_bytes = dirty_mib * MIB;
        limits.memory = 256 * MIB;
        limits
    };
    let base = Options::new()
        .page_size(4096)
        .log_segment(8 * MIB)
        .checkpoint_after(64 * MIB)
        .checkpoint_mode(CheckpointMode::Background)
        .durability(Durability::Sync)
        .limits(limits(256, 512));
    let inline = || base.clone().checkpoint_mode(CheckpointMode::Inline);
    match preset {
        Preset::Balanced => base,
        Preset::ReadOptimized => {
            let mut large = limits(64, 128);
            large.memory = 1024 * MIB;
            base.page_size(8192)
                .checkpoint_after(16 * MIB)
                .limits(large)
        }
        Preset::WriteOptimized => {
            let mut large = limits(1024, 1024);
            large.memory = 2048 * MIB;
            base.log_segment(64 * MIB)
                .checkpoint_after(256 * MIB)
                .durability(Durability::Buffered)
                .limits(large)
        }
        Preset::LowMemory => {
            let mut small = limits(8, 4);
            small.transaction_bytes = 4 * MIB;
            small.value_bytes = 4 * MIB;
            small.conflict_keys = 65_536;
            small.snapshots = 256;
            small.memory = 16 * MIB;
            inline()
                .log_segment(MIB)
                .checkpoint_after(2 * MIB)
                .limits(small)
        }
        Preset::Development => {
            let mut small = limits(16, 64);
            small.transaction_bytes = 256 * MIB;
            inline()
                .log_segment(MIB)
                .checkpoint_after(4 * MIB)
                .durability(Durability::None)
                .limits(small)
        }
        Preset::MaxDurability => inline().checkpoint_after(16 * MIB).limits(limits(64, 512)),
        other => panic!("{other:?} has no row here"),
    }
}

#[test]
fn a_preset_is_the_options_of_its_row_and_nothing_else() {
    for preset in Preset::ALL {
        let preset_options = format!("{:?}", Options::preset(preset));
        assert_eq!(
            preset_options,
            format!("{:?}", by_hand(preset)),
            "{preset:?}"
        );
    }
    let balanced = format!("{:?}", Options::preset(Preset::default()));
    assert_eq!(balanced, format!("{:?}", Options::new()));
}

#[test]
fn no_two_presets_are_the_same() {
    for (i, one) in Preset::ALL.iter().enumerate() {
        for other in &Preset::ALL[..i] {
            let options = |preset| format!("{:?}", Options::preset(preset));
            assert_ne!(options(*one), options(*other));
        }
    }
}

#[test]
fn a_database_works_with_each_preset() {
    for preset in Preset::ALL {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::create(dir.path(), Options::preset(preset)).unwrap();
        for n in 0..200_u32 {
            db.put("t", &n.to_be_bytes(), &[7; 500]).unwrap();
        }
        assert_eq!(db.verify().unwrap().problems, Vec::<String>::new());
        db.close().unwrap();
        let db = Database::open(dir.path(), Options::preset(preset)).unwrap();
        assert_eq!(db.count::<&[u8]>("t", ..).unwrap(), 200, "{preset:?}");
    }
}
