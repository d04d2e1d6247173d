//! A sample as it can be looked at: a picture, frames to be leafed through, or points in space to be walked around; and
//! which token each part of it shows. Whoever draws it needs to know no modality.

use super::Preview;

/// A clean sample as the networks read it. Tokens are numbered as in its features.
#[derive(Debug, Clone, PartialEq)]
pub enum Scene {
    /// Pictures: one for a still, several for a clip.
    Film(Film),
    /// Points in space: one frame for a cloud, several for a movement.
    Points(Points),
}

/// Pictures of one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// The pictures in their order.
    pub frames: Vec<Frame>,
    /// Frames a second when it is played.
    pub rate: f32,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Row-major RGB.
    pub rgb: Vec<u8>,
    /// Token that each pixel shows; none where it shows none.
    pub tokens: Vec<Option<u32>>,
}

/// Points in space, y upwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Places of the points, frame by frame; a point that is absent from a frame is none.
    pub frames: Vec<Vec<Option<[f32; 3]>>>,
    /// Token of each point, frame by frame; none where it has none.
    pub tokens: Vec<Vec<Option<u32>>>,
    /// Pairs of points that a line joins.
    pub bones: Vec<[u32; 2]>,
    /// Frames a second when it is played.
    pub rate: f32,
}

impl Scene {
    /// A still picture.
    pub fn still(picture: &Preview, tokens: Vec<Option<u32>>) -> Self {
        let frame = Frame { rgb: picture.rgb.clone(), tokens };
        Self::Film(Film { width: picture.width, height: picture.height, frames: vec![frame], rate: 1.0 })
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        match self {
            Self::Film(film) => film.frames.len(),
            Self::Points(points) => points.frames.len(),
        }
    }

    /// Frames a second when it is played.
    pub fn rate(&self) -> f32 {
        match self {
            Self::Film(film) => film.rate,
            Self::Points(points) => points.rate,
        }
    }

    /// The token of each pixel or point of a frame.
    pub fn tokens(&self, frame: usize) -> &[Option<u32>] {
        match self {
            Self::Film(film) => film.frames.get(frame).map_or(&[], |frame| &frame.tokens),
            Self::Points(points) => points.tokens.get(frame).map_or(&[], Vec::as_slice),
        }
    }

    /// Tokens by time: those that appear first in one frame, ascending, frame by frame; with that frame.
    pub fn times(&self) -> Vec<(usize, Vec<u32>)> {
        let mut seen = std::collections::BTreeSet::new();
        let fresh = |frame: usize| {
            let mut new: Vec<u32> = self.tokens(frame).iter().flatten().copied().filter(|t| seen.insert(*t)).collect();
            new.sort_unstable();
            (frame, new)
        };
        (0..self.frames()).map(fresh).filter(|(_, new)| !new.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_at_the_frame_in_which_they_appear_first() {
        let frame = |tokens: &[u32]| Frame { rgb: vec![0; 6], tokens: tokens.iter().map(|t| Some(*t)).collect() };
        let frames = vec![frame(&[1, 0]), frame(&[0, 1]), frame(&[3, 2]), frame(&[2, 5])];
        let film = Scene::Film(Film { width: 2, height: 1, frames, rate: 8.0 });
        assert_eq!(film.times(), [(0, vec![0, 1]), (2, vec![2, 3]), (3, vec![5])]);
        let still = Scene::still(&Preview { width: 1, height: 1, rgb: vec![9; 3], grid: [1, 1] }, vec![None]);
        assert_eq!((still.frames(), still.times().len()), (1, 0));
    }
}
