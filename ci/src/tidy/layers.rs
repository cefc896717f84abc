//! The layer tables: data. A new edge between modules is a decision page and a change here.

/// The modules of a crate, bottom up. A module uses only modules of layers below its own; those of one layer
/// don't name each other.
#[derive(Clone, Copy, Debug)]
pub struct Layers {
    /// The crate's folder.
    pub folder: &'static str,
    /// Layers, the lowest first.
    pub layers: &'static [&'static [&'static str]],
}

/// The engine.
pub const ENGINE: Layers = Layers {
    folder: "engine",
    layers: &[
        &["failpoints", "guide", "ids"],
        &["error", "image", "recovery_report", "sync"],
        &["failpoint"],
        &["disk", "disk_format"],
        &["options", "pages", "telemetry"],
        &["presets"],
        &["wal", "map"],
        &["page_store", "btree", "archive"],
        &["catalog"],
        &["engine"],
        &["log_ahead"],
        &["checkpoint"],
        &["recovery", "compaction"],
        &["backup"],
        &["transaction"],
        &["database", "typed"],
        &["salvage"],
    ],
};

/// The harness.
pub const HARNESS: Layers = Layers {
    folder: "harness",
    layers: &[
        &["failpoints"],
        &["ddmin", "rng", "scenario", "toy", "trace"],
        &["batch", "survival", "threads"],
        &["block", "sim", "crash"],
        &["calibrate", "fuse"],
        &["target"],
        &["oracle"],
        &["workload"],
        &["explore"],
        &["process"],
        &["doctor", "truth", "worker"],
        &["case"],
        &["shrink"],
        &["run"],
        &["audit", "league", "soak", "testing"],
        &["cli"],
    ],
};

impl Layers {
    /// The layer of `module`, counted from the lowest; nothing if the table does not name it.
    pub fn of(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&module))
    }

    /// Says why `user` may not use `target`; nothing if it may.
    pub fn refuse(&self, user: &str, target: &str) -> Option<String> {
        if user == target {
            return None;
        }
        let Some(own) = self.of(user) else {
            return Some(format!(
                "`{user}` stands in no layer: add it to ci/src/tidy/layers.rs"
            ));
        };
        let Some(other) = self.of(target) else {
            return Some(format!(
                "`{user}` uses `{target}`, which stands in no layer (ci/src/tidy/layers.rs)"
            ));
        };
        match other.cmp(&own) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(format!("`{user}` uses its sibling `{target}`")),
            std::cmp::Ordering::Greater => {
                Some(format!("`{user}` uses `{target}`, a layer above it"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_layers_may_be_used() {
        assert_eq!(ENGINE.refuse("wal", "disk"), None);
        assert_eq!(ENGINE.refuse("wal", "wal"), None);
        assert!(ENGINE.refuse("disk", "wal").unwrap().contains("above"));
        assert!(ENGINE.refuse("wal", "map").unwrap().contains("sibling"));
        assert!(ENGINE.refuse("wal", "helper").unwrap().contains("no layer"));
        assert!(ENGINE.refuse("helper", "wal").unwrap().contains("no layer"));
    }

    #[test]
    fn no_module_stands_in_two_layers() {
        for table in [ENGINE, HARNESS] {
            let mut names: Vec<&str> = table
                .layers
                .iter()
                .flat_map(|l| l.iter().copied())
                .collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", table.folder);
        }
    }
}
