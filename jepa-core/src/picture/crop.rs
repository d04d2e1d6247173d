//! Crops: the random one of training and the centre one of evaluation, with torchvision's arithmetic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resample::resize;
use super::{MAX_SIDE, Picture};
use crate::error::{Error, Result};
use crate::random::Draw;

/// Random boxes tried before the centre is taken (torchvision's `RandomResizedCrop.get_params`).
const TRIES: usize = 10;

/// Below this size `centre` keeps a square picture whole: tiny data sets fill their frame already.
const TINY: usize = 64;

/// What a random resized crop may be. The default is I-JEPA's (`src/transforms.py`, `configs/*.yaml`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CropConfig {
    /// Side of the resulting square in pixels (I-JEPA: 224).
    pub size: usize,
    /// Smallest and largest part of the picture's area (I-JEPA: 0.3 to 1; torchvision: 0.08 to 1).
    pub scale: [f32; 2],
    /// Smallest and largest width over height (torchvision: 3/4 to 4/3).
    pub aspect: [f32; 2],
    /// Mirror every other crop (I-JEPA: no).
    pub flip: bool,
}

impl Default for CropConfig {
    fn default() -> Self {
        Self { size: 224, scale: [0.3, 1.0], aspect: [3.0 / 4.0, 4.0 / 3.0], flip: false }
    }
}

impl CropConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        let ordered = |[low, high]: [f32; 2]| 0.0 < low && low <= high && high.is_finite();
        if self.size == 0 || self.size > MAX_SIDE as usize {
            let problem = format!("expected 1 to {MAX_SIDE} pixels, found {}", self.size);
            return Err(Error::config(format!("{place}.size"), problem));
        }
        if !ordered(self.scale) || self.scale[1] > 1.0 {
            let problem = format!("expected 0 < smallest <= largest <= 1, found {:?}", self.scale);
            return Err(Error::config(format!("{place}.scale"), problem));
        }
        if !ordered(self.aspect) {
            let problem = format!("expected 0 < smallest <= largest, found {:?}", self.aspect);
            return Err(Error::config(format!("{place}.aspect"), problem));
        }
        Ok(())
    }
}

/// A box of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropBox {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// The box of a random resized crop: area uniform, aspect log-uniform, ten tries, else the largest centred box whose
/// aspect is allowed. With a [`TorchStream`](crate::random::TorchStream) it is torchvision's box for that seed.
pub fn random_box(height: usize, width: usize, config: &CropConfig, draw: &mut impl Draw) -> CropBox {
    // torchvision keeps the bounds in single precision and rounds halves to even.
    let area = (height * width) as f64;
    let logs = config.aspect.map(f32::ln);
    let round = |side: f64| side.round_ties_even() as usize;
    for _ in 0..TRIES {
        let target = area * f64::from(uniform(draw, config.scale));
        let aspect = f64::from(uniform(draw, logs).exp());
        let (w, h) = (round((target * aspect).sqrt()), round((target / aspect).sqrt()));
        if 0 < w && w <= width && 0 < h && h <= height {
            let top = draw.below(height - h + 1);
            let left = draw.below(width - w + 1);
            return CropBox { top, left, height: h, width: w };
        }
    }
    let [narrowest, widest] = config.aspect.map(f64::from);
    let found = width as f64 / height as f64;
    // The clamps matter only beyond torchvision's range: a panorama of one row must keep that row.
    let (w, h) = if found < narrowest {
        (width, round(width as f64 / narrowest).clamp(1, height.max(1)))
    } else if found > widest {
        (round(height as f64 * widest).clamp(1, width.max(1)), height)
    } else {
        (width, height)
    };
    CropBox { top: height.saturating_sub(h) / 2, left: width.saturating_sub(w) / 2, height: h, width: w }
}

/// A random box of `picture`, resized to `config.size` squared and perhaps mirrored.
pub fn random_resized_crop(picture: &Picture, config: &CropConfig, draw: &mut impl Draw) -> Result<Picture> {
    let area = random_box(picture.height, picture.width, config, draw);
    let mut result = crop_resize(picture, area, config.size)?;
    if config.flip && draw.uniform() < 0.5 {
        mirror(&mut result);
    }
    Ok(result)
}

/// The box `area` of `picture`, resized to `size` squared. It is cut out before: torchvision's filter sees nothing
/// outside the box. Fails when the box is empty or reaches beyond the picture.
pub fn crop_resize(picture: &Picture, area: CropBox, size: usize) -> Result<Picture> {
    resize(cut(picture, area)?, size, size)
}

/// `picture` with its shorter side resized to `shorter`, as torchvision's `Resize(shorter)`: the longer side is
/// truncated to whole pixels.
pub fn resize_shorter(picture: Picture, shorter: usize) -> Result<Picture> {
    let (width, height) = (picture.width, picture.height);
    let scaled = |side: usize| shorter.saturating_mul(side) / width.min(height).max(1);
    resize(picture, scaled(width), scaled(height))
}

/// The view of evaluation: shorter side to `size * 256 / 224`, then the centre. A square picture for a size below 64
/// is resized whole.
pub fn centre(picture: &Picture, size: usize) -> Result<Picture> {
    let (width, height) = (picture.width, picture.height);
    if size < TINY && width == height {
        return resize(picture.clone(), size, size);
    }
    // Nothing beyond eight times the shorter side can reach the centre, but resizing it would fill the memory.
    let reach = 8 * width.min(height);
    let (w, h) = (width.min(reach), height.min(reach));
    let middle = cut(picture, CropBox { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w })?;
    let resized = resize_shorter(middle, (size as f64 * 256.0 / 224.0).round_ties_even() as usize)?;
    // torchvision's `CenterCrop` rounds halves to even.
    let margin = |side: usize| (side.saturating_sub(size) as f64 / 2.0).round_ties_even() as usize;
    cut(&resized, CropBox { top: margin(resized.height), left: margin(resized.width), height: size, width: size })
}

/// Uniform in `bounds` with PyTorch's rounding: the sum in double precision, the result in single.
fn uniform(draw: &mut impl Draw, [low, high]: [f32; 2]) -> f32 {
    (f64::from(draw.uniform()) * f64::from(high - low) + f64::from(low)) as f32
}

fn cut(picture: &Picture, area: CropBox) -> Result<Picture> {
    let CropBox { top, left, height, width } = area;
    let inside = |start: usize, length: usize, side: usize| {
        length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
    };
    if !inside(top, height, picture.height) || !inside(left, width, picture.width) {
        let spec = format!("picture of {}x{}", picture.width, picture.height);
        return Err(Error::data(spec, format!("cannot be cropped to {area:?}: the box is empty or reaches beyond it")));
    }
    let row = picture.width * picture.channels;
    let columns = left * picture.channels..(left + width) * picture.channels;
    let rows = picture.pixels.chunks_exact(row).skip(top).take(height);
    let pixels = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
    Picture::new(width, height, picture.channels, pixels)
}

fn mirror(picture: &mut Picture) {
    let channels = picture.channels;
    for row in picture.pixels.chunks_exact_mut(picture.width * channels) {
        row.reverse();
        // Reversed bytes are reversed channels too.
        row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream, TorchStream};

    fn stream(sample: u64) -> Stream {
        Stream::new(3, Purpose::Test, 0, sample)
    }

    fn pattern(width: usize, height: usize, channels: usize) -> Picture {
        let value = |i: usize| (i * i * 7 + i * 13 + (i >> 3) * 91) as u8;
        Picture::new(width, height, channels, (0..width * height * channels).map(value).collect()).unwrap()
    }

    #[test]
    fn boxes_are_those_of_torchvision_for_the_same_seed() {
        // torch.manual_seed(seed); RandomResizedCrop.get_params(zeros(3, h, w), (0.3, 1.0), (3/4, 4/3)); torch 2.11
        let expected: [(u64, usize, usize, [usize; 4]); 7] = [
            (0, 28, 28, [5, 0, 21, 24]),
            (1, 28, 28, [0, 3, 27, 24]),
            (2, 28, 28, [1, 0, 25, 23]),
            (0, 375, 500, [28, 10, 323, 376]),
            (2, 375, 500, [0, 15, 374, 401]),
            (4, 375, 500, [19, 128, 354, 366]),
            (5, 3000, 40, [1473, 0, 53, 40]),
        ];
        for (seed, height, width, found) in expected {
            let area = random_box(height, width, &CropConfig::default(), &mut TorchStream::new(seed));
            assert_eq!([area.top, area.left, area.height, area.width], found, "seed {seed}, {height}x{width}");
        }
    }

    #[test]
    fn boxes_lie_inside_and_have_the_areas_and_aspects_asked_for() {
        let config = CropConfig { scale: [0.2, 0.5], ..CropConfig::default() };
        for sample in 0..2000 {
            let area = random_box(240, 320, &config, &mut stream(sample));
            assert!(area.top + area.height <= 240 && area.left + area.width <= 320, "{area:?}");
            let part = (area.height * area.width) as f32 / (240.0 * 320.0);
            let aspect = area.width as f32 / area.height as f32;
            assert!((0.195..0.505).contains(&part) && (0.74..1.35).contains(&aspect), "{area:?}");
        }
    }

    #[test]
    fn pictures_of_any_shape_give_a_crop_of_the_size() {
        for (width, height) in [(1, 1), (1, 3000), (3000, 1), (7, 500), (500, 7), (16_384, 1), (64, 64)] {
            for channels in [1, 3] {
                let picture = pattern(width, height, channels);
                let config = CropConfig { size: 16, flip: true, ..CropConfig::default() };
                let crop = random_resized_crop(&picture, &config, &mut stream(0)).unwrap();
                assert_eq!((crop.width, crop.height, crop.channels), (16, 16, channels));
                for size in [1, 16, 28, 64, 96, 224] {
                    let view = centre(&picture, size).unwrap();
                    assert_eq!((view.width, view.height, view.channels), (size, size, channels));
                }
            }
        }
    }

    #[test]
    fn a_box_of_the_final_size_is_copied_bit_for_bit() {
        let picture = pattern(20, 10, 3);
        let crop = crop_resize(&picture, CropBox { top: 2, left: 5, height: 8, width: 8 }, 8).unwrap();
        for y in 0..8 {
            let start = ((y + 2) * 20 + 5) * 3;
            assert_eq!(crop.pixels[y * 24..(y + 1) * 24], picture.pixels[start..start + 24]);
        }
        let small = pattern(28, 28, 1);
        assert_eq!(centre(&small, 28).unwrap(), small);
    }

    #[test]
    fn mirroring_turns_columns_and_keeps_channels() {
        let mut picture = Picture::new(2, 2, 3, (0..12).collect()).unwrap();
        mirror(&mut picture);
        assert_eq!(picture.pixels, [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
        let config = CropConfig { size: 8, flip: true, ..CropConfig::default() };
        let plain = CropConfig { flip: false, ..config.clone() };
        let source = pattern(16, 16, 1);
        let flipped = (0..400).filter(|&sample| {
            let with = random_resized_crop(&source, &config, &mut stream(sample)).unwrap();
            with != random_resized_crop(&source, &plain, &mut stream(sample)).unwrap()
        });
        assert!((160..240).contains(&flipped.count()), "about half");
    }

    #[test]
    fn a_box_beyond_the_picture_is_an_error() {
        let picture = pattern(8, 8, 1);
        for (top, left, height, width) in [(0, 0, 9, 1), (8, 0, 1, 1), (0, 0, 0, 4), (0, usize::MAX, 1, 2)] {
            assert!(crop_resize(&picture, CropBox { top, left, height, width }, 4).is_err());
        }
        assert!(crop_resize(&picture, CropBox { top: 0, left: 0, height: 8, width: 8 }, 0).is_err());
        assert!(centre(&picture, 0).is_err());
        let empty = Picture { width: 0, height: 8, channels: 1, pixels: vec![] };
        assert!(random_resized_crop(&empty, &CropConfig::default(), &mut stream(0)).is_err());
        assert!(centre(&empty, 96).is_err() && resize_shorter(empty, 5).is_err());
    }

    #[test]
    fn configurations_out_of_range_name_the_key() {
        assert!(CropConfig::default().check("crop").is_ok());
        let base = CropConfig::default;
        for (bad, key) in [
            (CropConfig { size: 0, ..base() }, "crop.size"),
            (CropConfig { scale: [0.0, 1.0], ..base() }, "crop.scale"),
            (CropConfig { scale: [0.5, 1.5], ..base() }, "crop.scale"),
            (CropConfig { scale: [f32::NAN, 1.0], ..base() }, "crop.scale"),
            (CropConfig { aspect: [2.0, 1.0], ..base() }, "crop.aspect"),
            (CropConfig { aspect: [1.0, f32::INFINITY], ..base() }, "crop.aspect"),
        ] {
            let error = bad.check("crop").unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        assert!(serde_json::from_str::<CropConfig>(r#"{"size": 96}"#).is_ok());
        assert!(serde_json::from_str::<CropConfig>(r#"{"sise": 96}"#).is_err());
    }
}
