//! Windows of time series: a synthetic generator and a reader of CSV files.

use std::path::{Path, PathBuf};

use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::{Error, Result};
use jepa_core::plugin::Preview;
use jepa_core::random::{Draw as _, Purpose, Stream};

/// Names of the formats that [`open`] knows.
pub(crate) const FORMATS: &[&str] = &["builtin", "csv"];

/// Values of a few channels over time, [channels, length] row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) channels: usize,
    pub(crate) values: Vec<f32>,
}

impl Window {
    /// The channels, each with mean 0 and standard deviation 1 within the window (a constant one is all 0).
    pub(crate) fn standardised(&self) -> Vec<Vec<f32>> {
        let length = self.values.len() / self.channels;
        let standardise = |channel: &[f32]| {
            let mean = channel.iter().sum::<f32>() / length as f32;
            let variance = channel.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / length as f32;
            channel.iter().map(|v| (v - mean) / (variance.sqrt() + 1e-6)).collect()
        };
        self.values.chunks(length).map(standardise).collect()
    }

    /// The window in stretches of `patch` moments, each with its values of every channel.
    pub(crate) fn patches(&self, patch: usize) -> Vec<f32> {
        let channels = self.standardised();
        let stretch = |start: usize| channels.iter().flat_map(move |channel| &channel[start..start + patch]);
        (0..self.values.len() / self.channels).step_by(patch).flat_map(stretch).copied().collect()
    }

    /// A plot, one dark curve a channel, over a grid of one row of `tokens`.
    pub(crate) fn plot(&self, tokens: usize) -> Preview {
        let (width, height) = (self.values.len() / self.channels, 64);
        let mut rgb = vec![255; 3 * width * height];
        for (i, channel) in self.standardised().iter().enumerate() {
            for (x, value) in channel.iter().enumerate() {
                let y = ((3.0 - value) / 6.0 * (height - 1) as f32).clamp(0.0, (height - 1) as f32) as usize;
                rgb[3 * (y * width + x)..][..3].copy_from_slice(&[[20, 60, 180], [200, 80, 20], [20, 130, 60]][i % 3]);
            }
        }
        Preview { width, height, rgb, grid: [1, tokens] }
    }
}

/// Opens one part of the data that `spec` names, as windows of `channels` x `length`.
pub(crate) fn open(
    spec: &DataSpec,
    split: Split,
    channels: usize,
    length: usize,
) -> Result<Box<dyn Source<Sample = Window>>> {
    match (&spec.format, &spec.path) {
        (Some(format), None) if format == "builtin" => Ok(Box::new(Oscillations { split, channels, length })),
        (_, Some(path)) => Ok(Box::new(Csv::open(&spec.text, path, split, channels, length)?)),
        _ => Err(Error::data(&spec.text, format!("a path is missing; known formats: {}", FORMATS.join(", ")))),
    }
}

/// Synthetic oscillations of four shapes with random frequency, phase, lag between channels, and noise.
struct Oscillations {
    split: Split,
    channels: usize,
    length: usize,
}

const SHAPES: [&str; 4] = ["sine", "square", "saw", "chirp"];

impl Source for Oscillations {
    type Sample = Window;

    fn len(&self) -> usize {
        if self.split == Split::Train { 4000 } else { 1000 }
    }

    fn read(&self, index: usize) -> Result<Window> {
        // The parts are drawn from streams of different seeds: no window of one is in the other.
        let seed = if self.split == Split::Train { 1 } else { 2 };
        let mut draw = Stream::new(seed, Purpose::Synthesis, 0, index as u64);
        let (cycles, phase, noise) = (draw.between(4.0, 12.0), draw.uniform(), draw.between(0.1, 0.4));
        let sweep = if draw.uniform() < 0.5 { 1.0 } else { -1.0 };
        let mut values = Vec::with_capacity(self.channels * self.length);
        for _ in 0..self.channels {
            let lag = draw.uniform();
            for i in 0..self.length {
                let t = i as f32 / self.length as f32;
                let turn = |t: f32| (cycles * t + phase + lag).rem_euclid(1.0);
                let sine = |turn: f32| (std::f32::consts::TAU * turn).sin();
                let value = match index % SHAPES.len() {
                    0 => sine(turn(t)),
                    1 => sine(turn(t)).signum(),
                    2 => 2.0 * turn(t) - 1.0,
                    // The frequency rises from 0.3 to 1.7 times, or falls.
                    _ => sine(turn(t + 0.7 * sweep * t * (t - 1.0))),
                };
                values.push(value + noise * draw.normal());
            }
        }
        Ok(Window { channels: self.channels, values })
    }

    fn label(&self, index: usize) -> Option<u32> {
        Some((index % SHAPES.len()) as u32)
    }

    fn classes(&self) -> &[String] {
        static NAMES: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| SHAPES.map(String::from).to_vec());
        &NAMES
    }

    fn name(&self, index: usize) -> String {
        format!("synthetic window {index}")
    }

    fn describe(&self) -> String {
        let part = if self.split == Split::Train { "training" } else { "test" };
        format!("synthetic oscillations, not measured data: {} {part} windows of {}", self.len(), SHAPES.join(", "))
    }
}

/// CSV files, one series a file: a row is a moment, a column a channel. Windows follow each other without overlap; the
/// last fifth of each series is for testing. Names of sub-folders are classes.
struct Csv {
    text: String,
    files: Vec<(PathBuf, Vec<Vec<f32>>, Option<u32>)>,
    /// File and first row of each window.
    windows: Vec<(usize, usize)>,
    classes: Vec<String>,
    channels: usize,
    length: usize,
}

impl Csv {
    fn open(text: &str, path: &Path, split: Split, channels: usize, length: usize) -> Result<Self> {
        let mut found = Vec::new();
        if path.is_dir() {
            list(path, None, &mut found)?
        } else {
            found.push((path.to_owned(), None))
        }
        found.sort();
        let mut classes: Vec<String> = found.iter().filter_map(|(_, class)| class.clone()).collect();
        classes.dedup();
        let (mut files, mut windows) = (Vec::new(), Vec::new());
        for (path, class) in found {
            let rows = read_rows(&path)?;
            if let Some(columns) = rows.first().map(Vec::len).filter(|columns| *columns < channels) {
                let problem = format!("has {columns} columns, {channels} are wanted (model.channels)");
                return Err(Error::format(path, problem));
            }
            let border = rows.len() * 4 / 5;
            let range = if split == Split::Train { 0..border } else { border..rows.len() };
            let starts = range.clone().step_by(length).filter(|start| start + length <= range.end);
            windows.extend(starts.map(|start| (files.len(), start)));
            let label = class.and_then(|class| classes.binary_search(&class).ok()).map(|label| label as u32);
            files.push((path, rows, label));
        }
        if windows.is_empty() {
            let problem = format!("holds no CSV file with {length} rows (model.length) in the part asked for");
            return Err(Error::data(text, problem));
        }
        Ok(Self { text: text.to_owned(), files, windows, classes, channels, length })
    }
}

/// Adds the CSV files in `folder`, and those in its sub-folders with the sub-folder's name as class.
fn list(folder: &Path, class: Option<&str>, found: &mut Vec<(PathBuf, Option<String>)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && class.is_none() {
            list(&path, Some(&name), found)?;
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
            found.push((path, class.map(str::to_owned)));
        }
    }
    Ok(())
}

/// The rows of a CSV file; a first line that is no numbers is a header.
fn read_rows(path: &Path) -> Result<Vec<Vec<f32>>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Result<Vec<f32>, _> = line.split([',', ';']).map(|cell| cell.trim().parse()).collect();
        match row {
            Ok(row) if row.iter().all(|v| v.is_finite()) && rows.first().is_none_or(|r| r.len() == row.len()) => {
                rows.push(row)
            }
            Err(_) if i == 0 => {}
            _ => {
                return Err(Error::format(
                    path,
                    format!("line {} is not a row of finite numbers as long as the first", i + 1),
                ));
            }
        }
    }
    Ok(rows)
}

impl Source for Csv {
    type Sample = Window;

    fn len(&self) -> usize {
        self.windows.len()
    }

    fn read(&self, index: usize) -> Result<Window> {
        let missing = || Error::data(&self.text, format!("there is no window {index}, only {}", self.windows.len()));
        let (file, start) = *self.windows.get(index).ok_or_else(missing)?;
        let rows = &self.files[file].1[start..start + self.length];
        let values = (0..self.channels).flat_map(|channel| rows.iter().map(move |row| row[channel])).collect();
        Ok(Window { channels: self.channels, values })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.windows.get(index).and_then(|(file, _)| self.files[*file].2)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let place = self.windows.get(index);
        place
            .map_or_else(String::new, |(file, start)| format!("row {} of {}", start + 1, self.files[*file].0.display()))
    }

    fn describe(&self) -> String {
        format!("CSV `{}`: {} windows of {} rows from {} files", self.text, self.len(), self.length, self.files.len())
    }
}
