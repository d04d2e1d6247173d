//! Which frames of a recording make a trajectory: the rule of V-JEPA 2-AC (`app/vjepa_droid/droid.py`).
//!
//! Not that of V-JEPA ([`ClipOptions::indices`]), which spreads frames unevenly and repeats the last one of a short
//! recording: an action is what happens between two frames, and means the same only where the time between them is the
//! same. A frame that is repeated would be an action that nobody took.

use jepa_core::random::{Draw as _, Stream};

use crate::data::{ClipOptions, SamplingRule};

/// Numbers of the frames to read from a recording of `count` frames at `rate` a second, where it knows: one in so many,
/// the step rounded up. `draw` says where they lie; without it, at the beginning. The error is a text.
pub(super) fn indices(
    options: &ClipOptions,
    count: usize,
    rate: Option<f64>,
    draw: Option<&mut Stream>,
) -> Result<Vec<usize>, String> {
    let step = match options.rule {
        SamplingRule::Step(step) => step,
        SamplingRule::Fps(fps) => {
            let unknown =
                "does not say how many frames a second it has; set model.view.clip.rate, or a sampling rule by step";
            let rate = rate.or(options.rate).ok_or(unknown)?;
            ((rate / fps).ceil() as usize).max(1)
        }
    };
    let span = options.frames.saturating_mul(step);
    let Some(room) = count.checked_sub(span) else {
        return Err(format!(
            "is too short: it has {count} frames, and {} of them, one in {step}, take {span}; set model.view.clip.frames \
             or its rule",
            options.frames
        ));
    };
    // As there, the very last place is never drawn; a recording of just this length, which is refused there, has one place.
    let first = draw.map_or(0, |draw| draw.below(room));
    Ok((0..options.frames).map(|at| first + at * step).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jepa_core::random::Purpose;

    use super::*;

    fn options(rule: SamplingRule) -> ClipOptions {
        ClipOptions { frames: 8, rule, ..ClipOptions::default() }
    }

    #[test]
    fn frames_lie_equally_far_apart_by_the_rate_rounded_up() {
        let found = |rate| indices(&options(SamplingRule::Fps(4.0)), 100, rate, None).unwrap();
        // `arange(sf, sf + 8 * ceil(vfps / 4), ceil(vfps / 4))` of the official loader, from 0.
        assert_eq!(found(Some(29.97)), [0, 8, 16, 24, 32, 40, 48, 56]);
        assert_eq!(found(Some(16.0)), [0, 4, 8, 12, 16, 20, 24, 28]);
        assert_eq!(found(Some(16.5)), [0, 5, 10, 15, 20, 25, 30, 35]);
        assert_eq!(found(Some(1.0)), [0, 1, 2, 3, 4, 5, 6, 7]);
        let by_step = indices(&options(SamplingRule::Step(3)), 24, None, None).unwrap();
        assert_eq!(by_step, [0, 3, 6, 9, 12, 15, 18, 21]);
        // The control: the rule of clips is uneven.
        assert_eq!(found(Some(20.0)), [0, 5, 10, 15, 20, 25, 30, 35]);
        let clip = options(SamplingRule::Fps(4.0)).indices(100, 20.0, None);
        assert_eq!(clip, [0, 5, 11, 17, 22, 28, 34, 39]);
    }

    #[test]
    fn draws_reach_every_place_but_the_last() {
        let options = options(SamplingRule::Step(2));
        let mut firsts = BTreeSet::new();
        for sample in 0..300 {
            let mut draw = Stream::new(3, Purpose::Part, 1, sample);
            let found = indices(&options, 20, None, Some(&mut draw)).unwrap();
            assert!(found.windows(2).all(|pair| pair[1] - pair[0] == 2) && found[7] < 20, "{found:?}");
            firsts.insert(found[0]);
        }
        assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn too_few_frames_and_an_unknown_rate_are_errors() {
        let by_step = options(SamplingRule::Step(2));
        assert_eq!(indices(&by_step, 16, None, None).unwrap(), [0, 2, 4, 6, 8, 10, 12, 14]);
        let mut draw = Stream::new(3, Purpose::Part, 1, 0);
        assert_eq!(indices(&by_step, 16, None, Some(&mut draw)).unwrap()[0], 0, "one place");
        let short = indices(&by_step, 15, None, None).unwrap_err();
        assert!(short.contains("has 15 frames") && short.contains("take 16"), "{short}");
        let by_rate = options(SamplingRule::Fps(4.0));
        let unknown = indices(&by_rate, 100, None, None).unwrap_err();
        assert!(unknown.contains("clip.rate"), "{unknown}");
        let told = ClipOptions { rate: Some(10.0), ..by_rate };
        assert_eq!(indices(&told, 100, None, None).unwrap()[1], 3);
        assert_eq!(indices(&told, 100, Some(20.0), None).unwrap()[1], 5, "the recording knows better");
        assert!(indices(&options(SamplingRule::Step(usize::MAX)), 100, None, None).is_err());
    }
}
