//! A case's identity as one shell word.
//!
//! `c1:` and nine fields with colons between them: commit, scenario digest, target, options
//! (`name=value`, or `name==value` for one that was given and not drawn; commas between), seed, run, plants, case, scenario file. Any other character than
//! letters, digits and `._/-` is written as `%` and two hexadecimal digits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::CaseIdentity;
use crate::batch::{CaseId, PlantSwitch};

const VERSION: &str = "c1";

/// A text that is no replay string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayStringError {
    /// Written by another version of the format, or something else altogether.
    #[error("`{0}` is no replay string known here: expected one that starts with `{VERSION}:`")]
    Version(String),
    /// Cut off, or with something added.
    #[error("a replay string has 10 parts with colons between them, this one has {0}")]
    Parts(usize),
    /// A part that makes no sense.
    #[error("the replay string's {part} `{text}` makes no sense")]
    Part {
        /// Which.
        part: &'static str,
        /// As given.
        text: String,
    },
}

impl fmt::Display for CaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<String> = self
            .options
            .iter()
            .map(|(k, v)| {
                let is = if self.given.contains(k) { "==" } else { "=" };
                format!("{}{is}{}", escaped(k), escaped(v))
            })
            .collect();
        let plants = match self.plants {
            PlantSwitch::Planted => "planted",
            PlantSwitch::Healthy => "healthy",
        };
        write!(
            f,
            "{VERSION}:{}:{}:{}:{}:{}:{}:{plants}:{}:{}",
            escaped(&self.commit),
            escaped(&self.scenario_digest),
            escaped(&self.target),
            options.join(","),
            self.seed,
            self.run,
            escaped(&self.case.0),
            escaped(&self.scenario_file),
        )
    }
}

impl FromStr for CaseIdentity {
    type Err = ReplayStringError;

    fn from_str(text: &str) -> Result<Self, ReplayStringError> {
        let parts: Vec<&str> = text.trim().split(':').collect();
        if parts.first() != Some(&VERSION) {
            let start = parts.first().copied().unwrap_or_default();
            return Err(ReplayStringError::Version(start.chars().take(40).collect()));
        }
        let [
            _,
            commit,
            digest,
            target,
            options,
            seed,
            run,
            plants,
            case,
            file,
        ] = parts[..]
        else {
            return Err(ReplayStringError::Parts(parts.len()));
        };
        Ok(Self {
            commit: text_of("commit", commit)?,
            scenario_digest: text_of("scenario digest", digest)?,
            target: text_of("target", target)?,
            options: options_of(options)?,
            given: given_of(options)?,
            seed: seed.parse().map_err(|_| wrong("seed", seed))?,
            run: run.parse().map_err(|_| wrong("run", run))?,
            plants: match plants {
                "planted" => PlantSwitch::Planted,
                "healthy" => PlantSwitch::Healthy,
                _ => return Err(wrong("plants", plants)),
            },
            case: CaseId(text_of("case", case)?),
            scenario_file: text_of("scenario file", file)?,
        })
    }
}

fn options_of(text: &str) -> Result<BTreeMap<String, String>, ReplayStringError> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    text.split(',')
        .map(|option| {
            let (name, value) = option
                .split_once("==")
                .or_else(|| option.split_once('='))
                .ok_or_else(|| wrong("option", option))?;
            Ok((text_of("option", name)?, text_of("option", value)?))
        })
        .collect()
}

/// The names of the options that were given.
fn given_of(text: &str) -> Result<BTreeSet<String>, ReplayStringError> {
    text.split(',')
        .filter_map(|option| option.split_once("=="))
        .map(|(name, _)| text_of("option", name))
        .collect()
}

fn text_of(part: &'static str, text: &str) -> Result<String, ReplayStringError> {
    unescaped(text).ok_or_else(|| wrong(part, text))
}

fn wrong(part: &'static str, text: &str) -> ReplayStringError {
    ReplayStringError::Part {
        part,
        text: text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._/-".contains(&byte) {
            word.push(char::from(byte));
        } else {
            // A `String` takes any text; there is no failure to report.
            let _ = write!(word, "%{byte:02x}");
        }
    }
    word
}

fn unescaped(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first == b'%' {
            let (digits, others) = others.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = others;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::COMMIT;

    fn identity() -> CaseIdentity {
        CaseIdentity {
            commit: COMMIT.to_owned(),
            scenario_digest: "0123456789abcdef".to_owned(),
            target: "lightning".to_owned(),
            seed: u64::MAX,
            run: 7,
            plants: PlantSwitch::Planted,
            case: CaseId("p12.s3/p4.s0".to_owned()),
            scenario_file: "my scenarios/größe: 100%.toml".to_owned(),
            options: BTreeMap::from([
                ("page_size".to_owned(), "4 KiB".to_owned()),
                ("odd".to_owned(), "a=b,c:d%".to_owned()),
            ]),
            given: BTreeSet::from(["odd".to_owned()]),
        }
    }

    #[test]
    fn a_replay_string_is_one_shell_word_and_reads_back() {
        let word = identity().to_string();
        assert!(
            word.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._/-%:=,".contains(&b))
        );
        assert_eq!(word.parse(), Ok(identity()));
    }

    #[test]
    fn a_run_without_options_reads_back() {
        let bare = CaseIdentity {
            options: BTreeMap::new(),
            given: BTreeSet::new(),
            ..identity()
        };
        assert_eq!(bare.to_string().parse(), Ok(bare));
    }

    #[test]
    fn other_text_is_refused() {
        let word = identity().to_string();
        let version = word
            .replacen("c1:", "c2:", 1)
            .parse::<CaseIdentity>()
            .unwrap_err();
        assert!(
            matches!(version, ReplayStringError::Version(_)),
            "{version}"
        );
        let cut = word[..word.len() / 2].parse::<CaseIdentity>().unwrap_err();
        assert!(matches!(cut, ReplayStringError::Parts(_)), "{cut}");
        let seed = word
            .replacen(&u64::MAX.to_string(), "x", 1)
            .parse::<CaseIdentity>();
        assert!(matches!(
            seed,
            Err(ReplayStringError::Part { part: "seed", .. })
        ));
    }

    #[test]
    fn no_cut_of_a_replay_string_makes_the_reader_panic() {
        let word = identity().to_string();
        for cut in 0..word.len() {
            assert_ne!(word[..cut].parse().ok(), Some(identity()));
        }
    }
}
