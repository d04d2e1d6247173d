//! Where embeddings lie: deviations of dimensions, and alignment and uniformity on the unit sphere (Wang and Isola 2020,
//! arXiv 2005.10242). All of rows of a matrix, [samples n, width d].

use nalgebra::DMatrix;

/// Unbiased standard deviation of every dimension.
pub fn deviations(z: &DMatrix<f64>) -> Vec<f64> {
    let scale = (z.nrows().max(2) - 1) as f64;
    let centred = super::spectrum::centred(z);
    centred.column_iter().map(|column| (column.norm_squared() / scale).sqrt()).collect()
}

/// Rows divided by their length; a row of zeros stays.
pub fn unit_rows(z: &DMatrix<f64>) -> DMatrix<f64> {
    let lengths: Vec<f64> = z.row_iter().map(|row| row.norm().max(1e-12)).collect();
    DMatrix::from_fn(z.nrows(), z.ncols(), |i, j| z[(i, j)] / lengths[i])
}

/// sqrt(d) times the mean deviation of unit rows (SimSiam's check): 1 when they lie evenly on the sphere, 0 when they
/// have collapsed. It does not depend on the scale of the embeddings.
pub fn unit_deviation(z: &DMatrix<f64>) -> f64 {
    let deviations = deviations(&unit_rows(z));
    deviations.iter().sum::<f64>() / (deviations.len() as f64).sqrt()
}

/// mean ‖x − y‖² of unit rows of two views of the same samples, 0 to 4: 0 when views agree.
pub fn alignment(x: &DMatrix<f64>, y: &DMatrix<f64>) -> f64 {
    (unit_rows(x) - unit_rows(y)).norm_squared() / x.nrows().max(1) as f64
}

/// ln of the mean of exp(−2 ‖x_i − x_j‖²) over pairs i < j of unit rows: 0 when they have collapsed, the lower the more
/// evenly they lie.
pub fn uniformity(z: &DMatrix<f64>) -> f64 {
    let unit = unit_rows(z);
    let products = &unit * unit.transpose();
    let (mut sum, mut pairs) = (0.0, 0.0);
    for i in 0..unit.nrows() {
        for j in 0..i {
            sum += (-4.0 * (1.0 - products[(i, j)])).exp();
            pairs += 1.0;
        }
    }
    if pairs > 0.0 { f64::ln(sum / pairs) } else { 0.0 }
}
