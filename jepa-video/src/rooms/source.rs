//! The built-in data: walks of a fixed length, made when they are read.

use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Purpose, Stream};

use super::layout::{HIGH, LOW, Place, Rooms};
use super::walk::Walk;

/// Names of the formats: any layout, or the fixed one.
pub const FORMATS: &[&str] = &["builtin", "builtin-fixed-wall"];

/// Version of the generator: the same version makes the same walks.
const VERSION: u32 = 1;
/// Cells a side that places are labelled by.
const CELLS: usize = 4;

/// Walks through two rooms.
#[derive(Debug)]
pub struct TwoRooms {
    split: Split,
    rooms: Option<Rooms>,
    times: usize,
    classes: Vec<String>,
}

impl TwoRooms {
    /// One part: 100,000 walks of `times` moments for training, 10,000 for testing, as eb_jepa has them.
    pub fn open(spec: &DataSpec, split: Split, times: usize) -> Result<Self> {
        let rooms = match (spec.format.as_deref(), &spec.path) {
            (Some("builtin"), None) => None,
            (Some("builtin-fixed-wall"), None) => Some(Rooms::FIXED),
            _ => {
                let problem = format!("these worlds are made, not read: give one of {}", FORMATS.join(", "));
                return Err(Error::data(&spec.text, problem));
            }
        };
        let class = |cell: usize| format!("column {}, row {}", cell % CELLS + 1, cell / CELLS + 1);
        Ok(Self { split, rooms, times, classes: (0..CELLS * CELLS).map(class).collect() })
    }

    fn stream(&self, index: usize) -> Result<Stream> {
        if index >= self.len() {
            return Err(Error::data("builtin", format!("there is no walk with index {index}, only {}", self.len())));
        }
        let part = if self.split == Split::Train { 1 } else { 2 };
        Ok(Stream::new(u64::from(VERSION), Purpose::Synthesis, part, index as u64))
    }
}

impl Source for TwoRooms {
    type Sample = Walk;

    fn len(&self) -> usize {
        if self.split == Split::Train { 100_000 } else { 10_000 }
    }

    fn read(&self, index: usize) -> Result<Walk> {
        Ok(Walk::draw(self.rooms, self.times, &mut self.stream(index)?))
    }

    /// Every epoch has walks of its own.
    fn draw(&self, index: usize, draw: &mut Stream) -> Result<Walk> {
        self.stream(index)?;
        Ok(Walk::draw(self.rooms, self.times, draw))
    }

    /// The cell that a walk begins in.
    fn label(&self, index: usize) -> Option<u32> {
        let [x, y]: Place = *self.read(index).ok()?.places.first()?;
        let cell = |v: f32| (((v - LOW) / (HIGH - LOW) * CELLS as f32) as usize).min(CELLS - 1);
        Some((cell(y) * CELLS + cell(x)) as u32)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("walk {index}")
    }

    fn describe(&self) -> String {
        let layout = if self.rooms.is_some() { "a fixed wall and door" } else { "any wall and door" };
        format!("synthetic walks through two rooms (version {VERSION}), {layout}, labelled by the cell they begin in")
    }
}
