//! A table of feature vectors with labels.

use burn::prelude::*;

use crate::data::Source;
use crate::error::{Error, Result};

/// Pooled features of samples, one row each.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    values: Vec<f32>,
    width: usize,
    /// Class of every row, where known.
    pub labels: Vec<Option<u32>>,
    /// Index in the source of every row.
    pub indices: Vec<usize>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl Features {
    /// A table of `values`, row-major, one row a label.
    pub fn new(values: Vec<f32>, labels: Vec<Option<u32>>, indices: Vec<usize>, classes: Vec<String>) -> Result<Self> {
        let width = values.len().checked_div(labels.len()).unwrap_or(0);
        if labels.is_empty() || width * labels.len() != values.len() || indices.len() != labels.len() {
            return Err(Error::Engine(format!("{} values do not make {} rows", values.len(), labels.len())));
        }
        Ok(Self { values, width, labels, indices, classes })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        self.values.get(i * self.width..(i + 1) * self.width).unwrap_or(&[])
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The rows as a tensor in host memory.
    pub fn tensor(&self) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values.clone(), [self.len(), self.width]), &Device::flex())
    }

    /// The labels, all of which must be known.
    pub fn known_labels(&self) -> Result<Vec<u32>> {
        self.labels.iter().copied().collect::<Option<Vec<_>>>().ok_or_else(|| {
            Error::data("probe", "a probe needs the class of every sample; this data set has samples without one")
        })
    }

    /// The same rows with the classes that `source`, where they come from, says now; those without one are left out.
    pub fn labelled<S: Send>(&self, source: &dyn Source<Sample = S>) -> Result<Self> {
        let labels: Vec<Option<u32>> = self.indices.iter().map(|index| source.label(*index)).collect();
        let known: Vec<usize> = (0..labels.len()).filter(|row| labels[*row].is_some()).collect();
        if known.is_empty() {
            let problem = format!("no sample has a label in the column `{}`", source.class_name());
            return Err(Error::data(source.describe(), problem));
        }
        let labels = known.iter().map(|row| labels[*row]).collect();
        Ok(Self { labels, classes: source.classes().to_vec(), ..self.subset(&known) })
    }

    /// Some of the rows.
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self {
            values: rows.iter().flat_map(|&i| self.row(i).iter().copied()).collect(),
            width: self.width,
            labels: rows.iter().map(|&i| self.labels[i]).collect(),
            indices: rows.iter().map(|&i| self.indices[i]).collect(),
            classes: self.classes.clone(),
        }
    }
}
