//! What a run is, how it stands, and what can be done about it.

use std::path::Path;

use egui::{RichText, Ui};

use super::branch::BranchDialog;
use crate::runs::{Branch, Standing, TRASH};
use crate::shared::{Action, Shared, name_of};
use crate::theme::Band;
use crate::widgets;

pub(super) fn ui(ui: &mut Ui, run: &Path, shared: &mut Shared, branch: &mut BranchDialog) {
    let summary = shared.library.get(run).cloned();
    let ours = shared.children.running().any(|r| r == run);
    let color = shared.run_color(run);
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(6.0, 26.0), egui::Sense::hover());
        ui.painter().rect_filled(rect, 2.0, color);
        ui.label(RichText::new(name_of(run)).heading()).on_hover_text(run.display().to_string());
        match &summary {
            Some(summary) => {
                let band = match summary.standing {
                    Standing::Running | Standing::Finished => Band::Good,
                    Standing::Interrupted | Standing::Imported => Band::Doubtful,
                    Standing::Died | Standing::Failed => Band::Bad,
                };
                let state = RichText::new(summary.standing.word()).strong().color(shared.theme.band(band));
                ui.label(state).on_hover_text(explained(summary.standing));
                // What the child said of its device is more than the name it was asked for by.
                let said = shared.followers.get(run).and_then(|f| f.history.engine.clone());
                let engine = said.unwrap_or_else(|| summary.info.engine.clone());
                let what = format!("{} / {} on {engine}", summary.info.variant, summary.info.preset);
                ui.label(RichText::new(what).weak());
                if let Some(Branch { parent, step }) = Branch::of(run) {
                    ui.label(RichText::new(format!("branch of {parent} at step {step}")).weak());
                }
            }
            None if ours => drop(ui.weak("starting")),
            None => drop(ui.weak("not in the list of runs")),
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            actions(ui, run, summary.as_ref().map(|s| s.standing), ours, shared, branch);
        });
    });
    progress(ui, run, shared);
}

fn actions(
    ui: &mut Ui,
    run: &Path,
    standing: Option<Standing>,
    ours: bool,
    shared: &mut Shared,
    branch: &mut BranchDialog,
) {
    if ui.button("Embeddings").on_hover_text("See what its encoder makes of samples").clicked() {
        shared.ask(Action::OpenEmbeddings(run.to_owned()));
    }
    if ui.button("Branch…").on_hover_text("A new run that goes on from one of its checkpoints").clicked() {
        branch.open();
    }
    if !ours && standing.is_some_and(|standing| standing != Standing::Running) {
        let hint = format!("Moves the run folder to {TRASH} beside it; can be undone");
        if ui.button("Delete").on_hover_text(hint).clicked() {
            shared.ask(Action::Trash(run.to_owned()));
        }
    }
    if standing.is_some_and(Standing::can_resume) && !ours {
        let hint = "Go on from the last checkpoint, with the same configuration";
        if ui.button(RichText::new("Resume").strong()).on_hover_text(hint).clicked() {
            resume(run, shared);
        }
    }
    if ours || standing == Some(Standing::Running) {
        match shared.children.stopping(run) {
            None => {
                let hint = "Saves after the current step and ends, as Ctrl-C in the terminal does";
                if ui.button(RichText::new("Stop").strong()).on_hover_text(hint).clicked() {
                    shared.ask(Action::Stop(run.to_owned()));
                }
            }
            Some(late) => {
                ui.weak("saving…");
                let hint = "Ends the process at once; the last checkpoint stays";
                if late
                    && ui.button("End it now").on_hover_text(hint).clicked()
                    && let Err(error) = shared.children.kill(run)
                {
                    shared.notices.error(error.to_string());
                }
            }
        }
    }
}

/// Starts the run again from its last checkpoint.
pub(super) fn resume(run: &Path, shared: &mut Shared) {
    let Some(summary) = shared.library.get(run) else {
        shared.notices.error("this run is not in the list of runs: choose its folder again");
        return;
    };
    if !summary.standing.can_resume() {
        let problem = format!("a run that is {} cannot be resumed", summary.standing.word());
        shared.notices.error(problem);
        return;
    }
    let out = run.display().to_string();
    let mut arguments = vec!["train".into(), summary.info.variant.clone(), "--resume".into(), "--out".into(), out];
    if summary.info.engine != "none" {
        arguments.extend(["--device".to_owned(), summary.info.engine.clone()]);
    }
    shared.ask(Action::Launch { arguments, out: run.to_owned() });
}

fn progress(ui: &mut Ui, run: &Path, shared: &Shared) {
    let Some(follower) = shared.followers.get(run) else { return };
    let history = &follower.history;
    let (step, rate) = (history.step(), history.last("rate").unwrap_or(0.0));
    ui.horizontal(|ui| {
        if let Some(total) = history.total.filter(|t| *t > 0) {
            let bar = egui::ProgressBar::new(step as f32 / total as f32).desired_width(220.0);
            ui.add(bar.text(format!("step {step} of {total}")));
            if let Some(seconds) = left(history, total).filter(|_| history.end.is_none() && step > 0) {
                ui.label(format!("{} left", widgets::duration(seconds)));
            }
        }
        if rate > 0.0 {
            ui.label(RichText::new(widgets::rate(f64::from(rate))).weak());
        }
        if let Some(loss) = history.last("loss") {
            ui.label(RichText::new(format!("loss {}", widgets::figure(f64::from(loss)))).weak());
        }
        if let Some(parameters) = history.parameters {
            ui.label(RichText::new(format!("{}parameters", spaced(parameters))).weak());
        }
        if let Some(data) = &history.data {
            ui.add(egui::Label::new(RichText::new(data).weak()).truncate());
        }
    });
}

fn spaced(parameters: usize) -> String {
    format!("{} ", widgets::count(parameters as f64))
}

/// Seconds to the end, from the pace of the last steps.
fn left(history: &crate::runs::History, total: u64) -> Option<f64> {
    let (steps, times) = (history.steps(), history.times());
    let from = steps.len().saturating_sub(100);
    let pace = (times.last()? - times.get(from)?) / (steps.last()? - steps.get(from)?).max(1) as f64;
    (pace > 0.0).then(|| pace * total.saturating_sub(*steps.last().unwrap_or(&0)) as f64)
}

fn explained(standing: Standing) -> &'static str {
    match standing {
        Standing::Running => "A process trains in this folder now",
        Standing::Died => "Its process ended without a word; it can go on from its last checkpoint",
        Standing::Finished => "All steps are done",
        Standing::Interrupted => "It was stopped and saved; it can go on",
        Standing::Failed => "It ended with an error: see the log; it can go on when the cause is removed",
        Standing::Imported => "Weights of another project, never trained here",
    }
}
