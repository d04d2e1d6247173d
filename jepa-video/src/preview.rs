//! A clip as a picture: a few of its frames side by side.

use jepa_core::plugin::Preview;

use crate::data::Clip;

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
    Preview { width: clip.width * shown, height: clip.height, rgb, grid, panels: 1 }
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
        assert_eq!(preview(&Clip::new(1, 1, 1, vec![1, 2, 3]).unwrap(), [1, 1]).rgb, [1, 2, 3]);
    }
}
