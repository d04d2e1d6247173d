//! W-MSE (Ermolov et al. 2021, arXiv 2007.06346): views are compared after whitening, which a constant cannot survive.

use burn::prelude::*;
use nalgebra::{Cholesky, DMatrix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::views::{centred, unit};
use super::{Moment, Regulariser, Views};
use crate::error::{Error, Result};
use crate::host;

/// The squared difference of two views [samples n, width d] that were centred, multiplied with an inverse root of their
/// covariance, and made unit rows; the mean over pairs of views.
///
/// What is compared has the identity for its covariance whatever the encoder does, so there is no cheap constant: no
/// further term is needed. Without it, the difference alone has its minimum at a constant. It wants a small width (64 in
/// the paper, behind a projector) and more rows than dimensions, else every batch is white already; the root costs d³.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Whitening {
    /// Whose root and mean.
    pub form: WhiteningForm,
    /// Official: the share of the identity in the covariance (published runs: 0). stable-pretraining: what eigenvalues are
    /// raised to at least (1e-3). Absent: that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
}

/// What the published implementations of W-MSE do differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhiteningForm {
    /// htdt/self-supervised: every view by its own covariance, the root by Cholesky, the difference summed over dimensions
    /// (2 − 2 cosine).
    #[default]
    Official,
    /// stable-pretraining: both views by their common covariance, the symmetric root, the difference averaged over
    /// dimensions.
    StablePretraining,
}

/// An inverse root W of a covariance C: rows x of the embeddings become W x.
struct Root {
    inverse: DMatrix<f64>,
    /// Eigenvalues and vectors of C, for the symmetric root.
    eigen: Option<(Vec<f64>, DMatrix<f64>)>,
    epsilon: f64,
}

impl Root {
    fn of(form: WhiteningForm, covariance: DMatrix<f64>, epsilon: f64) -> Result<Self> {
        // Embeddings that are not finite are the guard's business: the step is skipped.
        if covariance.iter().any(|v| !v.is_finite()) {
            let inverse = DMatrix::repeat(covariance.nrows(), covariance.ncols(), f64::NAN);
            return Ok(Self { inverse, eigen: None, epsilon });
        }
        match form {
            WhiteningForm::Official => {
                let identity = DMatrix::identity(covariance.nrows(), covariance.ncols());
                let factor = Cholesky::new(covariance * (1.0 - epsilon) + &identity * epsilon);
                let inverse = factor.and_then(|f| f.l().solve_lower_triangular(&identity)).ok_or_else(|| {
                    let problem = "the covariance of the embeddings has no Cholesky factor: they have collapsed, or the \
                                   batch is small; set epsilon, for example to 0.001, or raise run.batch";
                    Error::config("objective.regularisers", format!("`whitening`: {problem}"))
                })?;
                Ok(Self { inverse, eigen: None, epsilon })
            }
            WhiteningForm::StablePretraining => {
                let eigen = covariance.symmetric_eigen();
                let (values, vectors) = (eigen.eigenvalues.as_slice().to_vec(), eigen.eigenvectors);
                let scaled = DMatrix::from_fn(vectors.nrows(), vectors.ncols(), |i, j| {
                    vectors[(i, j)] / values[j].max(epsilon).sqrt()
                });
                Ok(Self { inverse: scaled * vectors.transpose(), eigen: Some((values, vectors)), epsilon })
            }
        }
    }

    /// From the slope of a value by W to its slope by C.
    fn slope(&self, by_root: &DMatrix<f64>) -> DMatrix<f64> {
        let w = &self.inverse;
        let slope = match &self.eigen {
            // W = L⁻¹ with C = L Lᵀ: dW = −Φ(W dC Wᵀ) W, Φ the lower triangle with half the diagonal.
            None => {
                let product = by_root * w.transpose();
                let lower = DMatrix::from_fn(product.nrows(), product.ncols(), |i, j| match i.cmp(&j) {
                    std::cmp::Ordering::Less => 0.0,
                    std::cmp::Ordering::Equal => product[(i, j)] / 2.0,
                    std::cmp::Ordering::Greater => product[(i, j)],
                });
                w.transpose() * lower * w * -(1.0 - self.epsilon)
            }
            // W = U f(λ) Uᵀ: in the basis U every place is multiplied with a divided difference of f (Daleckii-Krein).
            Some((values, vectors)) => {
                let f = |x: f64| 1.0 / x.max(self.epsilon).sqrt();
                let steepness = |x: f64| if x > self.epsilon { -0.5 * x.powf(-1.5) } else { 0.0 };
                let inside = vectors.transpose() * by_root * vectors;
                let scaled = DMatrix::from_fn(inside.nrows(), inside.ncols(), |i, j| {
                    let (x, y) = (values[i], values[j]);
                    let close = (x - y).abs() <= 1e-9 * (x.abs() + y.abs());
                    inside[(i, j)] * if close { steepness((x + y) / 2.0) } else { (f(x) - f(y)) / (x - y) }
                });
                vectors * scaled * vectors.transpose()
            }
        };
        // C is symmetric, and so is a step of it.
        (&slope + slope.transpose()) / 2.0
    }
}

fn matrix(t: Tensor<2>) -> Result<DMatrix<f64>> {
    let [rows, columns] = t.dims();
    Ok(DMatrix::from_row_slice(rows, columns, &host::read_f64(t)?))
}

fn tensor(m: &DMatrix<f64>, like: &Tensor<2>) -> Tensor<2> {
    let (rows, columns) = m.shape();
    let values: Vec<f64> = m.transpose().as_slice().to_vec();
    Tensor::from_data(TensorData::new(values, [rows, columns]), (&like.device().inner(), like.dtype()))
}

fn covariance(z: &Tensor<2>) -> Tensor<2> {
    let rows = z.dims()[0].max(2) - 1;
    z.clone().transpose().matmul(z.clone()) / rows as f64
}

impl Whitening {
    fn root(&self, z: &Tensor<2>) -> Result<Root> {
        let epsilon = self.epsilon.unwrap_or(match self.form {
            WhiteningForm::Official => 0.0,
            WhiteningForm::StablePretraining => 1e-3,
        });
        Root::of(self.form, matrix(covariance(&z.clone().inner()))?, epsilon)
    }

    /// The difference of two centred views under given roots.
    fn difference(&self, [a, b]: [Tensor<2>; 2], [root_a, root_b]: [Tensor<2>; 2]) -> Tensor<1> {
        let (a, b) = (unit(&a.matmul(root_a.transpose())), unit(&b.matmul(root_b.transpose())));
        let [_, width] = a.dims();
        let mean = (a - b).powi_scalar(2).mean();
        match self.form {
            WhiteningForm::Official => mean * width as f64,
            WhiteningForm::StablePretraining => mean,
        }
    }

    fn pair(&self, a: &Tensor<2>, b: &Tensor<2>) -> Result<Tensor<1>> {
        let n = a.dims()[0];
        // Rows with one covariance, and so with one root.
        let whole = match self.form {
            WhiteningForm::Official => vec![centred(a), centred(b)],
            WhiteningForm::StablePretraining => vec![centred(&Tensor::cat(vec![a.clone(), b.clone()], 0))],
        };
        let [rows, width] = whole[0].dims();
        if rows <= width {
            return Err(Error::config(
                "objective.regularisers",
                format!(
                    "`whitening` of {rows} rows with {width} dimensions: with so few rows every batch is white; raise \
                     run.batch above {width}"
                ),
            ));
        }
        let halves = |z: &[Tensor<2>]| -> [Tensor<2>; 2] {
            match z {
                [a, b] => [a.clone(), b.clone()],
                _ => [z[0].clone().narrow(0, 0, n), z[0].clone().narrow(0, n, n)],
            }
        };
        let both = |roots: &[Tensor<2>]| -> [Tensor<2>; 2] { [roots[0].clone(), roots[roots.len() - 1].clone()] };
        let roots: Vec<Root> = whole.iter().map(|z| self.root(z)).collect::<Result<_>>()?;
        let constant: Vec<Tensor<2>> = roots.iter().zip(&whole).map(|(root, z)| tensor(&root.inverse, z)).collect();
        let value = self.difference(halves(&whole), both(&constant));
        if !value.is_autodiff() {
            return Ok(value);
        }
        // The roots are constants in `value`. What they contribute to the slope is found in a graph of its own, carried
        // over to the covariances, and added as a term whose value is 0.
        let plain: Vec<Tensor<2>> = whole.iter().map(|z| z.clone().inner()).collect();
        let leaves: Vec<Tensor<2>> = constant.iter().map(|w| w.clone().autodiff().require_grad()).collect();
        let gradients = self.difference(halves(&plain), both(&leaves)).backward();
        let mut value = value;
        for ((z, root), leaf) in whole.iter().zip(&roots).zip(&leaves) {
            let Some(by_root) = leaf.grad(&gradients) else { continue };
            let slope = tensor(&root.slope(&matrix(by_root)?), z);
            let tracked = (covariance(z) * slope).sum();
            value = value + (tracked.clone() - tracked.inner());
        }
        Ok(value)
    }
}

impl Regulariser for Whitening {
    fn name(&self) -> &'static str {
        "whitening"
    }

    fn check(&self) -> Result<(), String> {
        match self.epsilon {
            Some(epsilon) if !(0.0..1.0).contains(&epsilon) => Err(format!("epsilon {epsilon} must lie in [0, 1)")),
            _ => Ok(()),
        }
    }

    fn compares(&self) -> bool {
        true
    }

    fn penalty(&self, views: &Views, _: &Moment) -> Result<Tensor<1>> {
        views.over_pairs(self.name(), |a, b| self.pair(a, b))
    }
}
