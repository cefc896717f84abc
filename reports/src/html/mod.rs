//! The page for people: one file, no network, light and dark.
//!
//! 1. Nothing is loaded: style, script and pictures are in the file, and its content policy forbids the rest.
//! 2. The verdict and the findings come first. Colour never stands alone: a word or a sign says the same.
//! 3. Without script all is readable; script only copies a replay line.

mod closing;
mod coverage;
mod failpoints;
mod findings;
mod headline;
mod heat;
mod page;
mod planted;
mod recovery;
mod sign;
mod timeline;

pub use page::render;
