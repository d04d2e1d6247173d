//! What of a clip a network sees: frames, one box in all of them, its tubelets.

use jepa_core::error::{Error, Result};
use jepa_core::masks::MaskSet;
use jepa_core::picture::{CropConfig, Normalise};
use jepa_core::plugin::{Draws, Film, Frame, Preview, Scene};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{self, Clip, ClipOptions};
use crate::network::VideoBatch;
use crate::tokens::Tubelets;

/// Pixels along a side of what a probe on raw clips sees.
pub const THUMBNAIL: usize = 16;

/// Frames a second that a clip is played with.
const RATE: f32 = 8.0;

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

/// Makes batches of clips; a checked [`ViewConfig`].
#[derive(Debug, Clone)]
pub struct Views {
    config: ViewConfig,
    tubelets: Tubelets,
}

impl Views {
    /// Checks the numbers; errors name the key below `model.view`.
    pub fn new(config: &ViewConfig) -> Result<Self> {
        config.clip.check("model.view.clip")?;
        config.crop.check("model.view.crop")?;
        let ViewConfig { clip, crop, normalise: Normalise { mean, std }, tubelet, patch } = config;
        let sound = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if !sound || mean.len() != 3 || std.len() != 3 {
            let problem = format!("expected three finite means and three positive deviations, found {mean:?}, {std:?}");
            return Err(Error::config("model.view.normalise", problem));
        }
        let tubelets = Tubelets::new(clip.frames, crop.size, *tubelet, *patch)?;
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
        let ViewConfig { clip: options, crop, normalise, .. } = &self.config;
        let mut values = Vec::with_capacity(clips.len() * self.tubelets.count() * self.tubelets.values());
        for (i, clip) in clips.iter().enumerate() {
            let first = clip.cut(0..options.frames)?;
            let view = data::random_view(&first, crop, normalise, &mut draws.augment(i))?;
            self.tubelets.cut(&view, &mut values)?;
        }
        self.collate(values, clips.len(), 1, masks)
    }

    /// Clean clips, all segments of each: shorter side to 256/224 of the size, then the centre.
    pub fn clean(&self, clips: &[Clip]) -> Result<VideoBatch> {
        let mut values = Vec::new();
        for clip in clips {
            values.extend(self.raw(clip)?);
        }
        self.collate(values, clips.len(), self.config.clip.segments, Vec::new())
    }

    /// Clips of one segment as surprise looks at them: all of the frame. Clips that [`clean`](Self::clean) keeps whole are
    /// as there.
    pub fn whole(&self, clips: &[Clip]) -> Result<VideoBatch> {
        let ViewConfig { clip: options, crop, normalise, .. } = &self.config;
        let mut values = Vec::new();
        for clip in clips {
            if crop.size <= data::TINY && clip.height == clip.width {
                values.extend(self.raw(clip)?);
                continue;
            }
            let first = clip.cut(0..options.frames)?;
            self.tubelets.cut(&data::whole_frame(&first, crop.size, normalise)?, &mut values)?;
        }
        self.collate(values, clips.len(), 1, Vec::new())
    }

    /// The values of one clean clip.
    pub fn raw(&self, clip: &Clip) -> Result<Vec<f32>> {
        let ClipOptions { frames, segments, .. } = self.config.clip;
        if clip.frames != frames * segments {
            let problem = format!("has {} frames, expected {segments} x {frames}", clip.frames);
            return Err(Error::data("clip", problem));
        }
        let mut values = Vec::new();
        self.tubelets.cut(&data::centre(clip, self.config.crop.size, &self.config.normalise)?, &mut values)?;
        Ok(values)
    }

    /// A clean clip, so small that a table of thousands fits into memory: every frame, [`THUMBNAIL`] pixels along a side.
    pub fn thumbnail(&self, clip: &Clip) -> Result<Vec<f32>> {
        let ViewConfig { crop, normalise, .. } = &self.config;
        Ok(data::centre(clip, crop.size.min(THUMBNAIL), normalise)?.values)
    }

    /// The picture that the tubelets of a row came from, the first frame of every time beside each other, and the token
    /// that each of its pixels shows.
    pub fn picture(&self, tubelets: &[f32]) -> (Preview, Vec<Option<u32>>) {
        let Tubelets { tubelet, patch, grid: [times, rows, columns] } = self.tubelets;
        let (width, height) = (times * columns * patch, rows * patch);
        let (mut rgb, mut tokens) = (vec![0u8; width * height * 3], vec![None; width * height]);
        for (token, values) in tubelets.chunks_exact(self.tubelets.values()).enumerate() {
            let (time, row, column) = (token / (rows * columns), token / columns % rows, token % columns);
            let corner = row * patch * width + (time * columns + column) * patch;
            for at in 0..patch * patch {
                let pixel = corner + at / patch * width + at % patch;
                tokens[pixel] = Some(token as u32);
                for channel in 0..3 {
                    rgb[3 * pixel + channel] = self.shade(values[channel * tubelet * patch * patch + at], channel);
                }
            }
        }
        (Preview { width, height, rgb, grid: [rows, times * columns] }, tokens)
    }

    /// The frames of a clean clip as the networks read them: its first segment.
    pub fn scene(&self, clip: &Clip) -> Result<Scene> {
        let Tubelets { tubelet, patch, grid: [times, rows, columns] } = self.tubelets;
        let (width, height) = (columns * patch, rows * patch);
        let empty = Frame { rgb: vec![0; width * height * 3], tokens: vec![None; width * height] };
        let mut frames = vec![empty; times * tubelet];
        let batch = self.clean(std::slice::from_ref(clip))?;
        for (token, values) in batch.row(0).chunks_exact(self.tubelets.values()).enumerate() {
            let (time, row, column) = (token / (rows * columns), token / columns % rows, token % columns);
            // Values of a tubelet go by channel, frame, row, column.
            for (i, value) in values.iter().enumerate() {
                let (channel, frame) = (i / (tubelet * patch * patch), i / (patch * patch) % tubelet);
                let (y, x) = (row * patch + i / patch % patch, column * patch + i % patch);
                let Frame { rgb, tokens } = &mut frames[time * tubelet + frame];
                rgb[3 * (y * width + x) + channel] = self.shade(*value, channel);
                tokens[y * width + x] = Some(token as u32);
            }
        }
        Ok(Scene::Film(Film { width, height, frames, rate: RATE }))
    }

    /// The byte that a normalised value was.
    fn shade(&self, value: f32, channel: usize) -> u8 {
        let Normalise { mean, std } = &self.config.normalise;
        (255.0 * (value * std[channel] + mean[channel])).round().clamp(0.0, 255.0) as u8
    }

    fn collate(&self, values: Vec<f32>, samples: usize, segments: usize, masks: Vec<MaskSet>) -> Result<VideoBatch> {
        VideoBatch::new(values, samples, segments, self.tubelets.grid, self.tubelets.values(), masks)
            .map_err(|e| Error::config("model", e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(frames: usize, height: usize, width: usize) -> Clip {
        let value = |i: usize| (i * i * 7 + i * 13 + (i >> 3) * 91) as u8;
        Clip::new(frames, height, width, (0..frames * height * width * 3).map(value).collect()).unwrap()
    }

    fn config() -> ViewConfig {
        let options = ClipOptions { frames: 2, segments: 2, ..ClipOptions::default() };
        ViewConfig { patch: 8, ..ViewConfig::official(options, 16) }
    }

    #[test]
    fn clips_of_any_shape_give_views_of_the_size_and_segments_in_their_order() {
        let views = Views::new(&config()).unwrap();
        for (height, width) in [(16, 16), (5, 40), (64, 9), (33, 17), (3, 3)] {
            let clip = pattern(4, height, width);
            let batch = views.clean(&[clip.clone(), clip.clone()]).unwrap();
            assert_eq!(batch.shape(), [4, 4, 3 * 2 * 64]);
            let whole = views.raw(&clip).unwrap();
            let single = ViewConfig { clip: ClipOptions { segments: 1, ..config().clip }, ..config() };
            let second = Views::new(&single).unwrap().raw(&clip.cut(2..4).unwrap()).unwrap();
            assert_eq!(whole[whole.len() / 2..], second);
            let draws = Draws::new(0, 1, vec![0]);
            assert_eq!(views.batch(&[clip], &draws, Vec::new()).unwrap().shape(), [1, 4, 384]);
        }
        let large = Views::new(&ViewConfig { crop: CropConfig { size: 64, ..config().crop }, ..config() }).unwrap();
        assert_eq!(large.thumbnail(&pattern(4, 90, 70)).unwrap().len(), 4 * 3 * THUMBNAIL * THUMBNAIL);
        let error = views.clean(&[pattern(3, 16, 16)]).unwrap_err().to_string();
        assert!(error.contains("3 frames, expected 2 x 2"), "{error}");
    }

    #[test]
    fn colours_without_three_values_name_the_key() {
        for normalise in
            [Normalise { mean: vec![0.5], std: vec![0.5] }, Normalise { mean: vec![0.5; 3], std: vec![0.5, 0.0, 0.5] }]
        {
            let error = Views::new(&ViewConfig { normalise, ..config() }).unwrap_err().to_string();
            assert!(error.contains("model.view.normalise"), "{error}");
        }
    }

    #[test]
    fn the_picture_of_a_row_shows_the_times_beside_each_other() {
        let clip = ClipOptions { frames: 4, ..ClipOptions::default() };
        let views = Views::new(&ViewConfig { patch: 4, ..ViewConfig::official(clip, 8) }).unwrap();
        // Every frame has one shade: times two, frames 0 and 2 are shown.
        let rgb = [10u8, 20, 130, 140].iter().flat_map(|shade| vec![*shade; 8 * 8 * 3]).collect();
        let clip = Clip::new(4, 8, 8, rgb).unwrap();
        let Scene::Film(film) = views.scene(&clip).unwrap() else { panic!("a clip is a film") };
        let found: Vec<_> = film.frames.iter().map(|frame| (frame.rgb[0], frame.rgb[191], frame.tokens[63])).collect();
        assert_eq!(found, [10u8, 20, 130, 140].map(|s| (s, s, Some(if s < 100 { 3 } else { 7 }))));
        let batch = views.clean(&[clip]).unwrap();
        let (picture, tokens) = views.picture(batch.row(0));
        assert_eq!((picture.width, picture.height, picture.grid), (16, 8, [2, 4]));
        assert_eq!(
            (picture.rgb[0], picture.rgb[3 * 8], tokens[7], tokens[8], tokens[127]),
            (10, 130, Some(1), Some(4), Some(7))
        );
    }
}
