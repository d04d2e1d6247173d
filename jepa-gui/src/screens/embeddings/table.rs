//! A file of features as the screen shows it: one row a sample, with its class, its place in the data set, and whatever
//! other numbers lie beside it.

use std::collections::HashMap;
use std::path::Path;

use jepa_core::{Error, Result};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::analysis::Matrix;

/// Features of samples in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    values: Vec<f32>,
    width: usize,
    /// Class of every row, where known.
    pub labels: Vec<Option<u32>>,
    /// Index in its data set of every row.
    pub samples: Vec<usize>,
    /// Other numbers of every row, by name.
    pub columns: Vec<(String, Vec<f32>)>,
    rows_of: HashMap<usize, usize>,
}

impl Table {
    /// Rows of `width` features; samples are numbered as they come.
    pub fn new(values: Vec<f32>, width: usize, labels: Vec<Option<u32>>) -> Result<Self> {
        let rows = Matrix::new(&values, width)?.rows();
        if labels.len() != rows {
            return Err(Error::data("features", format!("{} labels for {rows} rows", labels.len())));
        }
        let samples: Vec<usize> = (0..rows).collect();
        let rows_of = samples.iter().map(|&i| (i, i)).collect();
        Ok(Self { values, width, labels, samples, columns: Vec::new(), rows_of })
    }

    /// Reads a file that `cargo xtask embed` wrote, or any other .safetensors file with a table of floats: the tensor
    /// `features`, or the only one of two dimensions. `labels` and `indices` are optional; every other tensor of one
    /// number a row becomes a column.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| {
            Error::format(path, format!("not a .safetensors file ({e}); `cargo xtask embed` writes one"))
        })?;
        let tensors: Vec<(String, TensorView)> = file.tensors();
        let tables: Vec<&(String, TensorView)> = tensors.iter().filter(|(_, t)| t.shape().len() == 2).collect();
        let named = tables.iter().find(|(name, _)| name == "features");
        let (name, features) = match (named, tables.as_slice()) {
            (Some(table), _) => table,
            (None, [table]) => table,
            (None, _) => {
                let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                let problem = format!("holds no table `features` of rows x dimensions, only: {}", names.join(", "));
                return Err(Error::format(path, problem));
            }
        };
        let width = features.shape()[1];
        let at = |problem: String| Error::format(path, format!("`{name}`: {problem}"));
        let values = numbers(features).ok_or_else(|| at(format!("is of {:?}, not of floats", features.dtype())))?;
        let rows = Matrix::new(&values, width).map_err(|e| at(e.to_string()))?.rows();
        let mut table = Self::new(values, width, vec![None; rows])?;
        for (name, tensor) in tensors.iter().filter(|(_, t)| t.shape() == [rows]) {
            match name.as_str() {
                "labels" => {
                    table.labels = integers(tensor).iter().map(|&l| u32::try_from(l).ok()).collect();
                }
                "indices" => table.samples = integers(tensor).iter().map(|&i| i.max(0) as usize).collect(),
                _ => table.columns.extend(numbers(tensor).map(|numbers| (name.clone(), numbers))),
            }
        }
        if table.labels.len() != rows || table.samples.len() != rows {
            return Err(Error::format(path, "`labels` and `indices` must be whole numbers"));
        }
        table.columns.sort_by(|a, b| a.0.cmp(&b.0));
        table.rows_of = table.samples.iter().enumerate().map(|(row, &sample)| (sample, row)).collect();
        Ok(table)
    }

    /// The features.
    pub fn features(&self) -> Result<Matrix<'_>> {
        Matrix::new(&self.values, self.width)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.samples.len()
    }

    /// Features a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of a row.
    pub fn row(&self, row: usize) -> &[f32] {
        self.values.get(row * self.width..(row + 1) * self.width).unwrap_or(&[])
    }

    /// The row of a sample of the data set.
    pub fn row_of(&self, sample: usize) -> Option<usize> {
        self.rows_of.get(&sample).copied()
    }

    /// The classes that occur, ascending, with how many samples each has.
    pub fn classes(&self) -> Vec<(u32, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        for label in self.labels.iter().flatten() {
            *counts.entry(*label).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// Some of the rows, in their order.
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self {
            values: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            width: self.width,
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            samples: rows.iter().map(|&row| self.samples[row]).collect(),
            columns: self
                .columns
                .iter()
                .map(|(name, numbers)| (name.clone(), rows.iter().map(|&row| numbers[row]).collect()))
                .collect(),
            rows_of: rows.iter().enumerate().map(|(new, &row)| (self.samples[row], new)).collect(),
        }
    }
}

/// A tensor's values as f32, when it holds numbers that f32 can say.
fn numbers(tensor: &TensorView) -> Option<Vec<f32>> {
    let data = tensor.data();
    Some(match tensor.dtype() {
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F64 => {
            let f64s =
                data.chunks_exact(8).map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
            f64s.map(|v| v as f32).collect()
        }
        Dtype::I32 | Dtype::I64 | Dtype::U8 => integers(tensor).into_iter().map(|v| v as f32).collect(),
        _ => return None,
    })
}

/// A tensor's values as whole numbers; none of a tensor that holds no such numbers.
fn integers(tensor: &TensorView) -> Vec<i64> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::I64 => {
            data.chunks_exact(8).map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect()
        }
        Dtype::I32 => data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect(),
        Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jepa_core::probe::{Features, write_features};

    use super::*;

    #[test]
    fn what_embed_writes_comes_back_with_classes_and_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.safetensors");
        let values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let features = Features::new(values, vec![Some(1), None, Some(0)], vec![7, 9, 30], Vec::new()).unwrap();
        write_features(&features, &path).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!((table.rows(), table.width(), table.row(1)), (3, 2, [3.0, 4.0].as_slice()));
        assert_eq!(table.labels, [Some(1), None, Some(0)]);
        assert_eq!((table.row_of(30), table.row_of(8)), (Some(2), None));
        assert_eq!(table.classes(), [(0, 1), (1, 1)]);
        let part = table.subset(&[2, 0]);
        assert_eq!((part.row(0), part.row_of(7)), ([5.0, 6.0].as_slice(), Some(1)));
    }

    #[test]
    fn a_foreign_file_gives_its_numbers_as_columns_or_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.safetensors");
        let write = |tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)>| {
            let views = tensors
                .iter()
                .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
            std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        };
        let floats = |v: &[f32]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (table, loss) = (floats(&[1.0, 0.0, 0.0, 1.0]), floats(&[0.5, 0.25]));
        write(vec![("x", Dtype::F32, vec![2, 2], table.clone()), ("loss", Dtype::F32, vec![2], loss)]);
        let read = Table::read(&path).unwrap();
        assert_eq!(read.columns, [("loss".to_owned(), vec![0.5, 0.25])]);
        assert_eq!(read.samples, [0, 1]);
        write(vec![("a", Dtype::F32, vec![2, 2], table.clone()), ("b", Dtype::F32, vec![2, 2], table)]);
        assert!(Table::read(&path).unwrap_err().to_string().contains("a, b"));
        write(vec![("features", Dtype::F32, vec![1, 2], floats(&[f32::NAN, 0.0]))]);
        assert!(Table::read(&path).unwrap_err().to_string().contains("row 0"));
        std::fs::write(&path, "label\t1\n").unwrap();
        assert!(Table::read(&path).unwrap_err().to_string().contains("xtask embed"));
        assert!(Table::read(&folder.path().join("absent")).is_err());
    }
}
