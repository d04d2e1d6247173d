//! Samples as points: Data | Projection | Inspector.

use crate::screens::{Screen, ScreenId};
use crate::shared::Shared;

/// The screen's state.
#[derive(Debug, Default)]
pub struct Embeddings {}

impl Screen for Embeddings {
    fn id(&self) -> ScreenId {
        ScreenId::Embeddings
    }

    fn ui(&mut self, ui: &mut egui::Ui, _shared: &mut Shared) {
        ui.label("Not built yet");
    }
}
