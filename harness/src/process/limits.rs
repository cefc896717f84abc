//! What a child takes away from itself.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;

use super::allocator;
use super::job::Limit;
use crate::scenario::ResourceKind;

const PAGE: u64 = 4096;
/// What a hog takes at a time.
const HOG_BYTES: usize = 1 << 20;

/// A soft limit that can be taken back.
#[derive(Debug)]
pub(super) struct Armed {
    resource: Resource,
    before: u64,
}

impl Armed {
    /// Puts the limit on this process; nothing for what cannot be taken back, or is limited elsewhere.
    pub(super) fn put(limit: &Limit) -> io::Result<Option<Self>> {
        let (resource, amount) = match limit.what {
            ResourceKind::Descriptors => (Resource::RLIMIT_NOFILE, descriptors(limit.amount)?),
            ResourceKind::FileSize => {
                // Else the first write past the limit would end the process.
                let mut signals = SigSet::empty();
                signals.add(Signal::SIGXFSZ);
                signals.thread_block()?;
                (Resource::RLIMIT_FSIZE, limit.amount)
            }
            ResourceKind::AddressSpace => (Resource::RLIMIT_AS, address_space()? + limit.amount),
            ResourceKind::Allocation => {
                if !allocator::is_installed() {
                    return Err(io::Error::other("this program has another allocator"));
                }
                allocator::count_from_here(limit.amount);
                return Ok(None);
            }
            ResourceKind::Processor => {
                starve(limit.amount)?;
                return Ok(None);
            }
            ResourceKind::CgroupMemory
            | ResourceKind::Disk
            | ResourceKind::Quota
            | ResourceKind::ReadOnly => return Ok(None),
        };
        let (before, hard) = getrlimit(resource)?;
        setrlimit(resource, amount.min(hard), hard)?;
        Ok(Some(Self { resource, before }))
    }

    /// Takes it back.
    pub(super) fn lift(&self) -> io::Result<()> {
        let (_, hard) = getrlimit(self.resource)?;
        Ok(setrlimit(self.resource, self.before, hard)?)
    }
}

/// The limit below which so many more descriptors are free.
fn descriptors(more: u64) -> io::Result<u64> {
    let mut used = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        used.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    // The directory that was read had one of them, and has given it back: so one is always left.
    let mut free = (0..).filter(|number| !used.contains(number));
    let more = usize::try_from(more).unwrap_or(usize::MAX);
    Ok(free.nth(more).unwrap_or(u64::MAX))
}

fn address_space() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse().ok());
    let pages: u64 = pages.ok_or_else(|| io::Error::other("no size in /proc/self/statm"))?;
    Ok(pages * PAGE)
}

/// Puts all of this process on one processor, beside so many threads that never wait.
fn starve(rivals: u64) -> io::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let first = (0..CpuSet::count()).find(|&one| allowed.is_set(one) == Ok(true));
    let mut one = CpuSet::new();
    one.set(first.unwrap_or(0))?;
    sched_setaffinity(this, &one)?;
    let running = Arc::new(Barrier::new(usize::try_from(rivals).unwrap_or(0) + 1));
    for _ in 0..rivals {
        let running = Arc::clone(&running);
        thread::Builder::new().spawn(move || {
            running.wait();
            loop {
                std::hint::spin_loop();
            }
        })?;
    }
    running.wait();
    Ok(())
}

/// Takes memory and uses it.
pub(super) fn take_memory(hog: &mut Vec<Vec<u8>>) {
    hog.push(vec![1; HOG_BYTES]);
}
