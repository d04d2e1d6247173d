//! Configuration: raw tables in layers, then one checked type.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{AdamWConfig, GuardConfig, ScheduleConfig};
use crate::error::{Error, Result};
use crate::jepa::TargetSource;
use crate::nn::Precision;
use crate::objective::ObjectiveConfig;
use crate::probe::ProbeConfig;

/// Everything a run is made of. `model` belongs to the variant, the rest to the core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig<C> {
    /// What is trained on.
    pub data: DataConfig,
    /// Length, batch and housekeeping.
    pub run: RunSection,
    /// Learning rate, decay and momentum over the run.
    pub schedule: ScheduleConfig,
    /// Constants of AdamW.
    #[serde(default)]
    pub optimizer: AdamWConfig,
    /// Where targets come from.
    pub target: TargetSource,
    /// Distance and terms against collapse.
    pub objective: ObjectiveConfig,
    /// What a run tolerates.
    #[serde(default)]
    pub guard: GuardConfig,
    /// Probes at the end.
    #[serde(default)]
    pub probe: ProbeConfig,
    /// The variant's own part.
    pub model: C,
}

/// What is trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `builtin`, a folder, a file, or `format:path`.
    pub source: String,
    /// Threads that read and prepare batches; never changes what is prepared.
    pub threads: usize,
}

/// Length, batch and housekeeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSection {
    /// Updates of the whole run.
    pub steps: u64,
    /// Samples a step, over all replicas.
    pub batch: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Copies that share a batch; absent: one a core on the CPU, one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<usize>,
    /// Number format of matrix products; `bf16` needs a GPU that computes with it.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints kept.
    pub keep: usize,
    /// Steps between collapse figures; 0: never.
    pub diagnose_every: u64,
}

impl RunSection {
    /// Seed 0, products in f32, three checkpoints kept; one written, and collapse figures taken, `every` so many steps.
    pub fn new(steps: u64, batch: usize, every: u64) -> Self {
        Self {
            steps,
            batch,
            seed: 0,
            replicas: None,
            precision: Precision::F32,
            checkpoint_every: every,
            keep: 3,
            diagnose_every: every,
        }
    }
}

/// A configuration whose `model` nobody has read yet. What is not the variant's is read and written in this form, by code
/// that is compiled once instead of once a variant.
type Unread = RunConfig<Option<Table>>;

/// The variant's part as it stands in a file.
#[derive(Serialize)]
struct Section<'a, C> {
    model: &'a C,
}

impl<C: Serialize + DeserializeOwned> RunConfig<C> {
    /// Reads a checked configuration out of a table; errors name the key.
    pub fn from_table(table: Table) -> Result<Self> {
        let mut unread = Unread::read(table)?;
        let model = unread.model.take().ok_or_else(|| Error::config("", "a key is missing: `model`"))?;
        let model = serde_path_to_error::deserialize(Value::Table(model)).map_err(|e| refused("model", e))?;
        let config = unread.with(model);
        config.check()?;
        Ok(config)
    }

    /// This configuration as a table.
    pub fn to_table(&self) -> Result<Table> {
        self.to_toml()?.parse().map_err(|e| Error::config("", format!("cannot be read as TOML again: {e}")))
    }

    /// This configuration as a TOML file.
    pub fn to_toml(&self) -> Result<String> {
        let model = toml::to_string_pretty(&Section { model: &self.model }).map_err(unwritable)?;
        Ok(format!("{}\n{model}", self.with(None).write()?))
    }
}

impl Unread {
    fn read(table: Table) -> Result<Self> {
        serde_path_to_error::deserialize(Value::Table(table)).map_err(|e| refused("", e))
    }

    fn write(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(unwritable)
    }
}

fn unwritable(error: toml::ser::Error) -> Error {
    Error::config("", format!("cannot be written as TOML: {error}"))
}

/// What serde says about a key below `above`.
fn refused(above: &str, error: serde_path_to_error::Error<toml::de::Error>) -> Error {
    let place = error.path().to_string();
    let place = match (above, place.as_str()) {
        (_, ".") => above.to_owned(),
        ("", place) => place.to_owned(),
        (above, place) => format!("{above}.{place}"),
    };
    Error::config(place, plainly(&error.into_inner().to_string()))
}

impl<C> RunConfig<C> {
    /// The same with another model.
    fn with<D>(&self, model: D) -> RunConfig<D> {
        RunConfig {
            data: self.data.clone(),
            run: self.run.clone(),
            schedule: self.schedule,
            optimizer: self.optimizer,
            target: self.target,
            objective: self.objective.clone(),
            guard: self.guard,
            probe: self.probe.clone(),
            model,
        }
    }

    fn check(&self) -> Result<()> {
        let run = &self.run;
        for (name, value, limit) in [
            ("run.steps", run.steps, 1 << 40),
            ("run.batch", run.batch as u64, 1 << 20),
            ("run.checkpoint_every", run.checkpoint_every, 1 << 40),
            ("run.keep", run.keep as u64, 1 << 20),
            ("data.threads", self.data.threads as u64, 256),
        ] {
            if value == 0 || value > limit {
                return Err(Error::config(name, format!("{value} must lie in 1..={limit}")));
            }
        }
        let guard = &self.guard;
        if !(0.0..=1.0).contains(&guard.max_bad_fraction) || !(0.0..1.0).contains(&guard.collapse_ratio) {
            return Err(Error::config("guard", "max_bad_fraction and collapse_ratio must lie in [0, 1]"));
        }
        self.probe.check()
    }
}

/// serde's words in a user's: near matches for a misspelt key, kinds of numbers by what they are.
fn plainly(text: &str) -> String {
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or(text).trim();
    for (what, start) in [("key", "unknown field `"), ("choice", "unknown variant `")] {
        if let Some((name, rest)) = line.strip_prefix(start).and_then(|rest| rest.split_once('`')) {
            let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            return Error::unknown(what, name, &known).to_string();
        }
    }
    let mut line = line.replace("missing field", "a key is missing:");
    for (theirs, ours) in [
        ("u64", "a whole number"),
        ("usize", "a whole number"),
        ("f64", "a number"),
        ("a boolean", "true or false"),
        ("sequence", "list"),
        ("map", "table"),
    ] {
        for place in ["expected ", "invalid type: ", "invalid value: "] {
            line = line.replace(&format!("{place}{theirs}"), &format!("{place}{ours}"));
        }
    }
    line.replace("invalid type: ", "found ").replace("invalid value: ", "found ")
}

/// Lays `over` on `base`, table by table.
pub fn overlay(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) if !is_choice(base, &over) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// A tagged choice (`kind`, `law`) is replaced whole when its tag changes: its other keys belong to the old choice.
fn is_choice(base: &Table, over: &Table) -> bool {
    ["kind", "law"].iter().any(|tag| over.get(*tag).is_some_and(|v| base.get(*tag).is_some_and(|b| b != v)))
}

/// Reads a TOML file as a table.
pub fn read_table(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    text.parse::<Table>().map_err(|e| {
        let before = e.span().and_then(|s| text.get(..s.start)).unwrap_or_default();
        let line = before.lines().count().max(1);
        Error::config(path.display().to_string(), format!("line {line}: {}", e.message()))
    })
}

/// Lays one `path.to.key=value` on a table. A value that is no TOML is taken as a string.
pub fn set(table: &mut Table, assignment: &str) -> Result<()> {
    let Some((path, value)) = assignment.split_once('=') else {
        return Err(Error::config(assignment, "expected key=value, as in model.masks.min_keep=4"));
    };
    if path.split('.').any(|key| key.trim().is_empty()) {
        return Err(Error::config(assignment, "a part of the key is empty; expected a.b=value"));
    }
    let value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut keys = path.trim().split('.').rev();
    let mut over = Table::new();
    over.insert(keys.next().unwrap_or_default().to_owned(), value);
    for key in keys {
        over = Table::from_iter([(key.to_owned(), Value::Table(over))]);
    }
    overlay(table, over);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_words_a_user_knows() {
        for (theirs, ours) in [
            (
                "unknown field `encodr`, expected one of `patch`, `encoder`",
                "unknown key `encodr` (did you mean `encoder`?); known: patch, encoder",
            ),
            ("invalid type: string \"abc\", expected usize", "found string \"abc\", expected a whole number"),
            ("invalid type: floating point `1.5`, expected u64", "found floating point `1.5`, expected a whole number"),
            ("missing field `width`\n", "a key is missing: `width`"),
        ] {
            assert_eq!(plainly(theirs), ours);
        }
    }

    #[test]
    fn assignments_reach_into_tables_and_keep_their_types() {
        let mut table: Table = "[a]\nb = 1\n[a.c]\nd = 2.5\n".parse().unwrap();
        for assignment in ["a.b=7", "a.c.e=[0.1, 0.2]", "a.name=cpu", "a.flag=true"] {
            set(&mut table, assignment).unwrap();
        }
        let expected: Table =
            "[a]\nb = 7\nname = \"cpu\"\nflag = true\n[a.c]\nd = 2.5\ne = [0.1, 0.2]\n".parse().unwrap();
        assert_eq!(table, expected);
        assert!(set(&mut table, "no value").is_err());
    }
}
