//! The targets there are, by name.

use super::Target;
use super::driver::Driver;
use super::guest::guest;
use super::lightning::Lightning;
use super::redb::{Current, Redb, V4_1_0};
#[cfg(feature = "sqlite")]
use super::sqlite::Sqlite;
use super::toy::Toy;

/// The names of all targets, the default one first.
pub const TARGETS: &[&str] = &[
    "lightning",
    "redb",
    "redb-4.1.0",
    #[cfg(feature = "sqlite")]
    "sqlite",
    "toy",
];

/// The target of that name: one of those, any program, as `driver:COMMAND`, or the guest of this thread.
pub fn find(name: &str) -> Option<Box<dyn Target>> {
    match name {
        "lightning" => Some(Box::new(Lightning::default())),
        "redb" => Some(Box::new(Redb::<Current>::default())),
        "redb-4.1.0" => Some(Box::new(Redb::<V4_1_0>::default())),
        #[cfg(feature = "sqlite")]
        "sqlite" => Some(Box::new(Sqlite)),
        "toy" => Some(Box::new(Toy::default())),
        _ => guest(name)
            .or_else(|| Driver::named(name).map(|driver| Box::new(driver) as Box<dyn Target>)),
    }
}
