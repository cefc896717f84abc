//! On what the figures were taken: they mean nothing elsewhere.

use std::fs::read_to_string;
use std::path::Path;

use serde::Serialize;

/// The machine, and what else it was doing.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name, as the kernel gives it.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// The file system under the databases.
    pub file_system: String,
    /// Runnable threads, averaged over a minute, before each round and after the last one: others' work shows here.
    pub load: Vec<f64>,
    /// Whether the processor's counters can be read: on most virtual machines they cannot.
    pub counts_cache_misses: bool,
}

impl Machine {
    /// This one, with databases in `directory`.
    pub fn this(directory: &Path) -> Self {
        let text = |path: &str| read_to_string(path).unwrap_or_default();
        let line = |text: String, name: &str| {
            let found = text.lines().find(|line| line.starts_with(name));
            let value = found.and_then(|line| line.split_once(':'));
            value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let memory = line(text("/proc/meminfo"), "MemTotal");
        let memory_kib = memory
            .split(' ')
            .next()
            .and_then(|kib| kib.parse::<u64>().ok());
        Self {
            processor: line(text("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(0, Into::into),
            memory_mib: memory_kib.unwrap_or(0) >> 10,
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&text("/proc/mounts"), directory),
            load: Vec::new(),
            counts_cache_misses: Path::new("/sys/bus/event_source/devices/cpu").exists(),
        }
    }

    /// Notes how busy the machine is.
    pub fn note_load(&mut self) {
        let text = read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Option<f64> = text.split(' ').next().and_then(|load| load.parse().ok());
        self.load.extend(load);
    }

    /// In one line.
    pub fn text(&self) -> String {
        let load: Vec<_> = self.load.iter().map(|load| format!("{load:.1}")).collect();
        format!(
            "{} x {}, {} MiB of memory, Linux {}, {}; load {}; cache misses {}",
            self.processors,
            self.processor,
            self.memory_mib,
            self.kernel,
            self.file_system,
            load.join(" "),
            if self.counts_cache_misses {
                "can be counted by perf"
            } else {
                "not measured: no counters here"
            },
        )
    }
}

/// The type and options of the mount that `directory` lies in: the one with the longest path.
fn file_system(mounts: &str, directory: &Path) -> String {
    let directory = directory.canonicalize().unwrap_or_default();
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let here = directory.starts_with(path);
        here.then(|| (path.len(), format!("{kind} ({options})")))
    };
    let longest = mounts.lines().filter_map(mount).max_by_key(|(len, _)| *len);
    longest.map_or_else(|| "unknown".to_owned(), |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_is_the_one_that_counts() {
        let mounts = "a / ext4 rw 0 0\nb /proc proc ro 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/proc/self")), "proc (ro)");
        assert_eq!(file_system(mounts, Path::new("/usr")), "ext4 (rw)");
    }
}
