//! The engine's named places, as far as this build has them (feature `failpoints`).
//!
//! A thread that is watched reports each place it reaches to its watcher, which may let it fail. Nothing is shared between threads, so
//! what happens at a place follows from the run alone.

use std::io;
use std::sync::Arc;

/// A named place of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, such as `wal.sync.before`.
    pub name: &'static str,
    /// Whether it can fail.
    pub can_fail: bool,
}

/// Sees the places that a thread reaches.
pub trait Watcher: Send + Sync {
    /// A place is reached. An error lets it fail, if it can.
    fn reached(&self, name: &'static str) -> Option<io::Error>;
}

/// Who watches a thread, if anybody does.
pub type Watched = Option<Arc<dyn Watcher>>;

pub use built::{Watch, catalogue};

#[cfg(feature = "failpoints")]
mod built {
    use std::io;
    use std::sync::Arc;

    use lightning_db::failpoints::{self, Failpoint, Observer};

    use super::{Place, Watched, Watcher};

    /// All places, by name.
    pub fn catalogue() -> Vec<Place> {
        let place = |point: &'static Failpoint| Place {
            name: point.name(),
            can_fail: point.can_fail(),
        };
        failpoints::catalogue().into_iter().map(place).collect()
    }

    /// The calling thread is watched until this is dropped.
    #[derive(Debug)]
    pub struct Watch {
        _inner: Option<failpoints::Watch>,
    }

    impl Watch {
        /// Watches, if there is a watcher.
        #[must_use]
        pub fn by(watcher: &Watched) -> Self {
            let observer = |watcher: &Arc<dyn Watcher>| Arc::new(Seen(Arc::clone(watcher))) as _;
            let inner = watcher
                .as_ref()
                .map(|watcher| failpoints::Watch::by(Some(observer(watcher))));
            Self { _inner: inner }
        }

        /// Watches the calling thread for as long as it lives, if there is a watcher.
        pub fn for_good(watcher: &Watched) {
            std::mem::forget(Self::by(watcher));
        }
    }

    struct Seen(Arc<dyn Watcher>);

    impl Observer for Seen {
        fn reached(&self, point: &'static Failpoint) -> Option<io::Error> {
            self.0.reached(point.name())
        }
    }
}

#[cfg(not(feature = "failpoints"))]
mod built {
    use super::{Place, Watched};

    /// None: this build has no failpoints.
    pub fn catalogue() -> Vec<Place> {
        Vec::new()
    }

    /// Watches nothing: this build has no failpoints.
    #[derive(Debug)]
    pub struct Watch;

    impl Watch {
        /// Watches nothing.
        #[must_use]
        pub fn by(_: &Watched) -> Self {
            Self
        }

        /// Watches nothing.
        pub fn for_good(_: &Watched) {}
    }
}
