//! The data inside the program: synthetic CAD shapes, each computed from its number, so that every command works
//! without a download.

use std::ops::Range;

use jepa_core::data::{Source, Split, no_sample};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::cloud::Cloud;
use super::shapes::{CLASSES, Parameters, Solid, first_part};
use crate::augment::Turn;

/// Version of the generator: shapes of one version never change.
pub(super) const VERSION: u64 = 2;
/// Training shapes of a class.
const TRAIN: usize = 400;
/// Test shapes of a class.
const TEST: usize = 100;
/// Points of a cloud.
const POINTS: usize = 1024;
/// Largest factor by which an axis of a shape is stretched or squeezed, as a power of two.
const STRETCH: f32 = 0.5;
/// Largest share of a surface that is out of sight.
const HIDDEN: f32 = 0.3;
/// Largest standard deviation of the noise, over the distance of the farthest point from the mean.
const NOISE: f32 = 0.02;

/// Synthetic clouds of 1,024 points with part labels: 20 classes of CAD shapes, 400 for training and 100 for testing in
/// each. Sizes, stretches and counts of test shapes come from ranges that no training shape has. Every shape is
/// stretched along its axes, lies in a random pose, is cut off on the side away from the observer (0 to 30 % of its
/// surface), and has noise of 0 to 2 % of its radius.
#[derive(Debug)]
pub struct Builtin {
    /// Whose ranges the sizes are from.
    sizes: Split,
    /// In words.
    part: &'static str,
    /// Which shapes of each class.
    shapes: Range<usize>,
    classes: Vec<String>,
}

impl Builtin {
    /// One part; nothing is computed yet.
    pub fn open(split: Split) -> Self {
        match split {
            Split::Train => Self::of(Split::Train, "training", 0..TRAIN),
            Split::Test => Self::of(Split::Test, "test", 0..TEST),
        }
    }

    /// The training shapes alone, the last quarter of each class held out as the test part: settings are chosen with it,
    /// so that the test shapes choose nothing. Sizes of both parts come from the same ranges.
    pub fn validation(split: Split) -> Self {
        const FITTED: usize = TRAIN / 4 * 3;
        match split {
            Split::Train => Self::of(Split::Train, "fitted training", 0..FITTED),
            Split::Test => Self::of(Split::Train, "held out training", FITTED..TRAIN),
        }
    }

    fn of(sizes: Split, part: &'static str, shapes: Range<usize>) -> Self {
        Self { sizes, part, shapes, classes: CLASSES.iter().map(|class| class.name.to_owned()).collect() }
    }

    /// The number of cloud `index` among all with sizes from the same ranges.
    fn number(&self, index: usize) -> usize {
        self.shapes.start * CLASSES.len() + index
    }

    fn class(&self, index: usize) -> usize {
        class(self.number(index))
    }

    /// The parameters of cloud `index`, before its shape is made.
    fn parameters(&self, index: usize) -> Parameters {
        let key = self.sizes as u64 * (TRAIN * CLASSES.len()) as u64 + self.number(index) as u64;
        Parameters::new(self.sizes, Stream::new(VERSION, Purpose::Synthesis, key, 0))
    }

    /// The solid of cloud `index`, stretched.
    fn solid(&self, index: usize, parameters: &mut Parameters) -> Solid {
        let solid = (CLASSES[self.class(index)].make)(parameters);
        let stretch: [f32; 3] = std::array::from_fn(|_| parameters.size(-STRETCH, STRETCH).exp2());
        solid.mapped(|corner| std::array::from_fn(|axis| stretch[axis] * corner[axis]))
    }
}

impl Source for Builtin {
    type Sample = Cloud;

    fn len(&self) -> usize {
        self.shapes.len() * CLASSES.len()
    }

    fn read(&self, index: usize) -> Result<Cloud> {
        if index >= self.len() {
            return Err(Error::data("builtin", no_sample(index, self.len())));
        }
        let mut parameters = self.parameters(index);
        let solid = self.solid(index, &mut parameters);
        let (mesh, parts) = solid.mesh().map_err(|problem| Error::data(self.name(index), problem))?;
        let draw = parameters.stream();
        let hidden = HIDDEN * draw.uniform();
        let (cloud, triangles) = mesh.sample_numbered((POINTS as f32 / (1.0 - hidden)).ceil() as usize, draw)?;
        let mut points = cloud.points().to_vec();
        Turn::random(draw).apply(&mut points);
        // The observer looks along z; what is farthest from him is not seen. The others keep their random order.
        let mut depths: Vec<f32> = points.iter().map(|point| point[2]).collect();
        let (_, limit, _) = depths.select_nth_unstable_by(POINTS - 1, f32::total_cmp);
        let limit = *limit;
        let first = first_part(self.class(index));
        let (mut points, parts): (Vec<[f32; 3]>, Vec<u32>) = points
            .into_iter()
            .zip(triangles.into_iter().map(|triangle| first + parts[triangle as usize]))
            .filter(|(point, _)| point[2] <= limit)
            .take(POINTS)
            .unzip();
        let deviation = NOISE * draw.uniform() * radius(&points);
        for value in points.as_flattened_mut() {
            *value += deviation * draw.normal();
        }
        Cloud::new(points)?.with_parts(parts)
    }

    fn label(&self, index: usize) -> Option<u32> {
        (index < self.len()).then_some(self.class(index) as u32)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let class = CLASSES[self.class(index)].name;
        format!("synthetic {class} {} ({} part)", self.number(index) / CLASSES.len(), self.part)
    }

    fn describe(&self) -> String {
        format!(
            "built-in synthetic CAD shapes, generator version {VERSION}: {} {} clouds of {POINTS} points, {} in each of \
             {} classes, in any pose and partly hidden; no size of a test shape occurs in training",
            self.len(),
            self.part,
            self.shapes.len(),
            CLASSES.len(),
        )
    }
}

/// The class of cloud `number`. Each run of twenty holds every class once, in an order of its own, so that evenly spaced
/// clouds are of all classes whatever their distance.
fn class(number: usize) -> usize {
    let run = (number / CLASSES.len()) as u64;
    Stream::new(VERSION, Purpose::Order, run, 0).permutation(CLASSES.len())[number % CLASSES.len()] as usize
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
            for step in [2, 5, 10, 20, 40] {
                let mut met: Vec<u32> = (0..count).step_by(step).filter_map(|index| source.label(index)).collect();
                met.sort_unstable();
                met.dedup();
                assert_eq!(met.len(), 20, "every {step}th cloud");
            }
            assert!(source.describe().contains("synthetic"), "{}", source.describe());
            assert!(source.label(count).is_none() && source.read(count).is_err());
        }
    }

    #[test]
    fn settings_are_chosen_on_training_shapes_that_are_held_out() {
        let all = Builtin::open(Split::Train);
        let [fit, check] = [Split::Train, Split::Test].map(Builtin::validation);
        assert_eq!((fit.len(), check.len()), (6000, 2000));
        for (part, first) in [(&fit, 0), (&check, 6000)] {
            for index in [0, 57, part.len() - 1] {
                assert_eq!(part.read(index).unwrap(), all.read(first + index).unwrap());
                assert_eq!(part.label(index), all.label(first + index));
            }
            assert!(part.label(part.len()).is_none() && part.read(part.len()).is_err());
        }
        assert_ne!(check.describe(), Builtin::open(Split::Test).describe());
    }

    #[test]
    fn every_shape_can_be_made_and_is_about_one_unit_large() {
        for split in [Split::Train, Split::Test] {
            let source = Builtin::open(split);
            for index in 0..400 {
                let cloud = source.read(index).unwrap();
                let radius = radius(cloud.points());
                assert!(cloud.len() == 1024 && (0.1..3.0).contains(&radius), "{}: {radius}", source.name(index));
            }
        }
    }

    #[test]
    fn parts_belong_to_the_class_and_every_part_is_seen() {
        let source = Builtin::open(Split::Train);
        for (number, about) in CLASSES.iter().enumerate() {
            let mut seen = vec![false; about.parts as usize];
            for index in (0..200).filter(|index| class(*index) == number) {
                let cloud = source.read(index).unwrap();
                for part in cloud.parts().unwrap() {
                    seen[(part - first_part(number)) as usize] = true;
                }
            }
            assert!(seen.iter().all(|seen| *seen), "{}: {seen:?}", about.name);
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
                    let _ = source.solid(index, &mut parameters);
                    parameters.drawn
                })
                .collect::<Vec<_>>()
        };
        let band = |(place, whole): &(f32, bool)| (if *whole { *place } else { place * 5.0 }) as usize % 2;
        assert!(drawn(Split::Train).iter().all(|d| d.len() >= 5 && d.iter().all(|p| band(p) == 0)));
        assert!(drawn(Split::Test).iter().all(|d| d.len() >= 5 && d.iter().all(|p| band(p) == 1)));
    }
}
