//! Means and spreads over seeds, as tables.

use std::fmt::Write as _;

use jepa_core::data::file::csv_field;
use jepa_core::probe::{RAW, TRAINED, UNTRAINED};
use serde::Serialize;

use super::cell::Measured;
use super::chart::{Chart, Series};
use super::entry::Entry;
use super::plan::Plan;

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) plan: &'a Plan,
    /// In the order of the plan.
    pub(crate) runs: Vec<Measured>,
    pub(crate) lines: Vec<Line>,
}

/// One accuracy over seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Of the competitor.
    pub(crate) name: String,
    pub(crate) variant: String,
    pub(crate) preset: String,
    pub(crate) probe: String,
    pub(crate) features: String,
    pub(crate) step: u64,
    /// Means over seeds.
    pub(crate) flops: f64,
    pub(crate) seconds: f64,
    pub(crate) mean: f64,
    /// Standard deviation over seeds; 0 for one.
    pub(crate) deviation: f64,
    pub(crate) seeds: usize,
}

/// What compute is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Flops,
    Time,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Unbiased; 0 for one value.
fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (squares / (values.len().max(2) - 1) as f64).sqrt()
}

impl<'a> Summary<'a> {
    /// Puts runs together.
    pub(crate) fn new(plan: &'a Plan, runs: Vec<Measured>) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        let mut values: Vec<Vec<f64>> = Vec::new();
        for run in &runs {
            for point in &run.points {
                for score in &point.scores {
                    let same = |line: &Line| {
                        (&line.name, &line.probe) == (&run.name, &score.probe)
                            && (line.step, &line.features) == (point.step, &score.features)
                    };
                    let at = lines.iter().position(same).unwrap_or_else(|| {
                        lines.push(Line {
                            name: run.name.clone(),
                            variant: run.variant.clone(),
                            preset: run.preset.clone(),
                            probe: score.probe.clone(),
                            features: score.features.clone(),
                            step: point.step,
                            flops: point.flops,
                            seconds: 0.0,
                            mean: 0.0,
                            deviation: 0.0,
                            seeds: 0,
                        });
                        values.push(Vec::new());
                        lines.len() - 1
                    });
                    let line = &mut lines[at];
                    line.seeds += 1;
                    line.seconds += (point.seconds - line.seconds) / line.seeds as f64;
                    values[at].push(score.accuracy);
                }
            }
        }
        for (line, values) in lines.iter_mut().zip(&values) {
            (line.mean, line.deviation) = (mean(values), deviation(values));
        }
        lines.sort_by_key(|line| line.step);
        Self { plan, runs, lines }
    }

    /// The lines of one kind of figure, in the order of their steps.
    fn of(&self, entry: &Entry, probe: &str, features: &str) -> Vec<&Line> {
        let name = entry.name();
        let of_it = |line: &&Line| line.name == name && line.probe == probe && line.features == features;
        self.lines.iter().filter(of_it).collect()
    }

    /// The first of them.
    fn first(&self, entry: &Entry, probe: &str, features: &str) -> Option<&Line> {
        self.of(entry, probe, features).first().copied()
    }

    /// What a variant came to at the end.
    fn end(&self, entry: &Entry, probe: &str) -> Option<&Line> {
        self.of(entry, probe, TRAINED).last().copied()
    }

    /// A line a variant at the end of its runs, raw values last.
    pub(crate) fn markdown(&self) -> String {
        let probes = &self.plan.request.probes;
        let label = |probe: &str| {
            if probe == "low-shot" { format!("{} labels a class", self.plan.request.shots) } else { probe.to_owned() }
        };
        let mut text = String::from("| variant | steps | samples | TFLOP | seconds | M parameters |");
        for probe in probes {
            let _ = write!(text, " {} | untrained |", label(probe));
        }
        text.push_str(" alarms |\n|---|---|---|---|---|---|");
        text.push_str(&"---|---|".repeat(probes.len()));
        text.push_str("---|\n");
        for entry in &self.plan.entries {
            let name = entry.name();
            let runs = || self.runs.iter().filter(|run| run.name == name);
            let parameters = runs().next().map_or(0.0, |run| run.parameters as f64 / 1e6);
            let alarmed = runs().filter(|run| run.alarms > 0).count();
            let seconds = probes.first().and_then(|probe| self.end(entry, probe)).map_or(0.0, |line| line.seconds);
            let flops = entry.steps as f64 * entry.flops / 1e12;
            let samples = entry.steps * entry.batch;
            let cost = format!("{} | {samples} | {flops:.3} | {seconds:.1}", entry.steps);
            let _ = write!(text, "| `{name}` | {cost} | {parameters:.2} |");
            for probe in probes {
                let untrained = self.first(entry, probe, UNTRAINED);
                let _ = write!(text, " {} | {} |", figure(self.end(entry, probe)), figure(untrained));
            }
            let _ = writeln!(text, " {alarmed} of {} |", runs().count());
        }
        text.push_str("| raw values | | | | | |");
        for probe in probes {
            let raw = self.plan.entries.first().and_then(|entry| self.first(entry, probe, RAW));
            let _ = write!(text, " {} | |", figure(raw));
        }
        text.push_str(" |\n");
        text
    }

    /// A line for every accuracy of every run.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("name,variant,preset,seed,step,flops,seconds,probe,features,accuracy\n");
        for run in &self.runs {
            for point in &run.points {
                for score in &point.scores {
                    let _ = writeln!(
                        text,
                        "{},{},{},{},{},{},{:.3},{},{},{:.3}",
                        csv_field(&run.name),
                        run.variant,
                        run.preset,
                        run.seed,
                        point.step,
                        point.flops,
                        point.seconds,
                        score.probe,
                        score.features,
                        score.accuracy
                    );
                }
            }
        }
        text
    }

    /// The first probe's accuracy against compute: one line a variant, a standard deviation shaded around it, raw values
    /// dashed.
    pub(crate) fn chart(&self, axis: Axis) -> Chart {
        let probe = self.plan.request.probes.first().map_or("", |probe| &probe[..]);
        let place = |line: &Line| match axis {
            Axis::Flops => line.flops,
            Axis::Time => line.seconds,
        };
        let series = self.plan.entries.iter().map(|entry| {
            let lines = self.first(entry, probe, UNTRAINED).into_iter().chain(self.of(entry, probe, TRAINED));
            Series { name: entry.name(), points: lines.map(|line| [place(line), line.mean, line.deviation]).collect() }
        });
        let series: Vec<Series> = series.collect();
        let raw = self.plan.entries.first().and_then(|entry| self.first(entry, probe, RAW)).map(|line| line.mean);
        let largest = series.iter().flat_map(|s| &s.points).map(|p| p[0]).fold(0.0, f64::max);
        let (unit, name) = match axis {
            Axis::Time => (1.0, "seconds of training"),
            Axis::Flops if largest < 1e12 => (1e9, "operations of training, 1e9"),
            Axis::Flops => (1e12, "operations of training, 1e12"),
        };
        let seeds = self.plan.request.seeds.len();
        let scaled = series
            .into_iter()
            .map(|s| Series { points: s.points.into_iter().map(|[x, y, d]| [x / unit, y, d]).collect(), ..s });
        Chart {
            title: format!("{probe} accuracy in %, {seeds} seed{}", if seeds == 1 { "" } else { "s" }),
            across: name.to_owned(),
            series: scaled.collect(),
            level: raw.map(|raw| (raw, "raw values".to_owned())),
        }
    }
}

fn figure(line: Option<&Line>) -> String {
    match line {
        Some(line) if line.seeds > 1 => format!("{:.1} ± {:.1}", line.mean, line.deviation),
        Some(line) => format!("{:.1}", line.mean),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::cell::{Measure, Score};
    use crate::compare::plan::{Equal, Request};

    fn plan() -> Plan {
        let entry = |variant: &str| Entry {
            named: None,
            variant: variant.into(),
            preset: "p".into(),
            assignments: Vec::new(),
            steps: 10,
            flops: 1e11,
            batch: 8,
        };
        Plan {
            request: Request {
                variants: vec!["a".into(), "b".into()],
                preset: None,
                data: None,
                assignments: Vec::new(),
                seeds: vec![0, 1],
                equal: Equal::Steps,
                budget: None,
                points: 1,
                probes: vec!["linear".into()],
                shots: 12,
            },
            entries: vec![entry("a"), entry("b")],
        }
    }

    fn run(variant: &str, seed: u64, accuracy: f64) -> Measured {
        let score = |features: &str, accuracy| Score { probe: "linear".into(), features: features.into(), accuracy };
        let points = vec![
            Measure {
                step: 0,
                flops: 0.0,
                seconds: 0.0,
                scores: vec![score(UNTRAINED, 50.0 + seed as f64), score(RAW, 80.0)],
            },
            Measure { step: 10, flops: 1e12, seconds: 2.0 + seed as f64, scores: vec![score(TRAINED, accuracy)] },
        ];
        Measured {
            name: format!("{variant}/p"),
            variant: variant.into(),
            preset: "p".into(),
            seed,
            steps: 10,
            parameters: 500_000,
            alarms: 0,
            points,
        }
    }

    #[test]
    fn tables_hold_means_and_deviations_over_seeds() {
        let plan = plan();
        let runs = vec![run("a", 0, 70.0), run("a", 1, 74.0), run("b", 0, 60.0), run("b", 1, 60.0)];
        let summary = Summary::new(&plan, runs);
        let markdown = summary.markdown();
        assert!(
            markdown.contains("| `a/p` | 10 | 80 | 1.000 | 2.5 | 0.50 | 72.0 ± 2.8 | 50.5 ± 0.7 | 0 of 2 |"),
            "{markdown}"
        );
        assert!(
            markdown.contains("60.0 ± 0.0") && markdown.contains("| raw values | | | | | | 80.0 ± 0.0 |"),
            "{markdown}"
        );
        let columns: Vec<usize> = markdown.lines().map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|count| *count == columns[0]), "{markdown}");
        let csv = summary.csv();
        assert_eq!(csv.lines().count(), 1 + 4 * 3);
        assert!(csv.contains("a/p,a,p,1,10,1000000000000,3.000,linear,trained encoder,74.000"), "{csv}");
        let chart = summary.chart(Axis::Flops);
        assert_eq!(chart.series[0].points[0], [0.0, 50.5, 0.5f64.sqrt()]);
        assert_eq!((chart.series[0].points[1][0], chart.series[0].points[1][1]), (1.0, 72.0));
        assert_eq!(chart.level, Some((80.0, "raw values".to_owned())));
        assert_eq!(summary.chart(Axis::Time).series[0].points[1][0], 2.5);
    }

    #[test]
    fn two_settings_of_one_variant_are_two_lines() {
        let mut plan = plan();
        plan.entries[1] = Entry { named: Some("a, otherwise".into()), variant: "a".into(), ..plan.entries[0].clone() };
        let otherwise = |run: Measured| Measured { name: "a, otherwise".into(), ..run };
        let summary = Summary::new(&plan, vec![run("a", 0, 70.0), otherwise(run("a", 0, 40.0))]);
        let markdown = summary.markdown();
        assert!(markdown.contains("| `a/p` | 10 |") && markdown.contains("| `a, otherwise` | 10 |"), "{markdown}");
        assert!(markdown.contains(" 70.0 | 50.0 |") && markdown.contains(" 40.0 | 50.0 |"), "{markdown}");
        assert!(summary.csv().contains("\"a, otherwise\",a,p,0,10,"), "{}", summary.csv());
        assert_eq!(summary.chart(Axis::Flops).series[1].name, "a, otherwise");
    }
}
