//! The oracle against one that enumerates, and against histories made by hand.

mod story;

mod reference;

mod brute_force;

mod illegal;
mod isolation;
mod schedules;
mod verdicts;
