//! Quantities with their units: `"64 KiB"`, `"30 s"`, `"5 %"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// A text that is no quantity of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct UnitError {
    text: String,
    wanted: &'static str,
}

/// A number of bytes, written with its unit: `B`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A span of time, written with its unit: `ms`, `s`, `min` or `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan {
    milliseconds: u64,
}

/// A share from 0 to 100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl ByteSize {
    const WANTED: &str =
        "a size: expected a whole number and B, KiB, MiB or GiB, such as \"64 KiB\"";
    const UNITS: [(&str, u64); 4] = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    const PATTERN: &str = "^[0-9]+ ?(B|KiB|MiB|GiB)$";

    /// This many bytes.
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl TimeSpan {
    const WANTED: &str =
        "a span of time: expected a whole number and ms, s, min or h, such as \"30 s\"";
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
    const PATTERN: &str = "^[0-9]+ ?(ms|s|min|h)$";

    /// This many seconds.
    pub fn from_seconds(seconds: u64) -> Self {
        Self {
            milliseconds: seconds.saturating_mul(1_000),
        }
    }

    /// As the standard library has it.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

impl Percent {
    const WANTED: &str = "a share: expected a whole number from 0 to 100 and %, such as \"5 %\"";
    const PATTERN: &str = "^[0-9]{1,3} ?%$";

    /// This many per cent, 100 at most.
    pub fn clamped(percent: u8) -> Self {
        Self(percent.min(100))
    }

    /// From 0 to 100.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        quantity(text, &Self::UNITS)
            .map(Self)
            .ok_or_else(|| unit_error(text, Self::WANTED))
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        quantity(text, &Self::UNITS)
            .map(|milliseconds| Self { milliseconds })
            .ok_or_else(|| unit_error(text, Self::WANTED))
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        quantity(text, &[("%", 1)])
            .and_then(|percent| u8::try_from(percent).ok())
            .filter(|percent| *percent <= 100)
            .map(Self)
            .ok_or_else(|| unit_error(text, Self::WANTED))
    }
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at_checked(digits)?;
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn unit_error(text: &str, wanted: &'static str) -> UnitError {
    UnitError {
        text: text.to_owned(),
        wanted,
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_largest_unit(f, self.0, &Self::UNITS, "B")
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_largest_unit(f, self.milliseconds, &Self::UNITS, "s")
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

fn in_largest_unit(
    f: &mut fmt::Formatter<'_>,
    amount: u64,
    units: &[(&str, u64)],
    of_zero: &str,
) -> fmt::Result {
    let fits = units
        .iter()
        .find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    match fits {
        Some((unit, factor)) => write!(f, "{} {unit}", amount / factor),
        None => write!(f, "{amount} {of_zero}"),
    }
}

macro_rules! written_as_text {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct TextVisitor;
                impl Visitor<'_> for TextVisitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($type::WANTED)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        Err(E::custom(unit_error(&number.to_string(), $type::WANTED)))
                    }
                }
                deserializer.deserialize_any(TextVisitor)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $type::PATTERN })
            }
        }
    };
}

written_as_text!(ByteSize);
written_as_text!(TimeSpan);
written_as_text!(Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        assert_eq!("64 KiB".parse(), Ok(ByteSize(64 << 10)));
        assert_eq!("1GiB".parse(), Ok(ByteSize(1 << 30)));
        for wrong in [
            "",
            "64",
            "KiB",
            "64 kb",
            "64  KiB",
            "-1 B",
            "99999999999 GiB",
            "1.5 KiB",
        ] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_quantity_is_shown_in_the_largest_unit_that_divides_it() {
        assert_eq!(ByteSize(64 << 10).to_string(), "64 KiB");
        assert_eq!(ByteSize(0).to_string(), "0 B");
        assert_eq!("90 s".parse::<TimeSpan>().unwrap().to_string(), "90 s");
        assert_eq!("120 s".parse::<TimeSpan>().unwrap().to_string(), "2 min");
    }

    #[test]
    fn a_share_ends_at_a_hundred() {
        assert_eq!("100 %".parse(), Ok(Percent(100)));
        assert!("101 %".parse::<Percent>().is_err());
    }
}
