//! What surrounds a screen: navigation, the run in focus, the state of things.

use egui::{RichText, Ui};

use super::App;
use crate::runs::Standing;
use crate::screens::ScreenId;
use crate::shared::Action;
use crate::theme::Band;

/// Navigation and the run in focus.
pub(super) fn top(app: &mut App, ui: &mut Ui) {
    let frame = egui::Frame::side_top_panel(ui.style()).inner_margin(egui::Margin::symmetric(12, 7));
    egui::Panel::top("navigation").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new("JEPA").strong().size(16.0).color(app.shared.theme.accent()));
            ui.add_space(8.0);
            for (i, screen) in ScreenId::ALL.into_iter().enumerate() {
                let hint = format!("{} (Ctrl+{})", screen.help(), i + 1);
                if ui.selectable_label(app.screen == screen, screen.title()).on_hover_text(hint).clicked() {
                    app.show(screen);
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                theme_button(app, ui);
                if ui.button("Commands…").on_hover_text("Everything by name (Ctrl+P)").clicked() {
                    app.palette.open();
                }
                run_chooser(app, ui);
            });
        });
    });
}

fn theme_button(app: &mut App, ui: &mut Ui) {
    let next = if app.shared.theme.dark { "light" } else { "dark" };
    let label = if app.shared.theme.dark { "Light" } else { "Dark" };
    if ui.button(label).on_hover_text(format!("Switch to the {next} theme")).clicked() {
        app.choose_theme(next, ui.ctx());
    }
}

fn run_chooser(app: &mut App, ui: &mut Ui) {
    let shared = &mut app.shared;
    let focused = shared.selection.run.clone();
    let name = focused.as_deref().map_or_else(|| "no run chosen".to_owned(), crate::shared::name_of);
    let mut chosen = None;
    let response = egui::ComboBox::from_id_salt("run in focus").width(220.0).selected_text(name).show_ui(ui, |ui| {
        for run in &shared.library.runs {
            let text = format!("{} · {}", run.name, run.standing.word());
            if ui.selectable_label(Some(&run.path) == focused.as_ref(), text).clicked() {
                chosen = Some(run.path.clone());
            }
        }
        if shared.library.runs.is_empty() {
            ui.label(RichText::new(format!("no runs in {}", shared.library.folder.display())).weak());
        }
        ui.separator();
        if ui.button("Another run folder…").clicked() {
            shared.asked.push(Action::ChooseRun);
        }
    });
    response.response.on_hover_text("The run that Run, Embeddings and Sample show");
    if let Some(run) = chosen {
        shared.selection.run = Some(run);
        if matches!(app.screen, ScreenId::Start | ScreenId::Launch) {
            app.show(ScreenId::Run);
        }
    }
}

/// The state of things.
pub(super) fn bottom(app: &mut App, ui: &mut Ui) {
    egui::Panel::bottom("state").show(ui, |ui| {
        ui.horizontal(|ui| {
            let shared = &mut app.shared;
            let training = shared.library.runs.iter().filter(|r| r.standing == Standing::Running).count();
            let words = match training {
                0 => "nothing is training".to_owned(),
                1 => "1 run is training".to_owned(),
                n => format!("{n} runs are training"),
            };
            ui.label(RichText::new(words).small());
            ui.separator();
            let folder = shared.library.folder.display().to_string();
            let button = egui::Button::new(RichText::new(format!("folder of runs: {folder}")).small()).frame(false);
            if ui.add(button).on_hover_text("Choose another folder of runs…").clicked() {
                shared.asked.push(Action::ChooseRuns);
            }
            if let Some(problem) = &shared.library.problem {
                ui.label(RichText::new(problem).small().color(shared.theme.band(Band::Bad)));
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let drawn = shared.adapters.first().map_or("no window", String::as_str);
                ui.label(RichText::new(format!("drawn by {drawn}")).small().weak());
                if let Some(name) = shared.compute.name() {
                    let text = RichText::new(format!("computed by {name}")).small().weak();
                    ui.label(text).on_hover_text(format!("This window: {}", shared.compute));
                }
                if shared.program.is_none() {
                    let text = RichText::new("training program not found").small();
                    ui.label(text.color(shared.theme.band(Band::Bad))).on_hover_text(
                        "Start this app with `cargo xtask gui`, or name the program in JEPA_XTASK; runs can be looked at without it",
                    );
                }
            });
        });
    });
}

/// Graphics adapters in words, the one in use first.
pub(super) fn adapters(state: &eframe::egui_wgpu::RenderState) -> Vec<String> {
    let words = |adapter: &eframe::wgpu::Adapter| {
        let info = adapter.get_info();
        let kind = match info.device_type {
            eframe::wgpu::DeviceType::Cpu => " (software)",
            eframe::wgpu::DeviceType::IntegratedGpu => " (integrated)",
            eframe::wgpu::DeviceType::VirtualGpu => " (virtual)",
            _ => "",
        };
        format!("{}{kind}, {}", info.name, format!("{:?}", info.backend).to_lowercase())
    };
    let mut found = vec![words(&state.adapter)];
    for adapter in state.available_adapters.iter().map(words) {
        if !found.contains(&adapter) {
            found.push(adapter);
        }
    }
    found
}
