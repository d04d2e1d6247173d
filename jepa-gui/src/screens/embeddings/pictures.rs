//! Pictures, names and classes of samples, drawn by their variant in the background and kept.

use std::collections::{BTreeSet, HashMap};

use egui::{ColorImage, Context, TextureHandle, TextureOptions, Vec2};
use jepa_core::data::Split;
use jepa_core::plugin::{PreviewRequest, Shown};

use super::origin::RunPart;
use crate::jobs::{Job, Update};

/// Pixels of the longer side of a thumbnail.
const PIXELS: usize = 96;
/// Samples drawn in one go.
const BATCH: usize = 48;
/// Thumbnails kept: 96 x 96 pixels each, 150 MB at most.
const KEPT: usize = 4096;

/// A sample in a list.
#[derive(Clone)]
pub struct Thumbnail {
    /// What a person calls it.
    pub name: String,
    /// Its class, where known.
    pub label: Option<u32>,
    /// Its picture, or why there is none.
    pub picture: Result<TextureHandle, String>,
}

impl std::fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let drawn = self.picture.as_ref().map(egui::TextureHandle::size);
        f.debug_struct("Thumbnail")
            .field("name", &self.name)
            .field("label", &self.label)
            .field("picture", &drawn)
            .finish()
    }
}

impl Thumbnail {
    /// The size of the picture when its longer side is `side` points.
    pub fn size(&self, side: f32) -> Vec2 {
        match &self.picture {
            Ok(texture) => {
                let size = texture.size_vec2();
                size * (side / size.x.max(size.y).max(1.0))
            }
            Err(_) => Vec2::splat(side),
        }
    }
}

/// What a job brings.
#[derive(Debug)]
struct Drawn {
    /// The data set in words.
    data: String,
    classes: Vec<String>,
    samples: Vec<(usize, Result<Sketch, String>)>,
}

#[derive(Debug)]
struct Sketch {
    name: String,
    label: Option<u32>,
    image: ColorImage,
}

/// Thumbnails of one data set.
#[derive(Debug, Default)]
pub struct Pictures {
    part: Option<RunPart>,
    found: HashMap<usize, Thumbnail>,
    wanted: BTreeSet<usize>,
    job: Option<Job<Drawn>>,
    /// Names of the classes, empty until the data set was opened.
    pub classes: Vec<String>,
    /// The data set in words, empty until it was opened.
    pub data: String,
    /// Why there are no pictures.
    pub problem: Option<String>,
}

impl Pictures {
    /// Turns to the data set of another run; the same one keeps what was drawn. Nothing: samples of a file alone, which
    /// nobody knows how to draw.
    pub fn of(&mut self, part: Option<&RunPart>) {
        let same = |a: &RunPart, b: &RunPart| (&a.data, a.split, &a.run) == (&b.data, b.split, &b.run);
        let is_same = match (&self.part, part) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            *self = Self { part: part.cloned(), ..Self::default() };
            // The names of the classes are wanted whatever is looked at.
            self.wanted.extend(part.map(|_| 0));
        }
    }

    /// Whether samples can be drawn at all.
    pub fn can_draw(&self) -> bool {
        self.part.is_some() && self.problem.is_none()
    }

    /// The thumbnail of a sample; one that is not there yet is drawn soon.
    pub fn get(&mut self, sample: usize) -> Option<&Thumbnail> {
        if self.can_draw() && !self.found.contains_key(&sample) {
            self.wanted.insert(sample);
        }
        self.found.get(&sample)
    }

    /// The name of a class.
    pub fn class(&self, label: u32) -> String {
        self.classes.get(label as usize).cloned().unwrap_or_else(|| format!("class {label}"))
    }

    /// The name of a sample, where it is known already.
    pub fn name(&self, sample: usize) -> Option<&str> {
        self.found.get(&sample).map(|thumbnail| thumbnail.name.as_str())
    }

    /// Takes what was drawn and begins what is wanted.
    pub fn poll(&mut self, context: &Context) {
        while let Some(update) = self.job.as_mut().and_then(Job::poll) {
            self.job = None;
            match update {
                Update::Partial(drawn) | Update::Done(drawn) => self.take(drawn, context),
                Update::Failed(problem) => self.problem = Some(problem),
            }
        }
        if self.job.is_none() && !self.wanted.is_empty() && self.can_draw() {
            let Some(part) = self.part.clone() else { return };
            let samples: Vec<usize> = self.wanted.iter().copied().take(BATCH).collect();
            self.job = Some(Job::start("Pictures of samples", context, move |_| draw(&part, samples)));
            // Whatever scrolled out of sight meanwhile is not worth drawing: it is asked for again when it is back.
            self.wanted.clear();
        }
    }

    fn take(&mut self, drawn: Drawn, context: &Context) {
        (self.classes, self.data) = (drawn.classes, drawn.data);
        if self.found.len() + drawn.samples.len() > KEPT {
            self.found.clear();
        }
        for (sample, sketch) in drawn.samples {
            let thumbnail = match sketch {
                Ok(Sketch { name, label, image }) => {
                    let texture = context.load_texture(format!("sample {sample}"), image, TextureOptions::LINEAR);
                    Thumbnail { name, label, picture: Ok(texture) }
                }
                Err(problem) => Thumbnail { name: format!("sample {sample}"), label: None, picture: Err(problem) },
            };
            self.found.insert(sample, thumbnail);
        }
    }
}

fn draw(part: &RunPart, samples: Vec<usize>) -> Result<Drawn, String> {
    let (plugin, settings) = part.pictures().map_err(|e| e.to_string())?;
    let split = if part.split == "test" { Split::Test } else { Split::Train };
    let request = PreviewRequest { settings, split, samples: Shown::Indices(samples.clone()) };
    let preview = plugin.preview(&request).map_err(|e| e.to_string())?;
    let sketch = |picture: jepa_core::plugin::SamplePicture| Sketch {
        image: smaller(&picture.picture.rgb, picture.picture.width, picture.picture.height),
        name: picture.name,
        label: picture.label,
    };
    let drawn = preview.pictures.into_iter().map(|picture| picture.map(sketch));
    Ok(Drawn { data: preview.data, classes: preview.classes, samples: samples.into_iter().zip(drawn).collect() })
}

/// A picture of which the longer side has [`PIXELS`] pixels at most: each is the mean of those it covers.
fn smaller(rgb: &[u8], width: usize, height: usize) -> ColorImage {
    let longer = width.max(height).max(1);
    let scale = |n: usize| if longer <= PIXELS { n } else { (n * PIXELS).div_ceil(longer) };
    let (columns, rows) = (scale(width), scale(height));
    let mut out = Vec::with_capacity(columns * rows * 3);
    for row in 0..rows {
        for column in 0..columns {
            let (top, left) = (row * height / rows, column * width / columns);
            let (bottom, right) = ((row + 1) * height / rows, (column + 1) * width / columns);
            let (mut sum, mut count) = ([0usize; 3], 0);
            for y in top..bottom.max(top + 1) {
                for x in left..right.max(left + 1) {
                    let at = 3 * (y * width + x);
                    (0..3).for_each(|i| sum[i] += usize::from(rgb.get(at + i).copied().unwrap_or(0)));
                    count += 1;
                }
            }
            out.extend(sum.map(|sum| (sum / count) as u8));
        }
    }
    ColorImage::from_rgb([columns, rows], &out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_shrinks_to_means_and_a_small_one_stays() {
        let checkers: Vec<u8> =
            (0..400 * 200).flat_map(|i| [if (i % 2 + i / 400) % 2 == 0 { 255 } else { 1 }; 3]).collect();
        let image = smaller(&checkers, 400, 200);
        assert_eq!(image.size, [96, 48]);
        assert!(image.pixels.iter().all(|p| (90..=165).contains(&p.r())), "{:?}", &image.pixels[..4]);
        let image = smaller(&[9, 8, 7], 1, 1);
        assert_eq!((image.size, image.pixels[0].r()), ([1, 1], 9));
    }

    #[test]
    fn samples_of_a_file_alone_are_never_drawn_and_classes_are_numbers() {
        let mut pictures = Pictures::default();
        pictures.of(None);
        assert!(pictures.get(3).is_none() && pictures.wanted.is_empty());
        assert_eq!(pictures.class(4), "class 4");
    }
}
