//! The first screen: variants as cards with a picture of their masks, and the runs there are.

use std::cmp::Reverse;

use egui::{RichText, Ui};
use jepa_core::data::Split;
use jepa_core::plugin::{DataPreview, Description, Kind, Plugin, PreviewRequest, Settings, Shown};
use jepa_core::runlog;

use super::{Command, Screen, ScreenId};
use crate::jobs::{Job, Update};
use crate::runs::Standing;
use crate::shared::{Action, Shared};
use crate::theme::Band;
use crate::widgets::{self, picture};

/// The screen's state.
#[derive(Default)]
pub struct Start {
    cards: Option<Result<Vec<Card>, String>>,
    filter: String,
}

/// A variant in the gallery.
struct Card {
    plugin: &'static Plugin,
    job: Option<Job<DataPreview>>,
    found: Option<Result<DataPreview, String>>,
    view: picture::PictureView,
    preset: String,
}

/// Points across of a card: at least, and at most; between them cards fill the window.
const WIDTH: [f32; 2] = [300.0, 440.0];
/// Points of a card across that its frame takes.
const FRAME: f32 = 26.0;
/// Points down of its picture.
const PICTURE: f32 = 132.0;

impl Screen for Start {
    fn id(&self) -> ScreenId {
        ScreenId::Start
    }

    fn poll(&mut self, _context: &egui::Context, _shared: &mut Shared) {
        let cards = self.cards.get_or_insert_with(|| {
            let mut plugins = jepa_core::plugin::variants().map_err(|e| e.to_string())?;
            // The modality with the most variants first; what is there to be compared with comes last.
            let all = plugins.clone();
            let of = |modality: &str| all.iter().filter(|other| other.description.modality == modality).count();
            plugins.sort_by_key(|plugin| {
                let Description { modality, kind, .. } = plugin.description;
                (kind == Kind::Comparison, Reverse(of(modality)), modality)
            });
            Ok(plugins.into_iter().map(Card::new).collect())
        });
        let Ok(cards) = cards else { return };
        for card in cards.iter_mut() {
            match card.job.as_mut().and_then(Job::poll) {
                Some(Update::Done(found)) => card.found = Some(Ok(found)),
                Some(Update::Failed(problem)) => card.found = Some(Err(problem)),
                Some(Update::Partial(_)) | None => {}
            }
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &mut Shared) {
        let right = egui::Panel::right("recent runs").default_size(300.0).size_range(220.0..=460.0);
        right.show(ui, |ui| {
            // A panel keeps the width of what it holds: a sentence alone would make it narrower frame by frame.
            ui.take_available_width();
            recent(ui, shared);
        });
        egui::CentralPanel::no_frame().show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.vertical(|ui| {
                    ui.heading("What should learn to predict what?");
                    ui.weak(
                        "A JEPA predicts the representation of what is hidden from the representation of what is seen.",
                    );
                });
                ui.with_layout(egui::Layout::right_to_left(egui::Align::TOP), |ui| {
                    ui.add_space(14.0);
                    let edit =
                        egui::TextEdit::singleline(&mut self.filter).hint_text("Find a variant").desired_width(160.0);
                    let response = ui.add(edit);
                    response.ctx.accesskit_node_builder(response.id, |node| node.set_label("Find a variant"));
                });
            });
            ui.add_space(8.0);
            match &mut self.cards {
                None => widgets::waiting(ui, "Looking for variants", &Default::default()),
                Some(Err(problem)) => {
                    if widgets::failed(ui, "The variants cannot be listed", problem) {
                        self.cards = None;
                    }
                }
                Some(Ok(cards)) => {
                    begin_next(cards, ui.ctx());
                    let wanted = self.filter.to_lowercase();
                    let shown: Vec<&mut Card> = cards.iter_mut().filter(|card| card.says(&wanted)).collect();
                    if shown.is_empty() {
                        ui.weak(format!("No variant mentions “{}”", self.filter));
                    }
                    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| gallery(ui, shown, shared));
                }
            }
        });
    }

    fn commands(&self, _shared: &Shared) -> Vec<Command> {
        let cards = self.cards.iter().flatten().flatten();
        cards
            .map(|card| {
                let d = &card.plugin.description;
                Command { id: d.id.into(), title: format!("Try {} now", d.title), keys: "", global: true }
            })
            .collect()
    }

    fn command(&mut self, id: &str, _context: &egui::Context, shared: &mut Shared) {
        if let Some(card) = self.cards.iter().flatten().flatten().find(|card| card.plugin.description.id == id) {
            card.try_now(shared);
        }
    }
}

/// Begins a picture, one after the other and only while somebody looks: the machine may be busy training.
fn begin_next(cards: &mut [Card], context: &egui::Context) {
    if !cards.iter().any(|card| card.job.as_ref().is_some_and(Job::is_running))
        && let Some(card) = cards.iter_mut().find(|card| card.job.is_none())
    {
        card.begin(context);
    }
}

fn gallery(ui: &mut Ui, cards: Vec<&mut Card>, shared: &mut Shared) {
    let gap = ui.spacing().item_spacing.x;
    let room = ui.available_width() - gap;
    let columns = ((room + gap) / (WIDTH[0] + gap)).floor().max(1.0);
    let width = ((room + gap) / columns - gap).floor().clamp(WIDTH[0], WIDTH[1]);
    let mut cards = cards.into_iter().peekable();
    while cards.peek().is_some() {
        ui.horizontal_top(|ui| {
            for card in cards.by_ref().take(columns as usize) {
                card.ui(ui, width - FRAME, shared);
            }
        });
        ui.add_space(6.0);
    }
}

impl Card {
    fn new(plugin: &'static Plugin) -> Self {
        let first = plugin.presets().ok().and_then(|presets| Some(presets.first()?.name.clone()));
        Self { plugin, job: None, found: None, view: Default::default(), preset: first.unwrap_or_default() }
    }

    fn begin(&mut self, context: &egui::Context) {
        let (plugin, preset) = (self.plugin, self.preset.clone());
        self.job = Some(Job::start(format!("Picture of {}", plugin.description.id), context, move |_| {
            let settings = Settings { preset: Some(preset), data: Some("builtin".into()), ..Settings::default() };
            let samples = Shown::Batch { step: 1, count: 1 };
            let request = PreviewRequest { settings, split: Split::Train, samples };
            plugin.preview(&request).map_err(|e| e.to_string())
        }));
    }

    fn says(&self, wanted: &str) -> bool {
        let Description { id, title, summary, paper, modality, .. } = self.plugin.description;
        [id, title, summary, paper, modality].iter().any(|text| text.to_lowercase().contains(wanted))
    }

    /// Starts the first preset on built-in data.
    fn try_now(&self, shared: &mut Shared) {
        let id = self.plugin.description.id;
        let out = shared.new_run(id, &self.preset);
        let arguments =
            ["train", id, "--preset", &self.preset, "--data", "builtin", "--out", &out.display().to_string()];
        shared.ask(Action::Launch { arguments: arguments.map(str::to_owned).to_vec(), out });
    }

    /// Draws it, its contents `width` points across.
    fn ui(&mut self, ui: &mut Ui, width: f32, shared: &mut Shared) {
        let Description { title, summary, paper, modality, kind, .. } = self.plugin.description;
        egui::Frame::group(ui.style()).fill(ui.visuals().window_fill).inner_margin(12.0).show(ui, |ui| {
            ui.set_width(width);
            ui.vertical(|ui| {
                ui.horizontal(|ui| {
                    ui.label(RichText::new(title).strong().size(17.0));
                    ui.label(RichText::new(modality).small().weak());
                    if kind == Kind::Comparison {
                        ui.label(RichText::new("comparison").small().color(shared.theme.band(Band::Doubtful)))
                            .on_hover_text("Not a JEPA: here to be compared with");
                    }
                });
                let size = egui::vec2(width, PICTURE);
                ui.allocate_ui(size, |ui| {
                    ui.set_min_size(size);
                    ui.centered_and_justified(|ui| self.picture(ui, size));
                });
                ui.add(egui::Label::new(summary).wrap());
                self.sentence(ui);
                ui.label(RichText::new(paper).small().weak());
                ui.add_space(2.0);
                ui.horizontal(|ui| {
                    let button = egui::Button::new(RichText::new(format!("Try {title} now")).strong());
                    let hint = format!("Train the preset `{}` on built-in data: {}", self.preset, self.data());
                    if ui.add(button).on_hover_text(hint).clicked() {
                        self.try_now(shared);
                    }
                    let button =
                        ui.button("Set up…").on_hover_text("Presets, own data, every setting, the exact command");
                    if button.clicked() {
                        shared.ask(Action::Configure { variant: self.plugin.description.id.into(), preset: None });
                    }
                });
            });
        });
    }

    /// x, y, z, D and what keeps it from collapsing.
    fn sentence(&self, ui: &mut Ui) {
        let d = &self.plugin.description;
        let parts = [
            ("x", "what is seen", d.context),
            ("y", "what is hidden", d.target),
            ("z", "what the prediction is told", d.condition),
            ("D", "distance", d.distance),
            ("≠0", "against collapse", d.against_collapse),
        ];
        let grid = egui::Grid::new((d.id, "sentence")).num_columns(2).min_col_width(18.0).min_row_height(17.0);
        grid.spacing([6.0, 1.0]).show(ui, |ui| {
            for (sign, meaning, words) in parts {
                ui.label(RichText::new(sign).small().strong()).on_hover_text(meaning);
                ui.add(egui::Label::new(RichText::new(words).small()).truncate()).on_hover_text(words);
                ui.end_row();
            }
        });
    }

    fn data(&self) -> &str {
        self.found.as_ref().and_then(|f| f.as_ref().ok()).map_or("", |found| &found.data)
    }

    fn picture(&mut self, ui: &mut Ui, size: egui::Vec2) {
        let id = self.plugin.description.id;
        match &self.found {
            None => drop(ui.add(egui::Spinner::new())),
            Some(Err(problem)) => drop(ui.weak(problem)),
            Some(Ok(found)) => match found.pictures.first() {
                Some(Ok(sample)) => {
                    let overlay = picture::Overlay::Masks { generator: 0, block: None };
                    let name = format!("Masks of {id} on a sample");
                    let (response, _) = self.view.show(ui, &name, sample, &overlay, size);
                    response.on_hover_text(format!(
                        "{}: lit is seen, coloured is to be predicted\n{}",
                        sample.name, found.data
                    ));
                }
                Some(Err(problem)) => drop(ui.weak(problem)),
                None => drop(ui.weak("no samples")),
            },
        }
    }
}

/// Runs there are, newest first.
fn recent(ui: &mut Ui, shared: &mut Shared) {
    ui.add_space(4.0);
    ui.label(RichText::new("Recent runs").strong().size(16.0));
    if !shared.library.looked {
        ui.weak("Looking…");
        return;
    }
    if let Some(problem) = &shared.library.problem {
        ui.add_space(8.0);
        ui.add(egui::Label::new(RichText::new(problem).color(shared.theme.band(Band::Bad))).wrap());
        if ui.button("Choose a folder of runs…").clicked() {
            shared.asked.push(Action::ChooseRuns);
        }
        return;
    }
    if shared.library.runs.is_empty() {
        ui.add_space(8.0);
        ui.weak("No runs yet. Try a variant: its run appears here, and in the folder below, while it trains.");
        return;
    }
    let now = runlog::now();
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for run in shared.library.runs.clone().into_iter().take(100) {
            let color = shared.run_color(&run.path);
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(egui::vec2(6.0, 30.0), egui::Sense::hover());
                ui.painter().rect_filled(rect, 2.0, color);
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    let link = ui.add(egui::Link::new(RichText::new(&run.name).strong()));
                    if link.on_hover_text(run.path.display().to_string()).clicked() {
                        shared.ask(Action::OpenRun(run.path.clone()));
                    }
                    let state = RichText::new(run.standing.word()).small();
                    let state = match run.standing {
                        Standing::Running => state.color(shared.theme.band(Band::Good)),
                        Standing::Died | Standing::Failed => state.color(shared.theme.band(Band::Bad)),
                        _ => state.weak(),
                    };
                    ui.horizontal(|ui| {
                        ui.label(state);
                        let ago = widgets::ago(run.info.started, now);
                        ui.label(RichText::new(format!("{} · {ago}", run.info.engine)).small().weak());
                    });
                });
            });
            ui.add_space(3.0);
        }
    });
}
