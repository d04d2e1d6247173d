//! All that a run has said so far, as columns that can be drawn.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jepa_core::collapse::Diagnostics;
use jepa_core::probe::ProbeTable;
use jepa_core::runlog::{Event, RunState};

use super::block::{Block, Figures, Other};
use crate::widgets::number;

/// Before the name of a loss term, so that it cannot be mistaken for a figure of the step itself.
pub(super) const TERM: &str = "term:";

/// What a run has said.
#[derive(Debug, Default, Clone)]
pub struct History {
    steps: Vec<u64>,
    times: Vec<f64>,
    columns: BTreeMap<String, Vec<f32>>,
    /// Collapse figures, ascending.
    pub collapse: Vec<CollapseAt>,
    /// Probes, ascending.
    pub probes: Vec<Probed>,
    /// Accuracy in percent of the probe that learns beside the run, with the step it was said after, ascending.
    pub online: Vec<(u64, f64)>,
    /// Figures of events that have no name here, such as a newer trainer's, by kind and name: step and value.
    pub figures: BTreeMap<(String, String), Vec<[f64; 2]>>,
    /// Complete checkpoints as the run named them, ascending.
    pub checkpoints: Vec<(u64, PathBuf)>,
    /// Everything in words, in the order it was said.
    pub log: Vec<LogLine>,
    /// Steps of the whole run.
    pub total: Option<u64>,
    /// What is trained on, in words.
    pub data: Option<String>,
    /// Trained parameters.
    pub parameters: Option<usize>,
    /// Engine and replicas, in words.
    pub engine: Option<String>,
    /// How it ended, when it said so and did not begin again.
    pub end: Option<RunState>,
    /// Lines that were no event of this version.
    pub unknown: usize,
    /// Changes whenever rows were taken away: what was computed from them is stale.
    pub generation: u64,
}

/// Collapse figures after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapseAt {
    /// The step.
    pub step: u64,
    /// The figures.
    pub figures: Diagnostics,
}

/// Probes after a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// The step.
    pub step: u64,
    /// The figures.
    pub table: ProbeTable,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It happened.
    Info,
    /// A person should know.
    Warning,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// At which step, where it is said.
    pub step: Option<u64>,
    /// Seconds since 1970, where it is said.
    pub time: Option<f64>,
    /// How much it matters.
    pub level: Level,
    /// In words.
    pub text: String,
}

impl History {
    /// Step of every row, ascending.
    pub fn steps(&self) -> &[u64] {
        &self.steps
    }

    /// Seconds since 1970 of every row; not a number in logs that do not say it.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// A column, as long as [`Self::steps`].
    pub fn column(&self, name: &str) -> Option<&[f32]> {
        self.columns.get(name).map(Vec::as_slice)
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The last value of a column.
    pub fn last(&self, name: &str) -> Option<f32> {
        self.column(name)?.last().copied().filter(|v| v.is_finite())
    }

    /// The last step that was computed.
    pub fn step(&self) -> u64 {
        self.steps.last().copied().unwrap_or(0)
    }

    /// An empty history that is told apart from this one.
    pub fn anew(&self) -> Self {
        Self { generation: self.generation + 1, ..Self::default() }
    }

    /// Takes in what was read next.
    pub fn extend(&mut self, block: &Block) {
        let mut from = 0;
        for (rows, time, other) in &block.others {
            self.rows(block, from, *rows);
            from = *rows;
            match other {
                Other::Event(event) => self.event(*time, event),
                Other::Figures(figures) => self.figures(*time, figures),
            }
        }
        self.rows(block, from, block.steps.len());
        self.unknown += block.unknown;
    }

    fn rows(&mut self, block: &Block, from: usize, to: usize) {
        let mut start = from;
        while start < to {
            // A resumed or rolled-back run says some steps again: the later word counts.
            if self.steps.last().is_some_and(|last| *last >= block.steps[start]) {
                self.forget(block.steps[start]);
            }
            let mut end = start + 1;
            while end < to && block.steps[end] > block.steps[end - 1] {
                end += 1;
            }
            let known = self.steps.len();
            self.steps.extend_from_slice(&block.steps[start..end]);
            self.times.extend_from_slice(&block.times[start..end]);
            for (name, values) in &block.columns {
                let values = &values[start..end];
                match self.columns.get_mut(name) {
                    Some(column) => column.extend_from_slice(values),
                    None if values.iter().any(|v| !v.is_nan()) => {
                        let mut column = vec![f32::NAN; known];
                        column.extend_from_slice(values);
                        self.columns.insert(name.clone(), column);
                    }
                    None => {}
                }
            }
            self.columns.values_mut().for_each(|column| column.resize(self.steps.len(), f32::NAN));
            self.end = None;
            start = end;
        }
    }

    /// Takes back everything from `step` on.
    fn forget(&mut self, step: u64) {
        let kept = self.steps.partition_point(|s| *s < step);
        self.steps.truncate(kept);
        self.times.truncate(kept);
        self.columns.values_mut().for_each(|column| column.truncate(kept));
        self.collapse.retain(|c| c.step < step);
        self.probes.retain(|p| p.step < step);
        self.online.retain(|(at, _)| *at < step);
        self.figures.values_mut().for_each(|points| points.retain(|[at, _]| *at < step as f64));
        self.figures.retain(|_, points| !points.is_empty());
        self.checkpoints.retain(|(at, _)| *at < step);
        self.generation += 1;
    }

    fn figures(&mut self, time: f64, figures: &Figures) {
        let Figures { kind, step, values } = figures;
        for (name, value) in values {
            let points = self.figures.entry((kind.clone(), name.clone())).or_default();
            points.retain(|[at, _]| *at < *step as f64);
            points.push([*step as f64, *value]);
        }
        let words: Vec<String> = values.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        let text = format!("{}: {}", kind.replace('-', " "), words.join("; "));
        let time = Some(time).filter(|t| t.is_finite());
        self.log.push(LogLine { step: Some(*step), time, level: Level::Info, text });
    }

    fn event(&mut self, time: f64, event: &Event) {
        let time = Some(time).filter(|t| t.is_finite());
        let mut say = |level, step, text| self.log.push(LogLine { step, time, level, text });
        match event {
            Event::Start { step, steps, data, parameters, engine } => {
                let how = if *step == 1 { "Started" } else { "Went on" };
                say(Level::Info, Some(*step), format!("{how} at step {step} of {steps} on {engine}; data: {data}"));
                (self.total, self.parameters) = (Some(*steps), Some(*parameters));
                (self.data, self.engine) = (Some(data.clone()), Some(engine.clone()));
                self.end = None;
            }
            Event::Step { .. } => {}
            Event::Collapse { step, figures } => {
                self.collapse.retain(|c| c.step < *step);
                self.collapse.push(CollapseAt { step: *step, figures: *figures });
            }
            Event::Online { step, accuracy, .. } => {
                self.online.retain(|(at, _)| at < step);
                self.online.push((*step, *accuracy));
            }
            Event::Warning { step, message } => say(Level::Warning, Some(*step), message.clone()),
            Event::Alarm { step, alarm } => say(Level::Warning, Some(*step), alarm.to_string()),
            Event::Quarantine(entry) => say(Level::Warning, None, format!("A sample was left out: {}", entry.cause)),
            Event::Checkpoint { step, path } => {
                say(Level::Info, Some(*step), format!("Checkpoint of step {step}"));
                self.checkpoints.retain(|(at, _)| at < step);
                self.checkpoints.push((*step, path.clone()));
            }
            Event::Probes { step, table } => {
                say(Level::Info, Some(*step), table.to_string());
                self.probes.retain(|p| p.step < *step);
                self.probes.push(Probed { step: *step, table: table.clone() });
            }
            Event::End { step, state } => {
                let text = match state {
                    RunState::Finished => "Finished".to_owned(),
                    RunState::Interrupted => format!("Stopped on request after step {step} and saved"),
                    RunState::Failed => format!("Failed after step {step}"),
                    RunState::Running | RunState::Imported => format!("Ended after step {step}"),
                };
                say(if *state == RunState::Failed { Level::Warning } else { Level::Info }, Some(*step), text);
                self.end = Some(*state);
            }
            // An event that was added to the trainer after this was written is drawn by its figures.
            #[allow(unreachable_patterns)]
            other => {
                let figures = serde_json::to_value(other).ok().and_then(|value| Figures::of(&value));
                figures.into_iter().for_each(|figures| self.figures(time.unwrap_or(f64::NAN), &figures));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> History {
        let mut history = History::default();
        for line in lines {
            history.extend(&Block::read(format!("{line}\n").as_bytes()));
        }
        history
    }

    fn step(step: u64, loss: f64) -> String {
        format!(r#"{{"kind":"step","step":{step},"loss":{loss},"terms":{{}},"lr":0.1}}"#)
    }

    #[test]
    fn a_resumed_run_replaces_the_steps_it_computes_again() {
        let mut lines: Vec<String> = (1..=10).map(|s| step(s, s as f64)).collect();
        lines.insert(5, r#"{"kind":"checkpoint","step":5,"path":"c"}"#.into());
        lines.push(r#"{"kind":"start","step":6,"steps":20,"data":"d","parameters":1,"engine":"cpu"}"#.into());
        lines.extend((6..=7).map(|s| step(s, 100.0)));
        let history = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(history.steps(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(history.column("loss").unwrap()[4..], [5.0, 100.0, 100.0]);
        assert_eq!((history.checkpoints.len(), history.total, history.generation), (1, Some(20), 1));
    }

    #[test]
    fn figures_of_events_without_a_name_here_follow_the_run_when_it_goes_back() {
        let said = |step: u64, accuracy: f64| format!(r#"{{"kind":"elsewhere","step":{step},"accuracy":{accuracy}}}"#);
        let lines = [step(1, 1.0), said(1, 10.0), step(2, 1.0), said(2, 20.0), step(2, 0.5), said(2, 30.0)];
        let history = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let points = &history.figures[&("elsewhere".to_owned(), "accuracy".to_owned())];
        assert_eq!(points, &[[1.0, 10.0], [2.0, 30.0]]);
        assert!(history.log.iter().any(|line| line.text == "elsewhere: accuracy 30"));
    }

    #[test]
    fn the_online_probe_says_one_thing_of_a_step() {
        let said = |step: u64, accuracy: f64| {
            format!(r#"{{"kind":"online","step":{step},"accuracy":{accuracy},"loss":1.0,"samples":64,"time":1.0}}"#)
        };
        let lines =
            [step(1, 1.0), said(1, 10.0), step(2, 1.0), said(2, 20.0), step(3, 1.0), step(2, 1.0), said(2, 21.0)];
        assert_eq!(read(&lines.each_ref().map(String::as_str)).online, [(1, 10.0), (2, 21.0)]);
    }

    #[test]
    fn one_block_or_a_line_at_a_time_make_no_difference() {
        let mut lines: Vec<String> = [1, 2, 3, 4, 2, 3, 9, 1, 2].iter().map(|s| step(*s, *s as f64 * 0.5)).collect();
        lines.insert(3, r#"{"kind":"warning","step":3,"message":"m"}"#.into());
        lines.insert(6, r#"{"kind":"step","step":4,"loss":1.0,"terms":{"late":2.0}}"#.into());
        let slowly = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let mut whole = History::default();
        whole.extend(&Block::read((lines.join("\n") + "\n").as_bytes()));
        assert_eq!(slowly.steps(), whole.steps());
        assert_eq!(slowly.column("loss"), whole.column("loss"));
        assert_eq!(slowly.log, whole.log);
        assert!(whole.names().all(|name| whole.column(name).unwrap().len() == whole.steps().len()));
    }
}
