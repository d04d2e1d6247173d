//! A video cut into windows, and the surprise of each.

use std::ops::Range;

use jepa_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

use super::scores::Surprises;
use crate::data::Clip;
use crate::scenes;

/// What a window's surprise is: given windows of one length and how many of their first frames are seen, the mean
/// distance between what is predicted of the other frames and what they are, one number a window.
pub trait Observer: Sync {
    /// Surprises of `windows`, of which the first `context` frames are seen.
    fn surprise(&self, windows: &[Clip], context: usize) -> Result<Vec<f32>>;
}

impl<F: Fn(&[Clip], usize) -> Result<Vec<f32>> + Sync> Observer for F {
    fn surprise(&self, windows: &[Clip], context: usize) -> Result<Vec<f32>> {
        self(windows, context)
    }
}

/// What of a clip a network reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Frames of a clip.
    pub frames: usize,
    /// Frames of a token.
    pub tubelet: usize,
}

/// How videos are cut into windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// One in so many frames of the video is looked at.
    pub step: usize,
    /// Looked-at frames of a window.
    pub frames: usize,
    /// Looked-at frames from the beginning of one window to that of the next.
    pub stride: usize,
    /// Frames of a window that are seen, several to choose from; multiples of the tubelet.
    pub contexts: Vec<usize>,
}

impl Protocol {
    /// IntPhys, as in `configs/default_intphys.yaml` of jepa-intuitive-physics.
    pub fn intphys() -> Self {
        Self { step: 2, frames: 16, stride: 2, contexts: vec![2, 4, 6, 8, 10] }
    }

    /// GRASP level 2 (`configs/default_grasp.yaml`).
    pub fn grasp() -> Self {
        Self { step: 10, ..Self::intphys() }
    }

    /// InfLevel-lab (`configs/default_inflevel.yaml`).
    pub fn inflevel() -> Self {
        Self { step: 5, frames: 32, stride: 2, contexts: vec![4, 8, 12, 16, 20] }
    }

    /// The rendered scenes, for networks of this shape: one window, which is the whole scene, so that nothing seen is
    /// forgotten and no window begins behind the event, where an impossible scene is possible again. Every context length
    /// of whole tubelets is to choose from.
    pub fn scenes(Shape { frames, tubelet }: Shape) -> Self {
        let contexts = (1..).map(|times| times * tubelet.max(1)).take_while(|context| *context < frames).collect();
        Self { step: (scenes::FRAMES / frames.max(1)).max(1), frames, stride: frames.max(1), contexts }
    }

    /// Whether the numbers make sense for a network of this shape.
    pub fn check(&self, Shape { frames, tubelet }: Shape) -> Result<()> {
        if frames != self.frames {
            let problem = format!(
                "windows have {} frames, the networks read clips of {frames}; train with model.view.clip.frames={}",
                self.frames, self.frames
            );
            return Err(Error::config("surprise", problem));
        }
        let fits = |context: &usize| *context > 0 && *context < self.frames && context.is_multiple_of(tubelet.max(1));
        if self.step == 0 || self.stride == 0 || self.contexts.is_empty() || !self.contexts.iter().all(fits) {
            let problem = format!(
                "expected a positive step and stride, and context lengths below {} frames that are multiples of \
                 {tubelet}; found {self:?}",
                self.frames
            );
            return Err(Error::config("surprise", problem));
        }
        Ok(())
    }

    /// Numbers of the frames of a video of `count` frames that are looked at.
    pub fn indices(&self, count: usize) -> Vec<usize> {
        (0..count).step_by(self.step.max(1)).collect()
    }

    /// First frames of the windows of `looked` looked-at frames; fails when not one fits.
    pub fn starts(&self, looked: usize) -> Result<Vec<usize>> {
        let Some(room) = looked.checked_sub(self.frames) else {
            let problem = format!("{looked} frames, one in {} looked at, hold no window of {}", self.step, self.frames);
            return Err(Error::data("surprise", problem));
        };
        Ok((0..=room).step_by(self.stride.max(1)).collect())
    }

    /// The hidden looked-at frames of each of `windows` windows of which the first `context` frames are seen.
    pub fn hidden(&self, windows: usize, context: usize) -> Vec<Range<usize>> {
        let of = |window: usize| window * self.stride + context..window * self.stride + self.frames;
        (0..windows).map(of).collect()
    }

    /// The surprise of every window of `video`, which holds the looked-at frames alone, for every context length.
    pub fn measure(&self, video: &Clip, observer: &dyn Observer) -> Result<Surprises> {
        let starts = self.starts(video.frames)?;
        let windows = starts.iter().map(|start| video.cut(*start..start + self.frames)).collect::<Result<Vec<_>>>()?;
        let mut values = Vec::with_capacity(self.contexts.len() * windows.len());
        for context in &self.contexts {
            let found = observer.surprise(&windows, *context)?;
            if found.len() != windows.len() {
                let problem = format!("{} surprises for {} windows", found.len(), windows.len());
                return Err(Error::Engine(problem));
            }
            values.extend(found);
        }
        Surprises::new(self.contexts.len(), windows.len(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_by_the_stride_and_see_their_own_frames() {
        let protocol = Protocol::intphys();
        assert_eq!(protocol.indices(99).len(), 50);
        assert_eq!(protocol.starts(50).unwrap().len(), 18);
        assert_eq!(protocol.starts(16).unwrap(), [0]);
        assert!(protocol.starts(15).unwrap_err().to_string().contains("15 frames"));
        // The value of frame t is t: a window's surprise here is its first hidden frame.
        let video = Clip::new(20, 1, 1, (0..20).flat_map(|t| [t; 3]).collect()).unwrap();
        let observer = |windows: &[Clip], context: usize| -> Result<Vec<f32>> {
            Ok(windows.iter().map(|w| f32::from(w.frame(context).unwrap()[0])).collect())
        };
        let surprises = protocol.measure(&video, &observer).unwrap();
        assert_eq!(surprises.curve(0).unwrap(), [2.0, 4.0, 6.0]);
        assert_eq!(surprises.curve(4).unwrap(), [10.0, 12.0, 14.0]);
        assert_eq!(surprises.filtered(), [2.0, 4.0, 6.0]);
    }

    #[test]
    fn a_rendered_scene_is_one_window_whatever_the_shape() {
        for (frames, tubelet) in [(16, 2), (12, 2), (12, 1), (24, 4)] {
            let protocol = Protocol::scenes(Shape { frames, tubelet });
            protocol.check(Shape { frames, tubelet }).unwrap();
            let looked = protocol.indices(scenes::FRAMES).len();
            assert_eq!((looked, protocol.starts(looked).unwrap()), (frames, vec![0]));
            assert_eq!(protocol.contexts.len(), frames / tubelet - 1);
        }
        // No scene holds so many frames: the message names them.
        let long = Protocol::scenes(Shape { frames: 64, tubelet: 2 });
        assert!(long.starts(long.indices(scenes::FRAMES).len()).unwrap_err().to_string().contains("64"));
    }

    #[test]
    fn contexts_that_cut_a_tubelet_are_refused() {
        let shape = Shape { frames: 16, tubelet: 2 };
        assert!(Protocol::inflevel().check(Shape { frames: 32, ..shape }).is_ok());
        assert!(Protocol::inflevel().check(shape).unwrap_err().to_string().contains("clip.frames=32"));
        for contexts in [vec![], vec![0], vec![3], vec![16]] {
            assert!(Protocol { contexts, ..Protocol::intphys() }.check(shape).is_err());
        }
    }
}
