//! How a run looks in the terminal: a bar, a line now and then, everything on standard error.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jepa_core::runlog::{Event, Observer};

/// Prints the events of a run.
#[derive(Default)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    printed: Option<Instant>,
    /// Accuracy of the online probe, in percent.
    online: Option<f64>,
}

/// Without a terminal a line is printed this often.
const PLAIN: Duration = Duration::from_secs(10);

impl Progress {
    fn line(&self, text: impl AsRef<str>) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(text),
            _ => eprintln!("{}", text.as_ref()),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Start { step, steps, data, parameters, engine } => {
                self.line(format!("data: {data}"));
                self.line(format!(
                    "{:.2} M trained parameters on {engine}, steps {step} to {steps}",
                    *parameters as f64 / 1e6
                ));
                let bar = ProgressBar::with_draw_target(Some(*steps), ProgressDrawTarget::stderr_with_hz(5));
                let template = "{elapsed_precise} [{bar:30}] {pos}/{len}  {msg}  {eta} left";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_position(step - 1);
                bar.reset_eta();
                self.bar = Some(bar);
            }
            Event::Step { step, loss, terms, rate, .. } => {
                let Some(bar) = &self.bar else { return };
                let terms: Vec<String> = terms.iter().map(|(name, v)| format!("{name} {}", number(*v))).collect();
                let online = self.online.map_or(String::new(), |accuracy| format!(", online probe {accuracy:.1} %"));
                let text = format!("loss {loss:.4} ({}), {rate:.0} samples/s{online}", terms.join(", "));
                bar.set_position(*step);
                bar.set_message(text.clone());
                let due = self.printed.is_none_or(|at| at.elapsed() > PLAIN);
                if bar.is_hidden() && due {
                    eprintln!("step {step}/{}: {text}", bar.length().unwrap_or(0));
                    self.printed = Some(Instant::now());
                }
            }
            Event::Collapse { step, figures } => {
                let apart = figures.student_distance.map_or(String::new(), |d| format!(", student to target {d:.4}"));
                self.line(format!(
                    "step {step}: embedding std {:.4}, RankMe {:.1}, participation {:.1}, content {:.2}{apart}",
                    figures.std, figures.rank_me, figures.participation, figures.content
                ));
            }
            Event::Online { accuracy, .. } => self.online = Some(*accuracy),
            Event::Alarm { step, alarm } => self.line(format!("ALARM, step {step}: {alarm}")),
            Event::Warning { step, message } => self.line(format!("warning, step {step}: {message}")),
            Event::Quarantine(entry) => self.line(format!("left out: {}", entry.cause)),
            Event::Checkpoint { .. } => {}
            Event::Probes { table, .. } => {
                self.finish();
                self.line(table.to_string());
            }
            Event::End { .. } => self.finish(),
        }
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.4}") }
}
