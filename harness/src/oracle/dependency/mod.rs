//! Which transactions of a history depend on which, and the shortest circle of dependencies that its isolation level forbids.
//!
//! After Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions" (1999), the
//! order of versions recovered from what was read as in Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations" (2020). See docs/design/isolation.md. This gives violations their names and their evidence; what it has nothing to say
//! about (rows that are deleted, moments of views) `isolation` searches.

mod anomaly;
mod cast;
mod cycle;
mod graph;
mod judge;
mod row;
