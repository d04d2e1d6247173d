//! The part of a clip that is looked at: frames, one box in all of them, its tubelets.

use jepa_core::error::{Error, Result};
use jepa_core::masks::MaskSet;
use jepa_core::picture::{CropBox, CropConfig, Normalise, random_box};
use jepa_core::plugin::Draws;
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{Clip, ClipOptions};
use crate::network::VideoBatch;
use crate::tokens::Tubelets;

/// What of a clip is read and how it is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewConfig {
    /// Which frames of a recording make a clip.
    pub clip: ClipOptions,
    /// Random resized crop, the same box in every frame; its size is the size of a frame.
    pub crop: CropConfig,
    /// Mean and standard deviation of each colour.
    pub normalise: Normalise,
    /// Frames of a tubelet (V-JEPA: 2).
    pub tubelet: usize,
    /// Pixels along a side of a tubelet (V-JEPA: 16).
    pub patch: usize,
}

impl ViewConfig {
    /// Views of the official recipes (`app/vjepa/transforms.py`): area 0.3 to 1, aspect 0.75 to 1.35, mirrored half of
    /// the time, ImageNet's colours, tubelets of 2 x 16 x 16.
    pub fn official(clip: ClipOptions, size: usize) -> Self {
        Self {
            clip,
            crop: CropConfig { size, scale: [0.3, 1.0], aspect: [0.75, 1.35], flip: true },
            normalise: Normalise::imagenet(),
            tubelet: 2,
            patch: 16,
        }
    }
}

/// A checked [`ViewConfig`].
#[derive(Debug, Clone)]
pub struct View {
    config: ViewConfig,
    tubelets: Tubelets,
}

impl View {
    /// Checks the numbers; errors name the key below `model.view`.
    pub fn new(config: &ViewConfig) -> Result<Self> {
        config.clip.check("model.view.clip")?;
        config.crop.check("model.view.crop")?;
        let ViewConfig { clip, crop, normalise, tubelet, patch } = config;
        let tubelets = Tubelets::new(clip.frames, crop.size, *tubelet, *patch, normalise)?;
        Ok(Self { config: config.clone(), tubelets })
    }

    /// How frames are cut.
    pub fn tubelets(&self) -> &Tubelets {
        &self.tubelets
    }

    /// Which frames of a recording make a clip.
    pub fn clip(&self) -> &ClipOptions {
        &self.config.clip
    }

    /// A training batch: a random box of every clip, perhaps mirrored.
    pub fn batch(&self, clips: &[Clip], draws: &Draws, masks: Vec<MaskSet>) -> Result<VideoBatch> {
        let size = self.config.crop.size;
        let mut values = Vec::with_capacity(clips.len() * self.tubelets.count() * self.tubelets.values());
        for (i, clip) in clips.iter().enumerate() {
            let mut draw = draws.augment(i);
            let area = random_box(clip.height, clip.width, &self.config.crop, &mut draw);
            let mirrored = self.config.crop.flip && draw.uniform() < 0.5;
            let clip = clip.cut(0..self.config.clip.frames)?;
            self.tubelets.cut(&resize(&clip, area, [size, size], mirrored)?, &mut values)?;
        }
        self.collate(values, clips.len(), 1, masks)
    }

    /// Clean clips, all segments of each: shorter side to 256/224 of the size, then the centre.
    pub fn clean(&self, clips: &[Clip]) -> Result<VideoBatch> {
        let segments = self.config.clip.segments;
        let mut values = Vec::new();
        for clip in clips {
            self.cut(clip, &mut values)?;
        }
        self.collate(values, clips.len(), segments, Vec::new())
    }

    /// The values of one clean clip.
    pub fn raw(&self, clip: &Clip) -> Result<Vec<f32>> {
        let mut values = Vec::new();
        self.cut(clip, &mut values)?;
        Ok(values)
    }

    /// A clean clip with the segments behind each other: [frames, size, size, 3], values from 0 to 255.
    pub fn centre(&self, clip: &Clip) -> Result<Vec<f32>> {
        let size = self.config.crop.size;
        let (height, width) = (clip.height, clip.width);
        if height == width && size >= height {
            return resize(clip, CropBox { top: 0, left: 0, height, width }, [size, size], false);
        }
        let shorter = size * 256 / 224;
        let scaled = |side: usize| (shorter * side / height.min(width).max(1)).max(size);
        let whole = [scaled(height), scaled(width)];
        let frames = resize(clip, CropBox { top: 0, left: 0, height, width }, whole, false)?;
        let margin = whole.map(|side| (side - size) / 2);
        let mut out = Vec::with_capacity(clip.frames * size * size * 3);
        for frame in 0..clip.frames {
            for y in margin[0]..margin[0] + size {
                let start = ((frame * whole[0] + y) * whole[1] + margin[1]) * 3;
                out.extend_from_slice(&frames[start..start + size * 3]);
            }
        }
        Ok(out)
    }

    fn cut(&self, clip: &Clip, out: &mut Vec<f32>) -> Result<()> {
        let ClipOptions { frames, segments, .. } = self.config.clip;
        if clip.frames != frames * segments {
            let problem = format!("has {} frames, expected {segments} x {frames}", clip.frames);
            return Err(Error::data("clip", problem));
        }
        let values = self.centre(clip)?;
        values.chunks_exact(values.len() / segments).try_for_each(|segment| self.tubelets.cut(segment, out))
    }

    fn collate(&self, values: Vec<f32>, samples: usize, segments: usize, masks: Vec<MaskSet>) -> Result<VideoBatch> {
        VideoBatch::new(values, samples, segments, self.tubelets.grid, self.tubelets.values(), masks)
            .map_err(|e| Error::config("model", e.to_string()))
    }
}

/// The box `area` of every frame at `size` (rows, columns), perhaps mirrored: [frames, rows, columns, 3]. Bilinear
/// between the four pixels around a place and without a filter before, as PyTorch's `interpolate` of floats: values are
/// not rounded.
fn resize(clip: &Clip, area: CropBox, [rows, columns]: [usize; 2], mirrored: bool) -> Result<Vec<f32>> {
    let CropBox { top, left, height, width } = area;
    if height == 0 || width == 0 || top + height > clip.height || left + width > clip.width {
        let spec = format!("clip of {} x {} pixels", clip.height, clip.width);
        return Err(Error::data(spec, format!("cannot be cropped to {area:?}")));
    }
    let taps = |from: usize, to: usize, start: usize| -> Vec<(usize, usize, f32)> {
        let scale = from as f32 / to as f32;
        (0..to)
            .map(|at| {
                let place = ((at as f32 + 0.5) * scale - 0.5).max(0.0);
                let before = (place as usize).min(from - 1);
                (start + before, start + (before + 1).min(from - 1), place - before as f32)
            })
            .collect()
    };
    let (down, mut across) = (taps(height, rows, top), taps(width, columns, left));
    if mirrored {
        across.reverse();
    }
    let mut out = Vec::with_capacity(clip.frames * rows * columns * 3);
    for frame in clip.rgb.chunks_exact(clip.height * clip.width * 3) {
        for &(above, below, v) in &down {
            let row = |y: usize| &frame[y * clip.width * 3..(y + 1) * clip.width * 3];
            let (above, below) = (row(above), row(below));
            for &(before, after, u) in &across {
                for channel in 0..3 {
                    let mix = |row: &[u8]| {
                        let at = |x: usize| f32::from(row[x * 3 + channel]);
                        at(before) * (1.0 - u) + at(after) * u
                    };
                    out.push(mix(above) * (1.0 - v) + mix(below) * v);
                }
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(frames: usize, height: usize, width: usize) -> Clip {
        let value = |i: usize| (i * i * 7 + i * 13 + (i >> 3) * 91) as u8;
        Clip::new(frames, height, width, (0..frames * height * width * 3).map(value).collect()).unwrap()
    }

    #[test]
    fn frames_are_resized_as_pytorch_interpolates_floats() {
        // F.interpolate(arange(6.).view(1,1,2,3), size=(3,2), mode="bilinear"), the same in every channel.
        let clip = Clip::new(1, 2, 3, (0..6).flat_map(|v| [v; 3]).collect()).unwrap();
        let whole = CropBox { top: 0, left: 0, height: 2, width: 3 };
        let found = resize(&clip, whole, [3, 2], false).unwrap();
        for (pixel, expected) in found.chunks_exact(3).zip([0.25, 1.75, 1.75, 3.25, 3.25, 4.75]) {
            assert!(pixel.iter().all(|v| (v - expected).abs() < 1e-6), "{pixel:?}, expected {expected}");
        }
        let mirrored = resize(&clip, whole, [3, 2], true).unwrap();
        assert_eq!((mirrored[..3].to_vec(), mirrored[3..6].to_vec()), (found[3..6].to_vec(), found[..3].to_vec()));
    }

    #[test]
    fn every_frame_has_the_same_box_and_a_box_of_the_final_size_is_copied() {
        let clip = pattern(3, 10, 12);
        let area = CropBox { top: 2, left: 3, height: 8, width: 8 };
        let cut = resize(&clip, area, [8, 8], false).unwrap();
        for frame in 0..3 {
            let pixel = |y: usize, x: usize| f32::from(clip.rgb[((frame * 10 + y + 2) * 12 + x + 3) * 3 + 1]);
            assert_eq!(cut[((frame * 8 + 5) * 8 + 6) * 3 + 1], pixel(5, 6));
        }
        assert!(resize(&clip, CropBox { top: 3, ..area }, [8, 8], false).is_err());
    }

    #[test]
    fn clips_of_any_shape_give_views_of_the_size_and_segments_in_their_order() {
        let options = ClipOptions { frames: 2, segments: 2, ..ClipOptions::default() };
        let mut config = ViewConfig::official(options, 16);
        config.patch = 8;
        let view = View::new(&config).unwrap();
        for (height, width) in [(16, 16), (5, 40), (64, 9), (33, 17), (3, 3)] {
            let clip = pattern(4, height, width);
            let batch = view.clean(&[clip.clone(), clip.clone()]).unwrap();
            assert_eq!(batch.shape(), [4, 4, 3 * 2 * 64]);
            let draws = Draws::new(0, 1, vec![0]);
            assert_eq!(view.batch(&[clip], &draws, Vec::new()).unwrap().shape(), [1, 4, 384]);
        }
        let error = view.clean(&[pattern(3, 16, 16)]).unwrap_err().to_string();
        assert!(error.contains("3 frames, expected 2 x 2"), "{error}");
    }
}
