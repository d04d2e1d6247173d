//! Modules to named tensors and back, in PyTorch's names and layouts.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::{Error, KeyReport, Result};
use crate::host;
use crate::nn::params::{self, Leaf};

/// Tensors by name: shape and row-major values. Matrices are [outputs, inputs], as PyTorch keeps them.
pub type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

fn stored(leaf: &Leaf, values: Vec<f32>) -> (Vec<usize>, Vec<f32>) {
    match leaf.shape[..] {
        [rows, columns] if leaf.matrix => (vec![columns, rows], transposed(&values, rows, columns)),
        _ => (leaf.shape.clone(), values),
    }
}

fn kept(leaf: &Leaf, values: Vec<f32>) -> Vec<f32> {
    match leaf.shape[..] {
        [rows, columns] if leaf.matrix => transposed(&values, columns, rows),
        _ => values,
    }
}

/// The leaves of a module by name.
pub fn named<M: Module>(module: &M) -> Result<Named> {
    let mut leaves = Vec::new();
    params::visit(module, |leaf, value| leaves.push((leaf, value)));
    named_leaves(leaves)
}

/// Flattened leaves by name.
pub fn named_leaves(leaves: Vec<(Leaf, Tensor<1>)>) -> Result<Named> {
    leaves.into_iter().map(|(leaf, value)| Ok((leaf.path.clone(), stored(&leaf, host::read(value)?)))).collect()
}

/// Values for `leaves` out of named tensors, in their order, as flat tensors on `device`.
pub fn restore_leaves(leaves: &[Leaf], tensors: &Named, origin: &str, device: &Device) -> Result<Vec<Tensor<1>>> {
    report(leaves, tensors, origin).into_result()?;
    Ok(leaves
        .iter()
        .filter_map(|leaf| {
            let (_, values) = tensors.get(&leaf.path)?;
            Some(Tensor::from_data(TensorData::new(kept(leaf, values.clone()), [leaf.len()]), device))
        })
        .collect())
}

/// What does not fit between leaves and named tensors. A convolution kernel [width, channels, ..] fits the matrix
/// [width, values a patch] it is.
pub fn report(leaves: &[Leaf], tensors: &Named, origin: &str) -> KeyReport {
    let mut report = KeyReport { origin: origin.to_owned(), ..Default::default() };
    for leaf in leaves {
        match tensors.get(&leaf.path) {
            None => report.missing.push(leaf.path.clone()),
            Some((shape, _)) => {
                let expected = leaf.stored_shape();
                let kernel = leaf.matrix
                    && shape.len() > 2
                    && shape[0] == expected[0]
                    && shape[1..].iter().try_fold(1usize, |p, n| p.checked_mul(*n)) == Some(expected[1]);
                if *shape != expected && !kernel {
                    report.mismatched.push(format!("{}: expected {expected:?}, found {shape:?}", leaf.path));
                }
            }
        }
    }
    report.unexpected = tensors.keys().filter(|k| !leaves.iter().any(|l| l.path == **k)).cloned().collect();
    report
}

/// Puts named tensors into a module. Strict: any missing, unexpected or misshapen entry is an error listing them all.
pub fn apply<M: Module>(module: M, tensors: &Named, origin: &str) -> Result<M> {
    report(&params::leaves(&module), tensors, origin).into_result()?;
    params::map(module, |leaf, old| match tensors.get(&leaf.path) {
        Some((_, values)) => {
            Ok(Tensor::from_data(TensorData::new(kept(&leaf, values.clone()), [leaf.len()]), &old.device()))
        }
        None => Ok(old),
    })
}

/// Named tensors as a safetensors file.
pub fn encode(tensors: &Named) -> Result<Vec<u8>> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, (*shape).clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .and_then(|views| {
            // Python's loaders look for this entry.
            let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
            safetensors::serialize(views, Some(metadata))
        });
    views.map_err(|e| Error::Engine(format!("encoding tensors failed: {e}")))
}

/// Named tensors out of a safetensors file; `path` is for messages.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Named> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::format(path, format!("not a sound safetensors file: {e}")))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let values = to_f32(view.dtype(), view.data()).ok_or_else(|| {
                Error::format(
                    path,
                    format!("tensor `{name}` has type {:?}, expected a floating-point type", view.dtype()),
                )
            })?;
            Ok((name, (view.shape().to_vec(), values)))
        })
        .collect()
}

/// Little-endian bytes of a floating-point type as f32.
pub fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Init, InitScheme, Linear};

    #[test]
    fn a_module_comes_back_from_a_file_bit_by_bit_and_matrices_are_stored_as_pytorch_does() {
        let device = Device::flex();
        let layer = |seed| Linear::new(&mut Init::new(seed, InitScheme::FanIn, &device), 3, 2);
        let first = layer(1);
        let tensors = decode(&encode(&named(&first).unwrap()).unwrap(), Path::new("x")).unwrap();
        assert_eq!(tensors["weight"].0, [2, 3]);
        let weight = host::read(first.weight.val()).unwrap();
        assert_eq!(tensors["weight"].1[1], weight[2], "row 0, column 1 of [out, in] is row 1, column 0 of [in, out]");
        let second = apply(layer(2), &tensors, "test").unwrap();
        assert_eq!(host::read(second.weight.val()).unwrap(), weight);
    }

    #[test]
    fn every_key_that_does_not_fit_is_listed() {
        let layer = Linear::new(&mut Init::new(1, InitScheme::FanIn, &Device::flex()), 3, 2);
        let tensors =
            Named::from([("weight".into(), (vec![3, 2], vec![0.0; 6])), ("head".into(), (vec![1], vec![0.0]))]);
        let message = apply(layer, &tensors, "file").unwrap_err().to_string();
        for part in ["1 missing: bias", "1 unexpected: head", "weight: expected [2, 3], found [3, 2]"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
