//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that Ctrl-C sets. A second Ctrl-C ends the program at once.
pub(super) fn interrupt_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let in_handler = Arc::clone(&flag);
    // Without a handler Ctrl-C ends the program, which is right too.
    let _ = ctrlc::set_handler(move || {
        if in_handler.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    });
    flag
}
