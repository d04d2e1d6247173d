//! A configuration schema as a form: what kinds of values there are, what was changed, and the flags that say so.

mod assign;
mod draw;
mod schema;

pub use assign::{assignments, literal};
pub use draw::{Filter, draw};
pub use schema::{Alternative, Kind, Node, Property, Shape};

use serde_json::Value;

/// A configuration that is being edited.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    schema: Value,
    /// The preset it began from.
    pub preset: Value,
    /// As it is now.
    pub value: Value,
}

impl Form {
    /// A form that begins at a preset, given as TOML.
    pub fn new(schema: Value, preset: &str) -> jepa_core::Result<Self> {
        let table: toml::Table =
            preset.parse().map_err(|e: toml::de::Error| jepa_core::Error::config("preset", e.message().to_owned()))?;
        let value = serde_json::to_value(table).map_err(|e| jepa_core::Error::config("preset", e.to_string()))?;
        Ok(Self { schema, preset: value.clone(), value })
    }

    /// The schema's root.
    pub fn root(&self) -> Node<'_> {
        Node::root(&self.schema)
    }

    /// `path=value` for everything that differs from the preset.
    pub fn assignments(&self) -> Vec<(String, String)> {
        assignments(&self.preset, &self.value)
    }

    /// A value by its path, such as "run.steps".
    pub fn get(&self, path: &str) -> Option<&Value> {
        at(&self.value, path)
    }

    /// Sets a value by its path, where that exists.
    pub fn set(&mut self, path: &str, value: Value) {
        let mut place = &mut self.value;
        for key in path.split('.') {
            let Some(next) = place.as_object_mut().map(|o| o.entry(key).or_insert(Value::Null)) else { return };
            place = next;
        }
        *place = value;
    }
}

/// A value inside another by its path.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |place, key| place.get(key))
}
