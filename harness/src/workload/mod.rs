//! What clients do to a target, and what they note about it.
//!
//! Everything is drawn from one generator, so a run is repeated by its seed. A workload needs no state of the
//! database to go on after a recovery: it reads what it has to know, and only its sequence numbers continue.
//! Nothing here knows disks, crashes or verdicts.

mod act;
mod clients;
mod desk;
mod open;
mod record;
mod script;
mod tables;
mod taken;
mod upkeep;
mod work;

mod bank;
mod contended;
mod kv;
mod plan;

pub use act::catalog_value;
pub use clients::{Clients, Stopped};
pub use desk::{Desk, Marks};
pub use plan::Setting;
pub use record::{Features, Noted, Record};
pub use script::{Line, LineError, Script};
pub use taken::Taken;
