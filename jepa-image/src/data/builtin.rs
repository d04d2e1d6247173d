//! The data inside the program: a class-balanced part of Fashion-MNIST (Zalando, MIT), so that every command works
//! without a download. `assets/fashion-mnist/README.md` says how it was chosen.

use std::path::Path;

use jepa_core::data::{Source, Split};
use jepa_core::error::Result;

use super::Picture;
use super::idx::IdxImages;

/// Bytes of a file in the assets, with its name.
macro_rules! asset {
    ($name:literal) => {
        (
            Path::new(concat!("builtin/fashion-mnist/", $name)),
            &include_bytes!(concat!("../../assets/fashion-mnist/", $name))[..],
        )
    };
}

/// 10,000 training or 2,000 test images of Fashion-MNIST: 28x28, grey, 10 classes.
#[derive(Debug)]
pub struct Builtin {
    images: IdxImages,
    split: Split,
}

impl Builtin {
    /// Unpacks one part (8 MB for training).
    pub fn open(split: Split) -> Result<Self> {
        let (images, labels) = match split {
            Split::Train => (asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz")),
            Split::Test => (asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz")),
        };
        Ok(Self { images: IdxImages::from_bytes(images, labels)?, split })
    }
}

impl Source for Builtin {
    type Sample = Picture;

    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize) -> Result<Picture> {
        self.images.read(index)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.images.label(index)
    }

    fn classes(&self) -> &[String] {
        self.images.classes()
    }

    fn name(&self, index: usize) -> String {
        self.images.name(index)
    }

    fn describe(&self) -> String {
        let (part, of) = match self.split {
            Split::Train => ("training", "60,000"),
            Split::Test => ("test", "10,000"),
        };
        let (count, classes) = (self.len(), self.classes().len());
        format!(
            "built-in Fashion-MNIST (Zalando, MIT): {count} of its {of} {part} images, 28x28 grey, {} in each of \
             {classes} classes",
            count / classes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normalise;

    #[test]
    fn the_built_in_images_are_real_balanced_and_labelled() {
        for (split, count) in [(Split::Train, 10_000), (Split::Test, 2_000)] {
            let source = Builtin::open(split).unwrap();
            assert_eq!(source.len(), count);
            let mut per_class = [0; 10];
            for index in 0..count {
                per_class[source.label(index).unwrap() as usize] += 1;
            }
            assert_eq!(per_class, [count / 10; 10]);
            let picture = source.read(count - 1).unwrap();
            assert_eq!((picture.width, picture.height, picture.channels), (28, 28, 1));
            assert!(source.read(count).is_err());
        }
        let source = Builtin::open(Split::Train).unwrap();
        // The first image of the original file is an ankle boot.
        assert_eq!(source.classes()[source.label(0).unwrap() as usize], "Ankle boot");
        assert!(source.describe().contains("10000 of its 60,000 training images"), "{}", source.describe());
        assert_eq!(source.name(3), "image 3 of builtin/fashion-mnist/train-images-idx3-ubyte.gz");
    }

    #[test]
    fn the_built_in_images_come_out_centred_and_scaled() {
        let source = Builtin::open(Split::Train).unwrap();
        let mut values = Vec::new();
        for index in 0..source.len() {
            Normalise::fashion_mnist().to_planar(&source.read(index).unwrap(), &mut values).unwrap();
        }
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
    }
}
