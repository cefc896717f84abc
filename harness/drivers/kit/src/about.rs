//! What an engine says of itself: the answer to `hello`.

use serde_json::{Map, Value, json};

/// A driver as it introduces itself.
#[derive(Clone, Debug)]
pub struct About {
    name: String,
    version: String,
    extras: Vec<&'static str>,
    levels: Vec<(Level, Promise, Promise)>,
    detects_damage: bool,
    shows_what_lasts: bool,
    options: &'static [&'static str],
}

/// How durable a commit is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is to survive a power cut.
    Sync,
    /// It is to survive the end of the process.
    Buffered,
    /// It need not survive.
    None,
}

/// What of the commits of a level survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every one that was acknowledged.
    Durable,
    /// Those up to some point of their order.
    Prefix,
    /// Any set, each of them whole.
    Atomic,
    /// Nothing is promised.
    Nothing,
}

impl About {
    /// An engine that offers what every driver of this kit does, and promises nothing yet.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            extras: Vec::new(),
            levels: Vec::new(),
            detects_damage: false,
            shows_what_lasts: false,
            options: &[],
        }
    }

    /// [`Engine::sync`](crate::Engine::sync) is there.
    #[must_use]
    pub fn syncs(self) -> Self {
        self.with("sync")
    }

    /// [`Engine::checkpoint`](crate::Engine::checkpoint) is there.
    #[must_use]
    pub fn makes_checkpoints(self) -> Self {
        self.with("checkpoint")
    }

    /// [`Engine::verify`](crate::Engine::verify) is there.
    #[must_use]
    pub fn verifies(self) -> Self {
        self.with("verify")
    }

    /// What survives of the commits of a level: the end of the process, and a power cut.
    #[must_use]
    pub fn level(mut self, level: Level, process: Promise, power: Promise) -> Self {
        self.levels.push((level, process, power));
        self
    }

    /// Damage at rest to any one place is harmless, or answered with an error of the kind `corruption`.
    #[must_use]
    pub fn detects_damage(mut self) -> Self {
        self.detects_damage = true;
        self
    }

    /// What the database shows when it is opened again is durable from then on, whether or not it was ever acknowledged.
    #[must_use]
    pub fn shows_what_lasts(mut self) -> Self {
        self.shows_what_lasts = true;
        self
    }

    /// The names of the options that `open` knows.
    #[must_use]
    pub fn options(mut self, names: &'static [&'static str]) -> Self {
        self.options = names;
        self
    }

    fn with(mut self, extra: &'static str) -> Self {
        self.extras.push(extra);
        self
    }

    pub(crate) fn knows(&self, option: &str) -> bool {
        self.options.contains(&option)
    }

    pub(crate) fn known_options(&self) -> String {
        self.options.join(", ")
    }

    pub(crate) fn offers(&self, level: Level) -> bool {
        self.levels.iter().any(|(known, ..)| *known == level)
    }

    /// The members of the answer.
    pub(crate) fn members(&self) -> Value {
        let mut capabilities = vec!["delete", "multi", "scan"];
        capabilities.extend(&self.extras);
        let levels = self.levels.iter().map(|(level, process, power)| {
            let promise = json!({"process": process.name(), "power": power.name()});
            (level.name().to_owned(), promise)
        });
        let mut promises = json!({"levels": levels.collect::<Map<_, _>>()});
        let damage = if self.detects_damage {
            "detected"
        } else {
            "nothing"
        };
        promises["damage"] = damage.into();
        if self.shows_what_lasts {
            promises["shown"] = "durable".into();
        }
        json!({"protocol": 1, "name": self.name, "version": self.version, "capabilities": capabilities, "promises": promises})
    }
}

impl Level {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Buffered => "buffered",
            Self::None => "none",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let levels = [Self::Sync, Self::Buffered, Self::None];
        levels.into_iter().find(|level| level.name() == name)
    }
}

impl Promise {
    const fn name(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Prefix => "prefix",
            Self::Atomic => "atomic",
            Self::Nothing => "nothing",
        }
    }
}
