//! The options of an `open`.

use std::collections::BTreeMap;

use crate::Failure;

/// Options by name. All of them are known to the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn new(options: BTreeMap<String, String>) -> Self {
        Self(options)
    }

    /// An option as it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A switch, `true` or `false`.
    pub fn switch(&self, name: &str, otherwise: bool) -> Result<bool, Failure> {
        match self.get(name) {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Failure::other(format!(
                "{name} is `{other}`: expected true or false"
            ))),
        }
    }

    /// A number.
    pub fn number(&self, name: &str, otherwise: u64) -> Result<u64, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(otherwise);
        };
        text.parse()
            .map_err(|_| Failure::other(format!("{name} is `{text}`: expected a number")))
    }

    /// A number of bytes: `65536`, `64 KiB`.
    pub fn size(&self, name: &str, otherwise: u64) -> Result<u64, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(otherwise);
        };
        size(text).ok_or_else(|| {
            Failure::other(format!(
                "{name} is `{text}`: expected a size such as 64 KiB"
            ))
        })
    }

    /// One of some words.
    pub fn word<'o>(&'o self, name: &str, words: &[&'o str]) -> Result<Option<&'o str>, Failure> {
        match self.get(name) {
            Some(word) if !words.contains(&word) => {
                let words = words.join(", ");
                let text = format!("{name} is `{word}`: expected one of {words}");
                Err(Failure::other(text))
            }
            word => Ok(word),
        }
    }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim() {
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

    #[test]
    fn what_an_option_cannot_be_is_refused() {
        let given = [
            ("switch", "yes"),
            ("number", "-1"),
            ("word", "c"),
            ("size", "4 kB"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options::new(BTreeMap::from(given));
        assert!(options.switch("switch", true).is_err());
        assert!(options.number("number", 1).is_err());
        assert!(options.size("size", 1).is_err());
        assert!(options.word("word", &["a", "b"]).is_err());
        assert_eq!(options.switch("another", true), Ok(true));
        assert_eq!(options.number("another", 7), Ok(7));
        assert_eq!(options.word("another", &["a"]), Ok(None));
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", Some(4096)),
            ("4 KiB", Some(4096)),
            ("2MiB", Some(2 << 20)),
            ("", None),
            ("KiB", None),
            ("99999999999 GiB", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
