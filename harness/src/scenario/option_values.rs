//! Options of a target: plain values, or lists that the seed draws from.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The options of one target, by name.
pub type TargetOptions = BTreeMap<String, OptionValues>;

/// The values an option may take: one, or a list of which the seed draws one in every run.
///
/// Values are kept as text; what they mean is the target's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OptionValues(Vec<String>);

impl OptionValues {
    /// The values, never none in a scenario that was parsed.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for OptionValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = OptionValues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an integer, true or false, or a list of these")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<OptionValues, E> {
        Ok(OptionValues(vec![value.to_owned()]))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<OptionValues, E> {
        Ok(OptionValues(vec![value.to_string()]))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<OptionValues, E> {
        Ok(OptionValues(vec![value.to_string()]))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<OptionValues, E> {
        Ok(OptionValues(vec![value.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OptionValues, A::Error> {
        let mut values = Vec::new();
        while let Some(Scalar(value)) = list.next_element()? {
            values.push(value);
        }
        if values.is_empty() {
            return Err(de::Error::custom(
                "the list is empty: expected at least one value",
            ));
        }
        Ok(OptionValues(values))
    }
}

struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an integer, true or false")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar(value.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }
}

impl JsonSchema for OptionValues {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OptionValues".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let scalar = serde_json::json!({ "type": ["string", "integer", "boolean"] });
        schemars::json_schema!({
            "description": "A value, or a list of which the seed draws one in every run.",
            "anyOf": [scalar, { "type": "array", "items": scalar, "minItems": 1 }]
        })
    }
}
