//! The list of what is linked in.

use super::Plugin;
use crate::error::{Error, Result};

inventory::collect!(Plugin);

/// Every registered variant, by id. Two of one id are an error.
pub fn variants() -> Result<Vec<&'static Plugin>> {
    let mut plugins: Vec<&Plugin> = inventory::iter::<Plugin>.into_iter().collect();
    plugins.sort_by_key(|p| p.description.id);
    match plugins.windows(2).find(|pair| pair[0].description.id == pair[1].description.id) {
        Some(pair) => Err(Error::DuplicateVariant(pair[0].description.id.to_owned())),
        None => Ok(plugins),
    }
}

/// The variant of an id; an unknown one names those that look alike.
pub fn find(id: &str) -> Result<&'static Plugin> {
    let plugins = variants()?;
    let known: Vec<&str> = plugins.iter().map(|p| p.description.id).collect();
    plugins.into_iter().find(|p| p.description.id == id).ok_or_else(|| Error::unknown("variant", id, &known))
}

/// The variant of a run folder, of imported weights, or of one checkpoint.
pub fn of_run(path: &std::path::Path) -> Result<&'static Plugin> {
    if !path.exists() {
        return Err(Error::config(path.display().to_string(), "there is no such run, folder or checkpoint"));
    }
    if path.join("run.json").is_file() {
        return find(&crate::runlog::read_info(path)?.variant);
    }
    let bundle = crate::checkpoint::load_latest(&crate::checkpoint::Disk, path)?;
    find(&bundle.manifest.variant)
}
