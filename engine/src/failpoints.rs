//! Named places in the engine's protocols, for tests that must stop it exactly there.
//!
//! What happens at a place is decided by two parties, in this order:
//!
//! 1. An [`Observer`] of the thread that reaches it, if there is one: it sees each place as it is reached, and may let it fail. Nothing
//!    of it is shared between threads, so tests that run beside each other do not meet.
//! 2. The crate `fail`: actions for all of the process, by [`arm`] or, with [`arm_from_environment`], from the variable `FAILPOINTS`.
//!
//! The catalogue is complete at link time: a place needs not be reached to be in it. A process in which nothing is armed and nobody
//! observes pays a counter and two tests a place.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What each use of the macro leaves for the catalogue.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static Failpoint);

inventory::collect!(Registered);

/// Whether an action was ever set for all of the process.
static ARMED: AtomicBool = AtomicBool::new(false);

/// The variable that [`arm_from_environment`] reads.
pub const VARIABLE: &str = "FAILPOINTS";

/// A named place.
#[derive(Debug)]
pub struct Failpoint {
    name: &'static str,
    can_fail: bool,
    reached: AtomicU64,
}

/// There is no place of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// There is no place of this name.
    #[error("there is no failpoint `{0}`")]
    Unknown(String),
    /// The crate `fail` does not understand the action.
    #[error("`{action}` is no action for failpoint `{name}`: {reason}")]
    Action {
        /// The place.
        name: String,
        /// The action.
        action: String,
        /// Why.
        reason: String,
    },
}

/// Sees places as they are reached.
pub trait Observer: Send + Sync {
    /// The calling thread is at a place. An error lets it fail, if it can.
    fn reached(&self, point: &'static Failpoint) -> Option<io::Error>;
}

thread_local! {
    static OBSERVER: RefCell<Option<Arc<dyn Observer>>> = const { RefCell::new(None) };
}

/// The calling thread's observer until this is dropped; then the one before it.
pub struct Watch {
    before: Option<Arc<dyn Observer>>,
}

impl Failpoint {
    #[doc(hidden)]
    pub const fn new(name: &'static str, can_fail: bool) -> Self {
        let reached = AtomicU64::new(0);
        Self {
            name,
            can_fail,
            reached,
        }
    }

    /// Its name, such as `wal.sync.before`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it can fail.
    pub const fn can_fail(&self) -> bool {
        self.can_fail
    }

    /// How often this process has reached it.
    pub fn reached(&self) -> u64 {
        self.reached.load(Relaxed)
    }
}

impl Watch {
    /// Lets `observer` see the places that the calling thread reaches.
    #[must_use]
    pub fn by(observer: Option<Arc<dyn Observer>>) -> Self {
        let before = OBSERVER.replace(observer);
        Self { before }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let before = self.before.take();
        drop(OBSERVER.try_with(|observer| observer.replace(before)));
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// All places, by name.
pub fn catalogue() -> Vec<&'static Failpoint> {
    let mut all: Vec<_> = inventory::iter::<Registered>
        .into_iter()
        .map(|registered| registered.0)
        .collect();
    all.sort_unstable_by_key(|point| point.name);
    all
}

/// The place of this name.
pub fn find(name: &str) -> Option<&'static Failpoint> {
    let mut all = inventory::iter::<Registered>
        .into_iter()
        .map(|registered| registered.0);
    all.find(|point| point.name == name)
}

/// Sets what happens at a place, in all threads, in the words of the crate `fail`: `"3*off->1*return(5)->off"`, `"sleep(20)"`. What
/// `return` gives is the number of the system's error; without one it is an error of the device.
pub fn arm(name: &str, action: &str) -> Result<(), ArmError> {
    let point = known(name)?;
    fail::cfg(point.name, action).map_err(|reason| ArmError::Action {
        name: name.to_owned(),
        action: action.to_owned(),
        reason,
    })?;
    ARMED.store(true, Relaxed);
    Ok(())
}

/// Calls `callback` in each thread that reaches a place.
pub fn arm_with(name: &str, callback: impl Fn() + Send + Sync + 'static) -> Result<(), ArmError> {
    let point = known(name)?;
    // It fails only for an action that cannot be read, and a callback is none.
    fail::cfg_callback(point.name, callback).map_err(|reason| ArmError::Action {
        name: name.to_owned(),
        action: "callback".to_owned(),
        reason,
    })?;
    ARMED.store(true, Relaxed);
    Ok(())
}

/// Sets what the variable [`VARIABLE`] asks for: `wal.sync.before=panic;map.seal.after=return`.
pub fn arm_from_environment() -> Result<(), ArmError> {
    let Ok(text) = std::env::var(VARIABLE) else {
        return Ok(());
    };
    let entries = text.split(';').filter(|entry| !entry.trim().is_empty());
    for entry in entries {
        let (name, action) = entry.split_once('=').unwrap_or((entry, ""));
        arm(name.trim(), action.trim())?;
    }
    Ok(())
}

/// Lets nothing happen at a place any more.
pub fn disarm(name: &str) {
    fail::remove(name);
}

fn known(name: &str) -> Result<&'static Failpoint, ArmError> {
    find(name).ok_or_else(|| ArmError::Unknown(name.to_owned()))
}

/// A place that can only be passed.
#[doc(hidden)]
pub fn pass(point: &'static Failpoint) {
    drop(reach(point));
}

/// A place that may fail.
#[doc(hidden)]
pub fn reach(point: &'static Failpoint) -> Option<io::Error> {
    point.reached.fetch_add(1, Relaxed);
    // A thread that ends may have none any more.
    let observer = OBSERVER.try_with(|observer| observer.borrow().clone());
    if let Ok(Some(observer)) = observer {
        return observer.reached(point);
    }
    if ARMED.load(Relaxed) {
        fail::fail_point!(point.name, |number| Some(error_of(number)));
    }
    None
}

/// The error that an action asks for.
fn error_of(number: Option<String>) -> io::Error {
    const EIO: i32 = 5;
    let number = number.and_then(|number| number.trim().parse().ok());
    io::Error::from_raw_os_error(number.unwrap_or(EIO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn place() -> Result<(), crate::error::StorageError> {
        failpoint!("test.place", fails);
        Ok(())
    }

    fn armed_place() -> Result<(), crate::error::StorageError> {
        failpoint!("test.armed", fails);
        Ok(())
    }

    #[derive(Default)]
    struct Note(Mutex<Vec<&'static str>>);

    impl Observer for Note {
        fn reached(&self, point: &'static Failpoint) -> Option<io::Error> {
            let mut seen = self.0.lock().unwrap();
            seen.push(point.name());
            (seen.len() == 2).then(|| io::Error::from_raw_os_error(28))
        }
    }

    #[test]
    fn a_place_is_in_the_catalogue_before_it_is_reached() {
        let point = find("test.place").expect("registered at link time");
        assert!(point.can_fail());
        assert!(find("test.plaice").is_none());
        let names: Vec<_> = catalogue().iter().map(|point| point.name()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted, "each name once");
    }

    #[test]
    fn an_observer_sees_its_own_thread_and_may_let_a_place_fail() {
        let note = Arc::new(Note::default());
        let watch = Watch::by(Some(Arc::clone(&note) as _));
        std::thread::scope(|scope| {
            scope.spawn(|| place().unwrap()).join().unwrap();
        });
        assert!(place().is_ok());
        assert!(place().unwrap_err().is_full(), "ENOSPC");
        drop(watch);
        assert!(place().is_ok());
        assert_eq!(*note.0.lock().unwrap(), ["test.place"; 2]);
    }

    #[test]
    fn an_action_of_the_process_counts_and_a_typo_is_refused() {
        arm("test.armed", "1*off->1*return(28)->off").unwrap();
        assert!(armed_place().is_ok());
        assert!(armed_place().unwrap_err().is_full());
        assert!(armed_place().is_ok());
        disarm("test.armed");
        assert_eq!(
            arm("test.arned", "off"),
            Err(ArmError::Unknown("test.arned".to_owned()))
        );
        assert!(matches!(
            arm("test.armed", "jump"),
            Err(ArmError::Action { .. })
        ));
    }
}
