//! AdamW, or LARS, with the official grouping and a decay that follows the schedule.

use burn::module::Module;
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rates;
use super::lars::{self, LarsForm};
use crate::error::{Error, Result};
use crate::host;
#[cfg(feature = "tch")]
use crate::libtorch;
use crate::nn::params::{self, Leaf, Role};

/// Constants of AdamW; the learning rate and the decay come from the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first and second moment (PyTorch: 0.9, 0.999).
    pub betas: [f64; 2],
    /// Added to the root of the second moment (PyTorch: 1e-8).
    pub eps: f64,
    /// Scale gradients down to this L2 norm. Absent, as in I-JEPA: no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Which gradients have that norm.
    #[serde(default, skip_serializing_if = "ClipScope::is_all")]
    pub clip_scope: ClipScope,
    /// Updates before the first that is clipped (V-JEPA: 12,300, one epoch more than its warm-up).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clip_after: u64,
    /// What is decayed.
    #[serde(default)]
    pub decays: DecayRule,
    /// How a gradient becomes a step.
    #[serde(default, skip_serializing_if = "UpdateRule::is_adamw")]
    pub rule: UpdateRule,
}

/// Which gradients are scaled down together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClipScope {
    /// All.
    #[default]
    All,
    /// Those of every network by itself: encoder, predictor (V-JEPA).
    Network,
}

impl ClipScope {
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a gradient becomes a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
pub enum UpdateRule {
    /// AdamW, with `betas` and `eps`.
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// LARS: steps of every matrix in proportion to its length, for large batches; `betas` and `eps` are not used.
    Lars {
        /// Share of the last step that is repeated (0.9).
        momentum: f64,
        /// Length of a step over the length of the matrix, at a learning rate of one (VICReg, Barlow Twins: 0.001;
        /// solo-learn, eb_jepa: 0.02).
        trust: f64,
        /// Whose formula.
        form: LarsForm,
    },
}

impl UpdateRule {
    fn is_adamw(&self) -> bool {
        *self == Self::AdamW
    }
}

/// Which parameters weight decay pulls towards zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecayRule {
    /// Neither biases nor anything one-dimensional (I-JEPA, V-JEPA, MAMP).
    #[default]
    Matrices,
    /// Everything that is trained (Point-JEPA).
    All,
}

impl DecayRule {
    fn applies(self, role: Role) -> bool {
        role == Role::Decayed || (self == Self::All && role == Role::Undecayed)
    }
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            betas: [0.9, 0.999],
            eps: 1e-8,
            clip_norm: None,
            clip_scope: ClipScope::All,
            clip_after: 0,
            decays: DecayRule::Matrices,
            rule: UpdateRule::AdamW,
        }
    }
}

/// First and second moments of every trained leaf, in the order of [`params::visit`].
pub struct AdamW {
    config: AdamWConfig,
    moments: Vec<Option<Moments>>,
    /// Updates applied so far: the t of the bias correction.
    updates: u64,
}

struct Moments {
    first: Tensor<1>,
    /// Of AdamW alone.
    second: Option<Tensor<1>>,
}

impl AdamW {
    /// Zero moments for the trained leaves of `module`.
    pub fn new<M: Module>(config: &AdamWConfig, module: &M) -> Result<Self> {
        let [b1, b2] = config.betas;
        if !((0.0..1.0).contains(&b1) && (0.0..1.0).contains(&b2) && config.eps > 0.0) {
            return Err(Error::config(
                "optimizer",
                format!("betas [{b1}, {b2}] must lie in [0, 1), eps {} above 0", config.eps),
            ));
        }
        if let Some(clip) = config.clip_norm
            && !(clip > 0.0 && clip.is_finite())
        {
            return Err(Error::config("optimizer.clip_norm", format!("{clip} must be positive")));
        }
        if let UpdateRule::Lars { momentum, trust, .. } = config.rule
            && !((0.0..1.0).contains(&momentum) && trust > 0.0 && trust.is_finite())
        {
            return Err(Error::config(
                "optimizer.rule",
                format!("momentum {momentum} must lie in [0, 1), trust {trust} above 0"),
            ));
        }
        let mut moments = Vec::new();
        params::visit(module, |leaf, value| {
            let zeros = || Tensor::zeros([leaf.len()], &value.device());
            let second = || config.rule.is_adamw().then(zeros);
            moments.push((leaf.role() != Role::Frozen).then(|| Moments { first: zeros(), second: second() }));
        });
        Ok(Self { config: *config, moments, updates: 0 })
    }

    /// Updates applied so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// One update. `gradients` has one entry a leaf in the order of [`params::visit`]; `norm` is their global L2 norm.
    /// A leaf without gradient stays as it is.
    pub fn update<M: Module>(
        &mut self,
        module: M,
        gradients: Vec<Option<Tensor<1>>>,
        norm: f64,
        rates: Rates,
    ) -> Result<M> {
        self.updates += 1;
        let t = self.updates as i32;
        let [b1, b2] = self.config.betas;
        let clips = Clips::new(&self.config, self.updates, &module, &gradients, norm)?;
        let correct = Correction { first: 1.0 - b1.powi(t), second_root: (1.0 - b2.powi(t)).sqrt() };

        let mut gradients = gradients.into_iter();
        let mut moments = self.moments.iter_mut();
        let config = self.config;
        params::map(module, |leaf, value| {
            let (Some(moments), Some(Some(gradient))) = (moments.next(), gradients.next()) else { return Ok(value) };
            let Some(state) = moments.take() else { return Ok(value) };
            let clip = clips.of(&leaf);
            let decay = if config.decays.applies(leaf.role()) { rates.decay } else { 0.0 };
            if let UpdateRule::Lars { momentum, trust, form } = config.rule {
                // One-dimensional parameters are neither decayed nor scaled.
                let trust = (leaf.role() == Role::Decayed).then_some(trust);
                let update = lars::Update { momentum, trust, form, decay, lr: rates.lr };
                let (value, first) = update.apply(value, gradient * clip, state.first);
                *moments = Some(Moments { first, second: None });
                return Ok(value);
            }
            let scale = Scale { shrink: 1.0 - rates.lr * decay, step: rates.lr / correct.first, clip };
            let (value, state) = if host::holds(&value) && host::holds(&gradient) {
                on_host(&config, &correct, &scale, value, gradient, state)?
            } else {
                on_device(&config, &correct, &scale, value, gradient, state)?
            };
            *moments = Some(state);
            Ok(value)
        })
    }

    /// The state as named tensors, as PyTorch calls them: `<path>.exp_avg` and `<path>.exp_avg_sq`, of LARS
    /// `<path>.momentum_buffer`.
    pub fn tensors<M: Module>(&self, module: &M) -> Vec<(Leaf, Tensor<1>)> {
        let named = |leaf: &Leaf, name: &str| Leaf { path: format!("{}.{name}", leaf.path), ..leaf.clone() };
        params::leaves(module)
            .iter()
            .zip(&self.moments)
            .filter_map(|(leaf, moments)| Some((leaf, moments.as_ref()?)))
            .flat_map(|(leaf, m)| {
                let first = if m.second.is_some() { "exp_avg" } else { "momentum_buffer" };
                let second = m.second.clone().map(|second| (named(leaf, "exp_avg_sq"), second));
                std::iter::once((named(leaf, first), m.first.clone())).chain(second)
            })
            .collect()
    }

    /// Puts back what [`Self::tensors`] gave, in its order.
    pub fn restore(&mut self, updates: u64, tensors: Vec<Tensor<1>>) {
        self.updates = updates;
        let mut tensors = tensors.into_iter();
        for moments in self.moments.iter_mut().flatten() {
            if let Some(first) = tensors.next() {
                moments.first = first;
            }
            if let Some(second) = &mut moments.second
                && let Some(restored) = tensors.next()
            {
                *second = restored;
            }
        }
    }
}

/// What gradients are multiplied by.
enum Clips {
    /// All by one factor.
    All(f64),
    /// By network.
    Networks(Vec<(String, f64)>),
}

impl Clips {
    /// The factors of update number `update`, from 1; `norm` is that of all gradients.
    fn new<M: Module>(
        config: &AdamWConfig,
        update: u64,
        module: &M,
        gradients: &[Option<Tensor<1>>],
        norm: f64,
    ) -> Result<Self> {
        let Some(limit) = config.clip_norm.filter(|_| update > config.clip_after) else { return Ok(Self::All(1.0)) };
        let factor = |norm: f64| (limit / (norm + 1e-6)).min(1.0);
        if config.clip_scope == ClipScope::All {
            return Ok(Self::All(factor(norm)));
        }
        let mut squares: Vec<(String, f64)> = Vec::new();
        let leaves = params::leaves(module);
        let leaves = leaves.iter().zip(gradients).filter(|(_, gradient)| gradient.is_some()).map(|(leaf, _)| leaf);
        for (leaf, square) in leaves.zip(host::squares(gradients.iter().flatten())?) {
            match squares.iter_mut().find(|(network, _)| network == network_of(leaf)) {
                Some((_, sum)) => *sum += square,
                None => squares.push((network_of(leaf).to_owned(), square)),
            }
        }
        let factors = squares.into_iter().map(|(network, sum)| (network, factor(sum.sqrt())));
        Ok(Self::Networks(factors.collect()))
    }

    fn of(&self, leaf: &Leaf) -> f64 {
        match self {
            Self::All(factor) => *factor,
            Self::Networks(factors) => {
                let own = factors.iter().find(|(network, _)| network == network_of(leaf));
                own.map_or(1.0, |(_, factor)| *factor)
            }
        }
    }
}

/// The network a parameter belongs to: the first part of its name.
fn network_of(leaf: &Leaf) -> &str {
    leaf.path.split_once('.').map_or(leaf.path.as_str(), |(network, _)| network)
}

struct Correction {
    first: f64,
    second_root: f64,
}

struct Scale {
    shrink: f64,
    step: f64,
    clip: f64,
}

fn on_host(
    config: &AdamWConfig,
    correct: &Correction,
    scale: &Scale,
    value: Tensor<1>,
    gradient: Tensor<1>,
    state: Moments,
) -> Result<(Tensor<1>, Moments)> {
    let gradient = host::view(gradient)?;
    let b2 = config.betas[1] as f32;
    let (c1, c2) = ((1.0 - config.betas[0]) as f32, (1.0 - config.betas[1]) as f32);
    let (shrink, step, clip) = (scale.shrink as f32, scale.step as f32, scale.clip as f32);
    let (root, eps) = (correct.second_root as f32, config.eps as f32);
    let missing = || Error::Engine("the optimiser's state was not updated".into());
    let before = state.second.ok_or_else(missing)?;
    // Three tensors are updated in one pass; nesting hands out the three slices.
    let (mut first, mut second) = (None, None);
    let value = host::update(value, |p| {
        first = Some(host::update(state.first, |m| {
            second = Some(host::update(before, |v| {
                host::zip([p, m, v], [gradient.values()], |[p, m, v], [g]| {
                    for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        let g = *g * clip;
                        *m += (g - *m) * c1;
                        *v = *v * b2 + g * g * c2;
                        *p = *p * shrink - step * (*m / (v.sqrt() / root + eps));
                    }
                });
            }));
        }));
    })?;
    Ok((value, Moments { first: first.ok_or_else(missing)??, second: Some(second.ok_or_else(missing)??) }))
}

fn on_device(
    config: &AdamWConfig,
    correct: &Correction,
    scale: &Scale,
    value: Tensor<1>,
    gradient: Tensor<1>,
    state: Moments,
) -> Result<(Tensor<1>, Moments)> {
    let [b1, b2] = config.betas;
    let before = state.second.ok_or_else(|| Error::Engine("the optimiser has no second moments".into()))?;
    #[cfg(feature = "tch")]
    if libtorch::holds(&value) {
        let at = libtorch::AdamWFactors {
            clip: scale.clip,
            new: [1.0 - b1, 1.0 - b2],
            shrink: scale.shrink,
            step: scale.step,
            root: correct.second_root,
            eps: config.eps,
        };
        let [value, first, second] = libtorch::adamw(at, [value, state.first, before], gradient)
            .ok_or_else(|| Error::Engine("weights, moments and gradients lie on several engines".into()))?;
        return Ok((value, Moments { first, second: Some(second) }));
    }
    let g = if scale.clip == 1.0 { gradient } else { gradient * scale.clip };
    let first = state.first.clone() + (g.clone() - state.first) * (1.0 - b1);
    let second = before * b2 + g.powi_scalar(2) * (1.0 - b2);
    let update = first.clone() / (second.clone().sqrt() / correct.second_root + config.eps);
    Ok((value * scale.shrink - update * scale.step, Moments { first, second: Some(second) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Init, InitScheme, Linear};

    #[test]
    fn lars_keeps_one_buffer_a_leaf_and_goes_on_where_it_was() {
        let rule = UpdateRule::Lars { momentum: 0.9, trust: 0.01, form: LarsForm::Official };
        let config = AdamWConfig { rule, ..Default::default() };
        let layer = || Linear::new(&mut Init::new(3, InitScheme::FanIn, &Device::flex()), 7, 5);
        let gradients = || {
            let ramp = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<f32>>();
            let tensor = |n: usize| Tensor::from_data(TensorData::new(ramp(n), [n]), &Device::flex());
            params::leaves(&layer()).iter().map(|leaf| Some(tensor(leaf.len()))).collect::<Vec<_>>()
        };
        let rates = Rates { lr: 0.1, decay: 0.01, momentum: 1.0 };
        let values = |layer: &Linear| host::read(layer.weight.val()).unwrap();

        let mut optimizer = AdamW::new(&config, &layer()).unwrap();
        let once = optimizer.update(layer(), gradients(), 1.0, rates).unwrap();
        let state = optimizer.tensors(&once);
        let names: Vec<&str> = state.iter().map(|(leaf, _)| &leaf.path[..]).collect();
        assert_eq!(names, ["weight.momentum_buffer", "bias.momentum_buffer"]);
        let mut resumed = AdamW::new(&config, &once).unwrap();
        resumed.restore(1, state.into_iter().map(|(_, tensor)| tensor).collect());
        let mut fresh = AdamW::new(&config, &once).unwrap();
        let twice = |optimizer: &mut AdamW| optimizer.update(once.clone(), gradients(), 1.0, rates).unwrap();
        let expected = values(&twice(&mut optimizer));
        assert_eq!(values(&twice(&mut resumed)), expected);
        assert!(values(&twice(&mut fresh)) != expected);
    }

    #[test]
    fn networks_are_clipped_by_themselves_and_not_before_it_is_time() {
        #[derive(Module, Debug)]
        struct Two {
            encoder: Linear,
            predictor: Linear,
        }
        let device = Device::flex();
        let mut init = Init::new(3, InitScheme::FanIn, &device);
        let two = Two { encoder: Linear::new(&mut init, 2, 2), predictor: Linear::new(&mut init, 2, 2) };
        // Norms: encoder sqrt(4 * 9 + 2 * 9), predictor sqrt(4 * 0.01 + 2 * 0.01).
        let gradients: Vec<_> = params::leaves(&two)
            .iter()
            .map(|leaf| {
                let value = if leaf.path.starts_with("encoder") { 3.0 } else { 0.1 };
                Some(Tensor::<1>::full([leaf.len()], value, &device))
            })
            .collect();
        let norm = 54.06f64.sqrt();
        let factors = |scope, update| {
            let config =
                AdamWConfig { clip_norm: Some(1.0), clip_scope: scope, clip_after: 5, ..AdamWConfig::default() };
            let clips = Clips::new(&config, update, &two, &gradients, norm).unwrap();
            let leaves = params::leaves(&two);
            ["encoder.weight", "predictor.bias"]
                .map(|path| clips.of(leaves.iter().find(|leaf| leaf.path == path).unwrap()))
        };
        let near = |found: [f64; 2], expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, expected {expected:?}");
        };
        near(factors(ClipScope::Network, 5), [1.0, 1.0]);
        near(factors(ClipScope::Network, 6), [1.0 / (54f64.sqrt() + 1e-6), 1.0]);
        near(factors(ClipScope::All, 6), [1.0 / (norm + 1e-6); 2]);
    }

    #[test]
    fn the_pass_over_slices_and_the_tensor_operations_give_the_same_update() {
        let device = Device::flex();
        let config = AdamWConfig { clip_norm: Some(0.5), ..Default::default() };
        let mut init = Init::new(3, InitScheme::FanIn, &device);
        let layer = Linear::new(&mut init, 7, 5);
        let correct = Correction { first: 0.1, second_root: 0.3 };
        let scale = Scale { shrink: 0.999, step: 0.01, clip: 0.7 };
        params::visit(&layer, |leaf, value| {
            let n = leaf.len();
            let ramp = |k: f32| {
                Tensor::<1>::from_data(
                    TensorData::new((0..n).map(|i| (i as f32 * k).sin()).collect::<Vec<_>>(), [n]),
                    &device,
                )
            };
            let state = || Moments { first: ramp(0.3), second: Some(ramp(0.7).powi_scalar(2)) };
            let (a, sa) = on_host(&config, &correct, &scale, value.clone(), ramp(1.1), state()).unwrap();
            let (b, sb) = on_device(&config, &correct, &scale, value, ramp(1.1), state()).unwrap();
            let (sa2, sb2) = (sa.second.unwrap(), sb.second.unwrap());
            for (x, y) in [(a, b), (sa.first, sb.first), (sa2, sb2)] {
                let difference = host::scalar((x - y).abs().max()).unwrap();
                assert!(difference < 1e-6, "{}: {difference}", leaf.path);
            }
        });
    }
}
