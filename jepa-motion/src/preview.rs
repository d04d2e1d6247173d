//! A pair as a picture: both frames, and the true flow as colour where it is known.

use jepa_core::plugin::Preview;

use crate::data::FramePair;
use crate::evaluate::colours::{beside, colours, longest};
use crate::network::Pictures;

/// Frames and true flow beside each other; `grid` is that of the coarsest features of the first frame.
pub fn preview(pair: &FramePair, grid: [usize; 2]) -> Preview {
    let (width, height) = (pair.first().width, pair.first().height);
    let mut pictures = vec![pair.first().pixels.clone(), pair.second().pixels.clone()];
    pictures.extend(pair.truth().map(|truth| colours(&truth.flow, longest(&truth.flow).max(1.0))));
    let (rgb, width) = beside(&pictures, width, height);
    Preview { width, height, rgb, grid }
}

/// Token that each pixel shows: the features are of the first frame, `width` pixels wide; elsewhere there are none.
pub fn shown(preview: &Preview, width: usize) -> Vec<Option<u32>> {
    let ([rows, columns], height) = (preview.grid, preview.height.max(1));
    let token = |y: usize, x: usize| (y * rows / height * columns + x * columns / width.max(1)) as u32;
    let pixels = (0..preview.height).flat_map(|y| (0..preview.width).map(move |x| (y, x)));
    pixels.map(|(y, x)| (x < width).then(|| token(y, x))).collect()
}

/// The first pair of a training batch as it was cut.
pub fn batch(frames: &Pictures, grid: [usize; 2]) -> (Preview, Vec<Option<u32>>) {
    let [height, width] = frames.size();
    let bytes = |picture: &[f32]| picture.iter().map(|v| (255.0 * v + 0.5) as u8).collect();
    let (rgb, wide) = beside(&[0, 1].map(|place| bytes(frames.picture(0, place))), width, height);
    let preview = Preview { width: wide, height, rgb, grid };
    let tokens = shown(&preview, width);
    (preview, tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scenes::{Label, SIZE, Scenes};
    use jepa_core::data::{Source as _, Split};

    #[test]
    fn tokens_lie_over_the_first_frame_and_the_flow_is_drawn_third() {
        let pair = Scenes::open(Split::Train, Label::Texture).read(0).unwrap();
        let [rows, columns] = SIZE;
        let picture = preview(&pair, [4, 6]);
        let tokens = shown(&picture, columns);
        assert_eq!((picture.height, picture.width, tokens.len()), (rows, 3 * columns + 8, rows * picture.width));
        assert_eq!((tokens[0], tokens[columns - 1], tokens[columns]), (Some(0), Some(5), None));
        assert_eq!(tokens.iter().flatten().max(), Some(&23));
        assert_eq!(picture.rgb[..3], pair.first().pixels[..3]);
    }
}
