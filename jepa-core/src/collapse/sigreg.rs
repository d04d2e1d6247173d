//! SIGReg (Balestriero and LeCun 2025, LeJEPA, arXiv 2511.08544): every projection of the embeddings is to look as if
//! drawn from a standard normal distribution.

use burn::prelude::*;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Moment, Regulariser, Views};
use crate::error::{Error, Result};
use crate::random::{Draw as _, Purpose, Stream};

/// The mean over random directions, and over views, of the Epps-Pulley statistic of Z a, Z [samples n, width d]:
/// EP = n ∫ |φ(t) − exp(−t²/2)|² exp(−t²/2) dt with φ(t) = 1/n Σ_k exp(i t u_k) and u = Z a.
///
/// It prevents every collapse of the distribution: to a point, to fewer directions, to clusters. Without it, and without
/// another tool, a constant has the lowest energy. Its floor is not 0: samples of a standard normal distribution give
/// sqrt(2π) − sqrt(2π/3) = 1.0594 whatever n is; everything in the origin gives 0.4089 n, everything far off 3.9538 n
/// with a slope that vanishes.
///
/// Directions are columns of a normal matrix divided by their length, new ones in every step, a function of (seed, step).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigReg {
    /// Whose points t, quadrature and scale.
    pub form: SigRegForm,
    /// Directions a step (paper: 1,024 recommended, 256 in its listing; minimal example and eb_jepa: 256).
    pub slices: usize,
}

/// What the published implementations of SIGReg do differently. A weight is not portable from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SigRegForm {
    /// Algorithm 1 of the paper: 17 points in −5..=5, trapezoids, times n.
    Paper,
    /// The package lejepa and its minimal example: 17 points in 0..=3, counted twice but for the ends, times n.
    Package,
    /// stable-pretraining: the package's points; the rows of all views are one sample, and n counts them all.
    StablePretraining,
    /// eb_jepa's BCS: 10 points in −3..=3, trapezoids, without the factor n.
    EbJepa,
}

impl SigRegForm {
    /// Points t > 0 with the weight of the squared difference there. The integrand is even, and 0 at t = 0: points below
    /// 0 are those above it once more.
    pub fn grid(self) -> Vec<(f64, f64)> {
        let line = |from: f64, to: f64, count: usize| {
            let step = (to - from) / (count - 1) as f64;
            (0..count).map(move |i| (from + step * i as f64, if i == 0 || i + 1 == count { step / 2.0 } else { step }))
        };
        let points: Vec<(f64, f64)> = match self {
            Self::Paper => line(-5.0, 5.0, 17).collect(),
            Self::EbJepa => line(-3.0, 3.0, 10).collect(),
            Self::Package | Self::StablePretraining => line(0.0, 3.0, 17).collect(),
        };
        let above = points.into_iter().filter(|(t, _)| *t > 1e-9);
        above.map(|(t, weight)| (t, 2.0 * weight * (-t * t / 2.0).exp())).collect()
    }

    /// The statistic of every column of projections [n, slices]: [1, slices].
    pub fn epps_pulley(self, projected: Tensor<2>) -> Tensor<2> {
        let n = projected.dims()[0] as f64;
        let mut sum: Option<Tensor<2>> = None;
        for (t, weight) in self.grid() {
            let angle = projected.clone() * t;
            let real = angle.clone().cos().mean_dim(0) - (-t * t / 2.0).exp();
            let part = (real.powi_scalar(2) + angle.sin().mean_dim(0).powi_scalar(2)) * weight;
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
        }
        let scale = if self == Self::EbJepa { 1.0 } else { n };
        sum.map_or_else(|| projected.mean_dim(0) * 0.0, |sum| sum * scale)
    }

    /// The penalty along given directions, [width, slices].
    pub fn along(self, views: &Views, directions: &Tensor<2>) -> Result<Tensor<1>> {
        let directions = directions.clone();
        let of = |z: &Tensor<2>| self.epps_pulley(z.clone().matmul(directions.clone())).mean();
        if self == Self::StablePretraining {
            return Ok(of(&Tensor::cat(views.of().to_vec(), 0)));
        }
        Ok(views.over_views("sigreg", of)? / views.of().len() as f64)
    }
}

/// Unit directions of a step as columns, [width, slices]: the same whatever the number of threads.
pub fn directions(width: usize, slices: usize, moment: &Moment, device: &Device) -> Tensor<2> {
    let Moment { seed, step, term, .. } = *moment;
    let draw = |slice: usize| {
        let mut stream = Stream::new(seed, Purpose::Slices, step, term << 32 | slice as u64);
        let normal: Vec<f32> = (0..width).map(|_| stream.normal()).collect();
        let length = normal.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12) as f32;
        normal.into_iter().map(move |v| v / length)
    };
    let rows: Vec<f32> = (0..slices).into_par_iter().flat_map_iter(draw).collect();
    Tensor::<2>::from_data(TensorData::new(rows, [slices, width]), device).transpose()
}

impl Regulariser for SigReg {
    fn name(&self) -> &'static str {
        "sigreg"
    }

    fn check(&self) -> Result<(), String> {
        let sound = (1..=1 << 16).contains(&self.slices);
        if sound { Ok(()) } else { Err(format!("slices {} must lie in 1..=65536", self.slices)) }
    }

    fn compares(&self) -> bool {
        false
    }

    fn penalty(&self, views: &Views, moment: &Moment) -> Result<Tensor<1>> {
        let Some(first) = views.of().first() else {
            return Err(Error::Engine("`sigreg` was given no embeddings".into()));
        };
        let along = directions(first.dims()[1], self.slices, moment, &first.device().inner()).cast(first.dtype());
        self.form.along(views, &along)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn directions_have_length_one_and_are_new_in_every_step_and_term() {
        let of = |step, term| {
            let moment = Moment { seed: 3, step, term, queue: None };
            host::read(directions(24, 7, &moment, &Device::flex())).unwrap()
        };
        let first = of(1, 0);
        for slice in 0..7 {
            let length: f32 = (0..24).map(|row| first[row * 7 + slice].powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-5);
        }
        assert_eq!(first, of(1, 0));
        assert!(first != of(2, 0) && first != of(1, 1));
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(first, one.install(|| of(1, 0)));
    }

    #[test]
    fn a_normal_sample_scores_the_floor_and_a_constant_far_above_it() {
        let mut stream = Stream::new(5, Purpose::Test, 0, 0);
        let n = 2000;
        let normal: Vec<f32> = (0..n * 16).map(|_| stream.normal()).collect();
        let normal = Tensor::<2>::from_data(TensorData::new(normal, [n, 16]), &Device::flex());
        let term = SigReg { form: SigRegForm::Paper, slices: 64 };
        let score = |z: Tensor<2>| {
            host::scalar(term.penalty(&Views::new(vec![z]), &Moment { step: 1, ..Default::default() }).unwrap())
                .unwrap()
        };
        let floor = score(normal.clone());
        assert!((0.7..1.5).contains(&floor), "{floor}");
        let constant = score(normal.clone() * 0.0);
        assert!((constant / n as f64 - 0.4089).abs() < 1e-3, "{constant}");
        assert!(score(normal * 0.2) > 100.0 * floor);
    }
}
