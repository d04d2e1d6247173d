//! Values of tensors that live in host memory, read and updated in place.
//!
//! On the CPU engine a parameter update is one pass over slices instead of a dozen tensor operations. Every caller has
//! a second form in tensor operations for the other engines, and a test that both give the same numbers.

use burn::backend::Flex;
use burn::prelude::*;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Whether the values of `tensor` lie in host memory (the CPU engine, f32, no autodiff).
pub fn holds(tensor: &Tensor<1>) -> bool {
    matches!(tensor.device().as_dispatch(), burn::backend::DispatchDevice::Flex(_))
        && !tensor.is_autodiff()
        && tensor.dtype() == burn::tensor::DType::F32
}

/// A tensor's values, borrowed without a copy.
pub struct View(FlexTensor);

impl View {
    /// The values.
    pub fn values(&self) -> &[f32] {
        self.0.as_slice().unwrap_or(&[])
    }
}

/// Views a tensor that [`holds`] says is here.
pub fn view(tensor: Tensor<1>) -> Result<View> {
    let primitive = primitive(tensor)?;
    Ok(View(if primitive.as_slice::<f32>().is_some() { primitive } else { primitive.to_contiguous() }))
}

/// Lets `f` work on the values: in place when this is the only handle, on a copy otherwise.
pub fn update(tensor: Tensor<1>, f: impl FnOnce(&mut [f32])) -> Result<Tensor<1>> {
    let mut primitive = primitive(tensor)?;
    let whole = primitive.as_slice::<f32>().is_some_and(|s| s.len() == primitive.storage::<f32>().len());
    if !whole {
        primitive = primitive.to_contiguous();
    }
    f(primitive.storage_mut());
    Ok(Tensor::from_primitive::<Flex>(primitive))
}

fn primitive(tensor: Tensor<1>) -> Result<FlexTensor> {
    tensor.try_into_primitive::<Flex>().map_err(|e| Error::Engine(format!("values are not in host memory: {e:?}")))
}

/// Runs `f` over matching chunks of several slices, chunks in parallel on the current rayon pool. What happens to an
/// element depends on that element alone, so that the number of threads never shows in the result.
pub fn zip<const W: usize, const R: usize>(
    write: [&mut [f32]; W],
    read: [&[f32]; R],
    f: impl Fn([&mut [f32]; W], [&[f32]; R]) + Sync,
) {
    const CHUNK: usize = 1 << 14;
    let len = write.first().map_or(0, |w| w.len());
    let mut tasks = Vec::with_capacity(len / CHUNK + 1);
    let mut write = write;
    let mut start = 0;
    while start < len {
        let end = (start + CHUNK).min(len);
        let heads = std::array::from_fn(|i| {
            let (head, tail) = std::mem::take(&mut write[i]).split_at_mut(end - start);
            write[i] = tail;
            head
        });
        tasks.push((heads, std::array::from_fn(|i| &read[i][start..end])));
        start = end;
    }
    if tasks.len() == 1 {
        tasks.into_iter().for_each(|(w, r)| f(w, r));
    } else {
        tasks.into_par_iter().for_each(|(w, r)| f(w, r));
    }
}

/// Sum of squares in f64, in an order that does not depend on the number of threads.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let chunk = |c: &[f32]| -> f64 {
        // Eight partial sums let the compiler use vector registers.
        let mut sums = [0f64; 8];
        let (wide, rest) = c.as_chunks::<8>();
        for w in wide {
            for (s, v) in sums.iter_mut().zip(w) {
                *s += f64::from(*v) * f64::from(*v);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>()
    };
    let parts: Vec<f64> = values.par_chunks(1 << 14).map(chunk).collect();
    parts.into_iter().sum()
}

/// Sum of squares of the values of tensors, wherever they lie, one by one; a device is waited for once.
pub fn squares<'a>(tensors: impl IntoIterator<Item = &'a Tensor<1>>) -> Result<Vec<f64>> {
    let (mut sums, mut there) = (Vec::new(), Vec::new());
    for tensor in tensors {
        if holds(tensor) {
            sums.push(sum_of_squares(view(tensor.clone())?.values()));
        } else {
            there.push((sums.len(), squares_there(tensor.clone())));
            sums.push(0.0);
        }
    }
    let (places, there): (Vec<usize>, Vec<_>) = there.into_iter().unzip();
    for (place, sum) in places.into_iter().zip(scalars(there)?) {
        sums[place] = sum;
    }
    Ok(sums)
}

fn squares_there(tensor: Tensor<1>) -> Tensor<1> {
    #[cfg(feature = "tch")]
    if crate::libtorch::holds(&tensor)
        && let Some(sum) = crate::libtorch::squares(tensor.clone())
    {
        return sum;
    }
    tensor.powi_scalar(2).sum()
}

/// Reads any tensor's values to the host, whatever engine holds them.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|e| Error::Engine(format!("reading a tensor failed: {e:?}")))?;
    data.convert::<f32>().try_into_vec().map_err(|e| Error::Engine(format!("reading a tensor failed: {e:?}")))
}

/// The same in double precision, for what is computed with them on the host.
pub fn read_f64<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>> {
    let data = tensor.try_into_data().map_err(|e| Error::Engine(format!("reading a tensor failed: {e:?}")))?;
    data.convert::<f64>().try_into_vec().map_err(|e| Error::Engine(format!("reading a tensor failed: {e:?}")))
}

/// Reads tensors of one value each; a device is waited for once.
pub fn scalars(tensors: Vec<Tensor<1>>) -> Result<Vec<f64>> {
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let count = tensors.len();
    let values = read(Tensor::cat(tensors, 0))?;
    if values.len() != count {
        return Err(Error::Engine(format!("{count} numbers were to be read, and there are {}", values.len())));
    }
    Ok(values.into_iter().map(f64::from).collect())
}

/// Reads a tensor of one value.
pub fn scalar(tensor: Tensor<1>) -> Result<f64> {
    Ok(read(tensor)?.first().copied().map_or(f64::NAN, f64::from))
}
