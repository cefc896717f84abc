//! Transactions that commit in one group, and in several, against a simple model.

mod groups;
mod model;
mod support;
