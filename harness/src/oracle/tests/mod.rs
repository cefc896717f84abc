//! The oracle against one that enumerates, and against histories made by hand.

mod lists;
mod story;

mod reference;

mod brute_force;
mod orders_of_lists;

mod anomalies;
mod doubts;
mod illegal;
mod isolation;
mod schedules;
mod verdicts;
