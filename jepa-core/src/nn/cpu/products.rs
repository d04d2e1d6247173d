//! Matrix products on slices, and the linear map with its backward pass.

use gemm::Parallelism;
use multiversion::multiversion;

/// A matrix inside a slice: element (row, column) lies at `start + row * rows + column * columns`.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) start: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl View {
    pub(super) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, ..self }
    }

    /// The rows from another one on.
    pub(super) fn below(self, row: usize) -> Self {
        Self { start: self.start + row * self.rows, ..self }
    }

    fn last(self, rows: usize, columns: usize) -> usize {
        self.start + (rows - 1) * self.rows + (columns - 1) * self.columns
    }
}

/// A vector that a matrix product is written into before anything else is read from it.
pub(super) struct Room {
    values: Vec<f32>,
    len: usize,
}

impl Room {
    /// Room for `len` values, without writing any.
    pub(super) fn new(len: usize) -> Self {
        Self { values: Vec::with_capacity(len), len }
    }

    /// A vector whose values products are added to.
    pub(super) fn filled(values: Vec<f32>) -> Self {
        Self { len: values.len(), values }
    }

    /// Appends values that products are added to.
    fn extend<'a>(&mut self, parts: impl Iterator<Item = &'a [f32]>) {
        parts.for_each(|part| self.values.extend_from_slice(part));
        self.len = self.values.len();
    }

    /// Appends rows, each with `bias` added.
    fn extend_sums(&mut self, rows: &[f32], bias: &[f32]) {
        for row in rows.chunks_exact(bias.len()) {
            self.values.extend(row.iter().zip(bias).map(|(a, b)| a + b));
        }
        self.len = self.values.len();
    }

    /// The values.
    ///
    /// # Safety
    /// Products must have been written over the whole room.
    pub(super) unsafe fn written(mut self) -> Vec<f32> {
        // SAFETY: `len` is within the capacity, and the caller has written every value.
        unsafe { self.values.set_len(self.len) };
        self.values
    }

    /// Values already written by a product.
    ///
    /// # Safety
    /// A product must have been written over `start..start + len`.
    pub(super) unsafe fn part(&mut self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.len, "the part lies in the room");
        // SAFETY: within the capacity, written by the caller, and borrowed with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_mut_ptr().add(start), len) }
    }
}

/// dst[m, n] = lhs[m, k] rhs[k, n], added to what is there with `add`.
#[allow(clippy::too_many_arguments)]
pub(super) fn matmul(
    [m, n, k]: [usize; 3],
    dst: &mut Room,
    d: View,
    lhs: &[f32],
    l: View,
    rhs: &[f32],
    r: View,
    add: bool,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(
        d.last(m, n) < dst.len && l.last(m, k) < lhs.len() && r.last(k, n) < rhs.len(),
        "views lie in their slices"
    );
    assert!(!add || dst.values.len() == dst.len, "a product is added to written values only");
    // SAFETY: the largest offset of every view was checked above and offsets are not negative; `dst` is borrowed mutably,
    // so that it overlaps neither operand; without `add` gemm does not read it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.values.as_mut_ptr().add(d.start),
            d.columns as isize,
            d.rows as isize,
            add,
            lhs.as_ptr().add(l.start),
            l.columns as isize,
            l.rows as isize,
            rhs.as_ptr().add(r.start),
            r.columns as isize,
            r.rows as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

pub(super) fn dense(columns: usize) -> View {
    View { start: 0, rows: columns, columns: 1 }
}

/// x[rows, inputs] weight[inputs, outputs], and the bias when there is one; added to `onto` when that is given.
pub(in crate::nn) fn linear(
    x: &[f32],
    weight: &[f32],
    outputs: usize,
    bias: Option<&[f32]>,
    onto: Option<&[f32]>,
) -> Vec<f32> {
    /// Rows whose results stay in the cache between what they begin with and the product.
    const BLOCK: usize = 512;
    let inputs = weight.len() / outputs;
    let rows = x.len() / inputs;
    let (input, output) = (dense(inputs), dense(outputs));
    if bias.is_none() && onto.is_none() {
        let mut y = Room::new(rows * outputs);
        matmul([rows, outputs, inputs], &mut y, output, x, input, weight, output, false);
        // SAFETY: the product covers rows x outputs.
        return unsafe { y.written() };
    }
    let mut y = Room::filled(Vec::with_capacity(rows * outputs));
    for start in (0..rows).step_by(BLOCK) {
        let count = BLOCK.min(rows - start);
        let first = onto.map(|onto| &onto[start * outputs..(start + count) * outputs]);
        match (first, bias) {
            (Some(first), Some(bias)) => y.extend_sums(first, bias),
            (Some(first), None) => y.extend(std::iter::once(first)),
            (None, bias) => y.extend(bias.into_iter().flat_map(|bias| std::iter::repeat_n(bias, count))),
        }
        let (at, from) = (View { start: start * outputs, ..output }, View { start: start * inputs, ..input });
        matmul([count, outputs, inputs], &mut y, at, x, from, weight, output, true);
    }
    y.values
}

/// Gradients of input and weight of [`linear`]; that of the input only when it is asked for. That of the bias is
/// [`column_sums`].
pub(in crate::nn) fn linear_backward(
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    outputs: usize,
    input: bool,
) -> (Option<Vec<f32>>, Vec<f32>) {
    let inputs = weight.len() / outputs;
    let rows = dy.len() / outputs;
    let (flat, across) = (dense(outputs), dense(outputs).transposed());
    let dx = input.then(|| {
        let mut dx = Room::new(rows * inputs);
        matmul([rows, inputs, outputs], &mut dx, dense(inputs), dy, flat, weight, across, false);
        // SAFETY: the product covers rows x inputs.
        unsafe { dx.written() }
    });
    let mut dweight = Room::new(inputs * outputs);
    matmul([inputs, outputs, rows], &mut dweight, flat, x, dense(inputs).transposed(), dy, flat, false);
    // SAFETY: the product covers inputs x outputs.
    (dx, unsafe { dweight.written() })
}

/// The sum of all rows of `width`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(in crate::nn) fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0f32; width];
    for row in rows.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
    sum
}
