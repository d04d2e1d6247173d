//! The action-conditioned predictor of V-JEPA 2-AC, on features of a frozen encoder.

use std::ops::Range;

use burn::module::Module;
use burn::prelude::*;
use jepa_core::jepa::{Batch, Forward, Jepa, Pair, Step};
use jepa_core::masks::MaskSet;
use jepa_core::nn::{
    Block, BlockConfig, Init, LayerNorm, Linear, PredictorConfig, Rotary, RotaryConfig, RotaryForm, normalise,
};

use super::{Layout, VideoBatch, VideoEncoder};

/// Tokens of a frame that say what is done and where the actor is: an action and a state.
const CONDITIONS: usize = 2;
/// Epsilon of the normalisation of features and predictions (PyTorch's default).
const EPS: f64 = 1e-5;

/// What a predictor is made of, beside its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionParts {
    /// Rows of tokens of a frame, and as many columns.
    pub side: usize,
    /// Width of the encoder's features.
    pub encoder_width: usize,
    /// Numbers of an action, and of a state.
    pub action: usize,
    /// Epsilon of the layer norms (official: 1e-6).
    pub eps: f64,
    /// Which angle a rotary channel turns by (released weights: tiled).
    pub form: RotaryForm,
}

/// Pred: features, actions and states of frames 0 .. t to the features of frames 1 .. t + 1.
///
/// Every frame is the sequence [action, state, tokens]; every token sees the frames up to its own. Tokens of a picture turn
/// with time, row and column, the two others with time alone.
#[derive(Module, Debug)]
pub struct ActionPredictor {
    /// Features to tokens.
    pub predictor_embed: Linear,
    /// An action to a token.
    pub action_encoder: Linear,
    /// A state to a token.
    pub state_encoder: Linear,
    /// The transformer.
    pub predictor_blocks: Vec<Block>,
    /// After the last block.
    pub predictor_norm: LayerNorm,
    /// Tokens to features.
    pub predictor_proj: Linear,
    #[module(skip)]
    parts: ActionParts,
    #[module(skip)]
    head: usize,
}

impl ActionPredictor {
    /// A predictor with weights from `init`.
    pub fn new(init: &mut Init, config: &PredictorConfig, parts: &ActionParts) -> Self {
        let PredictorConfig { width, depth, heads } = *config;
        let block = BlockConfig { width, heads, hidden: 4 * width, eps: parts.eps };
        Self {
            predictor_embed: Linear::new(init, parts.encoder_width, width),
            action_encoder: Linear::new(init, parts.action, width),
            state_encoder: Linear::new(init, parts.action, width),
            predictor_blocks: (1..=depth).map(|layer| Block::new(init, block, layer)).collect(),
            predictor_norm: LayerNorm::new(init, width, parts.eps),
            predictor_proj: Linear::new(init, width, parts.encoder_width),
            parts: *parts,
            head: width / heads,
        }
    }

    /// Tokens of a frame.
    pub fn frame(&self) -> usize {
        self.parts.side * self.parts.side
    }

    /// Features [rows, times * frame, width] with an action and a state a time, [rows, times, numbers] each, to as many
    /// predicted features, those of every time being of the next one.
    pub fn forward(&self, features: Tensor<3>, actions: Tensor<3>, states: Tensor<3>) -> Tensor<3> {
        let ([rows, tokens, _], frame) = (features.dims(), self.frame());
        let times = tokens / frame;
        let x = self.predictor_embed.forward(features);
        let width = x.dims()[2];
        let of_time = |x: Tensor<3>, tokens: usize| -> Tensor<4> { x.reshape([rows, times, tokens, width]) };
        let conditions = [self.action_encoder.forward(actions), self.state_encoder.forward(states)];
        let mut parts: Vec<Tensor<4>> = conditions.into_iter().map(|x| of_time(x, 1)).collect();
        parts.push(of_time(x, frame));
        let group = CONDITIONS + frame;
        let x: Tensor<3> = Tensor::cat(parts, 2).reshape([rows, times * group, width]);
        let rotary = RotaryConfig { form: self.parts.form, stretch_to: None };
        let rotation =
            Rotary::new(&rotary, [times, self.parts.side, self.parts.side], self.head).conditioned(CONDITIONS);
        let x = self.predictor_blocks.iter().fold(x, |x, block| block.forward_in_time(x, group, Some(&rotation)));
        let x: Tensor<3> = of_time(x, group).narrow(2, CONDITIONS, frame).reshape([rows, tokens, width]);
        self.predictor_proj.forward(self.predictor_norm.forward(x))
    }

    /// [`Self::forward`], normalised as features are.
    pub fn next(&self, features: Tensor<3>, actions: Tensor<3>, states: Tensor<3>) -> Tensor<3> {
        normalise(self.forward(features, actions, states), EPS)
    }
}

/// Frames with the actions between them and the states at them.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionBatch {
    /// Every frame as the only time of tubelets of equal frames; masks say which frames are predicted.
    video: VideoBatch,
    /// [samples, times - 1, numbers]
    actions: Vec<f32>,
    /// [samples, times, numbers]
    states: Vec<f32>,
    action: usize,
}

impl ActionBatch {
    /// Actions and states row-major [samples, times - 1, numbers] and [samples, times, numbers], `action` numbers each.
    pub fn new(
        video: VideoBatch,
        actions: Vec<f32>,
        states: Vec<f32>,
        action: usize,
    ) -> jepa_core::error::Result<Self> {
        let (samples, times) = (video.len(), video.layout().grid[0]);
        let expected = [samples * (times - 1) * action, samples * times * action];
        if [actions.len(), states.len()] != expected {
            let found = [actions.len(), states.len()];
            let problem = format!("{found:?} numbers of actions and states, expected {expected:?}");
            return Err(jepa_core::error::Error::Engine(problem));
        }
        Ok(Self { video, actions, states, action })
    }

    /// Frames of a sample.
    pub fn times(&self) -> usize {
        self.video.layout().grid[0]
    }

    /// The tubelets of one sample, row-major.
    pub fn row(&self, index: usize) -> &[f32] {
        self.video.row(index)
    }

    /// Features of every frame by itself, normalised: [samples, times * frame, width].
    pub fn features(&self, encoder: &VideoEncoder, device: &Device) -> Tensor<3> {
        let [rows, tokens, values] = self.video.shape();
        let [times, down, across] = self.video.layout().grid;
        let frames = self.video.upload(device).reshape([rows * times, tokens / times, values]);
        let features = encoder.features(frames, Layout::video([1, down, across]));
        let width = features.dims()[2];
        normalise(features.reshape([rows, tokens, width]), EPS)
    }

    /// The first `times` actions: [samples, times, numbers].
    pub fn actions(&self, times: usize, device: &Device) -> Tensor<3> {
        part(&self.actions, [self.video.len(), self.times() - 1, self.action], times, device)
    }

    /// The first `times` states: [samples, times, numbers].
    pub fn states(&self, times: usize, device: &Device) -> Tensor<3> {
        part(&self.states, [self.video.len(), self.times(), self.action], times, device)
    }
}

fn part(values: &[f32], shape: [usize; 3], times: usize, device: &Device) -> Tensor<3> {
    Tensor::<3>::from_data(TensorData::new(values.to_vec(), shape), device).narrow(1, 0, times)
}

impl Batch for ActionBatch {
    fn len(&self) -> usize {
        self.video.len()
    }

    fn shard(&self, range: Range<usize>) -> Self {
        let of = |values: &[f32]| {
            let each = values.len() / self.video.len();
            values[range.start * each..range.end * each].to_vec()
        };
        let (actions, states) = (of(&self.actions), of(&self.states));
        Self { video: self.video.shard(range), actions, states, action: self.action }
    }

    fn mask_sets(&self) -> &[MaskSet] {
        self.video.mask_sets()
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        self.video.figures()
    }

    fn disturbed(&self, hidden: bool) -> Self {
        Self { video: self.video.disturbed(hidden), ..self.clone() }
    }
}

/// V-JEPA 2-AC: features of a frozen encoder, and the predictor that is trained on them.
#[derive(Module, Debug)]
pub struct ActionJepa {
    /// The encoder, which nothing trains: s_x and s_y are its features, one frame at a time.
    pub frozen: VideoEncoder,
    /// Pred.
    pub predictor: ActionPredictor,
    /// Frames that the predictor's own outputs lead to in training (official `auto_steps`: 2).
    #[module(skip)]
    pub rollout: usize,
}

impl ActionJepa {
    /// Predictions of frames 1 .. from true features [rows, times * frame, width] of frames 0 .. times - 1: of every
    /// frame from the true ones before it (teacher forcing), and of the first [`Self::rollout`] frames from the first
    /// one and predictions.
    ///
    /// The rollout begins with the prediction of teacher forcing, as the official code does: that one counts in both.
    pub fn predict(&self, features: &Tensor<3>, batch: &ActionBatch, device: &Device) -> [Tensor<3>; 2] {
        let frame = self.predictor.frame();
        let times = features.dims()[1] / frame - 1;
        let inputs = features.clone().narrow(1, 0, times * frame);
        let forced = self.predictor.next(inputs, batch.actions(times, device), batch.states(times, device));
        let first = [features.clone(), forced.clone()].map(|x| x.narrow(1, 0, frame));
        let mut rolled = Tensor::cat(first.to_vec(), 1);
        for seen in 2..=self.rollout.min(times) {
            let next = self.predictor.next(rolled.clone(), batch.actions(seen, device), batch.states(seen, device));
            rolled = Tensor::cat(vec![rolled, next.narrow(1, (seen - 1) * frame, frame)], 1);
        }
        let tokens = rolled.dims()[1] - frame;
        [forced, rolled.narrow(1, frame, tokens)]
    }
}

impl Jepa for ActionJepa {
    type Batch = ActionBatch;
    type Target = VideoEncoder;

    fn target(&self) -> &VideoEncoder {
        &self.frozen
    }

    fn forward(&self, target: &VideoEncoder, batch: &ActionBatch, step: &Step) -> Forward {
        let (features, frame) = (batch.features(target, &step.device), self.predictor.frame());
        let context = features.clone().narrow(1, 0, (batch.times() - 1) * frame);
        let pairs = self.predict(&features, batch, &step.device).map(|predicted| {
            let target = features.clone().narrow(1, frame, predicted.dims()[1]);
            (context.clone(), Pair { predicted, target })
        });
        Forward::of_pairs(pairs.into_iter(), features)
    }

    fn features(encoder: &VideoEncoder, batch: &ActionBatch, device: &Device) -> Tensor<3> {
        batch.features(encoder, device)
    }
}
