//! The JSON Schema of scenario files, for editors and other tools.

use super::Scenario;

/// The schema, generated from the types.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}
