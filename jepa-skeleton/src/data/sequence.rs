//! One recorded movement.

use std::sync::Arc;

use jepa_core::error::{Error, Result};

use super::joints::JointSet;

/// Most numbers a sequence may hold: half an hour of two persons at 30 frames a second is 8 million.
pub const MAX_VALUES: usize = 1 << 24;

/// Most persons in a sequence.
pub const MAX_PERSONS: usize = 16;

/// Positions of the joints of one or more persons over time: [frames, persons, joints, 3], finite. In data sets of
/// bodies they are metres. A person who is absent from a frame, and a joint that was not seen, is (0, 0, 0).
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// The joints of every person.
    pub joints: Arc<JointSet>,
    /// Number of frames, at least 1.
    pub frames: usize,
    /// Number of persons, at least 1.
    pub persons: usize,
    /// The positions, frame by frame, in a frame person by person.
    pub values: Vec<f32>,
}

impl Sequence {
    /// Checks that `values` are finite and that their number is [frames, persons, joints, 3].
    pub fn new(joints: Arc<JointSet>, frames: usize, persons: usize, values: Vec<f32>) -> Result<Self> {
        let found = values.len();
        if frames == 0 || persons == 0 || persons > MAX_PERSONS || found > MAX_VALUES {
            let problem = format!(
                "has {frames} frames of {persons} persons, {found} numbers; expected at least one frame, 1 to \
                 {MAX_PERSONS} persons and at most {MAX_VALUES} numbers"
            );
            return Err(Error::data("sequence", problem));
        }
        let expected = frames.checked_mul(persons * joints.len() * 3);
        if expected != Some(found) {
            let problem = format!("{found} numbers do not fill {frames} x {persons} x {} x 3", joints.len());
            return Err(Error::data("sequence", problem));
        }
        let sequence = Self { joints, frames, persons, values };
        if let Some(at) = sequence.values.iter().position(|value| !value.is_finite()) {
            let (frame, joint) = (at / sequence.frame_len(), at / 3 % sequence.joints.len());
            let problem = format!("joint {joint} in frame {frame} is at {}, not a finite place", sequence.values[at]);
            return Err(Error::data("sequence", problem));
        }
        Ok(sequence)
    }

    /// Numbers of one frame.
    pub fn frame_len(&self) -> usize {
        self.persons * self.joints.len() * 3
    }

    /// Numbers of one frame of one person.
    pub fn person_len(&self) -> usize {
        self.joints.len() * 3
    }

    /// One person in one frame, [joints, 3]; empty beyond the sequence.
    pub fn pose(&self, frame: usize, person: usize) -> &[f32] {
        let start = (frame * self.persons + person) * self.person_len();
        let inside = frame < self.frames && person < self.persons;
        if inside { &self.values[start..start + self.person_len()] } else { &[] }
    }

    /// Whether `person` is seen in `frame`: some number is not zero.
    pub fn is_present(&self, frame: usize, person: usize) -> bool {
        self.pose(frame, person).iter().any(|&value| value != 0.0)
    }

    /// The first frame that shows `person`; none for somebody who is only padding.
    pub fn first_frame(&self, person: usize) -> Option<usize> {
        (0..self.frames).find(|&frame| self.is_present(frame, person))
    }

    /// Number of frames that show anybody, as MAMP counts them (`feeder/feeder_ntu.py`); crops are taken from the first
    /// so many frames.
    pub fn valid(&self) -> usize {
        self.values.chunks(self.frame_len()).filter(|frame| frame.iter().any(|&value| value != 0.0)).count()
    }

    /// All frames of one person, [frames, joints, 3].
    pub fn person(&self, person: usize) -> Vec<f32> {
        (0..self.frames).flat_map(|frame| self.pose(frame, person)).copied().collect()
    }

    /// The place of a set of joints of one person in one frame: the mean of those that were seen; none where none was.
    pub fn place(&self, frame: usize, person: usize, joints: &[u32]) -> Option<[f32; 3]> {
        let pose = self.pose(frame, person);
        let (mut sum, mut seen) = ([0.0; 3], 0.0);
        for &joint in joints {
            let at = joint as usize * 3;
            if let Some(place) = pose.get(at..at + 3)
                && place.iter().any(|&value| value != 0.0)
            {
                place.iter().zip(&mut sum).for_each(|(value, sum)| *sum += value);
                seen += 1.0;
            }
        }
        (seen > 0.0).then(|| sum.map(|value| value / seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_persons_and_joints_are_found_where_the_order_says() {
        let joints = JointSet::by_count(2);
        let values: Vec<f32> = (0..3 * 2 * 2 * 3).map(|i| i as f32).collect();
        let sequence = Sequence::new(joints, 3, 2, values).unwrap();
        assert_eq!(sequence.pose(1, 1), [18.0, 19.0, 20.0, 21.0, 22.0, 23.0]);
        assert_eq!(sequence.person(0).len(), 18);
        assert_eq!(sequence.place(1, 1, &[0, 1]), Some([19.5, 20.5, 21.5]));
        assert!(sequence.pose(3, 0).is_empty() && sequence.pose(0, 2).is_empty());
    }

    #[test]
    fn absent_persons_and_empty_frames_are_noticed() {
        let mut values = vec![0.0; 4 * 2 * 3];
        values[2 * 6] = 1.0;
        let sequence = Sequence::new(JointSet::by_count(1), 4, 2, values).unwrap();
        assert_eq!((sequence.valid(), sequence.first_frame(0), sequence.first_frame(1)), (1, Some(2), None));
        assert_eq!(sequence.place(0, 0, &[0]), None);
    }

    #[test]
    fn numbers_that_are_missing_or_not_finite_are_refused() {
        let new = |frames, persons, values| Sequence::new(JointSet::by_count(1), frames, persons, values);
        assert!(new(2, 1, vec![0.0; 5]).unwrap_err().to_string().contains("2 x 1 x 1 x 3"));
        assert!(new(0, 1, vec![]).is_err() && new(1, 0, vec![]).is_err() && new(1, 17, vec![0.0; 51]).is_err());
        assert!(new(2, 1, vec![0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0]).unwrap_err().to_string().contains("frame 1"));
        assert!(new(usize::MAX, 2, vec![0.0; 6]).is_err());
    }
}
