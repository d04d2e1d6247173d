//! The data inside the program: synthetic CAD shapes, each computed from its number, so that every command works
//! without a download.

use jepa_core::data::{Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::cloud::Cloud;
use super::shapes::{CLASSES, Parameters};

/// Version of the generator: shapes of one version never change.
pub(super) const VERSION: u64 = 1;
/// Training shapes of a class.
const TRAIN: usize = 400;
/// Test shapes of a class.
const TEST: usize = 100;
/// Points of a cloud.
const POINTS: usize = 1024;
/// Largest standard deviation of the noise, over the distance of the farthest point from the mean.
const NOISE: f32 = 0.02;

/// Synthetic clouds of 1,024 points: 20 classes of CAD shapes, 400 for training and 100 for testing in each. Sizes and
/// counts of test shapes come from ranges that no training shape has. Every cloud is turned about the vertical axis y
/// and has noise of 0 to 2 % of its radius.
#[derive(Debug)]
pub struct Builtin {
    split: Split,
    classes: Vec<String>,
}

impl Builtin {
    /// One part; nothing is computed yet.
    pub fn open(split: Split) -> Self {
        Self { split, classes: CLASSES.iter().map(|(name, _)| (*name).to_owned()).collect() }
    }

    fn each(&self) -> usize {
        match self.split {
            Split::Train => TRAIN,
            Split::Test => TEST,
        }
    }

    fn part(&self) -> &'static str {
        match self.split {
            Split::Train => "training",
            Split::Test => "test",
        }
    }

    /// The parameters of cloud `index`, before its shape is made.
    fn parameters(&self, index: usize) -> Parameters {
        let key = self.split as u64 * (TRAIN * CLASSES.len()) as u64 + index as u64;
        Parameters::new(self.split, Stream::new(VERSION, Purpose::Synthesis, key, 0))
    }
}

impl Source for Builtin {
    type Sample = Cloud;

    fn len(&self) -> usize {
        self.each() * CLASSES.len()
    }

    fn read(&self, index: usize) -> Result<Cloud> {
        if index >= self.len() {
            return Err(Error::data("builtin", super::no_such(index, self.len())));
        }
        let mut parameters = self.parameters(index);
        let make = CLASSES[index % CLASSES.len()].1;
        let mesh = make(&mut parameters).mesh().map_err(|problem| Error::data(self.name(index), problem))?;
        let draw = parameters.stream();
        let cloud = mesh.sample(POINTS, draw)?;
        let mut points = cloud.points().to_vec();
        crate::augment::rotate(&mut points, draw.between(-std::f32::consts::PI, std::f32::consts::PI));
        let deviation = NOISE * draw.uniform() * radius(&points);
        for value in points.as_flattened_mut() {
            *value += deviation * draw.normal();
        }
        Cloud::new(points)
    }

    fn label(&self, index: usize) -> Option<u32> {
        (index < self.len()).then_some((index % CLASSES.len()) as u32)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let class = CLASSES[index % CLASSES.len()].0;
        format!("synthetic {class} {} ({} part)", index / CLASSES.len(), self.part())
    }

    fn describe(&self) -> String {
        format!(
            "built-in synthetic CAD shapes, generator version {VERSION}: {} {} clouds of {POINTS} points, {} in each of \
             {} classes; training and test shapes have sizes from disjoint ranges",
            self.len(),
            self.part(),
            self.each(),
            CLASSES.len(),
        )
    }
}

/// Distance of the farthest point from the mean.
fn radius(points: &[[f32; 3]]) -> f32 {
    let mut points = points.to_vec();
    crate::augment::centre(&mut points);
    points.iter().map(|p| p.iter().map(|v| v * v).sum::<f32>()).fold(0.0, f32::max).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_balanced_labelled_and_called_synthetic() {
        for (split, count) in [(Split::Train, 8000), (Split::Test, 2000)] {
            let source = Builtin::open(split);
            assert_eq!((source.len(), source.classes().len()), (count, 20));
            let mut per_class = [0; 20];
            for index in 0..count {
                let label = source.label(index).unwrap() as usize;
                assert!(source.name(index).starts_with(&format!("synthetic {} ", source.classes()[label])));
                per_class[label] += 1;
            }
            assert_eq!(per_class, [count / 20; 20]);
            assert!(source.describe().contains("synthetic"), "{}", source.describe());
            assert!(source.label(count).is_none() && source.read(count).is_err());
        }
    }

    #[test]
    fn every_shape_can_be_made_and_is_about_one_unit_large() {
        for split in [Split::Train, Split::Test] {
            let source = Builtin::open(split);
            for index in 0..400 {
                let cloud = source.read(index).unwrap();
                let radius = radius(cloud.points());
                assert!(cloud.len() == 1024 && (0.2..2.0).contains(&radius), "{}: {radius}", source.name(index));
            }
        }
    }

    #[test]
    fn a_cloud_is_a_function_of_its_number() {
        let source = Builtin::open(Split::Train);
        assert_eq!(source.read(57).unwrap(), Builtin::open(Split::Train).read(57).unwrap());
        assert_ne!(source.read(57).unwrap(), source.read(77).unwrap());
        assert_ne!(source.read(57).unwrap(), Builtin::open(Split::Test).read(57).unwrap());
    }

    #[test]
    fn no_parameter_of_a_test_shape_occurs_in_training() {
        let drawn = |split| {
            let source = Builtin::open(split);
            (0..source.len())
                .map(|index| {
                    let mut parameters = source.parameters(index);
                    let _ = CLASSES[index % CLASSES.len()].1(&mut parameters);
                    parameters.drawn
                })
                .collect::<Vec<_>>()
        };
        let band = |(place, whole): &(f32, bool)| (if *whole { *place } else { place * 5.0 }) as usize % 2;
        assert!(drawn(Split::Train).iter().all(|d| d.len() >= 2 && d.iter().all(|p| band(p) == 0)));
        assert!(drawn(Split::Test).iter().all(|d| d.len() >= 2 && d.iter().all(|p| band(p) == 1)));
    }
}
