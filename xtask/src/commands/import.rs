use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jepa_core::checkpoint::{Foreign, read_foreign};
use jepa_core::plugin::{self, ImportRequest};
use jepa_core::{Error, Result};

use super::{command_line, print_json};

#[derive(Args)]
pub(crate) struct Import {
    /// PyTorch checkpoint, safetensors file, Hugging Face folder, or hf:org/name
    from: String,
    /// Variant the weights are for
    #[arg(long)]
    variant: String,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Network of a checkpoint that holds several: target_encoder (default) or encoder
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Attention heads, for sizes other than the official ones: they leave no trace in the weights
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Another file whose entries stand beside these, such as the attentive probe of V-JEPA 2 that belongs to an encoder
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// Leave out entries whose name begins with this, such as classifier; repeatable
    #[arg(long, value_name = "PREFIX")]
    ignore: Vec<String>,
    /// One value laid over the configuration found with the weights, as in --set model.encoder.heads=6; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print what was read as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let plugin = plugin::find(&self.variant)?;
        let path = match self.from.strip_prefix("hf:") {
            Some(name) => fetch(name)?,
            None => PathBuf::from(&self.from),
        };
        if !path.exists() {
            return Err(Error::config(self.from, "there is no such file or folder"));
        }
        let mut foreign = read_foreign(&path, self.network.as_deref())?;
        if let Some(other) = &self.with {
            beside(&mut foreign, other)?;
        }
        let mut ignored = Vec::new();
        foreign.tensors.retain(|name, _| {
            let keep = !self.ignore.iter().any(|prefix| name.starts_with(prefix.as_str()));
            if !keep {
                ignored.push(name.clone());
            }
            keep
        });
        foreign.origin.clone_from(&self.from);
        foreign.heads = self.heads;
        let request = ImportRequest { foreign, assignments: self.set, out: self.out.clone(), command: command_line() };
        let count = plugin.import(&request)?;
        if self.json {
            print_json(&serde_json::json!({ "tensors": count, "ignored": ignored, "out": self.out }))?;
        } else {
            eprintln!("{count} tensors from {} in {}", self.from, self.out.display());
            if !ignored.is_empty() {
                eprintln!("left out on request: {}", ignored.join(", "));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Adds the entries of another file, without those of an optimiser.
fn beside(foreign: &mut Foreign, path: &Path) -> Result<()> {
    let state = |name: &str| ["opt.", "scaler."].iter().any(|prefix| name.starts_with(prefix));
    for (name, tensor) in read_foreign(path, None)?.tensors.into_iter().filter(|(name, _)| !state(name)) {
        if foreign.tensors.contains_key(&name) {
            return Err(Error::format(path, format!("holds `{name}`, as {} does", foreign.origin)));
        }
        foreign.tensors.insert(name, tensor);
    }
    Ok(())
}

/// Downloads config.json and model.safetensors of a Hugging Face model; returns their folder.
fn fetch(name: &str) -> Result<PathBuf> {
    let failed = |e: hf_hub::api::sync::ApiError| {
        Error::config(
            format!("hf:{name}"),
            format!("cannot be fetched: {e}; download its folder by hand and give the path"),
        )
    };
    let api = hf_hub::api::sync::Api::new().map_err(failed)?.model(name.to_owned());
    let config = api.get("config.json").map_err(failed)?;
    // Some have none: pictures are normalised as usual then.
    let _ = api.get("preprocessor_config.json");
    if let Err(error) = api.get("model.safetensors") {
        // Large models come in shards that an index names.
        let index = api.get("model.safetensors.index.json").map_err(|_| failed(error))?;
        let text = std::fs::read(&index).map_err(Error::io("read", &index))?;
        let json: serde_json::Value =
            serde_json::from_slice(&text).map_err(|e| Error::format(&index, e.to_string()))?;
        for shard in json["weight_map"].as_object().into_iter().flat_map(|m| m.values()).filter_map(|v| v.as_str()) {
            api.get(shard).map_err(failed)?;
        }
    }
    Ok(config.parent().unwrap_or(Path::new(".")).to_owned())
}
