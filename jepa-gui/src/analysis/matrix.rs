//! A row-major table of samples, and the two matrix products that the analyses are made of.

use jepa_core::{Error, Result};

/// Samples x dimensions, row-major, borrowed; every value is finite.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Matrix<'a> {
    /// A table of rows of `width` values. Refuses an empty table, a last row that is cut short, and values that are not
    /// finite, naming the row.
    pub fn new(values: &'a [f32], width: usize) -> Result<Self> {
        if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
            let problem = format!("{} values do not make rows of {width}", values.len());
            return Err(Error::data("features", problem));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let problem = format!("row {} holds a value that is not finite: {}", at / width, values[at]);
            return Err(Error::data("features", problem));
        }
        Ok(Self { values, width })
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Values a sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Sample `i`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// a b^T: the dot product of every row of `a` with every row of `b`, written to `out`, row-major.
pub(super) fn products(a: &[f32], b: &[f32], width: usize, out: &mut [f32]) {
    let (m, n) = (a.len() / width, b.len() / width);
    assert!(a.len() == m * width && b.len() == n * width && out.len() == m * n, "one result a pair of rows");
    let (rows, turned) = (Steps { row: width, column: 1 }, Steps { row: 1, column: width });
    multiply([m, n, width], out, Steps { row: n, column: 1 }, a, rows, b, turned);
}

/// a^T a, written to `out`, [width, width].
pub(super) fn gram(a: &[f32], width: usize, out: &mut [f32]) {
    let rows = a.len() / width;
    assert!(a.len() == rows * width && out.len() == width * width, "one result a pair of columns");
    let (plain, turned) = (Steps { row: width, column: 1 }, Steps { row: 1, column: width });
    multiply([width, width, rows], out, plain, a, turned, a, plain);
}

/// How far apart in a slice the next row and the next column are.
#[derive(Clone, Copy)]
struct Steps {
    row: usize,
    column: usize,
}

impl Steps {
    /// Offset of the last element of a rows x columns matrix.
    fn last(self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row + (columns - 1) * self.column
    }
}

/// dst[m, n] = lhs[m, k] rhs[k, n], on the calling thread: callers share the rows out among threads.
fn multiply([m, n, k]: [usize; 3], dst: &mut [f32], d: Steps, lhs: &[f32], l: Steps, rhs: &[f32], r: Steps) {
    if m == 0 || n == 0 || k == 0 {
        dst.fill(0.0);
        return;
    }
    assert!(
        d.last(m, n) < dst.len() && l.last(m, k) < lhs.len() && r.last(k, n) < rhs.len(),
        "matrices lie in their slices"
    );
    // SAFETY: the largest offset of each matrix was checked above, offsets are not negative, and `dst` is borrowed
    // mutably, so that it overlaps neither operand; without `read_dst` its old values are not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            d.column as isize,
            d.row as isize,
            false,
            lhs.as_ptr(),
            l.column as isize,
            l.row as isize,
            rhs.as_ptr(),
            r.column as isize,
            r.row as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_cut_short_or_not_finite_is_refused_by_row() {
        assert!(Matrix::new(&[1.0, 2.0, 3.0], 2).unwrap_err().to_string().contains("rows of 2"));
        assert!(Matrix::new(&[], 2).is_err() && Matrix::new(&[1.0], 0).is_err());
        let error = Matrix::new(&[1.0, 2.0, f32::NAN, 4.0], 2).unwrap_err().to_string();
        assert!(error.contains("row 1"), "{error}");
    }

    #[test]
    fn the_products_are_those_of_paper_and_pencil() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 0.5]);
        let mut out = [0.0; 4];
        products(&a, &b, 3, &mut out);
        assert_eq!(out, [-2.0, 5.5, -2.0, 16.0]);
        let mut out = [9.0; 9];
        gram(&a, 3, &mut out);
        assert_eq!(out, [17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]);
    }
}
