//! A clip as a picture: a few of its frames side by side.

use jepa_core::plugin::Preview;

use crate::data::{Clip, TINY};

/// Most frames shown.
const FRAMES: usize = 8;

/// Frames of the clip, evenly spread, in RGB; `grid` is that of the tokens of one time.
pub fn preview(clip: &Clip, grid: [usize; 2]) -> Preview {
    let shown = clip.frames.min(FRAMES);
    let frame = |at: usize| clip.frame(at * (clip.frames - 1) / (shown - 1).max(1)).unwrap_or(&[]);
    let frames: Vec<&[u8]> = (0..shown).map(frame).collect();
    let row = clip.width * 3;
    let line = |y: usize| frames.iter().flat_map(move |frame| &frame[y * row..(y + 1) * row]);
    let rgb = (0..clip.height).flat_map(line).copied().collect();
    Preview { width: clip.width * shown, height: clip.height, rgb, grid }
}

/// Token that each pixel of [`preview`] shows: frames beside each other, of each the middle that [`crate::view`] keeps
/// of clean clips. `tokens` are those of one segment, [time, rows, columns] of `tubelet` frames each.
pub fn shown(clip: &Clip, tokens: [usize; 3], tubelet: usize) -> Vec<Option<u32>> {
    let [times, rows, columns] = tokens;
    let count = clip.frames.min(FRAMES);
    // Of the shorter side 224 / 256 are kept, and as much of the longer one; of a tiny square, everything.
    let shorter = clip.width.min(clip.height);
    let whole = clip.width == clip.height && shorter <= TINY;
    let side = shorter as f32 * if whole { 1.0 } else { 224.0 / 256.0 };
    let cell = |at: usize, whole: usize, cells: usize| {
        let place = (at as f32 + 0.5 - (whole as f32 - side) / 2.0) / side;
        (0.0..1.0).contains(&place).then(|| ((place * cells as f32) as usize).min(cells - 1))
    };
    let token = |y: usize, x: usize| {
        let frame = x / clip.width * (clip.frames - 1) / (count - 1).max(1);
        // Later segments are seen by themselves; masks are of the first.
        let time = Some(frame / tubelet.max(1)).filter(|time| *time < times)?;
        let (row, column) = (cell(y, clip.height, rows)?, cell(x % clip.width, clip.width, columns)?);
        Some(((time * rows + row) * columns + column) as u32)
    };
    (0..clip.height).flat_map(|y| (0..clip.width * count).map(move |x| (y, x))).map(|(y, x)| token(y, x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_frame_are_shown_beside_each_other() {
        let clip = Clip::new(20, 2, 1, (0..120).collect()).unwrap();
        let picture = preview(&clip, [1, 1]);
        assert_eq!((picture.width, picture.height, picture.rgb.len()), (8, 2, 48));
        assert_eq!((&picture.rgb[..3], &picture.rgb[21..27]), (&[0, 1, 2][..], &[114, 115, 116, 3, 4, 5][..]));
        let square = Clip::new(20, 2, 2, vec![0; 240]).unwrap();
        let tokens = shown(&square, [10, 2, 2], 2);
        assert_eq!(tokens.len(), 32);
        assert_eq!([tokens[0], tokens[1], tokens[15], tokens[16]], [0, 1, 37, 2].map(Some));
        // Of a large square the border is cut off.
        let large = Clip::new(1, 128, 128, vec![0; 128 * 128 * 3]).unwrap();
        let tokens = shown(&large, [1, 2, 2], 1);
        assert_eq!((tokens[0], tokens[64 * 128 + 64]), (None, Some(3)));
        assert_eq!(preview(&Clip::new(1, 1, 1, vec![1, 2, 3]).unwrap(), [1, 1]).rgb, [1, 2, 3]);
    }
}
