//! D and the terms against collapse: from a [`Forward`] to one number.

mod distance;

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collapse::{BarlowTwins, Moment, RegulariserConfig, Views, centring};
pub use crate::collapse::{Keys, Memory, Observed};
use crate::error::{Error, Result};
use crate::host;
use crate::jepa::{Forward, LevelForward, Pair, Role, Step};
use crate::nn::normalise;
pub use distance::{Distance, DistanceConfig};

/// D, target normalisation and the weighted regularisers: the same for every variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// D.
    pub distance: DistanceConfig,
    /// Layer-normalise targets over their width, without learned weights, with this epsilon (I-JEPA: 1e-5, PyTorch's
    /// default). Absent: targets as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise_targets: Option<f64>,
    /// Terms against collapse, on top of the distance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularisers: Vec<WeightedRegulariser>,
}

/// A term against collapse with its weight and what it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedRegulariser {
    /// Which term.
    pub term: RegulariserConfig,
    /// Factor in the total.
    pub weight: f64,
    /// Which embeddings it reads, averaged over their tokens; several rows of one sample are several views of it.
    pub on: Role,
    /// What each of them is compared with, where a term compares: the embedding at its place there. Absent: the other
    /// views of `on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Role>,
    /// Whose embeddings they are, where levels stand on each other: 1 is the lowest.
    #[serde(default = "lowest", skip_serializing_if = "is_lowest")]
    pub level: usize,
}

impl WeightedRegulariser {
    /// Barlow Twins' term between what is seen of a sample and the target encoder's view of all of it, both averaged over
    /// their tokens: they agree dimension by dimension, and no dimension repeats another. For small networks, whose
    /// features fall onto a few directions with the EMA and the stopped gradient alone.
    pub fn twins(weight: f64) -> Self {
        Self {
            term: RegulariserConfig::BarlowTwins(BarlowTwins::default()),
            weight,
            on: Role::Context,
            against: Some(Role::Whole),
            level: lowest(),
        }
    }
}

/// The level that every variant has.
fn lowest() -> usize {
    1
}

fn is_lowest(level: &usize) -> bool {
    *level == 1
}

/// Name of a value in logs.
pub type Name = Cow<'static, str>;

/// The name of a term of a level: its own on the lowest, `variance_level_2` above.
pub fn at_level(term: &'static str, level: usize) -> Name {
    if level <= 1 { term.into() } else { format!("{term}_level_{level}").into() }
}

/// A checked [`ObjectiveConfig`].
pub struct Objective {
    config: ObjectiveConfig,
    /// Of the regularisers, in logs.
    names: Vec<String>,
}

/// Named values; the first is the total.
pub struct Loss {
    /// What is minimised: one value.
    pub total: Tensor<1>,
    /// Its parts: energies and terms of the architecture as they add up to it, regularisers unweighted.
    pub terms: Vec<(Name, Tensor<1>)>,
}

/// The regularisers on one batch.
pub struct Penalty {
    /// Their weighted sum and each by itself.
    pub loss: Loss,
    /// What enters their queues once the step is done.
    pub keys: BTreeMap<usize, Keys>,
}

impl Objective {
    /// Checks the numbers.
    pub fn new(config: &ObjectiveConfig) -> Result<Self> {
        config.distance.check()?;
        if let Some(eps) = config.normalise_targets
            && !(eps > 0.0 && eps < 1.0)
        {
            return Err(Error::config("objective.normalise_targets", format!("epsilon {eps} must lie in (0, 1)")));
        }
        for (place, regulariser) in config.regularisers.iter().enumerate() {
            let wrong =
                |key: &str, problem: String| Error::config(format!("objective.regularisers[{place}]{key}"), problem);
            let term = regulariser.term.term();
            term.check().map_err(|problem| wrong(".term", problem))?;
            if regulariser.level == 0 {
                return Err(wrong(".level", "0 is no level: the lowest is 1".into()));
            }
            if !regulariser.weight.is_finite() {
                return Err(wrong(".weight", format!("{} must be a number", regulariser.weight)));
            }
            if regulariser.against.is_some() && !term.compares() {
                return Err(wrong(
                    ".against",
                    format!("`{}` looks at every view by itself: leave it out", term.name()),
                ));
            }
        }
        if config.distance == DistanceConfig::None && !config.regularisers.iter().any(|r| r.term.term().compares()) {
            return Err(Error::config(
                "objective.distance",
                "kind none needs a regulariser that compares views, or nothing is to be predicted",
            ));
        }
        Ok(Self { names: names(&config.regularisers), config: config.clone() })
    }

    /// The energy of this forward pass, the weighted sum over its levels, without the terms that need statistics of the
    /// whole batch.
    pub fn energy(&self, forward: Forward, memory: &Memory) -> Result<Loss> {
        let Forward { pairs, terms: own, energy_weight, above, .. } = forward;
        let mut terms = Vec::new();
        if let Some(energy) = self.of_pairs(pairs, memory) {
            terms.push((at_level("energy", 1), energy_weight.map_or(energy.clone(), |weight| energy * weight)));
        }
        terms.extend(own.into_iter().map(|(name, value)| (at_level(name, 1), value)));
        for (place, LevelForward { weight, pairs, terms: own, .. }) in above.into_iter().enumerate() {
            let level = place + 2;
            if let Some(energy) = self.of_pairs(pairs, memory) {
                terms.push((at_level("energy", level), energy * weight));
            }
            terms.extend(own.into_iter().map(|(name, value)| (at_level(name, level), value)));
        }
        let total = terms.iter().map(|(_, t)| t.clone()).reduce(|a, b| a + b);
        let total = total.ok_or_else(|| Error::Engine("a forward pass with neither pairs nor terms".into()))?;
        Ok(Loss { total, terms })
    }

    /// D, averaged over pairs; none without pairs.
    fn of_pairs(&self, pairs: Vec<Pair>, memory: &Memory) -> Option<Tensor<1>> {
        let count = pairs.len() as f64;
        let energies = pairs.into_iter().map(|pair| {
            let target = match self.config.normalise_targets {
                Some(eps) => normalise(pair.target, eps),
                None => pair.target,
            };
            self.config.distance.mean(pair.predicted, target, memory)
        });
        Some(energies.reduce(|sum, energy| sum + energy)? / count)
    }

    /// The energy of a pair token by token, [rows, tokens, 1].
    pub fn each(&self, pair: Pair, memory: &Memory) -> Tensor<3> {
        let target = match self.config.normalise_targets {
            Some(eps) => normalise(pair.target, eps),
            None => pair.target,
        };
        self.config.distance.each(pair.predicted, target, memory)
    }

    /// What this shard leaves for the next step, weighted by its share of the batch.
    pub fn observe(&self, forward: &Forward, weight: f64) -> Result<Observed> {
        let DistanceConfig::CentredSoftmax { centre_on, .. } = self.config.distance else {
            return Ok(Observed::default());
        };
        let Some(embedding) = forward.embedding(centre_on) else {
            return Err(Error::config(
                "objective.distance.centre_on",
                format!("this variant's forward pass gives no embeddings of the role {centre_on:?}"),
            ));
        };
        let mean = host::read(embedding.clone().inner().mean_dim(1).mean_dim(0))?;
        let mean = mean.into_iter().map(|v| f64::from(v) * weight).collect();
        Ok(Observed { mean: Some(mean), ..Observed::default() })
    }

    /// Moves the centre towards what the batch showed, and fills the queues.
    pub fn remember(&self, memory: &mut Memory, observed: Observed) {
        if let (DistanceConfig::CentredSoftmax { centre_momentum, .. }, Some(mean)) =
            (self.config.distance, observed.mean)
        {
            centring::follow(&mut memory.centre, &mean, centre_momentum);
        }
        for (place, keys) in observed.keys {
            let limit = self.config.regularisers.get(place).map_or(0, |r| r.term.term().queue());
            memory.queues.entry(place).or_default().push(keys, limit);
        }
    }

    /// The inputs of the regularisers for one shard of the batch: for each its views, [samples, width] each, and behind
    /// them, where there is one, the counterpart of each.
    pub fn pooled(&self, forward: &Forward) -> Result<Vec<Vec<Tensor<2>>>> {
        let views = |level: usize, role: Role| {
            let Some(embedding) = forward.embedding_at(level, role) else {
                return Err(Error::config(
                    "objective.regularisers",
                    format!("this variant's forward pass gives no embeddings of the role {role:?} on level {level}"),
                ));
            };
            let [rows, _, width] = embedding.dims();
            let samples = forward.embedding_at(level, Role::Context).map_or(rows, |context| context.dims()[0]);
            // Blocks of one sample stand `samples` rows apart.
            let pooled = embedding.clone().mean_dim(1).reshape([rows, width]);
            Ok(if role != Role::States && rows % samples == 0 { pooled.chunk(rows / samples, 0) } else { vec![pooled] })
        };
        let of = |r: &WeightedRegulariser| {
            let mut all = views(r.level, r.on)?;
            if let Some(role) = r.against {
                let against = views(r.level, role)?;
                if against.len() != all.len() {
                    return Err(Error::config(
                        "objective.regularisers",
                        format!(
                            "{:?} has {} views, {role:?} has {}: they cannot be paired",
                            r.on,
                            all.len(),
                            against.len()
                        ),
                    ));
                }
                all.extend(against);
            }
            Ok(all)
        };
        self.config.regularisers.iter().map(of).collect()
    }

    /// Whether any term needs statistics of the whole batch.
    pub fn needs_statistics(&self) -> bool {
        !self.config.regularisers.is_empty()
    }

    /// The regularisers on embeddings of the whole batch, in the order of [`Self::pooled`]; none where there are none.
    pub fn penalty(&self, embeddings: &[Vec<Tensor<2>>], memory: &Memory, step: &Step) -> Result<Option<Penalty>> {
        let mut terms = Vec::new();
        let mut keys = BTreeMap::new();
        let mut total: Option<Tensor<1>> = None;
        for (place, (weighted, views)) in self.config.regularisers.iter().zip(embeddings).enumerate() {
            let term = weighted.term.term();
            let views = match weighted.against {
                Some(_) => {
                    let (of, against) = views.split_at(views.len() / 2);
                    Views::beside(of.to_vec(), against.to_vec())
                }
                None => Views::new(views.clone()),
            };
            let queue = memory.queues.get(&place).filter(|keys| !keys.is_empty());
            let moment = Moment {
                seed: step.seed,
                step: step.number,
                term: place as u64,
                queue: queue.map(|keys| keys.tensor(&step.device)),
            };
            let value = term.penalty(&views, &moment)?;
            let part = value.clone() * weighted.weight;
            total = Some(match total {
                Some(sum) => sum + part,
                None => part,
            });
            terms.push((self.names[place].clone().into(), value));
            if let Some(rows) = term.keys(&views) {
                keys.insert(place, Keys::of(rows)?);
            }
        }
        Ok(total.map(|total| Penalty { loss: Loss { total, terms }, keys }))
    }
}

/// A name for every regulariser, no two alike: that of its term; where several have it, with what they read behind it;
/// where that is the same too, with its number among them.
fn names(regularisers: &[WeightedRegulariser]) -> Vec<String> {
    let told_apart = |names: Vec<String>, more: &dyn Fn(usize) -> String| -> Vec<String> {
        let alike = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
        let with = |(place, name): (usize, &String)| if alike(name) { more(place) } else { name.clone() };
        names.iter().enumerate().map(with).collect()
    };
    let term = |place: usize| at_level(regularisers[place].term.term().name(), regularisers[place].level);
    let role = |place: usize| format!("{}_{}", term(place), regularisers[place].on.name());
    let plain = (0..regularisers.len()).map(|place| term(place).into_owned()).collect();
    let by_role = told_apart(plain, &role);
    let number = |place: usize| {
        let before = (0..=place).filter(|other| role(*other) == role(place)).count();
        format!("{}_{before}", role(place))
    };
    told_apart(by_role, &number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collapse::{Covariance, Variance};

    #[test]
    fn regularisers_of_one_kind_are_named_apart_and_others_as_they_were() {
        let of = |term, on| WeightedRegulariser { term, weight: 1.0, on, against: None, level: 1 };
        let variance = RegulariserConfig::Variance(Variance::default());
        let covariance = RegulariserConfig::Covariance(Covariance::default());
        let terms = [of(variance, Role::Context), of(covariance, Role::Context), of(variance, Role::Predicted)];
        assert_eq!(names(&terms), ["variance_context", "covariance", "variance_predicted"]);
        assert_eq!(names(&terms[1..]), ["covariance", "variance"]);
        let twice = [of(variance, Role::Whole), of(variance, Role::Whole), of(variance, Role::Context)];
        assert_eq!(names(&twice), ["variance_whole_1", "variance_whole_2", "variance_context"]);
    }

    fn rows(values: &[[f32; 4]]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.concat(), [1, values.len(), 4]), &Device::flex())
    }

    #[test]
    fn the_centred_softmax_has_the_recorded_value_gradient_and_next_centre() {
        let objective = Objective::new(&ObjectiveConfig {
            distance: DistanceConfig::CentredSoftmax {
                predicted_temperature: 0.1,
                target_temperature: 0.06,
                centre_momentum: 0.9,
                centre_on: Role::Target,
            },
            normalise_targets: None,
            regularisers: Vec::new(),
        })
        .unwrap();
        let predicted = rows(&[[0.2, -0.1, 0.4, 0.0], [1.0, 0.5, -0.5, 0.25]]).autodiff().require_grad();
        let target = rows(&[[0.3, 0.0, 0.5, -0.2], [0.9, 0.6, -0.4, 0.1]]);
        let mut memory = Memory { centre: Some(vec![0.05, 0.1, -0.05, 0.0]), ..Memory::default() };
        let forward = Forward {
            embeddings: vec![(Role::Target, target.clone())],
            pairs: vec![crate::jepa::Pair { predicted: predicted.clone(), target }],
            ..Forward::default()
        };
        let observed = objective.observe(&forward, 1.0).unwrap();
        let loss = objective.energy(forward, &memory).unwrap().total;
        assert!((host::scalar(loss.clone().inner()).unwrap() - 0.092_072_52).abs() < 1e-6);
        let gradient = host::read(predicted.grad(&loss.backward()).unwrap()).unwrap();
        let recorded =
            [0.549_682_7, 0.028_935_15, -0.657_52, 0.078_901_77, -0.021_575_69, 0.018_847_15, 1.508e-6, 0.002_726_83];
        for (found, expected) in gradient.iter().zip(recorded) {
            assert!((found - expected).abs() < 2e-6, "{gradient:?}");
        }
        objective.remember(&mut memory, observed);
        for (found, expected) in memory.centre.clone().unwrap().iter().zip([0.105, 0.12, -0.04, -0.005]) {
            assert!((found - expected).abs() < 1e-6);
        }
        assert_eq!(Memory::from_named(memory.named()), memory);
    }
}
