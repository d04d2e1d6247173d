//! One set of weights that looks at the sample: opened once, asked in the background. Two of them stand side by side for a
//! comparison.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::Context;
use jepa_core::data::Split;
use jepa_core::device::Engine;
use jepa_core::plugin::{self, InspectRequest, Inspector, Look, Settings, TokenSets, Weights, WhatIf};
use jepa_core::probe::Network;

use super::ask::Ask;
use super::brush::Painted;
use super::canvas::Canvas;
use super::rainbow::{Coloured, Foreground, Over, TOGETHER, coloured};
use crate::jobs::Worker;
use crate::shared::name_of;

/// Whose networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The run folder.
    pub run: PathBuf,
    /// Which weights of it.
    pub which: Which,
}

/// Which weights of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The newest checkpoint, or imported weights.
    Newest,
    /// The checkpoint of a step.
    Step(u64),
    /// As they were before training.
    Untrained,
}

impl Choice {
    /// A short name.
    pub fn title(&self) -> String {
        let run = name_of(&self.run);
        match self.which {
            Which::Newest => format!("{run}, newest checkpoint"),
            Which::Step(step) => format!("{run}, step {step}"),
            Which::Untrained => format!("{run}, untrained"),
        }
    }

    fn weights(&self) -> Weights {
        match self.which {
            Which::Newest => Weights::Trained(self.run.clone()),
            Which::Step(step) => Weights::Trained(self.run.join("checkpoints").join(format!("step-{step:09}"))),
            Which::Untrained => Weights::Untrained(Box::new(Settings {
                file: Some(self.run.join("config.toml")),
                ..Settings::default()
            })),
        }
    }
}

/// What is opened: weights and data.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// The weights.
    pub choice: Choice,
    /// Data specification; absent: the run's own.
    pub data: Option<String>,
    /// Whether the test part is read.
    pub is_test: bool,
}

impl Opening {
    fn open(&self, engine: Engine) -> Result<Arc<dyn Inspector>, String> {
        let request = InspectRequest {
            weights: self.choice.weights(),
            data: self.data.clone(),
            split: if self.is_test { Split::Test } else { Split::Train },
            engine,
        };
        let plugin = plugin::of_run(&self.choice.run).map_err(|e| e.to_string())?;
        let inspector = plugin.inspect(&request).map_err(|e| e.to_string())?;
        // Questions come from other threads: nothing of the weights waits in this one.
        request.engine.flush().map_err(|e| e.to_string())?;
        Ok(Arc::from(inspector))
    }
}

/// Values of tokens beside each other that depend on one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Cosines to it, layer by layer.
    Likeness,
    /// Its attention in one layer: the mean of all heads, then each.
    Attention(usize),
}

/// What is asked about the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Weights and data.
    pub opening: Opening,
    /// The sample.
    pub index: usize,
    /// Which encoder is looked into.
    pub network: Network,
    /// Step whose masks are the run's own.
    pub step: u64,
    /// How features become colours.
    pub over: Over,
    /// Which tokens do.
    pub foreground: Foreground,
    /// Values that depend on the marked token, where some are wanted.
    pub rows: Option<(Rows, u32)>,
    /// The painted mask, where an answer is wanted.
    pub painted: Option<Painted>,
    /// Whether the surprise over time is wanted.
    pub surprise: bool,
}

/// The run's own masks of a step, and its errors under them.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// One a mask generator.
    pub masks: Vec<TokenSets>,
    /// The answer; or why there is none.
    pub answer: Result<WhatIf, String>,
}

/// An answer and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The errors.
    pub errors: WhatIf,
    /// From the question to the answer.
    pub took: Duration,
}

/// Surprise over time: frames and the error of predicting them from what came before, one a mask generator.
pub type Surprise = Vec<(usize, Vec<f64>)>;

/// A place in the data: the opened weights by number, and the sample.
type At = (u64, usize);

/// One set of weights.
#[derive(Default)]
pub struct Eye {
    /// The networks, by weights and engine.
    pub inspector: Ask<(Opening, String), Arc<dyn Inspector>>,
    /// The sample through them.
    pub look: Ask<(At, Network), Arc<Look>>,
    /// Its layers as colours.
    pub colours: Ask<(u64, Over, Foreground), Vec<Coloured>>,
    /// Values that depend on the marked token.
    pub rows: Ask<(u64, Rows, u32), Vec<Vec<f32>>>,
    /// The run's own masks.
    pub own: Ask<(At, u64), Own>,
    /// The answer to the painted mask.
    pub answer: Ask<(At, Painted, usize), Answer>,
    /// Surprise over time.
    pub surprise: Ask<(u64, At), Surprise>,
    /// The picture at the left.
    pub stage: Canvas,
    /// Pictures of layers and heads.
    pub small: Vec<Canvas>,
}

impl std::fmt::Debug for Eye {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eye").field("opened", &self.inspector.revision).finish_non_exhaustive()
    }
}

impl Eye {
    /// Takes what was found and asks for what is wanted next; what is opened for it is computed on `engine`.
    pub fn poll(&mut self, wanted: &Wanted, engine: &Engine, context: &Context) {
        self.inspector.poll();
        let (opening, engine) = (wanted.opening.clone(), engine.clone());
        let key = (wanted.opening.clone(), engine.name.clone());
        self.inspector.want(&key, context, "Opening the networks", move |_| opening.open(engine));
        let Some(Ok(inspector)) = self.inspector.to(&key).map(|found| found.cloned()) else { return };
        let index = wanted.index.min(inspector.about().samples.saturating_sub(1));
        let at = (self.inspector.revision, index);
        self.look.poll();
        let (of, network) = (inspector.clone(), wanted.network);
        self.look.want(&(at, network), context, "Looking at the sample", move |_| {
            of.look(index, network).map(Arc::new).map_err(|e| e.to_string())
        });
        self.own.poll();
        let (of, step) = (inspector.clone(), wanted.step);
        self.own.want(&(at, step), context, "The run's own mask", move |_| own(of.as_ref(), index, step));
        let Some(Ok(look)) = self.look.to(&(at, network)).map(|found| found.cloned()) else { return };
        let (revision, over, foreground) = (self.look.revision, wanted.over, wanted.foreground);
        self.colours.poll();
        let (of, seen) = (inspector.clone(), look.clone());
        self.colours.want(&(revision, over, foreground), context, "Principal components", move |worker| {
            rainbow(of.as_ref(), &seen, network, over, foreground, worker)
        });
        self.rows.poll();
        if let Some((rows, token)) = wanted.rows {
            let seen = look.clone();
            self.rows.want(&(revision, rows, token), context, "Tokens beside one", move |_| {
                values(&seen, rows, token as usize).map_err(|e| e.to_string())
            });
        }
        self.answer.poll();
        let generators = self.own.last().map_or(1, |own| own.masks.len());
        if let Some(painted) = &wanted.painted
            && let Some(sets) = painted.sets(generators)
        {
            let of = inspector.clone();
            self.answer.want(&(at, painted.clone(), generators), context, "What if", move |_| {
                let clock = Instant::now();
                let errors = of.what_if(index, &sets).map_err(|e| e.to_string())?;
                Ok(Answer { errors, took: clock.elapsed() })
            });
        }
        self.surprise.poll();
        let times = if wanted.surprise { look.scene.times() } else { Vec::new() };
        if times.len() > 1 && self.own.last().is_some() {
            self.surprise.want(&(revision, at), context, "Surprise over time", move |worker| {
                surprise(inspector.as_ref(), index, generators, &times, worker)
            });
        }
    }

    /// Asks for everything again after an error.
    pub fn again(&mut self) {
        self.inspector.forget();
        self.look.forget();
        self.own.forget();
    }

    /// Why nothing is seen.
    pub fn problem(&self) -> Option<&str> {
        self.inspector.problem().or_else(|| self.look.problem())
    }

    /// The sample as it was seen last; another one may be on its way.
    pub fn seen(&self) -> Option<&Arc<Look>> {
        self.look.last()
    }

    /// Values of these rows, of this token or of the one before it.
    pub fn rows_of(&self, wanted: Rows) -> &[Vec<f32>] {
        let is_of = self.rows.asked().is_some_and(|(_, rows, _)| *rows == wanted);
        if is_of { self.rows.last().map_or(&[], Vec::as_slice) } else { &[] }
    }

    /// A canvas of the small pictures.
    pub fn canvas(&mut self, at: usize) -> &mut Canvas {
        if self.small.len() <= at {
            self.small.resize_with(at + 1, Canvas::default);
        }
        &mut self.small[at]
    }
}

fn values(look: &Look, rows: Rows, token: usize) -> jepa_core::Result<Vec<Vec<f32>>> {
    match rows {
        Rows::Likeness => Ok(look.layers.iter().map(|layer| layer.similarity(token)).collect()),
        Rows::Attention(layer) => {
            let heads = look.heads(layer)?;
            let each = (0..heads.heads).map(|head| heads.head(head, token));
            Ok(std::iter::once(heads.mean(token)).chain(each).collect())
        }
    }
}

fn own(inspector: &dyn Inspector, index: usize, step: u64) -> Result<Own, String> {
    let masks = inspector.own_masks(index, step).map_err(|e| e.to_string())?;
    let answer = inspector.what_if(index, &masks).map_err(|e| e.to_string());
    Ok(Own { masks, answer })
}

fn rainbow(
    inspector: &dyn Inspector,
    look: &Look,
    network: Network,
    over: Over,
    foreground: Foreground,
    worker: &Worker<Vec<Coloured>>,
) -> Result<Vec<Coloured>, String> {
    let samples = inspector.about().samples;
    let count = if over == Over::Samples { TOGETHER.min(samples) } else { 1 };
    let mut others = Vec::new();
    for place in 1..count {
        if worker.is_cancelled() {
            return Err("stopped".into());
        }
        worker.progress(place as f32 / count as f32, format!("sample {} of {count}", place + 1));
        // One that cannot be read is passed over: it is not the one that is looked at.
        others.extend(inspector.look((look.sample.index + place) % samples, network).ok());
    }
    let mut found = Vec::with_capacity(look.layers.len());
    for (i, layer) in look.layers.iter().enumerate() {
        if worker.is_cancelled() {
            return Err("stopped".into());
        }
        let others: Vec<_> = others.iter().filter_map(|other| other.layers.get(i)).collect();
        found.push(coloured(layer, &others, foreground).map_err(|e| format!("{}: {e}", layer.name))?);
        worker.publish(found.clone());
    }
    Ok(found)
}

/// The error of predicting each time from all before it.
fn surprise(
    inspector: &dyn Inspector,
    index: usize,
    generators: usize,
    times: &[(usize, Vec<u32>)],
    worker: &Worker<Surprise>,
) -> Result<Surprise, String> {
    let mut found = Vec::new();
    for at in 1..times.len() {
        if worker.is_cancelled() {
            return Err("stopped".into());
        }
        let context: Vec<u32> = times[..at].iter().flat_map(|(_, tokens)| tokens).copied().collect();
        let sets = TokenSets { context: vec![context], target: vec![times[at].1.clone()] };
        let errors = inspector.what_if(index, &vec![sets; generators.max(1)]).map_err(|e| e.to_string())?;
        found.push((times[at].0, errors.generators.iter().map(|errors| errors.mean).collect()));
        worker.publish(found.clone());
    }
    Ok(found)
}
