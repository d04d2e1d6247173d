//! Where the agent is, read from frozen features by linear regression, now and after imagined steps.

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::hierarchy::Stack;
use jepa_core::host;
use jepa_core::probe::LinearRegression;
use jepa_core::random::{Purpose, Stream};
use jepa_core::train::Replicas;
use serde::Serialize;

use super::imagination::embed;
use super::layout::{Place, Rooms};
use super::walk::Walk;
use crate::world::{ACTION, WorldJepa};

/// Walks that the regression is fitted to, and those it is scored on.
const WALKS: [u64; 2] = [1_000, 400];
/// Places a forward pass.
const CHUNK: usize = 50;

/// Whose embedding, and what it imagines with.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// Level 1.
    pub world: &'a WorldJepa,
    /// What stands on it, where the topmost level is meant.
    pub above: Option<&'a Stack>,
}

impl Sight<'_> {
    /// Steps that it imagines, and how many actions each takes.
    fn reach(&self) -> [usize; 2] {
        let top = self.above.and_then(|stack| Some((stack.levels.last()?.config.horizon, stack.span())));
        let (steps, span) = top.unwrap_or((self.world.steps, 1));
        [steps, span]
    }

    /// States of walks after 0, 1, .. `steps` imagined steps, [walks, width] each.
    fn imagine(&self, walks: &[Walk], steps: usize, device: &Device) -> Vec<Tensor<2>> {
        let [_, span] = self.reach();
        let first: Vec<(Rooms, Place)> = walks.iter().map(|walk| (walk.rooms, walk.places[0])).collect();
        let state = embed(self.world, &first, device);
        let actions: Vec<f32> = walks.iter().flat_map(|walk| walk.actions[..steps * span].concat()).collect();
        let actions = || {
            let shape = [walks.len(), steps * span, ACTION];
            Tensor::<3>::from_data(TensorData::new(actions.clone(), shape), device)
        };
        let top = self.above.and_then(|stack| Some((stack, stack.levels.last()?)));
        let mut states = vec![match top {
            Some((stack, _)) => stack.states(1 + stack.levels.len(), state.unsqueeze_dim(1)).squeeze_dim(1),
            None => state,
        }];
        for step in 0..steps {
            let state = states[step].clone();
            states.push(match top {
                Some((stack, level)) => {
                    let z = stack.macro_actions(actions()).narrow(1, step, 1);
                    level.next(state.unsqueeze_dim(1), z).squeeze_dim(1)
                }
                None => self.world.next(state, actions().narrow(1, step, 1).squeeze_dim(1)),
            });
        }
        states
    }
}

/// How well an embedding tells where the agent is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PositionFigures {
    /// Whose embedding.
    pub name: String,
    /// Share of the variance of x and y that a linear map of the embedding explains.
    pub r2: f64,
    /// Root of the mean squared distance, in pixels.
    pub rmse: f64,
    /// The same of states imagined from the first picture and the actions, after 1, 2, .. steps of the level.
    pub imagined: Vec<f64>,
}

/// Fits the position to embeddings of pictures and scores it on other walks.
pub(super) fn measure(
    name: &str,
    sight: &Sight<'_>,
    fixed: bool,
    device: &Device,
    workers: &Replicas,
) -> Result<PositionFigures> {
    let [steps, span] = sight.reach();
    let times = steps * span + 1;
    let rooms = fixed.then_some(Rooms::FIXED);
    let walks = |part: usize| -> Vec<Walk> {
        // Neither trained on nor tested with elsewhere.
        let stream = |index| Stream::new(7, Purpose::Probe, part as u64, index);
        (0..WALKS[part]).map(|index| Walk::draw(rooms, times, &mut stream(index))).collect()
    };
    // Of every walk the embeddings after 0, 1, .. imagined steps, [walks, width] each.
    let imagine = |walks: &[Walk], steps: usize| -> Result<Vec<Vec<f32>>> {
        let parts = workers.map(walks.chunks(CHUNK).collect(), |walks: &[Walk]| {
            sight.imagine(walks, steps, device).into_iter().map(host::read).collect::<Result<Vec<_>>>()
        })?;
        Ok((0..=steps).map(|step| parts.iter().flat_map(|states| states[step].iter().copied()).collect()).collect())
    };
    let places = |walks: &[Walk], time: usize| -> Vec<f32> { walks.iter().flat_map(|w| w.places[time]).collect() };

    let (train, test) = (walks(0), walks(1));
    let features = imagine(&train, 0)?.swap_remove(0);
    let width = features.len() / train.len();
    let regression = LinearRegression::fit(&features, width, &places(&train, 0), 2)?;
    let states = imagine(&test, steps)?;
    let figures = |step: usize| regression.figures(&states[step], &places(&test, step * span));
    let now = figures(0);
    let imagined = (1..=steps).map(|step| figures(step).rmse).collect();
    Ok(PositionFigures { name: name.to_owned(), r2: now.r2, rmse: now.rmse, imagined })
}

/// The places whose pictures lie nearest to states imagined along `actions` from `start`, one a step: what a world model
/// thinks it will see.
pub(super) fn nearest(
    world: &WorldJepa,
    rooms: &Rooms,
    start: Place,
    actions: &[Place],
    device: &Device,
) -> Result<Vec<Place>> {
    let steps = || (0..19).map(|i| 5.0 + 3.0 * i as f32);
    let bank: Vec<Place> =
        steps().flat_map(|y| steps().map(move |x| [x, y])).filter(|at| !rooms.is_wall(*at)).collect();
    let mut known: Vec<f32> = Vec::new();
    for places in bank.chunks(CHUNK) {
        let places: Vec<(Rooms, Place)> = places.iter().map(|at| (*rooms, *at)).collect();
        known.extend(host::read(embed(world, &places, device))?);
    }
    let width = known.len() / bank.len().max(1);
    let mut state = embed(world, &[(*rooms, start)], device);
    let mut found = Vec::with_capacity(actions.len());
    for action in actions {
        state = world.next(state, Tensor::from_data(TensorData::new(action.to_vec(), [1, ACTION]), device));
        let here = host::read(state.clone())?;
        let distance = |row: &[f32]| row.iter().zip(&here).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let best = known.chunks_exact(width).map(distance).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        let at = best.and_then(|(at, _)| bank.get(at)).copied();
        found.push(at.ok_or_else(|| Error::Engine("these rooms have no free place".into()))?);
    }
    Ok(found)
}
