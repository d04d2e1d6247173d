//! What happens to a cloud before it is cut into groups, in the official order: subsample, scale, centre, unit sphere,
//! rotate.

use jepa_core::error::{Error, Result};
use jepa_core::random::Draw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::MAX_POINTS;
use crate::geometry::{Columns, farthest_points};

/// Steps of the augmentation. The default is Point-JEPA's pre-training (`configs/Point-JEPA/pretraining/shapenet.yaml`;
/// the mirror symmetries listed there never reach its code, so that nothing is mirrored).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Points of a cloud (Point-JEPA: 1024).
    pub points: usize,
    /// How they are chosen (Point-JEPA: farthest).
    pub subsample: Subsample,
    /// Smallest and largest factor on each axis, one triple for the whole batch (Point-JEPA: 0.8 to 1.2; 1 to 1 leaves
    /// clouds as they are).
    pub scale: [f32; 2],
    /// Move the mean of the points to the origin (Point-JEPA: yes).
    pub centre: bool,
    /// Divide by the largest distance from the origin (Point-JEPA: yes).
    pub unit_sphere: bool,
    /// Smallest and largest angle about the vertical axis y in radians, one for the whole batch (Point-JEPA: -π to π; 0
    /// to 0 leaves clouds as they are).
    pub rotate: [f32; 2],
    /// Turn every cloud in space as well, each by a turn of its own, all equally likely (Point-JEPA: no): for clouds
    /// that come in any pose.
    pub tumble: bool,
    /// Show the context encoder every cloud in a pose of its own (Point-JEPA: no; S-JEPA does so with skeletons): what
    /// is predicted from it cannot depend on the pose.
    pub turn_context: bool,
}

/// How the points of a cloud are chosen. A cloud with too few points is used whole, then its points once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subsample {
    /// Farthest-point sampling from a random start.
    Farthest,
    /// The first points after a random one, round the end: for clouds whose points lie in random order.
    Run,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        use std::f32::consts::PI;
        Self {
            points: 1024,
            subsample: Subsample::Farthest,
            scale: [0.8, 1.2],
            centre: true,
            unit_sphere: true,
            rotate: [-PI, PI],
            tumble: false,
            turn_context: false,
        }
    }
}

/// What is drawn once for a whole batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Factor on each axis.
    pub scale: [f32; 3],
    /// Angle about the axis y in radians.
    pub angle: f32,
}

impl Pose {
    /// The pose that changes nothing.
    pub const REST: Self = Self { scale: [1.0; 3], angle: 0.0 };
}

impl AugmentConfig {
    /// Whether the numbers make sense; `place` is the configuration's key path.
    pub fn check(&self, place: &str) -> Result<()> {
        if self.points == 0 || self.points > MAX_POINTS {
            let problem = format!("expected 1 to {MAX_POINTS} points, found {}", self.points);
            return Err(Error::config(format!("{place}.points"), problem));
        }
        let [low, high] = self.scale;
        if !(0.0 < low && low <= high && high <= 1000.0) {
            let problem = format!("expected 0 < smallest <= largest <= 1000, found {:?}", self.scale);
            return Err(Error::config(format!("{place}.scale"), problem));
        }
        let [low, high] = self.rotate;
        if !(low <= high && low.abs() <= 1000.0 && high.abs() <= 1000.0) {
            let problem = format!("expected smallest <= largest, in radians, found {:?}", self.rotate);
            return Err(Error::config(format!("{place}.rotate"), problem));
        }
        Ok(())
    }

    /// Draws what a whole batch shares: scale x, y, z, then the angle.
    pub fn pose(&self, draw: &mut impl Draw) -> Pose {
        let [low, high] = self.scale;
        let scale = std::array::from_fn(|_| draw.between(low, high));
        Pose { scale, angle: draw.between(self.rotate[0], self.rotate[1]) }
    }

    /// Draws the turn in space of one cloud; none where clouds are not to be tumbled.
    pub fn tumbled(&self, draw: &mut impl Draw) -> Option<Turn> {
        self.tumble.then(|| Turn::random(draw))
    }

    /// Draws the turn from the pose of one cloud to that in which the context encoder sees it; none where both are one.
    pub fn context_turn(&self, draw: &mut impl Draw) -> Option<Turn> {
        self.turn_context.then(|| Turn::random(draw))
    }

    /// Draws where the subsampling of one cloud of `points` points starts.
    pub fn start(&self, points: usize, draw: &mut impl Draw) -> usize {
        draw.below(points)
    }

    /// One training cloud, [points][x, y, z]: a pure function of what was drawn.
    pub fn apply(&self, cloud: &[[f32; 3]], start: usize, pose: &Pose) -> Result<Vec<[f32; 3]>> {
        let mut points = self.subsample(cloud, start)?;
        scale(&mut points, pose.scale);
        self.normalise(&mut points);
        rotate(&mut points, pose.angle);
        Ok(points)
    }

    /// One cloud of validation, [points][x, y, z]: subsampled from `start`, centred, in the unit sphere. The official
    /// code draws the start here too; 0 makes features repeatable.
    pub fn clean(&self, cloud: &[[f32; 3]], start: usize) -> Result<Vec<[f32; 3]>> {
        let mut points = self.subsample(cloud, start)?;
        self.normalise(&mut points);
        Ok(points)
    }

    /// Numbers of the points that are kept of a cloud, in the order in which [`Self::clean`] gives them.
    pub fn kept(&self, cloud: &[[f32; 3]], start: usize) -> Result<Vec<usize>> {
        if start >= cloud.len() {
            let problem = format!("subsampling cannot start at point {start} of {}", cloud.len());
            return Err(Error::data("cloud", problem));
        }
        let kept = self.points.min(cloud.len());
        let chosen: Vec<usize> = match self.subsample {
            // Of all points the choice is none; what follows does not depend on their order.
            Subsample::Farthest if kept < cloud.len() => {
                farthest_points(&Columns::new(cloud), kept, start)?.into_iter().map(|index| index as usize).collect()
            }
            _ => (0..cloud.len()).cycle().skip(start).take(kept).collect(),
        };
        Ok(chosen.into_iter().cycle().take(self.points).collect())
    }

    fn subsample(&self, cloud: &[[f32; 3]], start: usize) -> Result<Vec<[f32; 3]>> {
        Ok(self.kept(cloud, start)?.into_iter().map(|index| cloud[index]).collect())
    }

    fn normalise(&self, points: &mut [[f32; 3]]) {
        if self.centre {
            centre(points);
        }
        if self.unit_sphere {
            unit_sphere(points);
        }
    }
}

/// Multiplies each axis.
pub fn scale(points: &mut [[f32; 3]], factors: [f32; 3]) {
    for point in points {
        *point = std::array::from_fn(|axis| point[axis] * factors[axis]);
    }
}

/// Moves the mean to the origin.
pub fn centre(points: &mut [[f32; 3]]) {
    let mut mean = [0f64; 3];
    for point in points.iter() {
        mean = std::array::from_fn(|axis| mean[axis] + f64::from(point[axis]));
    }
    let mean = mean.map(|sum| (sum / points.len() as f64) as f32);
    for point in points {
        *point = std::array::from_fn(|axis| point[axis] - mean[axis]);
    }
}

/// Divides by the largest distance from the origin; leaves points that all lie there.
pub fn unit_sphere(points: &mut [[f32; 3]]) {
    // In f64, so that the squares of large coordinates stay finite.
    let square = |p: &[f32; 3]| p.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
    let radius = points.iter().map(square).fold(0.0, f64::max).sqrt() as f32;
    if radius > 0.0 {
        for point in points {
            *point = point.map(|v| v / radius);
        }
    }
}

/// Turns about the vertical axis y: x' = x cos + z sin, z' = z cos - x sin.
pub fn rotate(points: &mut [[f32; 3]], angle: f32) {
    let (sin, cos) = angle.sin_cos();
    for [x, _, z] in points {
        (*x, *z) = (*x * cos + *z * sin, *z * cos - *x * sin);
    }
}

/// A turn in space: the rows of its matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn([[f32; 3]; 3]);

impl Turn {
    /// Every turn equally likely: the unit quaternion of a normal direction in four dimensions.
    pub fn random(draw: &mut impl Draw) -> Self {
        let q: [f32; 4] = std::array::from_fn(|_| draw.normal());
        let length = q.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let [w, x, y, z] = q.map(|v| v / length);
        Self([
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ])
    }

    /// Turns every point about the origin.
    pub fn apply(&self, points: &mut [[f32; 3]]) {
        for point in points {
            *point = self.0.map(|row| (0..3).map(|axis| row[axis] * point[axis]).sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Purpose, Stream};

    fn cloud(count: usize) -> Vec<[f32; 3]> {
        let mut draw = Stream::new(1, Purpose::Test, 0, 0);
        (0..count).map(|_| [draw.normal() + 5.0, 2.0 * draw.normal(), draw.normal()]).collect()
    }

    fn radius(points: &[[f32; 3]]) -> f32 {
        points.iter().map(|p| p.iter().map(|v| v * v).sum::<f32>().sqrt()).fold(0.0, f32::max)
    }

    #[test]
    fn an_augmented_cloud_is_centred_and_fills_the_unit_sphere() {
        let config = AugmentConfig { points: 128, ..AugmentConfig::default() };
        for sample in 0..20 {
            let mut draw = Stream::new(1, Purpose::Augment, 1, sample);
            let pose = config.pose(&mut draw);
            assert!(pose.scale.iter().all(|s| (0.8..1.2).contains(s)) && pose.angle.abs() <= std::f32::consts::PI);
            let cloud = cloud(500);
            let points = config.apply(&cloud, config.start(cloud.len(), &mut draw), &pose).unwrap();
            assert_eq!(points.len(), 128);
            assert!((radius(&points) - 1.0).abs() < 1e-5);
            for axis in 0..3 {
                assert!(points.iter().map(|p| p[axis]).sum::<f32>().abs() < 1e-3);
            }
        }
    }

    #[test]
    fn the_steps_run_in_the_official_order() {
        // Scaling comes before the unit sphere, turning after it: with one axis stretched the shape changes, and the
        // turn is visible in the result.
        let config = AugmentConfig { points: 4, ..AugmentConfig::default() };
        let cross = [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];
        let pose = Pose { scale: [2.0, 1.0, 1.0], angle: std::f32::consts::FRAC_PI_2 };
        let points = config.apply(&cross, 0, &pose).unwrap();
        let expected = [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]];
        for (point, expected) in points.iter().zip(expected) {
            assert!(point.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{points:?}");
        }
    }

    #[test]
    fn a_clean_cloud_draws_nothing_and_is_the_cloud_in_its_pose_of_rest() {
        let config = AugmentConfig { points: 64, ..AugmentConfig::default() };
        let cloud = cloud(300);
        assert_eq!(config.clean(&cloud, 3).unwrap(), config.apply(&cloud, 3, &Pose::REST).unwrap());
    }

    #[test]
    fn every_step_can_be_switched_off() {
        let config = AugmentConfig {
            points: 10,
            subsample: Subsample::Run,
            scale: [1.0, 1.0],
            centre: false,
            unit_sphere: false,
            rotate: [0.0, 0.0],
            tumble: false,
            turn_context: false,
        };
        let cloud = cloud(10);
        let mut draw = Stream::new(1, Purpose::Test, 0, 0);
        assert_eq!((config.tumbled(&mut draw), config.context_turn(&mut draw)), (None, None));
        assert_eq!(config.apply(&cloud, 0, &config.pose(&mut draw)).unwrap(), cloud);
        let expected = [&cloud[7..], &cloud[..7]].concat();
        assert_eq!(config.clean(&cloud, 7).unwrap(), expected, "a run goes round the end");
    }

    #[test]
    fn a_turn_keeps_lengths_and_handedness_and_goes_anywhere() {
        let mut mean = [0f32; 3];
        for sample in 0..2000 {
            let turn = Turn::random(&mut Stream::new(1, Purpose::Test, 0, sample));
            let mut axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [3.0, -4.0, 12.0]];
            turn.apply(&mut axes);
            let [a, b, c, far] = axes;
            let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
            assert!(cross.iter().zip(c).all(|(x, y)| (x - y).abs() < 1e-5), "{axes:?}");
            assert!((far.iter().map(|v| v * v).sum::<f32>().sqrt() - 13.0).abs() < 1e-4);
            mean = std::array::from_fn(|axis| mean[axis] + a[axis] / 2000.0);
        }
        // Of unit vectors in all directions: the deviation of each mean is 1 / sqrt(3 * 2000) = 0.013.
        assert!(mean.iter().all(|m| m.abs() < 0.06), "{mean:?}");
    }

    #[test]
    fn a_cloud_with_too_few_points_is_used_whole_and_repeated() {
        for subsample in [Subsample::Farthest, Subsample::Run] {
            let config = AugmentConfig { points: 25, subsample, ..AugmentConfig::default() };
            let points = config.clean(&cloud(10), 2).unwrap();
            assert_eq!((points.len(), &points[..10], &points[20..]), (25, &points[10..20], &points[..5]));
            let mut distinct: Vec<_> = points.iter().map(|p| p.map(f32::to_bits)).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 10);
            assert!(config.clean(&cloud(10), 10).is_err());
        }
    }

    #[test]
    fn points_at_one_place_and_huge_coordinates_stay_finite() {
        let config = AugmentConfig { points: 8, ..AugmentConfig::default() };
        assert_eq!(config.clean(&[[7.0; 3]; 8], 0).unwrap(), [[0.0; 3]; 8]);
        let huge: Vec<[f32; 3]> = (0..8).map(|i| [i as f32 * 1e17, 0.0, -1e18]).collect();
        assert!(config.clean(&huge, 0).unwrap().as_flattened().iter().all(|v| v.is_finite()));
    }

    #[test]
    fn settings_that_make_no_sense_name_their_key() {
        let good = AugmentConfig::default();
        assert!(good.check("model.augment").is_ok());
        for (config, key) in [
            (AugmentConfig { points: 0, ..good.clone() }, "points"),
            (AugmentConfig { scale: [0.0, 1.0], ..good.clone() }, "scale"),
            (AugmentConfig { scale: [1.0, f32::INFINITY], ..good.clone() }, "scale"),
            (AugmentConfig { rotate: [1.0, 0.0], ..good.clone() }, "rotate"),
            (AugmentConfig { rotate: [f32::NAN, 0.0], ..good.clone() }, "rotate"),
        ] {
            let error = config.check("model.augment").unwrap_err().to_string();
            assert!(error.contains(&format!("model.augment.{key}")), "{error}");
        }
    }
}
