//! Errors of single tokens over training: what the run has written about the samples it follows, `samples/` of its folder.

use std::path::{Path, PathBuf};
use std::time::Instant;

use egui::{RichText, Ui};
use jepa_core::plugin::{Preview, SamplePicture, TokenSets};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use super::ask::Ask;
use super::curve::{self, Curve};
use super::paint::range;
use crate::shared::Shared;
use crate::theme::Band;
use crate::widgets::picture::{Overlay, PictureView};
use crate::widgets::{self, figure};

/// Blocks that a run tells apart in what it writes.
const BLOCKS: usize = 7;
/// Seconds after which a run that trains is read again.
const PAUSE: u64 = 5;

/// What a run has written about its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The samples that are followed, with their masks.
    pub samples: Vec<SamplePicture>,
    /// Steps, ascending, with the errors: by sample, mask generator and token; NaN where nothing is predicted.
    pub steps: Vec<(u64, Vec<Vec<Vec<f32>>>)>,
}

impl Story {
    /// Reads the folder of a run; none when it has written nothing yet.
    pub fn read(run: &Path) -> Result<Option<Self>, String> {
        let folder = run.join("samples");
        let pictures = folder.join("pictures.safetensors");
        if !pictures.is_file() {
            return Ok(None);
        }
        let samples = parsed(&pictures, samples)?;
        let entries = std::fs::read_dir(&folder).map_err(|e| format!("`{}` cannot be read: {e}", folder.display()))?;
        let step = |path: &Path| path.file_stem()?.to_str()?.strip_prefix("step-")?.parse::<u64>().ok();
        let mut files: Vec<(u64, PathBuf)> =
            entries.filter_map(|e| e.ok().map(|e| e.path())).filter_map(|path| Some((step(&path)?, path))).collect();
        files.sort();
        let read = |(step, path): (u64, PathBuf)| Ok((step, parsed(&path, |file, _| errors(file, samples.len()))?));
        let steps = files.into_iter().map(read).collect::<Result<Vec<_>, String>>()?;
        Ok(Some(Self { samples, steps }))
    }

    fn of(&self, step: usize, sample: usize, generator: usize) -> &[f32] {
        let errors = self.steps.get(step).and_then(|(_, errors)| errors.get(sample)?.get(generator));
        errors.map_or(&[], Vec::as_slice)
    }
}

type Metadata = std::collections::HashMap<String, String>;

fn parsed<T>(path: &Path, of: impl FnOnce(&SafeTensors<'_>, &Metadata) -> Option<T>) -> Result<T, String> {
    let failed = |problem: String| format!("`{}`: {problem}", path.display());
    let bytes = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| failed(e.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| failed(e.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    of(&file, &metadata).ok_or_else(|| failed("is not laid out as a run of this version writes it".into()))
}

fn samples(file: &SafeTensors<'_>, metadata: &Metadata) -> Option<Vec<SamplePicture>> {
    let mut samples = Vec::new();
    while let Ok(picture) = file.tensor(&format!("picture.{}", samples.len())) {
        let i = samples.len();
        let [height, width, _] = picture.shape() else { return None };
        let (height, width, rgb) = (*height, *width, picture.data().to_vec());
        let (rows, columns) = metadata.get(&format!("grid.{i}"))?.split_once(',')?;
        let grid = [rows.parse().ok()?, columns.parse().ok()?];
        let tokens = file.tensor(&format!("tokens.{i}")).ok()?;
        let tokens = tokens.data().as_chunks::<4>().0.iter().map(|b| u32::try_from(i32::from_le_bytes(*b)).ok());
        let roles = file.tensor(&format!("roles.{i}")).ok()?;
        let [_, count] = roles.shape() else { return None };
        let masks = if *count == 0 { Vec::new() } else { roles.data().chunks_exact(*count).map(masks).collect() };
        samples.push(SamplePicture {
            index: i,
            name: metadata.get(&format!("name.{i}")).cloned().unwrap_or_default(),
            label: None,
            picture: Preview { width, height, rgb, grid },
            tokens: tokens.collect(),
            masks,
        });
        let sample = samples.last()?;
        if sample.tokens.len() != width * height || sample.picture.rgb.len() != 3 * width * height {
            return None;
        }
    }
    Some(samples)
}

/// Lists from roles: bit 0, the context sees the token; bit k, it is in block k.
fn masks(roles: &[u8]) -> TokenSets {
    let list = |bit: usize| -> Vec<u32> {
        (0u32..).zip(roles).filter(|(_, role)| *role >> bit & 1 == 1).map(|(token, _)| token).collect()
    };
    let target = (1..=BLOCKS).map(list).filter(|block| !block.is_empty()).collect();
    TokenSets { context: vec![list(0)], target }
}

fn errors(file: &SafeTensors<'_>, samples: usize) -> Option<Vec<Vec<Vec<f32>>>> {
    let of = |view: TensorView<'_>| {
        let [_, tokens] = view.shape() else { return None };
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Some(if *tokens == 0 { Vec::new() } else { values.chunks_exact(*tokens).map(<[f32]>::to_vec).collect() })
    };
    (0..samples).map(|i| of(file.tensor(&format!("error.{i}")).ok()?)).collect()
}

/// The panel's state.
#[derive(Debug, Default)]
pub struct Training {
    story: Ask<(PathBuf, u64), Option<Story>>,
    since: Option<Instant>,
    step: usize,
    follows: Follows,
    sample: usize,
    generator: usize,
    view: PictureView,
    seen: Option<(PathBuf, u64, usize)>,
}

/// Whether the newest step is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Follows(bool);

impl Default for Follows {
    fn default() -> Self {
        Self(true)
    }
}

fn mean(values: &[f32]) -> f64 {
    let finite = values.iter().filter(|v| v.is_finite());
    let (sum, count) = finite.fold((0.0, 0), |(sum, count), v| (sum + f64::from(*v), count + 1));
    if count > 0 { sum / f64::from(count) } else { f64::NAN }
}

impl Training {
    /// Draws it for a run; `is_live`: it writes on.
    pub fn ui(&mut self, ui: &mut Ui, run: &Path, is_live: bool, shared: &Shared) {
        let since = self.since.get_or_insert_with(Instant::now).elapsed().as_secs();
        let tick = if is_live { since / PAUSE } else { u64::MAX };
        let key = (run.to_owned(), tick);
        let folder = run.to_owned();
        self.story.poll();
        self.story.want(&key, ui.ctx(), "Samples of the run", move |_| Story::read(&folder));
        if is_live {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs(PAUSE));
        }
        if let Some(problem) = self.story.problem() {
            let problem = problem.to_owned();
            if widgets::failed(ui, "The samples of this run cannot be read", &problem) {
                self.story.forget();
            }
            return;
        }
        // Taken out while it is drawn, so that the panel's other state can change.
        let story = std::mem::take(&mut self.story);
        match story.last() {
            None => widgets::waiting(ui, "Reading what the run has written", &story.progress()),
            Some(None) => drop(ui.weak(
                "This run has written no errors yet: it does so at its first step and whenever it takes collapse figures (run.diagnose_every)",
            )),
            Some(Some(found)) if found.steps.is_empty() || found.samples.is_empty() => {
                drop(ui.weak("This run follows samples and has written no errors of them yet"));
            }
            Some(Some(found)) => self.draw(ui, run, found, story.revision, shared),
        }
        self.story = story;
    }

    fn draw(&mut self, ui: &mut Ui, run: &Path, story: &Story, revision: u64, shared: &Shared) {
        let (last, final_sample) = (story.steps.len() - 1, story.samples.len() - 1);
        self.sample = self.sample.min(final_sample);
        if self.follows.0 || self.step > last {
            self.step = last;
        }
        let generators = story.samples[self.sample].masks.len().max(1);
        self.generator = self.generator.min(generators - 1);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Followed sample");
            ui.add(egui::Slider::new(&mut self.sample, 0..=final_sample)).labelled_by(label.id);
            for i in 0..generators {
                if generators > 1 {
                    ui.selectable_value(&mut self.generator, i, format!("generator {}", i + 1));
                }
            }
        });
        let steps: Vec<u64> = story.steps.iter().map(|(step, _)| *step).collect();
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Training step");
            let shown = steps.clone();
            let text = move |n: f64, _: std::ops::RangeInclusive<usize>| {
                shown.get(n as usize).map_or_else(String::new, u64::to_string)
            };
            let slider = egui::Slider::new(&mut self.step, 0..=last).custom_formatter(text);
            if ui.add(slider).labelled_by(label.id).changed() {
                self.follows.0 = self.step == last;
            }
        });
        let sample = &story.samples[self.sample];
        let errors = story.of(self.step, self.sample, self.generator);
        let all = (0..=last).flat_map(|step| story.of(step, self.sample, self.generator)).copied().collect::<Vec<_>>();
        let [_, most] = range(&all).unwrap_or([0.0, 1.0]);
        let points: Vec<[f64; 2]> =
            (0..=last).map(|i| [steps[i] as f64, mean(story.of(i, self.sample, self.generator))]).collect();
        let text = format!(
            "{}: mean absolute error {} at step {}; yellow is {}",
            sample.name,
            figure(mean(errors)),
            steps[self.step],
            figure(f64::from(most))
        );
        ui.label(RichText::new(text).color(shared.theme.faint()));
        let seen = (run.to_owned(), revision, self.sample);
        if self.seen.as_ref() != Some(&seen) {
            self.view.forget();
            self.seen = Some(seen);
        }
        let heat = errors.iter().map(|v| v.is_finite().then(|| v / most.max(f32::MIN_POSITIVE))).collect();
        let bounds = egui::vec2(ui.available_width(), (ui.available_height() - 120.0).clamp(80.0, 420.0));
        let name = format!("Errors of {} at step {}", sample.name, steps[self.step]);
        let (response, token) = self.view.show(ui, &name, sample, &Overlay::Heat(heat), bounds);
        if let Some(token) = token {
            let error = errors.get(token as usize).copied().filter(|v| v.is_finite());
            let error = error.map_or("not predicted".to_owned(), |v| format!("error {}", figure(f64::from(v))));
            response.on_hover_text(format!("Token {token}: {error}"));
        }
        let curve = Curve { name: "mean error".into(), colour: shared.theme.accent(), points };
        let across = [steps[0] as f64, steps[last] as f64];
        if let Some(at) = curve::show(ui, "Mean error over training", &[curve], across, steps[self.step] as f64) {
            let far = |i: &usize| (steps[*i] as f64 - at).abs();
            self.step = (0..=last).min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(last);
            self.follows.0 = self.step == last;
        }
        if errors.iter().all(|v| !v.is_finite()) {
            let text = "Nothing is predicted of this sample token by token";
            ui.label(RichText::new(text).color(shared.theme.band(Band::Doubtful)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_samples_says_so_and_a_damaged_file_is_named() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(Story::read(run.path()), Ok(None));
        std::fs::create_dir(run.path().join("samples")).unwrap();
        std::fs::write(run.path().join("samples/pictures.safetensors"), b"not a file of tensors").unwrap();
        assert!(Story::read(run.path()).unwrap_err().contains("pictures.safetensors"));
    }

    #[test]
    fn roles_become_lists_again() {
        let sets = masks(&[1, 0, 2, 6, 0, 4]);
        assert_eq!((sets.context, sets.target), (vec![vec![0]], vec![vec![2, 3], vec![3, 5]]));
    }
}
