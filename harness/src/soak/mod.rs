//! Random compositions of workloads, faults and options, for as long as asked.
//!
//! 1. A composition is the text of a scenario file, and a function of a seed and a number: it is run, replayed and shrunk like any other.
//! 2. Time decides how many there are, never what is in them.
//! 3. One in twenty is run twice, and must come to the same.
//! 4. One that exercised nothing decides nothing: it is told apart from those that passed.

mod compose;
mod draw;

mod corpus;

mod campaign;

pub use campaign::{Campaign, Length, Soaked, soak};
pub use compose::{Composition, compose};
pub use corpus::{Corpus, CorpusError};
