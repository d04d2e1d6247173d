//! Linear regression of numbers (a position, an angle) from frozen features: least squares with a small ridge, in double
//! precision on the host.

use nalgebra::{DMatrix, RowDVector};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::random::{Draw as _, Purpose, Stream};

/// y = A x + b, fitted.
#[derive(Debug, Clone)]
pub struct LinearRegression {
    /// Mean and deviation of every feature.
    scale: Vec<[f64; 2]>,
    /// [width + 1, numbers], the last row is b.
    weights: DMatrix<f64>,
}

/// How good predictions of held-out samples are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegressionFigures {
    /// Share of the variance that is explained, the mean over the numbers: 1 is perfect, 0 is the mean of the test samples.
    pub r2: f64,
    /// Root of the mean squared Euclidean distance, in the numbers' unit.
    pub rmse: f64,
}

/// Ridge over the number of samples, on standardised features.
const RIDGE: f64 = 1e-4;
/// Ridges that held-out samples choose from.
const RIDGES: [f64; 7] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];

/// Least squares up to the ridge: what is the same whatever that is. Features are standardised and numbers centred, so that
/// b is the mean of the numbers.
struct Normal {
    scale: Vec<[f64; 2]>,
    /// [samples, width] and [samples, numbers].
    x: DMatrix<f64>,
    y: DMatrix<f64>,
    mean: RowDVector<f64>,
    /// Xᵀ X, or X Xᵀ where there are fewer samples than features: the smaller of the two leads to the same A.
    squares: DMatrix<f64>,
}

impl Normal {
    fn new(features: &[f32], width: usize, numbers: &[f32], count: usize) -> Result<Self> {
        let samples = features.len() / width.max(1);
        let fits = width > 0 && count > 0 && features.len() == samples * width && numbers.len() == samples * count;
        if samples < 2 || !fits || !features.iter().chain(numbers).all(|v| v.is_finite()) {
            let problem = format!(
                "{} features of {width} and {} numbers of {count}: expected two samples or more of each, all finite",
                features.len(),
                numbers.len()
            );
            return Err(Error::Engine(problem));
        }
        let moments = |column: usize| {
            let values = || (0..samples).map(|row| f64::from(features[row * width + column]));
            let mean = values().sum::<f64>() / samples as f64;
            let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / samples as f64).sqrt();
            // A feature that never changes says nothing: it is zero everywhere.
            [mean, if deviation > 1e-9 { deviation } else { f64::INFINITY }]
        };
        let scale: Vec<[f64; 2]> = (0..width).map(moments).collect();
        let x = standardised(features, &scale);
        let mut y = DMatrix::from_row_iterator(samples, count, numbers.iter().map(|v| f64::from(*v)));
        let mean = y.row_mean();
        y.row_iter_mut().for_each(|mut row| row -= &mean);
        let turned = x.transpose();
        let squares = if samples < width { &x * &turned } else { &turned * &x };
        Ok(Self { scale, x, y, mean, squares })
    }

    fn solve(&self, ridge: f64) -> Result<LinearRegression> {
        let (samples, width) = self.x.shape();
        let mut squares = self.squares.clone();
        (0..squares.nrows()).for_each(|at| squares[(at, at)] += ridge * samples as f64);
        let factor =
            squares.cholesky().ok_or_else(|| Error::Engine("the features give no solvable regression".into()))?;
        let turned = self.x.transpose();
        let slope = if samples < width { turned * factor.solve(&self.y) } else { factor.solve(&(turned * &self.y)) };
        let weights = slope.insert_row(width, 0.0);
        let mut regression = LinearRegression { scale: self.scale.clone(), weights };
        regression.weights.row_mut(width).copy_from(&self.mean);
        Ok(regression)
    }
}

impl LinearRegression {
    /// Fits `numbers`, row-major [samples, numbers], to `features`, row-major [samples, width].
    pub fn fit(features: &[f32], width: usize, numbers: &[f32], count: usize) -> Result<Self> {
        Normal::new(features, width, numbers, count)?.solve(RIDGE)
    }

    /// The same with the ridge that is best on a fixed draw of a fifth of the samples, held out from the choice's fits and
    /// part of the last one. Of fewer than ten samples nothing is held out.
    pub fn fit_chosen(features: &[f32], width: usize, numbers: &[f32], count: usize) -> Result<Self> {
        let whole = Normal::new(features, width, numbers, count)?;
        let samples = whole.x.nrows();
        if samples < 10 {
            return whole.solve(RIDGE);
        }
        let order = Stream::new(0, Purpose::Probe, samples as u64, 5).permutation(samples);
        let (check, fit) = order.split_at(samples / 5);
        let rows = |of: &[u32], values: &[f32], width: usize| -> Vec<f32> {
            of.iter().flat_map(|row| &values[*row as usize * width..(*row as usize + 1) * width]).copied().collect()
        };
        let part = Normal::new(&rows(fit, features, width), width, &rows(fit, numbers, count), count)?;
        let (seen, truth) = (rows(check, features, width), rows(check, numbers, count));
        let mut best = (f64::INFINITY, RIDGE);
        for ridge in RIDGES {
            let rmse = part.solve(ridge)?.figures(&seen, &truth).rmse;
            if rmse < best.0 {
                best = (rmse, ridge);
            }
        }
        whole.solve(best.1)
    }

    /// Predictions of `features`, row-major [samples, numbers].
    pub fn predict(&self, features: &[f32]) -> Vec<f32> {
        let x = standardised(features, &self.scale).insert_column(self.scale.len(), 1.0);
        let y = x * &self.weights;
        y.row_iter().flat_map(|row| row.iter().map(|v| *v as f32).collect::<Vec<_>>()).collect()
    }

    /// How good the predictions of `features` are against `numbers`.
    pub fn figures(&self, features: &[f32], numbers: &[f32]) -> RegressionFigures {
        RegressionFigures::of(&self.predict(features), numbers, self.weights.ncols())
    }
}

impl RegressionFigures {
    /// Of predictions beside the truth, `count` numbers a sample, row-major.
    pub fn of(predicted: &[f32], truth: &[f32], count: usize) -> Self {
        let samples = truth.len() / count.max(1);
        let mut r2 = 0.0;
        for column in 0..count {
            let values =
                |from: &[f32]| (0..samples).map(|row| f64::from(from[row * count + column])).collect::<Vec<_>>();
            let (truth, found) = (values(truth), values(predicted));
            let mean = truth.iter().sum::<f64>() / samples as f64;
            let spread: f64 = truth.iter().map(|v| (v - mean).powi(2)).sum();
            let left: f64 = truth.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum();
            r2 += (1.0 - left / spread.max(1e-12)) / count as f64;
        }
        let squares: f64 = predicted.iter().zip(truth).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        Self { r2, rmse: (squares / samples.max(1) as f64).sqrt() }
    }
}

/// Standardised features, [samples, width].
fn standardised(features: &[f32], scale: &[[f64; 2]]) -> DMatrix<f64> {
    let width = scale.len();
    DMatrix::from_fn(features.len() / width, width, |row, column| {
        let [mean, deviation] = scale[column];
        (f64::from(features[row * width + column]) - mean) / deviation
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_law_is_found_and_what_is_not_there_is_not() {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let mut sample = |count: usize| {
            let mut features = Vec::new();
            let mut numbers = Vec::new();
            for _ in 0..count {
                let x: [f32; 4] = std::array::from_fn(|_| stream.normal());
                features.extend([x[0], x[1] * 100.0, x[2] + 7.0, 3.0]);
                numbers.extend([2.0 * x[0] - x[1] + 5.0, x[3]]);
            }
            (features, numbers)
        };
        let ((train, truth), (test, expected)) = (sample(400), sample(400));
        let only = |numbers: &[f32], at: usize| numbers.chunks(2).map(|c| c[at]).collect::<Vec<f32>>();
        let found = LinearRegression::fit(&train, 4, &only(&truth, 0), 1).unwrap();
        let figures = found.figures(&test, &only(&expected, 0));
        assert!(figures.r2 > 0.999 && figures.rmse < 0.01, "{figures:?}");
        let nothing = LinearRegression::fit(&train, 4, &only(&truth, 1), 1).unwrap();
        assert!(nothing.figures(&test, &only(&expected, 1)).r2 < 0.05);
        assert!(LinearRegression::fit(&train, 4, &truth, 1).is_err());
    }

    #[test]
    fn fewer_samples_than_features_lead_to_the_same_law_as_more() {
        // The same samples ten times over weigh the same, and are more than the features.
        let mut stream = Stream::new(4, Purpose::Test, 0, 0);
        let mut draw = |count: usize| (0..count).map(|_| stream.normal()).collect::<Vec<f32>>();
        let (features, numbers, seen) = (draw(12 * 20), draw(12 * 2), draw(5 * 20));
        let few = LinearRegression::fit(&features, 20, &numbers, 2).unwrap().predict(&seen);
        let many = LinearRegression::fit(&features.repeat(10), 20, &numbers.repeat(10), 2).unwrap().predict(&seen);
        for (a, b) in few.iter().zip(&many) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn many_features_and_few_samples_are_fitted_with_a_ridge_that_held_out_samples_choose() {
        let mut stream = Stream::new(2, Purpose::Test, 0, 0);
        let mut sample = |count: usize| {
            let mut features: Vec<f32> = Vec::new();
            let mut numbers = Vec::new();
            for _ in 0..count {
                let row: [f32; 50] = std::array::from_fn(|_| stream.normal());
                numbers.push(row[0] + row[1] + stream.normal());
                features.extend(row);
            }
            (features, numbers)
        };
        let ((train, truth), (test, expected)) = (sample(60), sample(400));
        let plain = LinearRegression::fit(&train, 50, &truth, 1).unwrap().figures(&test, &expected);
        let chosen = LinearRegression::fit_chosen(&train, 50, &truth, 1).unwrap().figures(&test, &expected);
        assert!(chosen.r2 > plain.r2 + 0.2 && chosen.r2 > 0.2, "{chosen:?} {plain:?}");
    }
}
