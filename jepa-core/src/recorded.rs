//! Numbers recorded from a reference implementation, and what a parity test asks of them.
//!
//! Reference outputs are made once, by running the reference, and kept as safetensors files; a test opens them here,
//! computes the same thing and holds it to a tolerance. A test that cannot fail proves nothing: break something on
//! purpose beside it and require that [`Recorded::difference`] sees it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::prelude::*;
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;

use crate::checkpoint::{Named, to_f32};
use crate::error::{Error, Result};
use crate::host;

/// One safetensors file; every type of number as f64, which holds those of up to 53 bits exactly.
#[derive(Debug)]
pub struct Recorded {
    path: PathBuf,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    metadata: HashMap<String, String>,
}

impl Recorded {
    /// Reads a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let wrong =
            |e: safetensors::SafeTensorError| Error::format(&path, format!("not a sound safetensors file: {e}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(&bytes).map_err(wrong)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::BOOL | Dtype::U8 => data.iter().map(|b| f64::from(*b)).collect(),
                Dtype::I32 => data.as_chunks().0.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
                Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
                Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                other => to_f32(other, data)
                    .ok_or_else(|| Error::format(&path, format!("`{name}` has the type {other:?}")))?
                    .into_iter()
                    .map(f64::from)
                    .collect(),
            };
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Ok(Self { path, tensors, metadata })
    }

    fn entry(&self, name: &str) -> Result<&(Vec<usize>, Vec<f64>)> {
        self.tensors.get(name).ok_or_else(|| Error::format(&self.path, format!("holds no tensor `{name}`")))
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor's shape.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.entry(name)?.0)
    }

    /// A tensor's values, row-major.
    pub fn values(&self, name: &str) -> Result<&[f64]> {
        Ok(&self.entry(name)?.1)
    }

    /// The same in single precision.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        Ok(self.values(name)?.iter().map(|v| *v as f32).collect())
    }

    /// A table of indices, row by row.
    pub fn rows(&self, name: &str) -> Result<Vec<Vec<u32>>> {
        let (shape, values) = self.entry(name)?;
        let width = shape.last().copied().unwrap_or(1).max(1);
        Ok(values.chunks(width).map(|row| row.iter().map(|v| *v as u32).collect()).collect())
    }

    /// A tensor on the CPU.
    pub fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>> {
        let (shape, _) = self.entry(name)?;
        let shape: [usize; D] = shape.as_slice().try_into().map_err(|_| {
            Error::format(&self.path, format!("`{name}` has shape {shape:?}, {D} dimensions were asked for"))
        })?;
        Ok(Tensor::from_data(TensorData::new(self.f32(name)?, shape), &Device::flex()))
    }

    /// A metadata entry, which is JSON.
    pub fn metadata<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let text = self.metadata.get(key).map_or("", String::as_str);
        serde_json::from_str(text).map_err(|e| Error::format(&self.path, format!("metadata `{key}`: {e}")))
    }

    /// The largest absolute difference between a computed and a recorded tensor; infinite where their numbers of
    /// values differ or one is not a number.
    pub fn difference<const D: usize>(&self, name: &str, found: Tensor<D>) -> Result<f64> {
        Ok(largest_difference(&host::read(found)?, self.values(name)?))
    }

    /// Weights that are not stored but follow a formula: entry `weights` of the metadata lists, for every tensor, name,
    /// number k, shape, base and scale; element j is base + scale · [`mixed`](k, j).
    pub fn formula(&self) -> Result<Named> {
        #[derive(serde::Deserialize)]
        struct Weight {
            name: String,
            k: u32,
            shape: Vec<usize>,
            base: f64,
            scale: f64,
        }
        let weights: Vec<Weight> = self.metadata("weights")?;
        Ok(weights
            .into_iter()
            .map(|Weight { name, k, shape, base, scale }| {
                let count = shape.iter().product::<usize>() as u32;
                let values = (0..count).map(|j| (base + scale * mixed(k, j)) as f32).collect();
                (name, (shape, values))
            })
            .collect())
    }
}

/// Odd sixteenths in (-1, 1) from a 32-bit mixer: exact in every float type, easily written in any language.
pub fn mixed(k: u32, j: u32) -> f64 {
    let mut x = (k + 1).wrapping_mul(2_654_435_769).wrapping_add(j);
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^= x >> 16;
    (f64::from(x >> 28) - 7.5) / 8.0
}

/// The largest absolute difference; infinite where the numbers of values differ or one is not a number.
pub fn largest_difference(found: &[f32], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let differences = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
    differences.fold(0.0, |largest, d| if d.is_nan() { f64::INFINITY } else { largest.max(d) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixer_gives_the_recorded_sixteenths() {
        let of = |k, n| (0..n).map(|j| mixed(k, j)).collect::<Vec<_>>();
        assert_eq!(of(0, 5), [-0.9375, 0.1875, -0.9375, -0.9375, -0.1875]);
        assert_eq!(of(7, 3), [-0.1875, -0.6875, 0.1875]);
    }

    #[test]
    fn nothing_that_is_not_a_number_or_of_another_length_is_close() {
        assert_eq!(largest_difference(&[1.0, 2.5], &[1.0, 2.0]), 0.5);
        assert_eq!(largest_difference(&[f32::NAN], &[0.0]), f64::INFINITY);
        assert_eq!(largest_difference(&[1.0], &[]), f64::INFINITY);
    }
}
