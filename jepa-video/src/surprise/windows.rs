//! A video cut into windows, and the surprise of each.

use std::collections::BTreeMap;
use std::ops::Range;

use jepa_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

use super::scores::Surprises;
use crate::data::Clip;
use crate::scenes;

/// What a window's surprise is: given windows of one length and how many of their first frames are seen, the mean
/// distance between what is predicted and what is there at each later time (one tubelet), in order.
pub trait Observer: Sync {
    /// Surprises of `windows`, of which the first `context` frames are seen: one row a window.
    fn surprise(&self, windows: &[Clip], context: usize) -> Result<Vec<Vec<f32>>>;
}

impl<F: Fn(&[Clip], usize) -> Result<Vec<Vec<f32>>> + Sync> Observer for F {
    fn surprise(&self, windows: &[Clip], context: usize) -> Result<Vec<Vec<f32>>> {
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
    /// At most so many are looked at, from the beginning on; absent: as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
    /// Looked-at frames of a window.
    pub frames: usize,
    /// Looked-at frames from the beginning of one window to that of the next.
    pub stride: usize,
    /// Frames of a window that are seen, several to choose from; multiples of the tubelet.
    pub contexts: Vec<usize>,
}

impl Protocol {
    /// IntPhys, as in `configs/default_intphys.yaml` of jepa-intuitive-physics. Of the 100 frames of a movie 99 / 2 are
    /// looked at, rounded down (`num_frames` in `eval.py`).
    pub fn intphys() -> Self {
        let step = 2;
        Self { step, most: Some(99 / step), frames: 16, stride: 2, contexts: vec![2, 4, 6, 8, 10] }
    }

    /// GRASP level 2 (`configs/default_grasp.yaml`): videos are looked at to their end.
    pub fn grasp() -> Self {
        Self { step: 10, most: None, ..Self::intphys() }
    }

    /// InfLevel-lab (`configs/default_inflevel.yaml`): videos are looked at to their end.
    pub fn inflevel() -> Self {
        Self { step: 5, most: None, frames: 32, stride: 2, contexts: vec![4, 8, 12, 16, 20] }
    }

    /// The rendered scenes, for networks of this shape: one window, which is the whole scene, so that nothing seen is
    /// forgotten and no window begins behind the event, where an impossible scene is possible again. Every context length
    /// of whole tubelets is to choose from that leaves two of them.
    pub fn scenes(Shape { frames, tubelet }: Shape) -> Self {
        let contexts =
            (1..).map(|times| times * tubelet.max(1)).take_while(|context| context + tubelet < frames).collect();
        let step = (scenes::FRAMES / frames.max(1)).max(1);
        Self { step, most: None, frames, stride: frames.max(1), contexts }
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
                "expected a positive step and stride, and context lengths below {frames} frames that are multiples of \
                 {tubelet}; found {self:?}"
            );
            return Err(Error::config("surprise", problem));
        }
        Ok(())
    }

    /// Numbers of the frames of a video of `count` frames that are looked at.
    pub fn indices(&self, count: usize) -> Vec<usize> {
        (0..count).step_by(self.step.max(1)).take(self.most.unwrap_or(usize::MAX)).collect()
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
        let mut moments = BTreeMap::new();
        for context in &self.contexts {
            let found = observed(observer, &windows, *context)?;
            values.extend(found.iter().map(|row| row.iter().sum::<f32>() / row.len() as f32));
            moments.extend(found.into_iter().next().map(|first| (*context, first)));
        }
        Ok(Surprises::new(self.contexts.len(), windows.len(), values)?.with_moments(moments))
    }

    /// The looked-at frames of each of the `times` later times of a window of which the first `context` frames are seen.
    pub fn times(&self, times: usize, context: usize) -> Vec<Range<usize>> {
        let tubelet = self.frames.saturating_sub(context) / times.max(1);
        (0..times).map(|at| context + at * tubelet..context + (at + 1) * tubelet).collect()
    }
}

/// What every later time of `windows` surprises an observer who sees `context` frames: rows of one length.
fn observed(observer: &dyn Observer, windows: &[Clip], context: usize) -> Result<Vec<Vec<f32>>> {
    let found = observer.surprise(windows, context)?;
    if found.len() != windows.len() || found.iter().any(|row| row.is_empty() || row.len() != found[0].len()) {
        let problem = format!("{} rows of surprises for {} windows", found.len(), windows.len());
        return Err(Error::Engine(problem));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_by_the_stride_and_see_their_own_frames() {
        let protocol = Protocol::intphys();
        assert_eq!(protocol.starts(49).unwrap().len(), 17);
        assert_eq!(protocol.starts(16).unwrap(), [0]);
        assert!(protocol.starts(15).unwrap_err().to_string().contains("15 frames"));
        // The value of frame t is t: a window's surprise here is its first hidden frame.
        let video = Clip::new(20, 1, 1, (0..20).flat_map(|t| [t; 3]).collect()).unwrap();
        let observer = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            Ok(windows.iter().map(|w| vec![f32::from(w.frame(context).unwrap()[0])]).collect())
        };
        let surprises = protocol.measure(&video, &observer).unwrap();
        assert_eq!(surprises.curve(0).unwrap(), [2.0, 4.0, 6.0]);
        assert_eq!(surprises.curve(4).unwrap(), [10.0, 12.0, 14.0]);
        assert_eq!(surprises.filtered(), [2.0, 4.0, 6.0]);
    }

    #[test]
    fn of_a_movie_of_intphys_49_frames_are_looked_at_and_of_other_videos_all() {
        let looked = |protocol: Protocol, count| {
            let indices = protocol.indices(count);
            (indices.len(), indices.last().copied())
        };
        for count in [98, 99, 100, 300] {
            assert_eq!(looked(Protocol::intphys(), count), (49, Some(96)), "{count} frames");
        }
        assert_eq!(looked(Protocol::intphys(), 40), (20, Some(38)));
        assert_eq!(looked(Protocol::grasp(), 600), (60, Some(590)));
        assert_eq!(looked(Protocol::inflevel(), 400), (80, Some(395)));
        // A limit that there is not is not written down, and reports from before it are read.
        let written = serde_json::to_value(Protocol::grasp()).unwrap();
        assert!(written.get("most").is_none());
        assert_eq!(serde_json::from_value::<Protocol>(written).unwrap(), Protocol::grasp());
    }

    #[test]
    fn every_later_time_of_a_window_has_a_surprise_and_frames_of_its_own() {
        let video = Clip::new(6, 1, 1, (0..6).flat_map(|t| [t; 3]).collect()).unwrap();
        // Time t surprises by 10 t.
        let observer = |windows: &[Clip], context: usize| -> Result<Vec<Vec<f32>>> {
            Ok(vec![(context / 2..3).map(|t| (10 * t) as f32).collect(); windows.len()])
        };
        let protocol = Protocol { step: 1, most: None, frames: 6, stride: 6, contexts: vec![2, 4] };
        protocol.check(Shape { frames: 6, tubelet: 2 }).unwrap();
        let surprises = protocol.measure(&video, &observer).unwrap();
        assert_eq!([0, 1].map(|context| surprises.curve(context).unwrap()), [[15.0], [20.0]]);
        assert_eq!(surprises.moments(), &BTreeMap::from([(2, vec![10.0, 20.0]), (4, vec![20.0])]));
        assert_eq!(protocol.times(2, 2), [2..4, 4..6]);
        assert_eq!(protocol.times(3, 0), [0..2, 2..4, 4..6]);
        let broken = |_: &[Clip], _: usize| -> Result<Vec<Vec<f32>>> { Ok(vec![Vec::new()]) };
        assert!(protocol.measure(&video, &broken).is_err());
    }

    #[test]
    fn a_rendered_scene_is_one_window_whatever_the_shape() {
        for (frames, tubelet) in [(16, 2), (12, 2), (12, 1), (24, 4)] {
            let protocol = Protocol::scenes(Shape { frames, tubelet });
            protocol.check(Shape { frames, tubelet }).unwrap();
            let looked = protocol.indices(scenes::FRAMES).len();
            assert_eq!((looked, protocol.starts(looked).unwrap()), (frames, vec![0]));
            assert_eq!(protocol.contexts.len(), frames / tubelet - 2);
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
