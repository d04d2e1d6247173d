//! Numbers of numpy, scikit-learn, SciPy and umap-learn that tests are held to; `tests/reference/analysis.py` made them.

use safetensors::SafeTensors;

const FILE: &[u8] = include_bytes!("../../tests/reference/analysis.safetensors");

pub(super) struct Reference(SafeTensors<'static>);

pub(super) fn load() -> Reference {
    Reference(SafeTensors::deserialize(FILE).unwrap())
}

impl Reference {
    /// The values of a tensor of f32.
    pub(super) fn values(&self, name: &str) -> Vec<f32> {
        let tensor = self.0.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), safetensors::Dtype::F32, "{name}");
        tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    /// The values of a table and the values a row.
    pub(super) fn table(&self, name: &str) -> (Vec<f32>, usize) {
        (self.values(name), self.0.tensor(name).unwrap().shape()[1])
    }

    /// The largest difference from a tensor.
    pub(super) fn distance(&self, name: &str, found: &[f32]) -> f32 {
        let expected = self.values(name);
        assert_eq!(expected.len(), found.len(), "{name}");
        expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    pub(super) fn close(&self, name: &str, found: &[f32], tolerance: f32) {
        let distance = self.distance(name, found);
        assert!(distance <= tolerance, "{name}: differs by {distance}");
    }
}
