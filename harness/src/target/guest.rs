//! A target that is code of whoever tests: it has its name on the threads that host it, and nowhere else.

use std::cell::RefCell;
use std::sync::Arc;

use lightning_db::disk::Disk;

use super::{
    Ability, Copied, KnownOption, Mode, OptionError, Options, Promises, Session, Target,
    TargetError,
};
use crate::sim::SimDisk;

thread_local! {
    static GUEST: RefCell<Option<Arc<dyn Target>>> = const { RefCell::new(None) };
}

/// A thread's guest, until it is dropped; then the one before it is back.
#[derive(Debug)]
pub struct Hosted {
    before: Option<Arc<dyn Target>>,
}

/// Lets a target be found by its name on this thread.
#[must_use]
pub fn host(target: Arc<dyn Target>) -> Hosted {
    let before = GUEST.replace(Some(target));
    Hosted { before }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        GUEST.set(self.before.take());
    }
}

/// This thread's guest, if it has this name.
pub(super) fn guest(name: &str) -> Option<Box<dyn Target>> {
    let guest = GUEST.with_borrow(Option::clone)?;
    (guest.name() == name).then(|| Box::new(Shared(guest)) as Box<dyn Target>)
}

/// A target that others have as well.
#[derive(Debug)]
struct Shared(Arc<dyn Target>);

impl Target for Shared {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn can(&self, ability: Ability) -> bool {
        self.0.can(ability)
    }

    fn known_options(&self) -> &'static [KnownOption] {
        self.0.known_options()
    }

    fn promises(&self, options: &Options) -> Promises {
        self.0.promises(options)
    }

    fn variants(&self) -> Vec<Options> {
        self.0.variants()
    }

    fn check_options(&self, options: &Options) -> Result<(), OptionError> {
        self.0.check_options(options)
    }

    fn is_log(&self, name: &str) -> bool {
        self.0.is_log(name)
    }

    fn restore(
        &self,
        from: Arc<dyn Disk>,
        copy: Copied<'_>,
        options: &Options,
        to: Arc<dyn Disk>,
    ) -> Result<(), TargetError> {
        self.0.restore(from, copy, options, to)
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        self.0.open(disk, options, mode)
    }

    fn open_simulated(
        &self,
        disk: &SimDisk,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        self.0.open_simulated(disk, options, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::super::toy::Toy;
    use super::*;

    #[derive(Debug)]
    struct Named(Toy);

    impl Target for Named {
        fn name(&self) -> &'static str {
            "guest"
        }

        fn open(
            &self,
            disk: Arc<dyn Disk>,
            options: &Options,
            mode: Mode,
        ) -> Result<Box<dyn Session>, TargetError> {
            self.0.open(disk, options, mode)
        }
    }

    #[test]
    fn a_guest_is_found_where_it_is_hosted_and_only_there() {
        let hosted = host(Arc::new(Named(Toy::default())));
        assert_eq!(find("guest").unwrap().name(), "guest");
        assert_eq!(find("toy").unwrap().name(), "toy");
        let elsewhere = std::thread::spawn(|| find("guest").is_some());
        assert!(!elsewhere.join().unwrap());
        drop(hosted);
        assert!(find("guest").is_none());
    }
}
