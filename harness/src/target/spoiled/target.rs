//! The target around which a bug is put.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lightning_db::disk::{Disk, MemoryDisk};

use super::super::{
    Ability, Copied, ErrorKind, KnownOption, Mode, OptionError, Options, Promises, Session, Target,
    TargetError,
};
use super::bugged::Bugged;
use super::careless::Careless;
use super::crossed::Crossed;
use super::deadlock::Deadlock;
use super::failed_group::{FailedGroup, KeptLock};
use super::second_recovery::SecondRecovery;
use super::session::SpoiledSession;
use super::storage::{self, Forgotten};
use crate::scenario::Bug;
use crate::sim::SimDisk;

/// What opening gives.
type Opened = Result<Box<dyn Session>, TargetError>;

/// A target with a bug.
#[derive(Debug)]
pub struct Spoiled {
    sound: Box<dyn Target>,
    bug: Bug,
    fired: Arc<AtomicU64>,
    forgotten: Forgotten,
}

impl Spoiled {
    /// Puts a bug into a target, and counts in `fired` how often it showed.
    pub fn new(sound: Box<dyn Target>, bug: Bug, fired: Arc<AtomicU64>) -> Self {
        Self {
            sound,
            bug,
            fired,
            forgotten: Forgotten::default(),
        }
    }

    fn fire(&self) {
        self.fired.fetch_add(1, Relaxed);
    }

    /// What the bug does before the database is opened, and to how it is opened.
    fn before_opening(&self, disk: &dyn Disk, options: &mut Options) {
        let is_there = !storage::is_empty(disk);
        match self.bug {
            Bug::NothingIsValidated if options.remove("isolation").is_some() => self.fire(),
            Bug::RecoveryLoops if is_there => {
                self.fire();
                storage::loop_for_ever(disk);
            }
            // What storage refuses the bug does not get.
            Bug::RecoveryReadsAgainAndAgain if is_there => {
                self.fire();
                let _ = storage::read_again_and_again(disk);
            }
            Bug::EveryOpeningLeavesAFile if is_there => {
                self.fire();
                let _ = storage::leave_a_file(disk);
            }
            Bug::SpaceIsNotGivenBack if is_there => {
                self.fire();
                let _ = storage::take_space(disk);
            }
            _ => {}
        }
    }

    fn session(
        &self,
        disk: &dyn Disk,
        was_there: bool,
        sound: Box<dyn Session>,
    ) -> Box<dyn Session> {
        let fired = Arc::clone(&self.fired);
        match self.bug {
            Bug::StaleReads
            | Bug::UncommittedIsRead
            | Bug::IntermediateIsRead
            | Bug::SnapshotMoves
            | Bug::ReadsAreNotValidated
            | Bug::RangesAreNotValidated
            | Bug::ConflictsAreOverruled
            | Bug::CommitInTwoParts => Box::new(Bugged::new(Crossed::new(self.bug, fired), sound)),
            Bug::DamageIsHidden | Bug::DamageIsReturned | Bug::DamageEndsTheProcess => {
                Box::new(Bugged::new(Careless::new(self.bug, fired), sound))
            }
            Bug::FailedGroupIsAcknowledged => Box::new(Bugged::new(FailedGroup::new(fired), sound)),
            Bug::FailedCommitKeepsItsLock => Box::new(Bugged::new(KeptLock::new(fired), sound)),
            Bug::LocksInTwoOrders => Box::new(Bugged::new(Deadlock::new(fired), sound)),
            Bug::SecondRecoveryHidesARow if was_there && storage::was_recovered_before(disk) => {
                Box::new(Bugged::new(SecondRecovery::new(fired), sound))
            }
            Bug::DescriptorsAreNotClosed => {
                if self.forgotten.open(disk).is_ok() {
                    self.fire();
                }
                sound
            }
            _ => Box::new(SpoiledSession::new(self.bug, fired, sound)),
        }
    }
}

impl Spoiled {
    /// Opens as the bug has it.
    fn open_by(
        &self,
        disk: &dyn Disk,
        options: &Options,
        open: &dyn Fn(&Options) -> Opened,
    ) -> Result<Box<dyn Session>, TargetError> {
        let mut options = options.clone();
        self.before_opening(disk, &mut options);
        let was_there = !storage::is_empty(disk);
        let sound = match open(&options) {
            Err(error) if self.bug == Bug::DamagedIsMadeAnew && is_damage(&error) => {
                self.fire();
                let anew = Arc::new(MemoryDisk::new());
                self.sound.open(anew, &options, Mode::CreateOrOpen)
            }
            Err(error) if self.bug == Bug::DamageEndsTheProcess && is_damage(&error) => {
                self.fire();
                panic!("a file is not what it should be: {error}");
            }
            opened => opened,
        }?;
        Ok(self.session(disk, was_there, sound))
    }
}

impl Target for Spoiled {
    fn name(&self) -> &'static str {
        self.sound.name()
    }

    fn can(&self, ability: Ability) -> bool {
        self.sound.can(ability)
    }

    fn known_options(&self) -> &'static [KnownOption] {
        self.sound.known_options()
    }

    fn promises(&self, options: &Options) -> Promises {
        self.sound.promises(options)
    }

    fn check_options(&self, options: &Options) -> Result<(), OptionError> {
        self.sound.check_options(options)
    }

    fn is_log(&self, name: &str) -> bool {
        self.sound.is_log(name)
    }

    fn restore(
        &self,
        from: Arc<dyn Disk>,
        copy: Copied<'_>,
        options: &Options,
        to: Arc<dyn Disk>,
    ) -> Result<(), TargetError> {
        let mut copy = copy;
        match self.bug {
            Bug::LastBackupIsNotRestored if copy.chain.len() > 1 => {
                self.fire();
                copy.chain = &copy.chain[..copy.chain.len() - 1];
            }
            Bug::RestoreGoesTooFar if copy.point.is_some() => {
                self.fire();
                copy.point = Some(u64::MAX);
            }
            _ => {}
        }
        self.sound.restore(from, copy, options, to)
    }

    fn open(
        &self,
        disk: Arc<dyn Disk>,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        self.open_by(&*disk, options, &|options| {
            self.sound.open(Arc::clone(&disk), options, mode)
        })
    }

    fn open_simulated(
        &self,
        disk: &SimDisk,
        options: &Options,
        mode: Mode,
    ) -> Result<Box<dyn Session>, TargetError> {
        self.open_by(disk, options, &|options| {
            self.sound.open_simulated(disk, options, mode)
        })
    }
}

fn is_damage(error: &TargetError) -> bool {
    matches!(error.kind, ErrorKind::Corruption | ErrorKind::Other)
}
