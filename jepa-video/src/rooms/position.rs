//! Where the agent is, read from frozen features by linear regression, now and after imagined steps.

use burn::prelude::*;
use jepa_core::error::{Error, Result};
use jepa_core::host;
use jepa_core::probe::LinearRegression;
use jepa_core::random::{Purpose, Stream};
use jepa_core::train::Replicas;
use serde::Serialize;

use super::episode::embed;
use super::layout::{Place, Rooms};
use super::walk::Walk;
use crate::world::{ACTION, WorldJepa};

/// Walks that the regression is fitted to, and those it is scored on.
const WALKS: [u64; 2] = [1_000, 400];
/// Places a forward pass.
const CHUNK: usize = 50;

/// How well an embedding tells where the agent is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PositionFigures {
    /// Whose embedding.
    pub name: String,
    /// Share of the variance of x and y that a linear map of the embedding explains.
    pub r2: f64,
    /// Root of the mean squared distance, in pixels.
    pub rmse: f64,
    /// The same of states imagined from the first picture and the actions, after 1, 2, .. steps.
    pub imagined: Vec<f64>,
}

/// Fits the position to embeddings of pictures and scores it on other walks.
pub(super) fn measure(
    name: &str,
    world: &WorldJepa,
    fixed: bool,
    device: &Device,
    workers: &Replicas,
) -> Result<PositionFigures> {
    let times = world.steps + 1;
    let rooms = fixed.then_some(Rooms::FIXED);
    let walks = |part: usize| -> Vec<Walk> {
        // Neither trained on nor tested with elsewhere.
        let stream = |index| Stream::new(7, Purpose::Probe, part as u64, index);
        (0..WALKS[part]).map(|index| Walk::draw(rooms, times, &mut stream(index))).collect()
    };
    // Of every walk the embeddings after 0, 1, .. imagined steps, [walks, width] each.
    let imagine = |walks: &[Walk], steps: usize| -> Result<Vec<Vec<f32>>> {
        let parts = workers.map(walks.chunks(CHUNK).collect(), |walks: &[Walk]| {
            let first: Vec<(Rooms, Place)> = walks.iter().map(|walk| (walk.rooms, walk.places[0])).collect();
            let mut state = embed(world, &first, device);
            let mut states = vec![host::read(state.clone())?];
            for step in 0..steps {
                let actions: Vec<f32> = walks.iter().flat_map(|walk| walk.actions[step]).collect();
                let shape = [walks.len(), ACTION];
                state = world.next(state, Tensor::from_data(TensorData::new(actions, shape), device));
                states.push(host::read(state.clone())?);
            }
            Ok(states)
        })?;
        Ok((0..=steps).map(|step| parts.iter().flat_map(|states| states[step].iter().copied()).collect()).collect())
    };
    let places = |walks: &[Walk], time: usize| -> Vec<f32> { walks.iter().flat_map(|w| w.places[time]).collect() };

    let (train, test) = (walks(0), walks(1));
    let features = imagine(&train, 0)?.swap_remove(0);
    let width = features.len() / train.len();
    let regression = LinearRegression::fit(&features, width, &places(&train, 0), 2)?;
    let states = imagine(&test, world.steps)?;
    let figures = |time: usize| regression.figures(&states[time], &places(&test, time));
    let now = figures(0);
    let imagined = (1..=world.steps).map(|time| figures(time).rmse).collect();
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
