//! The terms of VICReg (Bardes et al. 2022, arXiv 2105.04906) for any number of views Z, [samples n, width d] each.
//!
//! | | official code, stable-pretraining | eb_jepa |
//! |---|---|---|
//! | invariance | mean (a − b)² | the same |
//! | variance | mean of both views | sum of both views |
//! | covariance | Σ off² / d, sum of both views | Σ off² / d(d − 1), sum of both views |
//! | weights | 25, 25, 1 | for example 1, 1, 80 |
//!
//! Of more than two views every term is the mean over pairs.

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::views::centred;
use super::{Moment, Regulariser, Views};
use crate::error::Result;

/// Whose normalisers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VicRegForm {
    /// facebookresearch/vicreg; stable-pretraining's are the same.
    #[default]
    Official,
    /// facebookresearch/eb_jepa.
    EbJepa,
}

/// mean_j max(0, 1 − sqrt(Var z_j + 1e-4)) with unbiased variance: keeps every dimension varying over the batch. Without
/// it, invariance and covariance are both zero at a constant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Variance {
    /// Of two views the mean (`official`) or the sum (`eb-jepa`).
    pub form: VicRegForm,
}

/// Σ_{i≠j} C_ij² / d with C = ZᵀZ / (n − 1) of centred embeddings: keeps dimensions from repeating each other. Without
/// it, all dimensions may carry one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Covariance {
    /// Divided by the width (`official`) or by the number of off-diagonal places, d(d − 1) (`eb-jepa`).
    pub form: VicRegForm,
}

/// mean (a − b)² over samples, dimensions and pairs of views: what is to be the same in all of them. Without it, views of
/// one sample need not agree. 0 for one view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Invariance {
    /// LeJEPA's form: the mean over all views of (z − μ)², μ the mean of the first so many views, the global ones.
    /// Absent: the mean over pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_mean_of: Option<usize>,
}

impl Regulariser for Variance {
    fn name(&self) -> &'static str {
        "variance"
    }

    fn compares(&self) -> bool {
        false
    }

    fn penalty(&self, views: &Views, _: &Moment) -> Result<Tensor<1>> {
        let sum = views.over_views(self.name(), |z| {
            let variance = centred(z).powi_scalar(2).sum_dim(0) / (z.dims()[0].max(2) - 1) as f64;
            ((variance + 1e-4).sqrt() * -1.0 + 1.0).clamp_min(0.0).mean()
        })?;
        let mean = sum / views.of().len() as f64;
        Ok(match self.form {
            VicRegForm::Official => mean,
            VicRegForm::EbJepa => mean * 2.0,
        })
    }
}

impl Regulariser for Covariance {
    fn name(&self) -> &'static str {
        "covariance"
    }

    fn compares(&self) -> bool {
        false
    }

    fn penalty(&self, views: &Views, _: &Moment) -> Result<Tensor<1>> {
        let sum = views.over_views(self.name(), |z| {
            let [n, width] = z.dims();
            let z = centred(z);
            let scale = (n.max(2) - 1) as f64;
            let squares = (z.clone().transpose().matmul(z.clone()) / scale).powi_scalar(2).sum();
            let diagonal = (z.powi_scalar(2).sum_dim(0) / scale).powi_scalar(2).sum();
            let places = match self.form {
                VicRegForm::Official => width,
                VicRegForm::EbJepa => (width * (width - 1)).max(1),
            };
            (squares - diagonal) / places as f64
        })?;
        // Every view is in as many pairs as every other.
        let count = views.of().len();
        Ok(if count > 2 { sum * (2.0 / count as f64) } else { sum })
    }
}

impl Regulariser for Invariance {
    fn name(&self) -> &'static str {
        "invariance"
    }

    fn check(&self) -> Result<(), String> {
        if self.to_mean_of == Some(0) { Err("to_mean_of must be at least 1".into()) } else { Ok(()) }
    }

    fn compares(&self) -> bool {
        true
    }

    fn penalty(&self, views: &Views, _: &Moment) -> Result<Tensor<1>> {
        if views.one_way() {
            return views.over_pairs(self.name(), |a, b| Ok((a.clone() - b.clone()).powi_scalar(2).mean()));
        }
        // Over pairs, Σ (a − b)² is views times the spread around their mean: one pass a view instead of one a pair.
        let all = views.of();
        let count = all.len() as f64;
        let centre = &all[..self.to_mean_of.unwrap_or(all.len()).min(all.len())];
        let mean = centre.iter().cloned().reduce(|a, b| a + b).map(|sum| sum / centre.len() as f64);
        let sum = views.over_views(self.name(), |z| match &mean {
            Some(mean) => (z.clone() - mean.clone()).powi_scalar(2).mean(),
            None => z.clone().mean(),
        })?;
        Ok(sum * if self.to_mean_of.is_some() { 1.0 / count } else { 2.0 / (count - 1.0).max(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    fn view(phase: f64) -> Tensor<2> {
        let values: Vec<f32> = (0..16 * 8).map(|i| (0.7 * f64::from(i) + phase).sin() as f32).collect();
        Tensor::from_data(TensorData::new(values, [16, 8]), &Device::flex())
    }

    fn value(term: &dyn Regulariser, views: &[Tensor<2>]) -> f64 {
        host::scalar(term.penalty(&Views::new(views.to_vec()), &Moment::default()).unwrap()).unwrap()
    }

    #[test]
    fn terms_of_many_views_are_means_over_their_pairs() {
        let views = [view(0.0), view(0.4), view(1.1) * 0.5];
        for form in [VicRegForm::Official, VicRegForm::EbJepa] {
            let terms: [&dyn Regulariser; 3] = [&Invariance::default(), &Variance { form }, &Covariance { form }];
            for term in terms {
                let pairs = [(0, 1), (0, 2), (1, 2)];
                let mean = pairs.map(|(i, j)| value(term, &[views[i].clone(), views[j].clone()])).iter().sum::<f64>();
                assert!((value(term, &views) - mean / 3.0).abs() < 1e-6, "{}", term.name());
            }
        }
        assert_eq!(value(&Invariance::default(), &views[..1]), 0.0);
    }

    #[test]
    fn a_configuration_from_before_the_forms_is_the_official_one() {
        let old = r#"{"kind":"variance"}"#;
        let read: super::super::RegulariserConfig = serde_json::from_str(old).unwrap();
        assert_eq!(read, super::super::RegulariserConfig::Variance(Variance::default()));
        let misspelt = r#"{"kind":"variance","frm":"official"}"#;
        assert!(serde_json::from_str::<super::super::RegulariserConfig>(misspelt).is_err());
    }
}
