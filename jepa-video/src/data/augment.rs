//! From clips to the numbers a network reads: one crop for all frames, resized, perhaps mirrored, normalised.
//!
//! Training follows V-JEPA's `app/vjepa/transforms.py`: the box of the image crate's crops, cut out, then bilinear
//! without antialiasing (`interpolate(align_corners=False)`), in numbers, not bytes. Evaluation follows
//! `evals/video_classification_frozen/utils.py`: shorter side to `size * 256 / 224` in bytes, then the centre; or three
//! crops of a clip whose shorter side is `size`.

use std::ops::Range;

use jepa_core::error::{Error, Result};
use jepa_core::picture::{CropBox, CropConfig, MAX_SIDE, Normalise, random_box};
use jepa_core::random::Draw;

use super::clip::Clip;

/// Up to this size `centre` keeps a square clip whole: tiny clips fill their frame already.
pub(crate) const TINY: usize = 64;

/// One view of a clip: [3, frames, height, width], normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Number of frames.
    pub frames: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channel by channel, frame by frame, row by row.
    pub values: Vec<f32>,
}

/// A random box of the clip, the same in all frames, resized to `config.size` squared and perhaps mirrored.
pub fn random_view(clip: &Clip, config: &CropConfig, normalise: &Normalise, draw: &mut impl Draw) -> Result<View> {
    let area = random_box(clip.height, clip.width, config, draw);
    let mirrored = config.flip && draw.uniform() < 0.5;
    let side = config.size;
    render(clip, normalise, &Plan { area, resized: [side; 2], window: [0..side, 0..side], mirrored, bytes: false })
}

/// The view of evaluation. A square clip for a size of at most 64 is resized whole.
pub fn centre(clip: &Clip, size: usize, normalise: &Normalise) -> Result<View> {
    let square = clip.height == clip.width;
    let shorter = if square && size <= TINY { size } else { (size as f64 * 256.0 / 224.0) as usize };
    let [height, width] = resized(clip, shorter);
    // The official `CenterCrop` rounds halves to even.
    let window = |side: usize| {
        let start = (side.saturating_sub(size) as f64 / 2.0).round_ties_even() as usize;
        start..start + size
    };
    let plan = Plan {
        area: whole(clip),
        resized: [height, width],
        window: [window(height), window(width)],
        mirrored: false,
        bytes: true,
    };
    render(clip, normalise, &plan)
}

/// All of the clip, squeezed into a square as training squeezes its boxes: for surprise, where what happens at the border
/// counts (the official evaluation's crop of scale 1).
pub fn whole_frame(clip: &Clip, size: usize, normalise: &Normalise) -> Result<View> {
    let window = [0..size, 0..size];
    let plan = Plan { area: whole(clip), resized: [size; 2], window, mirrored: false, bytes: false };
    render(clip, normalise, &plan)
}

/// Three views of evaluation, evenly spread along the longer side.
pub fn three_crops(clip: &Clip, size: usize, normalise: &Normalise) -> Result<[View; 3]> {
    let [height, width] = resized(clip, size);
    let step = height.max(width).saturating_sub(size) / 2;
    let view = |i: usize| {
        let along = i * step..i * step + size;
        let window = if height > width { [along, 0..size] } else { [0..size, along] };
        let plan = Plan { area: whole(clip), resized: [height, width], window, mirrored: false, bytes: true };
        render(clip, normalise, &plan)
    };
    Ok([view(0)?, view(1)?, view(2)?])
}

fn whole(clip: &Clip) -> CropBox {
    CropBox { top: 0, left: 0, height: clip.height, width: clip.width }
}

/// Height and width with the shorter side resized to `shorter`, the longer one cut off to whole pixels.
fn resized(clip: &Clip, shorter: usize) -> [usize; 2] {
    let least = clip.height.min(clip.width).max(1);
    [clip.height, clip.width].map(|side| if side == least { shorter } else { shorter.saturating_mul(side) / least })
}

/// What to make of every frame: the box `area`, resized, of that the rows and columns `window`.
struct Plan {
    area: CropBox,
    resized: [usize; 2],
    window: [Range<usize>; 2],
    mirrored: bool,
    /// Whether the resized frame is rounded to bytes before it is normalised.
    bytes: bool,
}

/// Two neighbours of a source axis and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// Taps of PyTorch's `upsample_bilinear2d` without aligned corners.
fn taps(from: usize, to: usize, range: Range<usize>) -> Vec<Tap> {
    let scale = from as f32 / to as f32;
    let tap = |at: usize| {
        let centre = ((at as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (centre as usize).min(from - 1);
        Tap { first, second: (first + 1).min(from - 1), weight: centre - first as f32 }
    };
    range.map(tap).collect()
}

fn render(clip: &Clip, normalise: &Normalise, plan: &Plan) -> Result<View> {
    let Plan { area, resized, window, .. } = plan;
    let [height, width] = [window[0].len(), window[1].len()];
    let (Ok(mean), Ok(std)) =
        (<[f32; 3]>::try_from(normalise.mean.as_slice()), <[f32; 3]>::try_from(normalise.std.as_slice()))
    else {
        return Err(statistics(normalise));
    };
    if !mean.iter().all(|m| m.is_finite()) || !std.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Err(statistics(normalise));
    }
    let fits =
        |window: &Range<usize>, side: usize| !window.is_empty() && window.end <= side && side <= MAX_SIDE as usize * 4;
    if !fits(&window[0], resized[0])
        || !fits(&window[1], resized[1])
        || area.height == 0
        || area.width == 0
        || area.top + area.height > clip.height
        || area.left + area.width > clip.width
    {
        let spec = format!("clip of {}x{}", clip.width, clip.height);
        return Err(Error::data(spec, format!("cannot be resized to {resized:?} and cropped to {window:?}")));
    }
    let rows = taps(area.height, resized[0], window[0].clone());
    let mut columns = taps(area.width, resized[1], window[1].clone());
    if plan.mirrored {
        columns.reverse();
    }
    let plane = clip.frames * height * width;
    let mut values = vec![0.0; 3 * plane];
    let stride = clip.width * 3;
    let size = clip.height * stride;
    for (t, frame) in clip.rgb.chunks_exact(size).enumerate() {
        for (y, row) in rows.iter().enumerate() {
            let line = |at: usize| &frame[(area.top + at) * stride + area.left * 3..];
            let (upper, lower) = (line(row.first), line(row.second));
            for (x, column) in columns.iter().enumerate() {
                let (left, right) = (column.first * 3, column.second * 3);
                let place = (t * height + y) * width + x;
                for c in 0..3 {
                    let across = |line: &[u8]| {
                        let (a, b) = (f32::from(line[left + c]), f32::from(line[right + c]));
                        (1.0 - column.weight) * a + column.weight * b
                    };
                    let value = (1.0 - row.weight) * across(upper) + row.weight * across(lower);
                    let value = if plan.bytes { value.round_ties_even() } else { value };
                    values[c * plane + place] = (value - mean[c] * 255.0) / (std[c] * 255.0);
                }
            }
        }
    }
    Ok(View { frames: clip.frames, height, width, values })
}

fn statistics(normalise: &Normalise) -> Error {
    Error::config("normalise", format!("expected three finite means and three positive deviations: {normalise:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    fn pattern(frames: usize, height: usize, width: usize) -> Clip {
        let value = |i: usize| (i * i * 7 + i * 13 + (i >> 3) * 91) as u8;
        Clip::new(frames, height, width, (0..frames * height * width * 3).map(value).collect()).unwrap()
    }

    /// Values in levels of 0 to 255.
    fn plain() -> Normalise {
        Normalise { mean: vec![0.0; 3], std: vec![1.0 / 255.0; 3] }
    }

    #[test]
    fn resizing_is_pytorchs_bilinear_without_antialiasing() {
        // interpolate(arange(12).view(1, 1, 3, 4) * 20, (5, 3), mode="bilinear", align_corners=False), torch 2.11
        let grey: Vec<u8> = (0..12u8).flat_map(|v| [v * 20; 3]).collect();
        let clip = Clip::new(1, 3, 4, grey).unwrap();
        let plan = Plan { area: whole(&clip), resized: [5, 3], window: [0..5, 0..3], mirrored: false, bytes: false };
        let view = render(&clip, &plain(), &plan).unwrap();
        let expected = [
            3.333_33, 30.0, 56.666_67, 35.333_33, 62.0, 88.666_67, 83.333_33, 110.0, 136.666_67, 131.333_33, 158.0,
            184.666_67, 163.333_33, 190.0, 216.666_67,
        ];
        for (found, expected) in view.values[..15].iter().zip(expected) {
            assert!((found - expected).abs() < 2e-3, "{:?}", &view.values[..15]);
        }
        let mirrored = render(&clip, &plain(), &Plan { mirrored: true, ..plan }).unwrap();
        assert_eq!(mirrored.values[..3], [view.values[2], view.values[1], view.values[0]]);
    }

    #[test]
    fn every_frame_gets_the_same_box_and_channels_come_first() {
        let still = pattern(1, 40, 30);
        let clip = Clip::new(3, 40, 30, still.rgb.repeat(3)).unwrap();
        let config = CropConfig { size: 24, scale: [0.3, 1.0], aspect: [0.75, 1.35], flip: true };
        for sample in 0..50 {
            let mut draw = Stream::new(1, Purpose::Test, 0, sample);
            let view = random_view(&clip, &config, &Normalise::imagenet(), &mut draw).unwrap();
            assert_eq!((view.frames, view.height, view.width, view.values.len()), (3, 24, 24, 3 * 3 * 24 * 24));
            for channel in view.values.chunks(3 * 576) {
                assert!(channel[..576] == channel[576..1152] && channel[..576] == channel[1152..]);
            }
            let again =
                random_view(&clip, &config, &Normalise::imagenet(), &mut Stream::new(1, Purpose::Test, 0, sample));
            assert_eq!(again.unwrap(), view);
        }
    }

    #[test]
    fn surprise_sees_the_border_of_a_wide_clip_and_evaluation_does_not() {
        let mut clip = pattern(1, 128, 256);
        let frame = |clip: &Clip| whole_frame(clip, 112, &plain()).unwrap();
        let (seen, middle) = (frame(&clip), centre(&clip, 112, &plain()).unwrap());
        assert_eq!((seen.height, seen.width), (112, 112));
        clip.rgb[..30].fill(255);
        assert_ne!(frame(&clip), seen);
        assert_eq!(centre(&clip, 112, &plain()).unwrap(), middle);
    }

    #[test]
    fn evaluation_takes_the_middle_and_three_crops_reach_both_ends() {
        let clip = pattern(2, 64, 64);
        let identity = centre(&clip, 64, &plain()).unwrap();
        assert!((identity.values[0] - f32::from(clip.rgb[0])).abs() < 1e-3);
        assert!((identity.values[1] - f32::from(clip.rgb[3])).abs() < 1e-3);
        let wide = pattern(1, 224, 400);
        let [left, middle, right] = three_crops(&wide, 224, &plain()).unwrap();
        let level = |view: &View, x: usize| view.values[x].round() as u8;
        assert_eq!(level(&left, 0), wide.rgb[0]);
        assert_eq!(level(&middle, 0), wide.rgb[88 * 3]);
        assert_eq!(level(&right, 223), wide.rgb[399 * 3]);
        let view = centre(&pattern(1, 90, 300), 112, &plain()).unwrap();
        assert_eq!((view.height, view.width), (112, 112));
    }

    #[test]
    fn what_cannot_be_rendered_is_an_error() {
        let clip = pattern(1, 8, 8);
        assert!(centre(&clip, 0, &plain()).is_err());
        assert!(centre(&clip, usize::MAX / 512, &plain()).is_err());
        let grey = Normalise { mean: vec![0.0], std: vec![1.0] };
        assert!(centre(&clip, 8, &grey).unwrap_err().to_string().contains("three"));
        let flat = Normalise { mean: vec![0.0; 3], std: vec![1.0, 0.0, 1.0] };
        assert!(centre(&clip, 8, &flat).is_err());
    }
}
