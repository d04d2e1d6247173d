//! The embeddings that a term reads: a matrix for every view of the samples.

use burn::prelude::*;

use crate::error::{Error, Result};

/// Views of the same samples in the same order, [samples, width] each: one a predicted block, one an augmentation.
#[derive(Debug, Clone)]
pub struct Views {
    of: Vec<Tensor<2>>,
    against: Vec<Tensor<2>>,
}

impl Views {
    /// Views that are compared with each other, where a term compares.
    pub fn new(of: Vec<Tensor<2>>) -> Self {
        Self { of, against: Vec::new() }
    }

    /// Views of which each is compared with the one at its place in `against`.
    pub fn beside(of: Vec<Tensor<2>>, against: Vec<Tensor<2>>) -> Self {
        Self { of, against }
    }

    /// The views themselves.
    pub fn of(&self) -> &[Tensor<2>] {
        &self.of
    }

    /// What they are compared with, where it is not each other.
    pub fn against(&self) -> &[Tensor<2>] {
        &self.against
    }

    /// Whether each is compared with another embedding, not with the other views.
    pub fn one_way(&self) -> bool {
        !self.against.is_empty()
    }

    /// What is compared: every view with its counterpart, or every two views.
    pub fn pairs(&self) -> Vec<(&Tensor<2>, &Tensor<2>)> {
        if self.one_way() {
            return self.of.iter().zip(&self.against).collect();
        }
        self.of.iter().enumerate().flat_map(|(i, a)| self.of.iter().skip(i + 1).map(move |b| (a, b))).collect()
    }

    /// The mean of what `term` gives for every pair; an error where there is none.
    pub(super) fn over_pairs(
        &self,
        name: &str,
        term: impl Fn(&Tensor<2>, &Tensor<2>) -> Result<Tensor<1>>,
    ) -> Result<Tensor<1>> {
        let pairs = self.pairs();
        let mut sum: Option<Tensor<1>> = None;
        for (a, b) in pairs.iter().copied() {
            let value = term(a, b)?;
            sum = Some(match sum {
                Some(sum) => sum + value,
                None => value,
            });
        }
        let problem = || {
            let problem =
                format!("`{name}` compares two views and `on` names an embedding with one: set `against` too");
            Error::config("objective.regularisers", problem)
        };
        Ok(sum.ok_or_else(problem)? / pairs.len() as f64)
    }

    /// The sum of what `term` gives for every view; an error where there is none.
    pub(super) fn over_views(&self, name: &str, term: impl Fn(&Tensor<2>) -> Tensor<1>) -> Result<Tensor<1>> {
        let sum = self.of.iter().map(term).reduce(|a, b| a + b);
        sum.ok_or_else(|| Error::Engine(format!("`{name}` was given no embeddings")))
    }
}

/// Embeddings less their mean over the batch.
pub(super) fn centred(z: &Tensor<2>) -> Tensor<2> {
    z.clone() - z.clone().mean_dim(0)
}

/// Rows of length one; a row of zeros stays.
pub(super) fn unit(z: &Tensor<2>) -> Tensor<2> {
    let squares = z.clone().powi_scalar(2).sum_dim(1);
    z.clone() / squares.sqrt().clamp_min(1e-12)
}
