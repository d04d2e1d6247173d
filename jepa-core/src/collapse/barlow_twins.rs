//! Barlow Twins (Zbontar et al. 2021, arXiv 2103.03230): the correlations between two views are to be the identity.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::views::centred;
use super::{Moment, Regulariser, Views};
use crate::error::Result;

/// C = AᵀB / n of views standardised over the batch, [samples n, width d] each; the penalty is
/// Σ_i (C_ii − 1)² + λ Σ_{i≠j} C_ij², the mean over pairs of views.
///
/// The diagonal asks that a dimension says the same of both views and varies, the rest that dimensions do not repeat each
/// other. Without it, and with nothing else that varies, both views may be one constant. The official weights are 1 with
/// λ = 0.0051; solo-learn takes λ = 0.005 and multiplies everything by 0.1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BarlowTwins {
    /// λ (official: 0.0051).
    pub lambda: f64,
    /// How a view is standardised.
    pub form: BarlowForm,
}

/// How Barlow Twins standardises a view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BarlowForm {
    /// By batch normalisation: (z − mean) / sqrt(biased variance + 1e-5); solo-learn's is the same.
    #[default]
    Official,
    /// (z − mean) / (unbiased deviation + 1e-5).
    StablePretraining,
}

impl Default for BarlowTwins {
    fn default() -> Self {
        Self { lambda: 0.0051, form: BarlowForm::Official }
    }
}

impl BarlowTwins {
    fn standardised(&self, z: &Tensor<2>) -> Tensor<2> {
        let z_0 = centred(z);
        let squares = z_0.clone().powi_scalar(2).sum_dim(0);
        let rows = z.dims()[0] as f64;
        z_0 / match self.form {
            BarlowForm::Official => (squares / rows + 1e-5).sqrt(),
            // A constant column would have an infinite slope of its root.
            BarlowForm::StablePretraining => (squares / (rows - 1.0).max(1.0) + 1e-24).sqrt() + 1e-5,
        }
    }
}

impl Regulariser for BarlowTwins {
    fn name(&self) -> &'static str {
        "barlow_twins"
    }

    fn check(&self) -> Result<(), String> {
        let sound = self.lambda >= 0.0 && self.lambda.is_finite();
        if sound { Ok(()) } else { Err(format!("lambda {} must be a number from 0 up", self.lambda)) }
    }

    fn compares(&self) -> bool {
        true
    }

    fn penalty(&self, views: &Views, _: &Moment) -> Result<Tensor<1>> {
        views.over_pairs(self.name(), |a, b| {
            let (a, b) = (self.standardised(a), self.standardised(b));
            let rows = a.dims()[0] as f64;
            let diagonal = (a.clone() * b.clone()).sum_dim(0) / rows;
            let squares = (a.transpose().matmul(b) / rows).powi_scalar(2).sum();
            let off = squares - diagonal.clone().powi_scalar(2).sum();
            Ok((diagonal - 1.0).powi_scalar(2).sum() + off * self.lambda)
        })
    }
}
