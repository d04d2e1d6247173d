//! Weights of other projects: what a file or folder holds, before anybody says what it means.

use std::path::Path;

use super::Named;
use crate::error::{Error, Result};

/// Tensors and configuration of another project.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Where they came from.
    pub origin: String,
    /// Tensors by name; those of a PyTorch checkpoint with several networks are below the network's name
    /// (`target_encoder.blocks.0..`). Prefixes that only wrap a network (`module.`, `backbone.`) are gone.
    pub tensors: Named,
    /// The `config.json` beside them, when there is one.
    pub config: Option<serde_json::Value>,
    /// The `preprocessor_config.json` beside them, when there is one.
    pub processor: Option<serde_json::Value>,
    /// The network asked for (`encoder`, `target_encoder`), when one was.
    pub network: Option<String>,
    /// Attention heads, which leave no trace in names and shapes, when they were given.
    pub heads: Option<usize>,
}

impl Foreign {
    /// The tensors of one network, their names without its own.
    pub fn below(&self, network: &str) -> Named {
        let inside = |name: &str| Some(name.strip_prefix(network)?.strip_prefix('.')?.to_owned());
        self.tensors.iter().filter_map(|(name, tensor)| Some((inside(name)?, tensor.clone()))).collect()
    }
}

/// Reads a PyTorch checkpoint (`.pth.tar`, `.pth`, `.pt`, `.ckpt`), a safetensors file, or a Hugging Face folder.
pub fn read_foreign(path: &Path, network: Option<&str>) -> Result<Foreign> {
    let (tensors, config) = if path.is_dir() {
        read_folder(path)?
    } else if path.extension().is_some_and(|e| e == "safetensors") {
        (read_safetensors(path)?, None)
    } else {
        (read_pytorch(path)?, None)
    };
    if tensors.is_empty() {
        return Err(Error::format(path, "holds no tensors"));
    }
    let processor = path.join("preprocessor_config.json");
    Ok(Foreign {
        origin: path.display().to_string(),
        tensors,
        config,
        processor: processor.is_file().then(|| read_json(&processor)).transpose()?,
        network: network.map(str::to_owned),
        heads: None,
    })
}

fn read_safetensors(path: &Path) -> Result<Named> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    super::decode(&bytes, path)
}

fn read_json(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&text).map_err(|e| Error::format(path, format!("not JSON: {e}")))
}

fn read_folder(folder: &Path) -> Result<(Named, Option<serde_json::Value>)> {
    let config = read_json(&folder.join("config.json"))?;
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok((read_safetensors(&single)?, Some(config)));
    }
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        return Err(Error::format(
            folder,
            "holds neither model.safetensors nor model.safetensors.index.json; weights in pytorch_model.bin can be given as a file",
        ));
    }
    let index_json = read_json(&index)?;
    let map = index_json["weight_map"].as_object().ok_or_else(|| Error::format(&index, "has no weight_map"))?;
    let shards: std::collections::BTreeSet<&str> = map.values().filter_map(serde_json::Value::as_str).collect();
    let mut tensors = Named::new();
    for shard in shards {
        if shard.contains(['/', '\\']) || shard.starts_with('.') {
            return Err(Error::format(&index, format!("names a file outside the folder: {shard}")));
        }
        tensors.extend(read_safetensors(&folder.join(shard))?);
    }
    Ok((tensors, Some(config)))
}

fn read_pytorch(path: &Path) -> Result<Named> {
    let reader = pytorch_reader::PytorchReader::new(path)
        .map_err(|e| Error::format(path, format!("not a PyTorch checkpoint that can be read: {e}")))?;
    let mut tensors = Named::new();
    for (name, tensor) in reader.into_tensors() {
        use pytorch_reader::DType;
        let dtype = match tensor.dtype() {
            DType::F32 => safetensors::Dtype::F32,
            DType::F64 => safetensors::Dtype::F64,
            DType::F16 => safetensors::Dtype::F16,
            DType::BF16 => safetensors::Dtype::BF16,
            // Counters of an optimiser and the like are no weights.
            _ => continue,
        };
        let bytes = tensor.read().map_err(|e| Error::format(path, format!("tensor `{name}` cannot be read: {e}")))?;
        let values = super::to_f32(dtype, &bytes).unwrap_or_default();
        let plain: Vec<&str> = name.split('.').filter(|part| !matches!(*part, "module" | "backbone")).collect();
        tensors.insert(plain.join("."), (tensor.shape().to_vec(), values));
    }
    Ok(tensors)
}
