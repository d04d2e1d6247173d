//! Farthest points, neighbours, orders, groups and augmentation against values recorded by
//! `tests/reference/geometry.py` from the official code.

use jepa_point::augment::{self, AugmentConfig, Pose, Subsample};
use jepa_point::geometry::{
    Columns, Start, farthest_points, farthest_points_batch, greedy_order, morton_order, nearest, nearest_batch, within,
};
use jepa_point::tokens::{GroupConfig, Order};
use safetensors::{Dtype, SafeTensors};

struct Recorded(Vec<u8>);

impl Recorded {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/geometry.safetensors");
        Self(std::fs::read(path).unwrap())
    }

    fn bytes(&self, name: &str, dtype: Dtype) -> Option<(Vec<usize>, Vec<u8>)> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).ok()?;
        assert_eq!(tensor.dtype(), dtype, "{name}");
        Some((tensor.shape().to_vec(), tensor.data().to_vec()))
    }

    /// Indices, one row for each cloud.
    fn indices(&self, name: &str) -> Option<Vec<Vec<u32>>> {
        let (shape, bytes) = self.bytes(name, Dtype::I64)?;
        let values: Vec<u32> =
            bytes.as_chunks::<8>().0.iter().map(|b| u32::try_from(i64::from_le_bytes(*b)).unwrap()).collect();
        Some(values.chunks(values.len() / shape[0]).map(<[u32]>::to_vec).collect())
    }

    /// Numbers, one row for each cloud.
    fn numbers(&self, name: &str) -> Vec<Vec<f32>> {
        let (shape, bytes) = self.bytes(name, Dtype::F32).unwrap();
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        values.chunks(values.len() / shape[0]).map(<[f32]>::to_vec).collect()
    }

    fn clouds(&self, name: &str) -> Vec<Vec<[f32; 3]>> {
        self.numbers(name).iter().map(|cloud| cloud.as_chunks::<3>().0.to_vec()).collect()
    }
}

fn pick(points: &[[f32; 3]], indices: &[u32]) -> Vec<[f32; 3]> {
    indices.iter().map(|&i| points[i as usize]).collect()
}

fn assert_near(found: &[[f32; 3]], expected: &[[f32; 3]]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.as_flattened().iter().zip(expected.as_flattened()) {
        assert!((a - b).abs() <= 2e-6 * b.abs().max(1.0), "{a}, expected {b}");
    }
}

#[test]
fn indices_are_equal_to_the_recorded_ones_in_every_case() {
    let recorded = Recorded::read();
    let mut cases = 0;
    for case in ["wave", "random", "lattice", "twins"] {
        let clouds = recorded.clouds(&format!("{case}.points"));
        let columns: Vec<Columns> = clouds.iter().map(|cloud| Columns::new(cloud)).collect();
        for sampling in 0..3 {
            let name = |what: &str| format!("{case}.fps{sampling}.{what}");
            let Some(starts) = recorded.indices(&name("start")) else { continue };
            let starts: Vec<usize> = starts.iter().map(|start| start[0] as usize).collect();
            let chosen = recorded.indices(&name("index")).unwrap();
            let found = farthest_points_batch(&columns, chosen[0].len(), &starts).unwrap();
            if case == "twins" {
                // After the twelve distinct points the reference repeats its first; here nothing is chosen twice.
                for (found, chosen) in found.iter().zip(&chosen) {
                    assert_eq!(found[..12], chosen[..12]);
                    let mut sorted = found.clone();
                    sorted.sort_unstable();
                    sorted.dedup();
                    assert_eq!(sorted.len(), found.len());
                }
            } else {
                assert_eq!(found, chosen, "{case} {sampling}");
            }
            let centres: Vec<Vec<[f32; 3]>> = clouds.iter().zip(&chosen).map(|(c, i)| pick(c, i)).collect();
            let neighbours = recorded.indices(&name("knn")).unwrap();
            let count = neighbours[0].len() / chosen[0].len();
            assert_eq!(nearest_batch(&columns, &centres, count).unwrap(), neighbours, "{case} {sampling}");
            for (what, order) in [
                ("min_start", (|c| greedy_order(c, Start::Min)) as fn(&[[f32; 3]]) -> Vec<u32>),
                ("first", |c| greedy_order(c, Start::First)),
                ("morton", morton_order),
            ] {
                if let Some(expected) = recorded.indices(&name(what)) {
                    let found: Vec<Vec<u32>> = centres.iter().map(|centres| order(centres)).collect();
                    assert_eq!(found, expected, "{case} {sampling} {what}");
                }
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 9);
    let wave = &recorded.clouds("wave.points")[0];
    let mut backwards = pick(wave, &farthest_points(&Columns::new(wave), 16, 0).unwrap());
    backwards.reverse();
    let expected = recorded.indices("wave.reversed.min_start").unwrap();
    assert_eq!(greedy_order(&backwards, Start::Min), expected[0]);
}

#[test]
fn balls_and_groups_are_equal_to_the_recorded_ones() {
    let recorded = Recorded::read();
    let clouds = recorded.clouds("random.points");
    let radius = recorded.numbers("ball.radius")[0][0];
    let starts = recorded.indices("random.fps0.start").unwrap();
    let chosen = recorded.indices("random.fps0.index").unwrap();
    let balls = recorded.indices("ball.index").unwrap();
    for (at, cloud) in clouds.iter().enumerate() {
        let centres = pick(cloud, &chosen[at]);
        assert_eq!(within(&Columns::new(cloud), &centres, radius, 16).unwrap(), balls[at]);
        assert_eq!(
            nearest(&Columns::new(cloud), &centres, 16).unwrap(),
            recorded.indices("random.fps0.knn").unwrap()[at]
        );
        let cut = |radius| {
            let config = GroupConfig { groups: 32, size: 16, radius, order: Order::Sampled };
            config.cut(cloud, starts[at][0] as usize).unwrap()
        };
        assert_eq!(cut(None).values, recorded.numbers("groups")[at]);
        let found = cut(Some(radius)).values;
        let expected = &recorded.clouds("ball.groups")[at];
        assert_near(found.as_chunks::<3>().0, expected);
    }
}

#[test]
fn augmentation_is_the_recorded_one_step_by_step_and_as_a_whole() {
    let recorded = Recorded::read();
    let clouds = recorded.clouds("random.points");
    let scale = recorded.numbers("augment.scale").concat();
    let pose = Pose { scale: [scale[0], scale[1], scale[2]], angle: recorded.numbers("augment.turn")[0][0] };
    let config = AugmentConfig { points: 512, subsample: Subsample::Run, ..AugmentConfig::default() };
    for (at, cloud) in clouds.iter().enumerate() {
        let step = |name: &str, map: &dyn Fn(&mut [[f32; 3]])| {
            let mut points = cloud.clone();
            map(&mut points);
            assert_near(&points, &recorded.clouds(name)[at]);
        };
        step("augment.scaled", &|points| augment::scale(points, pose.scale));
        step("augment.centred", &|points| augment::centre(points));
        step("augment.sphere", &|points| {
            augment::centre(points);
            augment::unit_sphere(points);
        });
        step("augment.rotated", &|points| augment::rotate(points, pose.angle));
        assert_near(&config.apply(cloud, 0, &pose).unwrap(), &recorded.clouds("augment.all")[at]);
        assert_near(&config.clean(cloud, 0).unwrap(), &recorded.clouds("augment.sphere")[at]);
    }
}
