//! Principal components: the directions in which samples differ most, and how much of the variance each explains.

use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::{Error, Result};
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;

use super::matrix::{Matrix, gram, products};

/// Rows whose centred copy and Gram matrix stay in a core's cache.
const BLOCK: usize = 512;

/// Sums are made of this many parts, in this order, whatever the number of threads: equal bits on every machine.
const PARTS: usize = 8;

/// Rows whose product is asked for at a time where it is computed elsewhere: a window waits for one at most.
const SLICE: usize = 4096;

/// How far a product from elsewhere may lie from the processor's, over its largest value.
const ACCURACY: f64 = 1e-4;

/// A fitted basis: it projects the samples it was fitted on and, for a comparison, those of another checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f32>,
    components: Vec<f32>,
    variances: Vec<f64>,
    total: f64,
}

impl Pca {
    /// Fits the `keep` strongest components by an eigen-decomposition of the covariance (n - 1 in the denominator).
    /// The sign of a component is the one that makes its loading of largest magnitude positive.
    pub fn fit(samples: Matrix, keep: usize) -> Result<Self> {
        Self::of(samples, keep, |mean| Ok(covariance(samples, mean)))
    }

    /// The same with products computed elsewhere: `gram` gives a^T a of a row-major table `a` with rows of this width.
    /// Refused where one of them is not the processor's.
    pub fn fit_with(samples: Matrix, keep: usize, gram: impl Fn(&[f32], usize) -> Result<Vec<f32>>) -> Result<Self> {
        Self::of(samples, keep, |mean| covariance_with(samples, mean, gram))
    }

    fn of(samples: Matrix, keep: usize, covariance: impl FnOnce(&[f32]) -> Result<Vec<f64>>) -> Result<Self> {
        let width = samples.width();
        if samples.rows() < 2 {
            return Err(Error::data("features", "principal components need at least two samples"));
        }
        let mean = mean(samples);
        let covariance = DMatrix::from_vec(width, width, covariance(&mean)?);
        let total = covariance.trace().max(0.0);
        // QR with shifts takes two or three sweeps an eigenvalue; hundreds mean that it never ends.
        let eigen = SymmetricEigen::try_new(covariance, f64::EPSILON, 300 * width)
            .ok_or_else(|| Error::Engine("the eigenvalues of the covariance did not converge".into()))?;
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
        order.truncate(keep.clamp(1, width.min(samples.rows())));
        let mut components = Vec::with_capacity(order.len() * width);
        for &at in &order {
            let column = eigen.eigenvectors.column(at);
            let strongest = column.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
            components.extend(column.iter().map(|v| (v * strongest.signum()) as f32));
        }
        let variances = order.iter().map(|&at| eigen.eigenvalues[at].max(0.0)).collect();
        Ok(Self { mean, components, variances, total })
    }

    /// Number of components kept.
    pub fn len(&self) -> usize {
        self.variances.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.variances.is_empty()
    }

    /// Values a sample.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Component `i`, a unit vector.
    pub fn component(&self, i: usize) -> &[f32] {
        &self.components[i * self.width()..(i + 1) * self.width()]
    }

    /// Variance along each component, strongest first.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Share of the total variance along component `i`, 0 to 1; 0 where samples do not differ at all.
    pub fn explained(&self, i: usize) -> f64 {
        if self.total > 0.0 { self.variances[i] / self.total } else { 0.0 }
    }

    /// Coordinates of samples on the `chosen` components: rows x chosen, row-major.
    pub fn project(&self, samples: Matrix, chosen: &[usize]) -> Result<Vec<f32>> {
        let width = self.width();
        if samples.width() != width {
            let problem = format!("rows of {} values do not fit a basis of {width}", samples.width());
            return Err(Error::data("features", problem));
        }
        if let Some(absent) = chosen.iter().find(|&&i| i >= self.len()) {
            let problem = format!("component {} was asked for, there are {}", absent + 1, self.len());
            return Err(Error::data("features", problem));
        }
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let basis: Vec<f32> = chosen.iter().flat_map(|&i| self.component(i)).copied().collect();
        let mut out = vec![0.0; samples.rows() * chosen.len()];
        let blocks = out.par_chunks_mut(BLOCK * chosen.len()).zip(samples.values().par_chunks(BLOCK * width));
        blocks.for_each_init(Vec::new, |scratch, (out, block)| {
            centre(block, &self.mean, scratch);
            products(scratch, &basis, width, out);
        });
        Ok(out)
    }
}

/// Rows a part, a whole number of blocks.
fn part(rows: usize) -> usize {
    rows.div_ceil(PARTS).next_multiple_of(BLOCK)
}

fn mean(samples: Matrix) -> Vec<f32> {
    let width = samples.width();
    let parts: Vec<Vec<f64>> = samples
        .values()
        .par_chunks(part(samples.rows()) * width)
        .map(|part| {
            let mut sum = vec![0.0; width];
            for row in part.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
            }
            sum
        })
        .collect();
    let rows = samples.rows() as f64;
    (0..width).map(|i| (parts.iter().map(|part| part[i]).sum::<f64>() / rows) as f32).collect()
}

fn centre(rows: &[f32], mean: &[f32], out: &mut Vec<f32>) {
    out.clear();
    out.reserve(rows.len());
    for row in rows.chunks_exact(mean.len()) {
        out.extend(row.iter().zip(mean).map(|(v, m)| v - m));
    }
}

/// The covariance matrix. Products of a block are in f32, sums over blocks in f64.
fn covariance(samples: Matrix, mean: &[f32]) -> Vec<f64> {
    let width = samples.width();
    let parts: Vec<Vec<f64>> = samples
        .values()
        .par_chunks(part(samples.rows()) * width)
        .map(|part| {
            let (mut sum, mut product) = (vec![0.0; width * width], vec![0.0f32; width * width]);
            let mut scratch = Vec::new();
            for block in part.chunks(BLOCK * width) {
                centre(block, mean, &mut scratch);
                gram(&scratch, width, &mut product);
                sum.iter_mut().zip(&product).for_each(|(sum, &v)| *sum += f64::from(v));
            }
            sum
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
    }
    unbiased(sum, samples.rows())
}

/// The covariance matrix with the products of slices from elsewhere, sums over slices in f64.
fn covariance_with(
    samples: Matrix,
    mean: &[f32],
    gram: impl Fn(&[f32], usize) -> Result<Vec<f32>>,
) -> Result<Vec<f64>> {
    let width = samples.width();
    let (mut sum, mut scratch) = (vec![0.0; width * width], Vec::new());
    for slice in samples.values().chunks(SLICE * width) {
        centre(slice, mean, &mut scratch);
        let product = gram(&scratch, width)?;
        check(&scratch, &product, width)?;
        sum.iter_mut().zip(&product).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    Ok(unbiased(sum, samples.rows()))
}

/// Whether `product` is a^T a, without computing it (Freivalds): both are applied to a random vector.
fn check(a: &[f32], product: &[f32], width: usize) -> Result<()> {
    if product.len() != width * width {
        return Err(Error::Engine(format!("a product of {} values, {} were expected", product.len(), width * width)));
    }
    let mut draw = Stream::new(0, Purpose::Probe, 0, width as u64);
    let vector: Vec<f64> = (0..width).map(|_| f64::from(draw.normal())).collect();
    let dot = |row: &[f32]| row.iter().zip(&vector).map(|(a, b)| f64::from(*a) * b).sum::<f64>();
    let mut expected = vec![0.0; width];
    for row in a.chunks_exact(width) {
        let along = dot(row);
        expected.iter_mut().zip(row).for_each(|(sum, v)| *sum += along * f64::from(*v));
    }
    let largest = product.iter().fold(0.0, |a: f64, b| a.max(f64::from(b.abs())));
    let limit = ACCURACY * largest * (width as f64).sqrt();
    let is_near = |(row, expected): (&[f32], &f64)| (dot(row) - expected).abs() <= limit;
    // What is not a number is near nothing, and what is infinite not near itself.
    if limit.is_finite() && product.chunks_exact(width).zip(&expected).all(is_near) {
        Ok(())
    } else {
        Err(Error::Engine(format!("a product differs from the processor's by over {ACCURACY} of its largest value")))
    }
}

fn unbiased(mut sum: Vec<f64>, rows: usize) -> Vec<f64> {
    let scale = 1.0 / (rows as f64 - 1.0);
    sum.iter_mut().for_each(|v| *v *= scale);
    sum
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn an_ellipse_turned_by_thirty_degrees_gives_back_its_axes_and_variances() {
        let (sin, cos) = 30f32.to_radians().sin_cos();
        // Four points at the ends of both axes: variances 2 * 3^2 / 3 = 6 and 2 * 1^2 / 3.
        let mut values = Vec::new();
        for (along, across) in [(3.0, 0.0), (-3.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
            values.extend([100.0 + along * cos - across * sin, -50.0 + along * sin + across * cos]);
        }
        let samples = Matrix::new(&values, 2).unwrap();
        let pca = Pca::fit(samples, 5).unwrap();
        assert_eq!(pca.len(), 2);
        assert!((pca.variances()[0] - 6.0).abs() < 1e-4 && (pca.variances()[1] - 2.0 / 3.0).abs() < 1e-4);
        assert!((pca.explained(0) - 0.9).abs() < 1e-5);
        assert!((pca.component(0)[0] - cos).abs() < 1e-5 && (pca.component(0)[1] - sin).abs() < 1e-5);
        let first = pca.project(samples, &[0]).unwrap();
        assert!((first[0] - 3.0).abs() < 1e-4 && (first[1] + 3.0).abs() < 1e-4 && first[2].abs() < 1e-4);
    }

    #[test]
    fn variances_components_and_coordinates_are_those_of_scikit_learn() {
        let reference = reference::load();
        let (values, width) = reference.table("samples");
        let samples = Matrix::new(&values, width).unwrap();
        let pca = Pca::fit(samples, 4).unwrap();
        let variances = reference.values("pca.variances");
        let ratios = reference.values("pca.ratios");
        for i in 0..4 {
            assert!((pca.variances()[i] / f64::from(variances[i]) - 1.0).abs() < 1e-4, "{i}");
            assert!((pca.explained(i) - f64::from(ratios[i])).abs() < 1e-5, "{i}");
        }
        reference.close("pca.components", &pca.components, 1e-4);
        let coordinates = pca.project(samples, &[0, 1, 2, 3]).unwrap();
        reference.close("pca.coordinates", &coordinates, 2e-3);
        // The control: coordinates on other components are not close.
        let swapped = pca.project(samples, &[1, 0, 2, 3]).unwrap();
        assert!(reference.distance("pca.coordinates", &swapped) > 0.5);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (values, width) = reference::load().table("samples");
        let samples = Matrix::new(&values, width).unwrap();
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Pca::fit(samples, 3).unwrap())
        };
        assert_eq!(fit(1), fit(5));
    }

    #[test]
    fn products_from_elsewhere_give_the_same_components_and_wrong_ones_are_refused() {
        // More rows than a slice holds; variances far apart, so that components are not exchanged.
        let (rows, width) = (SLICE + 900, 12);
        let mut draw = Stream::new(4, Purpose::Test, 0, 0);
        let values: Vec<f32> = (0..rows * width).map(|i| 5.0 + (1 << (i % width)) as f32 * draw.normal()).collect();
        let samples = Matrix::new(&values, width).unwrap();
        let engine = jepa_core::device::Engine::cpu();
        let here = Pca::fit(samples, 4).unwrap();
        let there = Pca::fit_with(samples, 4, |a, width| engine.gram(a, width)).unwrap();
        for i in 0..4 {
            assert!((there.variances()[i] / here.variances()[i] - 1.0).abs() < 1e-4, "{i}");
            let apart = here.component(i).iter().zip(there.component(i)).map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f32::max) < 1e-4, "{i}");
        }
        let spoilt = |spoil: fn(&mut Vec<f32>)| {
            let gram = |a: &[f32], width: usize| -> Result<Vec<f32>> {
                let mut product = engine.gram(a, width)?;
                // The second slice: the first being right proves nothing.
                if a.len() < SLICE * width {
                    spoil(&mut product);
                }
                Ok(product)
            };
            Pca::fit_with(samples, 4, gram).unwrap_err().to_string()
        };
        assert!(spoilt(|product| product[1] += product.iter().copied().fold(0.0, f32::max)).contains("differs"));
        assert!(spoilt(|product| product.fill(0.0)).contains("differs"));
        assert!(spoilt(|product| product[7] = f32::NAN).contains("differs"));
        assert!(spoilt(|product| product.truncate(143)).contains("144 were expected"));
    }

    #[test]
    fn samples_that_do_not_differ_explain_nothing_and_a_wrong_width_is_an_error() {
        let same = [2.0; 12];
        let samples = Matrix::new(&same, 3).unwrap();
        let pca = Pca::fit(samples, 2).unwrap();
        assert_eq!(pca.explained(0), 0.0);
        assert!(pca.project(samples, &[0, 1]).unwrap().iter().all(|v| v.abs() < 1e-6));
        assert!(pca.project(Matrix::new(&same, 2).unwrap(), &[0]).unwrap_err().to_string().contains("basis of 3"));
        assert!(pca.project(samples, &[2]).unwrap_err().to_string().contains("component 3"));
        assert!(Pca::fit(Matrix::new(&[1.0], 1).unwrap(), 1).is_err());
    }
}
