//! The rooms as planners see them: imagined by networks, and as they are.

use burn::prelude::*;
use jepa_core::error::Result;
use jepa_core::hierarchy::{repeated, squared};
use jepa_core::host;
use jepa_core::planning::WorldModel;

use super::episode::far;
use super::layout::{CHANNELS, Place, Rooms, SIDE};
use crate::world::{ACTION, WorldJepa};

/// Embeddings of an agent at places: [places, width].
pub(super) fn embed(world: &WorldJepa, places: &[(Rooms, Place)], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = places.iter().flat_map(|(rooms, at)| rooms.seen(*at)).collect();
    let pictures = Tensor::from_data(TensorData::new(values, [places.len(), CHANNELS, SIDE, SIDE]), device);
    let states = world.encoder.forward(pictures);
    let [rows, _, width] = states.dims();
    states.reshape([rows, width])
}

/// A trained world model as planners see it: states are embeddings, [rows, width], and so are goals; the energy is the
/// mean squared difference.
pub struct Imagination<'a> {
    /// The networks.
    pub world: &'a WorldJepa,
    /// Where tensors live.
    pub device: &'a Device,
}

impl WorldModel for Imagination<'_> {
    type State = Tensor<2>;
    type Goal = Tensor<2>;

    fn action_width(&self) -> usize {
        ACTION
    }

    fn device(&self) -> &Device {
        self.device
    }

    fn repeat(&self, state: &Tensor<2>, times: usize) -> Tensor<2> {
        repeated(state, times)
    }

    fn step(&self, state: Tensor<2>, actions: Tensor<2>) -> Result<Tensor<2>> {
        Ok(self.world.next(state, actions))
    }

    fn energy(&self, state: &Tensor<2>, goal: &Tensor<2>) -> Result<Tensor<1>> {
        Ok(squared(state, goal))
    }
}

/// The rooms themselves as a world model, without chance: states are places, the energy is the length of the way through
/// the door.
pub struct Truth<'a> {
    /// The layout of every problem.
    pub rooms: Vec<Rooms>,
    /// Where tensors live.
    pub device: &'a Device,
}

impl WorldModel for Truth<'_> {
    type State = Vec<Place>;
    type Goal = Vec<Place>;

    fn action_width(&self) -> usize {
        ACTION
    }

    fn device(&self) -> &Device {
        self.device
    }

    fn repeat(&self, state: &Vec<Place>, times: usize) -> Vec<Place> {
        state.iter().flat_map(|at| std::iter::repeat_n(*at, times)).collect()
    }

    fn step(&self, state: Vec<Place>, actions: Tensor<2>) -> Result<Vec<Place>> {
        let actions = host::read(actions)?;
        let each = (state.len() / self.rooms.len().max(1)).max(1);
        let rows = state.chunks(each).zip(&self.rooms).flat_map(|(row, rooms)| row.iter().map(move |at| (*at, rooms)));
        Ok(rows.zip(actions.chunks_exact(ACTION)).map(|((at, rooms), a)| rooms.push(at, [a[0], a[1]], None)).collect())
    }

    fn energy(&self, state: &Vec<Place>, goal: &Vec<Place>) -> Result<Tensor<1>> {
        let each = (state.len() / goal.len().max(1)).max(1);
        let way = |(at, (rooms, goal)): (&Place, (&Rooms, &Place))| {
            let same = (at[0] < rooms.wall) == (goal[0] < rooms.wall);
            let door = [rooms.wall, rooms.door];
            if same { far(*at, *goal) } else { far(*at, door) + far(door, *goal) }
        };
        let ends = self.rooms.iter().zip(goal);
        let rows = state.chunks(each).zip(ends).flat_map(|(row, end)| row.iter().map(move |at| (at, end)));
        let energies: Vec<f32> = rows.map(way).collect();
        Ok(Tensor::from_data(TensorData::new(energies.clone(), [energies.len()]), self.device))
    }
}
