//! From a scenario to a text that reads back as it.

use toml::{Table, Value};

use super::Scenario;
use super::parse::{TAG, TAGGED};

impl Scenario {
    /// A text that reads back as this scenario; nothing if there is none.
    pub fn to_toml(&self) -> Option<String> {
        let Ok(Value::Table(mut document)) = Value::try_from(self) else {
            return None;
        };
        for key in TAGGED {
            if let Some(value) = document.get_mut(key) {
                tag_inside(value);
            }
        }
        let text = toml::to_string(&document).ok()?;
        let again = Self::parse(&self.id, &text).ok()?;
        (again == *self).then_some(text)
    }
}

/// Makes of `{ kv = { … } }` what files have: `{ kind = "kv", … }`.
fn tag_inside(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(tag_inside),
        Value::Table(table) => {
            let Some((kind, Value::Table(parameters))) = std::mem::take(table).into_iter().next()
            else {
                return;
            };
            let tag = Table::from_iter([(TAG.to_owned(), Value::String(kind))]);
            *table = tag;
            table.extend(parameters);
        }
        _ => {}
    }
}
