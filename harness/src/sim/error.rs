//! The failures that only a simulated disk has.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// Why a simulated disk refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SimError {
    /// The power is off: the run ends here.
    #[error("the power is off")]
    PowerOff,
    /// More calls than the budget allows: a hang.
    #[error("the budget of operations is used up")]
    Hang,
}

impl SimError {
    /// The simulated disk's failure at the root of `error`, however the engine wrapped it.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = Self::here(error) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    fn here(error: &(dyn Error + 'static)) -> Option<Self> {
        let io = error.downcast_ref::<io::Error>().or_else(|| {
            error
                .downcast_ref::<Arc<io::Error>>()
                .map(|shared| &**shared)
        });
        let error = io.map_or(Some(error), |io| io.get_ref().map(|inner| inner as _));
        error?.downcast_ref::<Self>().copied()
    }
}

impl From<SimError> for io::Error {
    fn from(error: SimError) -> Self {
        Self::other(error)
    }
}
