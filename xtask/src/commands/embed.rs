use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jepa_core::data::Split;
use jepa_core::plugin::{self, EmbedRequest};
use jepa_core::probe::write_features;
use jepa_core::{Error, Result};

use super::{DeviceArg, print_json};

#[derive(Args)]
pub(crate) struct Embed {
    /// Run folder, imported folder or checkpoint
    weights: PathBuf,
    /// What to embed
    #[arg(long, value_name = "SPEC")]
    data: String,
    /// Which part of it: train or test
    #[arg(long, default_value = "train")]
    split: String,
    /// File to write: .safetensors, .npz, or .tsv (with the labels beside it, for the TensorBoard projector)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArg,
    /// Print what was written as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Embed {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let split = match self.split.as_str() {
            "train" => Split::Train,
            "test" => Split::Test,
            other => return Err(Error::unknown("split", other, &["train", "test"])),
        };
        let plugin = plugin::of_run(&self.weights)?;
        let request = EmbedRequest { path: self.weights, data: self.data, split, engine: self.device.open()? };
        // A file name that cannot be written is told before the work, not after.
        jepa_core::probe::check_features_file(&self.out)?;
        let features = plugin.embed(&request)?;
        let files = write_features(&features, &self.out)?;
        if self.json {
            print_json(&serde_json::json!({ "rows": features.len(), "width": features.width(), "files": files }))?;
        } else {
            let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
            eprintln!("{} vectors of width {} in {}", features.len(), features.width(), names.join(" and "));
        }
        Ok(ExitCode::SUCCESS)
    }
}
