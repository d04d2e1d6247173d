//! The images that move: 28x28 grey pictures of clothes, in IDX files inside the program.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use jepa_core::data::Split;
use jepa_core::error::{Error, Result};

/// Pixels along a side of an image.
const SIDE: usize = 28;
/// Pixels along a side of a sprite on the canvas.
const SHOWN: f32 = 24.0;

/// Classes of Fashion-MNIST, in label order.
pub(super) const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// Images with their classes.
#[derive(Debug)]
pub(super) struct Sheet {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

macro_rules! asset {
    ($name:literal) => {
        (concat!("builtin/sprites/", $name), &include_bytes!(concat!("../../../assets/sprites/", $name))[..])
    };
}

impl Sheet {
    pub(super) fn open(split: Split) -> Result<Self> {
        let (images, labels) = match split {
            Split::Train => (asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz")),
            Split::Test => (asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz")),
        };
        let pixels = unpacked(images, 16)?;
        let labels = unpacked(labels, 8)?;
        let fits = !labels.is_empty() && pixels.len() == labels.len() * SIDE * SIDE;
        if !fits || labels.iter().any(|label| usize::from(*label) >= CLASSES.len()) {
            return Err(Error::format(Path::new(images.0), "images and labels do not fit each other"));
        }
        Ok(Self { pixels, labels })
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn class(&self, index: usize) -> u32 {
        self.labels.get(index).map_or(0, |label| u32::from(*label))
    }

    pub(super) fn image(&self, index: usize) -> &[u8] {
        self.pixels.get(index * SIDE * SIDE..(index + 1) * SIDE * SIDE).unwrap_or_default()
    }

    /// How much sprite `index` covers the pixel that lies `x`, `y` pixels from its middle, 0 to 1: bilinear between the
    /// image's pixels, nothing beyond them.
    pub(super) fn cover(&self, index: usize, x: f32, y: f32) -> f32 {
        let scale = SIDE as f32 / SHOWN;
        let [column, row] = [x, y].map(|at| at * scale + SIDE as f32 / 2.0 - 0.5);
        if !(-1.0..SIDE as f32).contains(&column) || !(-1.0..SIDE as f32).contains(&row) {
            return 0.0;
        }
        let image = self.image(index);
        let value = |row: i32, column: i32| {
            let inside = (0..SIDE as i32).contains(&row) && (0..SIDE as i32).contains(&column);
            let place = if inside { image.get((row * SIDE as i32 + column) as usize) } else { None };
            place.map_or(0.0, |value| f32::from(*value) / 255.0)
        };
        let (left, top) = (column.floor() as i32, row.floor() as i32);
        let (u, v) = (column - column.floor(), row - row.floor());
        let across = |row| (1.0 - u) * value(row, left) + u * value(row, left + 1);
        (1.0 - v) * across(top) + v * across(top + 1)
    }
}

/// The values of a packed IDX file without its header.
fn unpacked((name, bytes): (&str, &[u8]), header: usize) -> Result<Vec<u8>> {
    let mut values = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut values).map_err(Error::io("read", Path::new(name)))?;
    values.get(header..).map(<[u8]>::to_vec).ok_or_else(|| Error::format(Path::new(name), "is too short"))
}
