//! A target's options: names, what their values may be, and how texts are read.

/// An option that a target knows.
#[derive(Clone, Copy, Debug)]
pub struct KnownOption {
    /// Its name in `[options.TARGET]`.
    pub name: &'static str,
    /// What its value may be.
    pub kind: OptionKind,
}

/// What an option's value may be.
#[derive(Clone, Copy, Debug)]
pub enum OptionKind {
    /// A number of bytes: `64 KiB`, or a bare number.
    Size,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// An option that a target refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option {name}: {reason}")]
pub struct OptionError {
    /// The option.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl KnownOption {
    /// Refuses an option that is none of `known`, or whose value is not of its kind.
    pub fn check(known: &[Self], name: &str, value: &str) -> Result<(), OptionError> {
        let error = |reason: String| OptionError {
            name: name.to_owned(),
            reason,
        };
        let Some(option) = known.iter().find(|option| option.name == name) else {
            let names: Vec<_> = known.iter().map(|option| option.name).collect();
            return Err(error(format!(
                "not known: expected one of {}",
                names.join(", ")
            )));
        };
        if option.kind.accepts(value) {
            return Ok(());
        }
        Err(error(format!("`{value}` is not {}", option.kind.wanted())))
    }
}

impl OptionKind {
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Size => parse_size(value).is_some(),
            Self::Number => value.parse::<u64>().is_ok(),
            Self::Switch => value.parse::<bool>().is_ok(),
            Self::Word(words) => words.contains(&value),
        }
    }

    /// What is expected, as a message says it.
    pub fn wanted(self) -> String {
        match self {
            Self::Size => "a size such as `64 KiB`".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// Reads a size: `64 KiB`, `2 MiB`, `512 B` or `512`.
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[KnownOption] = &[
        KnownOption {
            name: "page_size",
            kind: OptionKind::Size,
        },
        KnownOption {
            name: "bug",
            kind: OptionKind::Word(&["none", "no-sync"]),
        },
    ];

    #[test]
    fn sizes_have_units_or_are_bytes() {
        assert_eq!(parse_size("64 KiB"), Some(65_536));
        assert_eq!(parse_size("2MiB"), Some(2 << 20));
        assert_eq!(parse_size("512"), Some(512));
        for wrong in ["", "KiB", "-1", "1 KB", "99999999999 GiB", "1.5 KiB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_unknown_option_and_a_wrong_value_are_refused() {
        assert!(KnownOption::check(KNOWN, "page_size", "4 KiB").is_ok());
        assert!(KnownOption::check(KNOWN, "page_size", "four").is_err());
        assert!(KnownOption::check(KNOWN, "bug", "other").is_err());
        let unknown = KnownOption::check(KNOWN, "page-size", "4 KiB").unwrap_err();
        assert_eq!(unknown.reason, "not known: expected one of page_size, bug");
    }
}
