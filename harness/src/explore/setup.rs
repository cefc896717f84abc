//! What is the same for all lives of a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::failpoint::Places;
use crate::batch::{Batch, ExploreError, PlantSwitch};
use crate::oracle::History;
use crate::rng::Rng;
use crate::scenario::{
    CheckKind, CrashModel, Elision, FailpointFault, Fault, FileGlob, IoError, Plant,
};
use crate::sim::SimConfig;
use crate::target::{self, Ability, Options, Promises, Spoiled, Target};
use crate::workload::{Clients, Setting};

/// Calls that a first life may make.
const CALLS_OF_A_RUN_MAX: u64 = 20_000_000;
/// Calls that a life that begins with a recovery may make.
const CALLS_OF_A_RECOVERY_MAX: u64 = 200_000;
/// Turns that all threads of a life may take together.
const TURNS_MAX: u64 = 5_000_000;
/// Of all that, one part in so many is waited for by those who look for a hang in one state after another.
const HASTE: u64 = 20;

/// How long a target is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// As long as it takes to call it a hang.
    Full,
    /// Much shorter: what hangs then is looked at again with full patience before anything is said of it.
    Short,
}

impl Patience {
    fn of(self, most: u64) -> u64 {
        match self {
            Self::Full => most,
            Self::Short => most / HASTE,
        }
    }
}

/// The place of a plant in its scenario's file.
pub(super) type PlantNumber = usize;

/// What is the same for all lives of a batch.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) batch: Batch,
    pub(super) target: Box<dyn Target>,
    pub(super) options: Options,
    /// What the target promises with these options.
    pub(super) promises: Promises,
    pub(super) rng: Rng,
    elisions: Vec<(PlantNumber, Elision)>,
    ignored: Vec<(PlantNumber, FileGlob)>,
    /// How often each bug of the target showed.
    bugs: Vec<(PlantNumber, Arc<AtomicU64>)>,
    setting: Setting,
    /// The named places of the engine at which something happens.
    pub(super) places: Arc<Places>,
    /// Of all that makes the same image another case.
    pub(super) digest: u64,
    patience: Patience,
}

impl Setup {
    pub(super) fn new(batch: &Batch) -> Result<Self, ExploreError> {
        let target = target::find(&batch.target).ok_or_else(|| ExploreError::UnknownTarget {
            name: batch.target.clone(),
            known: target::TARGETS
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
        })?;
        Self::on(batch, target)
    }

    /// For a target that need not be among those with a name.
    pub(super) fn on(batch: &Batch, target: Box<dyn Target>) -> Result<Self, ExploreError> {
        let rng = Rng::from_seed(batch.seed).split(&batch.scenario.id, u64::from(batch.run));
        let options = draw_options(batch, target.name(), &rng);
        target
            .check_options(&options)
            .map_err(|error| ExploreError::Option {
                target: batch.target.clone(),
                option: error.name.clone(),
                reason: error.reason,
            })?;
        let (target, bugs) = with_bugs(batch, target);
        let promises = target.promises(&options);
        refuse_without_promise(batch, &promises)?;
        let may_take_turns = target.can(Ability::Threads) || target.is_a_process();
        if batch.scenario.workload.has_threads() && !may_take_turns {
            let target = batch.target.clone();
            return Err(ExploreError::NoThreads { target });
        }
        let setting = Setting {
            abilities: Ability::ALL
                .into_iter()
                .filter(|&ability| target.can(ability))
                .collect(),
            roll_back: promises.roll_back(),
            levels: promises.levels().collect(),
            disk_is_limited: options.contains_key("disk_bytes"),
        };
        let elisions = elisions(batch);
        let ignored = ignored(batch);
        let digest = digest(batch, &options);
        Ok(Self {
            batch: batch.clone(),
            target,
            options,
            promises,
            rng,
            elisions,
            ignored,
            bugs,
            setting,
            places: Arc::new(Places::of(&batch.scenario)),
            digest,
            patience: Patience::Full,
        })
    }

    /// The same with little patience, if what is wanted is a hang: each state that shows it costs all the patience that there is.
    #[must_use]
    pub(super) fn in_search_of(self, wanted: &str) -> Self {
        let patience = if is_hang(wanted) {
            Patience::Short
        } else {
            Patience::Full
        };
        Self { patience, ..self }
    }

    /// Whether a target is waited for less than it takes to call it a hang.
    pub(super) fn is_hasty(&self) -> bool {
        self.patience == Patience::Short
    }

    /// Turns that all threads of a life may take together.
    pub(super) fn turns_max(&self) -> u64 {
        self.patience.of(TURNS_MAX)
    }

    /// The clients of a database with this history.
    pub(super) fn clients(&self, rng: Rng, history: &History) -> Clients {
        let first = history.next_sequence().max(1);
        Clients::new(
            &self.batch.scenario.workload,
            self.setting.clone(),
            rng,
            first,
        )
    }

    /// The scenario's plants that are elisions, by their places in the file.
    pub(super) fn elided_by(&self) -> impl Iterator<Item = PlantNumber> + '_ {
        self.elisions.iter().map(|&(plant, _)| plant)
    }

    /// The scenario's plants that are ignored failures, by their places in the file.
    pub(super) fn ignored_by(&self) -> impl Iterator<Item = PlantNumber> + '_ {
        self.ignored.iter().map(|&(plant, _)| plant)
    }

    /// The scenario's plant that mounts without barriers, by its place in the file.
    pub(super) fn without_barriers(&self) -> Option<PlantNumber> {
        let mut plants = plants(&self.batch);
        plants.find_map(|(place, plant)| matches!(plant, Plant::NoBarriers(_)).then_some(place))
    }

    /// How often each plant that is a bug of the target showed so far, by its place in the file.
    pub(super) fn bugs_shown(&self) -> impl Iterator<Item = (PlantNumber, u64)> + '_ {
        self.bugs
            .iter()
            .map(|(plant, shown)| (*plant, shown.load(Relaxed)))
    }

    /// The errors of storage or of steps of the target, if there are any.
    pub(super) fn io_error(&self) -> Option<IoError> {
        let scenario = &self.batch.scenario;
        let of_storage = scenario.io_error().map(|(_, fault)| fault.clone());
        let mut failpoints = scenario.failpoints();
        of_storage.or_else(|| failpoints.find_map(FailpointFault::as_io_error))
    }

    /// The disk of a first life.
    pub(super) fn run_config(&self) -> SimConfig {
        self.config(CALLS_OF_A_RUN_MAX)
    }

    /// The disk of a life that begins with a recovery.
    pub(super) fn recovery_config(&self) -> SimConfig {
        self.config(CALLS_OF_A_RECOVERY_MAX)
    }

    /// The disk that a backup is restored to.
    pub(super) fn restore_config() -> SimConfig {
        SimConfig {
            operation_budget: CALLS_OF_A_RECOVERY_MAX,
            ..SimConfig::default()
        }
    }

    fn config(&self, operation_budget: u64) -> SimConfig {
        SimConfig {
            operation_budget: self.patience.of(operation_budget),
            elide: self.elisions.iter().map(|(_, e)| e.clone()).collect(),
            ignore: self.ignored.iter().map(|(_, file)| file.clone()).collect(),
            latency: self.batch.scenario.latency().cloned(),
            ..SimConfig::default()
        }
    }
}

/// Whether a fingerprint is that of a hang.
pub(super) fn is_hang(fingerprint: &str) -> bool {
    let check = CheckKind::NoHang.name();
    let rest = fingerprint.strip_prefix(check);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Where a target promises nothing, a verdict would be an accusation without a ground.
fn refuse_without_promise(batch: &Batch, promises: &Promises) -> Result<(), ExploreError> {
    let mut models = batch.scenario.faults.iter().flat_map(|fault| match fault {
        Fault::PowerLoss(fault) => fault.model.as_slice(),
        _ => &[],
    });
    match models.find(|&&model| model == CrashModel::Media) {
        Some(model) if !promises.survive_torn_sectors() => Err(ExploreError::NothingPromised {
            target: batch.target.clone(),
            model: model.to_string(),
        }),
        _ => Ok(()),
    }
}

/// The options of a run, drawn where a scenario gives several, or given.
pub fn draw_options(batch: &Batch, target: &str, rng: &Rng) -> Options {
    let asked = batch.scenario.options.get(target);
    let mut rng = rng.split("options", 0);
    let mut draw = |values: &[String]| rng.pick(values).cloned().unwrap_or_default();
    let mut drawn: Options = asked
        .into_iter()
        .flatten()
        .map(|(name, values)| (name.clone(), draw(values.as_slice())))
        .collect();
    drawn.extend(batch.options.clone());
    drawn
}

/// The plants that are active, by their places in the file.
fn plants(batch: &Batch) -> impl Iterator<Item = (PlantNumber, &Plant)> {
    let active = batch.plants == PlantSwitch::Planted;
    let plants = batch.scenario.plants.iter().enumerate();
    plants.filter(move |_| active)
}

fn elisions(batch: &Batch) -> Vec<(PlantNumber, Elision)> {
    let elision = |(place, plant): (PlantNumber, &Plant)| match plant {
        Plant::Elision(elision) => Some((place, elision.clone())),
        _ => None,
    };
    plants(batch).filter_map(elision).collect()
}

fn ignored(batch: &Batch) -> Vec<(PlantNumber, FileGlob)> {
    let ignored = |(place, plant): (PlantNumber, &Plant)| match plant {
        Plant::IgnoredFailure(ignored) => Some((place, ignored.file.clone())),
        _ => None,
    };
    plants(batch).filter_map(ignored).collect()
}

type Bugs = Vec<(PlantNumber, Arc<AtomicU64>)>;

/// The target with the bugs that are planted in it.
fn with_bugs(batch: &Batch, mut target: Box<dyn Target>) -> (Box<dyn Target>, Bugs) {
    let mut bugs = Vec::new();
    for (place, plant) in plants(batch) {
        if let Plant::Bug(planted) = plant {
            let shown = Arc::new(AtomicU64::new(0));
            target = Box::new(Spoiled::new(target, planted.what, Arc::clone(&shown)));
            bugs.push((place, shown));
        }
    }
    (target, bugs)
}

fn digest(batch: &Batch, options: &Options) -> u64 {
    let mut hasher = Xxh3::new();
    let mut put = |text: &str| hasher.update(&xxh3_64(text.as_bytes()).to_le_bytes());
    put(&batch.target);
    for (name, value) in options {
        put(name);
        put(value);
    }
    for (_, plant) in plants(batch) {
        put(&plant.to_string());
    }
    hasher.digest()
}
