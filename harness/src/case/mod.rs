//! What replays a case: a printed string or a case file.

mod commit;
mod identity;

mod file;
mod replay_string;

pub use commit::COMMIT;
pub use file::{CaseFile, CaseFileError};
pub use identity::{CaseIdentity, Mismatch};
pub use replay_string::ReplayStringError;
