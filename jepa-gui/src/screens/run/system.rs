//! What the machine is doing, and how much of it this run's process does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use egui::{RichText, Ui};
use egui_plot::{Line, Plot, PlotPoints};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::jobs::{Job, Update};
use crate::theme::Theme;
use crate::widgets;

/// One look at the machine.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    /// Percent of all cores.
    cores: f32,
    /// Bytes in use, and all there are.
    memory: [u64; 2],
    /// Percent of one core and bytes of the training process.
    process: Option<(f32, u64)>,
}

/// The panel's state.
#[derive(Default)]
pub(super) struct SystemPanel {
    job: Option<Job<Load>>,
    of: Option<u32>,
    loads: VecDeque<Load>,
    wanted: Option<Instant>,
}

/// Looks kept, one a second.
const KEPT: usize = 300;

impl SystemPanel {
    pub(super) fn poll(&mut self, context: &egui::Context, process: Option<u32>) {
        while let Some(update) = self.job.as_mut().and_then(Job::poll) {
            if let Update::Partial(load) | Update::Done(load) = update {
                self.loads.push_back(load);
                if self.loads.len() > KEPT {
                    self.loads.pop_front();
                }
            }
        }
        // Nobody looks: nobody measures.
        let looked = self.wanted.is_some_and(|at| at.elapsed() < Duration::from_secs(3));
        if !looked {
            self.job = None;
            return;
        }
        if self.job.is_none() || self.of != process {
            self.of = process;
            self.job = Some(Job::start("System", context, move |worker| {
                let (mut system, id) = (System::new(), process.map(Pid::from_u32));
                while !worker.is_cancelled() {
                    worker.publish(look(&mut system, id));
                    std::thread::sleep(Duration::from_secs(1));
                }
                Ok(Load::default())
            }));
        }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, theme: Theme) {
        self.wanted = Some(Instant::now());
        ui.label(RichText::new("System").strong());
        let Some(last) = self.loads.back().copied() else {
            ui.weak("Measuring…");
            ui.ctx().request_repaint_after(Duration::from_secs(1));
            return;
        };
        let [used, all] = last.memory;
        self.line(ui, "Cores", format!("{:.0} %", last.cores), theme.category(0), 100.0, |l| f64::from(l.cores));
        let memory = format!("{} of {}", widgets::size(used as f64), widgets::size(all as f64));
        self.line(ui, "Memory", memory, theme.category(2), all as f64, |l| l.memory[0] as f64);
        match last.process {
            Some((cores, bytes)) => {
                let text = format!("{:.1} cores, {}", cores / 100.0, widgets::size(bytes as f64));
                self.line(ui, "This run", text, theme.category(4), 0.0, |l| l.process.map_or(0.0, |p| f64::from(p.0)));
            }
            None => drop(ui.label(RichText::new("No process trains in this run").small().weak())),
        }
    }

    fn line(&self, ui: &mut Ui, name: &str, text: String, color: egui::Color32, top: f64, pick: fn(&Load) -> f64) {
        ui.horizontal(|ui| {
            ui.allocate_ui_with_layout(
                egui::vec2(200.0, 26.0),
                egui::Layout::left_to_right(egui::Align::Center),
                |ui| {
                    ui.set_min_width(200.0);
                    ui.label(name);
                    ui.label(RichText::new(text).small().weak());
                },
            );
            let points: Vec<[f64; 2]> = self.loads.iter().enumerate().map(|(i, l)| [i as f64, pick(l)]).collect();
            Plot::new(("system", name))
                .height(26.0)
                .width(ui.available_width())
                .show_axes(false)
                .show_grid(false)
                .show_background(false)
                .allow_drag(false)
                .allow_zoom(false)
                .allow_scroll(false)
                .allow_boxed_zoom(false)
                .include_y(0.0)
                .include_y(top)
                .label_formatter(|_| None)
                .show(ui, |plot| plot.line(Line::new(name, PlotPoints::from(points)).color(color)));
        });
    }
}

fn look(system: &mut System, process: Option<Pid>) -> Load {
    system.refresh_cpu_usage();
    system.refresh_memory();
    let own = process.and_then(|id| {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, what);
        system.process(id).map(|p| (p.cpu_usage(), p.memory()))
    });
    Load { cores: system.global_cpu_usage(), memory: [system.used_memory(), system.total_memory()], process: own }
}
