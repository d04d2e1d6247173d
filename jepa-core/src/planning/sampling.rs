//! Search by sampling: what [`Cem`](super::Cem) and [`Mppi`](super::Mppi) share.

use super::{Bounds, Problems, Round, WorldModel, check_deviation};
use crate::error::{Error, Result};
use crate::random::{Draw as _, Stream};

/// Draws sequences of actions around a mean, keeps the best of them, and goes on from the distribution that the planner
/// makes of those.
pub(super) struct Sampling<'a> {
    /// Sequences drawn an iteration.
    pub(super) samples: usize,
    /// Sequences kept of them.
    pub(super) elites: usize,
    pub(super) iterations: usize,
    /// At first: one number, or one for each of an action's.
    pub(super) deviation: &'a [f64],
    pub(super) bounds: &'a Bounds,
    /// Whether the mean itself is the first sample.
    pub(super) mean_is_a_sample: bool,
}

/// The best samples of one problem in one iteration, best first.
pub(super) struct Elites<'a> {
    pub(super) actions: Vec<&'a [f32]>,
    pub(super) energies: Vec<f64>,
    /// Whether no iteration follows.
    pub(super) last: bool,
}

impl Sampling<'_> {
    /// Checks the numbers for actions of so many values; `place` is the key path for the message.
    pub(super) fn check(&self, width: usize, place: &str) -> Result<()> {
        let Self { samples, elites, iterations, .. } = *self;
        if !(2..=samples).contains(&elites) || iterations == 0 || samples > 1 << 20 {
            let problem = format!(
                "samples {samples}, elites {elites}, iterations {iterations}: at least 2 elites, no more than samples, \
                 at least 1 iteration"
            );
            return Err(Error::config(place, problem));
        }
        check_deviation(place, self.deviation, width)?;
        self.bounds.check(width, place)
    }

    /// The last distribution of every problem, and how its search went. `refit` moves a distribution to the elites; its
    /// stream is that of the problem.
    pub(super) fn search<W: WorldModel>(
        &self,
        problems: &Problems<'_, W>,
        warm: Option<&[Vec<f32>]>,
        mut refit: impl FnMut(&mut Normal, &Elites<'_>, &mut Stream),
    ) -> Result<(Vec<Normal>, Vec<Vec<Round>>)> {
        let (width, length) = (problems.world.action_width(), problems.length());
        let beginnings = problems.beginnings(warm)?.into_iter();
        let mut laws: Vec<Normal> = beginnings.map(|mean| Normal::around(mean, self.deviation)).collect();
        let mut streams = problems.streams();
        let mut rounds = vec![Vec::with_capacity(self.iterations); problems.count];
        let start = problems.start(self.samples);
        for iteration in 1..=self.iterations {
            let mut actions = Vec::with_capacity(problems.count * self.samples * length);
            for (law, stream) in laws.iter().zip(&mut streams) {
                for sample in 0..self.samples {
                    if sample == 0 && self.mean_is_a_sample {
                        actions.extend(law.middle());
                    } else {
                        actions.extend(law.draw(stream));
                    }
                }
            }
            actions.chunks_exact_mut(width).for_each(|action| self.bounds.apply(action));
            let energies = problems.judge(&start, actions.clone())?;
            let candidates = actions.chunks_exact(self.samples * length).zip(energies.chunks_exact(self.samples));
            let searches = laws.iter_mut().zip(&mut streams).zip(&mut rounds);
            for (((law, stream), rounds), (actions, energies)) in searches.zip(candidates) {
                let best = lowest(energies, self.elites);
                let elites = Elites {
                    actions: best.iter().map(|i| &actions[i * length..(i + 1) * length]).collect(),
                    energies: best.iter().map(|i| energies[*i]).collect(),
                    last: iteration == self.iterations,
                };
                let mean = elites.energies.iter().sum::<f64>() / best.len() as f64;
                rounds.push(Round { best: elites.energies[0], elites: mean });
                refit(law, &elites, stream);
            }
        }
        Ok((laws, rounds))
    }
}

/// A normal distribution over sequences of actions, every number by itself.
pub(super) struct Normal {
    pub(super) mean: Vec<f64>,
    pub(super) deviation: Vec<f64>,
}

impl Normal {
    /// Around `mean`; `deviation` is one number, or one for each of an action's.
    pub(super) fn around(mean: Vec<f64>, deviation: &[f64]) -> Self {
        let deviation = deviation.iter().cycle().take(mean.len()).copied().collect();
        Self { mean, deviation }
    }

    /// Its mean as a sequence of actions.
    pub(super) fn middle(&self) -> impl Iterator<Item = f32> + '_ {
        self.mean.iter().map(|v| *v as f32)
    }

    /// One sequence.
    pub(super) fn draw<'a>(&'a self, stream: &'a mut Stream) -> impl Iterator<Item = f32> + 'a {
        let pairs = self.mean.iter().zip(&self.deviation);
        pairs.map(|(mean, deviation)| (mean + deviation * f64::from(stream.normal())) as f32)
    }
}

/// The places of the `count` least energies, best first; of equal ones the earlier.
pub(super) fn lowest(energies: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..energies.len()).collect();
    order.sort_by(|a, b| energies[*a].total_cmp(&energies[*b]));
    order.truncate(count);
    order
}
