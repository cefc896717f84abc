//! Memory of frames that were given back, to be used again while it is warm.
//!
//! A commit copies the pages that it changes, and soon after as many superseded ones are freed: the same memory may go round, the
//! newest first, without a visit to the allocator. It is kept for lengths that pages have, up to a bound for each length, and for
//! all databases of the process.
//!
//! Invariant: memory is in a slot or somebody's, never both: it enters a slot that was empty, and leaves by being swapped out. `top` only
//! says where to look first; threads that meet there miss, and go to the allocator.
//!
//! It takes no lock, and does not know what stands in the memory.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicUsize};

/// Memory kept for one length, in bytes.
const KEPT_BYTES: usize = 8 << 20;
const SHORTEST: usize = 4 << 10;
const SLOTS: usize = KEPT_BYTES / SHORTEST;
/// Lengths: 4, 8, 16, 32 and 64 KiB.
const LENGTHS: usize = 5;

static POOLS: [Pool; LENGTHS] = [const { Pool::new() }; LENGTHS];

struct Pool {
    slots: [AtomicPtr<()>; SLOTS],
    top: AtomicUsize,
}

/// Memory for a frame of `len` bytes, if some was kept.
pub(super) fn take(len: usize) -> Option<NonNull<()>> {
    pool(len)?.take()
}

/// Keeps the memory of a frame of `len` bytes. False if it cannot, and the caller still has it.
pub(super) fn keep(len: usize, memory: NonNull<()>) -> bool {
    pool(len).is_some_and(|pool| pool.keep(memory, KEPT_BYTES / len))
}

fn pool(len: usize) -> Option<&'static Pool> {
    // Miri sees an access to freed memory only if it is freed.
    if !len.is_power_of_two() || len < SHORTEST || cfg!(miri) {
        return None;
    }
    POOLS.get((len / SHORTEST).ilog2() as usize)
}

impl Pool {
    const fn new() -> Self {
        Self {
            slots: [const { AtomicPtr::new(null_mut()) }; SLOTS],
            top: AtomicUsize::new(0),
        }
    }

    fn take(&self) -> Option<NonNull<()>> {
        let newest = self.top.load(Relaxed).checked_sub(1)?;
        let slot = self.slots.get(newest)?;
        // Acquire: what its last owner did with the memory comes before what the next one does.
        let memory = slot.swap(null_mut(), Acquire);
        self.top.store(newest, Relaxed);
        NonNull::new(memory)
    }

    fn keep(&self, memory: NonNull<()>, room: usize) -> bool {
        let next = self.top.load(Relaxed);
        let Some(slot) = self.slots.get(next).filter(|_| next < room) else {
            return false;
        };
        let kept = slot.compare_exchange(null_mut(), memory.as_ptr(), AcqRel, Relaxed);
        // A slot that is taken belongs to the stack again.
        self.top.store(next + 1, Relaxed);
        kept.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn memory(block: &[u8; 16]) -> NonNull<()> {
        NonNull::from(block).cast()
    }

    #[test]
    fn what_was_kept_last_comes_back_first_and_no_more_than_there_is_room_for_is_kept() {
        let blocks = [[0_u8; 16]; 3];
        let pool = Pool::new();
        assert_eq!(pool.take(), None);
        assert!(pool.keep(memory(&blocks[0]), 2) && pool.keep(memory(&blocks[1]), 2));
        assert!(!pool.keep(memory(&blocks[2]), 2));
        assert_eq!(pool.take(), Some(memory(&blocks[1])));
        assert_eq!(pool.take(), Some(memory(&blocks[0])));
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn only_lengths_of_pages_have_a_pool() {
        if cfg!(miri) {
            return;
        }
        let has = |len| pool(len).is_some();
        assert!([4 << 10, 8 << 10, 64 << 10].into_iter().all(has));
        assert!(![0, 2048, 5000, 128 << 10].into_iter().any(has));
    }

    /// Threads that take and keep at once: nothing is handed to two of them.
    #[test]
    fn nothing_is_in_two_hands() {
        let blocks = vec![[0_u8; 16]; 64];
        let pool = Pool::new();
        for block in &blocks {
            assert!(pool.keep(memory(block), SLOTS));
        }
        let rounds = if cfg!(miri) { 50 } else { 20_000 };
        let work = || {
            let mut held: Vec<AtomicPtr<()>> = Vec::new();
            for round in 0..rounds {
                let is_back = round % 3 == 2;
                let back = held.pop_if(|_| is_back);
                let back = back.and_then(|memory| NonNull::new(memory.into_inner()));
                match back {
                    Some(memory) if !pool.keep(memory, SLOTS) => {
                        held.push(AtomicPtr::new(memory.as_ptr()));
                    }
                    Some(_) => {}
                    None => held.extend(pool.take().map(|taken| AtomicPtr::new(taken.as_ptr()))),
                }
            }
            held
        };
        let held: Vec<AtomicPtr<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
            let each = threads.into_iter().map(|thread| thread.join().unwrap());
            each.flatten().collect()
        });
        let all = held
            .iter()
            .chain(&pool.slots)
            .map(|memory| memory.load(Acquire));
        let all: Vec<_> = all.filter(|memory| !memory.is_null()).collect();
        let distinct: HashSet<_> = all.iter().copied().collect();
        assert_eq!((all.len(), distinct.len()), (blocks.len(), blocks.len()));
    }
}
