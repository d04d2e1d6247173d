//! Learned features beside their floors: the untrained encoder, raw inputs, and what needs no learning.

use serde::{Deserialize, Serialize};

use super::frozen::{collect, describe};
use super::{Features, Frozen, LinearProbe, ProbeConfig, knn_accuracy};
use crate::data::{Source, Split};
use crate::error::Result;
use crate::plugin::Variant;

/// Name of the trained encoder's features in a table.
pub const TRAINED: &str = "trained encoder";
/// Name of the features of the encoder as it was before training.
pub const UNTRAINED: &str = "untrained encoder";
/// Name of the sample's own values.
pub const RAW: &str = "raw input";

/// One line of a probe table: accuracies in percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeRow {
    /// Whose features: [`TRAINED`], [`UNTRAINED`], [`RAW`], or a shortcut.
    pub features: String,
    /// Width of a feature vector.
    pub width: usize,
    /// k-NN accuracy.
    pub knn: f64,
    /// Linear accuracy.
    pub linear: f64,
    /// How often the linear probe tells the two of a pair apart, where the data has pairs; chance is 50 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twins: Option<f64>,
}

/// Learned features beside their floors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeTable {
    /// Labelled training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// Number of classes.
    pub classes: usize,
    /// The lines.
    pub rows: Vec<ProbeRow>,
    /// Why there are no lines, when there are none.
    pub note: Option<String>,
}

impl std::fmt::Display for ProbeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(note) = &self.note {
            return write!(f, "no probes: {note}");
        }
        writeln!(f, "probes: {} classes, {} training and {} test samples", self.classes, self.train, self.test)?;
        let twins = self.rows.iter().any(|row| row.twins.is_some());
        write!(f, "{:<18} {:>6} {:>9} {:>9}", "features", "width", "k-NN %", "linear %")?;
        if twins {
            write!(f, " {:>9}", "pairs %")?;
        }
        for row in &self.rows {
            write!(f, "\n{:<18} {:>6} {:>9.1} {:>9.1}", row.features, row.width, row.knn, row.linear)?;
            if let Some(twins) = row.twins {
                write!(f, " {twins:>9.1}")?;
            }
        }
        Ok(())
    }
}

/// Features of the first `limit` samples that can be read, each by its name: those of every encoder, of which there is one
/// at least, and, where `raw`, raw inputs and the variant's shortcuts. Every sample is read once.
pub fn floors<V: Variant>(
    encoders: &[(&str, Frozen<V>)],
    raw: bool,
    source: &dyn Source<Sample = V::Sample>,
    limit: usize,
) -> Result<Vec<(String, Features)>> {
    let Some((_, first)) = encoders.first() else { return Ok(Vec::new()) };
    let variant = first.variant();
    let mut names: Vec<String> = encoders.iter().map(|(name, _)| (*name).to_owned()).collect();
    let tables = collect(source, limit, first.replicas(), |samples| {
        let mut values = encoders.iter().map(|(_, frozen)| frozen.pooled(samples)).collect::<Result<Vec<_>>>()?;
        names.truncate(encoders.len());
        if !raw {
            return Ok(values);
        }
        names.push(RAW.to_owned());
        values.push(describe(samples, |sample| variant.raw(sample))?);
        let mut shortcuts: Vec<(&str, Vec<f32>)> = Vec::new();
        for sample in samples {
            let found = variant.shortcuts(sample)?;
            shortcuts.resize_with(found.len(), Default::default);
            for ((name, all), (found, values)) in shortcuts.iter_mut().zip(found) {
                *name = found;
                all.extend(values);
            }
        }
        for (name, all) in shortcuts {
            names.push(name.to_owned());
            values.push(all);
        }
        Ok(values)
    })?;
    Ok(names.into_iter().zip(tables).collect())
}

/// k-NN and linear probes of encoders, of which there is one at least, beside the floors that need none.
pub fn compare<V: Variant>(encoders: &[(&str, Frozen<V>)], spec: &str, config: &ProbeConfig) -> Result<ProbeTable> {
    let mut table = ProbeTable::default();
    let Some((_, first)) = encoders.first() else { return Ok(table) };
    let sources =
        first.open_data(spec, Split::Train).and_then(|train| Ok([train, first.open_data(spec, Split::Test)?]));
    let [train, test] = match sources {
        Ok(sources) => sources,
        Err(error) => {
            table.note = Some(error.to_string());
            return Ok(table);
        }
    };
    if train.label(0).is_none() || test.label(0).is_none() {
        table.note = Some(format!("{} has no labels", train.describe()));
        return Ok(table);
    }
    table.classes = train.classes().len();
    let banks = floors(encoders, true, train.as_ref(), config.max_train)?;
    let queries = floors(encoders, true, test.as_ref(), config.max_test)?;
    for ((name, bank), (_, queries)) in banks.iter().zip(&queries) {
        (table.train, table.test) = (bank.len(), queries.len());
        let linear = LinearProbe::fit(bank)?;
        let twins = linear.accuracy_between(queries, test.twins())?;
        table.rows.push(ProbeRow {
            features: name.clone(),
            width: bank.width(),
            knn: 100.0 * knn_accuracy(bank, queries, config)?,
            linear: 100.0 * linear.accuracy(queries)?,
            twins: twins.map(|accuracy| 100.0 * accuracy),
        });
    }
    Ok(table)
}
