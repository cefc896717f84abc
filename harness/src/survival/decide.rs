//! One survival: what was asked, what was answered, and what is still open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use num_bigint::BigUint;

use super::decisions::Decisions;
use super::search::Plan;
use super::undecided::Undecided;
use crate::trace::{DiskState, InodeId, LostCuts, Names, Order};

/// Something that a power cut leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// Which changes of names survive.
    Names,
    /// How long a file is.
    Len(InodeId),
    /// What the sector of a file at an offset holds.
    Sector(InodeId, u64),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be decided.
    pub variable: Variable,
    /// How many answers there are.
    pub branches: u32,
}

/// A question with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The question.
    pub request: Request,
    /// The answer, below the number of branches.
    pub chosen: u32,
}

/// A survival that is decided as it is asked for. Clones are one.
#[derive(Clone, Debug)]
pub struct Survival {
    undecided: Arc<Undecided>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    log: Vec<Decision>,
    names: Option<usize>,
    lens: BTreeMap<InodeId, u64>,
    sectors: BTreeMap<(InodeId, u64), Order>,
    contents: BTreeMap<(InodeId, u64), Arc<[u8]>>,
    strayed: Option<String>,
}

impl Survival {
    /// Nothing is decided; answers will come from `plan`.
    pub fn new(undecided: Arc<Undecided>, plan: Plan) -> Self {
        let state = State {
            plan,
            ..State::default()
        };
        Self {
            undecided,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The variables.
    pub fn undecided(&self) -> &Arc<Undecided> {
        &self.undecided
    }

    /// What was decided, in order.
    pub fn log(&self) -> Vec<Decision> {
        self.state().log.clone()
    }

    /// The answers given.
    pub fn decisions(&self) -> Decisions {
        let state = self.state();
        Decisions::new(state.log.iter().map(|decision| decision.chosen).collect())
    }

    /// How the questions differed from those that the plan answers, if they did: it was made for other ones, or was not
    /// used up.
    pub fn strayed(&self) -> Option<String> {
        let state = self.state();
        let unused = state.plan.steps.len().saturating_sub(state.log.len());
        let unused = (unused > 0).then(|| format!("{unused} decisions were never asked for"));
        state.strayed.clone().or(unused)
    }

    /// The number of legal states that agree with all decisions.
    pub fn weight(&self) -> BigUint {
        let state = self.state();
        let undecided = &self.undecided;
        if undecided.names().len() > 1 && state.names.is_none() {
            return undecided.states().clone();
        }
        let names = &undecided.names()[state.names.unwrap_or(0)];
        let files = undecided
            .files_of(names)
            .map(|(inode, file)| match state.lens.get(&inode) {
                None => file.states(),
                Some(&len) => {
                    file.states_beside(len, |offset| state.sectors.contains_key(&(inode, offset)))
                }
            });
        files.product()
    }

    /// One of the legal states that agree with all decisions: what is open survives, or is lost.
    pub fn representative(&self, open: Open) -> DiskState {
        let state = self.state();
        let before = self.undecided.before();
        let names = match (state.names, open) {
            (Some(chosen), _) => self.undecided.names()[chosen].clone(),
            (None, Open::Survives) => before.names().survivor(|_| true),
            (None, Open::Lost) => before.names().survivor(|_| false),
        };
        before.survivor(names, |inode, file| {
            let sizes: Vec<_> = file.sizes().collect();
            let open_len = match open {
                Open::Survives => sizes.last(),
                Open::Lost => sizes.first(),
            };
            let open_len = open_len.map_or(0, |size| size.len);
            let len = state.lens.get(&inode).copied().unwrap_or(open_len);
            let given_by = sizes.iter().rev().find(|size| size.len == len);
            let cuts = given_by.map_or_else(LostCuts::default, |size| file.cuts_after(size.order));
            file.survivor(len, |offset, order| {
                match state.sectors.get(&(inode, offset)) {
                    Some(&chosen) => order == chosen,
                    None => open == Open::Survives && !cuts.took(offset, order),
                }
            })
        })
    }

    /// The names that survived.
    pub(crate) fn decide_names(&self) -> Names {
        let mut state = self.state();
        let names = self.undecided.names();
        let chosen = match state.names {
            Some(chosen) => chosen,
            None => state.choose(Variable::Names, names.len()),
        };
        state.names = Some(chosen);
        names[chosen].clone()
    }

    /// The length that survived, if it is one of what is open.
    pub(crate) fn decide_len(&self, inode: InodeId) -> Option<u64> {
        let file = self.undecided.file(inode)?;
        let mut state = self.state();
        if let Some(&len) = state.lens.get(&inode) {
            return Some(len);
        }
        let chosen = state.choose(Variable::Len(inode), file.lens_count());
        let len = file.len_at(chosen);
        state.lens.insert(inode, len);
        Some(len)
    }

    /// What survived of a sector, cut at the file's length; that is decided first.
    pub(crate) fn decide_sector(&self, inode: InodeId, offset: u64) -> Option<Arc<[u8]>> {
        let len = self.decide_len(inode)?;
        let file = self.undecided.file(inode)?;
        let mut state = self.state();
        if let Some(known) = state.contents.get(&(inode, offset)) {
            return Some(Arc::clone(known));
        }
        let contents = file.contents(offset, len);
        let chosen = state.choose(Variable::Sector(inode, offset), contents.len());
        let content = contents.get(chosen)?;
        let kept = file.kept(offset, len);
        let bytes = if kept == content.bytes.len() {
            Arc::clone(&content.bytes)
        } else {
            Arc::from(&content.bytes[..kept])
        };
        state.sectors.insert((inode, offset), content.order);
        state.contents.insert((inode, offset), Arc::clone(&bytes));
        Some(bytes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned state is whole: nothing in it panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of what was never asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It survives.
    Survives,
    /// It is lost.
    Lost,
}

impl State {
    fn choose(&mut self, variable: Variable, branches: usize) -> usize {
        if branches <= 1 {
            return 0;
        }
        let request = Request {
            variable,
            branches: u32::try_from(branches).unwrap_or(u32::MAX),
        };
        let step = self.plan.steps.get(self.log.len()).copied();
        let mut chosen = step.map_or(0, |step| step.chosen);
        let expected = step.and_then(|step| step.request);
        if let Some(expected) = expected.filter(|expected| *expected != request) {
            let strayed = || format!("{request:?} where {expected:?} was asked before");
            self.strayed.get_or_insert_with(strayed);
        }
        if chosen >= request.branches {
            let strayed = || format!("{request:?} has no branch {chosen}");
            self.strayed.get_or_insert_with(strayed);
            chosen = 0;
        }
        self.log.push(Decision { request, chosen });
        usize::try_from(chosen).unwrap_or(0)
    }
}
