//! Where wall and door are, and what an agent there looks like.

use jepa_core::random::{Draw, Stream};

/// Pixels of a side.
pub const SIDE: usize = 65;
/// Pixels of a picture.
pub const PIXELS: usize = SIDE * SIDE;
/// Pictures of a moment: the agent, and the walls.
pub const CHANNELS: usize = 2;
/// Least coordinate that an agent can have: the border's.
pub const LOW: f32 = 4.0;
/// Largest coordinate that an agent can have: the border's.
pub const HIGH: f32 = 60.0;

/// Half of the wall's thickness, between the middles of its outer pixels.
pub(super) const HALF_WALL: f32 = 1.0;
/// Half of the door.
pub(super) const HALF_DOOR: f32 = 4.0;
/// Deviation of the agent's blur.
pub(super) const BLUR: f32 = 1.3;

/// A place: x to the right, y down, in pixels.
pub type Place = [f32; 2];

/// Where wall and door are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rooms {
    /// x of the wall's middle.
    pub wall: f32,
    /// y of the door's middle.
    pub door: f32,
}

impl Rooms {
    /// The layout of the variant in which nothing moves.
    pub const FIXED: Self = Self { wall: 32.0, door: 18.0 };

    /// One of 25 walls times 45 doors.
    pub fn draw(stream: &mut Stream) -> Self {
        Self { wall: 20.0 + stream.below(25) as f32, door: 10.0 + stream.below(45) as f32 }
    }

    /// The wall's left and right side.
    pub fn sides(&self) -> [f32; 2] {
        [self.wall - HALF_WALL, self.wall + HALF_WALL]
    }

    /// The door's least and largest y.
    pub fn jambs(&self) -> [f32; 2] {
        [self.door - HALF_DOOR, self.door + HALF_DOOR]
    }

    /// Whether a place is in the wall's own ground, door left out.
    pub fn is_wall(&self, [x, y]: Place) -> bool {
        let ([left, right], [least, largest]) = (self.sides(), self.jambs());
        (left..=right).contains(&x) && !(least..=largest).contains(&y)
    }

    /// The walls as a picture: 255 on the border lines and on the wall, row-major.
    pub fn walls(&self) -> Vec<u8> {
        let [left, right] = self.sides();
        let [least, largest] = self.jambs();
        let pixel = |x: f32, y: f32| {
            let border = [x, y].iter().any(|v| *v == LOW || *v == HIGH);
            let wall = (left..=right).contains(&x) && !(least..=largest).contains(&y);
            if border || wall { 255 } else { 0 }
        };
        (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| pixel(x as f32, y as f32))).collect()
    }

    /// The agent at a place as a picture: 255 exp(−d² / (2 · 1.3²)), cut to whole numbers, row-major.
    pub fn dot([x, y]: Place) -> Vec<u8> {
        let pixel = |column: usize, row: usize| {
            let d = (column as f32 - x).hypot(row as f32 - y);
            ((-(d * d) / (2.0 * BLUR * BLUR)).exp() * 255.0) as u8
        };
        (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| pixel(column, row))).collect()
    }

    /// What a network sees of an agent at a place: both pictures, normalised, [2, 65, 65] row-major.
    pub fn seen(&self, at: Place) -> Vec<f32> {
        [Self::dot(at), self.walls()]
            .iter()
            .enumerate()
            .flat_map(|(channel, bytes)| normalised(bytes, channel))
            .collect()
    }
}

/// Mean and deviation of both pictures after they were stretched to [0, 1].
const MOMENTS: [[f32; 2]; CHANNELS] = [[0.0026, 0.0369], [0.0989, 0.2986]];

/// A picture stretched to [0, 1] and standardised with the figures of its channel.
pub fn normalised(bytes: &[u8], channel: usize) -> Vec<f32> {
    let [mean, deviation] = MOMENTS[channel.min(CHANNELS - 1)];
    let least = bytes.iter().copied().min().map_or(0.0, f32::from);
    let span = bytes.iter().copied().max().map_or(0.0, f32::from) - least + 1e-6;
    bytes.iter().map(|byte| ((f32::from(*byte) - least) / span - mean) / (deviation + 1e-6)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_the_recorded_ones() {
        let dot = Rooms::dot([20.3, 31.7]);
        let row = |y: usize| dot[y * SIDE + 17..y * SIDE + 25].to_vec();
        assert_eq!(row(31), [8, 46, 133, 214, 190, 93, 25, 3]);
        assert_eq!(row(32), [9, 51, 150, 241, 214, 105, 28, 4]);
        assert_eq!(dot.iter().map(|v| u32::from(*v)).sum::<u32>(), 2664);
        assert_eq!(Rooms::FIXED.walls().iter().filter(|v| **v > 0).count(), 418);
        let seen = Rooms::FIXED.seen([20.3, 31.7]);
        let ends = |values: &[f32]| values.iter().fold([f32::MAX, f32::MIN], |[a, b], v| [a.min(*v), b.max(*v)]);
        for (channel, expected) in [[-0.070_459, 27.029_08], [-0.331_211, 3.017_739]].into_iter().enumerate() {
            let found = ends(&seen[channel * PIXELS..(channel + 1) * PIXELS]);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-5), "{found:?}");
        }
    }

    #[test]
    fn every_layout_has_a_door_between_two_rooms() {
        let mut stream = Stream::new(0, jepa_core::random::Purpose::Test, 0, 0);
        for _ in 0..200 {
            let rooms = Rooms::draw(&mut stream);
            assert!((20.0..=44.0).contains(&rooms.wall) && (10.0..=54.0).contains(&rooms.door));
            assert!(rooms.is_wall([rooms.wall, rooms.door + 4.5]) && !rooms.is_wall([rooms.wall, rooms.door]));
        }
    }
}
