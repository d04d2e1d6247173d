//! One frozen encoder, many tasks: a probe on any column of labels, or on all.

use super::comparison::{Comparison, Figures, Sources, Tables};
use super::{NumbersLine, ProbeKind, ProbeLine, Variant};
use crate::data::labels::columns;
use crate::data::{Labelled, Source, Values};
use crate::error::{Error, Result};
use crate::probe::{self, Features, LinearRegression, ProbeConfig, RegressionFigures};

/// Every column there is.
const ALL: &str = "all";

/// One kind of probe on the column `label`, or on all of them. Columns of numbers are for k-NN and linear probes: asked for
/// all, the others leave them out with a warning.
pub(super) fn run<V: Variant>(
    comparison: &mut Comparison<V>,
    kind: ProbeKind,
    sources: Sources<'_, V::Sample>,
    label: &str,
) -> Result<Figures> {
    let [train, test] = sources;
    if kind == ProbeKind::Parts {
        return Err(Error::config("--label", "the part probe reads the labels of elements, not a column of samples"));
    }
    let names = match label {
        ALL => columns(train).into_iter().map(|column| column.name).collect(),
        name => vec![name.to_owned()],
    };
    if names.is_empty() {
        return Err(Error::data(train.describe(), "has no labels to probe"));
    }
    let mut all = Figures::default();
    for name in names {
        let (bank, queries) = (Labelled::new(train, &name)?, Labelled::new(test, &name)?);
        let figures = match &bank.column().values {
            Values::Numbers { .. } if !matches!(kind, ProbeKind::Knn | ProbeKind::Linear) => {
                let problem = format!("`{name}` holds numbers: probe it with --kind linear or knn");
                if label != ALL {
                    return Err(Error::config("--label", problem));
                }
                tracing::warn!("left out: {problem}");
                continue;
            }
            Values::Classes(_) if !kind.is_of_vectors() => comparison.run(kind, [&bank, &queries])?,
            values => {
                let tables = comparison.tables(sources)?;
                match values {
                    Values::Classes(_) => {
                        let labelled = |(name, [fit, score]): &(String, [Features; 2])| {
                            Ok((name.clone(), [fit.labelled(&bank)?, score.labelled(&queries)?]))
                        };
                        let tables = tables.iter().map(labelled).collect::<Result<_>>()?;
                        comparison.of_tables(kind, &tables, queries.twins())?
                    }
                    Values::Numbers { count, unit } => {
                        let read = Numbers { sources: [&bank, &queries], count: *count };
                        regress(kind, &tables, &read, unit, &comparison.config)?
                    }
                }
            }
        };
        all.counts = figures.counts;
        all.rows.extend(figures.rows.into_iter().map(|line| ProbeLine { label: Some(name.clone()), ..line }));
        all.numbers.extend(figures.numbers.into_iter().map(|line| NumbersLine { label: name.clone(), ..line }));
    }
    Ok(all)
}

/// A column of numbers.
struct Numbers<'a, S> {
    sources: [&'a Labelled<'a, S>; 2],
    count: usize,
}

impl<S: Send> Numbers<'_, S> {
    /// Rows whose numbers are known, and these, row-major. `part` 0 is to fit on, 1 to score on.
    fn of(&self, part: usize, features: &Features) -> Result<(Features, Vec<f32>)> {
        let source = self.sources[part];
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (row, index) in features.indices.iter().enumerate() {
            let Some(numbers) = source.numbers(*index) else { continue };
            if numbers.len() != self.count {
                let problem = format!("has {} numbers, not {}, for {}", numbers.len(), self.count, source.name(*index));
                return Err(Error::data(source.describe(), format!("the column `{}` {problem}", source.class_name())));
            }
            rows.push(row);
            values.extend(numbers);
        }
        if rows.is_empty() {
            let problem = format!("no sample has numbers in the column `{}`", source.class_name());
            return Err(Error::data(source.describe(), problem));
        }
        Ok((features.subset(&rows), values))
    }
}

/// Regression of one column from the features of both encoders and of every floor.
fn regress<S: Send>(
    kind: ProbeKind,
    tables: &Tables,
    column: &Numbers<'_, S>,
    unit: &str,
    config: &ProbeConfig,
) -> Result<Figures> {
    let mut figures = Figures::default();
    for (name, [bank, queries]) in tables {
        let ((bank, known), (queries, truth)) = (column.of(0, bank)?, column.of(1, queries)?);
        figures.counts = [bank.len(), queries.len()];
        let count = column.count;
        let predicted = match kind {
            ProbeKind::Knn => probe::knn_numbers(&bank, &known, count, &queries, config)?,
            _ => LinearRegression::fit_chosen(bank.values(), bank.width(), &known, count)?.predict(queries.values()),
        };
        let RegressionFigures { r2, rmse } = RegressionFigures::of(&predicted, &truth, count);
        let (features, unit) = (name.clone(), unit.to_owned());
        figures.numbers.push(NumbersLine { label: String::new(), features, r2, rmse, unit });
    }
    Ok(figures)
}
