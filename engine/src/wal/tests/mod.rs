//! The log's behaviour on a disk in memory, a cut or damaged one, and a failing one.

mod support;

mod ahead;
mod damage;
mod faults;
mod next;
mod power;
mod sessions;
mod torn;
