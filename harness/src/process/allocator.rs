//! An allocator that fails once, at an allocation that it is told.
//!
//! It is the system's, with a counter before it. The counter runs in a child of the plane `process` and nowhere else: elsewhere an allocation
//! costs one more load. What is given out is the system's and goes back to it, so that neither counting nor failing can make memory unsound.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counts allocations, and fails one.
#[derive(Debug)]
pub struct FailingAllocator;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
/// The allocation that fails, counted from 1; 0 for none.
static FAILS_AT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Neither made nor dropped with a call, so that an allocator may look at it.
    static IS_PAUSED: Cell<bool> = const { Cell::new(false) };
}

/// Counts from now on, and fails the allocation of this number, counted from 1; none for 0.
pub(super) fn count_from_here(fails_at: u64) {
    COUNT.store(0, Relaxed);
    FAILS_AT.store(fails_at, Relaxed);
    IS_COUNTING.store(true, Relaxed);
}

/// Allocations so far.
pub(super) fn counted() -> u64 {
    COUNT.load(Relaxed)
}

/// Whether the one that was to fail did.
pub(super) fn has_failed() -> bool {
    let fails_at = FAILS_AT.load(Relaxed);
    fails_at > 0 && counted() >= fails_at
}

/// Does something whose allocations are not counted.
pub(super) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_PAUSED.replace(true);
    let done = work();
    IS_PAUSED.set(before);
    done
}

/// Whether this is the program's allocator.
pub(super) fn is_installed() -> bool {
    count_from_here(0);
    drop(black_box(Box::new(0_u8)));
    counted() > 0
}

fn fails_now() -> bool {
    IS_COUNTING.load(Relaxed)
        && !IS_PAUSED.get()
        && COUNT.fetch_add(1, Relaxed) + 1 == FAILS_AT.load(Relaxed)
}

// SAFETY: each method is the system's, or gives null, which the contract allows for any allocation; the counter allocates nothing and panics never.
unsafe impl GlobalAlloc for FailingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails_now() {
            return null_mut();
        }
        // SAFETY: the caller keeps the contract of `alloc`, and the layout is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: all blocks are the system's, and the caller says with which layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if fails_now() {
            return null_mut();
        }
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails_now() {
            // The old block stays as it is, as the contract asks.
            return null_mut();
        }
        // SAFETY: all blocks are the system's; the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }
}
