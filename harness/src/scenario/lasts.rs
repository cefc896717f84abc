//! How long a fault lasts.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// How many operations fail, from the first on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lasts {
    /// One.
    #[default]
    Once,
    /// So many.
    Operations(NonZeroU32),
    /// All, until the clients have given up.
    Forever,
}

impl Lasts {
    /// Whether the matching operation `nth`, counted from the first that fails as 0, fails.
    pub fn covers(self, nth: u64) -> bool {
        match self {
            Self::Once => nth == 0,
            Self::Operations(count) => nth < u64::from(count.get()),
            Self::Forever => true,
        }
    }
}

impl fmt::Display for Lasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("once"),
            Self::Operations(count) => write!(f, "{count} times"),
            Self::Forever => f.write_str("forever"),
        }
    }
}

impl Serialize for Lasts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Once => serializer.serialize_str("once"),
            Self::Operations(count) => serializer.serialize_u32(count.get()),
            Self::Forever => serializer.serialize_str("forever"),
        }
    }
}

impl<'de> Deserialize<'de> for Lasts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LastsVisitor)
    }
}

struct LastsVisitor;

impl Visitor<'_> for LastsVisitor {
    type Value = Lasts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"once\", \"forever\", or a number from 1 on")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lasts, E> {
        match text {
            "once" => Ok(Lasts::Once),
            "forever" => Ok(Lasts::Forever),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Lasts, E> {
        u32::try_from(number)
            .ok()
            .and_then(NonZeroU32::new)
            .map(Lasts::Operations)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Lasts, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl JsonSchema for Lasts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Lasts".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How many operations fail, from the first on.",
            "anyOf": [
                { "const": "once" },
                { "const": "forever" },
                { "type": "integer", "minimum": 1, "maximum": u32::MAX }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_covers_so_many_operations_from_the_first_on() {
        let covered = |lasts: Lasts| (0..5).filter(|&nth| lasts.covers(nth)).count();
        assert_eq!(covered(Lasts::Once), 1);
        assert_eq!(covered(Lasts::Operations(NonZeroU32::new(3).unwrap())), 3);
        assert_eq!(covered(Lasts::Forever), 5);
    }
}
