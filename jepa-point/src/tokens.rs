//! From a cloud to tokens: groups of points around centres that are far apart, in an order that follows the object.

use jepa_core::error::{Error, Result};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geometry::{Columns, Start, farthest_points, greedy_order, morton_order, nearest, within};

/// Most groups of one cloud.
const MAX_GROUPS: usize = 4096;
/// Most points of one group.
const MAX_SIZE: usize = 1024;

/// How a cloud is cut into groups. The default is Point-JEPA's (`configs/Point-JEPA/pretraining/shapenet.yaml`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupConfig {
    /// Groups of a cloud, one token each (Point-JEPA: 64).
    pub groups: usize,
    /// Points of a group (Point-JEPA: 32).
    pub size: usize,
    /// Take the points nearer than this, and divide by it, instead of the nearest points (Point-JEPA: none).
    pub radius: Option<f32>,
    /// Order of the groups (Point-JEPA: greedy, from the smallest x + y + z).
    pub order: Order,
}

/// Order of the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A greedy chain of nearest centres from the one with the smallest x + y + z.
    GreedyMin,
    /// The same chain from the first centre.
    GreedyFirst,
    /// Along a z-order curve.
    Morton,
    /// As the farthest-point sampling found them.
    Sampled,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self { groups: 64, size: 32, radius: None, order: Order::GreedyMin }
    }
}

impl GroupConfig {
    /// Whether the numbers make sense for clouds of `points` points; `place` is the configuration's key path.
    pub fn check(&self, place: &str, points: usize) -> Result<()> {
        for (name, value, limit) in [("groups", self.groups, MAX_GROUPS), ("size", self.size, MAX_SIZE)] {
            if value == 0 || value > limit.min(points) {
                let problem =
                    format!("expected 1 to {} for clouds of {points} points, found {value}", limit.min(points));
                return Err(Error::config(format!("{place}.{name}"), problem));
            }
        }
        if self.radius.is_some_and(|radius| !(radius > 0.0 && radius.is_finite())) {
            let problem = format!("expected a positive number or nothing, found {:?}", self.radius);
            return Err(Error::config(format!("{place}.radius"), problem));
        }
        Ok(())
    }

    /// Cuts one cloud; the sampling of centres begins at point `start`.
    pub fn cut(&self, points: &[[f32; 3]], start: usize) -> Result<Groups> {
        let columns = Columns::new(points);
        let chosen = farthest_points(&columns, self.groups, start)?;
        let sampled: Vec<[f32; 3]> = chosen.iter().map(|&index| points[index as usize]).collect();
        let order = match self.order {
            Order::GreedyMin => greedy_order(&sampled, Start::Min),
            Order::GreedyFirst => greedy_order(&sampled, Start::First),
            Order::Morton => morton_order(&sampled),
            Order::Sampled => (0..sampled.len() as u32).collect(),
        };
        let centres: Vec<[f32; 3]> = order.iter().map(|&at| sampled[at as usize]).collect();
        let members = match self.radius {
            None => nearest(&columns, &centres, self.size)?,
            Some(radius) => within(&columns, &centres, radius, self.size)?,
        };
        let scale = self.radius.unwrap_or(1.0);
        let mut values = Vec::with_capacity(members.len() * 3);
        for (centre, members) in centres.iter().zip(members.chunks_exact(self.size)) {
            for &member in members {
                let point = points[member as usize];
                values.extend((0..3).map(|axis| (point[axis] - centre[axis]) / scale));
            }
        }
        Ok(Groups { centres, values, members })
    }

    /// Cuts every cloud of a batch, in parallel on the current rayon pool.
    pub fn cut_batch<C: AsRef<[[f32; 3]]> + Sync>(&self, clouds: &[C], starts: &[usize]) -> Result<Vec<Groups>> {
        if clouds.len() != starts.len() {
            let problem = format!("{} clouds and {} starts were given", clouds.len(), starts.len());
            return Err(Error::data("groups", problem));
        }
        clouds.par_iter().zip(starts).map(|(cloud, start)| self.cut(cloud.as_ref(), *start)).collect()
    }
}

/// The groups of one cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Centres in the order of the tokens, [groups][x, y, z].
    pub centres: Vec<[f32; 3]>,
    /// Points relative to their centre, [groups, size, 3]; divided by the radius where there is one.
    pub values: Vec<f32>,
    /// Which point of the cloud each of them is, [groups, size].
    pub members: Vec<u32>,
}

/// Of every point the three nearest centres and their shares, in proportion to 1 / distance², as in the feature
/// propagation of PointNet++.
pub fn around(points: &[[f32; 3]], centres: &[[f32; 3]]) -> Vec<[(u32, f32); 3]> {
    let of = |point: &[f32; 3]| {
        let mut nearest = [(0, f32::INFINITY); 3];
        for (at, centre) in centres.iter().enumerate() {
            let square = (0..3).map(|axis| (point[axis] - centre[axis]).powi(2)).sum::<f32>();
            let found = (at as u32, square);
            let [a, b, c] = nearest;
            nearest = match square {
                square if square < a.1 => [found, a, b],
                square if square < b.1 => [a, found, b],
                square if square < c.1 => [a, b, found],
                _ => nearest,
            };
        }
        let weights = nearest.map(|(_, square)| 1.0 / (square + 1e-8));
        let sum: f32 = weights.iter().sum();
        std::array::from_fn(|i| (nearest[i].0, weights[i] / sum))
    };
    points.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::random::{Draw as _, Purpose, Stream};

    fn points() -> Vec<[f32; 3]> {
        let mut draw = Stream::new(1, Purpose::Test, 0, 0);
        (0..256).map(|_| std::array::from_fn(|_| draw.normal())).collect()
    }

    #[test]
    fn values_are_members_relative_to_their_centre_and_the_centre_comes_first() {
        let config = GroupConfig { groups: 16, size: 8, ..GroupConfig::default() };
        let points = points();
        let groups = config.cut(&points, 3).unwrap();
        assert_eq!((groups.centres.len(), groups.values.len(), groups.members.len()), (16, 384, 128));
        for (at, member) in groups.members.iter().enumerate() {
            let centre = groups.centres[at / 8];
            let expected: [f32; 3] = std::array::from_fn(|axis| points[*member as usize][axis] - centre[axis]);
            assert_eq!(groups.values[at * 3..at * 3 + 3], expected);
            assert!(at % 8 != 0 || expected == [0.0; 3]);
        }
    }

    #[test]
    fn orders_permute_the_same_groups_and_a_radius_scales_them() {
        let points = points();
        let cut = |order, radius| {
            let config = GroupConfig { groups: 16, size: 8, radius, order };
            let groups = config.cut(&points, 0).unwrap();
            assert!(groups.values.iter().all(|v| radius.is_none() || v.abs() <= 1.0));
            let mut centres: Vec<[u32; 3]> = groups.centres.iter().map(|c| c.map(f32::to_bits)).collect();
            centres.sort_unstable();
            centres
        };
        let expected = cut(Order::Sampled, None);
        for order in [Order::GreedyMin, Order::GreedyFirst, Order::Morton] {
            assert_eq!(cut(order, None), expected);
            assert_eq!(cut(order, Some(0.4)), expected);
        }
    }

    #[test]
    fn a_point_is_described_by_the_centres_around_it() {
        let centres = [[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 2.0, 0.0], [1.0, 0.0, 0.0]];
        let [at_centre, between] = around(&[[0.0; 3], [0.5, 0.0, 0.0]], &centres)[..] else { panic!("two points") };
        assert!(at_centre[0].0 == 0 && at_centre[0].1 > 0.999);
        assert_eq!(between.map(|(centre, _)| centre), [0, 3, 2]);
        assert!((between[0].1 - between[1].1).abs() < 1e-6 && between[2].1 < 0.05);
        assert!((between.iter().map(|(_, share)| share).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(around(&[[1.0; 3]], &centres[..1])[0][0].0, 0);
    }

    #[test]
    fn a_batch_is_its_clouds() {
        let config = GroupConfig { groups: 4, size: 4, ..GroupConfig::default() };
        let clouds = [points(), points()[..100].to_vec()];
        let batch = config.cut_batch(&clouds, &[5, 6]).unwrap();
        assert_eq!(batch, [config.cut(&clouds[0], 5).unwrap(), config.cut(&clouds[1], 6).unwrap()]);
        assert!(config.cut_batch(&clouds, &[5]).is_err());
    }

    #[test]
    fn settings_that_a_cloud_cannot_give_name_their_key() {
        let config = GroupConfig::default();
        assert!(config.check("model.groups", 1024).is_ok());
        for (config, key) in [
            (GroupConfig { groups: 0, ..config.clone() }, "model.groups.groups"),
            (GroupConfig { groups: 1025, ..config.clone() }, "model.groups.groups"),
            (GroupConfig { size: 1025, ..config.clone() }, "model.groups.size"),
            (GroupConfig { radius: Some(f32::NAN), ..config.clone() }, "model.groups.radius"),
        ] {
            let error = config.check("model.groups", 1024).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        assert!(config.cut(&points()[..20], 0).is_err(), "64 groups of 20 points");
    }
}
