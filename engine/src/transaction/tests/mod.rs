//! Transactions that commit in one group, and in several, against a simple model.

mod groups;
mod large_groups;
mod model;
mod support;
