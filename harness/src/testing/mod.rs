//! Scenarios as tests of whoever has an engine: `check(Engine).scenario("…").run()`.
//!
//! 1. A test passes only if every scenario passed: one that tested nothing, or came to no verdict, fails it.
//! 2. What fails is told with what was expected, what was there, the smallest case that shows it, and how to replay it.
//! 3. The same seed is the same test; nothing is drawn from anything else.
//!
//! Everything runs in the process of the test. This module knows no engine.

mod builtin;
mod check;
mod render;
mod replay;

pub use builtin::BUILTIN;
pub use check::{Check, Failed, Passed, check};
