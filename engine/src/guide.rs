//! The manual, a page a subject. The examples are compiled and run with the tests.

#[doc = include_str!("../guide/opening.md")]
pub mod opening {}

#[doc = include_str!("../guide/transactions.md")]
pub mod transactions {}

#[doc = include_str!("../guide/reading.md")]
pub mod reading {}

#[doc = include_str!("../guide/typed_tables.md")]
pub mod typed_tables {}

#[doc = include_str!("../guide/backups.md")]
pub mod backups {}

#[doc = include_str!("../guide/tuning.md")]
pub mod tuning {}

#[doc = include_str!("../guide/metrics.md")]
pub mod metrics {}

#[doc = include_str!("../guide/recovery.md")]
pub mod recovery {}

#[doc = include_str!("../guide/damage.md")]
pub mod damage {}

#[doc = include_str!("../guide/limits.md")]
pub mod limits {}

#[doc = include_str!("../guide/errors.md")]
pub mod errors {}
